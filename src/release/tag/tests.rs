//! Stories about tag names, good and bad.

use super::*;
use crate::Kind;

fn phase(text: &str) -> Result<Tag> {
    Tag::parse(text, Pattern::Phase)
}

fn refused(text: &str) -> String {
    let e = phase(text).expect_err(text);
    assert_eq!(e.kind(), Kind::Usage, "{text}");
    assert!(e.hint_text().is_some(), "{text}");
    assert!(e.message().contains("phase1-sig-verify-1.0.0"), "{e}");
    assert!(!e.message().chars().any(char::is_control), "{e}");
    assert!(e.message().len() < 320, "{e}");
    e.message().to_owned()
}

#[test]
fn a_phase_release_gives_its_parts() {
    let t = phase("phase12-sig-verify-1.0.0-rc.1").unwrap();
    assert_eq!(t.phase(), Some(12));
    assert_eq!(t.feature(), Some("sig-verify"));
    assert_eq!(t.version().to_string(), "1.0.0-rc.1");
    assert_eq!(t.archive_name(), "phase12-sig-verify-1.0.0-rc.1.tar.gz");
    let t = phase("phase1-p2p-2-1.0.0-alpha-1.x").unwrap();
    assert_eq!(t.feature(), Some("p2p-2"));
    assert_eq!(t.version().to_string(), "1.0.0-alpha-1.x");
}

#[test]
fn the_v_pattern_has_no_phases() {
    let t = Tag::parse("v1.4.35", Pattern::V).unwrap();
    assert_eq!((t.phase(), t.feature()), (None, None));
    assert!(t.predecessor_ok(&[]).is_ok());
    assert!(Tag::parse("phase1-a-1.0.0", Pattern::V).is_err());
    assert!(Tag::parse("1.4.35", Pattern::V).is_err());
    assert!(Tag::parse("v1.4", Pattern::V).is_err());
}

#[test]
fn every_bad_name_says_what_is_wrong() {
    for (name, why) in [
        ("", "is empty"),
        ("../phase1-a-1.0.0", "has a `/`"),
        ("phase1-a-1..0", "has `..`"),
        ("phase1-a-1.0.0\n", "control character"),
        ("phase1-a-1.0.0\u{1b}[31m", "control character"),
        ("phase1-Sig-1.0.0", "upper-case"),
        ("phase1-sig verify-1.0.0", "' '"),
        ("phase1-sig\u{202e}-1.0.0", "\\u{202e}"),
        ("phase0-a-1.0.0", "phase 0"),
        ("phase01-a-1.0.0", "leading zeroes"),
        ("phase-a-1.0.0", "not a number"),
        ("phasex-a-1.0.0", "not a number"),
        ("phase99999999999-a-1.0.0", "too big"),
        ("phase1", "nothing after"),
        ("phase1-1.0.0", "no feature"),
        ("phase1--a-1.0.0", "kebab"),
        ("phase1-a--b-1.0.0", "kebab"),
        ("phase1-9a-1.0.0", "kebab"),
        ("phase1-a", "no version"),
        ("phase1-a-1.0", "not X.Y.Z"),
        ("phase1-a-01.0.0", "not X.Y.Z"),
        ("phase1-a-1.0.0+linux", "build metadata"),
        ("release-1.0.0", "does not begin"),
        ("-rf", "does not begin"),
    ] {
        let message = refused(name);
        assert!(message.contains(why), "{name:?}: {message}");
    }
}

#[test]
fn a_name_of_4_kib_is_refused_and_not_echoed_whole() {
    let message = refused(&"phase1-a".repeat(512));
    assert!(message.contains("4096 bytes"), "{message}");
}

#[test]
fn releases_sort_by_phase_then_version() {
    let mut tags: Vec<Tag> = [
        "phase10-a-1.0.0",
        "phase2-z-1.0.1",
        "phase2-a-1.0.0",
        "phase2-a-1.0.0-rc.1",
    ]
    .iter()
    .map(|t| phase(t).unwrap())
    .collect();
    tags.sort();
    let names: Vec<&str> = tags.iter().map(Tag::as_str).collect();
    assert_eq!(
        names,
        [
            "phase2-a-1.0.0-rc.1",
            "phase2-a-1.0.0",
            "phase2-z-1.0.1",
            "phase10-a-1.0.0"
        ]
    );
}

#[test]
fn a_phase_whose_predecessor_was_never_cut_is_refused() {
    let one = phase("phase1-a-1.0.0").unwrap();
    let three = phase("phase3-c-1.0.0").unwrap();
    assert!(one.predecessor_ok(&[]).is_ok());
    assert!(
        phase("phase2-b-1.0.0")
            .unwrap()
            .predecessor_ok(std::slice::from_ref(&one))
            .is_ok()
    );
    let e = three.predecessor_ok(&[one]).unwrap_err();
    assert_eq!(e.kind(), Kind::Refused);
    assert!(
        e.message().contains("phase 2") && e.message().ends_with("found phases: 1"),
        "{e}"
    );
}
