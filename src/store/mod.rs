//! What a store is, for everybody who reads or publishes to one. No I/O here: `io` implements these.
//!
//! A store is a tree of objects named by `/`-separated relative paths (the layout of
//! `docs/formats.md`). All objects but the heads are written once.

pub mod cosign;
pub mod http;
pub mod lease;
pub mod mirror;
pub mod plan;
pub mod stage;

use std::io::Read;

use crate::Result;

/// The directory of the records of rollouts: the only objects beside the heads that are replaced. Mirrors do not copy it.
pub const ROLLOUTS: &str = "rollouts";

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

/// Whether `path` can be the name of an object: relative, `/`-separated, without empty, `.` and `..`
/// parts, NUL and backslashes.
pub fn is_object_name(path: &str) -> bool {
    !path.is_empty()
        && path.split('/').all(|part| {
            !part.is_empty() && part != "." && part != ".." && !part.contains(['\0', '\\'])
        })
}
