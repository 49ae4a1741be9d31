//! The body of an `add-checkpoint` request. Parsing believes nothing: what comes out is a claim.

use std::fmt;

use super::super::note::Note;
use super::super::text;
use crate::error::Context;
use crate::hash::Sha256;
use crate::limits::{MAX_ADD_CHECKPOINT_LEN, MAX_CONSISTENCY_HASHES};
use crate::{Error, Result};

/// What begins the first line.
const OLD: &str = "old ";

/// A request to cosign a checkpoint, well-formed but **unverified**. Its `Display` is its one form:
/// parsing and printing give the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    old: u64,
    proof: Vec<Sha256>,
    note: Note,
}

impl Request {
    /// Asks for a cosignature on `note`, a signed checkpoint, with the proof that its tree extends the
    /// one of size `old`.
    ///
    /// # Errors
    /// Failed: more hashes than [`MAX_CONSISTENCY_HASHES`], which no two trees need.
    pub fn new(old: u64, proof: Vec<Sha256>, note: Note) -> Result<Self> {
        if proof.len() > MAX_CONSISTENCY_HASHES {
            return Err(Error::failed(format!(
                "consistency proof has {} hashes, want at most {MAX_CONSISTENCY_HASHES}",
                proof.len()
            )));
        }
        Ok(Request { old, proof, note })
    }

    /// Reads a body (tlog-witness, "add-checkpoint"): a line `old N`, at most
    /// [`MAX_CONSISTENCY_HASHES`] lines with a hash, an empty line, a signed note.
    ///
    /// # Errors
    /// Refused: any other form, or more than [`MAX_ADD_CHECKPOINT_LEN`] bytes.
    pub fn parse(body: &[u8]) -> Result<Self> {
        if body.len() as u64 > MAX_ADD_CHECKPOINT_LEN {
            return Err(Error::refused(format!(
                "request has {} bytes, want at most {MAX_ADD_CHECKPOINT_LEN}",
                body.len()
            )));
        }
        let body = std::str::from_utf8(body).or_refused(|| "request is not UTF-8".to_owned())?;
        let (head, note) = body
            .split_once("\n\n")
            .ok_or_else(|| Error::refused("request has no empty line after the proof, want one"))?;
        let mut lines = head.split('\n');
        let first = lines.next().unwrap_or_default();
        let old = first.strip_prefix(OLD).ok_or_else(|| {
            Error::refused(format!(
                "request begins with {}, want {OLD:?} and a size",
                text::quote(first)
            ))
        })?;
        let old = text::decimal(old, "old size")?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == MAX_CONSISTENCY_HASHES {
                return Err(Error::refused(format!(
                    "request has more proof lines than {MAX_CONSISTENCY_HASHES}, want at most that many"
                )));
            }
            proof.push(text::hash(line, "hash of the proof")?);
        }
        let note = Note::parse(note.as_bytes())?;
        Ok(Request { old, proof, note })
    }

    /// The size that the log claims the witness has seen.
    pub fn old(&self) -> u64 {
        self.old
    }

    /// The claimed consistency proof.
    pub fn proof(&self) -> &[Sha256] {
        &self.proof
    }

    /// The signed checkpoint, **not verified**.
    pub fn unverified_note(&self) -> &Note {
        &self.note
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{OLD}{}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{}", text::to_base64(&hash.0))?;
        }
        write!(f, "\n{}", self.note)
    }
}
