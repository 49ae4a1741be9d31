//! Asking witnesses: rounds, what counts as a cosignature, and what is said of everything else.

use std::cell::RefCell;

use super::add_checkpoint::{Drawer, key, notary};
use super::cosignature::{Seed, at, checkpoint};
use super::{NaiveTree, ORIGIN};
use crate::hash::Sha256;
use crate::limits::MAX_WITNESS_ROUNDS;
use crate::log::add_checkpoint::{Notary, SIZE_TYPE};
use crate::log::{
    Asked, Cosigned, Cosigner, CosignerKey, Outcome, Post, Reply, Transport, VerifiedCheckpoint,
    prove_consistency, submit,
};
use crate::{Error, Kind, Result};

const URL: &str = "https://w.example/1/";

type Handler<'a> = dyn Fn(&Post) -> Result<Reply> + 'a;

/// Answers each post by a function, and keeps what was posted in each round.
struct Wire<'a> {
    answer: &'a Handler<'a>,
    rounds: RefCell<Vec<Vec<Post>>>,
}

impl<'a> Wire<'a> {
    fn new(answer: &'a Handler<'a>) -> Self {
        Wire {
            answer,
            rounds: RefCell::default(),
        }
    }

    fn olds(&self) -> Vec<Vec<String>> {
        let rounds = self.rounds.borrow();
        let old = |post: &Post| {
            let text = String::from_utf8(post.body.clone()).unwrap();
            text.lines().next().unwrap().to_owned()
        };
        rounds.iter().map(|r| r.iter().map(old).collect()).collect()
    }
}

impl Transport for Wire<'_> {
    fn post_all(&self, posts: &[Post]) -> Vec<Result<Reply>> {
        self.rounds.borrow_mut().push(posts.to_vec());
        posts.iter().map(|post| (self.answer)(post)).collect()
    }
}

fn reply(status: u16, body: &str) -> Result<Reply> {
    Ok(Reply {
        status,
        content_type: Some(
            if status == 409 {
                SIZE_TYPE
            } else {
                "text/plain"
            }
            .to_owned(),
        ),
        body: body.as_bytes().to_vec(),
    })
}

fn real(notary: &Notary, post: &Post) -> Result<Reply> {
    let answer = notary.add_checkpoint(&post.body, &|| at(1_000)).answer;
    reply(answer.status(), &answer.body())
}

fn asked() -> Vec<Asked> {
    vec![Asked {
        key: key(),
        url: URL.to_owned(),
    }]
}

fn prove(size: u64) -> impl Fn(u64) -> Result<Vec<Sha256>> {
    move |old| prove_consistency(old, size, &NaiveTree::new(size))
}

/// Asks one witness to cosign size 13, from a guess of 8.
fn one(answer: &Handler) -> (Outcome, Vec<Vec<String>>) {
    let wire = Wire::new(answer);
    let mut outcomes = submit(&asked(), &checkpoint(13), 8, &prove(13), &wire);
    assert_eq!(outcomes.len(), 1);
    (outcomes.remove(0), wire.olds())
}

#[track_caller]
fn fails(answer: &Handler, kind: Kind, words: &[&str]) -> Error {
    let error = one(answer).0.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "no {word:?} in {error}");
    }
    assert!(error.hint_text().is_some(), "{error}");
    error
}

fn line(name: &str, seed: u8, checkpoint: &VerifiedCheckpoint, second: i64) -> String {
    let seed = Seed(seed);
    let cosigner = Cosigner::new(name, &seed).unwrap();
    let line = cosigner.cosign(checkpoint, at(second)).unwrap();
    format!("{line}\n")
}

