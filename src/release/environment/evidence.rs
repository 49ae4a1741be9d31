//! What the rules are held against: versions of roles, documents and leaves, each verified by the keys
//! of the policy and by the log. Remembers all that it read, so that others can look again. Pure.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::current::{Current, target_name};
use super::judge::Times;
use crate::hash::Sha256;
use crate::keys::PublicKey;
use crate::limits::{
    MAX_ATTESTATION_LEN, MAX_CURRENT_LEN, MAX_SEARCHED_VERSIONS, MAX_TARGETS_LEN,
    MAX_TLOG_PROOF_LEN,
};
use crate::log::TlogProof;
use crate::release::assemble::{PROOF, PROVENANCE};
use crate::release::attestations::{Logged, Unmet, Wanted, numbered, rows, unmet};
use crate::release::leaf::Leaf;
use crate::release::policy::ReleasePolicy;
use crate::release::state::Released;
use crate::release::verify::{Checked, History, about, best, logged_origin, signed_leaf};
use crate::store::Reader;
use crate::trust::Unverified;
use crate::trust::policy::Purpose;
use crate::trust::schema::{TargetFile, Targets};
use crate::trust::verify::Signers;
use crate::{Error, Result};

/// A store's evidence about environments.
pub struct Evidence<'a> {
    store: &'a dyn Reader,
    policy: &'a ReleasePolicy,
    targets: &'a Targets,
    history: Option<&'a History<'a>>,
    read: RefCell<BTreeMap<String, Vec<u8>>>,
}

/// A document that an environment's keys have signed and the log has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The document.
    pub current: Current,
    /// The witnessed time by which its role's version was in the log; none without witnesses.
    pub since: Option<Timestamp>,
}

impl<'a> Evidence<'a> {
    /// Evidence in `store`, under `policy` and the delegations of `targets`. Proofs must lead into
    /// `history`; without one, as where only an exchange file is at hand, each into its own
    /// checkpoint, which the log has signed.
    pub fn new(
        store: &'a dyn Reader,
        policy: &'a ReleasePolicy,
        targets: &'a Targets,
        history: Option<&'a History<'a>>,
    ) -> Self {
        Evidence {
            store,
            policy,
            targets,
            history,
            read: RefCell::default(),
        }
    }

