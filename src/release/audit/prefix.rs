//! Whether a checkpoint that somebody has is a beginning of the log that was read again. Pure.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::hash::Sha256;
use crate::log::{TileHashes, VerifiedCheckpoint, hashes};
use crate::{Error, Result};

/// The roots that a log had at earlier sizes.
pub struct Prefixes<'a> {
    hashes: TileHashes<'a>,
    known: RefCell<BTreeMap<u64, Sha256>>,
}

impl<'a> Prefixes<'a> {
    /// Of the log that these hashes are of.
    pub fn new(hashes: TileHashes<'a>) -> Self {
        Prefixes {
            hashes,
            known: RefCell::default(),
        }
    }

    /// The hashes of the present tree.
    pub fn hashes(&self) -> &TileHashes<'a> {
        &self.hashes
    }

    /// The root over the first `size` entries.
    ///
    /// # Errors
    /// More than there are; tiles that are damaged.
    pub fn root_at(&self, size: u64) -> Result<Sha256> {
        if let Some(root) = self.known.borrow().get(&size) {
            return Ok(*root);
        }
        let root = hashes::root(size, &self.hashes)?;
        self.known.borrow_mut().insert(size, root);
        Ok(root)
    }

    /// Checks that `checkpoint` is of this very log, at a size that it has had.
    ///
    /// # Errors
    /// Refused: it is newer, or of another history; then both signed heads are worth keeping.
    pub fn check(&self, checkpoint: &VerifiedCheckpoint) -> Result<()> {
        let (head, here) = (checkpoint.head(), self.hashes.head());
        if head.size > here.size {
            return Err(Error::refused(format!(
                "has a checkpoint for {} entries, the store's is for {}",
                head.size, here.size
            )));
        }
        let root = self.root_at(head.size)?;
        match root == head.root {
            true => Ok(()),
            false => Err(Error::refused(format!(
                "has a signed checkpoint of another history: for {} entries with root {}, this log had root {root} then",
                head.size, head.root
            ))),
        }
    }
}
