//! One publisher dies, or loses an answer, at every call; the next one finds out and finishes.

use relman::store::plan::{self, Found, plan_path};

use super::faults::Fault;
use super::{Bucket, says_again};

/// The calls of an undisturbed publication.
fn calls() -> usize {
    let bucket = Bucket::begun();
    let bob = bucket.publisher("bob", 0, Fault::None);
    let (done, calls) = bob.calls(|| bob.publish());
    done.unwrap();
    assert_eq!(bucket.settled_history(), ["ann", "bob"]);
    assert!(
        calls > 30,
        "a publication of {calls} calls was not looked at call by call"
    );
    calls
}

/// The digests that a plan which was begun wants, by path.
fn planned(bucket: &Bucket, sequence: u64) -> Option<Vec<(String, relman::hash::Sha256)>> {
    let bytes = bucket.get(&plan_path(sequence))?;
    match plan::parse(&bytes, sequence).unwrap() {
        Found::Begun(plan) => Some(plan.steps.into_iter().map(|s| (s.path, s.sha256)).collect()),
        Found::Finished(_) => None,
    }
}

#[test]
fn killed_at_every_call_the_next_publisher_finishes_the_same_bytes() {
    let mut finished = 0;
    for at in 1..=calls() {
        for fault in [Fault::DiesBefore(at), Fault::DiesAfter(at)] {
            let bucket = Bucket::begun();
            let bob = bucket.publisher("bob", 0, fault);
            let told = bob.publish();
            let begun = planned(&bucket, 2);

            let cay = bucket.publisher("cay", 60, Fault::None);
            let lease = cay.lease().unwrap();
            let now = bucket.history();
            if let Some(planned) = begun {
                assert!(lease.finished_earlier() || now.len() == 2, "{fault:?}");
                for (path, digest) in planned {
                    let bytes = bucket.get(&path).unwrap();
                    assert_eq!(
                        relman::hash::Sha256::of(&bytes),
                        digest,
                        "{fault:?}: {path}"
                    );
                }
                finished += 1;
            }
            if told.is_ok() {
                assert_eq!(now, ["ann", "bob"], "{fault:?} was told to be done");
            }
            lease.publish(&cay.plan().unwrap()).unwrap();
            drop(lease);
            let mut wanted = now;
            wanted.push("cay".into());
            assert_eq!(bucket.settled_history(), wanted, "{fault:?}");
        }
    }
    assert!(finished > 10, "{finished} plans were left to be finished");
}

#[test]
fn killed_again_and_again_while_finishing_it_is_finished_in_the_end() {
    for at in 1..=calls() {
        let bucket = Bucket::begun();
        let _ = bucket.publisher("bob", 0, Fault::DiesAfter(at)).publish();
        for again in 1..12 {
            let next = bucket.publisher("cay", 60 * again, Fault::DiesAfter(9 + again as usize));
            let _ = next.lease();
        }
        let last = bucket.publisher("dee", 6000, Fault::None);
        last.publish().unwrap();
        let history = bucket.settled_history();
        assert_eq!(history.first().unwrap(), "ann");
        assert_eq!(history.last().unwrap(), "dee");
    }
}

#[test]
fn an_answer_that_gets_lost_is_found_out_at_every_write() {
    for at in 1..=calls() {
        let bucket = Bucket::begun();
        let bob = bucket.publisher("bob", 0, Fault::LosesAnswer(at));
        match bob.publish() {
            Ok(()) => assert_eq!(bucket.settled_history(), ["ann", "bob"], "call {at}"),
            Err(e) => {
                assert!(says_again(&e), "call {at}: {e:?}");
                bob.publish().unwrap();
                assert_eq!(bucket.settled_history(), ["ann", "bob"], "call {at}");
            }
        }
    }
}

#[test]
fn a_write_that_arrives_after_others_went_on_changes_nothing() {
    let mut late = 0;
    for at in 1..=calls() {
        let bucket = Bucket::begun();
        let bob = bucket.publisher("bob", 0, Fault::ArrivesLate(at));
        let _ = bob.publish();
        let cay = bucket.publisher("cay", 60, Fault::None);
        cay.publish().unwrap();
        let before = bucket.history();
        late += usize::from(bob.connection.deliver());
        assert_eq!(bucket.history(), before, "call {at}");
        let dee = bucket.publisher("dee", 120, Fault::None);
        dee.publish().unwrap();
        let history = bucket.settled_history();
        assert_eq!(history[..before.len()], before, "call {at}");
        assert_eq!(history.len(), before.len() + 1, "call {at}");
    }
    assert!(late > 5, "{late} writes were late");
}
