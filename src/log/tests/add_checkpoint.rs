//! A witness's answers, each by its status; its memory; and that no body makes it panic.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use jiff::Timestamp;

use super::cosignature::{Seed, at};
use super::{Lcg, NaiveTree, ORIGIN, signer};
use crate::hash::Sha256;
use crate::limits::{MAX_CONSISTENCY_HASHES, MAX_WITNESS_ANSWER_LINES};
use crate::log::add_checkpoint::{Answer, Notary, Record, Request, SIZE_TYPE, Shelf, Watched};
use crate::log::{Checkpoint, CosignerKey, Note, TreeHead, prove_consistency};
use crate::{Error, Kind, Result};

const NAME: &str = "w.example/1";
const WITNESS: u8 = 90;

/// Records in memory; fails to write while it is told to.
#[derive(Clone, Default)]
pub struct Drawer {
    records: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    full: Arc<Mutex<bool>>,
}

impl Shelf for Drawer {
    fn load(&self, origin: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.records.lock().unwrap().get(origin).cloned())
    }

    fn save(&self, origin: &str, record: &[u8]) -> Result<()> {
        if *self.full.lock().unwrap() {
            return Err(Error::failed("the disk is full"));
        }
        let mut records = self.records.lock().unwrap();
        records.insert(origin.to_owned(), record.to_vec());
        Ok(())
    }
}

pub fn key() -> CosignerKey {
    CosignerKey::new(NAME, crate::keys::Signer::public(&Seed(WITNESS))).unwrap()
}

/// The witness, which watches the log that `signer(ORIGIN, 1)` signs.
pub fn notary(drawer: &Drawer) -> Result<Notary> {
    let watched = Watched::new(vec![signer(ORIGIN, 1).verifier().clone()], &key())?;
    Notary::new(
        NAME,
        Box::new(Seed(WITNESS)),
        watched,
        Box::new(drawer.clone()),
    )
}

fn note(origin: &str, seed: u8, head: TreeHead) -> Note {
    let checkpoint = Checkpoint::new(origin, head).unwrap();
    checkpoint.sign(&[&signer(origin, seed)]).unwrap()
}

/// A request of the honest log to grow from `old` to `new`.
fn grow(old: u64, new: u64) -> Vec<u8> {
    let tree = NaiveTree::new(new);
    let proof = prove_consistency(old, new, &tree).unwrap();
    body(old, proof, note(ORIGIN, 1, tree.head(new)))
}

fn body(old: u64, proof: Vec<Sha256>, note: Note) -> Vec<u8> {
    Request::new(old, proof, note)
        .unwrap()
        .to_string()
        .into_bytes()
}

/// The log's signature on a tree that it never had.
fn fork(old: u64, size: u64) -> Vec<u8> {
    let root = Sha256::of(b"another history");
    body(old, Vec::new(), note(ORIGIN, 1, TreeHead { size, root }))
}

fn ask(notary: &Notary, body: &[u8]) -> Answer {
    ask_at(notary, body, 1_000)
}

fn ask_at(notary: &Notary, body: &[u8], second: i64) -> Answer {
    notary.add_checkpoint(body, &|| at(second)).answer
}

#[track_caller]
fn cosigned(answer: &Answer, note: &Note) -> Timestamp {
    let Answer::Cosigned(lines) = answer else {
        panic!("{answer:?}");
    };
    let [line] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    key().check(note.unverified_text(), line).unwrap()
}

#[test]
fn a_log_that_grows_is_cosigned_and_the_answer_is_what_was_written_down() {
    let drawer = Drawer::default();
    let witness = notary(&drawer).unwrap();
    for (second, (old, new)) in (100..).zip([(0, 5), (5, 5), (5, 8), (8, 13)]) {
        let answer = ask_at(&witness, &grow(old, new), second);
        let note = note(ORIGIN, 1, NaiveTree::new(new).head(new));
        assert_eq!(cosigned(&answer, &note), at(second), "{old} to {new}");
        assert_eq!(answer.status(), 200);
        let record = witness.checkpoint(&Sha256::of(ORIGIN.as_bytes())).unwrap();
        let written = drawer.load(ORIGIN).unwrap().unwrap();
        assert_eq!(Record::parse(&written, &key(), ORIGIN).unwrap(), record);
        assert_eq!(answer, Answer::Cosigned(vec![record.line().clone()]));
        let log = signer(ORIGIN, 1).verifier().clone();
        record.note().verify(&[log]).unwrap();
        // Another process goes on where this one was.
        assert_eq!(notary(&drawer).unwrap().logs(), witness.logs());
    }
    assert_eq!(witness.checkpoint(&Sha256::of(b"another log")), None);
}

