//! Independent rebuilders, counted by person.

use std::collections::BTreeMap;

use super::*;
use crate::attest::rebuild::Rebuild;

fn rebuild(archive: Sha256) -> Rebuild {
    Rebuild {
        tag: TAG.into(),
        archive,
        repository: "local".into(),
        commit: commit(),
        tree: "e2".repeat(20),
        tag_object: None,
        command: vec!["cargo".into(), "build".into()],
        toolchain: BTreeMap::from([("rustc".into(), "rustc 1.95.0".into())]),
        builder_version: "0.1.0".into(),
        started: at("2026-02-01T00:00:00Z"),
        finished: at("2026-02-01T00:01:00Z"),
    }
}

fn rebuilt(archive: Sha256, keys: &[Seed]) -> Vec<Offered> {
    let sign = |key: &Seed| Envelope::sign(&rebuild(archive).statement(), key).unwrap();
    keys.iter().map(sign).map(logged).collect()
}

fn missing(rebuilders: u64, offered: &[Offered]) -> Option<Unmet> {
    let wanted = Wanted {
        rebuilders,
        ..Wanted::default()
    };
    let (policy, commit) = (policy(), commit());
    let about = about(&commit, author_unknown());
    let rows = rows(&policy, &about, offered);
    unmet(&wanted, &policy, &about, &rows).pop()
}

#[test]
fn two_rebuilders_who_agree_are_two() {
    let both = rebuilt(archive(), &[Seed(21), Seed(22)]);
    assert_eq!(missing(2, &both), None);
    let unmet = missing(2, &both[..1]).unwrap();
    assert_eq!((unmet.have, unmet.missing), (1, vec!["grace".to_owned()]));
}

#[test]
fn whoever_built_the_release_is_no_independent_rebuilder_of_it() {
    let own = rebuilt(archive(), &[Seed(20)]);
    standings(&own, &[Standing::Ok]);
    assert_eq!(missing(1, &own).unwrap().have, 0);
}

#[test]
fn other_bytes_are_no_agreement_and_an_approver_rebuilds_nothing() {
    let other = rebuilt(Sha256::of(b"other bytes"), &[Seed(21)]);
    standings(&other, &[Standing::WrongDigest]);
    assert!(missing(1, &other).is_some());
    standings(&rebuilt(archive(), &[BOB]), &[Standing::OtherPurpose]);
}
