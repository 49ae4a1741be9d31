//! Check 5: who made these bytes, from which source? Provenance under a builder's key. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::authority::Authority;
use super::{Problem, Report, Subject, problem, required};
use crate::Error;
use crate::attest::provenance::{self, MemberFacts};
use crate::attest::{Envelope, Statement};
use crate::hash::Sha256;
use crate::limits::MAX_ATTESTATION_LEN;
use crate::release::assemble::PROVENANCE;
use crate::release::leaf::ReleaseLeaf;
use crate::release::policy::ReleasePolicy;
use crate::release::state::Released;
use crate::trust::policy::Purpose;

/// What a verified provenance says.
pub struct Made {
    /// Every member of the archive.
    pub members: BTreeMap<String, MemberFacts>,
    /// The people whose keys signed it.
    pub builders: Vec<String>,
    /// The statement.
    pub statement: Statement,
}

/// A verified provenance, and its bytes.
pub type Origin = (Made, Vec<u8>);

/// Check 5. `leaf` is missing where the log check failed.
pub fn check(
    subject: &Subject,
    authority: &Authority,
    released: &Released,
    leaf: Option<&ReleaseLeaf>,
    now: Timestamp,
    report: &mut Report,
) -> Option<Origin> {
    let path = format!("{}/{PROVENANCE}", subject.tag);
    let result = required(subject.release, &path, MAX_ATTESTATION_LEN).and_then(|bytes| {
        let (made, detail) = match leaf {
            Some(leaf) => of_leaf(&path, &bytes, leaf, &authority.policy, released)?,
            // Nobody can tell when it was signed: a key must count now.
            None => verified(&path, &bytes, &authority.policy, released, now)?,
        };
        Ok(((made, bytes), detail))
    });
    report.enter("provenance", result)
}

type Found = (Made, String);

/// Verifies provenance bytes against what is known of the release.
pub fn verified(
    path: &str,
    bytes: &[u8],
    policy: &ReleasePolicy,
    released: &Released,
    at: Timestamp,
) -> Result<Found, Vec<Problem>> {
    let line = match bytes.strip_suffix(b"\n") {
        Some(line) if !line.contains(&b'\n') => line,
        _ => return Err(vec![Problem::new(path, "is not one line")]),
    };
    let verified = Envelope::parse(line)
        .and_then(|envelope| envelope.verify(&policy.accepted(&Purpose::Builder, at)))
        .map_err(|e| problem(path, &e))?;
    let statement = verified.statement();
    let claims = provenance::claims(statement).map_err(|list| {
        list.into_iter()
            .map(|m| Problem::new(path, m))
            .collect::<Vec<_>>()
    })?;
    let mut problems = Vec::new();
    let mut same = |what: &str, found: &str, wanted: &str| {
        if found != wanted {
            problems.push(Problem::new(
                path,
                format!("is about {what} {found:?}, wanted {wanted:?}"),
            ));
        }
    };
    same("tag", &claims.tag, &released.tag);
    same("commit", &claims.commit, &released.commit);
    same("repository", &claims.repository, &released.repository);
    let archive = released.archive_name();
    let digest = statement.digest_of(&archive);
    if digest != Some(released.sha256) {
        problems.push(Problem::new(
            path,
            format!(
                "has {archive} with sha256 {}, wanted {}",
                digest.map_or("none".into(), |d| d.hex()),
                released.sha256
            ),
        ));
    }
    let members = provenance::members(statement, &archive)
        .map_err(|list| problems.extend(list.into_iter().map(|m| Problem::new(path, m))))
        .unwrap_or_default();
    if !problems.is_empty() {
        return Err(problems);
    }
    let detail = format!(
        "built by {} from commit {} of {}",
        policy.people(verified.signers()),
        claims.commit,
        claims.repository
    );
    let builders = verified.signers().iter();
    let builders: BTreeSet<String> = builders
        .map(|key| policy.people(&BTreeSet::from([*key])))
        .collect();
    let made = Made {
        members,
        builders: builders.into_iter().collect(),
        statement: statement.clone(),
    };
    Ok((made, detail))
}

/// Verifies the provenance that `leaf` names, as of when that was signed.
pub fn of_leaf(
    path: &str,
    bytes: &[u8],
    leaf: &ReleaseLeaf,
    policy: &ReleasePolicy,
    released: &Released,
) -> Result<Found, Vec<Problem>> {
    let found = Sha256::of(bytes);
    if found != leaf.provenance {
        let message = format!("hashes to {found}, the log says {}", leaf.provenance);
        return Err(vec![Problem::new(path, message)]);
    }
    verified(path, bytes, policy, released, leaf.time)
}

/// Verifies the provenance that `leaf` names, with all that is wrong as one error.
///
/// # Errors
/// Refused: other bytes than the log has; no builder's signature; another tag, commit, repository or
/// archive.
pub fn logged(
    path: &str,
    bytes: &[u8],
    leaf: &ReleaseLeaf,
    policy: &ReleasePolicy,
    released: &Released,
) -> Result<Made, Error> {
    let found = Sha256::of(bytes);
    if found != leaf.provenance {
        return Err(Error::refused(format!(
            "{path} hashes to {found}, the log says {}",
            leaf.provenance
        )));
    }
    match verified(path, bytes, policy, released, leaf.time) {
        Ok((made, _)) => Ok(made),
        Err(problems) => {
            let refused = Error::refused(format!("{path} does not verify"));
            let problems = problems.into_iter().map(|problem| problem.message);
            Err(problems.fold(refused, Error::caused_by))
        }
    }
}
