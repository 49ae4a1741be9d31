//! What a signer is shown: nothing that a signature covers stays out of the review.

use super::*;
use crate::trust::Root;
use crate::trust::policy::{ApprovalRule, PolicyDocument, Purpose};
use crate::trust::schema::RoleKeys;
use serde_json::json;

fn review(proposal: &Proposal, world: &World) -> String {
    proposal.review(&world.base()).unwrap().join("\n")
}

fn with_root(world: &World, change: impl FnOnce(&mut Root)) -> String {
    let mut root = (*world.base().root).clone();
    root.version += 1;
    change(&mut root);
    let mut proposal = Proposal::new("timed", "root-2", Kind::Root, "renew root", now());
    proposal.roles = vec![RoleDraft::root(&root).unwrap()];
    review(&proposal, world)
}

fn with_targets(world: &World, change: impl FnOnce(&mut Targets)) -> String {
    let mut targets = Targets::clone(&world.base().targets);
    targets.version += 1;
    change(&mut targets);
    let mut proposal = world.proposal();
    proposal.roles = vec![RoleDraft::targets("targets", &targets).unwrap()];
    review(&proposal, world)
}

fn with_policy(world: &World, change: impl FnOnce(&mut PolicyDocument)) -> String {
    let mut document = world.base().policy.policy().document().clone();
    change(&mut document);
    let bytes = document.to_bytes().unwrap();
    let mut root = (*world.base().root).clone();
    root.version += 1;
    crate::trust::policy::Pin::of(&bytes).set(&mut root);
    let mut proposal = Proposal::new("timed", "root-2", Kind::Root, "renew root", now());
    proposal.roles = vec![RoleDraft::root(&root).unwrap()];
    proposal.policy = Some(String::from_utf8(bytes).unwrap());
    review(&proposal, world)
}

#[track_caller]
fn shows(review: &str, words: &[&str]) {
    for words in words {
        assert!(review.contains(words), "no {words:?} in:\n{review}");
    }
}

#[test]
fn a_change_of_root_outside_keys_and_thresholds_is_shown() {
    let world = World::new(&Ring::one_each());
    let seen = with_root(&world, |root| {
        root.consistent_snapshot = false;
        root.spec_version = "1.0.99".into();
        root.extra.insert("x-other".into(), json!({"a": ["evil"]}));
        let more = RoleKeys {
            keyids: Vec::new(),
            threshold: 1,
            extra: BTreeMap::from([("x-note".into(), json!("deep"))]),
        };
        root.roles.insert("mirrors".into(), more);
    });
    shows(
        &seen,
        &[
            "consistent_snapshot: true → false",
            "1.0.99",
            "x-other",
            "evil",
            "mirrors",
            "deep",
        ],
    );
}

#[test]
fn a_key_that_gets_another_holder_is_shown() {
    let world = World::new(&Ring::one_each());
    let id = seed("root").public().keyid();
    let seen = with_root(&world, |root| {
        let people = root.extra.get_mut(crate::release::publish::PEOPLE_MEMBER);
        people.unwrap()[id.as_str()] = json!("mallory");
    });
    shows(&seen, &[&id, "\"alice\" → \"mallory\""]);
}

#[test]
fn a_key_that_is_added_is_shown_with_its_whole_id() {
    let world = World::new(&Ring::one_each());
    let key = crate::trust::key::PublicKey::from(Seed(77).public());
    let id = Seed(77).public().keyid();
    let seen = with_root(&world, |root| {
        root.add_key("targets", &key).unwrap();
    });
    shows(&seen, &[&format!("targets: + key {id}")]);
    let unlisted = with_root(&world, |root| {
        root.keys.insert(id.clone(), key.clone());
    });
    shows(&unlisted, &[&id]);
}

#[test]
fn a_change_of_a_target_outside_size_and_digest_is_shown() {
    let world = World::new(&Ring::one_each());
    let seen = with_targets(&world, |targets| {
        targets.extra.insert("x-other".into(), json!("evil"));
        let mut file = TargetFile::new(2, Sha256::of(b"{}"));
        file.hashes.insert("sha512".into(), "00".into());
        file.extra.insert("x-deep".into(), json!("deeper"));
        file.custom = Some(json!({
            "relman": {"tag": "some", "commit": "abc", "repository": "https://evil.example",
                "tagObject": "def", "more": "hidden"},
            "else": "where",
        }));
        targets.targets.insert("some.tar.gz".into(), file);
    });
    shows(
        &seen,
        &[
            "x-other",
            "evil",
            "sha512",
            "deeper",
            "https://evil.example",
            "def",
            "hidden",
            "where",
        ],
    );
}

