//! Tags that policy wants, and tags that only look like them.

use super::*;
use crate::attest::sshsig;
use crate::keys::Signer;
use crate::keys::seed::Seed;
use crate::log::VerifierKey;
use crate::release::state::Yank;
use crate::release::tag::Pattern;
use crate::trust::policy::{KeyEntry, Pin, PolicyDocument};

const TAG: &str = "phase2-finality-fork-1.0.0";
const TAGGER: Seed = Seed(1);
const EXPIRED: Seed = Seed(2);
const BUILDER: Seed = Seed(3);
const STRANGER: Seed = Seed(4);
const LOG: Seed = Seed(5);

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    time("2026-06-01T00:00:00Z")
}

fn policy() -> ReleasePolicy {
    let entry = |key: Seed, person: &str, purpose, until: &str| {
        let from = time("2026-01-01T00:00:00Z");
        KeyEntry::new(&key.public().into(), person, purpose, from, time(until)).unwrap()
    };
    let end = "2027-01-01T00:00:00Z";
    let origin = "timed/relman-log";
    let mut document = PolicyDocument::new("timed", origin);
    let log = VerifierKey::from_public(origin, &LOG.public()).unwrap();
    document.log.vkeys.push(log.to_string());
    document.keys = vec![
        entry(TAGGER, "Ann", Purpose::Tagger, end),
        entry(EXPIRED, "Ben", Purpose::Tagger, "2026-03-01T00:00:00Z"),
        entry(BUILDER, "Cy", Purpose::Builder, end),
    ];
    let bytes = ReleasePolicy::to_bytes(&document).unwrap();
    ReleasePolicy::parse(&bytes, Pin::of(&bytes)).unwrap()
}

fn commit() -> String {
    "1".repeat(40)
}

fn raw(name: &str, commit: &str, signer: Option<Seed>) -> Vec<u8> {
    let mut text = format!(
        "object {commit}\ntype commit\ntag {name}\ntagger Ann <a@example.org> 1700000000 +0000\n\nNew.\n"
    );
    if let Some(signer) = signer {
        text += &sshsig::sign_in(sshsig::GIT_NAMESPACE, &signer, text.as_bytes()).unwrap();
    }
    text.into_bytes()
}

fn claims(raw: Vec<u8>) -> SourceClaims {
    SourceClaims {
        tag_object: Some(raw),
        ..SourceClaims::default()
    }
}

fn signed() -> TagRule {
    TagRule {
        signed: true,
        ..TagRule::default()
    }
}

/// Under a rule that wants a signature, with the tag object's own id.
fn judged(raw: Vec<u8>, at: Timestamp) -> (Author, Vec<String>) {
    let id = git_tag::id(&raw, 40);
    check(
        &signed(),
        &claims(raw),
        TAG,
        &commit(),
        id.as_deref(),
        &policy(),
        at,
    )
}

#[track_caller]
fn refused(raw: Vec<u8>, why: &str) {
    let (author, problems) = judged(raw, now());
    assert!(author.person().is_none());
    assert!(problems.iter().any(|p| p.contains(why)), "{problems:#?}");
}

#[test]
fn a_tag_signed_by_a_tagger_names_its_author() {
    let (author, problems) = judged(raw(TAG, &commit(), Some(TAGGER)), now());
    assert_eq!(problems, [""; 0]);
    let Author::Verified(tagger) = author else {
        panic!("{author:?}");
    };
    assert_eq!((tagger.person(), *tagger.key()), ("Ann", TAGGER.public()));
}

#[test]
fn a_tag_that_no_tagger_signed_is_refused_with_the_reason_and_who_might() {
    let of = |signer| raw(TAG, &commit(), signer);
    refused(of(None), "it is unsigned, wanted a signature of Ann");
    refused(of(Some(STRANGER)), "which policy does not name");
    refused(of(Some(BUILDER)), "by the builder key");
    refused(of(Some(EXPIRED)), "of Ben, which is valid from");
    let pgp = [of(None), b"-----BEGIN PGP SIGNATURE-----\n\nabc\n".to_vec()].concat();
    refused(
        pgp,
        &format!("PGP-signed, which relman does not verify: git verify-tag {TAG}"),
    );
}

#[test]
fn a_taggers_key_counts_as_it_did_when_the_release_was_made() {
    let at = time("2026-02-01T00:00:00Z");
    let (author, problems) = judged(raw(TAG, &commit(), Some(EXPIRED)), at);
    assert_eq!((author.person(), problems.len()), (Some("Ben"), 0));
}

#[test]
fn a_signature_for_another_tag_or_commit_says_nothing_of_this_one() {
    let other = "phase1-sig-verify-1.0.0";
    refused(
        raw(other, &commit(), Some(TAGGER)),
        &format!("is that of {other:?}"),
    );
    let moved = raw(TAG, &"2".repeat(40), Some(TAGGER));
    refused(moved, "names commit 2222");
    // The signature of one tag under the text of another.
    let foreign = raw(other, &commit(), Some(TAGGER));
    let at = git_tag::signature_start(&foreign);
    let grafted = [&raw(TAG, &commit(), None), &foreign[at..]].concat();
    refused(grafted, "does not match");
}

#[test]
fn an_edited_message_takes_the_signature_away() {
    let text = String::from_utf8(raw(TAG, &commit(), Some(TAGGER))).unwrap();
    refused(text.replace("New.", "Old.").into_bytes(), "does not match");
}

