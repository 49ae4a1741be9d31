//! Roots and proofs against the naive tree, and proofs that somebody tampered with.

use super::{NaiveTree, naive_root};
use crate::Kind;
use crate::hash::Sha256;
use crate::limits::MAX_LOG_SIZE;
use crate::log::hashes::root;
use crate::log::merkle::{fold_peaks, peaks};
use crate::log::{
    TreeHead, check_consistency, check_inclusion, leaf_hash, prove_consistency, prove_inclusion,
};

/// Every way to damage a proof: each hash flipped or dropped, one added at each place, order
/// turned around.
fn damaged(proof: &[Sha256]) -> Vec<Vec<Sha256>> {
    let mut out = Vec::new();
    for at in 0..proof.len() {
        let mut flipped = proof.to_vec();
        flipped[at].0[at % 32] ^= 1;
        let mut dropped = proof.to_vec();
        dropped.remove(at);
        out.extend([flipped, dropped]);
    }
    for at in 0..=proof.len() {
        let mut extra = proof.to_vec();
        extra.insert(at, Sha256::of(b"extra"));
        out.push(extra);
    }
    let mut reversed = proof.to_vec();
    reversed.reverse();
    if reversed != proof {
        out.push(reversed);
    }
    out
}

#[test]
fn hashes_are_those_published_with_rfc_6962() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(TreeHead::empty().root.hex(), empty);
    let leaf = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    assert_eq!(leaf_hash(b"").hex(), leaf);
}

#[test]
fn roots_equal_the_naive_tree_for_every_size_to_300() {
    let tree = NaiveTree::new(300);
    for size in 0..=300u64 {
        let leaves = &tree.0[..size as usize];
        assert_eq!(
            root(size, &tree).unwrap(),
            naive_root(leaves),
            "size {size}"
        );
        if size > 0 {
            assert_eq!(fold_peaks(&peaks(leaves)), Some(naive_root(leaves)));
        }
    }
}

#[test]
fn every_leaf_of_every_tree_to_70_and_of_some_to_300_is_included() {
    let tree = NaiveTree::new(300);
    for size in (1..=70u64).chain([127, 128, 129, 255, 256, 257, 300]) {
        let head = tree.head(size);
        for index in 0..size {
            let proof = prove_inclusion(index, size, &tree).unwrap();
            check_inclusion(index, &tree.0[index as usize], &proof, &head).unwrap();
        }
        assert!(prove_inclusion(size, size, &tree).is_err());
    }
}

#[test]
fn a_damaged_inclusion_proof_is_refused() {
    let tree = NaiveTree::new(40);
    for size in 1..=40u64 {
        let head = tree.head(size);
        for index in 0..size {
            let leaf = &tree.0[index as usize];
            let proof = prove_inclusion(index, size, &tree).unwrap();
            for bad in damaged(&proof) {
                let refused = check_inclusion(index, leaf, &bad, &head).unwrap_err();
                assert_eq!(refused.kind(), Kind::Refused);
            }
        }
    }
}

#[test]
fn an_inclusion_proof_holds_for_its_own_index_leaf_and_root_only() {
    let tree = NaiveTree::new(33);
    let head = tree.head(33);
    for index in 0..33u64 {
        let proof = prove_inclusion(index, 33, &tree).unwrap();
        for other in (0..40).chain([u64::MAX]) {
            if other != index {
                let leaf = &tree.0[index as usize];
                assert!(check_inclusion(other, leaf, &proof, &head).is_err());
                if let Some(leaf) = tree.0.get(other as usize) {
                    assert!(check_inclusion(index, leaf, &proof, &head).is_err());
                }
            }
        }
        let foreign = TreeHead {
            size: 33,
            root: Sha256::of(b"fork"),
        };
        assert!(check_inclusion(index, &tree.0[index as usize], &proof, &foreign).is_err());
    }
}

#[test]
fn every_tree_to_70_extends_every_smaller_one_and_no_fork_does() {
    let tree = NaiveTree::new(70);
    for new in 0..=70u64 {
        for old in 0..=new {
            let proof = prove_consistency(old, new, &tree).unwrap();
            let (old_head, new_head) = (tree.head(old), tree.head(new));
            check_consistency(&old_head, &new_head, &proof).unwrap();
            let fork = |head: TreeHead| TreeHead {
                root: Sha256::of(b"fork"),
                ..head
            };
            assert!(check_consistency(&fork(old_head), &new_head, &proof).is_err());
            if old > 0 {
                assert!(check_consistency(&old_head, &fork(new_head), &proof).is_err());
            }
            if old < new {
                assert!(check_consistency(&new_head, &old_head, &proof).is_err());
            }
        }
    }
}

#[test]
fn a_damaged_consistency_proof_is_refused() {
    let tree = NaiveTree::new(40);
    for new in 0..=40u64 {
        for old in 0..=new {
            let proof = prove_consistency(old, new, &tree).unwrap();
            for bad in damaged(&proof) {
                let refused = check_consistency(&tree.head(old), &tree.head(new), &bad);
                assert_eq!(refused.unwrap_err().kind(), Kind::Refused, "{old} to {new}");
            }
        }
    }
}

#[test]
fn sizes_up_to_the_limit_are_computed_and_larger_ones_refused() {
    let head = |size| TreeHead {
        size,
        root: Sha256::of(b"huge"),
    };
    let leaf = leaf_hash(b"");
    let long = vec![leaf; 53];
    for (index, want) in [(0, "root"), (MAX_LOG_SIZE - 1, "want 52")] {
        let error = check_inclusion(index, &leaf, &long, &head(MAX_LOG_SIZE)).unwrap_err();
        assert!(error.message().contains(want), "{error}");
    }
    for size in [MAX_LOG_SIZE + 1, u64::MAX] {
        let tree = NaiveTree::new(0);
        assert!(check_inclusion(0, &leaf, &long, &head(size)).is_err());
        assert!(check_consistency(&head(1), &head(size), &long).is_err());
        assert!(check_consistency(&head(size), &head(size), &[]).is_err());
        assert!(root(size, &tree).is_err());
        assert!(prove_inclusion(0, size, &tree).is_err());
        assert!(prove_consistency(1, size, &tree).is_err());
    }
}
