//! Delegations: who is believed about which path.

use serde_json::json;

use super::*;
use crate::limits::MAX_DELEGATIONS;
use crate::trust::select::glob;

fn found(repo: &Repo, path: &str) -> Option<String> {
    let cache = Memory::new();
    let mut view = repo.refresh(&cache).unwrap();
    view.target(path).unwrap().map(|found| found.role)
}

#[test]
fn wildcards_never_match_a_slash_and_stand_for_nothing_else() {
    for (pattern, path) in [
        ("*", "timed"),
        ("*", ""),
        ("mainnet.*", "mainnet.current.json"),
        ("foo-?.tgz", "foo-1.tgz"),
        ("a/*/c", "a/b/c"),
        ("a*b*c", "a-b-b-c"),
        ("**", "ab"),
        ("*é?", "aéb"),
        ("[ab]", "[ab]"),
    ] {
        assert!(glob(pattern, path), "{pattern:?} {path:?}");
    }
    for (pattern, path) in [
        ("*", "a/b"),
        ("a/*", "a/b/c"),
        ("a?b", "a/b"),
        ("**", "a/b"),
        ("*", "/"),
        ("mainnet.*", "mainnet.x/y"),
        ("mainnet.*", "mainnet"),
        ("mainnet.*", "Mainnet.x"),
        ("foo-?.tgz", "foo-alpha.tgz"),
        ("a*b", "a-c"),
        ("[ab]", "a"),
        ("", "a"),
    ] {
        assert!(!glob(pattern, path), "{pattern:?} {path:?}");
    }
}

#[test]
fn a_pattern_full_of_stars_takes_no_exponential_time() {
    assert!(!glob(&"*a".repeat(200), &("a".repeat(4_000) + "b")));
}

#[test]
fn the_first_matching_role_is_believed_and_its_children_come_before_its_siblings() {
    let mut repo = Repo::new();
    repo.delegate("a", 11, false, "*");
    repo.delegate("b", 12, false, "*");
    repo.delegate_below("a", "c", 13, "*");
    repo.list("b", "x");
    repo.list("c", "x");
    repo.publish();
    assert_eq!(found(&repo, "x").as_deref(), Some("c"));
}

#[test]
fn a_terminating_role_ends_the_search_for_its_paths() {
    let mut repo = Repo::new();
    repo.delegate("mainnet", 11, true, "mainnet.*");
    repo.delegate("rogue", 12, false, "*");
    repo.list("rogue", "mainnet.current.json");
    repo.list("rogue", "other");
    repo.publish();
    assert_eq!(found(&repo, "mainnet.current.json"), None);
    assert_eq!(found(&repo, "other").as_deref(), Some("rogue"));
}

#[test]
fn a_role_is_not_believed_about_paths_that_it_was_not_given() {
    let mut repo = Repo::new();
    repo.delegate("testnet", 11, true, "testnet.*");
    repo.list("testnet", "mainnet.current.json");
    repo.publish();
    assert_eq!(found(&repo, "mainnet.current.json"), None);
}

#[test]
fn path_hash_prefixes_select_by_the_hash_of_the_path() {
    let mut repo = Repo::new();
    repo.delegate("bin", 11, false, "*");
    repo.list("bin", "x");
    let hash = crate::hash::Sha256::of(b"x").hex();
    for (prefix, matches) in [(&hash[..2], true), ("zz", false)] {
        let role = &mut repo
            .targets
            .delegations
            .as_mut()
            .unwrap()
            .roles
            .as_mut()
            .unwrap()[0];
        role.paths = None;
        role.path_hash_prefixes = Some(vec![prefix.into()]);
        repo.targets.version += 1;
        repo.publish();
        assert_eq!(found(&repo, "x").is_some(), matches);
    }
}

#[test]
fn a_loop_of_delegations_is_walked_once() {
    let mut repo = Repo::new();
    repo.delegate("a", 11, false, "*");
    repo.delegate_below("a", "b", 12, "*");
    repo.delegate_below("b", "a", 11, "*");
    repo.publish();
    assert_eq!(found(&repo, "missing"), None);
}

