//! Checks 1, 2 and 7: is this release authorised for this network, now? Pure.

use super::{Problem, Report, Subject, Verifier, problem, required};
use crate::attest::dsse::short;
use crate::hash::Sha256;
use crate::limits::MAX_POLICY_LEN;
use crate::release::policy::ReleasePolicy;
use crate::release::state::{self, Released};
use crate::release::yank;
use crate::trust::TrustError;
use crate::trust::policy::Pin;
use crate::trust::refresh::{self, Fetch, Refreshed};
use crate::trust::state::{Clock, Expired, Expiry};
use crate::{Error, Result as CrateResult};

/// The environment that has no role in the metadata.
pub const LOCAL: &str = "local";

/// Verified metadata and the policy that its root pins.
pub struct Authority<'a> {
    /// The metadata.
    pub refreshed: Refreshed<'a>,
    /// The policy.
    pub policy: ReleasePolicy,
    /// The policy's bytes, for evidence.
    pub policy_bytes: Vec<u8>,
}

impl Authority<'_> {
    /// The roles whose digest must be in the log: role, version, sha256.
    pub fn logged_roles(&mut self, environment: &str) -> CrateResult<Vec<(String, u64, Sha256)>> {
        let r = &self.refreshed;
        let mut roles = vec![
            (
                "root".to_owned(),
                r.root().version,
                Sha256::of(r.root().bytes()),
            ),
            (
                "targets".to_owned(),
                r.targets().version,
                Sha256::of(r.targets().bytes()),
            ),
        ];
        if environment != LOCAL {
            let role = self.refreshed.role(environment)?;
            roles.push((
                environment.to_owned(),
                role.version,
                Sha256::of(role.bytes()),
            ));
        }
        Ok(roles)
    }
}

/// Check 1: root chain, timestamp, snapshot, targets; policy by its digest; delegations as policy
/// has them.
pub fn check<'a>(
    v: &Verifier<'a>,
    fetch: &'a dyn Fetch,
    report: &mut Report,
) -> Option<Authority<'a>> {
    // To go on after an expiry, it is taken as a finding instead of the end of the refresh.
    let expiry = match v.stop_at_first {
        true => v.clock.expiry,
        false => Expiry::Report,
    };
    let clock = Clock { expiry, ..v.clock };
    let (authority, mut problems) = match load(v, fetch, clock) {
        Ok(loaded) => loaded,
        Err(problems) => {
            report.enter::<()>("metadata", Err(problems));
            return None;
        }
    };
    if v.clock.expiry == Expiry::Enforce {
        problems.extend(expired(&authority.refreshed, v.clock));
    } else {
        let late = expired(&authority.refreshed, v.clock);
        report.warnings.extend(
            late.into_iter()
                .map(|p| format!("{} {}", p.subject, p.message)),
        );
    }
    let r = &authority.refreshed;
    let detail = format!(
        "root {}, timestamp {}, snapshot {}, targets {}, policy {}",
        r.root().version,
        r.timestamp().version,
        r.snapshot().version,
        r.targets().version,
        short(&authority.policy.pin().sha256.hex()),
    );
    let result = if problems.is_empty() {
        Ok(((), detail))
    } else {
        Err(problems)
    };
    report.enter("metadata", result);
    Some(authority)
}

type Loaded<'a> = (Authority<'a>, Vec<Problem>);

fn load<'a>(
    v: &Verifier<'a>,
    fetch: &'a dyn Fetch,
    clock: Clock,
) -> Result<Loaded<'a>, Vec<Problem>> {
    let refreshed = refresh::refresh(v.trusted_root, fetch, v.cache, clock)
        .map_err(|e| problem("metadata", &e))?;
    let pin = Pin::from_root(refreshed.root()).map_err(|e| problem("root.json", &e))?;
    let path = format!("metadata/{}", pin.file_name());
    let policy_bytes = required(v.store, &path, MAX_POLICY_LEN)?;
    let policy = ReleasePolicy::parse(&policy_bytes, pin).map_err(|e| problem(&path, &e))?;
    let in_targets = policy.policy().check_delegations(refreshed.targets());
    let in_root = policy.check_root(refreshed.root());
    let problems = in_targets
        .into_iter()
        .map(|message| Problem::new("targets.json", message))
        .chain(
            in_root
                .into_iter()
                .map(|message| Problem::new("root.json", message)),
        )
        .collect();
    let authority = Authority {
        refreshed,
        policy,
        policy_bytes,
    };
    Ok((authority, problems))
}