#[test]
fn a_witness_that_has_seen_another_size_is_asked_again_from_there() {
    for seen in [0, 5, 8, 13] {
        let witness = notary(&Drawer::default()).unwrap();
        if seen > 0 {
            let first = submit(
                &asked(),
                &checkpoint(seen),
                0,
                &prove(seen),
                &Wire::new(&|p| real(&witness, p)),
            );
            assert!(first[0].is_ok(), "{first:?}");
        }
        let (outcome, olds) = one(&|post| real(&witness, post));
        let cosigned: Cosigned = outcome.unwrap();
        assert_eq!(cosigned.time(), at(1_000));
        let mut note = checkpoint(13).note().clone();
        note.add_cosignature(&key(), cosigned.line()).unwrap();
        let want = match seen {
            8 => vec![vec!["old 8".to_owned()]],
            seen => vec![vec!["old 8".to_owned()], vec![format!("old {seen}")]],
        };
        assert_eq!(olds, want);
    }
}

#[test]
fn all_are_asked_at_once_and_the_outcomes_are_in_their_order() {
    let others: Vec<CosignerKey> = (1..=3)
        .map(|n| {
            CosignerKey::new(
                &format!("w.example/n{n}"),
                crate::keys::Signer::public(&Seed(n)),
            )
            .unwrap()
        })
        .collect();
    let asked: Vec<Asked> = others
        .iter()
        .map(|key| Asked {
            key: key.clone(),
            url: format!("https://{}", key.name()),
        })
        .collect();
    let new = checkpoint(13);
    let answer = |post: &Post| match post.url.as_str() {
        "https://w.example/n1/add-checkpoint" => reply(404, ""),
        "https://w.example/n2/add-checkpoint" if post.body.starts_with(b"old 5\n") => {
            reply(200, &line("w.example/n2", 2, &new, 50))
        }
        "https://w.example/n2/add-checkpoint" => reply(409, "5\n"),
        "https://w.example/n3/add-checkpoint" => Err(Error::failed("no route to host")),
        url => panic!("{url}"),
    };
    let wire = Wire::new(&answer);
    let outcomes = submit(&asked, &new, 8, &prove(13), &wire);
    let kinds: Vec<Option<Kind>> = outcomes
        .iter()
        .map(|o| o.as_ref().err().map(Error::kind))
        .collect();
    assert_eq!(kinds, [Some(Kind::Failed), None, Some(Kind::Failed)]);
    assert_eq!(wire.olds(), [vec!["old 8"; 3], vec!["old 5"]]);
    assert!(submit(&[], &new, 8, &prove(13), &wire).is_empty());
}

#[test]
fn a_witness_that_has_seen_another_history_refuses_loudly() {
    let error = fails(
        &|_| reply(409, "14\n"),
        Kind::Refused,
        &["size 14", "size 13", ORIGIN],
    );
    assert!(error.hint_text().unwrap().contains("relman audit"));
    fails(
        &|_| reply(422, "proof \u{1b}[31m does not hold\n"),
        Kind::Refused,
        &["another history up to size 8", "\\u{1b}[31m"],
    );
    // A size that we can prove from, and there another root.
    let answer = |post: &Post| match post.body.starts_with(b"old 13\n") {
        true => reply(422, "other root\n"),
        false => reply(409, "13\n"),
    };
    fails(&answer, Kind::Refused, &["up to size 13"]);
    // Whoever has seen nothing has nothing to compare: this is no fork.
    let answer = |post: &Post| match post.body.starts_with(b"old 0\n") {
        true => reply(422, ""),
        false => reply(409, "0\n"),
    };
    fails(&answer, Kind::Failed, &["status 422"]);
}

#[test]
fn a_witness_that_never_agrees_on_a_size_is_given_up() {
    fails(
        &|_| reply(409, "8\n"),
        Kind::Failed,
        &["wants to be asked from size 8"],
    );
    let count = RefCell::new(0);
    let answer = |_: &Post| {
        *count.borrow_mut() += 1;
        reply(409, &format!("{}\n", *count.borrow()))
    };
    fails(&answer, Kind::Failed, &["gave no cosignature"]);
    assert_eq!(*count.borrow(), MAX_WITNESS_ROUNDS);
}

