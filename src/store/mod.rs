//! What a store is, for everybody who reads or writes one. No I/O here: `io` implements these.
//!
//! A store is a tree of objects named by `/`-separated relative paths (the layout of
//! `docs/formats.md`). All objects but the heads are written once.

pub mod stage;

use std::io::Read;
use std::path::Path;

use crate::Result;

/// Reads objects of a store.
pub trait Reader: Send + Sync {
    /// The whole object; `None` where it does not exist.
    ///
    /// # Errors
    /// Anything but "not found", and an object of more than `limit` bytes.
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>>;

    /// A stream over the object; `None` where it does not exist. The caller bounds it.
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>>;

    /// The store's address, for people.
    fn location(&self) -> String;

    /// Names (not paths) of the objects directly below `prefix`, sorted; `None` where this kind
    /// of store cannot list.
    fn list(&self, prefix: &str) -> Result<Option<Vec<String>>>;
}

/// Writes objects of a store, each durably (data and name are on disk when the call returns).
pub trait Writer: Reader {
    /// Creates an object. One that is there already with the same bytes is fine; one with other
    /// bytes is an error and stays as it is.
    fn put_new(&self, path: &str, bytes: &[u8]) -> Result<()>;

    /// As [`Writer::put_new`], with the bytes of a local file (hard-linked where that works).
    fn put_new_file(&self, path: &str, source: &Path) -> Result<()>;

    /// Creates or atomically replaces a head (`timestamp.json`, `checkpoint`).
    fn replace(&self, path: &str, bytes: &[u8]) -> Result<()>;
}
