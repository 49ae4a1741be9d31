//! What a node keeps of a verification, so that it can be made again without the store. Pure.

use super::authority::Authority;
use super::history::Proofs;
use crate::release::assemble::PROVENANCE;

/// The policy's name in the evidence.
pub const POLICY: &str = "policy.json";

/// Everything that [`super::verify_retained`] needs: flat name and bytes.
pub fn collect(
    authority: &Authority,
    proofs: Proofs,
    provenance: Vec<u8>,
) -> Vec<(String, Vec<u8>)> {
    let r = &authority.refreshed;
    let mut evidence = vec![
        ("root.json".to_owned(), r.root().bytes().to_vec()),
        ("timestamp.json".to_owned(), r.timestamp().bytes().to_vec()),
        ("snapshot.json".to_owned(), r.snapshot().bytes().to_vec()),
        ("targets.json".to_owned(), r.targets().bytes().to_vec()),
        (POLICY.to_owned(), authority.policy_bytes.clone()),
        (PROVENANCE.to_owned(), provenance),
    ];
    // Two checks may have looked at one file.
    for (name, bytes) in proofs {
        if !evidence.iter().any(|(known, _)| *known == name) {
            evidence.push((name, bytes));
        }
    }
    evidence
}
