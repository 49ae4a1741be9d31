//! `SHA256SUMS` as `sha256sum` of coreutils writes and checks it. Pure.

use std::collections::BTreeMap;

use crate::hash::Sha256;
use crate::limits::{MAX_ARCHIVE_ENTRIES, MAX_MEMBER_PATH_LEN, MAX_SUMS_LEN};
use crate::{Error, Result};

/// One line a file, sorted by name: digest, two spaces, name.
pub fn format(files: &BTreeMap<String, Sha256>) -> String {
    files
        .iter()
        .map(|(name, digest)| format!("{digest}  {name}\n"))
        .collect()
}

/// Reads what [`format()`] writes, and nothing looser.
///
/// # Errors
/// Too long, a malformed line (told by its number), an unsafe name, two lines of one name.
pub fn parse(bytes: &[u8]) -> Result<BTreeMap<String, Sha256>> {
    let bad = |n: usize, why: &str| Error::refused(format!("line {n} of SHA256SUMS {why}"));
    if bytes.len() as u64 > MAX_SUMS_LEN {
        return Err(Error::refused(format!(
            "SHA256SUMS is longer than {MAX_SUMS_LEN} bytes"
        )));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|e| Error::refused("SHA256SUMS is not UTF-8").caused_by(e))?;
    let mut files = BTreeMap::new();
    for (i, line) in text.split_terminator('\n').enumerate() {
        let (digest, name) = line
            .split_once("  ")
            .and_then(|(digest, name)| Some((Sha256::from_hex(digest)?, name)))
            .ok_or_else(|| bad(i + 1, "is not a digest, two spaces and a name"))?;
        let safe = name.len() <= MAX_MEMBER_PATH_LEN
            && name
                .split('/')
                .all(|part| !part.is_empty() && part != "." && part != "..")
            && !name.chars().any(|c| c.is_control() || c == '\\');
        if !safe {
            return Err(bad(i + 1, "has an unsafe name"));
        }
        if files.insert(name.to_owned(), digest).is_some() {
            return Err(bad(i + 1, "repeats a name"));
        }
        if files.len() > MAX_ARCHIVE_ENTRIES {
            return Err(bad(i + 1, "is one too many"));
        }
    }
    if !text.ends_with('\n') {
        return Err(Error::refused("SHA256SUMS does not end with a newline"));
    }
    Ok(files)
}
