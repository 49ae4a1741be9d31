//! What the public conformance suite leaves out and no other subject has: lengths, hashes, bounds.

use serde_json::json;

use super::*;
use crate::limits::{MAX_DELEGATIONS, MAX_LISTED_METADATA_LEN, MAX_ROOT_ROTATIONS};
use crate::store::Reader;
use crate::trust::Fetch;
use crate::trust::envelope::Unverified;
use crate::trust::meta::Hashes;
use crate::trust::refresh::{StoreMetadata, stored};

/// A refresh of a repository whose listing of `file` was changed, newer than the honest one.
fn with_listing(file: &str, change: impl FnOnce(&mut MetaFile)) -> (Repo, Memory) {
    let mut repo = Repo::new();
    if file == "snapshot.json" {
        change(repo.timestamp.meta.get_mut(file).unwrap());
        repo.timestamp.version += 1;
        repo.publish_timestamp();
    } else {
        change(repo.snapshot.meta.get_mut(file).unwrap());
        repo.snapshot.version += 1;
        repo.publish_snapshot();
    }
    (repo, Memory::new())
}

#[test]
fn the_bounds_are_those_of_the_specification_and_of_common_clients() {
    let lengths = [
        Root::MAX_LEN,
        Timestamp::MAX_LEN,
        Snapshot::MAX_LEN,
        Targets::MAX_LEN,
    ];
    assert_eq!(lengths, [512_000, 16_384, 2_000_000, 5_000_000]);
    assert_eq!((MAX_ROOT_ROTATIONS, MAX_DELEGATIONS), (256, 32));
}

#[test]
fn metadata_of_another_length_than_listed_is_refused_with_its_hash_or_without() {
    for file in ["snapshot.json", "targets.json"] {
        for hashes in [true, false] {
            for (by, words) in [(-1, "at most"), (1, "has length")] {
                let (repo, cache) = with_listing(file, |meta| {
                    let length = meta.length.unwrap();
                    meta.length = Some(length.checked_add_signed(by).unwrap());
                    if !hashes {
                        meta.hashes = None;
                    }
                });
                let error = repo.refresh(&cache).err().unwrap().to_string();
                assert!(error.contains(words) && error.contains(file), "{error}");
                assert_eq!(cache.get(file), None);
            }
        }
    }
}

#[test]
fn every_hash_that_is_listed_for_metadata_is_checked() {
    let wrong = |name: &str| Hashes::from([(name.to_owned(), "00".repeat(32))]);
    for file in ["snapshot.json", "targets.json"] {
        for name in ["sha256", "sha512", "md5"] {
            let (repo, cache) = with_listing(file, |meta| {
                meta.hashes.as_mut().unwrap().extend(wrong(name));
            });
            repo.refuses(&cache, name);
            assert_eq!(cache.get(file), None);
        }
    }
}

#[test]
fn an_endless_target_is_given_up_at_its_listed_length() {
    let target = TargetFile::of(b"bytes");
    let mut check = target.checker("timed.tar.gz").unwrap();
    check.update(b"byt").unwrap();
    check.update(b"es").unwrap();
    let error = check.update(b"!").unwrap_err().to_string();
    assert_eq!(error, "timed.tar.gz is 6 bytes, at most 5 are accepted");
    let mut short = target.checker("timed.tar.gz").unwrap();
    short.update(b"byte").unwrap();
    let error = short.finish().unwrap_err().to_string();
    assert_eq!(error, "timed.tar.gz has length 4, listed is 5");
    assert!(target.check("timed.tar.gz", b"bytes").is_ok());
}

