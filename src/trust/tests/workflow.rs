//! Timestamp, snapshot and targets: rollback, freeze, fast-forward, mix-and-match, endless data.

use super::*;
use crate::trust::refresh::stored;

fn refreshed() -> (Repo, Memory) {
    let repo = Repo::new();
    let cache = Memory::new();
    repo.refresh(&cache).unwrap();
    (repo, cache)
}

#[test]
fn a_first_refresh_fetches_and_stores_every_role_byte_for_byte() {
    let (repo, cache) = refreshed();
    for (stored, fetched) in [
        ("root.json", "1.root.json"),
        ("timestamp.json", "timestamp.json"),
        ("snapshot.json", "1.snapshot.json"),
        ("targets.json", "1.targets.json"),
    ] {
        assert_eq!(cache.get(stored), repo.store.get(fetched), "{stored}");
    }
}

#[test]
fn timestamp_cannot_roll_back() {
    let (mut repo, cache) = refreshed();
    let old = repo.store.get("timestamp.json").unwrap();
    repo.publish();
    repo.refresh(&cache).unwrap();
    repo.store.put("timestamp.json", &old);
    repo.refuses(
        &cache,
        "rollback: timestamp metadata would go back to version 1, 2 is trusted",
    );
    assert_ne!(cache.get("timestamp.json").unwrap(), old);
}

#[test]
fn snapshot_cannot_roll_back_under_a_newer_timestamp() {
    let (mut repo, cache) = refreshed();
    repo.publish();
    repo.refresh(&cache).unwrap();
    repo.snapshot.version = 1;
    repo.publish_snapshot();
    repo.refuses(
        &cache,
        "rollback: snapshot metadata would go back to version 1, 2 is trusted",
    );
}

#[test]
fn targets_and_delegated_roles_cannot_roll_back_or_disappear_with_or_without_hashes() {
    for hashes in [true, false] {
        for role in ["targets", "mainnet"] {
            let mut repo = Repo::new();
            repo.list_hashes = hashes;
            repo.delegate("mainnet", 9, true, "mainnet.*");
            repo.targets.version = 2;
            repo.delegated.get_mut("mainnet").unwrap().version = 2;
            repo.publish();
            let cache = Memory::new();
            repo.refresh(&cache).unwrap();
            let file = format!("{role}.json");
            repo.snapshot.meta.get_mut(&file).unwrap().version = 1;
            repo.snapshot.version += 1;
            repo.publish_snapshot();
            repo.refuses(
                &cache,
                &format!("rollback: {role} metadata would go back to version 1"),
            );
            repo.snapshot.meta.remove(&file);
            repo.snapshot.version += 1;
            repo.publish_snapshot();
            repo.refuses(
                &cache,
                &format!("rollback: {role} metadata would disappear"),
            );
        }
    }
}

#[test]
fn an_equal_timestamp_with_other_content_is_discarded() {
    let (mut repo, cache) = refreshed();
    let first = cache.get("timestamp.json");
    repo.snapshot.version = 50;
    repo.timestamp.version = 0;
    repo.publish_snapshot();
    assert_eq!(repo.refresh(&cache).unwrap().snapshot().version, 1);
    assert_eq!(cache.get("timestamp.json"), first);
}

#[test]
fn an_expired_role_is_a_freeze_and_is_not_stored() {
    let past = at("2026-05-31T00:00:00Z");
    type Change = fn(&mut Repo, Time);
    let changes: [(&str, Change); 3] = [
        ("timestamp", |repo, past| repo.timestamp.expires = past),
        ("snapshot", |repo, past| repo.snapshot.expires = past),
        ("targets", |repo, past| {
            repo.targets.expires = past;
            repo.targets.version = 2;
        }),
    ];
    for (role, change) in changes {
        let (mut repo, cache) = refreshed();
        let file = format!("{role}.json");
        let before = cache.get(&file);
        change(&mut repo, past);
        repo.publish();
        repo.refuses(&cache, &format!("{role} metadata version 2 expired"));
        assert_eq!(cache.get(&file), before, "{role}");
    }
}

#[test]
fn metadata_expires_at_its_second_not_after_it() {
    let (mut repo, cache) = refreshed();
    repo.timestamp.expires = now();
    repo.publish();
    repo.refuses(&cache, "expired");
    repo.timestamp.expires = at("2026-06-01T12:00:01Z");
    repo.publish();
    repo.refresh(&cache).unwrap();
}

#[test]
fn a_frozen_mirror_that_repeats_an_old_timestamp_is_found_by_its_expiry() {
    let (repo, cache) = refreshed();
    let clock = Clock {
        now: later(),
        expiry: Expiry::Enforce,
    };
    let error = refresh(Some(&repo.first_root), &repo.store, &cache, clock)
        .err()
        .unwrap();
    assert!(error.hint_text().unwrap().contains("clock"), "{error}");
}

