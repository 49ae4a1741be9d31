//! Bench `log`: appending, in memory and durably, and checking proofs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use relman::io::store_local::LocalStore;
use relman::log::{
    Bundle, StoreTiles, Tile, TileHashes, TileSource, TreeHead, check_consistency, check_inclusion,
    leaf_hash, plan_append, prove_consistency, prove_inclusion,
};
use relman::store::stage::{Authoritative, Transaction};
use relman::{Error, Result};

use crate::figures::median;
use crate::harness::Outcome;
use crate::store::{Store, entry};

/// Checkpoints that are written durably.
const DURABLE: u64 = 200;
/// Entries that are appended in memory, and in how large batches.
const IN_MEMORY: [(u64, u64); 2] = [(100_000, 256), (2_000, 1)];
/// Proofs that are checked.
const PROOFS: u64 = 10_000;

#[derive(Default)]
struct Memory(RefCell<BTreeMap<String, Vec<u8>>>);

impl Memory {
    fn get(&self, path: String) -> Result<Vec<u8>> {
        let found = self.0.borrow().get(&path).cloned();
        found.ok_or_else(|| Error::failed(format!("{path} is missing")))
    }
}

impl TileSource for Memory {
    fn tile(&self, tile: &Tile) -> Result<Vec<u8>> {
        self.get(tile.path())
    }

    fn entries(&self, bundle: &Bundle) -> Result<Vec<u8>> {
        self.get(bundle.path())
    }
}

/// Appends in memory: planning and hashing alone.
pub fn in_memory() -> Outcome<()> {
    let entry = vec![0x5a; 500];
    for (count, batch) in IN_MEMORY {
        let memory = Memory::default();
        let mut head = TreeHead::empty();
        let began = Instant::now();
        while head.size < count {
            let entries = vec![entry.as_slice(); batch as usize];
            let plan = plan_append(&head, &memory, &entries)?;
            memory.0.borrow_mut().extend(plan.files);
            head = plan.new;
        }
        let seconds = began.elapsed().as_secs_f64();
        println!(
            "append in memory, {batch:>3} entries of 500 bytes a time: {:>9.0} entries/s",
            count as f64 / seconds
        );
        if batch > 1 {
            proofs(&memory, &head)?;
        }
    }
    Ok(())
}

fn proofs(memory: &Memory, head: &TreeHead) -> Outcome<()> {
    let hashes = TileHashes::open(memory, head)?;
    let leaf = leaf_hash(&[0x5a; 500]);
    let index = head.size / 3;
    let path = prove_inclusion(index, head.size, &hashes)?;
    let began = Instant::now();
    for _ in 0..PROOFS {
        check_inclusion(std::hint::black_box(index), &leaf, &path, head)?;
    }
    let inclusion = began.elapsed().as_secs_f64() * 1e6 / PROOFS as f64;
    let old = TreeHead {
        size: index,
        root: relman::log::hashes::root(index, &hashes)?,
    };
    let proof = prove_consistency(index, head.size, &hashes)?;
    let began = Instant::now();
    for _ in 0..PROOFS {
        check_consistency(std::hint::black_box(&old), head, &proof)?;
    }
    let consistency = began.elapsed().as_secs_f64() * 1e6 / PROOFS as f64;
    println!(
        "proof check at {} entries: inclusion {inclusion:.1} µs, consistency {consistency:.1} µs",
        head.size
    );
    Ok(())
}

/// One entry a checkpoint through the store's stage, with every sync of it.
pub fn durable(work: &Path) -> Outcome<()> {
    let store = Store::found(work)?;
    let publisher = store.publisher()?;
    let local = LocalStore::new(&store.dir);
    let lease = local.lease("bench")?;
    let mut times = Vec::new();
    let mut head = store.head();
    for n in 0..DURABLE {
        let entry = entry(n, &publisher)?;
        let began = Instant::now();
        let tiles = StoreTiles::new(&local, "log", head.size);
        let plan = plan_append(&head, &tiles, &[entry])?;
        let mut transaction = Transaction {
            sequence: 2 + n,
            ..Transaction::default()
        };
        for (path, bytes) in plan.files {
            transaction.new_object(format!("log/{path}"), bytes);
        }
        let note = store.checkpoint(plan.new)?;
        transaction.head("log/checkpoint", note.to_string());
        lease.publish(&transaction)?;
        head = plan.new;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    println!(
        "append of one entry with every sync of a publication: median {:.2} ms of {DURABLE}",
        median(times)
    );
    Ok(())
}
