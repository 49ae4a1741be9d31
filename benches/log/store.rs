//! Bench `log`: a store that `relman init` could have made, and a log of any size in it.

use std::fs;
use std::path::{Path, PathBuf};

use relman::attest::{Envelope, Statement, Subject};
use relman::hash::Sha256;
use relman::io::keyring::{FileKey, Keyring, PURPOSES};
use relman::io::store_local::LocalStore;
use relman::keys::Signer;
use relman::log::{Checkpoint, Note, StoreTiles, TreeHead, VerifierKey, plan_append};
use relman::release::config::Expiry;
use relman::release::publish::Genesis;
use relman::store::Reader;
use relman::store::stage::Authoritative;

use crate::harness::Outcome;

/// The log's origin.
pub const ORIGIN: &str = "bench/relman-log";
/// Entries of one append: whole tiles, so that few partial ones are left behind.
const BATCH: u64 = 25_600;

/// A store with one log entry, or more.
pub struct Store {
    /// The directory.
    pub dir: PathBuf,
    /// `root.json`.
    pub root: PathBuf,
    keys: Keyring,
    head: TreeHead,
}

impl Store {
    /// A new one below `work`.
    pub fn found(work: &Path) -> Outcome<Store> {
        let keys = Keyring::new(work.join("keys"));
        for purpose in PURPOSES {
            keys.load_or_generate(purpose, "bench")?;
        }
        let dir = work.join("store");
        let store = LocalStore::new(&dir);
        let founded = Genesis {
            project: "bench",
            origin: ORIGIN,
            person: "ann",
            witnesses: "none",
            example: false,
            keys: &keys,
            expiry: &Expiry::default(),
            now: relman::io::clock::now(),
        }
        .plan(&store)?;
        store.lease("bench")?.publish(&founded.transaction)?;
        let root = work.join("root.json");
        fs::write(&root, &founded.root)?;
        let note = store
            .read("log/checkpoint", 1 << 16)?
            .ok_or("no checkpoint")?;
        let note = Note::parse(&note)?;
        let head = *Checkpoint::parse(note.unverified_text())?.head();
        Ok(Store {
            dir,
            root,
            keys,
            head,
        })
    }

    /// Size and root of its log.
    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// The key that signs entries.
    pub fn publisher(&self) -> Outcome<FileKey> {
        Ok(self.keys.require("publisher")?)
    }

    /// A signed checkpoint.
    pub fn checkpoint(&self, head: TreeHead) -> Outcome<Note> {
        let log = self.keys.require("log")?;
        let text = Checkpoint::new(ORIGIN, head)?.to_string();
        let key = VerifierKey::from_public(ORIGIN, &log.public())?;
        Ok(Note::with_signature(
            &text,
            &key,
            &log.sign(text.as_bytes())?,
        )?)
    }

    /// Grows the log to `size` entries, without a sync: it is only to be read.
    pub fn grow(&mut self, size: u64) -> Outcome<()> {
        let publisher = self.publisher()?;
        let log = self.dir.join("log");
        let store = LocalStore::new(&self.dir);
        while self.head.size < size {
            // Up to a multiple of a tile.
            let most = BATCH - self.head.size % 256;
            let count = most.min(size - self.head.size);
            let numbers = self.head.size..self.head.size + count;
            let entries: Vec<Vec<u8>> = numbers
                .map(|n| entry(n, &publisher))
                .collect::<Outcome<_>>()?;
            let tiles = StoreTiles::new(&store, "log", self.head.size);
            let plan = plan_append(&self.head, &tiles, &entries)?;
            for (path, bytes) in &plan.files {
                let path = log.join(path);
                fs::create_dir_all(path.parent().ok_or("a path without a parent")?)?;
                fs::write(path, bytes)?;
            }
            self.head = plan.new;
        }
        let note = self.checkpoint(self.head)?;
        fs::write(log.join("checkpoint"), note.to_string())?;
        Ok(())
    }
}

/// One entry: a statement of a type that keeps nothing in memory, signed by the publisher.
pub fn entry(number: u64, publisher: &FileKey) -> Outcome<Vec<u8>> {
    let name = format!("batch-{number}.json");
    let subject = Subject::new(&name, Sha256::of(name.as_bytes()));
    let time = relman::io::clock::now().to_string();
    let predicate = serde_json::json!({ "time": time, "number": number });
    let statement = Statement::new(vec![subject], "urn:relman:leaf:bench:v1", predicate);
    Ok(Envelope::sign(&statement, publisher)?.to_line()?)
}