#[test]
fn an_expired_stored_timestamp_still_protects_against_rollback() {
    let (mut repo, cache) = refreshed();
    let old = repo.store.get("timestamp.json").unwrap();
    repo.timestamp.expires = at("2026-06-02T00:00:00Z");
    repo.publish();
    repo.refresh(&cache).unwrap();
    repo.store.put("timestamp.json", &old);
    let clock = Clock {
        now: at("2026-06-03T00:00:00Z"),
        expiry: Expiry::Enforce,
    };
    refused(
        refresh(Some(&repo.first_root), &repo.store, &cache, clock),
        "rollback: timestamp",
    );
}

#[test]
fn audit_reports_what_has_expired_and_goes_on() {
    let (_, cache) = refreshed();
    let clock = Clock {
        now: at("2030-01-01T00:00:00Z"),
        expiry: Expiry::Report,
    };
    let view = stored(None, &cache, clock).unwrap();
    let roles: Vec<_> = view.expired().iter().map(|e| e.role.as_str()).collect();
    assert_eq!(roles, ["root", "timestamp", "snapshot", "targets"]);
}

#[test]
fn a_repository_recovers_from_a_fast_forward_attack_by_withdrawing_keys() {
    for role in ["timestamp", "snapshot"] {
        let (mut repo, cache) = refreshed();
        repo.timestamp.version = 1_000_000;
        repo.snapshot.version = 1_000_000;
        repo.publish();
        repo.refresh(&cache).unwrap();
        repo.timestamp.version = 2;
        repo.snapshot.version = 2;
        repo.publish();
        repo.refuses(&cache, "rollback");
        repo.signers.insert(role.into(), vec![22]);
        repo.next_root(&[ROOT], |root| {
            root.roles.get_mut(role).unwrap().keyids.clear();
            root.add_key(role, &public(22)).unwrap();
        });
        repo.publish();
        assert_eq!(
            repo.refresh(&cache).unwrap().snapshot().version,
            4,
            "{role}"
        );
    }
}

#[test]
fn adding_a_timestamp_key_does_not_let_an_old_timestamp_back_in() {
    let (mut repo, cache) = refreshed();
    let old = repo.store.get("timestamp.json").unwrap();
    repo.publish();
    repo.refresh(&cache).unwrap();
    repo.next_root(&[ROOT], |root| {
        root.add_key("timestamp", &public(22)).unwrap();
    });
    repo.store.put("timestamp.json", &old);
    repo.refuses(&cache, "rollback: timestamp");
}

#[test]
fn a_snapshot_from_another_moment_does_not_match_the_timestamp() {
    let (mut repo, cache) = refreshed();
    let mut other = repo.snapshot.clone();
    repo.publish();
    other.version = 2;
    other.expires = at("2026-12-31T00:00:00Z");
    let forged = envelope(&value(&other), &[SNAPSHOT]);
    repo.store.put("2.snapshot.json", &forged);
    repo.refuses(&cache, "snapshot.json");
    assert_eq!(
        cache.get("snapshot.json"),
        repo.store.get("1.snapshot.json")
    );

    let mut repo = Repo::new();
    repo.list_hashes = false;
    repo.publish();
    let old = repo.store.get("1.snapshot.json").unwrap();
    repo.store.put("2.snapshot.json", &old);
    repo.refuses(&Memory::new(), "snapshot metadata has version 1, wanted 2");
}

#[test]
fn a_targets_file_from_another_moment_does_not_match_the_snapshot() {
    let (mut repo, cache) = refreshed();
    let old = repo.store.get("1.targets.json").unwrap();
    repo.targets.version = 2;
    repo.publish();
    repo.store.put("2.targets.json", &old);
    repo.refuses(&cache, "targets.json has sha256");

    let mut repo = Repo::new();
    repo.list_hashes = false;
    repo.targets.version = 2;
    repo.publish();
    repo.store.put("2.targets.json", &old);
    repo.refuses(&Memory::new(), "targets metadata has version 1, wanted 2");
}

