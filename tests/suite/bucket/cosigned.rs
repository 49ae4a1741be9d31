//! Publications that wait for witnesses: whatever the answers, all objects of one publication carry the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use relman::store::Reader;
use relman::store::cosign::{Cosigners, Submission};
use relman::store::plan::cosignatures_path;
use relman::store::stage::{Authoritative, Transaction};
use relman::{Error, Result};

use super::faults::Fault;
use super::{Bucket, CHECKPOINT, LARGE, Publisher};

const PROOF: &str = "2/release.tlog-proof";
/// More than what travels inside a plan.
const LARGE_PROOF: &str = "metadata/2.targets.tlog-proof";

/// Gives another answer each time that it is asked, or none.
struct Witness {
    answers: bool,
    asked: AtomicUsize,
}

impl Witness {
    fn new(answers: bool) -> Arc<Witness> {
        Arc::new(Witness {
            answers,
            asked: AtomicUsize::new(0),
        })
    }
}

impl Cosigners for Witness {
    fn cosign(
        &self,
        _: &Submission,
        tiles: Vec<(String, Vec<u8>)>,
        _: &dyn Reader,
    ) -> Result<Vec<u8>> {
        assert_eq!(tiles, [("log/tile/0/000.p/2".to_owned(), vec![7; 64])]);
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        match self.answers {
            true => Ok(format!("cosigned {:p} {asked}\n", self).into_bytes()),
            false => Err(Error::failed("too few witnesses")),
        }
    }
}

fn transaction(bob: &Publisher) -> Result<Transaction> {
    let mut t = bob.plan()?;
    let checkpoint = "bob's checkpoint\n".to_owned();
    t.puts.retain(|put| put.path != CHECKPOINT);
    let timestamp = t.puts.pop().unwrap();
    t.new_object("log/tile/0/000.p/2", vec![7; 64]);
    t.new_object(PROOF, format!("proof\n{checkpoint}"));
    let large = format!("{}\n{checkpoint}", "x".repeat(LARGE));
    t.new_object(LARGE_PROOF, large);
    t.new_object("2/other.tlog-proof", "of another checkpoint\n");
    t.head(CHECKPOINT, checkpoint.clone());
    t.puts.push(timestamp);
    t.submission = Some(Submission {
        checkpoint,
        old_size: 1,
        policies: Vec::new(),
        witnesses: Vec::new(),
    });
    Ok(t)
}

fn publish(mut bob: Publisher, witness: &Arc<Witness>) -> Result<()> {
    let witness = Arc::clone(witness);
    bob.store = bob.store.with_cosigners(witness);
    let lease = bob.lease()?;
    lease.publish(&transaction(&bob)?)
}

fn finish(mut cay: Publisher, witness: &Arc<Witness>) -> Result<bool> {
    let witness = Arc::clone(witness);
    cay.store = cay.store.with_cosigners(witness);
    Ok(cay.store.lease("publish")?.finished_earlier())
}

/// What stands behind the checkpoint; the same everywhere.
#[track_caller]
fn lines(bucket: &Bucket) -> String {
    let behind = |path: &str| {
        let text = String::from_utf8(bucket.get(path).unwrap()).unwrap();
        text.split_once("bob's checkpoint\n").unwrap().1.to_owned()
    };
    let lines = behind(CHECKPOINT);
    assert!(lines.starts_with("cosigned ") && lines.matches('\n').count() == 1);
    assert_eq!(behind(PROOF), lines);
    assert_eq!(behind(LARGE_PROOF), lines);
    assert_eq!(
        bucket.get("2/other.tlog-proof").unwrap(),
        b"of another checkpoint\n"
    );
    assert_eq!(
        bucket.get(&cosignatures_path(2)),
        None,
        "nothing is left over"
    );
    lines
}

#[test]
fn killed_at_every_call_all_objects_carry_the_same_cosignatures() {
    let bucket = Bucket::begun();
    let (witness, bob) = (Witness::new(true), bucket.publisher("bob", 0, Fault::None));
    let connection = Arc::clone(&bob.connection);
    connection.recount();
    publish(bob, &witness).unwrap();
    let calls = connection.calls();
    lines(&bucket);
    let mut finished = 0;
    for at in 1..=calls {
        for fault in [Fault::DiesBefore(at), Fault::DiesAfter(at)] {
            let bucket = Bucket::begun();
            let (first, second) = (Witness::new(true), Witness::new(true));
            let told = publish(bucket.publisher("bob", 0, fault), &first);
            let earlier = finish(bucket.publisher("cay", 60, Fault::None), &second).unwrap();
            finished += usize::from(earlier);
            match bucket.get(CHECKPOINT).unwrap() == b"ann\n" {
                true => assert!(told.is_err() && !earlier, "{fault:?} was told to be done"),
                false => drop(lines(&bucket)),
            }
        }
    }
    assert!(finished > 10, "{finished} were left to be finished");
}

#[test]
fn without_a_quorum_nobody_sees_anything_and_whoever_comes_next_asks_again() {
    let bucket = Bucket::begun();
    let (silent, awake) = (Witness::new(false), Witness::new(true));
    let error = publish(bucket.publisher("bob", 0, Fault::None), &silent).unwrap_err();
    assert!(error.to_string().contains("too few witnesses"), "{error}");
    for minutes in [60, 120] {
        assert!(finish(bucket.publisher("cay", minutes, Fault::None), &silent).is_err());
        assert_eq!(bucket.get(PROOF), None);
        assert_eq!(bucket.get(CHECKPOINT).unwrap(), b"ann\n");
    }
    assert!(finish(bucket.publisher("dee", 180, Fault::None), &awake).unwrap());
    lines(&bucket);
    assert_eq!(silent.asked.load(Ordering::SeqCst), 3);
}
