//! Records of rollouts in a bucket: the only objects beside the heads that are ever replaced, by whoever read them last.

use relman::Result;
use relman::fleet::record::RolloutId;
use relman::fleet::records::{Records, Revision, Saved, Stored};
use relman::limits::MAX_ROLLOUT_LEN;

use super::Bucket;
use super::faults::Fault;
use super::server::Server;

fn id(at: &str) -> RolloutId {
    RolloutId::parse(&format!("{at}-testnet-1f0c93ab")).unwrap()
}

fn first() -> RolloutId {
    id("20260201T000000Z")
}

#[track_caller]
fn done(saved: Result<Saved>) -> Revision {
    match saved.unwrap() {
        Saved::Done(revision) => revision,
        Saved::Differs => panic!("it was what was read"),
    }
}

#[track_caller]
fn there(records: &dyn Records) -> Stored {
    records.load(&first()).unwrap().expect("a record")
}

/// What drivers rest on, whatever the bucket is.
fn keeps_its_promises(bucket: &Bucket) {
    let (ann, bob) = (
        bucket.publisher("ann", 0, Fault::None),
        bucket.publisher("bob", 0, Fault::None),
    );
    let (ann, bob): (&dyn Records, &dyn Records) = (&ann.store, &bob.store);
    assert_eq!(ann.load(&first()).unwrap(), None);
    assert_eq!(ann.list().unwrap(), []);

    let one = done(ann.save(&first(), b"1", None));
    assert_eq!(bob.save(&first(), b"2", None).unwrap(), Saved::Differs);
    assert_eq!(there(bob).bytes, b"1");
    let two = done(bob.save(&first(), b"2", Some(&one)));
    // Whoever read before that comes too late, and finds out.
    assert_eq!(
        ann.save(&first(), b"3", Some(&one)).unwrap(),
        Saved::Differs
    );
    let stored = there(ann);
    assert_eq!(
        (stored.bytes.as_slice(), &stored.revision),
        (&b"2"[..], &two)
    );
    done(ann.save(&first(), b"3", Some(&stored.revision)));

    let second = id("20260202T000000Z");
    done(bob.save(&second, b"1", None));
    assert_eq!(ann.list().unwrap(), [first(), second]);
    assert!(ann.location().ends_with("/rollouts"), "{}", ann.location());
}

#[test]
fn a_record_is_replaced_only_in_the_state_that_was_read() {
    keeps_its_promises(&Bucket::new());
}

#[test]
#[ignore = "needs moto's server: tests/judges/setup"]
fn a_record_is_replaced_over_http_only_in_the_state_that_was_read() {
    let server = Server::start();
    keeps_its_promises(&server.bucket());
}

#[test]
fn of_two_who_write_at_the_same_time_one_is_told_that_it_came_too_late() {
    let bucket = Bucket::new();
    let ann = bucket.publisher("ann", 0, Fault::None);
    let begun = done(ann.store.save(&first(), b"begun", None));
    for call in 1..=4 {
        let before = there(&ann.store).revision;
        // Bob is held at each of his calls in turn, and ann writes meanwhile.
        let bob = bucket.publisher("bob", 0, Fault::Waits(call));
        let gate = bob.connection.gate();
        let (came, told, anns) = std::thread::scope(|scope| {
            let writes = scope.spawn(|| {
                let told = bob.store.save(&first(), b"bob", Some(&before));
                bob.connection.close_gate();
                told
            });
            let came = gate.arrived.recv().is_ok();
            let found = there(&ann.store).revision;
            let anns = ann.store.save(&first(), b"ann", Some(&found));
            if came {
                gate.go.send(()).unwrap();
            }
            (came, writes.join().unwrap(), anns)
        });
        done(anns);
        assert_eq!(there(&ann.store).bytes, b"ann", "call {call}");
        match call {
            // He had not written yet, or was about to look at what he had.
            1 | 2 => assert_eq!(told.unwrap(), Saved::Differs, "call {call}"),
            _ => assert!(!came, "call {call}: he makes no more of them"),
        }
    }
    // What was read long ago is no ground to write on.
    let late = ann.store.save(&first(), b"late", Some(&begun)).unwrap();
    assert_eq!(late, Saved::Differs);
}

#[test]
fn a_write_whose_answer_is_lost_is_found_or_told_never_guessed() {
    for creates in [true, false] {
        for call in 1..=4 {
            let bucket = Bucket::new();
            let ann = bucket.publisher("ann", 0, Fault::None);
            let before = match creates {
                true => None,
                false => Some(done(ann.store.save(&first(), b"old", None))),
            };
            let bob = bucket.publisher("bob", 0, Fault::LosesAnswer(call));
            let told = bob.store.save(&first(), b"new", before.as_ref());
            // It arrived, so it is there, whatever he was told.
            assert_eq!(there(&ann.store).bytes, b"new");
            match told {
                Ok(Saved::Done(revision)) => assert_eq!(revision, there(&ann.store).revision),
                // He looks again and finds his own bytes: the ledger takes them up.
                Ok(Saved::Differs) => assert!(!creates, "call {call}"),
                Err(e) => panic!("creates {creates}, call {call}: {e}"),
            }
        }
    }
}

#[test]
fn a_connection_that_ends_is_an_error_and_no_empty_place() {
    let bucket = Bucket::new();
    let ann = bucket.publisher("ann", 0, Fault::None);
    let one = done(ann.store.save(&first(), b"1", None));
    for call in 1..=2 {
        let bob = bucket.publisher("bob", 0, Fault::DiesBefore(call));
        let told = bob.store.save(&first(), b"2", Some(&one));
        match told {
            Ok(Saved::Differs) | Err(_) => {}
            Ok(Saved::Done(_)) => panic!("call {call}: nobody has answered him"),
        }
    }
    let bob = bucket.publisher("bob", 0, Fault::DiesBefore(1));
    bob.store.load(&first()).unwrap_err();
    bob.store.list().unwrap_err();
}

#[test]
fn a_record_that_is_longer_than_any_is_refused_and_not_held_in_memory() {
    let bucket = Bucket::new();
    let ann = bucket.publisher("ann", 0, Fault::None);
    let path = "rollouts/20260201T000000Z-testnet-1f0c93ab";
    bucket.put(path, &vec![b' '; MAX_ROLLOUT_LEN as usize + 1]);
    let error = ann.store.load(&first()).unwrap_err();
    assert_eq!(error.kind(), relman::Kind::Refused);
    assert!(error.message().contains("longer than"), "{error}");
    // What is no record is passed over.
    bucket.put("rollouts/notes.txt", b"x");
    assert_eq!(ann.store.list().unwrap(), [first()]);
}