#[test]
fn a_tag_object_that_is_not_the_releases_is_refused_even_where_no_signature_is_wanted() {
    let raw = raw(TAG, &commit(), Some(TAGGER));
    let none = TagRule::default();
    for id in [
        Some("3".repeat(40)),
        Some("3".repeat(64)),
        Some("3".into()),
        None,
    ] {
        let claims = claims(raw.clone());
        let found = check(
            &none,
            &claims,
            TAG,
            &commit(),
            id.as_deref(),
            &policy(),
            now(),
        );
        assert_eq!((found.0.person(), found.1.len()), (None, 1), "{found:?}");
    }
}

#[test]
fn a_provenance_without_the_tag_object_leaves_the_author_unknown() {
    for (id, why) in [
        (Some("4".repeat(40)), "does not have"),
        (None, "lightweight"),
    ] {
        let claims = SourceClaims::default();
        let of = |rule: TagRule| {
            check(
                &rule,
                &claims,
                TAG,
                &commit(),
                id.as_deref(),
                &policy(),
                now(),
            )
        };
        assert_eq!(of(TagRule::default()).1, [""; 0]);
        let (author, problems) = of(signed());
        assert!(
            matches!(&author, Author::Unknown(w) if w.contains(why)),
            "{author:?}"
        );
        assert_eq!(problems.len(), 1);
    }
}

#[test]
fn a_tag_of_a_tag_has_no_author() {
    let text = String::from_utf8(raw(TAG, &commit(), None)).unwrap();
    let mut text = text.replace("type commit", "type tag");
    text += &sshsig::sign_in("git", &TAGGER, text.as_bytes()).unwrap();
    refused(text.into_bytes(), "it tags a \"tag\", not a commit");
}

#[test]
fn a_release_that_lost_commits_or_is_on_no_wanted_branch_is_refused() {
    let rule = TagRule {
        descends: true,
        branches: vec!["main".into(), "release/*".into()],
        ..TagRule::default()
    };
    let judge = |descent: Descent, branches: &[&str]| {
        let claims = SourceClaims {
            tag_object: None,
            descent,
            branches: branches.iter().map(|b| (*b).to_owned()).collect(),
        };
        check(&rule, &claims, TAG, &commit(), None, &policy(), now()).1
    };
    let before = "phase1-sig-verify-1.0.0".to_owned();
    let from = Descent::From {
        tag: before.clone(),
        commit: "2".repeat(40),
    };
    assert_eq!(judge(from.clone(), &["release/2"]), [""; 0]);
    assert_eq!(judge(Descent::First, &["main"]), [""; 0]);
    let both = judge(Descent::Not { tag: before }, &["topic"]);
    assert!(
        both[0].contains("lacks commits of \"phase1-sig-verify-1.0.0\""),
        "{both:?}"
    );
    assert!(
        both[1].contains("is on \"topic\", wanted a branch main or release/*"),
        "{both:?}"
    );
    assert!(judge(Descent::Untold, &["main"])[0].contains("does not say"));
    assert!(judge(from, &[])[0].contains("is on none"));
}

#[test]
fn a_star_stands_for_any_characters() {
    for (pattern, text, wanted) in [
        ("main", "main", true),
        ("main", "mainly", false),
        ("*", "", true),
        ("release/*", "release/a/b", true),
        ("release/*", "release", false),
        ("*/v*.x", "release/v1.x", true),
        ("*/v*.x", "release/v1.y", false),
        ("a*a", "a", false),
        ("a*b*c", "abbc", true),
    ] {
        assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
    }
}

fn released(tag: &str, yanked: bool) -> Released {
    Released {
        tag: tag.into(),
        commit: commit(),
        tag_object: None,
        repository: "local".into(),
        sha256: crate::hash::Sha256::of(b""),
        length: 1,
        edges: Default::default(),
        yanked: yanked.then(|| Yank {
            level: "withdrawn".into(),
            reason: "bad".into(),
        }),
    }
}

#[test]
fn the_release_before_is_the_version_below_or_the_newest_of_the_phase_before() {
    let all: Vec<Released> = [
        ("phase1-sig-verify-1.0.0", false),
        ("phase1-sig-verify-1.0.2", false),
        ("phase1-sig-verify-1.0.3", true),
        ("phase2-finality-fork-1.0.0", false),
        ("phase2-other-0.9.0", false),
        ("phase4-far-1.0.0", false),
    ]
    .into_iter()
    .map(|(tag, yanked)| released(tag, yanked))
    .collect();
    let before = |tag: &str| {
        let tag = Tag::parse(tag, Pattern::Phase).unwrap();
        previous(&tag, &all).map(|r| r.tag.as_str())
    };
    assert_eq!(before("phase1-sig-verify-1.0.0"), None);
    assert_eq!(
        before("phase1-sig-verify-1.0.1"),
        Some("phase1-sig-verify-1.0.0")
    );
    assert_eq!(before("phase1-other-9.0.0"), None);
    let fixed = Some("phase1-sig-verify-1.0.2");
    assert_eq!(before("phase2-finality-fork-1.0.0"), fixed);
    assert_eq!(
        before("phase2-finality-fork-1.0.1"),
        Some("phase2-finality-fork-1.0.0")
    );
    assert_eq!(
        before("phase3-validation-1.0.0"),
        Some("phase2-finality-fork-1.0.0")
    );

    let plain: Vec<Released> = ["v1.0.0", "v1.10.0", "v1.9.0"]
        .map(|t| released(t, false))
        .into();
    let tag = Tag::parse("v1.11.0", Pattern::V).unwrap();
    assert_eq!(previous(&tag, &plain).unwrap().tag, "v1.10.0");
}
