//! What one publication writes, put into the order that readers may see. Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::super::leaf::{Leaf, MetadataLeaf};
use super::super::view::View;
use super::Publisher;
use crate::hash::Sha256;
use crate::keys::Signer;
use crate::log::{
    Checkpoint, Note, StoreTiles, TileHashes, TlogProof, TreeHead, VerifierKey, plan_append,
    prove_inclusion,
};
use crate::store::Reader;
use crate::store::stage::Transaction;
use crate::trust::policy::Purpose;
use crate::{Error, Result};

/// A publication being collected.
pub struct Batch<'a> {
    store: &'a dyn Reader,
    log: Option<LogEnd>,
    now: Timestamp,
    files: Vec<(String, PathBuf, Sha256)>,
    entries: Vec<(Vec<u8>, Vec<String>)>,
    roles: Vec<(String, Vec<u8>)>,
    policy: Option<(String, Vec<u8>)>,
    snapshot: Option<(String, Vec<u8>)>,
    timestamp: Option<(u64, Vec<u8>)>,
}

/// The log that is to grow, and the keys that make it.
pub struct LogEnd {
    /// Its size and root now.
    pub head: TreeHead,
    /// The key's name, which is the log's origin.
    pub origin: String,
    /// The key of its checkpoints.
    pub key: Box<dyn Signer>,
    /// The key of the leaves about metadata.
    pub publisher: Box<dyn Signer>,
}

impl<'a> Batch<'a> {
    /// A batch that adds to the log of an existing store.
    ///
    /// # Errors
    /// Keys that policy does not name.
    pub fn new(publisher: &Publisher<'a>, view: &View) -> Result<Self> {
        let end = LogEnd {
            head: *view.history.checkpoint.head(),
            origin: view.policy.log_origin().to_owned(),
            key: publisher.keys.one("log")?,
            publisher: publisher.keys.one("publisher")?,
        };
        let known = view.policy.log_keys();
        let mine = VerifierKey::from_public(&end.origin, &end.key.public())?;
        if !known.contains(&mine) {
            return Err(Error::refused(format!(
                "the log key here is {mine}, policy names {}",
                known
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            ))
            .hint(
                "are these the secret keys of this project? name the right ones: --secret-keys DIR",
            ));
        }
        let key = end.publisher.public();
        view.policy
            .check_signer(&Purpose::Publisher, &key, publisher.now)?;
        Ok(Batch::starting(publisher.store, Some(end), publisher.now))
    }

    /// A batch for a log at `end`; without one it can add nothing to a log, and needs no key for it.
    pub fn starting(store: &'a dyn Reader, end: Option<LogEnd>, now: Timestamp) -> Self {
        Batch {
            store,
            log: end,
            now,
            files: Vec::new(),
            entries: Vec::new(),
            roles: Vec::new(),
            policy: None,
            snapshot: None,
            timestamp: None,
        }
    }

    fn log_end(&self) -> Result<&LogEnd> {
        self.log
            .as_ref()
            .ok_or_else(|| Error::bug("a publication without a log has entries for it"))
    }

    /// Adds a file that nobody reads before the metadata names it.
    pub fn file(&mut self, path: String, from: PathBuf, sha256: Sha256) {
        self.files.push((path, from, sha256));
    }

    /// Adds a log entry, whose proof goes to `proof`.
    pub fn entry(&mut self, entry: Vec<u8>, proof: String) {
        self.entries.push((entry, vec![proof]));
    }

    /// Adds a role whose digest is logged before it is published.
    pub fn role(&mut self, role: &str, version: u64, bytes: Vec<u8>) {
        self.roles.push((format!("{version}.{role}"), bytes));
    }

    /// Adds the policy, likewise.
    pub fn policy(&mut self, file_name: String, bytes: Vec<u8>) {
        self.policy = Some((file_name, bytes));
    }

