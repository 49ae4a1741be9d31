//! Publishing as one step: everything is written down first, then carried out; a killed run is
//! carried out again from what was written down, byte for byte. Pure.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::hash::Sha256;
use crate::store::Reader;
use crate::store::cosign::Submission;

/// What an object is to hold.
#[derive(Clone, Debug)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The bytes of a local file, whose digest is known.
    File {
        /// Where it is now.
        path: PathBuf,
        /// What it must hash to when it is staged and when it is published.
        sha256: Sha256,
    },
}

/// One object to write.
#[derive(Clone, Debug)]
pub struct Put {
    /// Path in the store.
    pub path: String,
    /// Whether it is one of the few objects that may be replaced.
    pub head: bool,
    /// Its contents.
    pub content: Content,
}

/// Objects in the order in which readers may see them: what others point to comes first, the
/// heads last.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    /// Its number in the store's one history: one more than the version of the `timestamp.json` that it
    /// was planned upon. The one in it may be higher still, where a change of keys skips versions.
    pub sequence: u64,
    /// In order.
    pub puts: Vec<Put>,
    /// Cosignatures that are still to be asked for.
    pub submission: Option<Submission>,
}

impl Transaction {
    /// Adds an object that is written once.
    pub fn new_object(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.push(path.into(), false, Content::Bytes(bytes.into()));
    }

    /// Adds an object that is written once, from a local file.
    pub fn new_file(&mut self, path: impl Into<String>, file: PathBuf, sha256: Sha256) {
        self.push(path.into(), false, Content::File { path: file, sha256 });
    }

    /// Adds the replacement of a head.
    pub fn head(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.push(path.into(), true, Content::Bytes(bytes.into()));
    }

    fn push(&mut self, path: String, head: bool, content: Content) {
        self.puts.push(Put {
            path,
            head,
            content,
        });
    }
}

/// A staged object, as the stage's plan lists it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staged {
    /// Path in the store.
    pub path: String,
    /// See [`Put::head`].
    pub head: bool,
    /// Digest of the staged bytes.
    pub sha256: Sha256,
}

/// Where a transaction is written down.
pub trait Stage {
    /// Writes down the whole transaction; when this returns it will be carried out, now or by the
    /// next command, and when it fails nothing of it will.
    fn write(&self, transaction: &Transaction) -> Result<()>;

    /// Carries out what is written down, then clears it. `false` where nothing was.
    fn finish(&self) -> Result<bool>;
}

/// The one store of a project that may be written, and that everything is signed for.
pub trait Authoritative: Reader {
    /// Takes the store's lease for `command`, and finishes first what an earlier holder has left
    /// staged. The lease ends when it is dropped.
    ///
    /// # Errors
    /// Somebody else holds it, and who; a store that cannot be written.
    fn lease(&self, command: &str) -> Result<Box<dyn Lease>>;

    /// This store, to read.
    fn reader(&self) -> &dyn Reader;
}

/// The right to publish. No checkpoint is signed without it (DESIGN, section 3, "Publishing").
pub trait Lease {
    /// Whether taking it finished what an earlier holder had begun.
    fn finished_earlier(&self) -> bool;

    /// Stages the whole transaction durably, carries it out and clears the stage.
    ///
    /// The transaction was planned from a view that read `timestamp.json` before all else.
    ///
    /// # Errors
    /// Nothing was staged, and nothing will be seen; or it stopped after staging, and the next
    /// holder of the lease finishes it; or somebody else published meanwhile, and the caller has
    /// to plan again.
    fn publish(&self, transaction: &Transaction) -> Result<()>;
}
