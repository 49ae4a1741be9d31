//! A draft: what `cut` has built and signed, complete, but not yet entered in the store. Pure.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::hash::Sha256;
use crate::release::edges::Edges;
use crate::release::state::Released;

/// The format of [`Record`].
pub const FORMAT: u32 = 1;

/// What a draft holds; written last, so a draft with a record is whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`FORMAT`].
    pub format: u32,
    /// The tag.
    pub tag: String,
    /// Hex id of the commit.
    pub commit: String,
    /// Hex id of the tag object; none for a lightweight tag.
    pub tag_object: Option<String>,
    /// Where the source can be had.
    pub repository: String,
    /// Digest of the archive.
    pub archive: Sha256,
    /// Bytes of the archive.
    pub archive_len: u64,
    /// How far a node may go back from it.
    #[serde(default, skip_serializing_if = "Edges::is_empty")]
    pub edges: Edges,
    /// Every file of the release directory.
    pub files: BTreeMap<String, Sha256>,
    /// The signed release leaf, ready for the log.
    pub leaf: String,
}

impl Record {
    /// What targets will list of it.
    pub fn released(&self) -> Released {
        Released {
            tag: self.tag.clone(),
            commit: self.commit.clone(),
            tag_object: self.tag_object.clone(),
            repository: self.repository.clone(),
            sha256: self.archive,
            length: self.archive_len,
            edges: self.edges.clone(),
            yanked: None,
        }
    }
}

/// Where drafts are kept.
pub trait Drafts {
    /// The record of a complete draft, after every file of it was hashed again; `None` where there
    /// is none.
    fn load(&self, tag: &str) -> Result<Option<Record>>;

    /// The tags of all complete drafts.
    fn tags(&self) -> Result<Vec<String>>;

    /// Starts a draft in a place of its own; it replaces an unfinished one.
    fn begin(&self, tag: &str) -> Result<Box<dyn DraftDir + '_>>;

    /// Path of a file of a complete draft.
    fn file(&self, tag: &str, name: &str) -> PathBuf;

    /// Reads a file of a complete draft, of at most `limit` bytes.
    fn read(&self, tag: &str, name: &str, limit: u64) -> Result<Vec<u8>>;

    /// Forgets a draft.
    fn remove(&self, tag: &str) -> Result<()>;
}

/// A draft being written.
pub trait DraftDir {
    /// Writes a file and gives its digest.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<Sha256>;

    /// Copies a file in and gives its length in bytes.
    fn copy_in(&self, name: &str, from: &Path, executable: bool) -> Result<u64>;

    /// A new file to be written piece by piece; it is synced when the draft is committed.
    fn create(&self, name: &str) -> Result<Box<dyn Write>>;

    /// Reads a file of this draft.
    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>>;

    /// Makes the draft complete: everything is on disk, then it appears under its tag.
    fn commit(self: Box<Self>, record: &Record) -> Result<()>;
}