#[test]
fn status_404_is_for_a_log_that_is_not_watched() {
    let witness = notary(&Drawer::default()).unwrap();
    let other = body(
        0,
        vec![],
        note("log.example/other", 1, NaiveTree::new(3).head(3)),
    );
    let answered = witness.add_checkpoint(&other, &|| at(1));
    assert_eq!(answered.answer.status(), 404);
    assert_eq!(answered.origin, None);
    // The specification's order: not even an old size above the new one matters before.
    let tree = NaiveTree::new(3);
    let other = body(9, vec![], note("log.example/other", 1, tree.head(3)));
    assert_eq!(ask(&witness, &other).status(), 404);
}

#[test]
fn status_403_is_for_a_checkpoint_without_a_good_signature_of_the_log() {
    let witness = notary(&Drawer::default()).unwrap();
    let tree = NaiveTree::new(3);
    let foreign = body(0, vec![], note(ORIGIN, 2, tree.head(3)));
    assert_eq!(ask(&witness, &foreign).status(), 403);
    // A line with the name and ID of the known key that does not verify, and a foreign one beside it.
    let text = String::from_utf8(grow(0, 3)).unwrap();
    let forged = text.replacen("\n3\n", "\n4\n", 1);
    assert_eq!(ask(&witness, forged.as_bytes()).status(), 403);
    let tree = NaiveTree::new(3);
    let early = body(9, vec![], note(ORIGIN, 2, tree.head(3)));
    assert_eq!(ask(&witness, &early).status(), 403);
}

#[test]
fn signatures_by_unknown_keys_are_ignored_and_not_kept() {
    let witness = notary(&Drawer::default()).unwrap();
    let checkpoint = Checkpoint::new(ORIGIN, NaiveTree::new(3).head(3)).unwrap();
    let signed = checkpoint.sign(&[&signer("x", 7), &signer(ORIGIN, 1), &signer(ORIGIN, 2)]);
    let answer = ask(&witness, &body(0, vec![], signed.unwrap()));
    assert_eq!(answer.status(), 200);
    let record = witness.checkpoint(&Sha256::of(ORIGIN.as_bytes())).unwrap();
    let names = record.note().unverified_signatures().iter();
    let ids: Vec<u32> = names.map(|line| line.key_id()).collect();
    assert_eq!(ids, [signer(ORIGIN, 1).verifier().id(), key().id()]);
}

#[test]
fn status_400_is_for_what_is_no_request_and_for_an_old_size_above_the_new_one() {
    let witness = notary(&Drawer::default()).unwrap();
    let good = String::from_utf8(grow(2, 3)).unwrap();
    let hash = good.lines().nth(1).unwrap().to_owned();
    let with = |head: &str| good.replacen("old 2\n", head, 1);
    for bad in [
        String::new(),
        "old 0\n\n".to_owned(),
        with(""),
        with("old 02\n"),
        with("old -2\n"),
        with("old  2\n"),
        with("old 2 \n"),
        with("old 2\r\n"),
        with("OLD 2\n"),
        with("old 9007199254740992\n"),
        with("old 18446744073709551616\n"),
        with("old 2\n="),
        with("old 2\nAAAA\n"),
        with(&format!("old 2\n{}", format!("{hash}\n").repeat(63))),
        good.trim_end().to_owned(),
        good.replacen("\n\n", "\n", 1),
    ] {
        assert_eq!(ask(&witness, bad.as_bytes()).status(), 400, "{bad:?}");
    }
    assert_eq!(ask(&witness, &[0xff; 9]).status(), 400);
    let tree = NaiveTree::new(3);
    let ahead = body(4, vec![], note(ORIGIN, 1, tree.head(3)));
    assert_eq!(ask(&witness, &ahead).status(), 400);
    // A text that the log has signed and that is no checkpoint.
    let odd = Note::sign(&format!("{ORIGIN}\nmany\n"), &[&signer(ORIGIN, 1)]).unwrap();
    assert_eq!(ask(&witness, &body(0, vec![], odd)).status(), 400);
}

