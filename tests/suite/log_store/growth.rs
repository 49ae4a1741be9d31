//! A log that grows for long, and by two hands.

use std::collections::BTreeSet;
use std::thread;

use relman::io::store_local::LocalStore;
use relman::log::{
    StoreTiles, TileHashes, VerifiedCheckpoint, check_consistency, prove_consistency,
};
use relman::store::Reader;
use relman::store::stage::Authoritative;

use super::{CHECKPOINT, LIMIT, Sequencer, entries, is_busy, local};
use crate::common::relman::files;

/// Each of two writers.
const APPENDS: usize = 500;

/// Appends until done, whoever else is at work; gives how often somebody was.
fn write(store: &dyn Authoritative, name: &str) -> usize {
    let sequencer = Sequencer::new();
    let mut waits = 0;
    for n in 0..APPENDS {
        while let Err(e) = sequencer.append(store, &[format!("{name} {n}")]) {
            assert!(is_busy(&e), "{name} {n}: {e:?}");
            waits += 1;
            thread::yield_now();
        }
    }
    waits
}

#[test]
fn two_writers_at_once_for_a_thousand_appends_leave_one_line() {
    let (_dir, store) = local();
    let waits: Vec<usize> = thread::scope(|scope| {
        let writers = ["ann", "bob"].map(|name| {
            let store = LocalStore::new(store.root());
            scope.spawn(move || write(&store, name))
        });
        writers.map(|writer| writer.join().unwrap()).into()
    });
    assert!(waits.iter().sum::<usize>() > 0, "they never met");

    let head = Sequencer::new().head(&store);
    let history = entries(&store, &head);
    assert_eq!(history.len(), 2 * APPENDS);
    let distinct: BTreeSet<&String> = history.iter().collect();
    assert_eq!(distinct.len(), history.len(), "an entry is there twice");
    for name in ["ann", "bob"] {
        // Each writer's own entries, in the order in which it was told that they are in.
        let own = history.iter().filter(|entry| entry.starts_with(name));
        let wanted: Vec<String> = (0..APPENDS).map(|n| format!("{name} {n}")).collect();
        assert_eq!(own.cloned().collect::<Vec<_>>(), wanted);
    }
    // Neither had to wait for the other to end.
    let first = |name| history.iter().position(|e| e.starts_with(name)).unwrap();
    let last = |name| history.iter().rposition(|e| e.starts_with(name)).unwrap();
    assert!(first("ann") < last("bob") && first("bob") < last("ann"));
}

/// Checkpoints in the long log.
const CHECKPOINTS: u64 = 10_000;
/// Pairs of them that are proved to be consistent.
const PAIRS: usize = 500;

#[test]
#[ignore = "takes about a minute"]
fn ten_thousand_checkpoints_are_one_history_and_partial_tiles_do_not_pile_up() {
    let (_dir, store) = local();
    let sequencer = Sequencer::new();
    let mut checkpoints: Vec<VerifiedCheckpoint> = Vec::new();
    for n in 0..CHECKPOINTS {
        let lease = store.lease("test").unwrap();
        let plan = sequencer.plan(&store, &[format!("entry {n}")]).unwrap();
        // However long the log is, an append writes one bundle, a tile a level, and two heads.
        assert!(plan.puts.len() <= 2 + 1 + 2, "{n}: {:?}", plan.puts.len());
        lease.publish(&plan).unwrap();
        let checkpoint = store.read(CHECKPOINT, LIMIT).unwrap().unwrap();
        checkpoints.push(sequencer.verify(&checkpoint));
    }
    let tiles = StoreTiles::new(&store, "log", CHECKPOINTS);
    let newest = *checkpoints.last().unwrap().head();
    let hashes = TileHashes::open(&tiles, &newest).unwrap();
    let mut random = 5u64;
    let mut below = |bound: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % bound
    };
    for _ in 0..PAIRS {
        let new = 1 + below(CHECKPOINTS);
        let old = 1 + below(new);
        let at = |size: u64| checkpoints[size as usize - 1].head();
        let proof = prove_consistency(old, new, &hashes).unwrap();
        check_consistency(at(old), at(new), &proof).unwrap();
        let (earlier, later) = (
            &checkpoints[old as usize - 1],
            &checkpoints[new as usize - 1],
        );
        later.check_extends(earlier, &proof).unwrap();
    }
    // A reader who has an old checkpoint alone reads its tree from what is there now.
    for size in [1, 255, 256, 257, 1 + below(CHECKPOINTS), 9_984, 9_999] {
        let head = checkpoints[size as usize - 1].head();
        assert_eq!(entries(&store, head).len() as u64, size);
    }

    let (full, rest) = (CHECKPOINTS / 256, CHECKPOINTS % 256);
    let left = files(store.root());
    let count = |what: &dyn Fn(&str) -> bool| left.iter().filter(|f| what(f)).count() as u64;
    // Level 1 has one place, and it is not full.
    assert_eq!(count(&|f| f.starts_with("log/tile/1/000.p/")), full);
    for dir in ["log/tile/0", "log/tile/entries"] {
        let partial = count(&|f| f.starts_with(dir) && f.contains(".p/"));
        assert_eq!(partial, rest, "partial tiles in {dir}");
        assert_eq!(count(&|f| f.starts_with(dir)), full + rest, "{dir}");
    }
    let heads = 2;
    let lock = 1;
    assert_eq!(left.len() as u64, 2 * (full + rest) + full + heads + lock);
}