#[test]
fn every_listed_hash_and_the_length_are_checked() {
    let file = MetaFile::of(1, b"bytes");
    assert!(file.check("f", b"bytes").is_ok());
    assert!(file.check("f", b"bytez").is_err());
    assert!(file.check("f", b"byte").is_err());
    assert!(file.check("f", b"bytes ").is_err());
    let sha512 = {
        let mut hasher = crate::hash::Sha512Hasher::new();
        hasher.update(b"bytes");
        hasher.finish_hex()
    };
    let mut target = TargetFile::of(b"bytes");
    target.hashes.insert("sha512".into(), sha512.to_uppercase());
    assert!(target.check("f", b"bytes").is_ok());
    target
        .hashes
        .insert("sha512".into(), sha512.replace('a', "b"));
    let error = target.check("f", b"bytes").unwrap_err().to_string();
    assert!(error.contains("has sha512"), "{error}");
    target.hashes.insert("md5".into(), "00".into());
    let error = target.check("f", b"bytes").unwrap_err().to_string();
    assert!(error.contains("md5"), "{error}");
}

#[test]
fn endless_data_stops_at_the_limit_of_each_role() {
    for (name, limit) in [
        ("timestamp.json", 16_384),
        ("1.snapshot.json", 2_000_000),
        ("1.targets.json", 5_000_000),
    ] {
        let mut repo = Repo::new();
        repo.list_hashes = false;
        (repo.snapshot.version, repo.timestamp.version) = (0, 0);
        repo.publish();
        let mut bytes = repo.store.get(name).unwrap();
        bytes.resize(limit, b' ');
        repo.store.put(name, &bytes);
        repo.refresh(&Memory::new()).unwrap();
        bytes.push(b' ');
        repo.store.put(name, &bytes);
        repo.refuses(&Memory::new(), &format!("at most {limit} are accepted"));
    }
}

#[test]
fn a_listed_length_that_no_node_could_hold_is_refused() {
    let (mut repo, cache) = refreshed();
    repo.snapshot.meta.get_mut("targets.json").unwrap().length = Some(1 << 40);
    repo.snapshot.version += 1;
    repo.publish_snapshot();
    repo.refuses(&cache, "1.targets.json is 1099511627776 bytes");
}

#[test]
fn a_missing_file_is_an_error_and_keeps_what_was_trusted_before_it() {
    let (mut repo, cache) = refreshed();
    repo.targets.version = 2;
    repo.publish();
    repo.store.take("2.targets.json");
    repo.refuses(
        &cache,
        "the store has no 2.targets.json, wanted by snapshot",
    );
    assert_eq!(
        cache.get("snapshot.json"),
        repo.store.get("2.snapshot.json")
    );
    repo.store.take("timestamp.json");
    repo.refuses(&cache, "the store has no timestamp.json");
}

#[test]
fn a_role_that_lacks_its_threshold_is_refused_and_not_stored() {
    for (role, file) in [
        ("timestamp", "timestamp.json"),
        ("snapshot", "snapshot.json"),
        ("targets", "targets.json"),
    ] {
        let (mut repo, cache) = refreshed();
        let before = cache.get(file);
        repo.signers.insert(role.into(), vec![99]);
        repo.targets.version = 2;
        repo.publish();
        repo.refuses(&cache, &format!("{role} metadata has 0 valid signatures"));
        assert_eq!(cache.get(file), before);
    }
}

#[test]
fn without_consistent_snapshots_names_carry_no_version() {
    let mut repo = Repo::new();
    repo.next_root(&[ROOT], |root| root.consistent_snapshot = false);
    repo.publish();
    for name in ["1.snapshot.json", "1.targets.json"] {
        repo.store.take(name);
    }
    let cache = Memory::new();
    assert_eq!(repo.refresh(&cache).unwrap().snapshot().version, 2);
}

#[test]
fn a_stored_file_that_was_damaged_is_fetched_again_and_said_so() {
    let (repo, cache) = refreshed();
    for name in ["timestamp.json", "snapshot.json", "targets.json"] {
        let good = cache.get(name);
        cache.put(name, b"{\"signed\":");
        let view = repo.refresh(&cache).unwrap();
        assert!(view.notes()[0].contains(name), "{:?}", view.notes());
        drop(view);
        assert_eq!(cache.get(name), good);
    }
}

#[test]
fn refusals_that_somebody_can_act_on_say_who_and_how() {
    let (mut repo, cache) = refreshed();
    let hint = |repo: &Repo| {
        let error = repo.refresh(&cache).err().unwrap();
        error.hint_text().unwrap_or_default().to_owned()
    };
    let old = repo.store.get("timestamp.json").unwrap();
    repo.timestamp.expires = now();
    repo.publish();
    assert!(hint(&repo).contains("the sequencer runs `relman timestamp`"));
    repo.timestamp.expires = later();
    repo.targets.expires = now();
    repo.targets.version = 2;
    repo.publish();
    assert!(hint(&repo).contains("the holders of the targets keys"));
    repo.store.put("timestamp.json", &old);
    assert!(hint(&repo).contains("older than one seen before"));
    repo.store.take("timestamp.json");
    assert!(hint(&repo).contains("use another mirror"));
}