    /// The policy.
    pub fn policy(&self) -> &'a ReleasePolicy {
        self.policy
    }

    /// Top-level targets.
    pub fn targets(&self) -> &'a Targets {
        self.targets
    }

    /// Every file that was read, by its path in the store.
    pub fn into_files(self) -> BTreeMap<String, Vec<u8>> {
        self.read.into_inner()
    }

    fn file(&self, path: &str, limit: u64) -> Result<Vec<u8>> {
        let bytes = self.look(path, limit)?;
        bytes.ok_or_else(|| Error::refused(format!("{path} is missing")))
    }

    fn look(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let bytes = self.store.read(path, limit)?;
        if let Some(bytes) = &bytes {
            let mut read = self.read.borrow_mut();
            read.insert(path.to_owned(), bytes.clone());
        }
        Ok(bytes)
    }

    /// Whether the store has this version of a role: a number once used by an orphan is not there.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn has_role(&self, name: &str, version: u64) -> Result<bool> {
        Ok(self.store.open(&role_path(name, version))?.is_some())
    }

    /// A log entry by its proof, and the witnessed time by which it was in the log.
    fn entry(&self, path: &str) -> Result<(Vec<u8>, Option<Timestamp>)> {
        let check = |proof: &TlogProof| match self.history {
            Some(history) => history.included(proof, self.policy).map(|found| Checked {
                value: found.entry,
                whole: found.whole,
                since: found.since,
            }),
            None => proof_alone(proof, self.policy),
        };
        let mut read = |path: &str| self.look(path, MAX_TLOG_PROOF_LEN);
        let found = best(path, &mut read, &check).map_err(|e| e.under(path))?;
        found.ok_or_else(|| Error::refused(format!("{path} is missing")))
    }

    /// A signed leaf by its proof: what it says, who signed it, and by when it was in the log.
    ///
    /// # Errors
    /// A proof that is missing or does not lead into the log; a leaf that nobody with its purpose
    /// signed.
    pub fn leaf(&self, path: &str) -> Result<(Leaf, BTreeSet<PublicKey>, Option<Timestamp>)> {
        let (entry, since) = self.entry(path)?;
        let (leaf, signers) = signed_leaf(&entry, self.policy).map_err(|e| e.under(path))?;
        Ok((leaf, signers, since))
    }

    /// A version of an environment's role that its present keys have signed and the log has.
    ///
    /// # Errors
    /// It is missing, other keys signed it, the log does not have it.
    pub fn role(&self, name: &str, version: u64) -> Result<(Targets, Option<Timestamp>)> {
        let signers = Signers::of_delegation(self.targets, "targets", name)?;
        let by = format!("targets version {}", self.targets.version);
        let threshold = signers.threshold;
        let (role, since, at) = self.logged_role(name, version)?;
        let role = role
            .verify(name, &by, signers)
            .map_err(|e| Error::from(e).under(role_path(name, version)))?;
        // TUF knows no end of a key; policy does.
        let purpose = Purpose::Environment(name.to_owned());
        let policy = self.policy.policy();
        let signed = role.signers().iter();
        let valid = signed.filter(|id| policy.key(&purpose, id, at).is_some());
        let found = valid.count() as u64;
        match found < threshold {
            true => Err(Error::refused(format!(
                "{} has {found} signatures by keys that were valid at {at}, wanted {threshold}",
                role_path(name, version)
            ))),
            false => Ok((Targets::clone(&role), since)),
        }
    }

    /// A version of an environment's role that the log has, whoever signed it then: for what later
    /// signers vouch for themselves, and had other keys then.
    fn logged_role(
        &self,
        name: &str,
        version: u64,
    ) -> Result<(Unverified<Targets>, Option<Timestamp>, Timestamp)> {
        let path = role_path(name, version);
        let bytes = self.file(&path, MAX_TARGETS_LEN)?;
        let role = Unverified::<Targets>::parse(&bytes).map_err(|e| Error::from(e).under(&path))?;
        let found = role.unverified_signed().version;
        if found != version {
            return Err(Error::refused(format!("{path} is version {found}")));
        }
        let (entry, since) = self.entry(&format!("metadata/{version}.{name}.tlog-proof"))?;
        let Leaf::Metadata(leaf) = signed_leaf(&entry, self.policy)?.0 else {
            return Err(Error::refused(format!("the log does not have {path}")));
        };
        match leaf.files.get(&format!("{version}.{name}.json")) {
            Some(digest) if *digest == Sha256::of(&bytes) => Ok((role, since, leaf.time)),
            _ => Err(Error::refused(format!("the log does not have {path}"))),
        }
    }

    /// The document that `target` of role `environment` lists.
    ///
    /// # Errors
    /// As [`Current::read`]; it is missing.
    pub fn document(&self, environment: &str, target: &TargetFile) -> Result<Current> {
        let path = Current::path_of(environment, target)?;
        let bytes = self.file(&path, target.length.min(MAX_CURRENT_LEN))?;
        Current::read(environment, target, &bytes)
    }

    /// What a version of `environment` says that its present keys have signed.
    ///
    /// # Errors
    /// As [`Evidence::role`] and [`Evidence::document`]; it lists none.
    pub fn signed(&self, environment: &str, version: u64) -> Result<Known> {
        let (role, since) = self.role(environment, version)?;
        self.known(environment, &role, since)
    }

    /// What a version of `environment` said, as the log has it: present signers vouch for the rest.
    ///
    /// # Errors
    /// As [`Evidence::signed`], but for signatures; it was agreed with another version.
    pub fn logged(&self, environment: &str, version: u64) -> Result<Known> {
        let (role, since, _) = self.logged_role(environment, version)?;
        let known = self.known(environment, role.unverified_signed(), since)?;
        match known.current.version == version {
            true => Ok(known),
            false => Err(Error::refused(format!(
                "{environment} version {version} lists what was agreed with version {}",
                known.current.version
            ))),
        }
    }

    /// What of `wanted` nobody has given for `released`, by the attestations beside it.
    ///
    /// # Errors
    /// A proof that is damaged or leads elsewhere; a release without a leaf or provenance that count.
    pub fn unmet(&self, wanted: &Wanted, released: &Released, times: Times) -> Result<Vec<Unmet>> {
        let tag = &released.tag;
        let (Leaf::Release(leaf), ..) = self.leaf(&format!("{tag}/{PROOF}"))? else {
            return Err(Error::refused(format!(
                "{tag}/{PROOF} is not about a release"
            )));
        };
        if let Some(difference) = released.differences(&leaf).into_iter().next() {
            return Err(Error::refused(format!("{tag}: {difference}")));
        }
        let path = format!("{tag}/{PROVENANCE}");
        let bytes = self.file(&path, MAX_ATTESTATION_LEN)?;
        let made = logged_origin(&path, &bytes, &leaf, self.policy, released)?;
        let offered = numbered(tag, &mut |path| {
            if self.store.open(path)?.is_none() {
                return Ok(None);
            }
            let (entry, since) = self.entry(path)?;
            let proof = self.file(path, MAX_TLOG_PROOF_LEN)?;
            let index = TlogProof::parse(&proof)?.unverified_index();
            Ok(Some((entry, Logged { index, since })))
        })?;
        let now = times.install.or(times.waits).unwrap_or(leaf.time);
        // What policy asks of the tag is asked of every release, and not by environments.
        let (about, _) = about(self.policy, released, &made, leaf.time, now);
        let rows = rows(self.policy, &about, &offered);
        Ok(unmet(wanted, self.policy, &about, &rows))
    }

    /// What `environment` ran before version `version` of its role, by the latest earlier version that
    /// the log has; none where that one lists nothing, or there is none.
    ///
    /// # Errors
    /// What it listed cannot be had.
    pub fn before(&self, environment: &str, version: u64) -> Result<Option<Current>> {
        let first = version.saturating_sub(MAX_SEARCHED_VERSIONS).max(1);
        for version in (first..version).rev() {
            if !self.has_role(environment, version)? {
                continue;
            }
            // An orphan, which nobody ever published.
            let Ok((role, ..)) = self.logged_role(environment, version) else {
                continue;
            };
            let targets = &role.unverified_signed().targets;
            return targets
                .get(&target_name(environment))
                .map(|target| self.document(environment, target))
                .transpose();
        }
        Ok(None)
    }

    fn known(&self, environment: &str, role: &Targets, since: Option<Timestamp>) -> Result<Known> {
        let name = target_name(environment);
        let version = role.version;
        let target = role.targets.get(&name).ok_or_else(|| {
            Error::refused(format!("{environment} version {version} lists no {name}"))
        })?;
        let current = self.document(environment, target)?;
        Ok(Known { current, since })
    }
}

fn role_path(name: &str, version: u64) -> String {
    format!("metadata/{version}.{name}.json")
}

/// A proof's entry, in the tree that the log has signed in the proof itself.
fn proof_alone(proof: &TlogProof, policy: &ReleasePolicy) -> Result<Checked<Vec<u8>>> {
    let entry = proof.unverified_extra().to_vec();
    proof.verify(&entry, policy.log_keys(), policy.log_origin())?;
    // Without a quorum of its own nobody can tell the time, which the rules then say.
    let since = policy.witnessed_by_proof(proof);
    Ok(Checked {
        value: entry,
        whole: since.is_ok(),
        since: since.unwrap_or_default(),
    })
}
