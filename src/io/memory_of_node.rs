//! Room `io`: what a node has seen and trusts since: TUF metadata and the log's newest checkpoint.

use std::path::PathBuf;

use super::durable::{self, MODE_FILE};
use crate::Result;
use crate::limits::{MAX_CHECKPOINT_LEN, MAX_LISTED_METADATA_LEN};
use crate::release::verify::Seen;
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

/// A reader without memory: an audit, or a check on somebody else's machine.
pub struct SeenNothing;

impl Seen for SeenNothing {
    fn load(&self) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn save(&self, _note: &[u8]) -> Result<()> {
        Ok(())
    }
}
