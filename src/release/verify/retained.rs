//! A release that a node keeps, verified again from its stored evidence, as of its installation:
//! no store is asked, expiry is told and not refused (DESIGN, section 4, "Rollback"). Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::history::{logged_files, signed_release};
use super::{Made, VerifiedRelease, about, evidence, origin, wants};
use crate::error::Context;
use crate::hash::Sha256;
use crate::log::{Note, TlogProof};
use crate::release::assemble::{PROOF, PROVENANCE};
use crate::release::attestations::{Logged, numbered, rows, unmet};
use crate::release::policy::ReleasePolicy;
use crate::release::state;
use crate::trust::policy::Pin;
use crate::trust::refresh::{self, Cache};
use crate::trust::state::{Clock, Expiry};
use crate::trust::{Root, Unverified};
use crate::{Error, Result};

/// Evidence by flat name.
struct Evidence<'a>(BTreeMap<&'a str, &'a [u8]>);

impl<'a> Evidence<'a> {
    fn get(&self, name: &str) -> Result<&'a [u8]> {
        self.0
            .get(name)
            .copied()
            .ok_or_else(|| Error::refused(format!("the stored evidence has no {name}")))
    }
}

impl Cache for Evidence<'_> {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.0.get(name).map(|bytes| bytes.to_vec()))
    }

    fn save(&self, _name: &str, _bytes: &[u8]) -> Result<()> {
        Ok(())
    }

    fn remove(&self, _name: &str) -> Result<()> {
        Ok(())
    }
}

/// Verifies the evidence of `tag`. `trusted_root` is the node's own; the evidence's root must be
/// that one or an earlier version, since roots only move forward.
///
/// Gives the release, and what has expired since as warnings.
///
/// # Errors
/// Evidence that is missing, was changed, or proves another release.
pub fn verify_retained(
    tag: &str,
    stored: &[(String, Vec<u8>)],
    trusted_root: &[u8],
    now: Timestamp,
) -> Result<(VerifiedRelease, Vec<String>)> {
    let evidence = Evidence(
        stored
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
            .collect(),
    );
    let root = evidence.get("root.json")?;
    let mut warnings = not_foreign(root, trusted_root)?;
    let clock = Clock {
        now,
        expiry: Expiry::Report,
    };
    let refreshed = refresh::stored(None, &evidence, clock)
        .or_refused(|| "the stored metadata does not verify".into())?;
    warnings.extend(refreshed.expired().iter().map(|e| {
        format!(
            "{}.json version {} expired at {}",
            e.role, e.version, e.expires
        )
    }));
    let pin = Pin::from_root(refreshed.root())?;
    let policy = ReleasePolicy::parse(evidence.get(evidence::POLICY)?, pin)?;
    let released = state::find(refreshed.targets(), tag)?;

    checkpoint(&evidence, &policy)?;
    let (entry, logged_since) = logged(&evidence, PROOF, &policy)?;
    let leaf = signed_release(&entry, &policy)?;
    if let Some(difference) = released.differences(&leaf).first() {
        return Err(Error::refused(difference.clone()));
    }
    for (role, version, bytes) in [
        ("root", refreshed.root().version, refreshed.root().bytes()),
        (
            "targets",
            refreshed.targets().version,
            refreshed.targets().bytes(),
        ),
    ] {
        let (entry, _) = logged(&evidence, &format!("{role}.tlog-proof"), &policy)?;
        let name = format!("{version}.{role}.json");
        if logged_files(&entry, &policy)?.get(&name) != Some(&Sha256::of(bytes)) {
            return Err(Error::refused(format!(
                "the log does not have the stored {name}"
            )));
        }
    }

    let provenance = evidence.get(PROVENANCE)?;
    let made = origin::logged(PROVENANCE, provenance, &leaf, &policy, &released)
        .map_err(|e| e.under("the stored provenance does not count"))?;
    approved(&evidence, &policy, &released, (&made, leaf.time), now)?;
    let release = VerifiedRelease {
        released,
        leaf,
        logged_since,
        members: made.members,
        minimum: None,
        evidence: stored.to_vec(),
    };
    Ok((release, warnings))
}

/// The gates and approvals that the policy of that day wanted, by the proofs kept from then.
fn approved(
    evidence: &Evidence,
    policy: &ReleasePolicy,
    released: &state::Released,
    (made, cut): (&Made, Timestamp),
    now: Timestamp,
) -> Result<()> {
    let wanted = policy.wanted_for_cut();
    let (about, mut problems) = about(policy, released, made, cut, now);
    if wanted.is_nothing() && problems.is_empty() {
        return Ok(());
    }
    let offered = numbered(&released.tag, &mut |path| {
        let name = path.rsplit('/').next().unwrap_or(path);
        if !evidence.0.contains_key(name) {
            return Ok(None);
        }
        let (entry, since) = logged(evidence, name, policy)?;
        let index = TlogProof::parse(evidence.get(name)?)?.unverified_index();
        Ok(Some((entry, Logged { index, since })))
    })?;
    let missing = unmet(&wanted, policy, &about, &rows(policy, &about, &offered));
    problems.extend(missing.iter().map(wants));
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems.into_iter().fold(
            Error::refused(
                "the stored approvals do not meet the policy that they were given under",
            ),
            Error::caused_by,
        )),
    }
}

/// The log's checkpoint of that day, with the witnesses that the policy of that day wants. No clock
/// is held against them: a rollback must work on a machine whose clock is wrong.
fn checkpoint(evidence: &Evidence, policy: &ReleasePolicy) -> Result<()> {
    const NAME: &str = "checkpoint";
    Note::parse(evidence.get(NAME)?)
        .and_then(|note| policy.checkpoint(&note))
        .and_then(|checkpoint| policy.witnessed(&checkpoint).map(drop))
        .map_err(|e| e.under(NAME))
}

/// An entry that a stored proof puts into the log, and since when it was there.
fn logged(
    evidence: &Evidence,
    name: &str,
    policy: &ReleasePolicy,
) -> Result<(Vec<u8>, Option<Timestamp>)> {
    let proof = TlogProof::parse(evidence.get(name)?).map_err(|e| e.under(name))?;
    let since = policy
        .witnessed_by_proof(&proof)
        .map_err(|e| e.under(name))?;
    Ok((proof.unverified_extra().to_vec(), since))
}

/// The evidence lies in the node's own state; still, it must belong to the root that the node
/// trusts, or somebody could plant a whole foreign history there.
fn not_foreign(root: &[u8], trusted: &[u8]) -> Result<Vec<String>> {
    if root == trusted {
        return Ok(Vec::new());
    }
    let version = |bytes: &[u8]| -> Result<(u64, Root)> {
        let parsed = Unverified::<Root>::parse(bytes)?.verify_self()?;
        Ok((parsed.version, Root::clone(&parsed)))
    };
    let ((old, old_root), (new, new_root)) = (version(root)?, version(trusted)?);
    let shared = old_root
        .roles
        .get("root")
        .into_iter()
        .flat_map(|role| &role.keyids)
        .any(|id| new_root.keys.contains_key(id));
    if old == new || !shared {
        return Err(Error::refused(format!(
            "the stored root version {old} does not belong to the trusted root version {new}"
        ))
        .hint("install a release again from the store"));
    }
    Ok(vec![format!(
        "verified under root version {old}, the trusted root is version {new}"
    )])
}
