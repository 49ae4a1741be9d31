//! Every single bit of everything that a proof rests on, flipped: refused.
//!
//! RFC 6962 has one exception, which its users must know: a root does not say how many leaves it is
//! over, so a proof alone can hold for several sizes. What fixes the size is the checkpoint's
//! signature; here each bit of the signed text is flipped as well.

use super::{MemoryStore, NaiveTree, ORIGIN, entries, entry, sample_proof, signer};
use crate::hash::Sha256;
use crate::log::merkle::TreeHead;
use crate::log::{
    Checkpoint, Note, StoreTiles, TileHashes, TlogProof, VerifiedCheckpoint, check_consistency,
    check_inclusion, plan_append, prove_consistency, prove_inclusion,
};

/// A hash with each of its bits flipped in turn.
fn flips(hash: &Sha256) -> impl Iterator<Item = Sha256> {
    let hash = *hash;
    (0..256).map(move |bit| {
        let mut out = hash;
        out.0[bit / 8] ^= 1 << (bit % 8);
        out
    })
}

/// A proof with each bit of each of its hashes flipped in turn.
fn flipped_proofs(proof: &[Sha256]) -> impl Iterator<Item = Vec<Sha256>> {
    (0..proof.len()).flat_map(move |at| {
        flips(&proof[at]).map(move |hash| {
            let mut out = proof.to_vec();
            out[at] = hash;
            out
        })
    })
}

#[test]
fn every_bit_of_an_inclusion_proof_its_leaf_root_and_index_counts() {
    let tree = NaiveTree::new(12);
    for size in 1..=12u64 {
        let head = tree.head(size);
        for index in 0..size {
            let leaf = tree.0[index as usize];
            let proof = prove_inclusion(index, size, &tree).unwrap();
            for bad in flipped_proofs(&proof) {
                assert!(check_inclusion(index, &leaf, &bad, &head).is_err());
            }
            for bad in flips(&leaf) {
                assert!(check_inclusion(index, &bad, &proof, &head).is_err());
            }
            for root in flips(&head.root) {
                let bad = TreeHead { size, root };
                assert!(check_inclusion(index, &leaf, &proof, &bad).is_err());
            }
            for bit in 0..64 {
                let bad = index ^ (1 << bit);
                assert!(check_inclusion(bad, &leaf, &proof, &head).is_err());
            }
        }
    }
}

#[test]
fn every_bit_of_a_consistency_proof_and_its_two_roots_counts() {
    let tree = NaiveTree::new(12);
    for size in 1..=12u64 {
        let new = tree.head(size);
        for old in (1..=size).map(|old| tree.head(old)) {
            let proof = prove_consistency(old.size, size, &tree).unwrap();
            check_consistency(&old, &new, &proof).unwrap();
            for bad in flipped_proofs(&proof) {
                assert!(check_consistency(&old, &new, &bad).is_err());
            }
            for root in flips(&old.root) {
                assert!(check_consistency(&TreeHead { root, ..old }, &new, &proof).is_err());
            }
            for root in flips(&new.root) {
                assert!(check_consistency(&old, &TreeHead { root, ..new }, &proof).is_err());
            }
        }
    }
}

/// Sizes with one bit of `size` flipped.
fn flipped_sizes(size: u64) -> impl Iterator<Item = u64> {
    (0..64).map(move |bit| size ^ (1 << bit))
}

#[test]
fn a_flipped_size_is_refused_where_a_proof_says_anything_about_sizes() {
    let tree = NaiveTree::new(33);
    let mut both = (0, 0);
    for size in 1..=33u64 {
        for index in 0..size {
            let leaf = tree.0[index as usize];
            let proof = prove_inclusion(index, size, &tree).unwrap();
            for bad in flipped_sizes(size) {
                let head = TreeHead {
                    size: bad,
                    ..tree.head(size)
                };
                let refused = check_inclusion(index, &leaf, &proof, &head).is_err();
                // The way up to the root is the same in trees of both sizes.
                let same_way = bad > index
                    && (index ^ (bad - 1)).checked_ilog2() == (index ^ (size - 1)).checked_ilog2();
                assert_eq!(refused, !same_way, "{index} of {size} as {bad}");
                match refused {
                    true => both.0 += 1,
                    false => both.1 += 1,
                }
            }
        }
    }
    assert!(both.0 > 0 && both.1 > 0, "{both:?}");
}

