//! Checkpoints (C2SP tlog-checkpoint): a log's origin, size and root as the text of a signed note.
//!
//! Parsing yields a [`Checkpoint`], a claim; [`VerifiedCheckpoint::verify`] alone makes one that
//! can be believed. Pure: keys and the expected origin come in as values.

use std::fmt;

use super::merkle::{TreeHead, check_consistency, check_size};
use super::note::{Note, VerifiedNote};
use super::text;
use super::vkey::{NoteSigner, VerifierKey};
use crate::hash::Sha256;
use crate::{Error, Result};

/// The content of a checkpoint, well-formed but **unverified**. Its `Display` is the note text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    head: TreeHead,
    extensions: Vec<String>,
}

impl Checkpoint {
    /// A checkpoint without extension lines, which tlog-checkpoint does not recommend.
    ///
    /// # Errors
    /// Refused: an empty origin or one with control characters, a size above the limit, a root
    /// for size 0 that is not the empty tree's.
    pub fn new(origin: &str, head: TreeHead) -> Result<Self> {
        Self::checked(origin, head, Vec::new())
    }

    fn checked(origin: &str, head: TreeHead, extensions: Vec<String>) -> Result<Self> {
        if origin.is_empty() || origin.bytes().any(|b| b < 0x20) {
            return Err(Error::refused(format!(
                "checkpoint origin is {}, want a line that is not empty",
                text::quote(origin)
            )));
        }
        check_size(head.size)?;
        let empty = TreeHead::empty();
        if head.size == 0 && head != empty {
            return Err(Error::refused(format!(
                "checkpoint of size 0 has root {}, want {}",
                head.root, empty.root
            )));
        }
        Ok(Checkpoint {
            origin: origin.to_owned(),
            head,
            extensions,
        })
    }

    /// Reads a note's text (tlog-checkpoint, "Note text"): origin, size as a decimal without
    /// leading zeroes, root as canonical base64 of 32 bytes, extension lines; none empty.
    ///
    /// # Errors
    /// Refused: any other form, or a size above the limit.
    pub fn parse(note_text: &str) -> Result<Self> {
        text::no_controls(note_text, "checkpoint")?;
        let lines: Vec<&str> = note_text
            .strip_suffix('\n')
            .ok_or_else(|| Error::refused("checkpoint ends without a newline, want one"))?
            .split('\n')
            .collect();
        if let Some(at) = lines.iter().position(|line| line.is_empty()) {
            return Err(Error::refused(format!(
                "checkpoint line {} is empty, want none empty",
                at + 1
            )));
        }
        let [origin, size, root, extensions @ ..] = lines.as_slice() else {
            return Err(Error::refused(format!(
                "checkpoint has {} lines, want at least 3",
                lines.len()
            )));
        };
        let head = TreeHead {
            size: text::decimal(size, "checkpoint size")?,
            root: text::hash(root, "checkpoint root")?,
        };
        let extensions = extensions.iter().map(|line| (*line).to_owned()).collect();
        Self::checked(origin, head, extensions)
    }

    /// Signs this checkpoint. The caller must hold the log's lease and have made every tile of
    /// this tree durable: a log must never sign two checkpoints that are inconsistent
    /// (tlog-checkpoint, "Signatures").
    ///
    /// # Errors
    /// Failed: no signer.
    pub fn sign(&self, signers: &[&NoteSigner]) -> Result<Note> {
        Note::sign(&self.to_string(), signers)
    }

    /// What identifies the log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Size and root.
    pub fn head(&self) -> &TreeHead {
        &self.head
    }

    /// Extension lines, opaque, without their newlines.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.origin, self.head.size)?;
        writeln!(f, "{}", text::to_base64(&self.head.root.0))?;
        for line in &self.extensions {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

/// A checkpoint of the expected log, signed by one of its keys. Witnesses are not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    checkpoint: Checkpoint,
    note: VerifiedNote,
}

impl VerifiedCheckpoint {
    /// Verifies `note` as a checkpoint of the log `origin`, whose keys are `log_keys` (several
    /// while a key is being rotated; witness keys do not belong here).
    ///
    /// # Errors
    /// Refused: no good signature by a log key, a bad one, no checkpoint, another origin.
    pub fn verify(note: &Note, log_keys: &[VerifierKey], origin: &str) -> Result<Self> {
        let note = note.verify(log_keys).map_err(|e| {
            e.under(format!(
                "checkpoint of log {} is not valid",
                text::quote(origin)
            ))
        })?;
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin != origin {
            return Err(Error::refused(format!(
                "checkpoint is of log {}, want {}",
                text::quote(&checkpoint.origin),
                text::quote(origin)
            )));
        }
        Ok(VerifiedCheckpoint { checkpoint, note })
    }

    /// Checks that the log only grew since `older`, a checkpoint of the same log.
    ///
    /// # Errors
    /// Refused: another origin, or the proof does not hold. The causes carry both signed notes,
    /// since together they are the evidence of a fork.
    pub fn check_extends(&self, older: &VerifiedCheckpoint, proof: &[Sha256]) -> Result<()> {
        if self.origin() != older.origin() {
            return Err(Error::refused(format!(
                "checkpoint is of log {}, want {}",
                text::quote(self.origin()),
                text::quote(older.origin())
            )));
        }
        check_consistency(older.head(), self.head(), proof).map_err(|e| {
            e.under(format!(
                "log {} at size {} does not extend what was seen at size {}",
                text::quote(self.origin()),
                self.head().size,
                older.head().size
            ))
            .caused_by(format!("older checkpoint:\n{}", older.note()))
            .caused_by(format!("newer checkpoint:\n{}", self.note()))
        })
    }

    /// The log's origin.
    pub fn origin(&self) -> &str {
        &self.checkpoint.origin
    }

    /// Size and root that the log signed.
    pub fn head(&self) -> &TreeHead {
        &self.checkpoint.head
    }

    /// The whole content.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The signed note with all its signatures, to be stored or to look for cosignatures in.
    pub fn note(&self) -> &Note {
        self.note.note()
    }

    /// The log keys whose signatures verified; never empty.
    pub fn signers(&self) -> &[VerifierKey] {
        self.note.signers()
    }
}
