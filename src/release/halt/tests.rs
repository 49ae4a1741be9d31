//! Halts as they are read: what is one, and whether it is in force.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::trust::{TargetFile, Targets};

const TAG: &str = "phase2-finality-fork-1.0.0";

fn at() -> Timestamp {
    "2026-03-01T00:00:00Z".parse().unwrap()
}

fn halt(version: u64) -> Halt {
    Halt {
        environment: "mainnet".into(),
        version,
        tag: TAG.into(),
        reason: "blocks are lost every minute".into(),
        by: "dora".into(),
        time: at(),
    }
}

fn stops(target: TargetFile) -> Targets {
    let mut role = Targets::new(1, at());
    role.targets.insert(target_name("mainnet"), target);
    role
}

/// Mainnet agreed on [`TAG`] with this version; its role was signed anew since.
fn runs(version: u64) -> Targets {
    let mut target = TargetFile::of(b"{}");
    target.custom = Some(json!({"relman": {"tag": TAG, "version": version}}));
    let mut role = Targets::new(version + 3, at());
    role.targets.insert("mainnet.current.json".into(), target);
    role
}

#[track_caller]
fn refused<T: std::fmt::Debug>(found: crate::Result<T>, words: &str) {
    let error = found.unwrap_err().to_string();
    assert!(error.contains(words), "{words:?} is not in {error:?}");
}

#[test]
fn a_halt_is_read_from_its_target_alone() {
    let made = halt(4);
    assert_eq!(Halt::of("mainnet", &made.target().unwrap()).unwrap(), made);
    let text = String::from_utf8(made.to_bytes().unwrap()).unwrap();
    assert!(text.contains("\"_type\": \"relman-halt\""), "{text}");
    assert!(made.path().unwrap().ends_with(".halt-mainnet.current.json"));
}

#[test]
fn whatever_is_changed_in_a_target_makes_it_no_halt() {
    type Change = fn(&mut Value);
    let changes: [(Change, &str); 9] = [
        (|c| c["version"] = json!(5), "sha256"),
        (
            |c| c["reason"] = json!("another reason altogether"),
            "sha256",
        ),
        (|c| c["by"] = json!("eve"), "sha256"),
        (|c| c["more"] = json!(1), "malformed"),
        (|c| c["version"] = json!(0), "stops version 0"),
        (|c| c["tag"] = json!("../etc"), "no release's tag"),
        (
            |c| c["reason"] = json!("a reason with \u{202e} in it"),
            "not seen",
        ),
        (|c| c["by"] = json!(""), "who asked"),
        (|c| c["time"] = json!("yesterday"), "malformed"),
    ];
    for (change, words) in changes {
        let mut target = halt(4).target().unwrap();
        change(&mut target.custom.as_mut().unwrap()["relman"]);
        let error = Halt::of("mainnet", &target).unwrap_err().to_string();
        let told = error.contains(words) || (words == "sha256" && error.contains("length"));
        assert!(told, "{words:?} is not in {error:?}");
    }
    let mut bare = halt(4).target().unwrap();
    bare.custom = None;
    refused(Halt::of("mainnet", &bare), "says nothing");
    // The very file of another environment.
    assert!(Halt::of("testnet", &halt(4).target().unwrap()).is_err());
}

#[test]
fn a_halt_is_in_force_for_the_agreement_that_it_names_and_no_other() {
    let stop = stops(halt(4).target().unwrap());
    assert_eq!(in_force("mainnet", &stop, &runs(4)).unwrap(), Some(halt(4)));
    assert_eq!(in_force("mainnet", &stop, &runs(5)).unwrap(), None);
    refused(in_force("mainnet", &stop, &runs(3)), "is at version 3");
    let nothing = Targets::new(1, at());
    refused(in_force("mainnet", &stop, &nothing), "is at version 0");
    assert_eq!(in_force("mainnet", &nothing, &runs(4)).unwrap(), None);
    let mut other = halt(4);
    other.tag = "phase1-sig-verify-1.0.0".into();
    let other = stops(other.target().unwrap());
    refused(in_force("mainnet", &other, &runs(4)), "which agreed on");
}

#[test]
fn a_role_that_lists_anything_besides_stops_all_installs() {
    for name in ["mainnet.current.json", "halt-mainnet.more", "x.tar.gz"] {
        let mut stop = stops(halt(4).target().unwrap());
        stop.targets.insert(name.into(), TargetFile::of(b"x"));
        refused(in_force("mainnet", &stop, &runs(4)), name);
        refused(in_force("mainnet", &stop, &runs(9)), name);
    }
}
