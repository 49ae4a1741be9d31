//! Tests of the transparency log's core, and what they share: a naive tree to compare with, a
//! store in memory, a fixed-seed generator. No files, no clock, no network.

mod add_checkpoint;
mod append;
mod attacks;
mod checkpoint;
mod collect;
mod cosignature;
mod definition;
mod flips;
mod forest;
mod merkle;
mod mutation;
mod note;
mod oracle;
mod proof;
mod random_bytes;
mod submission;
mod tiles;
mod vectors;
mod witness;
mod witness_policy;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use super::merkle::{TreeHead, leaf_hash, node_hash};
use super::{HashSource, NoteSigner, TlogProof, prove_inclusion};
use crate::hash::Sha256;
use crate::store::Reader;
use crate::{Error, Result};

/// The definition in RFC 6962, section 2.1, word for word, over leaf hashes.
fn naive_root(leaves: &[Sha256]) -> Sha256 {
    match leaves {
        [] => Sha256::of(b""),
        [leaf] => *leaf,
        _ => {
            let mut k = 1;
            while k * 2 < leaves.len() {
                k *= 2;
            }
            node_hash(&naive_root(&leaves[..k]), &naive_root(&leaves[k..]))
        }
    }
}

/// Subtree hashes by the definition, without tiles.
struct NaiveTree(Vec<Sha256>);

impl NaiveTree {
    fn new(size: u64) -> Self {
        NaiveTree((0..size).map(|n| leaf_hash(&entry(n))).collect())
    }

    fn head(&self, size: u64) -> TreeHead {
        TreeHead {
            size,
            root: naive_root(&self.0[..size as usize]),
        }
    }
}

impl HashSource for NaiveTree {
    fn node(&self, level: u8, index: u64) -> Result<Sha256> {
        let start = (index << level) as usize;
        self.0
            .get(start..start + (1 << level))
            .map(naive_root)
            .ok_or_else(|| Error::failed("outside the tree"))
    }
}

fn entry(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn entries(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    range.map(entry).collect()
}

/// A store in memory.
#[derive(Default)]
struct MemoryStore(BTreeMap<String, Vec<u8>>);

impl MemoryStore {
    fn write(&mut self, files: &BTreeMap<String, Vec<u8>>) {
        for (path, bytes) in files {
            let path = format!("log/{path}");
            let old = self.0.insert(path.clone(), bytes.clone());
            assert!(
                old.is_none_or(|old| old == *bytes),
                "{path} was written twice with other bytes"
            );
        }
    }

    fn file(&mut self, path: &str) -> &mut Vec<u8> {
        self.0.get_mut(path).expect(path)
    }
}

impl Reader for MemoryStore {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        match self.0.get(path) {
            Some(bytes) if bytes.len() as u64 > limit => Err(Error::failed("too long")),
            found => Ok(found.cloned()),
        }
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>> {
        let bytes = self.0.get(path).cloned();
        Ok(bytes.map(|bytes| Box::new(std::io::Cursor::new(bytes)) as Box<dyn Read + Send>))
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn list(&self, prefix: &str) -> Result<Option<Vec<String>>> {
        let below = self.0.keys().filter_map(|path| path.strip_prefix(prefix));
        let below = below.filter_map(|path| path.strip_prefix('/')?.split('/').next());
        let names: BTreeSet<String> = below.map(str::to_owned).collect();
        Ok(Some(names.into_iter().collect()))
    }
}

/// Knuth's MMIX generator; its high bits are good enough to pick batches and bytes.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

const ORIGIN: &str = "log.example/timed";

fn signer(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::new(name, ed25519_dalek::SigningKey::from_bytes(&[seed; 32])).unwrap()
}

/// A valid proof of entry 5 in a log of 13.
fn sample_proof() -> TlogProof {
    let tree = NaiveTree::new(13);
    let hashes = prove_inclusion(5, 13, &tree).unwrap();
    let note = super::Checkpoint::new(ORIGIN, tree.head(13))
        .unwrap()
        .sign(&[&signer(ORIGIN, 1)])
        .unwrap();
    TlogProof::new(b"the leaf", 5, &hashes, note).unwrap()
}
