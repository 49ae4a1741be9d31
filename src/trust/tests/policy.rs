//! The policy: pinned, closed against what it does not know, and stronger than a delegator.

use serde_json::{Value, json};

use super::*;
use crate::trust::policy::{
    Environment, KeyEntry, KeyGroup, Pin, Policy, PolicyDocument, Purpose, quorum,
};

const BUILDER: u8 = 21;
const TESTNET: u8 = 22;
const MAINNET: [u8; 3] = [23, 24, 25];
const HALT: u8 = 26;

fn entry(seed: u8, person: &str, purpose: &str) -> KeyEntry {
    let purpose = Purpose::from(purpose.to_owned());
    KeyEntry::new(
        &public(seed),
        person,
        purpose,
        at("2026-01-01T00:00:00Z"),
        later(),
    )
    .unwrap()
}

fn environment(name: &str, seeds: &[u8], threshold: u64) -> Environment {
    Environment {
        minimum: None,
        name: name.into(),
        keys: seeds.iter().map(|seed| id(*seed)).collect(),
        threshold,
        approvals: Vec::new(),
        rebuilders: 0,
        soak_hours: 0,
        notice_hours: 0,
        halt: None,
        overriders: None,
    }
}

fn document() -> PolicyDocument {
    let mut document = PolicyDocument::new("timecoin", "timecoin/relman-log");
    document.keys = vec![
        entry(BUILDER, "alice", "builder"),
        entry(TESTNET, "bob", "environment/testnet"),
        entry(MAINNET[0], "carol", "environment/mainnet"),
        entry(MAINNET[1], "dave", "environment/mainnet"),
        entry(MAINNET[2], "erin", "environment/mainnet"),
        entry(HALT, "frank", "halt/mainnet"),
    ];
    document.environments = vec![
        environment("testnet", &[TESTNET], 1),
        environment("mainnet", &MAINNET, quorum(3)),
    ];
    document.environments[1].halt = Some(KeyGroup {
        keys: vec![id(HALT)],
        threshold: 1,
    });
    document
}

fn policy() -> Policy {
    let bytes = document().to_bytes().unwrap();
    Policy::parse_pinned(&bytes, &Pin::of(&bytes)).unwrap()
}

/// Targets that delegate as the policy wants.
fn targets() -> Targets {
    let mut targets = Targets::new(1, later());
    let mut delegate = |name: &str, seeds: &[u8], threshold| {
        let keys: Vec<_> = seeds.iter().map(|seed| public(*seed)).collect();
        let pattern = format!("{name}.*");
        targets
            .delegate(name, &keys, threshold, true, &[pattern])
            .unwrap();
    };
    delegate("testnet", &[TESTNET], 1);
    delegate("mainnet", &MAINNET, 2);
    delegate("halt-mainnet", &[HALT], 1);
    targets
}

fn parse(document: &Value) -> crate::Result<Policy> {
    let bytes = serde_json::to_vec(document).unwrap();
    Policy::parse_pinned(&bytes, &Pin::of(&bytes))
}

fn changed(change: impl FnOnce(&mut Value)) -> crate::Result<Policy> {
    let mut document = serde_json::to_value(document()).unwrap();
    change(&mut document);
    parse(&document)
}

#[track_caller]
fn problem(targets: &Targets, words: &str) {
    let problems = policy().check_delegations(targets);
    assert!(problems.iter().any(|p| p.contains(words)), "{problems:?}");
}

#[test]
fn the_pin_travels_in_root_and_an_old_policy_is_refused() {
    let bytes = document().to_bytes().unwrap();
    let mut root = Root::new(1, later());
    refused(Pin::from_root(&root), "has no member x-relman-policy");
    Pin::of(&bytes).set(&mut root);
    let pin = Pin::from_root(&root).unwrap();
    assert_eq!(
        pin.file_name(),
        format!("{}.policy.json", crate::hash::Sha256::of(&bytes))
    );
    Policy::parse_pinned(&bytes, &pin).unwrap();

    let mut old = document();
    old.environments[1].threshold = 1;
    let old = old.to_bytes().unwrap();
    refused(Policy::parse_pinned(&old, &pin), "root pins");
    let mut padded = bytes.clone();
    padded.push(b' ');
    refused(Policy::parse_pinned(&padded, &pin), "root pins");
    root.extra.insert(
        "x-relman-policy".into(),
        json!({"sha256": "00", "length": 1}),
    );
    refused(Pin::from_root(&root), "x-relman-policy");
}

