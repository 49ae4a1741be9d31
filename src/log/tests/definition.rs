//! Roots and proofs against RFC 6962, sections 2.1 to 2.1.2, written down here as they are there:
//! over lists of leaves, without trees, tiles or arithmetic of ours.

use super::{Lcg, MemoryStore, NaiveTree, entries, naive_root};
use crate::hash::Sha256;
use crate::log::hashes::root;
use crate::log::{
    HashSource, StoreTiles, TileHashes, TreeHead, check_consistency, check_inclusion, plan_append,
    prove_consistency, prove_inclusion,
};

/// The largest power of two below `n`.
fn k(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

/// PATH(m, D\[n]), over leaf hashes.
pub fn path(m: usize, d: &[Sha256]) -> Vec<Sha256> {
    let n = d.len();
    if n == 1 {
        return Vec::new();
    }
    let (left, right) = d.split_at(k(n));
    let (mut out, other) = match m < k(n) {
        true => (path(m, left), naive_root(right)),
        false => (path(m - k(n), right), naive_root(left)),
    };
    out.push(other);
    out
}

/// PROOF(m, D\[n]).
pub fn proof(m: usize, d: &[Sha256]) -> Vec<Sha256> {
    subproof(m, d, true)
}

fn subproof(m: usize, d: &[Sha256], whole: bool) -> Vec<Sha256> {
    let n = d.len();
    if m == n {
        return match whole {
            true => Vec::new(),
            false => vec![naive_root(d)],
        };
    }
    let (left, right) = d.split_at(k(n));
    let (mut out, other) = match m <= k(n) {
        true => (subproof(m, left, whole), naive_root(right)),
        false => (subproof(m - k(n), right, false), naive_root(left)),
    };
    out.push(other);
    out
}

#[test]
fn every_proof_of_every_tree_to_96_is_the_one_that_is_defined() {
    let tree = NaiveTree::new(96);
    for size in 1..=96u64 {
        let leaves = &tree.0[..size as usize];
        let head = tree.head(size);
        assert_eq!(root(size, &tree).unwrap(), head.root);
        for index in 0..size {
            let wanted = path(index as usize, leaves);
            assert_eq!(prove_inclusion(index, size, &tree).unwrap(), wanted);
            let leaf = &leaves[index as usize];
            check_inclusion(index, leaf, &wanted, &head).unwrap();
        }
        for old in 1..=size {
            let wanted = proof(old as usize, leaves);
            assert_eq!(prove_consistency(old, size, &tree).unwrap(), wanted);
            check_consistency(&tree.head(old), &head, &wanted).unwrap();
        }
    }
}

#[test]
fn proofs_of_large_trees_read_from_tiles_are_the_ones_that_are_defined() {
    let mut random = Lcg(9_162);
    for _ in 0..12 {
        let size = 1 + random.below(9_000);
        let mut store = MemoryStore::default();
        let new = entries(0..size);
        let plan = plan_append(&TreeHead::empty(), &StoreTiles::new(&store, "log", 0), &new);
        let plan = plan.unwrap();
        store.write(&plan.files);
        let tree = NaiveTree::new(size);
        assert_eq!(plan.new, tree.head(size));
        let tiles = StoreTiles::new(&store, "log", size);
        let hashes = TileHashes::open(&tiles, &plan.new).unwrap();
        for _ in 0..6 {
            let index = random.below(size);
            let wanted = path(index as usize, &tree.0);
            assert_eq!(prove_inclusion(index, size, &hashes).unwrap(), wanted);
            check_inclusion(index, &tree.0[index as usize], &wanted, &plan.new).unwrap();
            let old = 1 + random.below(size);
            let wanted = proof(old as usize, &tree.0);
            assert_eq!(prove_consistency(old, size, &hashes).unwrap(), wanted);
            check_consistency(&tree.head(old), &plan.new, &wanted).unwrap();
        }
        assert_eq!(hashes.node(0, size - 1).unwrap(), tree.0[size as usize - 1]);
    }
}
