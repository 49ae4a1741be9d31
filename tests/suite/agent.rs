//! The client of ssh-agents, against agents that lie, stammer, and say nothing.

use std::time::Duration;

use ed25519_dalek::{Signer, SigningKey};
use relman::Kind;
use relman::io::agent::Agent;
use relman::keys::PublicKey;

use crate::common::fake_agent::{FakeAgent, Reply, blob, list, list_of, signature, string};

/// Enough for an agent that answers.
const LONG: Duration = Duration::from_secs(30);
/// Enough for one that never will.
const SHORT: Duration = Duration::from_millis(300);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey::from_bytes(key.verifying_key().to_bytes()).unwrap()
}

/// Asks for the list and for a signature of an agent that says one thing whatever it is asked.
fn both(reply: Reply, patience: Duration) -> [relman::Error; 2] {
    let dir = tempfile::tempdir().unwrap();
    let fake = FakeAgent::saying(dir.path(), move |_| reply.clone());
    let agent = Agent::at(fake.path(), patience);
    [
        agent.keys().unwrap_err(),
        agent.sign(&public(&key(1)), b"message").unwrap_err(),
    ]
}

#[test]
fn an_agent_lists_its_keys_and_signs_with_the_one_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let fake = FakeAgent::with(dir.path(), vec![key(1), key(2)]);
    let agent = Agent::at(fake.path(), LONG);
    let keys: Vec<_> = agent
        .keys()
        .unwrap()
        .into_iter()
        .map(|key| key.public)
        .collect();
    assert_eq!(keys, [Some(public(&key(1))), Some(public(&key(2)))]);
    let signed = agent.sign(&public(&key(2)), b"message").unwrap();
    assert!(public(&key(2)).verify(b"message", &signed));
    assert_eq!(fake.signed(), [key(2).verifying_key().to_bytes()]);
}

#[test]
fn an_answer_that_no_agent_gives_is_an_error_with_a_hint() {
    let over = [12, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff].to_vec();
    for (what, reply) in [
        ("a frame of 4 GiB", Reply::Raw(vec![0xff; 4])),
        (
            "a frame just over the limit",
            Reply::Raw(262_145_u32.to_be_bytes().to_vec()),
        ),
        ("an empty frame", Reply::Raw(vec![0; 4])),
        ("nothing at all", Reply::Raw(Vec::new())),
        ("half a length", Reply::Raw(vec![0, 0])),
        ("half a message", Reply::Raw(vec![0, 0, 0, 9, 12, 0])),
        ("a message of another type", Reply::Message(vec![6])),
        ("an unknown type", Reply::Message(vec![200; 64])),
        ("a string without end", Reply::Message(over)),
        (
            "text",
            Reply::Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ),
    ] {
        for error in both(reply, LONG) {
            assert_eq!(error.kind(), Kind::Failed, "{what}: {error}");
            assert!(error.message().contains("malformed"), "{what}: {error}");
            assert!(error.hint_text().is_some(), "{what}: {error}");
        }
    }
}

#[test]
fn lists_that_are_no_lists_are_refused() {
    let many = [&[12], 2_049_u32.to_be_bytes().as_slice()].concat();
    let more = [list(&[key(1)]), vec![0]].concat();
    let fewer = [&[12], 3_u32.to_be_bytes().as_slice(), &list(&[key(1)])[5..]].concat();
    let short = list_of(&[[string(b"ssh-ed25519"), string(&[7; 31])].concat()]);
    let tail = list_of(&[[blob(&key(1)), vec![1]].concat()]);
    for body in [many, more, fewer, short, tail] {
        let [error, _] = both(Reply::Message(body), LONG);
        assert!(error.message().contains("malformed"), "{error}");
    }
}

#[test]
fn signatures_that_are_none_are_refused() {
    let good = key(1).sign(b"message").to_bytes();
    let rsa = [string(b"rsa-sha2-512"), string(&good)].concat();
    for body in [
        signature(&good[..63]),
        signature(&[good.as_slice(), &[0]].concat()),
        [&[14], string(&rsa).as_slice()].concat(),
        [signature(&good), vec![0]].concat(),
    ] {
        let [_, error] = both(Reply::Message(body), LONG);
        assert!(error.message().contains("malformed"), "{error}");
    }
}

#[test]
fn a_signature_by_another_key_or_over_another_message_is_refused() {
    for body in [
        key(2).sign(b"message").to_bytes(),
        key(1).sign(b"another").to_bytes(),
        [0; 64],
    ] {
        let [_, error] = both(Reply::Message(signature(&body)), LONG);
        assert_eq!(error.kind(), Kind::Refused, "{error}");
        assert!(error.message().contains("none of key"), "{error}");
    }
}

#[test]
fn an_agent_that_refuses_is_said_to_and_told_how_to_unlock() {
    for error in both(Reply::Message(vec![5]), LONG) {
        assert!(error.message().contains("refuses"), "{error}");
        assert!(
            error.hint_text().unwrap().contains("ssh-add -X"),
            "{error:?}"
        );
    }
}

#[test]
fn an_agent_that_never_answers_or_never_ends_is_given_up() {
    for reply in [Reply::Silence, Reply::Drip(262_144)] {
        for error in both(reply, SHORT) {
            assert!(error.message().contains("does not answer"), "{error}");
        }
    }
}

#[test]
fn an_agent_that_is_not_there_is_told_how_to_start() {
    let dir = tempfile::tempdir().unwrap();
    let long = dir.path().join("x".repeat(200));
    for path in [dir.path().join("none"), dir.path().to_owned(), long] {
        let error = Agent::at(&path, LONG).keys().unwrap_err();
        assert!(error.message().contains("cannot be reached"), "{error}");
        assert!(
            error.hint_text().unwrap().contains("ssh-agent"),
            "{error:?}"
        );
    }
}

#[test]
fn what_is_too_long_for_an_agent_is_told_before_it_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let fake = FakeAgent::with(dir.path(), vec![key(1)]);
    let agent = Agent::at(fake.path(), LONG);
    let error = agent.sign(&public(&key(1)), &[0; 262_144]).unwrap_err();
    assert!(error.message().contains("more than fit"), "{error}");
    assert_eq!(fake.signed(), [[0; 32]; 0]);
    agent.sign(&public(&key(1)), &[0; 250_000]).unwrap();
}

#[test]
fn whatever_bit_is_flipped_in_an_answer_there_is_no_panic_and_no_wrong_signature() {
    let good = key(1).sign(b"message").to_bytes();
    let bodies = [list(&[key(1), key(2)]), signature(&good)];
    let dir = tempfile::tempdir().unwrap();
    let turn = std::sync::atomic::AtomicUsize::new(0);
    let total: usize = bodies.iter().map(|body| 2 * body.len()).sum();
    let mutated = move |_: &[u8]| {
        let mut at = turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst) / 2;
        for body in &bodies {
            if at < 2 * body.len() {
                let mut body = body.clone();
                match at % 2 {
                    0 => body[at / 2] ^= 1 << (at % 8),
                    _ => body.truncate(at / 2),
                }
                return Reply::Message(body);
            }
            at -= 2 * body.len();
        }
        Reply::Silence
    };
    let fake = FakeAgent::saying(dir.path(), mutated);
    let agent = Agent::at(fake.path(), LONG);
    for _ in 0..total {
        let _ = agent.keys();
        if let Ok(signature) = agent.sign(&public(&key(1)), b"message") {
            assert!(public(&key(1)).verify(b"message", &signature));
        }
    }
}
