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
        minimum: None,
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

/// A checkpoint of the empty log, signed by these log keys and cosigned at these times, a witness each.
fn signed_by(logs: &[Seed], cosigned: &[(&str, Seed, &str)]) -> VerifiedCheckpoint {
    let text = Checkpoint::new(ORIGIN, TreeHead::empty())
        .unwrap()
        .to_string();
    let vkeys: Vec<VerifierKey> = logs
        .iter()
        .map(|key| VerifierKey::from_public(ORIGIN, &key.public()).unwrap())
        .collect();
    let mut note: Option<Note> = None;
    for (key, vkey) in logs.iter().zip(&vkeys) {
        let signature = key.sign(text.as_bytes()).unwrap();
        match &mut note {
            None => note = Some(Note::with_signature(&text, vkey, &signature).unwrap()),
            Some(note) => note.add_signature(vkey, &signature).unwrap(),
        }
    }
    let mut note = note.unwrap();
    let verify = |note: &Note| VerifiedCheckpoint::verify(note, &vkeys, ORIGIN).unwrap();
    let plain = verify(&note);
    for (name, key, time) in cosigned {
        let cosigner = Cosigner::new(name, key).unwrap();
        let line = cosigner.cosign(&plain, at(time)).unwrap();
        note.add_cosignature(cosigner.key(), &line).unwrap();
    }
    verify(&note)
}

/// The old log key counts until 2027, the new one from 2026-06 on.
fn rotated(witnesses: &str) -> PolicyDocument {
    let mut document = document(witnesses);
    let new = VerifierKey::from_public(ORIGIN, &Seed(11).public()).unwrap();
    document.log.vkeys.insert(0, new.to_string());
    document.keys.push(entry(LOG, Purpose::Log));
    let mut entry = entry(Seed(11), Purpose::Log);
    entry.not_before = at("2026-06-01T00:00:00Z");
    entry.not_after = at("9999-01-01T00:00:00Z");
    document.keys.push(entry);
    document
}

#[test]
fn a_log_key_signs_heads_within_its_validity_and_two_may_at_a_time() {
    let policy = parsed(&rotated("none"));
    let (old, new) = (signed_by(&[LOG], &[]), signed_by(&[Seed(11)], &[]));
    let both = signed_by(&[LOG, Seed(11)], &[]);
    let takes = |head: &VerifiedCheckpoint, now| policy.check_head(head, None, at(now)).is_ok();
    for (now, by_old, by_new) in [
        ("2026-03-01T00:00:00Z", true, false),
        ("2026-09-01T00:00:00Z", true, true),
        ("2027-01-01T00:00:00Z", false, true),
    ] {
        assert_eq!(takes(&old, now), by_old, "{now}");
        assert_eq!(takes(&new, now), by_new, "{now}");
        assert!(takes(&both, now), "{now}");
    }
    let error = policy.check_head(&old, None, at("2027-02-01T00:00:00Z"));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("is signed by timed/relman-log+"), "{error}");
}

#[test]
fn with_witnesses_a_log_key_is_judged_at_witnessed_time() {
    let policy = parsed(&rotated(&witness(WITNESS)));
    let head = |key, time| signed_by(&[key], &[("w.example", WITNESS, time)]);
    let witnessed = |key, time| policy.witnessed(&head(key, time));
    // Long after its end, what it signed before stays signed.
    assert!(witnessed(LOG, "2026-12-31T23:59:59Z").is_ok());
    let error = witnessed(LOG, "2027-01-01T00:00:00Z").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("policy names for the log at 2027"),
        "{error}"
    );
    assert!(witnessed(Seed(11), "2026-05-31T23:59:59Z").is_err());
    assert!(witnessed(Seed(11), "2026-06-01T00:00:00Z").is_ok());
}

#[test]
fn a_log_key_in_the_list_of_keys_is_one_of_the_vkeys_once() {
    let mut stray = document("none");
    stray.keys.push(entry(Seed(11), Purpose::Log));
    refused(&stray, "none of log.vkeys");
    let mut twice = rotated("none");
    twice.keys.push(entry(LOG, Purpose::Log));
    refused(&twice, "none of log.vkeys, or is there twice");
    let mut builder = document("none");
    builder.keys.push(entry(LOG, Purpose::Tagger));
    refused(&builder, "one key is both log key");
}

#[test]
fn a_frozen_log_shows_by_the_age_of_its_cosignatures() {
    let mut limited = document(&witness(WITNESS));
    limited.log.max_cosignature_age_hours = Some(24);
    let policy = parsed(&limited);
    let head = cosigned(WITNESS, "2026-06-01T00:00:00Z");
    let witnessed = policy.witnessed(&head).unwrap();
    let check = |now| policy.check_head(&head, witnessed.as_ref(), at(now));
    assert!(check("2026-06-02T00:00:00Z").is_ok());
    let error = check("2026-06-02T00:00:01Z").unwrap_err();
    assert_eq!(error.kind(), crate::Kind::Refused);
    assert!(
        error
            .to_string()
            .contains("cosigned the log last at 2026-06-01"),
        "{error}"
    );
    limited.log.max_cosignature_age_hours = Some(0);
    refused(&limited, "wanted 1 or more");
    let mut nobody = document("none");
    nobody.log.max_cosignature_age_hours = Some(1);
    refused(&nobody, "has no witnesses");
}

#[test]
fn one_witness_that_goes_on_does_not_hide_that_the_others_stand_still() {
    let names = ["a.example", "b.example", "c.example"];
    let keys = [Seed(21), Seed(22), Seed(23)];
    let mut text = String::new();
    for (name, key) in names.iter().zip(&keys) {
        let key = Cosigner::new(name, key).unwrap().key().to_string();
        text.push_str(&format!("witness {name} {key}\n"));
    }
    text.push_str("group g 2 a.example b.example c.example\nquorum g\n");
    let policy = parsed(&document(&text));
    let times = |[a, b, c]: [&str; 3]| {
        let head = signed_by(
            &[LOG],
            &[
                (names[0], keys[0], a),
                (names[1], keys[1], b),
                (names[2], keys[2], c),
            ],
        );
        let witnessed = policy.witnessed(&head).unwrap().unwrap();
        (witnessed.time().to_string(), witnessed.newest().to_string())
    };
    let (jan, feb, mar) = (
        "2026-01-01T00:00:00Z",
        "2026-02-01T00:00:00Z",
        "2026-03-01T00:00:00Z",
    );
    let told = |time: &str, newest: &str| (time.to_owned(), newest.to_owned());
    assert_eq!(times([jan, jan, mar]), told(jan, jan));
    assert_eq!(times([jan, feb, mar]), told(feb, feb));
    assert_eq!(times([mar, jan, mar]), told(mar, mar));
    assert_eq!(times([jan, feb, feb]), told(feb, feb));
}
