//! What is in a directory tree, so that it can be told whether it is still the same. I/O room.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::hashing;
use crate::error::Context;
use crate::hash::Sha256;
use crate::limits::{MAX_CHECKOUT_DEPTH, MAX_CHECKOUT_FILES};
use crate::{Error, Result};

/// Objects of git are named by what they hold; another one more changes nothing.
const OBJECTS: &str = ".git/objects";

/// Something in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    mode: u32,
    len: u64,
    /// Digest of a file's contents, or of a link's target.
    sha256: Option<Sha256>,
}

impl Entry {
    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.mode & 0o170000 == 0o100000
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }
}

/// Everything below `dir` by its path, but for git's objects. Names that are not UTF-8 are told apart as
/// far as their replacements differ.
///
/// # Errors
/// I/O; more files, or deeper, than a checkout may be.
pub fn entries(dir: &Path) -> Result<BTreeMap<String, Entry>> {
    let mut out = BTreeMap::new();
    let mut todo = vec![(dir.to_owned(), String::new(), 0)];
    while let Some((dir, prefix, depth)) = todo.pop() {
        if depth > MAX_CHECKOUT_DEPTH || out.len() > MAX_CHECKOUT_FILES {
            return Err(Error::failed(format!(
                "{} has more than {MAX_CHECKOUT_FILES} files, or nests deeper than {MAX_CHECKOUT_DEPTH}",
                dir.display()
            )));
        }
        let cannot = || format!("{} cannot be read", dir.display());
        for found in fs::read_dir(&dir).or_failed(cannot)? {
            let found = found.or_failed(cannot)?;
            let name = found.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if path == OBJECTS {
                continue;
            }
            let meta = found.metadata().or_failed(cannot)?;
            let kind = meta.file_type();
            let sha256 = if kind.is_file() {
                Some(hashing::file(&found.path())?)
            } else if kind.is_symlink() {
                let target = fs::read_link(found.path()).or_failed(cannot)?;
                Some(Sha256::of(target.as_os_str().as_encoded_bytes()))
            } else {
                None
            };
            if kind.is_dir() {
                todo.push((found.path(), format!("{path}/"), depth + 1));
            }
            let entry = Entry {
                mode: meta.permissions().mode(),
                // A directory's own size says nothing.
                len: if kind.is_dir() { 0 } else { meta.size() },
                sha256,
            };
            out.insert(path, entry);
        }
    }
    Ok(out)
}
