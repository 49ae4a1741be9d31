//! The attacks that TUF is made against, where no other subject has them: freeze, fast-forward, mix and
//! match, wrong clock. All through the driver.

use super::*;
use crate::trust::clock;

fn delegating() -> Repo {
    let mut repo = Repo::new();
    repo.delegate("mainnet", 9, true, "mainnet.*");
    repo.list("mainnet", "mainnet.current.json");
    repo.publish();
    repo
}

#[test]
fn freeze_a_delegated_role_that_is_repeated_for_ever_is_found_by_its_expiry() {
    let mut repo = delegating();
    let mainnet = repo.delegated.get_mut("mainnet").unwrap();
    mainnet.expires = at("2026-05-31T00:00:00Z");
    mainnet.version = 2;
    repo.publish();
    let cache = Memory::new();
    let mut view = repo.refresh(&cache).unwrap();
    refused(
        view.role("mainnet"),
        "mainnet metadata version 2 expired at 2026-05-31T00:00:00Z",
    );
    drop(view);
    assert_eq!(cache.get("mainnet.json"), None);
}

#[test]
fn freeze_a_clock_turned_back_believes_old_metadata_and_is_refused_for_that() {
    let repo = Repo::new();
    let cache = Memory::new();
    let seen = at("2027-02-01T00:00:00Z");
    let refresh_at = |now| {
        let clock = Clock {
            now,
            expiry: Expiry::Enforce,
        };
        refresh(Some(&repo.first_root), &repo.store, &cache, clock).map(|_| ())
    };
    refused(refresh_at(seen), "expired");
    refresh_at(now()).unwrap();
    refused(clock::check(now(), Some(seen)), "clock is behind");
}

#[test]
fn wrong_clock_one_that_is_far_ahead_stores_nothing_and_is_told_to_be_checked() {
    let repo = Repo::new();
    let cache = Memory::new();
    let ahead = Clock {
        now: at("2099-01-01T00:00:00Z"),
        expiry: Expiry::Enforce,
    };
    let error = refresh(Some(&repo.first_root), &repo.store, &cache, ahead)
        .err()
        .unwrap();
    let text = error.to_string();
    assert!(text.contains("it is 2099-01-01T00:00:00Z now"), "{text}");
    assert!(error.hint_text().unwrap().contains("clock"), "{text}");
    assert_eq!(cache.names(), ["root.json"]);
    repo.refresh(&cache).unwrap();
}

#[test]
fn fast_forward_of_targets_is_undone_by_withdrawing_the_snapshot_keys() {
    let mut repo = delegating();
    let cache = Memory::new();
    repo.targets.version = 1_000_000;
    repo.delegated.get_mut("mainnet").unwrap().version = 1_000_000;
    repo.publish();
    repo.refresh(&cache).unwrap().role("mainnet").unwrap();
    repo.targets.version = 2;
    repo.delegated.get_mut("mainnet").unwrap().version = 2;
    repo.publish();
    repo.refuses(&cache, "would go back to version 2");
    repo.signers.insert("snapshot".into(), vec![22]);
    repo.next_root(&[ROOT], |root| {
        root.roles.get_mut("snapshot").unwrap().keyids.clear();
        root.add_key("snapshot", &public(22)).unwrap();
    });
    repo.publish();
    let mut view = repo.refresh(&cache).unwrap();
    assert_eq!(view.targets().version, 2);
    assert_eq!(view.role("mainnet").unwrap().version, 2);
}

#[test]
fn mix_and_match_a_delegated_role_of_another_moment_does_not_match_the_snapshot() {
    for hashes in [true, false] {
        let mut repo = delegating();
        repo.list_hashes = hashes;
        let old = repo.store.get("1.mainnet.json").unwrap();
        let mainnet = repo.delegated.get_mut("mainnet").unwrap();
        mainnet.version = 2;
        mainnet.targets.clear();
        repo.publish();
        repo.store.put("2.mainnet.json", &old);
        let cache = Memory::new();
        let mut view = repo.refresh(&cache).unwrap();
        let words = if hashes {
            "mainnet.json has"
        } else {
            "has version 1, wanted 2"
        };
        let error = view.role("mainnet").err().unwrap().to_string();
        assert!(
            error.contains(words) || error.contains("mainnet.json is"),
            "{error}"
        );
        drop(view);
        assert_eq!(cache.get("mainnet.json"), None);
    }
}

#[test]
fn rollback_a_stored_delegated_role_of_an_older_version_is_not_taken_for_the_new_one() {
    let mut repo = delegating();
    let cache = Memory::new();
    repo.refresh(&cache).unwrap().role("mainnet").unwrap();
    let old = cache.get("mainnet.json").unwrap();
    repo.delegated.get_mut("mainnet").unwrap().version = 2;
    repo.publish();
    let mut view = repo.refresh(&cache).unwrap();
    assert_eq!(view.role("mainnet").unwrap().version, 2);
    drop(view);
    assert_ne!(cache.get("mainnet.json").unwrap(), old);
}