#[test]
fn a_policy_that_wants_what_this_version_does_not_know_is_refused() {
    refused(
        changed(|d| d["quarantine"] = json!(true)),
        "unknown field `quarantine`",
    );
    refused(
        changed(|d| d["cut"]["reviews"] = json!(2)),
        "unknown field `reviews`",
    );
    refused(
        changed(|d| d["keys"][0]["hardware"] = json!(true)),
        "unknown field",
    );
    refused(
        changed(|d| d["environments"][0]["window"] = json!(1)),
        "unknown field",
    );
    refused(changed(|d| d["format"] = json!(2)), "format 2");
    refused(changed(|d| d["_type"] = json!("other")), "\"other\"");
}

#[test]
fn a_key_counts_for_its_purpose_and_time_only() {
    let policy = policy();
    let builder = id(BUILDER);
    assert_eq!(
        policy
            .key(&Purpose::Builder, &builder, now())
            .unwrap()
            .entry
            .person,
        "alice"
    );
    for purpose in [
        Purpose::Approver,
        Purpose::Publisher,
        Purpose::Environment("mainnet".into()),
    ] {
        assert!(policy.key(&purpose, &builder, now()).is_none(), "{purpose}");
    }
    let bytes = key(BUILDER).0.verifying_key().to_bytes();
    assert!(
        policy
            .key_by_bytes(&Purpose::Builder, &bytes, now())
            .is_some()
    );
    assert!(policy.key_by_bytes(&Purpose::Node, &bytes, now()).is_none());
    let early = at("2025-12-31T23:59:59Z");
    assert!(policy.key(&Purpose::Builder, &builder, early).is_none());
    assert!(
        policy
            .key(&Purpose::Builder, &builder, at("2026-01-01T00:00:00Z"))
            .is_some()
    );
    assert!(policy.key(&Purpose::Builder, &builder, later()).is_none());
    assert!(policy.key(&Purpose::Builder, &id(99), now()).is_none());
}

#[test]
fn an_unknown_purpose_is_kept_and_counts_for_nothing() {
    let policy = changed(|d| d["keys"][0]["purpose"] = json!("oracle")).unwrap();
    let unknown = Purpose::Unknown("oracle".into());
    assert_eq!(policy.document().keys[0].purpose, unknown);
    assert!(policy.key(&unknown, &id(BUILDER), now()).is_none());
}

#[test]
fn one_key_with_two_purposes_is_refused_however_it_is_written() {
    let mut twice = document();
    twice.keys.push(entry(BUILDER, "alice", "approver"));
    refused(
        twice.to_bytes(),
        "one key is both builder key of alice and approver key of alice",
    );

    let public = key(BUILDER).0.verifying_key().to_bytes();
    let raw = [&[1][..], &public].concat();
    let vkey = format!(
        "log+00000000+{}",
        <base64ct::Base64 as base64ct::Encoding>::encode_string(&raw)
    );
    let mut log = document();
    log.log.vkeys = vec![vkey];
    refused(log.to_bytes(), "one key is both log key");
    log.log.vkeys = vec!["log+00000000+AAAA".into()];
    refused(log.to_bytes(), "is not an Ed25519 vkey");
}

#[test]
fn keys_that_do_not_fit_are_refused() {
    refused(
        changed(|d| d["keys"][0]["id"] = json!(id(99))),
        "by its content",
    );
    refused(
        changed(|d| d["keys"][0]["person"] = json!("")),
        "names no person",
    );
    refused(
        changed(|d| d["keys"][0]["public"] = json!("ssh-rsa AAAA")),
        "public key",
    );
    refused(
        changed(|d| d["keys"][0]["not_after"] = json!("2025-01-01T00:00:00Z")),
        "valid at no time",
    );
}

#[test]
fn environments_that_do_not_fit_are_refused() {
    let env = |change: fn(&mut Environment)| {
        let mut document = document();
        change(&mut document.environments[1]);
        document.to_bytes()
    };
    refused(env(|e| e.threshold = 0), "threshold 0 of 3 keys");
    refused(env(|e| e.threshold = 4), "threshold 4 of 3 keys");
    refused(env(|e| e.keys[1] = id(BUILDER)), "which is for builder");
    refused(env(|e| e.keys[1] = id(99)), "not among the keys");
    refused(env(|e| e.keys[1] = id(MAINNET[0])), "lists a key twice");
    refused(env(|e| e.name = "testnet".into()), "twice");
    for name in [
        "", "local", "targets", "halt-x", "main.net", "Main", "a/b", "1net",
    ] {
        let mut document = document();
        document.environments[1].name = name.into();
        refused(document.to_bytes(), "cannot be named");
    }
}

