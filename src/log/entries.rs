//! Entry bundles: up to 256 log entries, each behind its big-endian u16 length
//! (tlog-tiles, "Log entries"). Pure bytes; entries are opaque here.

use crate::limits::{MAX_LOG_ENTRY_LEN, TILE_WIDTH};
use crate::{Error, Result};

/// The bundle of `entries`, 1 to 256 of them.
///
/// # Errors
/// Failed: an entry of more than 65,535 bytes, no entries or more than 256.
pub fn encode<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>> {
    if entries.is_empty() || entries.len() as u64 > TILE_WIDTH {
        return Err(Error::failed(format!(
            "entry bundle has {} entries, want 1 to {TILE_WIDTH}",
            entries.len()
        )));
    }
    let mut out = Vec::new();
    for entry in entries.iter().map(AsRef::as_ref) {
        let length = u16::try_from(entry.len()).map_err(|_| {
            Error::failed(format!(
                "log entry has {} bytes, want at most {MAX_LOG_ENTRY_LEN}",
                entry.len()
            ))
        })?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(entry);
    }
    Ok(out)
}

/// The entries of a bundle that must hold exactly `width` and no byte more.
///
/// # Errors
/// Refused: too few entries, one that is cut short, bytes after the last.
pub fn decode(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>> {
    let mut rest = bundle;
    let mut entries = Vec::new();
    for number in 0..width {
        let cut_short = || {
            Error::refused(format!(
                "entry bundle of {} bytes is cut short in entry {number}, want {width} entries",
                bundle.len()
            ))
        };
        let (entry, tail) = first(rest).ok_or_else(cut_short)?;
        entries.push(entry);
        rest = tail;
    }
    if !rest.is_empty() {
        return Err(Error::refused(format!(
            "entry bundle has {} bytes after its {width} entries, want none",
            rest.len()
        )));
    }
    Ok(entries)
}

/// The first entry of a bundle, and what follows it; `None` where it is cut short.
pub fn first(bundle: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, tail) = bundle.split_first_chunk()?;
    tail.split_at_checked(u16::from_be_bytes(*length).into())
}
