//! Room `io`: what a node has seen and trusts since: TUF metadata and the log's newest checkpoint.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use super::durable::{self, MODE_FILE};
use crate::Result;
use crate::limits::{MAX_CHECKPOINT_LEN, MAX_LISTED_METADATA_LEN};
use crate::release::verify::Seen;
use crate::trust::memory::Memory;
use crate::trust::refresh::Cache;

/// TUF metadata in a directory, byte for byte as received.
pub struct DirCache {
    dir: PathBuf,
}

impl DirCache {
    /// The cache in `dir`, which need not exist.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        DirCache { dir: dir.into() }
    }
}

impl Cache for DirCache {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>> {
        durable::read_bounded(&self.dir.join(name), MAX_LISTED_METADATA_LEN)
    }

    fn save(&self, name: &str, bytes: &[u8]) -> Result<()> {
        durable::write_atomic(&self.dir.join(name), bytes, MODE_FILE)
    }

    fn remove(&self, name: &str) -> Result<()> {
        durable::remove_all(&self.dir.join(name))
    }
}

/// The newest checkpoint in a file.
pub struct SeenFile {
    path: PathBuf,
}

impl SeenFile {
    /// The checkpoint at `path`, if there is one.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        SeenFile { path: path.into() }
    }
}

impl Seen for SeenFile {
    fn load(&self) -> Result<Option<Vec<u8>>> {
        durable::read_bounded(&self.path, MAX_CHECKPOINT_LEN)
    }

    fn save(&self, note: &[u8]) -> Result<()> {
        durable::write_atomic(&self.path, note, MODE_FILE)
    }
}

/// A cache that is read and never changed: what a look takes in is forgotten with it.
pub struct Overlay<'a> {
    below: &'a dyn Cache,
    above: Memory,
    removed: RefCell<BTreeSet<String>>,
}

impl<'a> Overlay<'a> {
    /// Reads `below`, writes nowhere.
    pub fn new(below: &'a dyn Cache) -> Self {
        Overlay {
            below,
            above: Memory::new(),
            removed: RefCell::default(),
        }
    }
}

impl Cache for Overlay<'_> {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self.above.get(name) {
            None if !self.removed.borrow().contains(name) => self.below.load(name),
            found => Ok(found),
        }
    }

    fn save(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.above.put(name, bytes);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.above.take(name);
        self.removed.borrow_mut().insert(name.to_owned());
        Ok(())
    }
}
