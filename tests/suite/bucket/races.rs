//! Two publishers at once, one of them paused past its lease.

use std::thread;

use super::faults::Fault;
use super::{Bucket, says_again};

/// The calls of a publication, its lease included.
const CALLS: usize = 40;

#[test]
fn paused_past_its_lease_at_every_call_a_publisher_is_told_the_truth() {
    let (mut lost, mut won) = (0, 0);
    for at in 1..=CALLS {
        let bucket = Bucket::begun();
        let bob = bucket.publisher("bob", 0, Fault::Waits(at));
        let gate = bob.connection.gate();
        let (told, publications) = thread::scope(|scope| {
            let paused = scope.spawn(|| {
                let told = bob.publish();
                bob.connection.close_gate();
                told
            });
            // It may be done before it comes to that call.
            let came = gate.arrived.recv().is_ok();
            if came {
                bucket.publisher("cay", 60, Fault::None).publish().unwrap();
                gate.go.send(()).unwrap();
            }
            (paused.join().unwrap(), if came { 3 } else { 2 })
        });
        let history = bucket.history();
        let there = history.iter().filter(|name| *name == "bob").count();
        match told {
            Ok(()) => {
                assert_eq!(there, 1, "call {at}: {history:?}");
                won += 1;
            }
            Err(e) => {
                assert!(says_again(&e), "call {at}: {e:?}");
                assert_eq!(there, 0, "call {at}: {history:?}");
                bucket.publisher("bob", 120, Fault::None).publish().unwrap();
                lost += 1;
            }
        }
        let history = bucket.history();
        assert_eq!(history.len(), publications, "call {at}: {history:?}");
    }
    assert!(lost > 5 && won > 5, "{lost} lost, {won} won");
}

#[test]
fn two_publishers_racing_a_hundred_times_leave_one_line() {
    let bucket = Bucket::begun();
    let mut told_to_retry = 0;
    for round in 0..100 {
        let ahead = 120 * round;
        let bob = bucket.publisher("bob", ahead, Fault::Waits(1 + (round as usize * 7) % CALLS));
        let gate = bob.connection.gate();
        let cay = bucket.publisher("cay", ahead + 60, Fault::None);
        let bob_again = bucket.publisher("bob", ahead + 61, Fault::None);
        let before = bucket.history();
        thread::scope(|scope| {
            let bob = scope.spawn(|| {
                let mut retries = 0;
                let mut next = bob.publish();
                bob.connection.close_gate();
                while let Err(e) = next {
                    assert!(says_again(&e), "round {round}: {e:?}");
                    retries += 1;
                    next = bob_again.publish();
                }
                retries
            });
            let _ = gate.arrived.recv();
            // From here on both run freely.
            let cay = scope.spawn(|| {
                let mut retries = 0;
                while let Err(e) = cay.publish() {
                    assert!(says_again(&e), "round {round}: {e:?}");
                    retries += 1;
                }
                retries
            });
            let _ = gate.go.send(());
            told_to_retry += bob.join().unwrap() + cay.join().unwrap();
        });
        let history = bucket.history();
        assert_eq!(history[..before.len()], before, "round {round}");
        let mut new = history[before.len()..].to_vec();
        new.sort();
        assert_eq!(new, ["bob", "cay"], "round {round}");
    }
    assert!(told_to_retry > 20, "{told_to_retry} times");
    assert_eq!(bucket.history().len(), 201);
}
