//! What an object store must do, what is never overwritten, and what people are told.

use std::io::Read;
use std::sync::Arc;

use object_store::ObjectStoreExt;
use object_store::path::Path;
use relman::Kind;
use relman::store::Reader;
use relman::store::stage::Authoritative;

use super::faults::{Fault, block_on};
use super::{Bucket, CHECKPOINT, TIMESTAMP, large, stamp};

impl Bucket {
    pub(super) fn put(&self, path: &str, bytes: &[u8]) {
        let path = Path::from(format!("some/prefix/{path}"));
        block_on(self.objects.put(&path, bytes.to_vec().into())).unwrap();
    }
}

#[test]
fn a_publication_appears_whole_and_is_read_back() {
    let bucket = Bucket::begun();
    assert_eq!(bucket.settled_history(), ["ann"]);
    let ann = bucket.publisher("ann", 0, Fault::None);
    let read = |path| ann.store.read(path, 1000).unwrap();
    assert_eq!(read("metadata/1.snapshot.json").unwrap(), b"ann");
    assert!(read("metadata/2.snapshot.json").is_none());
    let e = ann.store.read("1/archive", 1000).unwrap_err();
    assert!(e.to_string().contains("longer than 1000 bytes"), "{e}");
    let mut bytes = Vec::new();
    let mut stream = ann.store.open("1/archive").unwrap().unwrap();
    stream.read_to_end(&mut bytes).unwrap();
    assert!(bytes == large("ann"));
    assert!(ann.store.open("2/archive").unwrap().is_none());
    let listed = |prefix| ann.store.list(prefix).unwrap().unwrap();
    assert_eq!(listed("metadata"), ["1.snapshot.json", "timestamp.json"]);
    assert_eq!(
        listed(""),
        [
            ".relman-lease",
            ".relman-stage",
            "1",
            "log",
            "metadata",
            "targets"
        ]
    );
    assert_eq!(listed("none"), [""; 0]);
    assert_eq!(ann.store.read("../x", 1).unwrap_err().kind(), Kind::Refused);
}

#[test]
fn an_object_that_changes_while_it_is_read_is_an_error_and_not_a_mixture() {
    let bucket = Bucket::new();
    let long = vec![b'a'; relman::limits::OBJECT_PART_LEN as usize + 1];
    bucket.put("long", &long);
    let ann = bucket.publisher("ann", 0, Fault::None);
    let mut stream = ann.store.open("long").unwrap().unwrap();
    let mut first = [0u8; 10];
    stream.read_exact(&mut first).unwrap();
    bucket.put("long", &vec![b'b'; long.len()]);
    assert!(stream.read_to_end(&mut Vec::new()).is_err());
}

#[test]
fn a_store_that_ignores_conditions_is_refused_before_anything_is_published() {
    let bucket = Bucket::new();
    let ann = bucket.publisher("ann", 0, Fault::IgnoresConditions);
    let e = ann.publish().unwrap_err();
    assert!(e.to_string().contains("ignores If-None-Match"), "{e}");
    assert!(bucket.get(TIMESTAMP).is_none() && bucket.get(".relman-lease").is_none());
    // The probe is there from an earlier run: the other condition is looked at.
    let bucket = Bucket::begun();
    let bob = bucket.publisher("bob", 0, Fault::IgnoresConditions);
    let e = bob.publish().unwrap_err();
    assert!(e.to_string().contains("ignores If-"), "{e}");
    assert_eq!(bucket.history(), ["ann"]);
}

#[test]
fn whoever_comes_second_is_told_who_is_at_work() {
    let bucket = Bucket::begun();
    let ann = bucket.publisher("ann", 0, Fault::None);
    let bob = bucket.publisher("bob", 14, Fault::None);
    let lease = ann.lease().unwrap();
    let e = bob.publish().unwrap_err();
    assert!(
        e.to_string()
            .contains("another relman is at work here: ann, process"),
        "{e}"
    );
    let hint = e.hint_text().unwrap();
    assert!(
        hint.contains("run the same command again") && hint.contains("00:15:00Z"),
        "{hint}"
    );
    drop(lease);
    bob.publish().unwrap();
    assert_eq!(bucket.settled_history(), ["ann", "bob"]);
}

#[test]
fn the_lease_of_a_process_that_has_died_on_this_machine_is_taken_at_once() {
    let bucket = Bucket::begun();
    let lease = bucket.get(".relman-lease").unwrap();
    let lease = String::from_utf8(lease).unwrap();
    // No process has a number above the kernel's limit of 2^22.
    let held = |machine: &str| {
        let holder = format!(
            "{{\"who\":\"eve\",\"machine\":{machine:?},\"process\":4194305,\"attempt\":\"x\"}}"
        );
        lease
            .replace("\"holder\": null", &format!("\"holder\": {holder}"))
            .replace("\"expires\": \"2026", "\"expires\": \"2027")
    };
    let bob = bucket.publisher("bob", 0, Fault::None);
    bucket.put(".relman-lease", held("another machine").as_bytes());
    let e = bob.publish().unwrap_err();
    assert!(e.to_string().contains("at work here: eve"), "{e}");
    bucket.put(".relman-lease", held("the machine of bob").as_bytes());
    bob.publish().unwrap();
    assert_eq!(bucket.history(), ["ann", "bob"]);
}

