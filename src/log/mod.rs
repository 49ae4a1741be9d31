//! The transparency log's pure core: Merkle tree, tiles, notes, checkpoints and proofs.
//!
//! Formats are C2SP's: tlog-tiles, signed-note, tlog-checkpoint and tlog-proof, over the tree of
//! RFC 6962. No I/O, no clock and no key files here; bytes come in through [`TileSource`] and are
//! believed only after they hash to the root of a signed checkpoint.

pub mod append;
pub mod checkpoint;
pub mod entries;
pub mod hashes;
pub mod merkle;
pub mod note;
pub mod proof;
pub mod source;
mod text;
pub mod tile;
pub mod tile_hashes;
pub mod vkey;

#[cfg(test)]
mod tests;

pub use append::{Append, plan_append};
pub use checkpoint::{Checkpoint, VerifiedCheckpoint};
pub use hashes::{HashSource, prove_consistency, prove_inclusion};
pub use merkle::{TreeHead, check_consistency, check_inclusion, leaf_hash};
pub use note::{Note, Signature, VerifiedNote};
pub use proof::{TlogProof, VerifiedInclusion};
pub use source::{StoreTiles, TileSource};
pub use tile::{Bundle, Tile, bundles_of, tiles_of};
pub use tile_hashes::TileHashes;
pub use vkey::{NoteSigner, VerifierKey};
