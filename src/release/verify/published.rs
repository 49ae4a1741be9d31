//! The bytes of a release under the policy with which it was published: archive, provenance, every file.
//! For those who look back; whoever installs asks today's policy. Pure.

use super::origin::{self, Made};
use super::{Report, Subject, Verifier, bytes, required};
use crate::limits::MAX_ATTESTATION_LEN;
use crate::release::assemble::PROVENANCE;
use crate::release::leaf::ReleaseLeaf;
use crate::release::policy::ReleasePolicy;
use crate::release::state::Released;

/// A release as the log has it.
pub struct Published<'a> {
    /// What targets says of it.
    pub released: &'a Released,
    /// Its leaf.
    pub leaf: &'a ReleaseLeaf,
    /// The policy that was in force at that leaf.
    pub policy: &'a ReleasePolicy,
    /// Whether the file at a path is evidence that came later, and is vouched for.
    pub late: &'a dyn Fn(&str) -> bool,
}

impl Verifier<'_> {
    /// Checks every byte; gives what its provenance says, if that verifies.
    pub fn published(&self, subject: &Subject, of: &Published) -> (Report, Option<Made>) {
        let mut report = Report::default();
        let mut archive = bytes::fetch(self, subject, of.released, &mut report);
        let path = format!("{}/{PROVENANCE}", subject.tag);
        let made = required(subject.release, &path, MAX_ATTESTATION_LEN)
            .and_then(|bytes| origin::of_leaf(&path, &bytes, of.leaf, of.policy, of.released));
        let made = report.enter("provenance", made);
        let known = bytes::Known {
            policy: of.policy,
            released: of.released,
            leaf: Some(of.leaf),
            members: made.as_ref().map(|made| &made.members),
            late: of.late,
        };
        bytes::check(self, subject, &known, archive.as_mut(), None, &mut report);
        (report, made)
    }
}
