//! The Merkle tree of RFC 6962, section 2.1: its hashes and the checks of its proofs.
//!
//! Pure functions over hashes. Proofs must have exactly the length that index and sizes dictate,
//! so that a proof has one form.

use crate::hash::{Hasher, Sha256};
use crate::limits::MAX_LOG_SIZE;
use crate::{Error, Result};

/// A tree's size in leaves and its root hash. By itself a claim, not something verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// Number of leaves, at most [`MAX_LOG_SIZE`].
    pub size: u64,
    /// Merkle Tree Hash of those leaves.
    pub root: Sha256,
}

impl TreeHead {
    /// The tree without leaves; its root is the hash of nothing (RFC 6962, section 2.1).
    pub fn empty() -> Self {
        TreeHead {
            size: 0,
            root: Sha256::of(b""),
        }
    }
}

/// Hash of a leaf: SHA-256(0x00 || entry) (RFC 6962, section 2.1).
pub fn leaf_hash(entry: &[u8]) -> Sha256 {
    let mut hasher = Hasher::new();
    hasher.update(&[0]);
    hasher.update(entry);
    hasher.finish()
}

/// Hash of an inner node: SHA-256(0x01 || left || right) (RFC 6962, section 2.1).
pub fn node_hash(left: &Sha256, right: &Sha256) -> Sha256 {
    let mut hasher = Hasher::new();
    hasher.update(&[1]);
    hasher.update(&left.0);
    hasher.update(&right.0);
    hasher.finish()
}

/// Roots of the perfect subtrees over `hashes`, largest and leftmost first.
pub(super) fn peaks(hashes: &[Sha256]) -> Vec<Sha256> {
    let mut stack: Vec<(u32, Sha256)> = Vec::new();
    for hash in hashes {
        let mut top = (0, *hash);
        while let Some((_, left)) = stack.pop_if(|(height, _)| *height == top.0) {
            top = (top.0 + 1, node_hash(&left, &top.1));
        }
        stack.push(top);
    }
    stack.into_iter().map(|(_, hash)| hash).collect()
}

/// The root over peaks given largest first; `None` for none.
pub(super) fn fold_peaks(peaks: &[Sha256]) -> Option<Sha256> {
    let (last, rest) = peaks.split_last()?;
    Some(
        rest.iter()
            .rev()
            .fold(*last, |right, left| node_hash(left, &right)),
    )
}

/// The hash over a list of hashes (RFC 6962, section 2.1); `None` of none.
pub(super) fn fold(hashes: &[Sha256]) -> Option<Sha256> {
    fold_peaks(&peaks(hashes))
}

/// Refuses sizes above [`MAX_LOG_SIZE`].
pub(super) fn check_size(size: u64) -> Result<()> {
    if size > MAX_LOG_SIZE {
        return Err(Error::refused(format!(
            "log size is {size}, want at most {MAX_LOG_SIZE}"
        )));
    }
    Ok(())
}

/// Splits the path from leaf `index` to the root of a tree of `size` leaves (`index < size`) into
/// the levels below the point where it meets the right edge, and the left siblings above it.
fn path_shape(index: u64, size: u64) -> (usize, usize) {
    let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
    let border = index.checked_shr(inner).unwrap_or(0).count_ones();
    (inner as usize, border as usize)
}

fn check_len(what: &str, proof: &[Sha256], want: usize) -> Result<()> {
    if proof.len() != want {
        return Err(Error::refused(format!(
            "{what} proof has {} hashes, want {want}",
            proof.len()
        )));
    }
    Ok(())
}

fn check_root(what: &str, found: &Sha256, want: &Sha256) -> Result<()> {
    if found != want {
        return Err(Error::refused(format!(
            "{what} proof leads to root {found}, want {want}"
        )));
    }
    Ok(())
}

/// Checks that the leaf with hash `leaf` is number `index` (from 0) of the tree `head`
/// (RFC 6962, section 2.1.1; RFC 9162, section 2.1.3.2).
///
/// # Errors
/// Refused: index not below the size, size above the limit, wrong number of hashes, wrong root.
pub fn check_inclusion(index: u64, leaf: &Sha256, proof: &[Sha256], head: &TreeHead) -> Result<()> {
    check_size(head.size)?;
    if index >= head.size {
        return Err(Error::refused(format!(
            "leaf index is {index}, want less than the log's size {}",
            head.size
        )));
    }
    let (inner, border) = path_shape(index, head.size);
    check_len("inclusion", proof, inner + border)?;
    let (below, above) = proof.split_at(inner);
    let meeting = climb(leaf, below, index);
    check_root("inclusion", &climb_edge(&meeting, above), &head.root)
}

/// Checks that the tree `new` begins with all leaves of the tree `old`, in their order
/// (RFC 6962, section 2.1.2; RFC 9162, section 2.1.4.2).
///
/// Equal sizes need equal roots and an empty proof. The empty tree is a beginning of every tree,
/// with an empty proof.
///
/// # Errors
/// Refused: `old` larger than `new`, size above the limit, wrong number of hashes, wrong roots.
pub fn check_consistency(old: &TreeHead, new: &TreeHead, proof: &[Sha256]) -> Result<()> {
    check_size(new.size)?;
    if old.size > new.size {
        return Err(Error::refused(format!(
            "log shrank: found size {}, want at least {}",
            new.size, old.size
        )));
    }
    if old.size == new.size {
        check_len("consistency", proof, 0)?;
        return check_root("consistency", &new.root, &old.root);
    }
    if old.size == 0 {
        check_len("consistency", proof, 0)?;
        return check_root("consistency", &old.root, &TreeHead::empty().root);
    }
    // The walk starts at the largest perfect subtree that ends the old tree. Where that subtree is
    // the whole old tree, its hash is the old root and the proof leaves it out.
    let height = old.size.trailing_zeros();
    let (inner, border) = path_shape(old.size - 1, new.size);
    let inner = inner - height as usize;
    let whole = old.size.is_power_of_two();
    check_len("consistency", proof, inner + border + usize::from(!whole))?;
    let (seed, rest) = match proof.split_first() {
        Some((first, rest)) if !whole => (first, rest),
        _ => (&old.root, proof),
    };
    let (below, above) = rest.split_at(inner);
    let position = (old.size - 1) >> height;
    let old_root = climb_edge(&climb_left(seed, below, position), above);
    check_root("consistency", &old_root, &old.root)?;
    let new_root = climb_edge(&climb(seed, below, position), above);
    check_root("consistency", &new_root, &new.root)
}

/// Hashes upwards; bit i of `position` says whether sibling i is on the left.
fn climb(start: &Sha256, siblings: &[Sha256], position: u64) -> Sha256 {
    let mut bits = position;
    siblings.iter().fold(*start, |at, sibling| {
        let left = bits & 1 == 1;
        bits >>= 1;
        if left {
            node_hash(sibling, &at)
        } else {
            node_hash(&at, sibling)
        }
    })
}

/// As [`climb`], but only over siblings on the left: the tree as it was before the right ones.
fn climb_left(start: &Sha256, siblings: &[Sha256], position: u64) -> Sha256 {
    let mut bits = position;
    siblings.iter().fold(*start, |at, sibling| {
        let left = bits & 1 == 1;
        bits >>= 1;
        if left { node_hash(sibling, &at) } else { at }
    })
}

/// Hashes upwards along the right edge, where all siblings are on the left.
fn climb_edge(start: &Sha256, siblings: &[Sha256]) -> Sha256 {
    siblings
        .iter()
        .fold(*start, |at, sibling| node_hash(sibling, &at))
}
