//! What the log says, once it was read again, each with its place. Pure.

use std::collections::BTreeMap;

use super::Problem;
use crate::hash::Sha256;
use crate::release::leaf::{
    AttestationKind, Leaf, ReceiptsLeaf, ReleaseLeaf, RollbackLeaf, YankLeaf,
};
use crate::release::state::Released;

/// Leaves that counted when they were logged, by what they are about.
#[derive(Default)]
pub struct Logged {
    /// Entries before this one were not read.
    pub since: u64,
    /// Release leaves by tag.
    pub releases: BTreeMap<String, Vec<(u64, ReleaseLeaf)>>,
    /// The digests that metadata files have, by file name.
    pub metadata: BTreeMap<String, Vec<(u64, Sha256)>>,
    /// Yanks by tag.
    pub yanks: BTreeMap<String, Vec<(u64, YankLeaf)>>,
    /// Rollbacks of environments.
    pub rollbacks: Vec<(u64, RollbackLeaf)>,
    /// Batches of receipts.
    pub receipts: Vec<(u64, ReceiptsLeaf)>,
    /// How many of each kind a release has.
    pub attestations: BTreeMap<(String, AttestationKind), u64>,
}

impl Logged {
    /// Takes note of a leaf.
    pub fn note(&mut self, index: u64, leaf: Leaf) {
        match leaf {
            Leaf::Release(leaf) => {
                let of_tag = self.releases.entry(leaf.tag.clone()).or_default();
                of_tag.push((index, leaf));
            }
            Leaf::Metadata(leaf) => {
                for (name, digest) in leaf.files {
                    self.metadata.entry(name).or_default().push((index, digest));
                }
            }
            Leaf::Yank(leaf) => {
                let of_tag = self.yanks.entry(leaf.tag.clone()).or_default();
                of_tag.push((index, leaf));
            }
            Leaf::Attestation(leaf) => {
                *self.attestations.entry((leaf.tag, leaf.kind)).or_default() += 1;
            }
            Leaf::Rollback(leaf) => self.rollbacks.push((index, leaf)),
            Leaf::Receipts(leaf) => self.receipts.push((index, leaf)),
            Leaf::Announcement(_) | Leaf::Override(_) | Leaf::Unknown { .. } => {}
        }
    }

    /// The first entry that has this file with this digest.
    pub fn place(&self, name: &str, digest: Sha256) -> Option<u64> {
        let known = self.metadata.get(name)?.iter();
        known.filter(|(_, d)| *d == digest).map(|(at, _)| *at).min()
    }

    /// The yanks of a release, in the log's order.
    pub fn yanks_of(&self, tag: &str) -> Vec<YankLeaf> {
        let found = self.yanks.get(tag).into_iter().flatten();
        found.map(|(_, leaf)| leaf.clone()).collect()
    }

    /// The log and the metadata tell of the same releases, each once. `old` says which were there
    /// before the entries that were read.
    pub fn one_leaf_each(
        &self,
        released: &[Released],
        old: &dyn Fn(&Released) -> bool,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        for release in released {
            match self.releases.get(&release.tag).map(Vec::as_slice) {
                None if old(release) => {}
                Some([_]) if !old(release) => {}
                Some(leaves) => problems.push(Problem::new(
                    &release.tag,
                    format!(
                        "is in the log {} times, wanted once",
                        leaves.len() + usize::from(old(release))
                    ),
                )),
                None => problems.push(Problem::new(
                    &release.tag,
                    "is in targets.json and not in the log",
                )),
            }
        }
        for tag in self.releases.keys() {
            if !released.iter().any(|r| r.tag == *tag) {
                problems.push(Problem::new(tag, "is in the log and not in targets.json"));
            }
        }
        problems
    }
}
