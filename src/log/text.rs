//! Small strict readers shared by the log's text formats. Pure; nothing here trusts its input.

use base64ct::{Base64, Encoding};

use crate::hash::Sha256;
use crate::limits::MAX_LOG_SIZE;
use crate::{Error, Result};

/// Untrusted text for an error message: escaped and at most 60 characters.
pub(super) fn quote(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// An ASCII decimal without leading zeroes, at most [`MAX_LOG_SIZE`] (tlog-checkpoint,
/// "Note text"; tlog-proof, "Format").
pub(super) fn decimal(text: &str, what: &str) -> Result<u64> {
    let canonical = !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    text.parse()
        .ok()
        .filter(|n| canonical && *n <= MAX_LOG_SIZE)
        .ok_or_else(|| {
            Error::refused(format!(
                "{what} is {}, want a decimal without leading zeroes, at most {MAX_LOG_SIZE}",
                quote(text)
            ))
        })
}

/// Standard padded base64 with zero trailing bits (RFC 4648, sections 4 and 3.5), so that a value
/// has one spelling.
pub(super) fn base64(text: &str, what: &str) -> Result<Vec<u8>> {
    Base64::decode_vec(text)
        .ok()
        .filter(|bytes| Base64::encode_string(bytes) == text)
        .ok_or_else(|| {
            Error::refused(format!(
                "{what} is {}, want canonical padded base64",
                quote(text)
            ))
        })
}

/// Base64 of exactly 32 bytes.
pub(super) fn hash(text: &str, what: &str) -> Result<Sha256> {
    let bytes = base64(text, what)?;
    let found = bytes.len();
    <[u8; 32]>::try_from(bytes)
        .map(Sha256)
        .map_err(|_| Error::refused(format!("{what} has {found} bytes, want 32")))
}

/// The base64 spelling of `bytes`.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Refuses ASCII control characters other than newline (signed-note, "Format").
pub(super) fn no_controls(text: &str, what: &str) -> Result<()> {
    match text.bytes().position(|b| b < 0x20 && b != b'\n') {
        Some(at) => Err(Error::refused(format!(
            "{what} has a control character at byte {at}, want none but newline"
        ))),
        None => Ok(()),
    }
}