#[test]
fn an_object_with_other_contents_stops_a_publication_before_its_heads() {
    for path in ["2/archive", "targets/2.archive"] {
        let bucket = Bucket::begun();
        bucket.put(path, b"somebody's");
        let bob = bucket.publisher("bob", 0, Fault::None);
        let e = bob.publish().unwrap_err();
        assert_eq!(e.kind(), Kind::Refused);
        assert!(e.to_string().contains(path), "{e}");
        assert!(e.to_string().contains("never overwritten"), "{e}");
        assert_eq!(bucket.get(path).unwrap(), b"somebody's");
        assert_eq!(bucket.history(), ["ann"]);
        // The plan waits; whoever finds out what that object was can let it be finished.
        block_on(
            bucket
                .objects
                .delete(&Path::from(format!("some/prefix/{path}"))),
        )
        .unwrap();
        assert!(bob.lease().unwrap().finished_earlier());
        assert_eq!(bucket.settled_history(), ["ann", "bob"]);
    }
}

#[test]
fn a_head_that_somebody_else_changed_is_not_replaced() {
    let bucket = Bucket::begun();
    let bob = bucket.publisher("bob", 0, Fault::DiesAfter(25));
    assert!(bob.publish().is_err());
    assert!(bucket.get(".relman-stage/plan-2.json").is_some());
    bucket.put(CHECKPOINT, b"another history\n");
    let cay = bucket.publisher("cay", 60, Fault::None);
    let e = cay.publish().unwrap_err();
    assert_eq!(e.kind(), Kind::Refused);
    assert!(e.to_string().contains("log/checkpoint is neither"), "{e}");
    assert_eq!(bucket.get(CHECKPOINT).unwrap(), b"another history\n");
    assert_eq!(bucket.get(TIMESTAMP).unwrap(), stamp(1));
}

#[test]
fn a_store_that_was_put_back_is_not_written_to() {
    let bucket = Bucket::begun();
    let ann = bucket.publisher("ann", 0, Fault::None);
    let old = bucket.get(TIMESTAMP).unwrap();
    ann.publish().unwrap();
    bucket.put(TIMESTAMP, &old);
    let e = ann.publish().unwrap_err();
    assert_eq!(e.kind(), Kind::Refused);
    assert!(
        e.to_string()
            .contains("version 1, but number 2 was published by ann"),
        "{e}"
    );
}

#[test]
fn a_file_that_is_not_what_its_draft_said_is_not_staged() {
    let bucket = Bucket::begun();
    let bob = bucket.publisher("bob", 0, Fault::None);
    let lease = bob.lease().unwrap();
    let plan = bob.plan().unwrap();
    std::fs::write(&bob.file, vec![b'x'; super::LARGE]).unwrap();
    let e = lease.publish(&plan).unwrap_err();
    assert!(e.to_string().contains("hashes to"), "{e}");
    drop(lease);
    assert_eq!(bucket.settled_history(), ["ann"]);
}

#[test]
fn a_large_file_goes_in_parts_and_is_the_same_in_the_end() {
    let bucket = Bucket::begun();
    let bob = bucket.publisher("bob", 0, Fault::None);
    let long: Vec<u8> = (0..relman::limits::OBJECT_PART_LEN + 5)
        .map(|n| n as u8)
        .collect();
    std::fs::write(&bob.file, &long).unwrap();
    let mut plan = bob.plan().unwrap();
    plan.puts.remove(1);
    let digest = relman::hash::Sha256::of(&long);
    plan.puts[0].content = relman::store::stage::Content::File {
        path: bob.file.clone(),
        sha256: digest,
    };
    bob.lease().unwrap().publish(&plan).unwrap();
    assert!(bucket.get("2/archive").unwrap() == long);
}

#[test]
fn two_stores_in_one_bucket_do_not_see_each_other() {
    let bucket = Bucket::begun();
    let ann = bucket.publisher("ann", 0, Fault::None);
    let other = relman::io::store_object::Identity {
        who: "zoe".into(),
        machine: "m".into(),
        clock: Arc::new(|| "2026-02-01T00:00:00Z".parse().unwrap()),
    };
    let other =
        relman::io::store_object::BucketStore::over(Arc::clone(&ann.connection) as _, "", other);
    let other = other.unwrap();
    assert!(other.read(TIMESTAMP, 1000).unwrap().is_none());
    let _ours = ann.lease().unwrap();
    let _theirs = other.lease("publish").unwrap();
    assert_eq!(
        other.list("").unwrap().unwrap(),
        [".relman-lease", ".relman-stage", "some"]
    );
}
