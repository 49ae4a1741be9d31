//! Whose signatures set rules aside: people, not keys; for this purpose, at this time.

use std::collections::BTreeSet;

use super::{Case, at, environment};
use crate::keys::PublicKey;
use crate::log::VerifierKey;
use crate::release::environment::Rule;
use crate::release::environment::gather::count;
use crate::release::leaf::OverrideLeaf;
use crate::release::policy::ReleasePolicy;
use crate::trust::policy::{KeyEntry, KeyGroup, Pin, PolicyDocument, Purpose};

const ORIGIN: &str = "timed/relman-log";

fn key(seed: u8) -> PublicKey {
    let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
    PublicKey::from_bytes(key.verifying_key().to_bytes()).unwrap()
}

/// Mainnet's rules are set aside by two: ann with keys 1 and 2, bob with 3 and carol with 4, whose key
/// ends in March. Key 5 is dan's and the builder's.
fn policy(overriders: bool) -> ReleasePolicy {
    let mut document = PolicyDocument::new("timed", ORIGIN);
    let log = VerifierKey::from_public(ORIGIN, &key(9)).unwrap();
    document.log.vkeys.push(log.to_string());
    let purpose = || Purpose::Override("mainnet".into());
    let year = "2027-01-01T00:00:00Z";
    let mut keys = vec![(5, "dan", Purpose::Builder, year)];
    let mut mainnet = environment("mainnet");
    if overriders {
        keys.extend([
            (1, "ann", purpose(), year),
            (2, "ann", purpose(), year),
            (3, "bob", purpose(), year),
            (4, "carol", purpose(), "2026-03-01T00:00:00Z"),
        ]);
        mainnet.overriders = Some(KeyGroup {
            keys: (1..=4).map(|n| key(n).keyid()).collect(),
            threshold: 2,
        });
    }
    keys.push((6, "ann", Purpose::Environment("mainnet".into()), year));
    mainnet.keys = vec![key(6).keyid()];
    document.environments.push(mainnet);
    document.keys = keys
        .into_iter()
        .map(|(n, person, purpose, until)| {
            let from = at("2026-01-01T00:00:00Z");
            KeyEntry::new(&key(n).into(), person, purpose, from, at(until)).unwrap()
        })
        .collect();
    let bytes = ReleasePolicy::to_bytes(&document).unwrap();
    ReleasePolicy::parse(&bytes, Pin::of(&bytes)).unwrap()
}

fn leaf(time: &str) -> OverrideLeaf {
    let case = Case::mainnet().overriding(&[Rule::Soak]);
    let mut leaf = case.overridden.unwrap().leaf;
    leaf.time = at(time);
    leaf
}

#[track_caller]
fn refused(time: &str, keys: &[u8], want: &str) {
    let signers: BTreeSet<PublicKey> = keys.iter().map(|n| key(*n)).collect();
    let error = count(&policy(true), &leaf(time), &signers).unwrap_err();
    assert!(error.to_string().contains(want), "{error}");
}

const NOW: &str = "2026-02-03T00:00:00Z";

#[test]
fn two_people_set_a_rule_aside() {
    for keys in [[1, 3], [2, 3], [3, 4]] {
        let signers = keys.map(key).into_iter().collect();
        count(&policy(true), &leaf(NOW), &signers).unwrap();
    }
}

#[test]
fn one_person_is_too_few() {
    refused(NOW, &[], "0 people");
    refused(NOW, &[3], "1 people (bob), wanted 2");
}

#[test]
fn two_keys_of_one_person_are_one_person() {
    refused(NOW, &[1, 2], "1 people (ann), wanted 2");
}

#[test]
fn keys_for_another_purpose_do_not_count() {
    // Not even those of the masternodes, and of nobody that policy does not know.
    refused(NOW, &[3, 5, 6, 7], "1 people (bob), wanted 2");
}

#[test]
fn a_key_that_had_ended_by_then_does_not_count() {
    refused("2026-03-01T00:00:00Z", &[3, 4], "1 people (bob), wanted 2");
    refused("2025-12-31T23:59:59Z", &[1, 3], "0 people");
}

#[test]
fn where_policy_names_nobody_nobody_sets_anything_aside() {
    let signers = [1, 3].map(key).into_iter().collect();
    let error = count(&policy(false), &leaf(NOW), &signers).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("policy lets nobody set rules of mainnet aside"),
        "{error}"
    );
}

#[test]
fn overriders_of_one_environment_say_nothing_about_another() {
    let mut leaf = leaf(NOW);
    leaf.environment = "testnet".into();
    let signers = [1, 3].map(key).into_iter().collect();
    let error = count(&policy(true), &leaf, &signers)
        .unwrap_err()
        .to_string();
    assert!(error.contains("policy lets nobody"), "{error}");
}

#[test]
fn the_rules_that_an_override_names_are_read_strictly() {
    let read = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        Rule::parse_list(&words)
    };
    let found = read(&["notice", "soak", "soak"]).unwrap();
    assert_eq!(found, [Rule::Soak, Rule::Notice]);
    for bad in ["yanked", "skipped", "not-before", "agreement", "Soak", ""] {
        let error = read(&[bad]).unwrap_err();
        assert_eq!(error.kind(), crate::Kind::Usage);
        assert!(error.to_string().contains("cannot be set aside"), "{error}");
    }
}

#[test]
fn a_leaf_that_sets_aside_what_nobody_can_or_says_no_reason_is_no_override() {
    let good = leaf(NOW);
    assert_eq!(OverrideLeaf::read(&good.statement()).unwrap(), good);
    let mut bad = [good.clone(), good.clone(), good.clone(), good];
    bad[0].sets_aside = Vec::new();
    bad[1].sets_aside = vec![Rule::Soak, Rule::Yanked];
    bad[2].reason = "bug".into();
    bad[3].reason = "it is\r\nnot one line".into();
    for leaf in bad {
        OverrideLeaf::read(&leaf.statement()).unwrap_err();
    }
}
