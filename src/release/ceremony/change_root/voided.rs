//! What a new policy would no longer believe of what the log has. Witnesses are no matter here: they
//! cosign what is published next. Pure.

use jiff::Timestamp;

use crate::Result;
use crate::hash::Sha256;
use crate::limits::MAX_TLOG_PROOF_LEN;
use crate::log::TlogProof;
use crate::release::assemble::PROOF;
use crate::release::policy::ReleasePolicy;
use crate::release::state;
use crate::release::verify::{logged_files, signed_release};
use crate::release::view::View;
use crate::store::Reader;

/// Whether `policy` would believe the log about this version of a role.
///
/// # Errors
/// A store that cannot be read.
pub fn believes(
    policy: &ReleasePolicy,
    store: &dyn Reader,
    (role, version, bytes): (&str, u64, &[u8]),
) -> Result<bool> {
    let path = format!("metadata/{version}.{role}.tlog-proof");
    let proof = store.read(&path, MAX_TLOG_PROOF_LEN)?;
    let Some(Ok(proof)) = proof.map(|bytes| TlogProof::parse(&bytes)) else {
        return Ok(false);
    };
    let entry = proof.unverified_extra();
    let logged = proof.verify(entry, policy.log_keys(), policy.log_origin());
    let files = logged_files(entry, policy);
    let digest = Sha256::of(bytes);
    let name = format!("{version}.{role}.json");
    Ok(logged.is_ok() && files.is_ok_and(|files| files.get(&name) == Some(&digest)))
}

/// Releases that verify under the policy as it is and would not under `after`: tag, and when they
/// were cut.
///
/// # Errors
/// A store that cannot be read.
pub fn voided(
    view: &View,
    store: &dyn Reader,
    after: &ReleasePolicy,
) -> Result<Vec<(String, Timestamp)>> {
    let mut out = Vec::new();
    for released in state::released(view.refreshed.targets()).0 {
        let path = format!("{}/{PROOF}", released.tag);
        let proof = store.read(&path, MAX_TLOG_PROOF_LEN)?;
        let Some(Ok(proof)) = proof.map(|bytes| TlogProof::parse(&bytes)) else {
            continue;
        };
        let entry = proof.unverified_extra();
        let Ok(leaf) = signed_release(entry, &view.policy) else {
            continue;
        };
        let (keys, origin) = (after.log_keys(), after.log_origin());
        let logged = proof.verify(entry, keys, origin);
        if signed_release(entry, after).is_err() || logged.is_err() {
            out.push((released.tag, leaf.time));
        }
    }
    Ok(out)
}