fn expired(refreshed: &Refreshed, clock: Clock) -> Vec<Problem> {
    let one = |e: &Expired| {
        let error = Error::from(TrustError::Expired {
            role: e.role.clone(),
            version: e.version,
            expires: e.expires,
            now: clock.now,
        });
        let hint = error.hint_text().unwrap_or_default();
        Problem::new(
            format!("{}.json", e.role),
            format!(
                "version {} expired at {}, it is now {}; {hint}",
                e.version, e.expires, clock.now
            ),
        )
    };
    refreshed.expired().iter().map(one).collect()
}

/// Check 2: the target's entry gives length and digest; an environment's role says which tag.
pub fn resolve(
    authority: &mut Authority,
    subject: &Subject,
    report: &mut Report,
) -> Option<Released> {
    let result = named_by_environment(authority, subject).and_then(|()| {
        let released = state::find(authority.refreshed.targets(), subject.tag)
            .map_err(|e| problem("targets.json", &e))?;
        let detail = format!(
            "{}, {} bytes, sha256 {}",
            released.archive_name(),
            released.length,
            released.sha256
        );
        Ok((released, detail))
    });
    report.enter("target", result)
}

/// A network's node installs only what the network agreed on (DESIGN, section 5).
fn named_by_environment(authority: &mut Authority, subject: &Subject) -> Result<(), Vec<Problem>> {
    if subject.environment == LOCAL {
        return Ok(());
    }
    let current = format!("{}.current.json", subject.environment);
    let none = |why: String| vec![Problem::new(&current, why)];
    if authority.policy.environment(subject.environment).is_none() {
        return Err(none(format!(
            "policy has no environment {}, wanted one of {}",
            subject.environment,
            authority.policy.environment_names().join(", ")
        )));
    }
    let role = authority
        .refreshed
        .role(subject.environment)
        .map_err(|e| problem(format!("{}.json", subject.environment), &e))?;
    let strange = authority
        .policy
        .policy()
        .check_delegated_role(subject.environment, &role);
    if !strange.is_empty() {
        let subject = format!("{}.json", subject.environment);
        return Err(strange
            .into_iter()
            .map(|m| Problem::new(&subject, m))
            .collect());
    }
    match role.targets.get(&current).map(state::current_tag) {
        None => Err(none(format!(
            "no release has been promoted to {} yet",
            subject.environment
        ))),
        Some(Some(tag)) if tag == subject.tag => Ok(()),
        Some(tag) => Err(none(format!(
            "{} runs {}, {} was asked for",
            subject.environment,
            tag.as_deref().unwrap_or("a release it does not name"),
            subject.tag
        ))),
    }
}

/// Check 7: not yanked, and the log says nothing else.
pub fn status(v: &Verifier, authority: &Authority, released: &Released, report: &mut Report) {
    let recorded = yank::recorded(v.store, &authority.policy, released);
    let result = match (&released.yanked, recorded) {
        (None, Ok(before)) if before.is_empty() => Ok(((), "not yanked".into())),
        (None, Ok(_)) => Ok(((), "not yanked any more".into())),
        (None, Err(e)) => Err(problem(released.archive_name(), &e)),
        (Some(yank), recorded) => {
            let mut problems = vec![Problem::new(
                released.archive_name(),
                match recorded.as_deref().ok().and_then(<[_]>::last) {
                    Some(last) => format!("is {yank}, by {} at {}", last.who, last.time),
                    None => format!("is {yank}"),
                },
            )];
            problems.extend(
                recorded
                    .err()
                    .iter()
                    .flat_map(|e| problem(released.archive_name(), e)),
            );
            Err(problems)
        }
    };
    report.enter("status", result);
}
