//! What a policy says of witnesses, held against the rest of it.

use jiff::Timestamp;

use super::ReleasePolicy;
use crate::keys::Signer;
use crate::keys::seed::Seed;
use crate::log::{Checkpoint, Cosigner, Note, TreeHead, VerifiedCheckpoint, VerifierKey};
use crate::trust::policy::{Environment, KeyEntry, Pin, PolicyDocument, Purpose};
use crate::trust::schema::Root;

const ORIGIN: &str = "timed/relman-log";
const LOG: Seed = Seed(1);
const BUILDER: Seed = Seed(2);
const TESTNET: Seed = Seed(3);
const WITNESS: Seed = Seed(4);

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn entry(key: Seed, purpose: Purpose) -> KeyEntry {
    let from = at("2026-01-01T00:00:00Z");
    let until = at("2027-01-01T00:00:00Z");
    KeyEntry::new(&key.public().into(), "alice", purpose, from, until).unwrap()
}

fn log_key() -> VerifierKey {
    VerifierKey::from_public(ORIGIN, &LOG.public()).unwrap()
}

fn witness(key: Seed) -> String {
    let cosigner = Cosigner::new("w.example", &key).unwrap().key().to_string();
    format!("witness w {cosigner}\nquorum w\n")
}

fn document(witnesses: &str) -> PolicyDocument {
    let mut document = PolicyDocument::new("timed", ORIGIN);
    document.log.vkeys.push(log_key().to_string());
    document.log.witnesses = witnesses.to_owned();
    document.keys = vec![
        entry(BUILDER, Purpose::Builder),
        entry(TESTNET, Purpose::Environment("testnet".into())),
    ];
    document.environments.push(Environment {
        name: "testnet".into(),
        keys: vec![TESTNET.public().keyid()],
        threshold: 1,
        approvals: Vec::new(),
        rebuilders: 0,
        soak_hours: 0,
        notice_hours: 0,
        halt: None,
        overriders: None,
    });
    document
}

#[track_caller]
fn refused(document: &PolicyDocument, want: &str) {
    let error = ReleasePolicy::to_bytes(document).unwrap_err();
    assert_eq!(error.kind(), crate::Kind::Refused, "{error}");
    assert!(error.to_string().contains(want), "{error}");
    // Somebody who writes the file by other means is refused when it is read.
    if let Ok(bytes) = document.to_bytes() {
        assert!(ReleasePolicy::parse(&bytes, Pin::of(&bytes)).is_err());
    }
}

fn parsed(document: &PolicyDocument) -> ReleasePolicy {
    let bytes = ReleasePolicy::to_bytes(document).unwrap();
    ReleasePolicy::parse(&bytes, Pin::of(&bytes)).unwrap()
}

fn cosigned(witness: Seed, time: &str) -> VerifiedCheckpoint {
    let text = Checkpoint::new(ORIGIN, TreeHead::empty())
        .unwrap()
        .to_string();
    let signature = LOG.sign(text.as_bytes()).unwrap();
    let mut note = Note::with_signature(&text, &log_key(), &signature).unwrap();
    let verify = |note: &Note| VerifiedCheckpoint::verify(note, &[log_key()], ORIGIN).unwrap();
    let cosigner = Cosigner::new("w.example", &witness).unwrap();
    let line = cosigner.cosign(&verify(&note), at(time)).unwrap();
    note.add_cosignature(cosigner.key(), &line).unwrap();
    verify(&note)
}

#[test]
fn soak_and_notice_are_refused_where_no_witness_could_tell_the_time() {
    for change in [(|e| e.soak_hours = 24) as fn(&mut Environment), |e| {
        e.notice_hours = 48
    }] {
        let mut wanting = document("none");
        change(&mut wanting.environments[0]);
        refused(&wanting, "no witnesses");
        wanting.log.witnesses = "quorum none\n".into();
        refused(&wanting, "nobody could tell the time");
        let error = ReleasePolicy::to_bytes(&wanting).unwrap_err();
        assert!(
            error
                .hint_text()
                .is_some_and(|hint| hint.contains("soak_hours"))
        );
        wanting.log.witnesses = witness(WITNESS);
        parsed(&wanting);
    }
}

#[test]
fn a_malformed_witness_text_refuses_the_policy() {
    refused(&document("quorum any"), "witnesses were refused");
    refused(&document(""), "no quorum line");
}

#[test]
fn a_witness_key_with_another_purpose_is_refused() {
    refused(&document(&witness(LOG)), "same public key as log");
    refused(&document(&witness(BUILDER)), "builder key of alice");
    refused(
        &document(&witness(TESTNET)),
        "environment/testnet key of alice",
    );
    let mut stray = document(&witness(WITNESS));
    stray.keys.push(entry(Seed(9), Purpose::Witness));
    refused(&stray, "none of those in log.witnesses");

    let policy = parsed(&document(&witness(WITNESS)));
    let mut root = Root::new(1, at("2027-01-01T00:00:00Z"));
    root.add_key("timestamp", &Seed(8).public().into()).unwrap();
    assert_eq!(policy.check_root(&root), Vec::<String>::new());
    root.add_key("timestamp", &WITNESS.public().into()).unwrap();
    let problems = policy.check_root(&root);
    assert!(problems[0].contains("key of witness \"w\""), "{problems:?}");
}

#[test]
fn logs_that_the_witness_text_names_are_those_of_the_policy() {
    parsed(&document(&format!(
        "log {}\n{}",
        log_key(),
        witness(WITNESS)
    )));
    let other = VerifierKey::from_public(ORIGIN, &Seed(7).public()).unwrap();
    let text = format!("log {other}\n{}", witness(WITNESS));
    refused(&document(&text), "want the same or none");
}

#[test]
fn a_witness_counts_within_its_validity_where_the_policy_lists_its_key() {
    let unlisted = parsed(&document(&witness(WITNESS)));
    let mut listed = document(&witness(WITNESS));
    listed.keys.push(entry(WITNESS, Purpose::Witness));
    let listed = parsed(&listed);
    let within = "2026-06-01T00:00:00Z";
    for policy in [&unlisted, &listed] {
        let witnessed = policy.witnessed(&cosigned(WITNESS, within)).unwrap();
        assert_eq!(witnessed.unwrap().time(), at(within));
        let foreign = policy.witnessed(&cosigned(Seed(9), within)).unwrap_err();
        assert!(
            foreign.to_string().contains("\"w\" is missing"),
            "{foreign}"
        );
    }
    for outside in ["2025-12-31T23:59:59Z", "2027-01-01T00:00:00Z"] {
        assert!(unlisted.witnessed(&cosigned(WITNESS, outside)).is_ok());
        assert!(listed.witnessed(&cosigned(WITNESS, outside)).is_err());
    }
    let none = parsed(&document("none"));
    assert_eq!(none.witnessed(&cosigned(WITNESS, within)).unwrap(), None);
}
