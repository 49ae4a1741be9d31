//! What a witness remembers and decides: it cosigns a log's checkpoint only where it extends the
//! newest that is known of that log. Pure; where the memory is kept is the driver's affair.

use super::checkpoint::VerifiedCheckpoint;
use super::merkle::{TreeHead, check_consistency};
use super::text;
use crate::hash::Sha256;
use crate::keys::PublicKey;
use crate::{Error, Result};

/// A log that is to grow: what a witness is asked to cosign.
pub struct Growth<'a> {
    /// The published tree that the new one was made from.
    pub old: TreeHead,
    /// The signed checkpoint of the new one, not yet shown to anybody else.
    pub new: &'a VerifiedCheckpoint,
    /// Makes the consistency proof from a tree of that size to the new one (RFC 6962, section
    /// 2.1.2).
    pub prove: &'a dyn Fn(u64) -> Result<Vec<Sha256>>,
}

/// What a witness has written down about one log.
///
/// `answered` is the tree of its newest cosignature. A cosignature given to a publisher on the same
/// machine may be lost with that publisher before anything was staged; so `published` is kept
/// apart: the newest tree known to have come out. Only an answer that never came out may be given
/// anew for another tree. A witness that answers over a network has no such way back: for it both
/// are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The newest tree that is known to be published.
    pub published: TreeHead,
    /// The tree of the newest cosignature.
    pub answered: TreeHead,
}

/// Keeps a [`Memory`] for each witness key and log.
pub trait WitnessMemory {
    /// What the witness with this public key has written down about the log `origin`; `None` before
    /// the first time.
    ///
    /// # Errors
    /// It cannot be read; a memory that cannot be read is not an empty one.
    fn load(&self, witness: &PublicKey, origin: &str) -> Result<Option<Memory>>;

    /// Writes it down, durably, before the answer is given.
    ///
    /// # Errors
    /// It cannot be written; then there is no answer.
    fn save(&self, witness: &PublicKey, origin: &str, memory: &Memory) -> Result<()>;

    /// Everything that was saved through this very value is published: from now on the witnesses
    /// hold to it.
    ///
    /// # Errors
    /// It cannot be written.
    fn confirm(&self) -> Result<()>;
}

impl Memory {
    /// What to write down before cosigning `growth`; `None` stands for a witness that has never
    /// seen this log.
    ///
    /// # Errors
    /// Refused: the log was put back to an older tree, or the new one does not extend the newest
    /// that was published.
    pub fn extended(before: Option<Memory>, growth: &Growth) -> Result<Memory> {
        let (old, new) = (growth.old, *growth.new.head());
        let published = before.map_or(TreeHead::empty(), |memory| memory.published);
        let refuse = |why: String| {
            Error::refused(format!(
                "the witness does not cosign log {} at size {}: {why}",
                text::quote(growth.new.origin()),
                new.size
            ))
            .hint("the store was put back to an older state, or is another history: compare it with a mirror")
        };
        if old.size < published.size || new.size < old.size {
            return Err(refuse(format!(
                "it grows from size {}, the witness has seen {}",
                old.size, published.size
            )));
        }
        for known in [published, old] {
            (growth.prove)(known.size)
                .and_then(|proof| check_consistency(&known, &new, &proof))
                .map_err(|e| {
                    refuse(format!(
                        "it does not extend size {} with root {}",
                        known.size, known.root
                    ))
                    .caused_by(e)
                })?;
        }
        Ok(Memory {
            published: old,
            answered: new,
        })
    }
}