#[test]
fn soak_and_notice_need_witnesses_to_tell_the_time() {
    for change in [(|e| e.soak_hours = 24) as fn(&mut Environment), |e| {
        e.notice_hours = 48
    }] {
        let mut document = document();
        change(&mut document.environments[0]);
        let error = document.to_bytes().unwrap_err();
        assert!(error.to_string().contains("no witnesses"), "{error}");
        assert!(error.hint_text().is_some());
        document.log.witnesses = "quorum any".into();
        document.to_bytes().unwrap();
    }
}

#[test]
fn delegations_equal_to_the_policys_have_no_problems() {
    assert_eq!(policy().check_delegations(&targets()), Vec::<String>::new());
}

#[test]
fn release_signers_cannot_swap_the_mainnet_keys() {
    let delegate = |seeds: &[u8], threshold| {
        let mut targets = targets();
        let keys: Vec<_> = seeds.iter().map(|seed| public(*seed)).collect();
        let pattern = ["mainnet.*".to_owned()];
        targets
            .delegate("mainnet", &keys, threshold, true, &pattern)
            .unwrap();
        targets
    };
    problem(&delegate(&[23, 24, 66], 2), &format!("has key {}", id(66)));
    problem(
        &delegate(&[23, 24, 66], 2),
        &format!("lacks key {}", id(25)),
    );
    problem(
        &delegate(&[23, 24, 25, 66], 2),
        "which policy does not give it",
    );
    problem(&delegate(&[23, 24], 2), &format!("lacks key {}", id(25)));
    problem(&delegate(&MAINNET, 1), "has threshold 1, policy wants 2");
    let mut swapped = targets();
    let keys = &mut swapped.delegations.as_mut().unwrap().keys;
    keys.insert(id(23), public(66));
    problem(&swapped, "another key under id");
    swapped.delegations.as_mut().unwrap().keys.remove(&id(23));
    problem(&swapped, "another key under id");
}

#[test]
fn an_environment_is_delegated_once_terminating_and_for_its_own_names() {
    let change = |change: fn(&mut crate::trust::schema::DelegatedRole)| {
        let mut targets = targets();
        let roles = targets
            .delegations
            .as_mut()
            .unwrap()
            .roles
            .as_mut()
            .unwrap();
        change(&mut roles[1]);
        targets
    };
    problem(&change(|r| r.terminating = false), "not terminating");
    problem(
        &change(|r| r.paths = Some(vec!["*".into()])),
        "wanted [\"mainnet.*\"]",
    );
    problem(
        &change(|r| r.paths = Some(vec!["mainnet.*".into(), "testnet.*".into()])),
        "wanted [\"mainnet.*\"]",
    );
    problem(
        &change(|r| (r.paths, r.path_hash_prefixes) = (None, Some(vec!["".into()]))),
        "wanted [\"mainnet.*\"]",
    );
    problem(
        &change(|r| r.name = "mainnet2".into()),
        "role mainnet is delegated 0 times",
    );
    problem(
        &change(|r| r.name = "mainnet2".into()),
        "policy does not know it",
    );
    problem(
        &Targets::new(1, later()),
        "role testnet is delegated 0 times",
    );
}

#[test]
fn top_level_targets_cannot_list_an_environments_names() {
    for path in [
        "mainnet.current.json",
        "testnet.x",
        "halt-mainnet.x",
        "halt-testnet.x",
    ] {
        let mut targets = targets();
        targets.targets.insert(path.into(), TargetFile::of(b""));
        problem(&targets, &format!("target {path:?} is listed by targets"));
    }
    let mut fine = targets();
    fine.targets
        .insert("mainnet-notes.txt".into(), TargetFile::of(b""));
    assert!(policy().check_delegations(&fine).is_empty());
}

#[test]
fn an_environments_role_lists_its_own_names_and_delegates_to_nobody() {
    let policy = policy();
    let mut role = Targets::new(1, later());
    role.targets
        .insert("mainnet.current.json".into(), TargetFile::of(b""));
    assert!(policy.check_delegated_role("mainnet", &role).is_empty());
    assert_eq!(policy.check_delegated_role("testnet", &role).len(), 1);
    assert_eq!(policy.check_delegated_role("other", &role).len(), 2);
    role.delegate("x", &[public(1)], 1, false, &["*".into()])
        .unwrap();
    assert_eq!(policy.check_delegated_role("mainnet", &role).len(), 1);
}

