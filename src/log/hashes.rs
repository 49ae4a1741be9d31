//! Making roots and proofs from the hashes of perfect subtrees. Pure; where the hashes come from
//! and whether they can be believed is the [`HashSource`]'s affair.

use super::merkle::{TreeHead, check_size, node_hash};
use crate::hash::Sha256;
use crate::{Error, Result};

/// Gives the hashes of a tree's perfect subtrees.
pub trait HashSource {
    /// The Merkle Tree Hash of the leaves from `index << level` up to `(index + 1) << level`.
    ///
    /// # Errors
    /// The subtree is not completely within the tree, or its hash cannot be had or believed.
    fn node(&self, level: u8, index: u64) -> Result<Sha256>;
}

/// The root of the tree over the first `size` leaves (RFC 6962, section 2.1).
///
/// # Errors
/// Size above the limit; errors of the source.
pub fn root(size: u64, source: &dyn HashSource) -> Result<Sha256> {
    check_size(size)?;
    if size == 0 {
        return Ok(TreeHead::empty().root);
    }
    range(0, size, source)
}

/// The audit path of leaf `index` in the tree over the first `size` leaves, from the leaf's
/// sibling up (RFC 6962, section 2.1.1).
///
/// # Errors
/// Refused: `index` not below `size`, size above the limit; errors of the source.
pub fn prove_inclusion(index: u64, size: u64, source: &dyn HashSource) -> Result<Vec<Sha256>> {
    check_size(size)?;
    if index >= size {
        return Err(Error::refused(format!(
            "leaf index is {index}, want less than the log's size {size}"
        )));
    }
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split_point(end - start);
        if index < middle {
            proof.push(range(middle, end, source)?);
            end = middle;
        } else {
            proof.push(range(start, middle, source)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the first `new` leaves begin with the first `old` (RFC 6962, section 2.1.2).
/// Empty where `old` is 0 or equals `new`.
///
/// # Errors
/// Refused: `old` above `new`, size above the limit; errors of the source.
pub fn prove_consistency(old: u64, new: u64, source: &dyn HashSource) -> Result<Vec<Sha256>> {
    check_size(new)?;
    if old > new {
        return Err(Error::refused(format!(
            "old size is {old}, want at most the new size {new}"
        )));
    }
    let mut proof = Vec::new();
    if old == 0 {
        return Ok(proof);
    }
    let (mut start, mut end) = (0, new);
    while end != old {
        let middle = start + split_point(end - start);
        if old <= middle {
            proof.push(range(middle, end, source)?);
            end = middle;
        } else {
            proof.push(range(start, middle, source)?);
            start = middle;
        }
    }
    if start != 0 {
        proof.push(range(start, end, source)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The largest power of two below `count` (`count > 1`).
fn split_point(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// The Merkle Tree Hash of leaves `start..end`, where `start` is a multiple of a power of two that
/// is not below `end - start`, as it is for every subtree that RFC 6962 makes.
fn range(start: u64, end: u64, source: &dyn HashSource) -> Result<Sha256> {
    let mut left = end - start;
    let mut position = end;
    let mut hash: Option<Sha256> = None;
    while left > 0 {
        let level = left.trailing_zeros();
        left &= left - 1;
        position -= 1 << level;
        let node = source.node(level as u8, position >> level)?;
        hash = Some(match hash {
            Some(right) => node_hash(&node, &right),
            None => node,
        });
    }
    hash.ok_or_else(|| Error::bug("hash of an empty range of leaves"))
}
