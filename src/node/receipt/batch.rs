//! Batches: receipts of any number of nodes, as they were exported, held against the policy. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::chain::{self, Accepted, Receipt};
use crate::attest::dsse::short;
use crate::hash::Sha256;
use crate::keys::PublicKey;
use crate::release::leaf::ReceiptsLeaf;
use crate::release::policy::ReleasePolicy;
use crate::trust::policy::Purpose;
use crate::{Error, Result};

/// A batch of which every signature and every link within it was verified.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Digest of its file.
    pub sha256: Sha256,
    /// Its receipts, each once, in the file's order.
    pub receipts: Vec<Receipt>,
    /// Their lines, by key and number.
    lines: BTreeMap<(PublicKey, u64), Vec<u8>>,
}

/// What a batch has of one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The environment.
    pub environment: String,
    /// Names of the nodes, sorted.
    pub nodes: BTreeSet<String>,
    /// How many receipts.
    pub receipts: u64,
    /// When the first operation ended.
    #[serde(with = "crate::trust::time")]
    pub first: Timestamp,
    /// When the last one did.
    #[serde(with = "crate::trust::time")]
    pub last: Timestamp,
}

impl Batch {
    /// Verifies a batch under `policy`: each receipt's key has purpose `node` and counted when the
    /// operation ended; those of one key follow each other without a gap.
    ///
    /// # Errors
    /// Refused, with every problem.
    pub fn verify(bytes: &[u8], policy: &ReleasePolicy) -> Result<Self> {
        let known = node_keys(policy);
        let by_policy = |at: Timestamp| policy.accepted(&Purpose::Node, at);
        Self::check(bytes, &by_policy).map_err(|error| {
            let names: Vec<String> = known.iter().map(|key| short(&key.keyid())).collect();
            let names = match names.is_empty() {
                true => "none".to_owned(),
                false => names.join(", "),
            };
            error
                .caused_by(format!(
                    "keys of nodes in policy, whenever they count: {names}"
                ))
                .hint("let a node's key count: relman root add node NODE.pub --person NAME")
        })
    }

    /// [`Batch::verify`] for a batch that was verified when it was taken in: under every key that policy
    /// has for a node, whether it counts by now or not.
    ///
    /// # Errors
    /// As [`Batch::verify`].
    pub fn verify_kept(bytes: &[u8], policy: &ReleasePolicy) -> Result<Self> {
        let known = node_keys(policy);
        Self::check(bytes, &|_| known.clone())
    }

    /// [`Batch::verify`] under keys that somebody else chooses.
    ///
    /// # Errors
    /// Refused, with every problem.
    pub fn check(bytes: &[u8], accepted: &Accepted) -> Result<Self> {
        let sorted = chain::sort(bytes, true);
        let mut problems = sorted.problems;
        if sorted.torn > 0 {
            problems.push(format!(
                "{} bytes after the last whole receipt",
                sorted.torn
            ));
        }
        if sorted.receipts.is_empty() {
            problems.push("there is no receipt in it".into());
        }
        let mut batch = Batch {
            sha256: Sha256::of(bytes),
            receipts: Vec::new(),
            lines: BTreeMap::new(),
        };
        for lines in &sorted.receipts {
            let receipt = match chain::verify(lines, accepted) {
                Ok(receipt) => receipt,
                Err(e) => {
                    problems.push(e.to_string());
                    continue;
                }
            };
            let place = (receipt.key, receipt.deployment.sequence);
            match batch.lines.get(&place) {
                Some(known) if known == lines.receipt => continue,
                Some(known) => return Err(fork(&receipt, known, lines.receipt)),
                None => {}
            }
            batch.lines.insert(place, lines.receipt.to_vec());
            batch.receipts.push(receipt);
        }
        problems.extend(batch.links());
        match problems.is_empty() {
            true => Ok(batch),
            false => Err(problems.into_iter().fold(
                Error::refused("the receipts do not verify"),
                Error::caused_by,
            )),
        }
    }

