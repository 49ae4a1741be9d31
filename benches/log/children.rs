//! Bench `log`: what this program does as a child of itself, so that a whole process can be timed and
//! its memory read.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Instant;

use relman::attest::Envelope;
use relman::attest::dsse::{IN_TOTO, pae};
use relman::hash::Sha256;
use relman::io::scratch::PrivateFiles;
use relman::io::store_local::LocalStore;
use relman::io::{clock, process};
use relman::keys::Signer;
use relman::log::growing::hash_over;
use relman::log::{Growing, leaf_hash};
use relman::release::audit::Auditor;

use crate::harness::{Outcome, peak_kib};
use crate::store::entry;

/// Audits a store; prints seconds and the peak of memory in KiB.
pub const AUDIT: &str = "audit";
/// Hashes and verifies as many entries as an audit would, and nothing else; prints seconds.
pub const BARE: &str = "bare";
/// Leaf hashes and root of so many entries of so many bytes; prints seconds.
pub const HASHES: &str = "hashes";

/// Runs as a child.
pub fn run(args: &[&str]) -> Outcome<()> {
    process::prepare();
    match *args {
        [AUDIT, store, root, threads] => audit(Path::new(store), Path::new(root), threads.parse()?),
        [BARE, keys, count, threads] => bare(Path::new(keys), count.parse()?, threads.parse()?),
        [HASHES, count, len, threads] => {
            let seconds = hashes(count.parse()?, len.parse()?, threads.parse()?);
            println!("{seconds}");
            Ok(())
        }
        _ => Err(format!("no child does {args:?}").into()),
    }
}

fn audit(store: &Path, root: &Path, threads: usize) -> Outcome<()> {
    let began = Instant::now();
    let root = fs::read(root)?;
    let store = LocalStore::new(store);
    let audit = Auditor {
        store: &store,
        root: &root,
        scratch: &PrivateFiles::default(),
        now: clock::now(),
        threads,
        at: None,
        since: None,
        against: &[],
        history: relman::limits::AUDIT_HISTORY_LINES,
        counted: &|input| input,
    }
    .run(&mut |_| {})?;
    if !audit.report.is_ok() {
        return Err(relman::ui::report::lines(&audit.report).into());
    }
    println!("{} {}", began.elapsed().as_secs_f64(), peak_kib()?);
    Ok(())
}

/// The same hashes and strict checks of signatures, of entries that are in memory and taken apart.
fn bare(keys: &Path, count: u64, threads: u64) -> Outcome<()> {
    let keyring = relman::io::keyring::Keyring::new(keys);
    let publisher = keyring.require("publisher")?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(publisher.public().bytes())?;
    let mut pieces = Vec::new();
    for n in 0..256 {
        let entry = entry(n, &publisher)?;
        let payload = Envelope::parse(&entry)?
            .unverified_statement()?
            .to_bytes()?;
        let message = pae(IN_TOTO, &payload);
        let signature = ed25519_dalek::Signature::from_bytes(&publisher.sign(&message)?);
        pieces.push((entry, message, signature));
    }
    let began = Instant::now();
    thread::scope(|scope| {
        for thread in 0..threads {
            let (pieces, key) = (&pieces, &key);
            scope.spawn(move || {
                let mine = (thread..count.div_ceil(256)).step_by(threads as usize);
                for tile in mine {
                    let wanted = (count - tile * 256).min(256) as usize;
                    let mut leaves = Vec::with_capacity(256);
                    for (entry, message, signature) in pieces.iter().take(wanted) {
                        leaves.push(leaf_hash(entry));
                        assert!(key.verify_strict(message, signature).is_ok());
                    }
                    std::hint::black_box(hash_over(&leaves));
                }
            });
        }
    });
    println!("{}", began.elapsed().as_secs_f64());
    Ok(())
}

fn hashes(count: u64, len: usize, threads: u64) -> f64 {
    let entry = vec![0x5a; len];
    let began = Instant::now();
    let tiles: Vec<Vec<(u64, Sha256)>> = thread::scope(|scope| {
        let hands: Vec<_> = (0..threads)
            .map(|thread| {
                let entry = &entry;
                scope.spawn(move || {
                    let mine = (thread..count / 256).step_by(threads as usize);
                    mine.map(|tile| {
                        let leaves: Vec<Sha256> = (0..256).map(|_| leaf_hash(entry)).collect();
                        (tile, hash_over(&leaves))
                    })
                    .collect()
                })
            })
            .collect();
        hands
            .into_iter()
            .map(|hand| hand.join().unwrap_or_default())
            .collect()
    });
    let mut tiles: Vec<(u64, Sha256)> = tiles.into_iter().flatten().collect();
    tiles.sort_unstable_by_key(|(at, _)| *at);
    let mut tree = Growing::default();
    for (_, hash) in tiles {
        tree.add(hash);
    }
    let rest: Vec<Sha256> = (0..count % 256).map(|_| leaf_hash(&entry)).collect();
    std::hint::black_box(tree.end(&rest));
    began.elapsed().as_secs_f64()
}