#[test]
fn a_delegation_of_other_paths_is_shown() {
    let world = World::new(&Ring::one_each());
    let seen = with_targets(&world, |targets| {
        let delegations = targets.delegations.as_mut().unwrap();
        let role = &mut delegations.roles.as_mut().unwrap()[0];
        role.paths = Some(vec!["*".into()]);
        role.terminating = false;
        role.extra.insert("x-note".into(), json!("deep"));
    });
    shows(
        &seen,
        &[
            "paths: [\"testnet.*\"] → [\"*\"]",
            "terminating: true → false",
            "deep",
        ],
    );
}

#[test]
fn a_name_made_to_look_like_another_line_is_shown_in_quotes() {
    let world = World::new(&Ring::one_each());
    let name = "a.tar.gz: 2 bytes, sha256 00";
    let seen = with_targets(&world, |targets| {
        let file = TargetFile::new(2, Sha256::of(b"{}"));
        targets.targets.insert(name.into(), file);
    });
    shows(&seen, &[&format!("+ {name:?}: 2 bytes")]);
}

#[test]
fn a_new_environment_is_shown_with_its_keys_and_rules() {
    let world = World::new(&Ring::one_each());
    let key = crate::trust::key::PublicKey::from(Seed(77).public());
    let id = Seed(77).public().keyid();
    let seen = with_policy(&world, |policy| {
        let mut more = policy.environments[0].clone();
        let until = "2036-01-01T00:00:00Z".parse().unwrap();
        let purpose = Purpose::Override("devnet".into());
        let entry = crate::trust::policy::KeyEntry::new(&key, "mallory", purpose, now(), until);
        policy.keys.push(entry.unwrap());
        let second = crate::trust::key::PublicKey::from(Seed(78).public());
        let purpose = Purpose::Environment("devnet".into());
        let entry = crate::trust::policy::KeyEntry::new(&second, "eve", purpose, now(), until);
        policy.keys.push(entry.unwrap());
        more.name = "devnet".into();
        more.keys = vec![Seed(78).public().keyid()];
        more.threshold = 1;
        more.approvals = vec![ApprovalRule::new("qa")];
        more.overriders = Some(crate::trust::policy::KeyGroup {
            keys: vec![id.clone()],
            threshold: 1,
        });
        policy.environments.push(more);
    });
    shows(
        &seen,
        &[
            "+ environment devnet",
            &format!("devnet: override: + mallory (key {id})"),
            "devnet: override: threshold: 0 → 1",
            "devnet: approvals: none → qa",
            "order of environments: testnet, mainnet → testnet, mainnet, devnet",
        ],
    );
}

#[test]
fn environments_in_another_order_are_shown() {
    let world = World::new(&Ring::one_each());
    let seen = with_policy(&world, |policy| policy.environments.reverse());
    shows(
        &seen,
        &["order of environments: testnet, mainnet → mainnet, testnet"],
    );
}

#[test]
fn a_statement_is_shown_with_its_type_and_what_it_is_about() {
    let world = World::new(&Ring::one_each());
    let mut proposal = world.proposal();
    proposal.statements.push(statement(Purpose::Approver));
    shows(
        &review(&proposal, &world),
        &[
            "urn:example:approval",
            "about some.tar.gz",
            &Sha256::of(b"{}").hex(),
            "some/approval.tlog-proof",
        ],
    );
}

#[test]
fn what_is_in_a_file_is_shown() {
    let world = World::new(&Ring::one_each());
    let mut proposal = world.proposal();
    let path = format!("targets/{}.some.tar.gz", Sha256::of(b"{}"));
    proposal.files.insert(path, "{\n\"tag\": \"v9\"}".into());
    shows(
        &review(&proposal, &world),
        &["some.tar.gz", "\"tag\": \"v9\""],
    );
}
