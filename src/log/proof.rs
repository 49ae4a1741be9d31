//! Transparent signatures (C2SP tlog-proof): a checkpoint, an index and an inclusion proof in one
//! text that can be checked offline.
//!
//! Parsing yields a [`TlogProof`], a claim; [`TlogProof::verify`] alone makes a
//! [`VerifiedInclusion`]. Pure: the entry, keys and origin come in as values.

use std::fmt;

use super::checkpoint::VerifiedCheckpoint;
use super::merkle::{check_inclusion, leaf_hash};
use super::note::Note;
use super::text;
use super::vkey::VerifierKey;
use crate::error::Context;
use crate::hash::Sha256;
use crate::limits::{MAX_LOG_ENTRY_LEN, MAX_LOG_SIZE, MAX_PROOF_HASHES, MAX_TLOG_PROOF_LEN};
use crate::{Error, Result};

/// The first line.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A proof that an entry is in a log, well-formed but **unverified**. Its `Display` is its one
/// serialised form: parsing and printing give the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    extra: Vec<u8>,
    index: u64,
    hashes: Vec<Sha256>,
    checkpoint: Note,
}

impl TlogProof {
    /// The proof that entry `index` is in the tree of `checkpoint`; `extra` is opaque and not
    /// authenticated, empty for none.
    ///
    /// # Errors
    /// Refused: more than 63 hashes, an index above the limit, `extra` longer than a log entry.
    pub fn new(extra: &[u8], index: u64, hashes: &[Sha256], checkpoint: Note) -> Result<Self> {
        if hashes.len() > MAX_PROOF_HASHES {
            return Err(Error::refused(format!(
                "proof has {} hashes, want at most {MAX_PROOF_HASHES}",
                hashes.len()
            )));
        }
        if index > MAX_LOG_SIZE {
            return Err(Error::refused(format!(
                "proof index is {index}, want at most {MAX_LOG_SIZE}"
            )));
        }
        if extra.len() > MAX_LOG_ENTRY_LEN {
            return Err(Error::refused(format!(
                "proof has {} extra bytes, want at most {MAX_LOG_ENTRY_LEN}",
                extra.len()
            )));
        }
        Ok(TlogProof {
            extra: extra.to_vec(),
            index,
            hashes: hashes.to_vec(),
            checkpoint,
        })
    }

    /// Reads a proof (tlog-proof, "Format"): header, `extra` line unless there is none, `index`
    /// line, up to 63 hashes, an empty line, the signed checkpoint.
    ///
    /// # Errors
    /// Refused: any other form, or more than [`MAX_TLOG_PROOF_LEN`] bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() as u64 > MAX_TLOG_PROOF_LEN {
            return Err(Error::refused(format!(
                "proof has {} bytes, want at most {MAX_TLOG_PROOF_LEN}",
                bytes.len()
            )));
        }
        let proof = std::str::from_utf8(bytes).or_refused(|| "proof is not UTF-8".to_owned())?;
        let (head, checkpoint) = proof.split_once("\n\n").ok_or_else(|| {
            Error::refused("proof has no empty line before the checkpoint, want one")
        })?;
        let mut lines = head.split('\n').peekable();
        let header = lines.next().unwrap_or_default();
        if header != HEADER {
            return Err(Error::refused(format!(
                "proof begins with {}, want {HEADER:?}",
                text::quote(header)
            )));
        }
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            Some(extra) => {
                lines.next();
                text::base64(extra, "proof's extra data")?
            }
            None => Vec::new(),
        };
        if extra.is_empty() && head.starts_with(&format!("{HEADER}\nextra ")) {
            return Err(Error::refused(
                "proof's extra line is empty, want data or no such line",
            ));
        }
        let line = lines.next().unwrap_or_default();
        let index = line.strip_prefix("index ").ok_or_else(|| {
            Error::refused(format!(
                "proof line is {}, want \"index \" and a decimal",
                text::quote(line)
            ))
        })?;
        let index = text::decimal(index, "proof index")?;
        let hashes = lines
            .take(MAX_PROOF_HASHES + 1)
            .map(|line| text::hash(line, "proof hash"))
            .collect::<Result<Vec<_>>>()?;
        let checkpoint = Note::parse(checkpoint.as_bytes())
            .map_err(|e| e.under("checkpoint of the proof is malformed"))?;
        TlogProof::new(&extra, index, &hashes, checkpoint)
    }

    /// The index that the proof claims.
    pub fn unverified_index(&self) -> u64 {
        self.index
    }

    /// Opaque data that came along. Nothing authenticates it (tlog-proof, "Format").
    pub fn unverified_extra(&self) -> &[u8] {
        &self.extra
    }

    /// The checkpoint that came along.
    pub fn unverified_checkpoint(&self) -> &Note {
        &self.checkpoint
    }

    /// Verifies that `entry` is in the log `origin`, whose keys are `log_keys` (tlog-proof,
    /// "Verifying a tlog proof"; cosignatures, its step 3, are not looked at here).
    ///
    /// # Errors
    /// Refused: the checkpoint is not the log's, or the entry is not at this index of its tree.
    pub fn verify(
        &self,
        entry: &[u8],
        log_keys: &[VerifierKey],
        origin: &str,
    ) -> Result<VerifiedInclusion> {
        let checkpoint = VerifiedCheckpoint::verify(&self.checkpoint, log_keys, origin)?;
        check_inclusion(
            self.index,
            &leaf_hash(entry),
            &self.hashes,
            checkpoint.head(),
        )?;
        Ok(VerifiedInclusion {
            index: self.index,
            checkpoint,
        })
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if !self.extra.is_empty() {
            writeln!(f, "extra {}", text::to_base64(&self.extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", text::to_base64(&hash.0))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

/// An entry that is known to be in a log. Only [`TlogProof::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedInclusion {
    index: u64,
    checkpoint: VerifiedCheckpoint,
}

impl VerifiedInclusion {
    /// Number of the entry in the log, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The checkpoint whose tree holds the entry.
    pub fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }
}
