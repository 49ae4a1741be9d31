//! The log of a store that is copied: its tiles made anew from the verified entries, what its leaves say
//! of files, and what proofs must prove. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::objects::Objects;
use crate::attest::{Envelope, Statement};
use crate::hash::Sha256;
use crate::limits::{MAX_ENTRY_BUNDLE_LEN, MAX_TLOG_PROOF_LEN};
use crate::log::{
    Bundle, Checkpoint, Tile, TileSource, TlogProof, TreeHead, bundles_of, plan_append, superseded,
    tiles_of,
};
use crate::release::assemble::PROOF;
use crate::release::leaf::{Leaf, ReleaseLeaf, late_path, metadata_proof};
use crate::release::policy::ReleasePolicy;
use crate::release::verify::first_path;
use crate::release::view::View;
use crate::store::mirror::Destination;
use crate::{Error, Result};

/// A verified log.
pub struct LogCopy {
    entries: Vec<Vec<u8>>,
    /// Every tile and bundle of the tree, by path below `log/`.
    files: BTreeMap<String, Vec<u8>>,
    /// Sizes that the log once had, as proofs tell.
    sizes: std::cell::RefCell<BTreeSet<u64>>,
    policy: ReleasePolicy,
    /// The entries that a proof may be about, by its path.
    places: BTreeMap<String, BTreeSet<u64>>,
    /// Release leaves by tag.
    pub releases: BTreeMap<String, Vec<ReleaseLeaf>>,
    /// Digests that metadata and policy files may have, by file name.
    pub metadata: BTreeMap<String, BTreeSet<Sha256>>,
    /// Paths of the proofs of all other leaves.
    pub late: BTreeMap<String, BTreeSet<String>>,
}

impl LogCopy {
    /// Reads entries that lead to the root of the view's checkpoint. What a leaf says is taken as the
    /// log's word for what was published: whether its signer counts is for readers to judge.
    ///
    /// # Errors
    /// Entries that do not lead to that root.
    pub fn new(entries: Vec<Vec<u8>>, view: &View) -> Result<Self> {
        let head = view.history.checkpoint.head();
        let append = plan_append(&TreeHead::empty(), &Nothing, &entries)?;
        if append.new != *head {
            return Err(Error::bug(
                "the entries of a verified log have another root",
            ));
        }
        let mut log = LogCopy {
            files: append.files,
            sizes: std::cell::RefCell::default(),
            policy: view.policy.clone(),
            places: BTreeMap::new(),
            releases: BTreeMap::new(),
            metadata: BTreeMap::new(),
            late: BTreeMap::new(),
            entries: Vec::new(),
        };
        let mut numbers = BTreeMap::new();
        for (entry, index) in entries.iter().zip(0..) {
            let statement = Envelope::parse(entry).and_then(|e| e.unverified_statement());
            if let Ok(statement) = statement {
                log.note(&statement, index, &mut numbers);
            }
        }
        log.entries = entries;
        Ok(log)
    }

    fn note(&mut self, statement: &Statement, index: u64, numbers: &mut BTreeMap<String, u64>) {
        let mut place = |path: String| {
            self.places.entry(path).or_default().insert(index);
        };
        match Leaf::read(statement) {
            Ok(Leaf::Release(leaf)) => {
                let tag = leaf.tag.clone();
                place(format!("{tag}/{PROOF}"));
                self.releases.entry(tag).or_default().push(leaf);
            }
            Ok(Leaf::Metadata(leaf)) => {
                for (name, digest) in leaf.files {
                    if let Some(file) = name.strip_suffix(".json") {
                        place(metadata_proof(file));
                    }
                    self.metadata.entry(name).or_default().insert(digest);
                }
            }
            _ => {
                if let Some((tag, path)) = late_path(statement, numbers) {
                    place(path.clone());
                    self.late.entry(tag).or_default().insert(path);
                }
            }
        }
    }

    /// Checks that `bytes` prove an entry of this very log, and one that belongs at `path`: what lies
    /// there is never overwritten.
    ///
    /// # Errors
    /// They do not.
    pub fn check_proof(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let check = || {
            let proof = TlogProof::parse(bytes)?;
            let entry = proof.unverified_extra().to_vec();
            let policy = &self.policy;
            let included = proof.verify(&entry, policy.log_keys(), policy.log_origin())?;
            let here = usize::try_from(included.index()).ok();
            if here.and_then(|i| self.entries.get(i)) != Some(&entry) {
                return Err(Error::refused(format!(
                    "is about entry {}, which is another one in this log",
                    included.index()
                )));
            }
            let first = first_path(path);
            let places = self.places.get(first.as_deref().unwrap_or(path));
            if places.is_some_and(|places| !places.contains(&included.index())) {
                return Err(Error::refused(format!(
                    "is about entry {}, which belongs elsewhere",
                    included.index()
                )));
            }
            let note = proof.unverified_checkpoint();
            let size = Checkpoint::parse(note.unverified_text())?.head().size;
            self.sizes.borrow_mut().insert(size);
            Ok(())
        };
        check().map_err(|e| e.under(format!("{path} proves nothing of this log")))
    }

