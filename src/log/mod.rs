//! The transparency log's pure core: Merkle tree, tiles, notes, checkpoints and proofs.
//!
//! Formats are C2SP's: tlog-tiles, signed-note, tlog-checkpoint, tlog-proof, tlog-cosignature and
//! tlog-policy, over the tree of RFC 6962. No I/O, no clock and no key files here; bytes come in through [`TileSource`] and are
//! believed only after they hash to the root of a signed checkpoint.

pub mod add_checkpoint;
pub mod append;
pub mod checkpoint;
pub mod collect;
pub mod cosignature;
pub mod entries;
pub mod forest;
pub mod growing;
pub mod hashes;
pub mod merkle;
pub mod note;
pub mod proof;
pub mod source;
pub mod submission;
mod text;
pub mod tile;
pub mod tile_hashes;
pub mod vkey;
pub mod witness;
pub mod witness_policy;

#[cfg(test)]
mod tests;

pub use append::{Append, plan_append};
pub use checkpoint::{Checkpoint, VerifiedCheckpoint};
pub use collect::superseded;
pub use cosignature::{Cosigner, CosignerKey};
pub use forest::Forest;
pub use growing::Growing;
pub use hashes::{HashSource, prove_consistency, prove_inclusion};
pub use merkle::{TreeHead, check_consistency, check_inclusion, leaf_hash};
pub use note::{Note, Signature, VerifiedNote};
pub use proof::{TlogProof, VerifiedInclusion};
pub use source::{StoreTiles, TileSource};
pub use submission::{Asked, Cosigned, Outcome, Post, Reply, Transport, submit};
pub use tile::{Bundle, Tile, bundles_of, tiles_of};
pub use tile_hashes::TileHashes;
pub use vkey::{NoteSigner, VerifierKey};
pub use witness::{Growth, Memory, WitnessMemory};
pub use witness_policy::{WitnessEntry, WitnessPolicy, Witnessed};
