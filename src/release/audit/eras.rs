//! Who could say what, and when: every root with the policy that it pins, in the order in which the log
//! got them. An entry is judged under the policy that was in force at its place. Pure.

use std::collections::BTreeMap;

use super::{Problem, problem};
use crate::attest::dsse::KeySet;
use crate::hash::Sha256;
use crate::keys::PublicKey;
use crate::limits::{MAX_LISTED_METADATA_LEN, MAX_POLICY_LEN, MAX_TLOG_PROOF_LEN};
use crate::log::{TlogProof, VerifierKey};
use crate::release::leaf::metadata_proof;
use crate::release::policy::ReleasePolicy;
use crate::release::view::View;
use crate::store::Reader;
use crate::trust::policy::Pin;
use crate::trust::schema::Root;
use crate::trust::{Unverified, Verified};
use crate::{Error, Result};

/// A root, and what it was good for.
pub struct Era {
    /// The root; its signatures lead back to the first and on to the one that is trusted.
    pub root: Root,
    /// Digest of its file.
    pub digest: Sha256,
    /// The policy that it pins; none where the store has it no more.
    pub policy: Option<ReleasePolicy>,
    /// The entry with which it came; it is in force for that one and those after it.
    pub from: Option<u64>,
}

/// All of them, in order.
pub struct Eras {
    list: Vec<Era>,
    today: ReleasePolicy,
    current: usize,
}

impl Eras {
    /// Reads the chain of roots, and their policies. Gives with it whatever is wrong with them.
    pub fn load(store: &dyn Reader, view: &View) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut list: Vec<Era> = Vec::new();
        let mut before: Option<Verified<Root>> = None;
        let trusted = view.refreshed.root();
        for version in 1..=trusted.version {
            let path = format!("metadata/{version}.root.json");
            let verified = root(store, &path, before.as_ref()).and_then(|root| {
                match root.version == version {
                    true => Ok(root),
                    false => Err(Error::refused(format!("is version {}", root.version))),
                }
            });
            let root = match verified {
                Ok(root) => root,
                Err(e) => {
                    problems.extend(problem(path, &e));
                    continue;
                }
            };
            if version == trusted.version && root.bytes() != trusted.bytes() {
                problems.push(Problem::new(&path, "is not the root that is trusted"));
                continue;
            }
            let policy = policy(store, &root).map_err(|more| problems.extend(more));
            list.push(Era {
                digest: Sha256::of(root.bytes()),
                policy: policy.ok(),
                root: Root::clone(&root),
                from: None,
            });
            before = Some(root);
        }
        let eras = Eras {
            list,
            today: view.policy.clone(),
            current: 0,
        };
        (eras, problems)
    }

    /// Every key that any of the policies names, for whatever.
    pub fn keys(&self) -> KeySet {
        let policies = self.list.iter().filter_map(|era| era.policy.as_ref());
        let keys = policies.chain([&self.today]).flat_map(|policy| {
            let entries = policy.policy().document().keys.iter();
            entries.filter_map(|entry| policy.policy().unchecked_key(&entry.id))
        });
        KeySet::new(keys.filter_map(|key| PublicKey::from_bytes(key.bytes).ok()))
    }

    /// Every key that the log ever had.
    pub fn log_keys(&self) -> Vec<VerifierKey> {
        let policies = self.list.iter().filter_map(|era| era.policy.as_ref());
        let mut keys = self.today.log_keys().to_vec();
        for key in policies.flat_map(|policy| policy.log_keys()) {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        keys
    }

    /// The policy of the newest root.
    pub fn today(&self) -> &ReleasePolicy {
        &self.today
    }

    /// The newest root's version.
    pub fn version_today(&self) -> u64 {
        self.list.last().map_or(0, |era| era.root.version)
    }

    /// All that could be read.
    pub fn all(&self) -> &[Era] {
        &self.list
    }

    /// The one in force at an entry, once the log was read up to it.
    pub fn at(&self, index: u64) -> Option<&Era> {
        let begun = |era: &&Era| era.from.is_some_and(|from| from <= index);
        self.list.iter().rev().find(begun).or(self.list.first())
    }

    /// The one in force where the log has been read to.
    pub fn current(&self) -> Option<&Era> {
        self.list.get(self.current)
    }

    /// The root that an entry about these metadata files would bring: the one after the present one,
    /// or the first.
    pub fn brought_by(&self, files: &BTreeMap<String, Sha256>) -> Option<&Era> {
        self.next(files).and_then(|at| self.list.get(at))
    }

    fn next(&self, files: &BTreeMap<String, Sha256>) -> Option<usize> {
        let has = |at: &usize| {
            self.list.get(*at).is_some_and(|era| {
                let name = format!("{}.root.json", era.root.version);
                era.from.is_none() && files.get(&name) == Some(&era.digest)
            })
        };
        [self.current, self.current + 1].into_iter().find(has)
    }

    /// Takes note of an entry that counts.
    pub fn advance(&mut self, index: u64, files: &BTreeMap<String, Sha256>) {
        if let Some(at) = self.next(files)
            && let Some(era) = self.list.get_mut(at)
        {
            era.from = Some(index);
            self.current = at;
        }
    }

    /// Goes on at entry `since` without the entries before it: which roots came with those, their
    /// proofs say.
    ///
    /// # Errors
    /// A proof that is missing or malformed.
    pub fn resume(&mut self, store: &dyn Reader, since: u64) -> Result<()> {
        for (at, era) in self.list.iter_mut().enumerate() {
            let path = metadata_proof(&format!("{}.root", era.root.version));
            let bytes = store.read(&path, MAX_TLOG_PROOF_LEN)?;
            let bytes = bytes.ok_or_else(|| Error::refused(format!("{path} is missing")))?;
            let index = TlogProof::parse(&bytes)
                .map_err(|e| e.under(path))?
                .unverified_index();
            if index < since {
                era.from = Some(index);
                self.current = at;
            }
        }
        Ok(())
    }
}

fn root(store: &dyn Reader, path: &str, before: Option<&Verified<Root>>) -> Result<Verified<Root>> {
    let bytes = store.read(path, MAX_LISTED_METADATA_LEN)?;
    let bytes = bytes.ok_or_else(|| Error::refused("is missing"))?;
    let new = Unverified::<Root>::parse(&bytes)?;
    Ok(match before {
        None => new.verify_self()?,
        Some(old) => Verified::<Root>::verify_next(old, new)?,
    })
}

fn policy(store: &dyn Reader, root: &Root) -> Result<ReleasePolicy, Vec<Problem>> {
    let name = format!("{}.root.json", root.version);
    let pin = Pin::from_root(root).map_err(|e| problem(name, &e))?;
    let path = format!("metadata/{}", pin.file_name());
    let read = store.read(&path, MAX_POLICY_LEN);
    let read = read.and_then(|bytes| bytes.ok_or_else(|| Error::refused("is missing")));
    read.and_then(|bytes| ReleasePolicy::parse(&bytes, pin))
        .map_err(|e| problem(path, &e))
}