    /// Sets the snapshot.
    pub fn snapshot(&mut self, version: u64, bytes: Vec<u8>) {
        self.snapshot = Some((format!("metadata/{version}.snapshot.json"), bytes));
    }

    /// Sets the timestamp.
    pub fn timestamp(&mut self, version: u64, bytes: Vec<u8>) {
        self.timestamp = Some((version, bytes));
    }

    /// Everything, in order: files, log, metadata, timestamp.
    pub fn transaction(mut self) -> Result<Transaction> {
        let (sequence, timestamp) = self
            .timestamp
            .take()
            .ok_or_else(|| Error::bug("a publication without a timestamp"))?;
        let mut out = Transaction {
            sequence,
            ..Transaction::default()
        };
        for (path, from, sha256) in std::mem::take(&mut self.files) {
            out.new_file(path, from, sha256);
        }
        self.log_metadata()?;
        let proofs = self.log(&mut out)?;
        for (path, proof) in proofs {
            out.new_object(path, proof);
        }
        if let Some((name, bytes)) = self.policy {
            out.new_object(format!("metadata/{name}"), bytes);
        }
        for (name, bytes) in self.roles {
            out.new_object(format!("metadata/{name}.json"), bytes);
        }
        if let Some((path, bytes)) = self.snapshot {
            out.new_object(path, bytes);
        }
        out.head("metadata/timestamp.json", timestamp);
        Ok(out)
    }

    /// One leaf over all roles and the policy of this batch.
    fn log_metadata(&mut self) -> Result<()> {
        let named = |(name, bytes): &(String, Vec<u8>)| (format!("{name}.json"), Sha256::of(bytes));
        let mut files: BTreeMap<String, Sha256> = self.roles.iter().map(named).collect();
        files.extend(self.policy.iter().map(|(n, b)| (n.clone(), Sha256::of(b))));
        if files.is_empty() {
            return Ok(());
        }
        let leaf = Leaf::Metadata(MetadataLeaf {
            files,
            time: self.now,
        });
        let proofs = self
            .roles
            .iter()
            .map(|(name, _)| format!("metadata/{name}.tlog-proof"));
        let proofs = proofs.collect();
        self.entries
            .push((leaf.sign(self.log_end()?.publisher.as_ref())?, proofs));
        Ok(())
    }

    /// Tiles, then the checkpoint; gives the proofs of the new entries under it.
    fn log(&self, out: &mut Transaction) -> Result<Vec<(String, String)>> {
        if self.entries.is_empty() {
            return Ok(Vec::new());
        }
        let end = self.log_end()?;
        let old = end.head;
        let tiles = StoreTiles::new(self.store, "log", old.size);
        let entries: Vec<&[u8]> = self.entries.iter().map(|(e, _)| e.as_slice()).collect();
        let append = plan_append(&old, &tiles, &entries)?;
        for (path, bytes) in &append.files {
            out.new_object(format!("log/{path}"), bytes.clone());
        }
        let note = end.sign_checkpoint(append.new)?;
        out.head("log/checkpoint", note.to_string());

        let grown = append.over(&tiles);
        let hashes = TileHashes::open(&grown, &append.new)?;
        let mut proofs = Vec::new();
        for ((entry, paths), index) in self.entries.iter().zip(old.size..) {
            let path = prove_inclusion(index, append.new.size, &hashes)?;
            let proof = TlogProof::new(entry, index, &path, note.clone())?.to_string();
            proofs.extend(paths.iter().map(|p| (p.clone(), proof.clone())));
        }
        Ok(proofs)
    }
}

impl LogEnd {
    fn sign_checkpoint(&self, head: TreeHead) -> Result<Note> {
        let text = Checkpoint::new(&self.origin, head)?.to_string();
        let key = VerifierKey::from_public(&self.origin, &self.key.public())?;
        Note::with_signature(&text, &key, &self.key.sign(text.as_bytes())?)
    }
}
