//! What one publication writes, put into the order that readers may see. Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::super::leaf::{Leaf, MetadataLeaf};
use super::super::policy::ReleasePolicy;
use super::log_end::LogEnd;
use super::witness::{Provable, Witnesses};
use super::{Keys, Publisher};
use crate::hash::Sha256;
use crate::limits::MAX_CHECKPOINT_LEN;
use crate::log::{
    Growth, Note, StoreTiles, TileHashes, TlogProof, TreeHead, VerifiedCheckpoint, plan_append,
    prove_consistency, prove_inclusion,
};
use crate::store::Reader;
use crate::store::stage::Transaction;
use crate::{Error, Result};

/// A publication being collected.
pub struct Batch<'a> {
    store: &'a dyn Reader,
    log: Option<LogEnd>,
    witnesses: Witnesses<'a>,
    now: Timestamp,
    files: Vec<(String, PathBuf, Sha256)>,
    objects: Vec<(String, Vec<u8>)>,
    entries: Vec<(Vec<u8>, Vec<String>)>,
    roles: Vec<(String, Vec<u8>)>,
    policy: Option<(String, Vec<u8>)>,
    snapshot: Option<(String, Vec<u8>)>,
    timestamp: Option<(u64, Vec<u8>)>,
    renewed: Option<Note>,
}

impl<'a> Batch<'a> {
    /// A batch that adds to the log of an existing store.
    ///
    /// `policy` is the one that readers will go by; `head` is the log as it is.
    ///
    /// # Errors
    /// Keys that policy does not name, too few witnesses at hand.
    pub fn new(publisher: &Publisher<'a>, policy: &ReleasePolicy, head: TreeHead) -> Result<Self> {
        let end = LogEnd::of(policy, head, publisher.keys, publisher.now)?;
        let mut batch = Batch::starting(publisher.store, Some(end), publisher.now);
        batch.want_witnesses(policy, publisher.keys)?;
        Ok(batch)
    }

    /// Wants this policy's quorum for the checkpoint.
    ///
    /// # Errors
    /// Too few of its witnesses are at hand.
    pub fn want_witnesses(&mut self, policy: &ReleasePolicy, keys: &'a dyn Keys) -> Result<()> {
        self.witnesses.want(policy, keys)
    }

    /// Asks the witnesses of the policy that this publication replaces too, and lets its log keys sign:
    /// readers who have not seen the new one yet look at the same checkpoint. Nothing depends on it, or a project whose
    /// witnesses are lost could never name others.
    ///
    /// # Errors
    /// Keys that cannot be read.
    pub fn ask_witnesses(&mut self, policy: &ReleasePolicy, keys: &'a dyn Keys) -> Result<()> {
        if let Some(end) = &mut self.log {
            end.join(policy, keys, self.now)?;
        }
        self.witnesses.ask(policy, keys)
    }

