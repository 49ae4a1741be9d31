//! Check 6: the gates, approvals and rebuilds that policy wants of every release. What an environment
//! wants besides is judged with its other rules, which may be set aside. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::authority::Authority;
use super::history::{History, Proofs};
use super::origin::Made;
use super::{Problem, Report, Subject, Unpacking, Verifier, problem};
use crate::attest::Envelope;
use crate::attest::provenance::source_claims;
use crate::limits::MAX_ATTESTATION_LEN;
use crate::release::assemble::APPROVALS;
use crate::release::attestations::{
    About, Offered, Row, Standing, Unmet, Wanted, in_history, rows, unmet,
};
use crate::release::policy::ReleasePolicy;
use crate::release::state::Released;
use crate::release::tag_rule;

/// The check's name.
pub const NAME: &str = "policy";

/// Check 6. `made` is missing where provenance did not verify, `cut` (when the release was cut) where
/// the log did not. Gives the proofs that were counted.
pub fn check(
    v: &Verifier,
    authority: &Authority,
    subject: &Subject,
    released: &Released,
    (made, cut): (Option<&Made>, Option<Timestamp>),
    report: &mut Report,
) -> Option<Proofs> {
    let wanted = authority.policy.wanted_for_cut();
    let asks = !wanted.is_nothing() || !authority.policy.policy().document().cut.tag.is_none();
    let look = asks || subject.unpacking == Unpacking::Directory;
    let Some(made) = made.filter(|_| look) else {
        if asks {
            report.skip(NAME, "the provenance does not verify");
            return None;
        }
        let detail = "policy wants no gates and no approvals".to_owned();
        return report.enter(NAME, Ok((Proofs::new(), detail)));
    };
    let mut warnings = Vec::new();
    let result = run(v, authority, subject, released, (made, cut), &mut warnings);
    report.warnings.extend(warnings);
    report.enter(NAME, result)
}

fn run(
    v: &Verifier,
    authority: &Authority,
    subject: &Subject,
    released: &Released,
    (made, cut): (&Made, Option<Timestamp>),
    warnings: &mut Vec<String>,
) -> Result<(Proofs, String), Vec<Problem>> {
    let policy = &authority.policy;
    let history = History::open(v.store, policy).map_err(|e| problem("log/checkpoint", &e))?;
    let (offered, proofs) = in_history(subject.release, &history, policy, subject.tag)
        .map_err(|e| problem(subject.tag, &e))?;
    let now = v.clock.now;
    let (about, strange) = about(policy, released, made, cut.unwrap_or(now), now);
    let rows = rows(policy, &about, &offered);
    warnings.extend(rows.iter().filter(|r| r.standing != Standing::Ok).map(told));
    let lacks = unmet(&policy.wanted_for_cut(), policy, &about, &rows);
    let messages = strange.into_iter().chain(lacks.iter().map(wants));
    let mut problems: Vec<Problem> = messages.map(|m| Problem::new("policy", m)).collect();
    if subject.unpacking == Unpacking::Directory {
        problems.extend(collected(subject, &offered));
    }
    match problems.is_empty() {
        true => Ok((proofs, detail(&policy.wanted_for_cut(), &rows))),
        false => Err(problems),
    }
}

/// What attestations about a verified release must be about, and what policy has against its tag.
/// `cut` is when the release was cut, by its leaf.
pub fn about<'a>(
    policy: &ReleasePolicy,
    released: &'a Released,
    made: &Made,
    cut: Timestamp,
    now: Timestamp,
) -> (About<'a>, Vec<String>) {
    let (author, problems) = tag_rule::check(
        &policy.policy().document().cut.tag,
        &source_claims(&made.statement),
        &released.tag,
        &released.commit,
        released.tag_object.as_deref(),
        policy,
        cut,
    );
    let about = About {
        tag: &released.tag,
        commit: &released.commit,
        archive: Some(released.sha256),
        author,
        builders: made.builders.clone(),
        now,
    };
    (about, problems)
}

/// A rule that is not met, as a sentence.
pub fn wants(unmet: &Unmet) -> String {
    let mut out = format!("wants more: {}", unmet.message);
    if !unmet.missing.is_empty() {
        out.push_str(&format!("; could be given by {}", unmet.missing.join(", ")));
    }
    out
}

fn told(row: &Row) -> String {
    format!(
        "{} {} by {} does not count: {}{}",
        row.kind,
        row.what,
        row.person.as_deref().unwrap_or("somebody unknown"),
        row.standing.words(),
        match row.detail.is_empty() {
            true => String::new(),
            false => format!(" ({})", row.detail),
        }
    )
}

fn detail(wanted: &Wanted, rows: &[Row]) -> String {
    if wanted.is_nothing() {
        return "policy wants no gates and no approvals".into();
    }
    let mut said: BTreeSet<String> = BTreeSet::new();
    for row in rows.iter().filter(|row| row.standing == Standing::Ok) {
        let who = row.person.as_deref().unwrap_or_default();
        said.insert(format!("{} {} by {who}", row.kind, row.what));
    }
    said.into_iter().collect::<Vec<_>>().join(", ")
}

/// The file that collects attestations for other people's tools has nothing that the log has not.
fn collected(subject: &Subject, offered: &[Offered]) -> Vec<Problem> {
    let path = format!("{}/{APPROVALS}", subject.tag);
    let bytes = match subject.release.read(&path, MAX_ATTESTATION_LEN) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Vec::new(),
        Err(e) => return problem(path, &e),
    };
    let logged: BTreeSet<Vec<u8>> = offered
        .iter()
        .filter_map(|one| one.envelope.to_line().ok())
        .collect();
    let lines = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let mut problems = Vec::new();
    for (n, line) in (1..).zip(lines.split(|b| *b == b'\n')) {
        let known = Envelope::parse(line).and_then(|envelope| envelope.to_line());
        match known {
            Ok(line) if logged.contains(&line) => {}
            Ok(_) => problems.push(Problem::new(
                &path,
                format!("line {n} is not in the log beside this release"),
            )),
            Err(e) => problems.push(Problem::new(&path, format!("line {n}: {e}"))),
        }
    }
    problems
}
