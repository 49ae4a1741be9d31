//! Cosignatures: the published key and line, forgeries, times, and what a note does with them.

use jiff::Timestamp;

use super::{NaiveTree, ORIGIN, signer};
use crate::Kind;
use crate::keys::Signer;
pub use crate::keys::seed::Seed;
use crate::log::{Checkpoint, Cosigner, CosignerKey, Note, Signature, VerifiedCheckpoint};

/// A witness that exists.
const REMORA: &str = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2";
/// The line in tlog-cosignature, whose key is published nowhere: good for its form alone.
const SAMPLE: &str = "\u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==";

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub fn verified(note: &Note) -> VerifiedCheckpoint {
    VerifiedCheckpoint::verify(note, &[signer(ORIGIN, 1).verifier().clone()], ORIGIN).unwrap()
}

pub fn checkpoint(size: u64) -> VerifiedCheckpoint {
    let checkpoint = Checkpoint::new(ORIGIN, NaiveTree::new(size).head(size)).unwrap();
    verified(&checkpoint.sign(&[&signer(ORIGIN, 1)]).unwrap())
}

/// `checkpoint` with cosignatures by `name`, of key `seed`, at a second.
pub fn cosigned(by: &[(&str, u8, i64)]) -> VerifiedCheckpoint {
    let plain = checkpoint(7);
    let mut note = plain.note().clone();
    for (name, seed, second) in by {
        let seed = Seed(*seed);
        let cosigner = Cosigner::new(name, &seed).unwrap();
        let line = cosigner.cosign(&plain, at(*second)).unwrap();
        assert_eq!(
            note.add_cosignature(cosigner.key(), &line).unwrap(),
            at(*second)
        );
    }
    verified(&Note::parse(note.to_string().as_bytes()).unwrap())
}

#[test]
fn keys_of_witnesses_print_as_they_were_read_and_have_ids_of_their_own_type() {
    let key = CosignerKey::parse(REMORA).unwrap();
    assert_eq!((key.name(), key.id()), ("remora.n621.de", 0xda77_ade7));
    assert_eq!(key.to_string(), REMORA);
    let as_log = crate::log::VerifierKey::from_public(key.name(), key.public()).unwrap();
    assert_ne!(as_log.id(), key.id());
}

#[test]
fn keys_of_other_types_are_refused_with_the_type_in_words() {
    let log = signer("log.example/timed", 1).verifier().to_string();
    let weak = format!("weak+00000000+BAEA{}", "A".repeat(40));
    let cases = [
        (log.as_str(), "a log's key"),
        ("w+00000000+BtMcFiao6ZOdU6LZ40tL", "ML-DSA-44"),
        ("w+00000000+/9Mc", "0xff is not known"),
        ("w+00000000+BNMc", "2 bytes"),
        (weak.as_str(), "not a usable"),
        (
            "remora.n621.de+da77ade8+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
            "key ID",
        ),
        (
            "remora n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
            "key name",
        ),
    ];
    for (vkey, want) in cases {
        let error = CosignerKey::parse(vkey).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{vkey}");
        assert!(error.to_string().contains(want), "{vkey}: {error}");
    }
}

#[test]
fn the_published_line_has_the_time_that_its_text_names() {
    let line = Signature::parse(SAMPLE).unwrap();
    assert_eq!(line.to_string(), SAMPLE);
    let (time, rest) = line.bytes().split_at(8);
    assert_eq!(time, 1_679_315_147u64.to_be_bytes());
    assert_eq!(rest.len(), 64);
}