/// A checkpoint of the sample log, signed.
fn signed(size: u64) -> (NaiveTree, Note) {
    let tree = NaiveTree::new(13);
    let checkpoint = Checkpoint::new(ORIGIN, tree.head(size)).unwrap();
    let note = checkpoint.sign(&[&signer(ORIGIN, 1)]).unwrap();
    (tree, note)
}

fn verify(note: &[u8]) -> crate::Result<VerifiedCheckpoint> {
    let keys = [signer(ORIGIN, 1).verifier().clone()];
    VerifiedCheckpoint::verify(&Note::parse(note)?, &keys, ORIGIN)
}

#[test]
fn every_bit_of_a_checkpoint_counts() {
    let (_, note) = signed(13);
    let note = note.to_string().into_bytes();
    verify(&note).unwrap();
    for bit in 0..note.len() * 8 {
        let mut bad = note.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&bad).is_err(), "bit {bit}");
    }
}

#[test]
fn every_bit_of_a_tlog_proof_counts_but_for_its_extra_line() {
    let keys = [signer(ORIGIN, 1).verifier().clone()];
    let proof = sample_proof().to_string().into_bytes();
    let extra = String::from_utf8(proof.clone()).unwrap();
    let extra = extra.find("extra ").unwrap()..extra.find("index ").unwrap();
    let verify = |proof: &[u8]| TlogProof::parse(proof)?.verify(&entry(5), &keys, ORIGIN);
    verify(&proof).unwrap();
    for bit in (0..proof.len() * 8).filter(|bit| !extra.contains(&(bit / 8))) {
        let mut bad = proof.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&bad).is_err(), "bit {bit}");
    }
    // The extra line is opaque: only an entry that is believed for its hash may come from it.
    for bit in extra
        .clone()
        .flat_map(|at| (0..8).map(move |bit| at * 8 + bit))
    {
        let mut bad = proof.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let Ok(parsed) = TlogProof::parse(&bad) else {
            continue;
        };
        assert_eq!(parsed.to_string().into_bytes(), bad, "bit {bit}");
    }
}

#[test]
fn a_flipped_bit_in_a_tile_of_any_level_is_refused_before_anything_is_believed() {
    let size = 66_000;
    let mut store = MemoryStore::default();
    let tiles = StoreTiles::new(&store, "log", 0);
    let plan = plan_append(&TreeHead::empty(), &tiles, &entries(0..size)).unwrap();
    store.write(&plan.files);
    let head = plan.new;
    // Each full tile is on the way to entry 300 or the last but one; each partial one is the edge.
    let levels = [
        ("log/tile/0/001", 300),
        ("log/tile/0/257.p/208", 300),
        ("log/tile/1/000", 300),
        ("log/tile/1/001.p/1", 300),
        ("log/tile/2/000.p/1", 300),
        ("log/tile/0/256", 65_600),
        ("log/tile/entries/001", 300),
        ("log/tile/entries/257.p/208", 65_999),
    ];
    let read = |store: &MemoryStore, index: u64| {
        let tiles = StoreTiles::new(store, "log", size);
        let hashes = TileHashes::open(&tiles, &head)?;
        let bundle = hashes.entries(index / 256)?;
        let proof = prove_inclusion(index, size, &hashes)?;
        assert_eq!(bundle[(index % 256) as usize], entry(index));
        Ok::<_, crate::Error>(proof)
    };
    for (path, index) in levels {
        read(&store, index).unwrap();
        let bits = store.file(path).len() * 8;
        for bit in (0..bits).step_by(bits / 11) {
            store.file(path)[bit / 8] ^= 1 << (bit % 8);
            let error = read(&store, index).expect_err(path);
            assert_eq!(error.kind(), crate::Kind::Refused, "{path}: {error}");
            store.file(path)[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