#[test]
fn a_tuf_key_with_a_purpose_besides_is_a_problem() {
    let mut root = Repo::new().root;
    assert!(policy().check_root(&root).is_empty());
    root.add_key("snapshot", &public(BUILDER)).unwrap();
    let problems = policy().check_root(&root);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("signs role snapshot"), "{problems:?}");
}

#[test]
fn the_quorum_is_two_thirds_rounded_up() {
    let quorums: Vec<_> = (1..=7).map(quorum).collect();
    assert_eq!(quorums, [1, 2, 2, 3, 4, 4, 5]);
}

#[test]
fn a_plain_false_alone_says_that_root_is_no_example() {
    let mut root = Root::new(1, later());
    assert!(!root.is_example());
    for (mark, example) in [
        (json!(false), false),
        (json!(true), true),
        (json!("no"), true),
    ] {
        root.extra.insert("x-relman-example".into(), mark);
        assert_eq!(root.is_example(), example);
    }
}

#[test]
fn a_policy_of_one_mebibyte_is_read_and_a_longer_one_is_not() {
    let mut bytes = document().to_bytes().unwrap();
    bytes.resize(1_048_576, b' ');
    Policy::parse_pinned(&bytes, &Pin::of(&bytes)).unwrap();
    bytes.push(b' ');
    refused(
        Policy::parse_pinned(&bytes, &Pin::of(&bytes)),
        "at most 1048576 are accepted",
    );
    let mut longest = document();
    let room = 1_048_576 - longest.to_bytes().unwrap().len();
    longest.project.push_str(&"x".repeat(room));
    assert_eq!(longest.to_bytes().unwrap().len(), 1_048_576);
    longest.project.push('x');
    refused(longest.to_bytes(), "at most 1048576 are accepted");
}

#[test]
fn a_policy_names_its_project_and_its_log() {
    let empty = "must not be empty";
    refused(changed(|d| d["project"] = json!("")), empty);
    refused(changed(|d| d["log"]["origin"] = json!("")), empty);
}

#[test]
fn the_keys_of_a_purpose_are_those_that_are_valid_then() {
    let policy = policy();
    let mainnet = Purpose::Environment("mainnet".into());
    let at_once = |time| {
        let keys = policy.keys_for(&mainnet, time);
        keys.map(|key| key.entry.id.clone()).collect::<Vec<_>>()
    };
    let mut wanted = MAINNET.map(id);
    wanted.sort();
    assert_eq!(at_once(now()), wanted);
    assert_eq!(at_once(later()), [] as [String; 0]);
    let frank = policy.unchecked_key(&id(HALT)).unwrap();
    assert_eq!(frank.entry.person, "frank");
    assert!(policy.unchecked_key(&id(99)).is_none());
    assert_eq!(policy.environment("mainnet").unwrap().threshold, 2);
    assert!(policy.environment("other").is_none());
}

#[test]
fn every_purpose_has_one_spelling() {
    let named = |name: &str| name.to_owned();
    for (text, purpose) in [
        ("builder", Purpose::Builder),
        ("publisher", Purpose::Publisher),
        ("tagger", Purpose::Tagger),
        ("gate", Purpose::Gate),
        ("approver", Purpose::Approver),
        ("rebuilder", Purpose::Rebuilder),
        ("witness", Purpose::Witness),
        ("node", Purpose::Node),
        (
            "environment/mainnet",
            Purpose::Environment(named("mainnet")),
        ),
        ("halt/mainnet", Purpose::Halt(named("mainnet"))),
        ("override/mainnet", Purpose::Override(named("mainnet"))),
        ("Builder", Purpose::Unknown(named("Builder"))),
        ("", Purpose::Unknown(String::new())),
    ] {
        assert_eq!(Purpose::from(named(text)), purpose);
        assert_eq!(String::from(purpose), text);
    }
}

#[test]
fn an_environment_may_have_digits_and_hyphens_in_its_name() {
    for (name, fine) in [
        ("t-2", true),
        (&*"t".repeat(32), true),
        (&*"t".repeat(33), false),
    ] {
        let mut document = document();
        document.keys[1] = entry(TESTNET, "bob", &format!("environment/{name}"));
        document.environments[0].name = name.into();
        assert_eq!(document.to_bytes().is_ok(), fine, "{name}");
    }
}