#[test]
fn a_search_stops_after_32_delegations_and_does_not_call_that_not_found() {
    let mut repo = Repo::new();
    repo.delegate("r0", 11, false, "*");
    for n in 1..MAX_DELEGATIONS {
        repo.delegate_below(&format!("r{}", n - 1), &format!("r{n}"), 11, "*");
    }
    repo.publish();
    assert_eq!(found(&repo, "missing"), None);
    repo.delegate_below("r31", "r32", 11, "*");
    repo.list("r32", "missing");
    repo.delegated.get_mut("r31").unwrap().version = 2;
    repo.publish();
    let cache = Memory::new();
    let mut view = repo.refresh(&cache).unwrap();
    refused(view.target("missing"), "first 32 delegated roles");
}

#[test]
fn a_role_must_be_signed_for_each_delegator_that_leads_to_it() {
    let mut repo = Repo::new();
    repo.delegate("parent-a", 11, false, "team-a/*");
    repo.delegate("parent-b", 12, false, "team-b/*");
    repo.delegate_below("parent-b", "release", 14, "team-b/*");
    repo.delegate_below("parent-a", "release", 13, "team-a/*");
    repo.list("release", "team-a/x");
    repo.list("release", "team-b/x");
    repo.publish();
    let cache = Memory::new();
    let mut view = repo.refresh(&cache).unwrap();
    assert!(view.target("team-a/x").unwrap().is_some());
    refused(
        view.target("team-b/x"),
        "release metadata has 0 valid signatures",
    );
}

#[test]
fn a_role_that_snapshot_does_not_list_is_refused() {
    let mut repo = Repo::new();
    repo.delegate("a", 11, false, "*");
    repo.publish();
    repo.snapshot.meta.remove("a.json");
    repo.snapshot.version += 1;
    repo.publish_snapshot();
    let cache = Memory::new();
    let mut view = repo.refresh(&cache).unwrap();
    refused(view.target("x"), "\"a\" is not listed in snapshot");
    refused(view.role("b"), "\"b\" is not listed in snapshot");
}

#[test]
fn a_role_that_was_signed_by_another_roles_key_is_refused() {
    let mut repo = Repo::new();
    repo.delegate("mainnet", 11, true, "mainnet.*");
    repo.signers.insert("mainnet".into(), vec![TARGETS]);
    repo.publish();
    let cache = Memory::new();
    refused(
        repo.refresh(&cache).unwrap().role("mainnet"),
        "mainnet metadata has 0 valid signatures of keys listed by targets version 1",
    );
}

#[test]
fn a_delegated_role_is_stored_and_served_from_the_cache() {
    let mut repo = Repo::new();
    repo.delegate("mainnet", 11, true, "mainnet.*");
    repo.list("mainnet", "mainnet.current.json");
    repo.publish();
    let cache = Memory::new();
    repo.refresh(&cache).unwrap().role("mainnet").unwrap();
    repo.store.take("1.mainnet.json");
    let mut view = repo.refresh(&cache).unwrap();
    let found = view.target("mainnet.current.json").unwrap().unwrap();
    assert_eq!(found.role, "mainnet");
}

#[test]
fn a_role_name_cannot_leave_the_directory() {
    for (role, file) in [
        ("../x", "..%2Fx.json"),
        ("/x", "%2Fx.json"),
        ("?", "%3F.json"),
        ("#", "%23.json"),
        ("é", "%C3%A9.json"),
    ] {
        assert_eq!(file_name(role), file);
        let mut repo = Repo::new();
        repo.delegate(role, 11, false, "*");
        repo.list(role, "y");
        repo.publish();
        assert_eq!(found(&repo, "y").as_deref(), Some(role));
    }
}

#[test]
fn succinct_roles_are_kept_and_refused_when_a_search_would_need_them() {
    let mut repo = Repo::new();
    repo.delegate("a", 11, false, "*");
    let delegations = repo.targets.delegations.as_mut().unwrap();
    delegations.roles = None;
    delegations.succinct_roles = Some(json!({"bit_length": 1, "name_prefix": "bin"}));
    repo.publish();
    let cache = Memory::new();
    let mut view = repo.refresh(&cache).unwrap();
    assert!(view.target("timed.tar.gz").unwrap().is_some());
    refused(view.target("x"), "succinct_roles");
}

#[test]
fn the_hash_goes_before_the_last_path_component() {
    let target = TargetFile::of(b"x");
    let hash = crate::hash::Sha256::of(b"x");
    assert_eq!(target.consistent_name("a.gz"), Some(format!("{hash}.a.gz")));
    assert_eq!(
        target.consistent_name("d/a.gz"),
        Some(format!("d/{hash}.a.gz"))
    );
}
