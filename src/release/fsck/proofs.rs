//! The proofs in a store: each leads by itself into a checkpoint that the log has signed, and so tells
//! what an entry was, also where its bundle is lost. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::bundles::Places;
use super::finding::{Finding, Remake, State};
use crate::Result;
use crate::hash::Sha256;
use crate::limits::{MAX_FRESH_PROOFS, MAX_TLOG_PROOF_LEN};
use crate::log::{Forest, TlogProof, TreeHead, VerifiedCheckpoint, hashes, leaf_hash};
use crate::release::leaf::PROOF_SUFFIX;
use crate::release::policy::ReleasePolicy;
use crate::release::verify::{first_path, fresh_path};
use crate::store::Reader;

const CHECK: &str = "proofs";
/// Directories that have none.
const OTHERS: [&str; 2] = ["log", "targets"];

/// A proof that holds by itself.
struct Proof {
    index: u64,
    leaf: Sha256,
    /// Of its checkpoint.
    head: TreeHead,
}

/// All proofs that were found.
pub struct Proofs {
    sound: BTreeMap<String, Proof>,
    /// Those that are there and prove nothing.
    broken: BTreeSet<String>,
    newest: Option<VerifiedCheckpoint>,
    listed: bool,
}

impl Proofs {
    /// Reads all proofs of a store that can be listed.
    pub fn listed(store: &dyn Reader, policy: &ReleasePolicy, findings: &mut Vec<Finding>) -> Self {
        let mut proofs = Proofs {
            sound: BTreeMap::new(),
            broken: BTreeSet::new(),
            newest: None,
            listed: false,
        };
        let Ok(Some(tops)) = store.list("") else {
            return proofs;
        };
        proofs.listed = true;
        let dirs = tops.iter().map(String::as_str);
        for dir in dirs.filter(|dir| !dir.starts_with('.') && !OTHERS.contains(dir)) {
            for name in store.list(dir).ok().flatten().unwrap_or_default() {
                if name.ends_with(PROOF_SUFFIX) {
                    proofs.look(store, policy, &format!("{dir}/{name}"), findings);
                }
            }
        }
        proofs
    }

    /// How many hold.
    pub fn number(&self) -> usize {
        self.sound.len()
    }

    /// The newest checkpoint that came with one.
    pub fn newest(&self) -> Option<&VerifiedCheckpoint> {
        self.newest.as_ref()
    }

    /// For each entry that a proof carries: its leaf hash, and the proof.
    pub fn extras(&self) -> BTreeMap<u64, (Sha256, String)> {
        let sound = self.sound.iter();
        sound
            .map(|(path, proof)| (proof.index, (proof.leaf, path.clone())))
            .collect()
    }

    /// Reads one; tells whether there is one.
    fn look(
        &mut self,
        store: &dyn Reader,
        policy: &ReleasePolicy,
        path: &str,
        findings: &mut Vec<Finding>,
    ) -> bool {
        let read = store.read(path, MAX_TLOG_PROOF_LEN);
        let checked = match read {
            Ok(None) => return false,
            Ok(Some(bytes)) => self.take(policy, path, &bytes),
            Err(e) => Err(e),
        };
        if let Err(e) = checked {
            self.broken.insert(path.to_owned());
            let message = format!("proves nothing of this log: {e}");
            findings.push(Finding::new(CHECK, path, State::Differs, message));
        }
        true
    }

    fn take(&mut self, policy: &ReleasePolicy, path: &str, bytes: &[u8]) -> Result<()> {
        let proof = TlogProof::parse(bytes)?;
        let entry = proof.unverified_extra();
        let included = proof.verify(entry, policy.log_keys(), policy.log_origin())?;
        let checkpoint = included.checkpoint();
        let newest = self.newest.as_ref().map_or(0, |known| known.head().size);
        if checkpoint.head().size > newest {
            self.newest = Some(checkpoint.clone());
        }
        self.sound.insert(
            path.to_owned(),
            Proof {
                index: included.index(),
                leaf: leaf_hash(entry),
                head: *checkpoint.head(),
            },
        );
        Ok(())
    }

    /// Holds every proof against the log, and looks for those that should be there.
    pub fn check(
        &mut self,
        store: &dyn Reader,
        policy: &ReleasePolicy,
        (forest, head): (&Forest, &TreeHead),
        places: &Places,
        findings: &mut Vec<Finding>,
    ) {
        if !self.listed {
            for path in places.keys() {
                let mut there = self.look(store, policy, path, findings);
                let mut n = 1;
                while there && n <= MAX_FRESH_PROOFS {
                    there = self.look(store, policy, &fresh_path(path, n), findings);
                    n += 1;
                }
            }
        }
        let placed: BTreeSet<u64> = places.values().flatten().copied().collect();
        for (path, proof) in &self.sound {
            let first = first_path(path);
            let own = places.get(first.as_deref().unwrap_or(path));
            let index = proof.index;
            let (state, message) = match strange(proof, forest, head) {
                Some(message) => (State::Differs, message),
                None if own.is_some_and(|own| !own.contains(&index)) => (
                    State::Differs,
                    format!("is about entry {index}, which belongs elsewhere"),
                ),
                None if own.is_none() && placed.contains(&index) => (
                    State::Stray,
                    format!("is about entry {index}, whose proof has another name"),
                ),
                None => continue,
            };
            findings.push(Finding::new(CHECK, path, state, message));
        }
        for (path, indices) in places {
            let there = self.sound.contains_key(path) || self.broken.contains(path);
            let Some(index) = indices.last().filter(|_| !there) else {
                continue;
            };
            let how = format!("for entry {index}, under the newest checkpoint");
            findings.push(match hashes::prove_inclusion(*index, head.size, forest) {
                Ok(_) => Finding::missing(CHECK, path, &how, Remake::Proof(*index)),
                Err(e) => Finding::new(
                    CHECK,
                    path,
                    State::Missing,
                    format!("is missing, and cannot be rebuilt: {e}"),
                ),
            });
        }
    }
}

/// What is wrong with a proof that holds by itself.
fn strange(proof: &Proof, forest: &Forest, head: &TreeHead) -> Option<String> {
    let index = proof.index;
    if proof.head.size > head.size {
        return Some(format!(
            "is under a checkpoint of {} entries, the log here has {}: the store was put back to an older \
             state",
            proof.head.size, head.size
        ));
    }
    if forest.leaf(index).is_some_and(|leaf| leaf != proof.leaf) {
        return Some(format!(
            "is about entry {index}, which is another one in this log"
        ));
    }
    match hashes::root(proof.head.size, forest) {
        Ok(root) if root != proof.head.root => Some(format!(
            "is under a checkpoint of {} entries with root {}, this log had {root}: the log was forked",
            proof.head.size, proof.head.root
        )),
        _ => None,
    }
}
