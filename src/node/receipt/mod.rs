//! Receipts: what this node did and what it refused, signed by its own key, each naming the one before.
//! The cores here are pure; the files are behind [`Ledger`].
//!
//! Nothing waits for a receipt: an operation that could not be recorded is done all the same, and the
//! next command writes what is missing from the history.

pub mod batch;
pub mod chain;
mod hook;
pub mod predicate;
pub mod standing;

#[cfg(test)]
mod tests;

use std::cell::RefCell;

use super::health::HealthReport;
use super::release::VerifiedRelease;
use crate::Result;
use crate::hash::Sha256;
use crate::keys::{PublicKey, Signer};

/// Where a node keeps its receipts, its key, and what it has seen.
pub trait Ledger {
    /// The end of the receipts, whole lines from a beginning on, and perhaps a torn last one.
    ///
    /// # Errors
    /// They cannot be read.
    fn tail(&self) -> Result<Tail>;

    /// Appends whole lines in place of the last `torn` bytes; durable when it returns.
    ///
    /// # Errors
    /// They cannot be written.
    fn append(&self, torn: u64, lines: &[u8]) -> Result<()>;

    /// The node's key, which is made if there is none; and whether it was.
    ///
    /// # Errors
    /// A key that others can read; it cannot be read or made.
    fn signer(&self) -> Result<(Box<dyn Signer>, bool)>;

    /// The public halves of this node's keys, the present one first; none where there is no key yet.
    ///
    /// # Errors
    /// They cannot be read.
    fn public(&self) -> Result<Vec<PublicKey>>;

    /// Metadata and checkpoint as this node has stored them last: flat name and bytes.
    ///
    /// # Errors
    /// They cannot be read.
    fn seen(&self) -> Result<Vec<(String, Vec<u8>)>>;
}

/// The end of a ledger.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether they are all that there is.
    pub whole: bool,
}

/// What a receipt tells that no file of the node says: seen while the operation went on.
#[derive(Clone, Debug, Default)]
struct Facts {
    verified: Option<(String, Sha256)>,
    health: Option<HealthReport>,
    concluded: bool,
    warnings: Vec<String>,
}

/// The receipts of one command. Make one for each.
pub struct Receipts<'a> {
    ledger: &'a dyn Ledger,
    facts: RefCell<Facts>,
}

impl<'a> Receipts<'a> {
    /// Receipts in `ledger`.
    pub fn new(ledger: &'a dyn Ledger) -> Self {
        Receipts {
            ledger,
            facts: RefCell::default(),
        }
    }

    /// What was recovered is over: what follows is another operation.
    pub(super) fn begin(&self) {
        let mut facts = self.facts.borrow_mut();
        (facts.concluded, facts.health) = (false, None);
    }

    /// The release that is about to be installed passed its checks.
    pub(super) fn verified(&self, release: &VerifiedRelease) {
        let known = (release.tag.clone(), release.archive_sha256);
        self.facts.borrow_mut().verified = Some(known);
    }

    /// What was seen of the version that was switched to.
    pub(super) fn healthy(&self, report: &HealthReport) {
        self.facts.borrow_mut().health = Some(report.clone());
    }

    /// What is to be said of the receipts themselves; empty afterwards.
    pub(super) fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.facts.borrow_mut().warnings)
    }
}