    /// Within each key's receipts every one follows the one before.
    fn links(&self) -> Vec<String> {
        let mut sorted: Vec<&Receipt> = self.receipts.iter().collect();
        sorted.sort_by_key(|receipt| (receipt.key, receipt.deployment.sequence));
        let pairs = sorted.windows(2).filter_map(|pair| match pair {
            [a, b] if a.key == b.key => {
                let problem = chain::broken_link(&b.deployment, a.deployment.sequence, a.digest)?;
                Some(format!("{}: {problem}", b.deployment.node.name))
            }
            _ => None,
        });
        let firsts = sorted.iter().filter_map(|receipt| {
            let deployment = &receipt.deployment;
            (deployment.sequence == 1 && deployment.previous.is_some()
                || deployment.sequence != 1 && deployment.previous.is_none())
            .then(|| {
                format!(
                    "{}: receipt {} {} one before it",
                    deployment.node.name,
                    deployment.sequence,
                    match deployment.previous {
                        Some(_) => "names",
                        None => "names no",
                    }
                )
            })
        });
        pairs.chain(firsts).collect()
    }

    /// Holds this batch against one that was kept before: what both have must be the same, and what
    /// follows in one must follow from the other.
    ///
    /// # Errors
    /// Refused: a node signed two different receipts with one number; both are in the causes.
    pub fn agrees(&self, earlier: &Batch) -> Result<()> {
        for receipt in &self.receipts {
            let (key, number) = (receipt.key, receipt.deployment.sequence);
            let own = self.lines.get(&(key, number));
            if let (Some(own), Some(known)) = (own, earlier.lines.get(&(key, number)))
                && own != known
            {
                return Err(fork(receipt, known, own));
            }
            let before = number.checked_sub(1).and_then(|n| {
                let line = earlier.lines.get(&(key, n))?;
                Some((line, Sha256::of(line)))
            });
            if let (Some((line, digest)), Some(own)) = (before, own)
                && receipt.deployment.previous != Some(digest)
            {
                return Err(fork(receipt, line, own));
            }
        }
        for receipt in &earlier.receipts {
            let (key, number) = (receipt.key, receipt.deployment.sequence);
            let before = number.checked_sub(1);
            let before = before.and_then(|n| self.lines.get(&(key, n)));
            if let Some(line) = before
                && receipt.deployment.previous != Some(Sha256::of(line))
                && let Some(known) = earlier.lines.get(&(key, number))
            {
                return Err(fork(receipt, known, line));
            }
        }
        Ok(())
    }

    /// What it has, by environment.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts: BTreeMap<&str, Part> = BTreeMap::new();
        for receipt in &self.receipts {
            let node = &receipt.deployment.node;
            let part = parts.entry(&node.environment).or_insert_with(|| Part {
                environment: node.environment.clone(),
                nodes: BTreeSet::new(),
                receipts: 0,
                first: receipt.ended,
                last: receipt.ended,
            });
            part.nodes.insert(node.name.clone());
            part.receipts += 1;
            part.first = part.first.min(receipt.ended);
            part.last = part.last.max(receipt.ended);
        }
        parts.into_values().collect()
    }

    /// What the log is to say of it: one leaf an environment.
    pub fn leaves(&self, now: Timestamp) -> Vec<ReceiptsLeaf> {
        let leaf = |part: Part| ReceiptsLeaf {
            environment: part.environment,
            batch: self.sha256,
            receipts: part.receipts,
            first: part.first,
            last: part.last,
            time: now,
        };
        self.parts().into_iter().map(leaf).collect()
    }
}

/// Every key that policy has for a node, whenever it counts.
fn node_keys(policy: &ReleasePolicy) -> Vec<PublicKey> {
    let entries = policy.policy().document().keys.iter();
    entries
        .filter(|entry| entry.purpose == Purpose::Node)
        .filter_map(|entry| policy.policy().unchecked_key(&entry.id))
        .filter_map(|key| PublicKey::from_bytes(key.bytes).ok())
        .collect()
}

/// A node told two stories: the alarm shows both.
fn fork(receipt: &Receipt, known: &[u8], found: &[u8]) -> Error {
    let deployment = &receipt.deployment;
    let text = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
    Error::refused(format!(
        "alarm: node {} (key {}) has signed two histories, which part at receipt {}",
        deployment.node.name,
        short(&receipt.key.keyid()),
        deployment.sequence
    ))
    .caused_by(format!("one is:\n{}", text(known)))
    .caused_by(format!("the other is:\n{}", text(found)))
    .hint("its state was put back, copied or forged: keep both files, look at the host, give it a new key")
}