#[test]
fn status_409_tells_the_size_that_the_witness_has_seen() {
    let witness = notary(&Drawer::default()).unwrap();
    let answer = ask(&witness, &grow(2, 3));
    assert_eq!(answer, Answer::Conflict(0));
    assert_eq!(ask(&witness, &grow(0, 8)).status(), 200);
    for old in [0, 5] {
        let answer = ask(&witness, &grow(old, 13));
        assert_eq!(answer, Answer::Conflict(8));
        assert_eq!(answer.status(), 409);
        assert_eq!(answer.content_type(), SIZE_TYPE);
        assert_eq!(answer.body(), "8\n");
    }
}

#[test]
fn an_old_checkpoint_replayed_and_a_truncated_log_are_not_cosigned() {
    let witness = notary(&Drawer::default()).unwrap();
    assert_eq!(ask(&witness, &grow(0, 5)).status(), 200);
    assert_eq!(ask(&witness, &grow(5, 8)).status(), 200);
    // The same bytes that were answered before.
    assert_eq!(ask(&witness, &grow(0, 5)), Answer::Conflict(8));
    assert_eq!(ask(&witness, &grow(5, 8)), Answer::Conflict(8));
    // From the size it is at, there is no way back.
    let tree = NaiveTree::new(5);
    let back = body(8, vec![], note(ORIGIN, 1, tree.head(5)));
    assert_eq!(ask(&witness, &back).status(), 400);
}

#[test]
fn status_422_is_for_a_fork_that_is_shown() {
    let drawer = Drawer::default();
    let witness = notary(&drawer).unwrap();
    assert_eq!(ask(&witness, &grow(0, 8)).status(), 200);
    let before = drawer.load(ORIGIN).unwrap();
    // At the same size, at a larger one, and with a proof that does not fit.
    for fork in [fork(8, 8), fork(8, 13)] {
        assert_eq!(ask(&witness, &fork).status(), 422);
    }
    let tree = NaiveTree::new(13);
    let mut proof = prove_consistency(8, 13, &tree).unwrap();
    proof.push(proof[0]);
    let long = body(8, proof, note(ORIGIN, 1, tree.head(13)));
    assert_eq!(ask(&witness, &long).status(), 422);
    assert_eq!(drawer.load(ORIGIN).unwrap(), before);
    assert_eq!(ask(&witness, &grow(8, 13)).status(), 200);
}

#[test]
fn status_422_is_for_a_proof_from_nothing_and_for_an_empty_tree_with_a_root() {
    let witness = notary(&Drawer::default()).unwrap();
    let tree = NaiveTree::new(3);
    let proof = body(0, vec![Sha256::of(b"x")], note(ORIGIN, 1, tree.head(3)));
    assert_eq!(ask(&witness, &proof).status(), 422);
    let root = |text: &str| {
        let text = format!("{ORIGIN}\n0\n{text}\n");
        Note::sign(&text, &[&signer(ORIGIN, 1)]).unwrap()
    };
    let zeros = format!("{}=", "A".repeat(43));
    let liar = body(0, vec![], root(&zeros));
    assert_eq!(ask(&witness, &liar).status(), 422);
    assert_eq!(ask(&witness, &body(1, vec![], root(&zeros))).status(), 400);
    let honest = note(ORIGIN, 1, TreeHead::empty());
    assert_eq!(ask(&witness, &body(0, vec![], honest)).status(), 200);
    assert_eq!(ask(&witness, &grow(0, 3)).status(), 200);
    assert_eq!(ask(&witness, &liar), Answer::Conflict(3));
}