#[test]
fn a_specification_of_another_major_version_is_refused_from_every_role() {
    for role in ["timestamp", "snapshot", "targets"] {
        let mut repo = Repo::new();
        match role {
            "timestamp" => repo.timestamp.spec_version = "2.0.0".into(),
            "snapshot" => repo.snapshot.spec_version = "2.0.0".into(),
            _ => repo.targets.spec_version = "2.0.0".into(),
        }
        repo.targets.version = 2;
        repo.publish();
        repo.refuses(&Memory::new(), "spec_version is \"2.0.0\", wanted 1.x");
    }
    let mut repo = Repo::new();
    repo.next_root(&[ROOT], |root| root.spec_version = "2.0.0".into());
    repo.refuses(&Memory::new(), "spec_version is \"2.0.0\", wanted 1.x");
}

#[test]
fn a_listing_without_a_version_a_hash_or_a_snapshot_is_refused() {
    let meta = |change: fn(&mut Value)| {
        let mut snapshot = value(&Repo::new().snapshot);
        change(&mut snapshot["meta"]["targets.json"]);
        let bytes = envelope(&snapshot, &[SNAPSHOT]);
        Unverified::<Snapshot>::parse(&bytes)
            .err()
            .map(|e| e.to_string())
    };
    assert_eq!(meta(|_| ()), None);
    for (change, words) in [
        (
            (|m| m["version"] = json!(0)) as fn(&mut Value),
            "\"targets.json\" is 0",
        ),
        (|m| m["length"] = json!(-1), "invalid value"),
        (|m| m["hashes"] = json!({}), "none is listed"),
    ] {
        let error = meta(change).expect("refused");
        assert!(error.contains(words), "{error}");
    }
    let mut timestamp = value(&Repo::new().timestamp);
    timestamp["meta"] = json!({"other.json": {"version": 1}});
    let bytes = envelope(&timestamp, &[TIMESTAMP]);
    let error = Unverified::<Timestamp>::parse(&bytes).err().unwrap();
    assert!(error.to_string().contains("snapshot.json"), "{error}");
    timestamp["meta"]["snapshot.json"] = json!({"version": 0});
    let bytes = envelope(&timestamp, &[TIMESTAMP]);
    assert!(Unverified::<Timestamp>::parse(&bytes).is_err());
}

#[test]
fn the_longest_listing_that_is_accepted_is_16_mib() {
    for (length, words) in [
        (MAX_LISTED_METADATA_LEN, "targets.json has length"),
        (
            MAX_LISTED_METADATA_LEN + 1,
            "1.targets.json is 16777217 bytes",
        ),
    ] {
        let (repo, cache) = with_listing("targets.json", |meta| meta.length = Some(length));
        repo.refuses(&cache, words);
    }
}

#[test]
fn a_stored_role_that_is_not_the_listed_one_is_told_as_such_offline() {
    let repo = Repo::new();
    let cache = Memory::new();
    repo.refresh(&cache).unwrap();
    cache.put("targets.json", b"{}");
    refused(stored(None, &cache, clock()), "targets.json has length 2");
}

/// A store with one object.
struct OneObject;

impl Reader for OneObject {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        Ok((path == "metadata/2.root.json").then(|| limit.to_string().into_bytes()))
    }
    fn open(&self, _: &str) -> Result<Option<Box<dyn std::io::Read + Send>>> {
        Ok(None)
    }
    fn location(&self) -> String {
        "memory".into()
    }
    fn list(&self, _: &str) -> Result<Option<Vec<String>>> {
        Ok(None)
    }
}

#[test]
fn a_stores_metadata_is_read_from_its_directory_within_the_limit() {
    let metadata = StoreMetadata(&OneObject);
    let found = metadata.fetch("2.root.json", 512_000).unwrap();
    assert_eq!(found.as_deref(), Some(b"512000".as_slice()));
    assert_eq!(metadata.fetch("3.root.json", 512_000).unwrap(), None);
}

#[test]
fn a_target_knows_its_sha256_if_it_lists_one() {
    let mut target = TargetFile::of(b"x");
    assert_eq!(target.sha256(), Some(crate::hash::Sha256::of(b"x")));
    target.hashes = Hashes::from([("sha512".into(), "00".into())]);
    assert_eq!(target.sha256(), None);
    assert_eq!(target.consistent_name("a/b").as_deref(), Some("a/00.b"));
}
