//! Releases that a new policy would take the builder's word from. Pure.

use jiff::Timestamp;

use crate::Result;
use crate::limits::MAX_TLOG_PROOF_LEN;
use crate::log::TlogProof;
use crate::release::assemble::PROOF;
use crate::release::policy::ReleasePolicy;
use crate::release::state;
use crate::release::verify::signed_release;
use crate::release::view::View;
use crate::store::Reader;

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
