//! Every version of every metadata file: there, signed, and logged before it was published. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Problem, problem};
use crate::hash::Sha256;
use crate::limits::{MAX_LISTED_METADATA_LEN, MAX_TLOG_PROOF_LEN};
use crate::log::TlogProof;
use crate::release::policy::ReleasePolicy;
use crate::release::verify::logged_files;
use crate::release::view::View;
use crate::store::Reader;
use crate::trust::schema::{Role, Root, Snapshot, Targets};
use crate::trust::verify::Signers;
use crate::trust::{TrustError, Unverified};
use crate::{Error, Result};

type Digests = BTreeMap<String, BTreeSet<Sha256>>;

/// Checks all versions up to the present ones.
pub fn check(
    store: &dyn Reader,
    view: &mut View,
    logged: &Digests,
) -> Result<((), String), Vec<Problem>> {
    let mut walk = Walk {
        store,
        logged,
        policy: view.policy.clone(),
        problems: Vec::new(),
        files: 0,
    };
    let roots = walk.roots(view.refreshed.root().version);
    let of_root = |role: &'static str| {
        let roots = &roots;
        move || -> Vec<Signers<'_>> {
            roots
                .iter()
                .filter_map(|root| Signers::of_root(root, role).ok())
                .collect()
        }
    };
    walk.role::<Snapshot>(
        "snapshot",
        view.refreshed.snapshot().version,
        false,
        &of_root("snapshot")(),
    );
    let targets = walk.role::<Targets>(
        "targets",
        view.refreshed.targets().version,
        true,
        &of_root("targets")(),
    );
    for name in view.policy.policy().role_names() {
        let version = match view.refreshed.role(&name) {
            Ok(role) => role.version,
            Err(e) => {
                walk.problems.extend(problem(format!("{name}.json"), &e));
                continue;
            }
        };
        let signers: Vec<Signers> = targets
            .iter()
            .filter_map(|targets| Signers::of_delegation(targets, "targets", &name).ok())
            .collect();
        walk.role::<Targets>(&name, version, true, &signers);
    }
    match walk.problems.is_empty() {
        true => Ok((
            (),
            format!(
                "{} metadata files, each signed, each logged and proved that must be",
                walk.files
            ),
        )),
        false => Err(walk.problems),
    }
}

fn proof_of(name: &str) -> String {
    format!("{}.tlog-proof", name.trim_end_matches(".json"))
}

struct Walk<'a> {
    store: &'a dyn Reader,
    logged: &'a Digests,
    policy: ReleasePolicy,
    problems: Vec<Problem>,
    files: usize,
}

impl Walk<'_> {
    /// The chain of roots; each is signed by itself and by the one before.
    fn roots(&mut self, last: u64) -> Vec<Root> {
        let mut roots: Vec<Root> = Vec::new();
        let mut before = None;
        for version in 1..=last {
            let name = format!("{version}.root.json");
            let Some(bytes) = self.file(&name, true) else {
                continue;
            };
            let verified = Unverified::<Root>::parse(&bytes).and_then(|new| match &before {
                None => new.verify_self(),
                Some(old) => crate::trust::Verified::<Root>::verify_next(old, new),
            });
            match verified {
                Ok(root) => {
                    roots.push(Root::clone(&root));
                    before = Some(root);
                }
                Err(e) => self.bad(&name, &e),
            }
        }
        roots
    }

    /// All versions of a role; each must be signed by the threshold that one of its delegators set.
    fn role<T: Role>(
        &mut self,
        role: &str,
        last: u64,
        logged: bool,
        signers: &[Signers],
    ) -> Vec<T> {
        let mut good = Vec::new();
        for version in 1..=last {
            let name = format!("{version}.{role}.json");
            let Some(bytes) = self.file(&name, logged) else {
                continue;
            };
            let mut refused = None;
            let found = signers.iter().rev().find_map(|signers| {
                let verified = Unverified::<T>::parse(&bytes)
                    .and_then(|parsed| parsed.verify(role, "its delegator", *signers));
                verified.map_err(|e| refused = Some(e)).ok()
            });
            match (found, refused) {
                (Some(verified), _) if verified.version() != version => {
                    let message = format!("says that it is version {}", verified.version());
                    self.problems
                        .push(Problem::new(format!("metadata/{name}"), message));
                }
                (Some(verified), _) => good.push(T::clone(&verified)),
                (None, Some(e)) => self.bad(&name, &e),
                (None, None) => self.problems.push(Problem::new(
                    format!("metadata/{name}"),
                    "has nobody who could have signed it",
                )),
            }
        }
        good
    }

    /// A version's bytes. A number that was never published has neither file nor leaf.
    fn file(&mut self, name: &str, logged: bool) -> Option<Vec<u8>> {
        let path = format!("metadata/{name}");
        let digests = self.logged.get(name);
        let bytes = match self.store.read(&path, MAX_LISTED_METADATA_LEN) {
            Ok(bytes) => bytes,
            Err(e) => {
                self.problems.extend(problem(path, &e));
                return None;
            }
        };
        let Some(bytes) = bytes else {
            if digests.is_some() {
                self.problems
                    .push(Problem::new(path, "is in the log, but missing here"));
            }
            return None;
        };
        self.files += 1;
        let digest = Sha256::of(&bytes);
        if logged && digests.is_none_or(|known| !known.contains(&digest)) {
            let message = format!("hashes to {digest}, which the log does not have");
            self.problems.push(Problem::new(path, message));
        } else if logged && let Err(e) = self.proof(name, digest) {
            let path = format!("metadata/{}", proof_of(name));
            self.problems.extend(problem(path, &e));
        }
        Some(bytes)
    }

    /// The file's own proof, without which no node would take it.
    fn proof(&self, name: &str, digest: Sha256) -> Result<()> {
        let path = format!("metadata/{}", proof_of(name));
        let bytes = self
            .store
            .read(&path, MAX_TLOG_PROOF_LEN)?
            .ok_or_else(|| Error::refused("is missing"))?;
        let proof = TlogProof::parse(&bytes)?;
        let entry = proof.unverified_extra().to_vec();
        let (keys, origin) = (self.policy.log_keys(), self.policy.log_origin());
        let included = proof.verify(&entry, keys, origin)?;
        self.policy.witnesses().cosigned(included.checkpoint())?;
        match logged_files(&entry, &self.policy)?.get(name) {
            Some(found) if *found == digest => Ok(()),
            _ => Err(Error::refused(format!("is not about {name}"))),
        }
    }

    fn bad(&mut self, name: &str, error: &TrustError) {
        self.problems
            .push(Problem::new(format!("metadata/{name}"), error.to_string()));
    }
}