#[test]
fn a_log_key_that_is_the_witnesss_own_is_refused_and_so_is_one_key_twice() {
    let own = signer(ORIGIN, WITNESS).verifier().clone();
    let error = Watched::new(vec![own], &key()).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    assert!(error.to_string().contains("own key"), "{error}");
    let twice = ["a", "b"].map(|name| signer(name, 1).verifier().clone());
    assert!(Watched::new(twice.to_vec(), &key()).is_err());
    assert!(Watched::new(vec![], &key()).is_err());
    // While a log's key is replaced, either signs.
    let both = [1, 2].map(|seed| signer(ORIGIN, seed).verifier().clone());
    let watched = Watched::new(both.to_vec(), &key()).unwrap();
    let drawer = Box::new(Drawer::default());
    let witness = Notary::new(NAME, Box::new(Seed(WITNESS)), watched, drawer).unwrap();
    assert_eq!(ask(&witness, &grow(0, 3)).status(), 200);
    let tree = NaiveTree::new(5);
    let proof = prove_consistency(3, 5, &tree).unwrap();
    let by_second = body(3, proof, note(ORIGIN, 2, tree.head(5)));
    assert_eq!(ask(&witness, &by_second).status(), 200);
}

#[test]
fn an_answer_that_cannot_be_written_down_is_not_given() {
    let drawer = Drawer::default();
    let witness = notary(&drawer).unwrap();
    assert_eq!(ask(&witness, &grow(0, 5)).status(), 200);
    *drawer.full.lock().unwrap() = true;
    let answered = witness.add_checkpoint(&grow(5, 8), &|| at(2_000));
    assert_eq!(answered.answer.status(), 500);
    assert!(answered.why.unwrap().contains("disk is full"));
    assert!(!answered.answer.body().contains("disk"));
    *drawer.full.lock().unwrap() = false;
    // Nothing was promised, so another tree is as good as that one.
    assert_eq!(ask_at(&witness, &grow(5, 6), 2_000).status(), 200);
}

#[test]
fn of_two_forks_at_once_one_is_cosigned() {
    for _ in 0..20 {
        let witness = notary(&Drawer::default()).unwrap();
        assert_eq!(ask(&witness, &grow(0, 5)).status(), 200);
        // Both extend what the witness has seen, and each other not.
        let entries = |word: &str| -> Vec<Sha256> {
            let old = (0..5).map(|n| crate::log::leaf_hash(&super::entry(n)));
            old.chain([crate::log::leaf_hash(word.as_bytes())])
                .collect()
        };
        let bodies = ["left", "right"].map(|word| {
            let tree = NaiveTree(entries(word));
            let proof = prove_consistency(5, 6, &tree).unwrap();
            body(5, proof, note(ORIGIN, 1, tree.head(6)))
        });
        let start = Barrier::new(2);
        let statuses: Vec<u16> = thread::scope(|scope| {
            let asked = bodies.each_ref().map(|body| {
                let (witness, start) = (&witness, &start);
                scope.spawn(move || {
                    start.wait();
                    ask(witness, body).status()
                })
            });
            asked.into_iter().map(|a| a.join().unwrap()).collect()
        });
        let mut sorted = statuses.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [200, 409]);
    }
}

#[test]
fn a_clock_that_went_back_signs_no_time_before_the_last_one() {
    let witness = notary(&Drawer::default()).unwrap();
    assert_eq!(ask_at(&witness, &grow(0, 5), 10_000).status(), 200);
    let answer = ask_at(&witness, &grow(5, 8), 9_900);
    let grown = note(ORIGIN, 1, NaiveTree::new(8).head(8));
    assert_eq!(cosigned(&answer, &grown), at(10_000));
    let answered = witness.add_checkpoint(&grow(8, 9), &|| at(9_000));
    assert_eq!(answered.answer.status(), 500);
    assert!(answered.why.unwrap().contains("its clock now says"));
    assert_eq!(ask_at(&witness, &grow(8, 9), 10_001).status(), 200);
}

#[test]
fn a_record_that_was_changed_or_is_another_witnesss_stops_the_witness() {
    let drawer = Drawer::default();
    let witness = notary(&drawer).unwrap();
    assert_eq!(ask(&witness, &grow(0, 5)).status(), 200);
    let good = drawer.load(ORIGIN).unwrap().unwrap();
    let stopped = |bytes: &[u8]| {
        drawer.save(ORIGIN, bytes).unwrap();
        let error = notary(&drawer).map(drop).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
        assert!(
            error
                .hint_text()
                .is_some_and(|hint| hint.contains("two histories"))
        );
    };
    stopped(b"");
    stopped(&good[..good.len() - 1]);
    for at in (0..good.len()).step_by(3) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        // A bit of the log's own line changes nothing that the witness has said.
        if Record::parse(&bad, &key(), ORIGIN).is_err() {
            stopped(&bad);
        } else {
            let text = String::from_utf8(bad).unwrap();
            let line = text
                .lines()
                .position(|l| l.starts_with("\u{2014} "))
                .unwrap();
            let from: usize = text.lines().take(line).map(|l| l.len() + 1).sum();
            assert!(at >= from, "byte {at}");
        }
    }
    drawer.save(ORIGIN, &good).unwrap();
    let watched = Watched::new(vec![signer(ORIGIN, 1).verifier().clone()], &key()).unwrap();
    let other = Notary::new("w.example/2", Box::new(Seed(91)), watched, Box::new(drawer));
    assert!(other.is_err());
}

