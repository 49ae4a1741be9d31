//! The chain of roots, and where it may start.

use super::*;
use crate::limits::{MAX_ROOT_LEN, MAX_ROOT_ROTATIONS};
use crate::trust::refresh::stored;
use crate::trust::state::RootStage;
use crate::trust::{Cache, Fetch};

#[test]
fn a_root_signed_by_old_and_new_keys_is_followed_and_stored_byte_for_byte() {
    let mut repo = Repo::new();
    let cache = Memory::new();
    repo.refresh(&cache).unwrap();
    repo.next_root(&[ROOT, 11], |root| {
        root.roles.get_mut("root").unwrap().keyids.clear();
        root.add_key("root", &public(11)).unwrap();
    });
    assert_eq!(repo.refresh(&cache).unwrap().root().version, 2);
    assert_eq!(cache.get("root.json"), repo.store.get("2.root.json"));
    repo.next_root(&[11], |_| ());
    assert_eq!(repo.refresh(&cache).unwrap().root().version, 3);
}

#[test]
fn a_root_signed_only_by_the_old_or_only_by_the_new_keys_is_refused() {
    for (signers, words) in [
        (vec![ROOT], "listed by root version 2"),
        (vec![11], "listed by root version 1"),
    ] {
        let mut repo = Repo::new();
        let cache = Memory::new();
        repo.next_root(&signers, |root| {
            root.roles.get_mut("root").unwrap().keyids.clear();
            root.add_key("root", &public(11)).unwrap();
        });
        repo.refuses(&cache, words);
        assert_eq!(cache.get("root.json").unwrap(), repo.first_root);
    }
}

#[test]
fn a_root_that_skips_or_repeats_a_version_is_refused() {
    for version in [1, 3] {
        let repo = Repo::new();
        let mut root = repo.root.clone();
        root.version = version;
        let bytes = envelope(&value(&root), &[ROOT]);
        repo.store.put("2.root.json", &bytes);
        repo.refuses(&Memory::new(), &format!("version {version}, wanted 2"));
    }
}

#[test]
fn a_root_whose_signature_is_by_a_swapped_key_under_the_old_id_is_refused() {
    let mut repo = Repo::new();
    repo.root.version = 2;
    repo.root.keys.insert(id(ROOT), public(66));
    let forged = envelope_as(&value(&repo.root), &[(id(ROOT), 66)]);
    repo.store.put("2.root.json", &forged);
    repo.refuses(&Memory::new(), "root metadata has 0 valid signatures");
}

#[test]
fn an_expired_root_in_between_is_fine_and_an_expired_last_one_is_a_freeze() {
    let past = at("2026-01-01T00:00:00Z");
    let mut repo = Repo::new();
    let cache = Memory::new();
    repo.next_root(&[ROOT], |root| root.expires = past);
    repo.refuses(
        &cache,
        "root metadata version 2 expired at 2026-01-01T00:00:00Z",
    );
    assert_eq!(cache.get("root.json"), repo.store.get("2.root.json"));
    assert_eq!(cache.get("timestamp.json"), None);
    repo.next_root(&[ROOT], |root| root.expires = later());
    repo.refresh(&cache).unwrap();
}

#[test]
fn after_256_rotations_the_rest_waits_for_the_next_refresh() {
    let mut repo = Repo::new();
    let cache = Memory::new();
    for _ in 0..=MAX_ROOT_ROTATIONS {
        repo.next_root(&[ROOT], |_| ());
    }
    assert_eq!(repo.refresh(&cache).unwrap().root().version, 257);
    assert_eq!(repo.refresh(&cache).unwrap().root().version, 258);
}

#[test]
fn a_root_of_more_than_its_limit_is_refused() {
    let repo = Repo::new();
    let mut bytes = repo.first_root.clone();
    bytes.resize(MAX_ROOT_LEN as usize + 1, b' ');
    repo.store.put("2.root.json", &bytes);
    repo.refuses(&Memory::new(), "512001 bytes");
    let error = RootStage::new(&bytes).unwrap_err().to_string();
    assert!(error.contains("at most 512000"), "{error}");
}

