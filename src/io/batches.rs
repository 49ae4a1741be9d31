//! Room `io`: batches of receipts that were taken in: private files named by their digest.

use std::path::PathBuf;

use super::durable::{self, MODE_SECRET};
use crate::hash::Sha256;
use crate::limits::MAX_RECEIPTS_FILE_LEN;
use crate::release::leaf::ReceiptsLeaf;
use crate::{Error, Result};

/// Batches in a directory that nobody else may enter.
pub struct LocalBatches {
    dir: PathBuf,
}

impl LocalBatches {
    /// Those in `dir`, which need not exist.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        LocalBatches { dir: dir.into() }
    }

    /// Where a batch of this name is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The names of all, sorted.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn names(&self) -> Result<Vec<String>> {
        let names = durable::list_dir(&self.dir)?.unwrap_or_default();
        Ok(names
            .into_iter()
            .filter(|name| digest(name).is_some())
            .collect())
    }

    /// A batch of this name, whose digest is still the one in the name.
    ///
    /// # Errors
    /// Refused: it was changed. It cannot be read.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.path(name);
        let bytes = durable::read_required(&path, MAX_RECEIPTS_FILE_LEN)?;
        let found = Sha256::of(&bytes);
        match digest(name) == Some(found) {
            true => Ok(bytes),
            false => Err(Error::refused(format!(
                "{} hashes to {found}: somebody changed it",
                path.display()
            ))
            .hint("move it away, and import the file again that it came from")),
        }
    }

    /// Keeps a batch; tells whether it is new.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&self, sha256: &Sha256, bytes: &[u8]) -> Result<bool> {
        durable::create_private_dir(&self.dir)?;
        let path = self.dir.join(ReceiptsLeaf::file_name(sha256));
        let new = !durable::is_there(&path);
        durable::write_once(&path, bytes, MODE_SECRET)?;
        Ok(new)
    }
}

fn digest(name: &str) -> Option<Sha256> {
    let digest = Sha256::from_hex(name.split('.').next()?)?;
    (ReceiptsLeaf::file_name(&digest) == name).then_some(digest)
}