#[test]
fn requests_and_answers_print_as_they_were_read() {
    for (old, new) in [(0, 1), (3, 7), (6, 100)] {
        let body = grow(old, new);
        let request = Request::parse(&body).unwrap();
        assert_eq!(request.old(), old);
        assert_eq!(request.to_string().into_bytes(), body);
    }
    let tree = NaiveTree::new(3);
    let many = vec![Sha256::of(b"x"); MAX_CONSISTENCY_HASHES + 1];
    let note = note(ORIGIN, 1, tree.head(3));
    assert!(Request::new(1, many.clone(), note.clone()).is_err());
    let most = Request::new(1, many[1..].to_vec(), note).unwrap();
    assert_eq!(Request::parse(most.to_string().as_bytes()).unwrap(), most);

    let witness = notary(&Drawer::default()).unwrap();
    for body in [grow(0, 3), grow(0, 4), b"x".to_vec()] {
        let answer = ask(&witness, &body);
        let (status, kind) = (answer.status(), answer.content_type());
        let read = Answer::parse(status, Some(kind), answer.body().as_bytes());
        assert_eq!(read.unwrap(), answer);
    }
}

#[test]
fn answers_of_another_form_are_refused() {
    let line = ask(&notary(&Drawer::default()).unwrap(), &grow(0, 3)).body();
    let many = line.repeat(MAX_WITNESS_ANSWER_LINES + 1);
    for bad in [
        "",
        "\n",
        line.trim_end(),
        "<html>\n",
        &format!("{line}\n"),
        &many,
    ] {
        assert!(Answer::parse(200, None, bad.as_bytes()).is_err(), "{bad:?}");
    }
    assert!(Answer::parse(200, None, &[0xff, b'\n']).is_err());
    let size = |kind, body: &str| Answer::parse(409, kind, body.as_bytes());
    assert_eq!(size(Some(SIZE_TYPE), "8\n").unwrap(), Answer::Conflict(8));
    let typed = "Text/X.tlog.size; charset=utf-8";
    assert_eq!(size(Some(typed), "0\n").unwrap(), Answer::Conflict(0));
    for (kind, body) in [
        (None, "8\n"),
        (Some("text/plain"), "8\n"),
        (Some(SIZE_TYPE), "8"),
        (Some(SIZE_TYPE), "08\n"),
        (Some(SIZE_TYPE), "8\n\n"),
        (Some(SIZE_TYPE), "-8\n"),
        (Some(SIZE_TYPE), "9007199254740992\n"),
        (Some(SIZE_TYPE), "\n"),
    ] {
        assert!(size(kind, body).is_err(), "{kind:?} {body:?}");
    }
    assert!(Answer::parse(404, None, &[b'x'; 65_537]).is_err());
}

#[test]
fn no_body_and_no_answer_makes_the_code_panic() {
    let witness = notary(&Drawer::default()).unwrap();
    let good = grow(6, 13);
    let mut random = Lcg(5);
    for _ in 0..2_000 {
        let mut bad = good.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bad.len() as u64) as usize;
            match random.below(3) {
                0 => bad[at] = random.below(256) as u8,
                1 => bad.truncate(at.max(1)),
                _ => bad.insert(at, b"\n 0A\xe2"[random.below(5) as usize]),
            }
        }
        let answer = ask(&witness, &bad);
        assert_ne!(answer.status(), 200);
        for status in [200, 409, 500] {
            let _ = Answer::parse(status, Some(SIZE_TYPE), &bad);
        }
    }
    assert!(witness.logs().iter().all(|(_, newest)| newest.is_none()));
}
