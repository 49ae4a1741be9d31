//! Making and signing metadata.

use super::*;
use crate::limits::MAX_JSON_INTEGER;
use crate::trust::edit::{Signed, Unsigned};
use crate::trust::envelope::Unverified;
use crate::trust::state::RootStage;
use crate::trust::verify::Signers;

fn two_of_three() -> Root {
    let mut root = Root::new(1, later());
    for seed in [1, 2, 3] {
        root.add_key("root", &public(seed)).unwrap();
    }
    root.roles.get_mut("root").unwrap().threshold = 2;
    root
}

#[test]
fn a_root_collects_signatures_from_file_to_file_until_the_threshold_holds() {
    let root = two_of_three();
    let signers = Signers::of_root(&root, "root").unwrap();
    let first = Unsigned::new(&root).unwrap().sign(&key(3)).unwrap();
    assert_eq!(first.missing(signers), [id(1), id(2)]);
    refused(first.publish_root(None), "has 1 valid signatures");

    let carried = Signed::<Root>::parse(&first.draft_bytes().unwrap()).unwrap();
    let second = carried.sign(&key(1)).unwrap();
    let bytes = second.publish_root(None).unwrap();
    assert_eq!(bytes, second.publish("root", "test", signers).unwrap());
    assert_eq!(**RootStage::new(&bytes).unwrap().root(), root);
}

#[test]
fn the_order_of_signing_does_not_change_the_file() {
    let file = |seeds: [u8; 2]| {
        let draft = Unsigned::new(&two_of_three()).unwrap();
        let signed = draft.sign(&key(seeds[0])).unwrap();
        signed
            .sign(&key(seeds[1]))
            .unwrap()
            .publish_root(None)
            .unwrap()
    };
    let bytes = file([1, 2]);
    assert_eq!(bytes, file([2, 1]));
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("{\n  \"signatures\": ["), "{text}");
    assert!(text.ends_with("}\n") && !text.ends_with("\n\n"), "{text}");
}

#[test]
fn signing_twice_with_one_key_leaves_one_signature() {
    let draft = Unsigned::new(&two_of_three()).unwrap();
    let signed = draft.sign(&key(1)).unwrap().sign(&key(1)).unwrap();
    let parsed = Unverified::<Root>::parse(&signed.draft_bytes().unwrap()).unwrap();
    assert_eq!(parsed.signatures().len(), 1);
}

#[test]
fn a_new_root_is_published_only_with_both_thresholds_and_the_next_version() {
    let old = two_of_three();
    let mut new = old.clone();
    new.version = 2;
    new.roles.get_mut("root").unwrap().keyids = Vec::new();
    new.add_key("root", &public(5)).unwrap();
    new.add_key("root", &public(6)).unwrap();
    let sign = |root: &Root, seeds: &[u8]| {
        let first = Unsigned::new(root).unwrap().sign(&key(seeds[0])).unwrap();
        seeds[1..]
            .iter()
            .fold(first, |signed, seed| signed.sign(&key(*seed)).unwrap())
            .publish_root(Some(&old))
    };
    refused(sign(&new, &[5, 6]), "listed by root version 1");
    refused(sign(&new, &[1, 2]), "listed by root version 2");
    assert!(sign(&new, &[1, 2, 5, 6]).is_ok());
    new.version = 3;
    refused(sign(&new, &[1, 2, 5, 6]), "version 3, wanted 2");
}

#[test]
fn a_signer_that_holds_another_key_than_it_says_is_found_out() {
    struct Liar;
    impl Signer for Liar {
        fn public(&self) -> crate::keys::PublicKey {
            key(1).public()
        }
        fn sign(&self, message: &[u8]) -> crate::Result<[u8; 64]> {
            key(2).sign(message)
        }
    }
    let error = Unsigned::new(&two_of_three())
        .unwrap()
        .sign(&Liar)
        .unwrap_err();
    assert!(error.to_string().contains("not valid for it"), "{error}");
}

#[test]
fn a_draft_that_no_client_would_read_is_not_made() {
    let mut zero = two_of_three();
    zero.roles.get_mut("targets").unwrap().threshold = 0;
    refused(Unsigned::new(&zero), "threshold 0");
    let mut foreign = two_of_three();
    foreign.keys.insert(id(1), public(9));
    refused(Unsigned::new(&foreign), "by its content");
    refused(Unsigned::new(&Snapshot::new(0, later())), "version is 0");
    let newest = |version| Unsigned::new(&Snapshot::new(version, later())).map(|_| ());
    newest(MAX_JSON_INTEGER).unwrap();
    refused(newest(MAX_JSON_INTEGER + 1), "is accepted");
    let mut float = Snapshot::new(1, later());
    float.extra.insert("x".into(), serde_json::json!(1.5));
    refused(Unsigned::new(&float), "no canonical form");
}

#[test]
fn replacing_a_delegation_keeps_its_place_and_drops_keys_that_nobody_uses() {
    let mut targets = Targets::new(1, later());
    let mut delegate = |name: &str, seeds: &[u8]| {
        let keys: Vec<_> = seeds.iter().map(|seed| public(*seed)).collect();
        let pattern = format!("{name}.*");
        targets.delegate(name, &keys, 1, true, &[pattern]).unwrap();
    };
    delegate("testnet", &[1, 2]);
    delegate("mainnet", &[2]);
    delegate("testnet", &[3]);
    let delegations = targets.delegations.unwrap();
    let names: Vec<_> = delegations
        .roles()
        .iter()
        .map(|r| r.name.as_str())
        .collect();
    assert_eq!(names, ["testnet", "mainnet"]);
    assert_eq!(
        delegations
            .keys
            .keys()
            .cloned()
            .collect::<std::collections::BTreeSet<_>>(),
        [id(2), id(3)].into()
    );
}

#[test]
fn what_is_signed_is_the_canonical_form_of_the_role() {
    let root = two_of_three();
    let wanted = crate::trust::json::canonical(&value(&root)).unwrap();
    let draft = Unsigned::new(&root).unwrap();
    assert_eq!(draft.message(), wanted);
    assert_eq!(draft.sign(&key(1)).unwrap().message(), wanted);
}

#[test]
fn copies_of_one_draft_give_their_signatures_to_each_other_and_other_drafts_do_not() {
    let draft = || Unsigned::new(&two_of_three()).unwrap();
    let mut ours = draft().sign(&key(1)).unwrap();
    ours.merge(&draft().sign(&key(2)).unwrap()).unwrap();
    let mut both = [id(1), id(2)];
    both.sort();
    assert_eq!(ours.keyids().cloned().collect::<Vec<_>>(), both);
    ours.publish_root(None).unwrap();

    let mut other = two_of_three();
    other.expires = at("2027-01-02T00:00:00Z");
    let other = Unsigned::new(&other).unwrap().sign(&key(3)).unwrap();
    refused(ours.merge(&other), "the two drafts of root differ");
    assert_eq!(ours.keyids().count(), 2);

    ours.keep_signatures(&[id(2), id(3)]);
    assert_eq!(ours.keyids().cloned().collect::<Vec<_>>(), [id(2)]);
    refused(ours.publish_root(None), "has 1 valid signatures");
}