#[test]
fn a_cosignature_is_for_one_checkpoint_one_time_one_key_and_one_name() {
    let key = CosignerKey::new("w.example/1", Seed(9).public()).unwrap();
    let both = cosigned(&[("w.example/1", 9, 1000)]);
    let line = both.note().unverified_signatures()[1].clone();
    let text = both.note().unverified_text();
    assert_eq!(key.check(text, &line).unwrap(), at(1000));

    let other_text = text.replace("\n7\n", "\n8\n");
    assert!(key.check(&other_text, &line).is_err());
    let extended = format!("{text}extension\n");
    assert!(key.check(&extended, &line).is_err());
    for (name, seed) in [("w.example/1", 8), ("w.example/2", 9)] {
        let other = CosignerKey::new(name, Seed(seed).public()).unwrap();
        assert!(other.check(text, &line).is_err());
        // The name and key ID of somebody else do not help.
        let renamed = Signature::new(name, other.id(), line.bytes().to_vec());
        assert_eq!(other.check(text, &renamed).is_ok(), seed == 9, "{name}");
    }
    for at in 0..line.bytes().len() {
        let mut bytes = line.bytes().to_vec();
        bytes[at] ^= 1;
        let damaged = Signature::new(line.name(), line.key_id(), bytes);
        let error = key.check(text, &damaged).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
    }
    for len in [0, 1, 8, 63, 64, 71, 73] {
        let mut bytes = line.bytes().to_vec();
        bytes.resize(len, 0);
        let cut = Signature::new(line.name(), line.key_id(), bytes);
        assert!(key.check(text, &cut).is_err());
    }
}

#[test]
fn a_time_that_is_none_is_refused_although_it_is_signed() {
    let key = CosignerKey::new("w", Seed(9).public()).unwrap();
    let plain = checkpoint(7);
    let text = plain.note().unverified_text();
    for seconds in [0, i64::MAX as u64, 1 << 63, u64::MAX] {
        let message = format!("cosignature/v1\ntime {seconds}\n{text}");
        let signature = Seed(9).sign(message.as_bytes()).unwrap();
        let bytes = [seconds.to_be_bytes().as_slice(), &signature].concat();
        let error = key
            .check(text, &Signature::new("w", key.id(), bytes))
            .unwrap_err();
        assert!(error.to_string().contains("time"), "{error}");
    }
    let cosigner_error = Cosigner::new("w", &Seed(9)).unwrap().cosign(&plain, at(-5));
    assert!(cosigner_error.is_err());
}

#[test]
fn a_logs_signature_is_no_cosignature_and_the_other_way_round() {
    let plain = checkpoint(7);
    let text = plain.note().unverified_text();
    let key = CosignerKey::new(ORIGIN, Seed(1).public()).unwrap();
    let logs = plain.note().unverified_signatures()[0].bytes();
    let bytes = [1000u64.to_be_bytes().as_slice(), logs].concat();
    assert!(
        key.check(text, &Signature::new(ORIGIN, key.id(), bytes))
            .is_err()
    );
    let by_witness = cosigned(&[(ORIGIN, 1, 1000)]);
    let line = &by_witness.note().unverified_signatures()[1];
    let forged = Signature::new(
        ORIGIN,
        signer(ORIGIN, 1).verifier().id(),
        line.bytes()[8..].to_vec(),
    );
    let note = format!("{text}\n{forged}\n");
    let note = Note::parse(note.as_bytes()).unwrap();
    assert!(
        note.verify(&[signer(ORIGIN, 1).verifier().clone()])
            .is_err()
    );
}

#[test]
fn strangers_are_ignored_a_bad_line_of_a_known_witness_refuses_and_the_earliest_counts() {
    let keys = [9, 8].map(|seed| CosignerKey::new("w", Seed(seed).public()).unwrap());
    let note = cosigned(&[("w", 9, 50), ("stranger", 7, 1), ("w", 9, 40), ("w", 9, 60)]);
    assert_eq!(note.cosigned(&keys).unwrap(), [Some(at(40)), None]);

    let mut bad = note.note().clone();
    let line = note.note().unverified_signatures()[1].bytes().to_vec();
    bad.push(Signature::new("w", keys[1].id(), line)).unwrap();
    let error = verified(&bad).cosigned(&keys).unwrap_err();
    assert!(error.to_string().contains("does not verify"), "{error}");
    assert!(verified(&bad).cosigned(&keys[..1]).is_ok());
}
