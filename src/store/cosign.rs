//! What a publication waits for between being written down and being seen: cosignatures of witnesses
//! elsewhere. A witness never forgets what it has signed, so it is asked only for a tree that can not
//! be lost any more, and what it answers is written down before anybody sees it. Pure.

use serde::{Deserialize, Serialize};

use super::Reader;
use crate::{Error, Result};

/// A log that is staged to grow, and who is to be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// The signed checkpoint as it is staged. Staged objects that end with it, the head and the
    /// proofs, get the cosignatures behind it.
    pub checkpoint: String,
    /// Size of the tree that was published before.
    pub old_size: u64,
    /// The policies whose quorums the checkpoint must reach, as JSON texts.
    pub policies: Vec<String>,
    /// The witnesses to ask, as vkeys; their addresses are in the policies.
    pub witnesses: Vec<String>,
}

impl Submission {
    /// The bytes of a staged object once `lines` are known; `None` where it does not end with the
    /// checkpoint. In both formats (C2SP signed-note, tlog-proof) signature lines come last.
    pub fn cosigned(&self, path: &str, staged: &[u8], lines: &[u8]) -> Option<Vec<u8>> {
        let carries = is_carrier(path) && staged.ends_with(self.checkpoint.as_bytes());
        carries.then(|| [staged, lines].concat())
    }
}

/// Whether an object of this name may end with a checkpoint.
pub fn is_carrier(path: &str) -> bool {
    path == "log/checkpoint" || path.ends_with(".tlog-proof")
}

/// Whether an object of this name is one that consistency proofs are made from.
pub fn is_hash_tile(path: &str) -> bool {
    path.starts_with("log/tile/") && !path.starts_with("log/tile/entries/")
}

/// The error of a store that nobody was named for.
pub fn nobody() -> Error {
    Error::bug("a publication waits for witnesses, and nobody can ask them")
}

/// Whoever asks witnesses.
pub trait Cosigners: Send + Sync {
    /// Asks for cosignatures, and gives their lines once every policy has its quorum. `tiles` are the
    /// staged hash tiles, by path; `store` has all others.
    ///
    /// # Errors
    /// Failed: too few answered; asked again later they may. Refused: one has seen another history.
    fn cosign(
        &self,
        submission: &Submission,
        tiles: Vec<(String, Vec<u8>)>,
        store: &dyn Reader,
    ) -> Result<Vec<u8>>;
}
