//! A log in a store that is really written: thousands of checkpoints, two writers, tiles that were
//! changed. What a publication is made of besides the log is one small timestamp.

mod growth;
mod tiles;

use relman::io::store_local::LocalStore;
use relman::log::{
    Checkpoint, Note, NoteSigner, StoreTiles, TileHashes, TreeHead, VerifiedCheckpoint, plan_append,
};
use relman::store::Reader;
use relman::store::stage::{Authoritative, Transaction};
use relman::{Error, Result};

use crate::common::relman::quick_dir;

const ORIGIN: &str = "log.example/store";
const CHECKPOINT: &str = "log/checkpoint";
const TIMESTAMP: &str = "metadata/timestamp.json";
/// More than any checkpoint here has.
const LIMIT: u64 = 100_000;

/// Whoever has the log's key.
struct Sequencer {
    signer: NoteSigner,
}

impl Sequencer {
    fn new() -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        Sequencer {
            signer: NoteSigner::new(ORIGIN, key).unwrap(),
        }
    }

    fn verify(&self, checkpoint: &[u8]) -> VerifiedCheckpoint {
        let keys = [self.signer.verifier().clone()];
        VerifiedCheckpoint::verify(&Note::parse(checkpoint).unwrap(), &keys, ORIGIN).unwrap()
    }

    /// The newest tree.
    fn head(&self, store: &dyn Reader) -> TreeHead {
        match store.read(CHECKPOINT, LIMIT).unwrap() {
            Some(bytes) => *self.verify(&bytes).head(),
            None => TreeHead::empty(),
        }
    }

    /// The publication of these entries.
    fn plan(&self, store: &dyn Reader, entries: &[String]) -> Result<Transaction> {
        let version = store.read(TIMESTAMP, LIMIT)?.map_or(0, |bytes| {
            let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            document["signed"]["version"].as_u64().unwrap()
        });
        let mut out = Transaction {
            sequence: version + 1,
            ..Transaction::default()
        };
        let head = self.head(store);
        let append = plan_append(&head, &StoreTiles::new(store, "log", head.size), entries)?;
        for (path, bytes) in &append.files {
            out.new_object(format!("log/{path}"), bytes.clone());
        }
        let checkpoint = Checkpoint::new(ORIGIN, append.new)?.sign(&[&self.signer])?;
        out.head(CHECKPOINT, checkpoint.to_string());
        let timestamp = format!("{{\"signed\":{{\"version\":{}}}}}", out.sequence);
        out.head(TIMESTAMP, timestamp);
        Ok(out)
    }

    /// Does what every command that writes does.
    fn append(&self, store: &dyn Authoritative, entries: &[String]) -> Result<()> {
        let lease = store.lease("test")?;
        lease.publish(&self.plan(store.reader(), entries)?)
    }
}

/// All entries of the newest tree, each checked against its root.
fn entries(store: &dyn Reader, head: &TreeHead) -> Vec<String> {
    let tiles = StoreTiles::new(store, "log", head.size);
    let hashes = TileHashes::open(&tiles, head).unwrap();
    let bundles = (0..head.size.div_ceil(256)).flat_map(|n| hashes.entries(n).unwrap());
    bundles.map(|e| String::from_utf8(e).unwrap()).collect()
}

fn numbered(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|n| format!("entry {n}")).collect()
}

/// A directory in memory, and the store in it.
fn local() -> (tempfile::TempDir, LocalStore) {
    let dir = quick_dir();
    let store = LocalStore::new(dir.path().join("releases"));
    (dir, store)
}

/// Whether somebody else was at work.
fn is_busy(e: &Error) -> bool {
    e.kind() == relman::Kind::Failed && e.to_string().contains("another relman is at work here")
}