    /// A batch for a log at `end`; without one it can add nothing to a log, and needs no key for it.
    pub fn starting(store: &'a dyn Reader, end: Option<LogEnd>, now: Timestamp) -> Self {
        Batch {
            store,
            log: end,
            witnesses: Witnesses::default(),
            now,
            files: Vec::new(),
            objects: Vec::new(),
            entries: Vec::new(),
            roles: Vec::new(),
            policy: None,
            snapshot: None,
            timestamp: None,
            renewed: None,
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

    /// Adds a small file, likewise.
    pub fn object(&mut self, path: String, bytes: Vec<u8>) {
        self.objects.push((path, bytes));
    }

    /// Adds a log entry, whose proof goes to `proof`.
    pub fn entry(&mut self, entry: Vec<u8>, proof: String) {
        self.entries.push((entry, vec![proof]));
    }

    /// Adds a log entry whose proof lies nowhere in the store.
    pub fn unproved(&mut self, entry: Vec<u8>) {
        self.entries.push((entry, Vec::new()));
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

    /// Sets the timestamp; `sequence` is the number of the publication.
    pub fn timestamp(&mut self, sequence: u64, bytes: Vec<u8>) {
        self.timestamp = Some((sequence, bytes));
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
        for (path, bytes) in std::mem::take(&mut self.objects) {
            out.new_object(path, bytes);
        }
        self.log_metadata()?;
        if let Some(note) = &self.renewed {
            out.head("log/checkpoint", note.to_string());
        }
        let proofs = self.log(&mut out)?;
        for (path, proof) in proofs {
            out.new_object(path, proof);
        }
        if let Some((name, bytes)) = self.policy {
            out.new_object(format!("metadata/{name}"), bytes);
        }
        // Readers look for the next root by themselves: all that it leads to is there before it.
        let (roots, roles): (Vec<_>, Vec<_>) = self
            .roles
            .into_iter()
            .partition(|(name, _)| name.ends_with(".root"));
        for (name, bytes) in roles {
            out.new_object(format!("metadata/{name}.json"), bytes);
        }
        if let Some((path, bytes)) = self.snapshot {
            out.new_object(path, bytes);
        }
        for (name, bytes) in roots {
            out.new_object(format!("metadata/{name}.json"), bytes);
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

    /// Asks all witnesses of `policy` to cosign the log's checkpoint, which does not grow, anew.
    ///
    /// # Errors
    /// As [`Witnesses::renew`]; then the publication goes without.
    pub fn renew_checkpoint(
        &mut self,
        policy: &ReleasePolicy,
        keys: &'a dyn Keys,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<()> {
        self.witnesses.want(policy, keys)?;
        let head = *checkpoint.head();
        let tiles = StoreTiles::new(self.store, "log", head.size);
        let hashes = TileHashes::open(&tiles, &head)?;
        let published = Provable {
            checkpoint: checkpoint.clone(),
            prove: &|from| prove_consistency(from, head.size, &hashes),
        };
        self.renewed = Some(self.witnesses.renew(&published, self.now)?);
        Ok(())
    }

    /// The checkpoint that readers see now, where witnesses are to be tried with it.
    fn published(&self, old: &TreeHead) -> Result<Option<VerifiedCheckpoint>> {
        if !self.witnesses.are_elsewhere() {
            return Ok(None);
        }
        let Some(bytes) = self.store.read("log/checkpoint", MAX_CHECKPOINT_LEN)? else {
            return Ok(None);
        };
        let note = Note::parse(&bytes)?;
        let checkpoint = self.witnesses.verify(&note)?;
        match checkpoint.head() == old {
            true => Ok(Some(checkpoint)),
            false => Err(Error::failed("the log has grown while this was prepared")
                .hint("run the same command again")),
        }
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
        let grown = append.over(&tiles);
        let hashes = TileHashes::open(&grown, &append.new)?;
        let growth = Growth {
            old,
            new: &end.sign_checkpoint(append.new)?,
            prove: &|from| prove_consistency(from, append.new.size, &hashes),
        };
        let (note, submission) = match self.published(&old)? {
            None => self.witnesses.cosign(&growth, None, self.now)?,
            Some(checkpoint) => {
                let before = TileHashes::open(&tiles, &old)?;
                let published = Provable {
                    checkpoint,
                    prove: &|from| prove_consistency(from, old.size, &before),
                };
                self.witnesses.cosign(&growth, Some(&published), self.now)?
            }
        };
        out.head("log/checkpoint", note.to_string());
        out.submission = submission;

        let mut proofs = Vec::new();
        for ((entry, paths), index) in self.entries.iter().zip(old.size..) {
            let path = prove_inclusion(index, append.new.size, &hashes)?;
            let proof = TlogProof::new(entry, index, &path, note.clone())?.to_string();
            proofs.extend(paths.iter().map(|p| (p.clone(), proof.clone())));
        }
        Ok(proofs)
    }
}