    /// Whether `bytes` claim to prove an entry that came after this log's last: somebody publishes.
    pub fn is_newer(&self, bytes: &[u8]) -> bool {
        let index = TlogProof::parse(bytes).map(|proof| proof.unverified_index());
        index.is_ok_and(|index| index >= self.entries.len() as u64)
    }

    /// Copies a proof; tells whether there was one.
    ///
    /// # Errors
    /// One that proves nothing of this log; as [`Objects::bytes`].
    pub fn proof(&self, objects: &mut Objects, path: &str) -> Result<bool> {
        let Some(bytes) = objects.from.read(path, MAX_TLOG_PROOF_LEN)? else {
            return Ok(false);
        };
        self.check_proof(path, &bytes)?;
        objects.bytes(path, &bytes)?;
        Ok(true)
    }

    /// Adds every tile and bundle, and the partial ones of earlier sizes that the store still has and
    /// no full one has replaced.
    ///
    /// # Errors
    /// As [`Objects::bytes`]; an earlier tile that is not what the entries lead to.
    pub fn copy(&self, objects: &mut Objects) -> Result<()> {
        for (path, bytes) in &self.files {
            objects.bytes(&format!("log/{path}"), bytes)?;
        }
        let size = self.entries.len() as u64;
        let sizes: Vec<u64> = self.sizes.borrow().iter().copied().collect();
        let mut earlier = BTreeMap::new();
        for old in sizes.into_iter().filter(|old| *old < size) {
            let replaced = |full: String| self.files.contains_key(&full);
            for tile in tiles_of(old).filter(Tile::is_partial) {
                if !replaced(tile.full().path()) {
                    earlier.insert(tile.path(), self.tile(&tile, size));
                }
            }
            for bundle in bundles_of(old).filter(Bundle::is_partial) {
                if !replaced(bundle.full().path()) {
                    earlier.insert(bundle.path(), self.bundle(&bundle));
                }
            }
        }
        for (path, wanted) in earlier {
            if self.files.contains_key(&path) {
                continue;
            }
            let path = format!("log/{path}");
            match objects.from.read(&path, MAX_ENTRY_BUNDLE_LEN)? {
                None => {}
                Some(found) if Some(&found) == wanted.as_ref() => objects.bytes(&path, &found)?,
                Some(_) => {
                    return Err(Error::refused(format!(
                        "{path} is not what the entries lead to"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Removes what full tiles have replaced in the mirror, now that its heads have moved.
    pub fn collect(&self, to: &dyn Destination) {
        let paths: Vec<String> = self
            .files
            .keys()
            .map(|path| format!("log/{path}"))
            .collect();
        let paths = paths.iter().map(String::as_str);
        for path in superseded("log", paths, to.reader()).unwrap_or_default() {
            to.discard(&path);
        }
    }

    /// A tile of an earlier size: the beginning of the one that is there now.
    fn tile(&self, old: &Tile, size: u64) -> Option<Vec<u8>> {
        let now = Tile::in_tree(old.level, old.index, size)?;
        let bytes = self.files.get(&now.path())?;
        bytes.get(..old.len()).map(<[u8]>::to_vec)
    }

    fn bundle(&self, old: &Bundle) -> Option<Vec<u8>> {
        let first = usize::try_from(old.index).ok()?.checked_mul(256)?;
        let mut out = Vec::new();
        for entry in self.entries.get(first..first + usize::from(old.width))? {
            out.extend(u16::try_from(entry.len()).ok()?.to_be_bytes());
            out.extend(entry);
        }
        Some(out)
    }
}

/// The tiles of an empty log.
struct Nothing;

impl TileSource for Nothing {
    fn tile(&self, tile: &Tile) -> Result<Vec<u8>> {
        Err(Error::bug(format!("{} of an empty log", tile.path())))
    }

    fn entries(&self, bundle: &Bundle) -> Result<Vec<u8>> {
        Err(Error::bug(format!("{} of an empty log", bundle.path())))
    }
}
