//! The stages by themselves, for what the driver keeps from them.

use super::*;
use crate::limits::{MAX_SNAPSHOT_LEN, MAX_TARGETS_LEN, MAX_TIMESTAMP_LEN};
use crate::trust::state::{RootStage, SnapshotStage, TargetsStage, TimestampStage, Update};

fn timestamp_stage(repo: &Repo) -> TimestampStage {
    let root = RootStage::new(&repo.first_root).unwrap();
    root.finish(clock()).unwrap()
}

fn snapshot_stage(repo: &Repo) -> SnapshotStage {
    let mut stage = timestamp_stage(repo);
    let bytes = repo.store.get("timestamp.json").unwrap();
    assert_eq!(stage.update(&bytes).unwrap(), Update::New);
    assert_eq!(stage.update(&bytes).unwrap(), Update::Unchanged);
    stage.finish().unwrap()
}

fn targets_stage(repo: &Repo) -> TargetsStage {
    let mut stage = snapshot_stage(repo);
    stage
        .update(&repo.store.get("1.snapshot.json").unwrap())
        .unwrap();
    stage.finish().unwrap()
}

/// The file, longer by white space.
fn padded(repo: &Repo, name: &str, len: u64) -> Vec<u8> {
    let mut bytes = repo.store.get(name).unwrap();
    bytes.resize(usize::try_from(len).unwrap(), b' ');
    bytes
}

fn unlisted_lengths() -> Repo {
    let mut repo = Repo::new();
    repo.list_hashes = false;
    (repo.snapshot.version, repo.timestamp.version) = (0, 0);
    repo.publish();
    repo
}

#[test]
fn every_stage_bounds_what_it_reads_and_not_only_what_the_driver_fetches() {
    let repo = unlisted_lengths();
    let at_limit = padded(&repo, "timestamp.json", MAX_TIMESTAMP_LEN);
    timestamp_stage(&repo).update(&at_limit).unwrap();
    let above = padded(&repo, "timestamp.json", MAX_TIMESTAMP_LEN + 1);
    for taken in [
        timestamp_stage(&repo).update(&above).map(|_| ()),
        timestamp_stage(&repo).local(&above),
    ] {
        let error = taken.unwrap_err().to_string();
        assert!(error.contains("at most 16384"), "{error}");
    }

    let at_limit = padded(&repo, "1.snapshot.json", MAX_SNAPSHOT_LEN);
    snapshot_stage(&repo).update(&at_limit).unwrap();
    let above = padded(&repo, "1.snapshot.json", MAX_SNAPSHOT_LEN + 1);
    let error = snapshot_stage(&repo).update(&above).unwrap_err();
    assert!(error.to_string().contains("at most 2000000"), "{error}");

    let at_limit = padded(&repo, "1.targets.json", MAX_TARGETS_LEN);
    let mut stage = targets_stage(&repo);
    stage.update(&at_limit, "targets", "root").unwrap();
    let above = padded(&repo, "1.targets.json", MAX_TARGETS_LEN + 1);
    let error = targets_stage(&repo).update(&above, "targets", "root");
    let error = error.unwrap_err().to_string();
    assert!(error.contains("at most 5000000"), "{error}");
}

#[test]
fn a_stage_without_its_role_does_not_end() {
    let repo = Repo::new();
    let error = timestamp_stage(&repo).finish().unwrap_err().to_string();
    assert!(error.contains("no timestamp.json"), "{error}");
    let error = snapshot_stage(&repo).finish().unwrap_err().to_string();
    assert!(error.contains("no snapshot.json"), "{error}");
}

#[test]
fn a_role_is_asked_of_a_delegator_that_was_not_taken_in_vain() {
    let mut repo = Repo::new();
    repo.delegate("a", 11, false, "*");
    (repo.snapshot.version, repo.timestamp.version) = (0, 0);
    repo.publish();
    let mut stage = targets_stage(&repo);
    let bytes = repo.store.get("1.a.json").unwrap();
    let error = stage.update(&bytes, "a", "targets").unwrap_err();
    assert!(error.to_string().contains("no targets.json"), "{error}");
    let error = stage.update(&bytes, "a", "root").unwrap_err();
    assert!(error.to_string().contains("not listed"), "{error}");
    assert!(stage.get("a", "targets").is_none() && stage.bytes("a").is_none());
    let targets = repo.store.get("1.targets.json").unwrap();
    stage.update(&targets, "targets", "root").unwrap();
    stage.update(&bytes, "a", "targets").unwrap();
    assert!(stage.get("a", "targets").is_some());
    assert!(stage.get("a", "root").is_none());
    assert_eq!(stage.bytes("a"), Some(bytes.as_slice()));
}

#[test]
fn an_unchanged_repository_is_asked_for_its_timestamp_and_next_root_alone() {
    let repo = Repo::new();
    let cache = Memory::new();
    repo.refresh(&cache).unwrap();
    for name in ["1.snapshot.json", "1.targets.json"] {
        repo.store.take(name);
    }
    let view = repo.refresh(&cache).unwrap();
    assert_eq!(view.notes(), [] as [String; 0]);
}

#[test]
fn one_role_of_two_delegators_has_the_same_bytes_for_both() {
    let mut repo = Repo::new();
    repo.list_hashes = false;
    repo.delegate("a", 11, false, "*");
    repo.delegate("b", 12, false, "*");
    repo.delegate_below("a", "shared", 13, "*");
    repo.delegate_below("b", "shared", 13, "*");
    (repo.snapshot.version, repo.timestamp.version) = (0, 0);
    repo.publish();
    let taken = || {
        let mut stage = targets_stage(&repo);
        for (name, delegator) in [
            ("targets", "root"),
            ("a", "targets"),
            ("b", "targets"),
            ("shared", "a"),
        ] {
            let bytes = repo.store.get(&format!("1.{name}.json")).unwrap();
            stage.update(&bytes, name, delegator).unwrap();
        }
        stage
    };
    let bytes = repo.store.get("1.shared.json").unwrap();
    taken().update(&bytes, "shared", "b").unwrap();
    let mut other = repo.delegated["shared"].clone();
    other.expires = at("2026-12-31T00:00:00Z");
    let other = repo.sign("shared", &other);
    let error = taken().update(&other, "shared", "b").unwrap_err();
    assert!(error.to_string().contains("has sha256"), "{error}");
}

#[test]
fn who_signed_is_known_by_key_id_without_those_that_did_not_count() {
    let repo = Repo::new();
    assert_eq!(targets_stage(&repo).snapshot().signers(), [id(SNAPSHOT)]);
    let root = envelope(&value(&repo.root), &[ROOT, 66]);
    let root = RootStage::new(&root).unwrap();
    assert_eq!(root.root().signers(), [id(ROOT)]);
}
