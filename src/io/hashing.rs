//! Room `io`: digests of files, read once with a bounded buffer.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::durable::cannot;
use super::{parallel, process};
use crate::Result;
use crate::hash::{Hasher, Sha256};

/// Bytes read at a time: large enough to keep the hash busy, small enough for any node.
const BUFFER_LEN: usize = 256 * 1024;

/// The digest of a file.
pub fn file(path: &Path) -> Result<Sha256> {
    let mut file = File::open(path).map_err(|e| cannot("read", path, e))?;
    reader(&mut file).map_err(|e| cannot("read", path, e))
}

/// The digests of files, in their order. Two names of one file are read once, and the files on
/// every core.
pub fn files(paths: &[PathBuf]) -> Result<Vec<Sha256>> {
    let mut inodes = Vec::new();
    let mut distinct: BTreeMap<(u64, u64), &Path> = BTreeMap::new();
    for path in paths {
        let meta = fs::metadata(path).map_err(|e| cannot("read", path, e))?;
        let inode = (meta.dev(), meta.ino());
        inodes.push(inode);
        distinct.entry(inode).or_insert(path);
    }
    let distinct: Vec<((u64, u64), &Path)> = distinct.into_iter().collect();
    let hash = |(inode, path): &((u64, u64), &Path)| Ok((*inode, file(path)?));
    let found: BTreeMap<(u64, u64), Sha256> = parallel::map(&distinct, process::threads(), hash)
        .into_iter()
        .collect::<Result<_>>()?;
    Ok(inodes
        .iter()
        .filter_map(|i| found.get(i).copied())
        .collect())
}

/// The digest of all that a reader yields.
pub fn reader(input: &mut dyn Read) -> std::io::Result<Sha256> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0u8; BUFFER_LEN];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
