//! Room `io`: digests of files, read once with a bounded buffer.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::durable::cannot;
use crate::Result;
use crate::hash::{Hasher, Sha256};

/// Bytes read at a time: large enough to keep the hash busy, small enough for any node.
const BUFFER_LEN: usize = 256 * 1024;

/// The digest of a file.
pub fn file(path: &Path) -> Result<Sha256> {
    let mut file = File::open(path).map_err(|e| cannot("read", path, e))?;
    reader(&mut file).map_err(|e| cannot("read", path, e))
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
