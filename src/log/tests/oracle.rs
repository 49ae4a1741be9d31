//! Our trees and proofs against another implementation of RFC 6962, the crate ct-merkle: what either
//! makes is the same, and what either makes the other accepts.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use sha2::Sha256 as Sha2;

use super::{Lcg, NaiveTree, entry};
use crate::hash::Sha256;
use crate::log::hashes::root;
use crate::log::{
    TreeHead, check_consistency, check_inclusion, prove_consistency, prove_inclusion,
};

type Tree = MemoryBackedTree<Sha2, Vec<u8>>;

fn bytes(proof: &[Sha256]) -> Vec<u8> {
    proof.iter().flat_map(|hash| hash.0).collect()
}

fn theirs(head: &TreeHead) -> RootHash<Sha2> {
    RootHash::new(head.root.0.into(), head.size)
}

fn ours(root: &RootHash<Sha2>) -> TreeHead {
    TreeHead {
        size: root.num_leaves(),
        root: Sha256((*root.as_bytes()).into()),
    }
}

/// Compares everything at one size; `others` are the indexes and older sizes that are looked at.
fn compare(tree: &Tree, naive: &NaiveTree, others: &[u64]) {
    let size = tree.len();
    let head = ours(&tree.root());
    assert_eq!(root(size, naive).unwrap(), head.root, "size {size}");
    for &index in others {
        let proof = prove_inclusion(index, size, naive).unwrap();
        let made = tree.prove_inclusion(index as usize);
        assert_eq!(made.as_bytes(), bytes(&proof), "{index} of {size}");
        check_inclusion(index, &naive.0[index as usize], &proof, &head).unwrap();
        let verify = |proof: &[Sha256], index| {
            let proof = InclusionProof::<Sha2>::from_bytes(bytes(proof));
            theirs(&head).verify_inclusion(&entry(index), index, &proof)
        };
        verify(&proof, index).unwrap();

        let old = index + 1;
        let older = naive.head(old);
        let proof = prove_consistency(old, size, naive).unwrap();
        let made = tree.prove_consistency((size - old) as usize);
        assert_eq!(made.as_bytes(), bytes(&proof), "{old} to {size}");
        check_consistency(&older, &head, &proof).unwrap();
        let made = ConsistencyProof::try_from_bytes(bytes(&proof)).unwrap();
        theirs(&head)
            .verify_consistency(&theirs(&older), &made)
            .unwrap();
    }
}

#[test]
fn every_root_and_proof_to_80_is_the_same_in_ct_merkle() {
    let naive = NaiveTree::new(80);
    let mut tree = Tree::new();
    assert_eq!(ours(&tree.root()), TreeHead::empty());
    for size in 1..=80 {
        tree.push(entry(size - 1));
        let all: Vec<u64> = (0..size).collect();
        compare(&tree, &naive, &all);
    }
}

#[test]
fn roots_and_proofs_of_larger_trees_are_the_same_in_ct_merkle() {
    let naive = NaiveTree::new(3_000);
    let mut random = Lcg(3);
    let mut tree = Tree::new();
    for size in 1..=3_000 {
        tree.push(entry(size - 1));
        if size % 251 == 0 || [255, 256, 257, 1_023, 1_024, 1_025].contains(&size) {
            let some: Vec<u64> = (0..8).map(|_| random.below(size)).collect();
            compare(&tree, &naive, &some);
        }
    }
}

/// Whether both say the same of a consistency proof of `size`.
fn agree(old: &TreeHead, new: &TreeHead, proof: &[Sha256]) -> bool {
    let ours = check_consistency(old, new, proof).is_ok();
    let made = ConsistencyProof::try_from_bytes(bytes(proof)).unwrap();
    let their = theirs(new).verify_consistency(&theirs(old), &made).is_ok();
    ours == their
}

#[test]
fn tampered_proofs_are_judged_alike_by_both() {
    let naive = NaiveTree::new(70);
    let mut random = Lcg(4);
    for _ in 0..3_000 {
        let size = 2 + random.below(68);
        let (index, old) = (random.below(size), 1 + random.below(size));
        let head = naive.head(size);
        let flip = |proof: &mut Vec<Sha256>, random: &mut Lcg| match proof.len() as u64 {
            0 => proof.push(Sha256::of(b"more")),
            n => match random.below(3) {
                0 => {
                    proof[random.below(n) as usize].0[random.below(32) as usize] ^=
                        1 << random.below(8)
                }
                1 => drop(proof.remove(random.below(n) as usize)),
                _ => proof.swap(0, random.below(n) as usize),
            },
        };
        let mut proof = prove_inclusion(index, size, &naive).unwrap();
        flip(&mut proof, &mut random);
        let leaf = naive.0[index as usize];
        let made = InclusionProof::<Sha2>::from_bytes(bytes(&proof));
        let their = theirs(&head).verify_inclusion(&entry(index), index, &made);
        let mine = check_inclusion(index, &leaf, &proof, &head);
        assert_eq!(mine.is_ok(), their.is_ok(), "{index} of {size}: {mine:?}");

        let mut proof = prove_consistency(old, size, &naive).unwrap();
        flip(&mut proof, &mut random);
        assert!(agree(&naive.head(old), &head, &proof), "{old} to {size}");
    }
}