#[test]
fn each_answer_says_what_to_do() {
    let long = "x".repeat(10_000);
    for (status, body, words) in [
        (404, "no such log\n", ["does not watch", "\"no such log\""]),
        (403, "", ["knows no key", ORIGIN]),
        (400, "bad\n", ["status 400", "bad"]),
        (429, "", ["too busy", "429"]),
        (503, "", ["too busy", "503"]),
        (302, "", ["redirects", "302"]),
        (500, "a\u{7}b", ["status 500", "a\\u{7}b"]),
        (200, "", ["none of tlog-witness", "status 200"]),
        (200, "<html>\n", ["none of tlog-witness", "<html>"]),
        (418, &long, ["status 418", "…"]),
    ] {
        let error = fails(&|_| reply(status, body), Kind::Failed, &words);
        assert!(error.to_string().contains("w.example/1"), "{error}");
        assert!(error.to_string().len() < 1_500, "{error}");
    }
    fails(
        &|_| {
            Ok(Reply {
                status: 409,
                content_type: Some("text/html".into()),
                body: b"8\n".to_vec(),
            })
        },
        Kind::Failed,
        &["content type", "text/html"],
    );
}

#[test]
fn only_the_key_that_was_asked_counts_and_its_newest_line() {
    let new = checkpoint(13);
    let mine = line(key().name(), 90, &new, 70);
    let older = line(key().name(), 90, &new, 60);
    let foreign = line("w.example/other", 4, &new, 99);
    let (outcome, _) = one(&|_| reply(200, &format!("{foreign}{older}{mine}{older}")));
    assert_eq!(outcome.unwrap().time(), at(70));
    fails(
        &|_| reply(200, &foreign),
        Kind::Failed,
        &["other keys", "w.example/other"],
    );
    // The same name, another key: another ID, so another witness.
    let namesake = line(key().name(), 91, &new, 70);
    fails(&|_| reply(200, &namesake), Kind::Failed, &["other keys"]);
    // A good line on another checkpoint is a wrong one on this.
    let elsewhere = line(key().name(), 90, &checkpoint(12), 70);
    let error = fails(
        &|_| reply(200, &format!("{mine}{elsewhere}")),
        Kind::Failed,
        &["does not verify"],
    );
    assert!(error.to_string().contains("wrong cosignature"), "{error}");
}

#[test]
fn a_cosignature_from_the_future_is_told() {
    let new = checkpoint(13);
    let (outcome, _) = one(&|_| reply(200, &line(key().name(), 90, &new, 10_000)));
    let cosigned = outcome.unwrap();
    cosigned.check_clock(at(9_700)).unwrap();
    cosigned.check_clock(at(10_300)).unwrap();
    for now in [9_699, 10_301] {
        let error = cosigned.check_clock(at(now)).unwrap_err();
        assert_eq!(error.kind(), Kind::Failed);
        assert!(error.to_string().contains("a clock is wrong"), "{error}");
    }
}

#[test]
fn without_a_proof_nobody_is_asked() {
    let broken = |_: u64| Err(Error::failed("a tile is missing"));
    let never = |post: &Post| -> Result<Reply> { panic!("{post:?}") };
    let outcomes = submit(&asked(), &checkpoint(13), 8, &broken, &Wire::new(&never));
    let error = outcomes[0].as_ref().unwrap_err();
    assert!(error.to_string().contains("a tile is missing"), "{error}");
    // From nothing, no proof is needed; a guess beyond the log is none.
    let witness = notary(&Drawer::default()).unwrap();
    let answer = |post: &Post| real(&witness, post);
    let wire = Wire::new(&answer);
    assert!(submit(&asked(), &checkpoint(13), 0, &broken, &wire)[0].is_ok());
    let outcomes = submit(
        &asked(),
        &checkpoint(14),
        99,
        &prove(14),
        &Wire::new(&|p| real(&witness, p)),
    );
    assert!(outcomes[0].is_ok(), "{outcomes:?}");
}