#[test]
fn a_store_that_fails_is_not_the_end_of_the_chain() {
    struct Failing<'a>(&'a Memory);
    impl Fetch for Failing<'_> {
        fn fetch(&self, name: &str, limit: u64) -> crate::Result<Option<Vec<u8>>> {
            match name {
                "2.root.json" => Err(crate::Error::failed("HTTP 500")),
                _ => self.0.fetch(name, limit),
            }
        }
    }
    let repo = Repo::new();
    let cache = Memory::new();
    let store = Failing(&repo.store);
    let error = refresh(Some(&repo.first_root), &store, &cache, clock())
        .err()
        .unwrap();
    assert_eq!(error.to_string(), "HTTP 500");
}

#[test]
fn without_a_root_there_is_nothing_to_trust() {
    let repo = Repo::new();
    refused(
        refresh(None, &repo.store, &Memory::new(), clock()),
        "no trusted root to start from",
    );
    refused(
        refresh(Some(b"{}"), &repo.store, &Memory::new(), clock()),
        "the given root was refused",
    );
}

#[test]
fn a_stored_root_that_somebody_overwrote_is_not_taken_for_the_given_one() {
    let repo = Repo::new();
    let mut forged = repo.root.clone();
    for role in forged.roles.values_mut() {
        role.keyids.clear();
    }
    forged.add_key("root", &public(66)).unwrap();
    let cache = Memory::new();
    cache.put("root.json", &envelope(&value(&forged), &[66]));
    repo.refuses(&cache, "both have version 1 and differ");
    cache.put("root.json", b"garbage");
    repo.refuses(&cache, "the stored root was refused");
}

#[test]
fn a_newer_given_root_replaces_the_stored_one() {
    let mut repo = Repo::new();
    let cache = Memory::new();
    repo.refresh(&cache).unwrap();
    repo.next_root(&[ROOT], |_| ());
    repo.first_root = repo.store.get("2.root.json").unwrap();
    assert_eq!(repo.refresh(&cache).unwrap().root().version, 2);
    assert_eq!(cache.get("root.json").unwrap(), repo.first_root);
}

#[test]
fn the_same_root_with_one_more_signature_is_the_same_root() {
    let mut repo = Repo::new();
    let cache = Memory::new();
    repo.refresh(&cache).unwrap();
    repo.first_root = envelope(&value(&repo.root), &[ROOT, 12]);
    repo.refresh(&cache).unwrap();
}

/// A cache that dies when root is saved, as by a power cut.
struct DiesAtRoot<'a>(&'a Memory);

impl Cache for DiesAtRoot<'_> {
    fn load(&self, name: &str) -> crate::Result<Option<Vec<u8>>> {
        self.0.load(name)
    }
    fn save(&self, name: &str, bytes: &[u8]) -> crate::Result<()> {
        match name {
            "root.json" => Err(crate::Error::failed("power cut")),
            _ => self.0.save(name, bytes),
        }
    }
    fn remove(&self, name: &str) -> crate::Result<()> {
        self.0.remove(name)
    }
}

#[test]
fn a_power_cut_during_fast_forward_recovery_leaves_a_state_that_recovers() {
    let mut repo = Repo::new();
    let cache = Memory::new();
    repo.snapshot.version = 1_000;
    repo.publish_snapshot();
    repo.refresh(&cache).unwrap();
    repo.snapshot.version = 1;
    repo.signers.insert("snapshot".into(), vec![33]);
    repo.next_root(&[ROOT], |root| {
        root.roles.get_mut("snapshot").unwrap().keyids.clear();
        root.add_key("snapshot", &public(33)).unwrap();
    });
    repo.publish();
    let dying = DiesAtRoot(&cache);
    assert!(refresh(Some(&repo.first_root), &repo.store, &dying, clock()).is_err());
    assert_eq!(repo.refresh(&cache).unwrap().snapshot().version, 2);
}

#[test]
fn what_is_stored_verifies_without_a_store() {
    let repo = Repo::new();
    let cache = Memory::new();
    repo.refresh(&cache).unwrap();
    let before = cache.names();
    let mut view = stored(None, &cache, clock()).unwrap();
    assert!(view.target("timed.tar.gz").unwrap().is_some());
    drop(view);
    assert_eq!(cache.names(), before);
    cache.take("snapshot.json");
    refused(stored(None, &cache, clock()), "no snapshot.json");
}
