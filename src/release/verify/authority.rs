//! Checks 1, 2 and 7: is this release authorised for this network, now? Pure.

use std::sync::Arc;

use super::{Problem, Report, Subject, Verifier, problem, required};
use crate::attest::dsse::short;
use crate::hash::Sha256;
use crate::limits::MAX_POLICY_LEN;
use crate::release::halt::{self, Halt};
use crate::release::policy::ReleasePolicy;
use crate::release::state::{self, Released};
use crate::release::yank;
use crate::trust::policy::Pin;
use crate::trust::refresh::{self, Fetch, Refreshed};
use crate::trust::state::{Clock, Expired, Expiry};
use crate::trust::{Targets, TrustError, Verified};
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
            if let Some((name, role)) = self.halt(environment)? {
                roles.push((name, role.version, Sha256::of(role.bytes())));
            }
        }
        Ok(roles)
    }

    /// The role that halts `environment`, where policy has one, and its name. A halt does not end because nobody signed
    /// it anew.
    pub fn halt(
        &mut self,
        environment: &str,
    ) -> CrateResult<Option<(String, Arc<Verified<Targets>>)>> {
        let known = self.policy.environment(environment);
        if known.is_none_or(|known| known.halt.is_none()) {
            return Ok(None);
        }
        let name = halt::role_name(environment);
        let role = self.refreshed.role_whenever(&name)?;
        Ok(Some((name, role)))
    }

    /// The halt that is in force in `environment`, in words.
    ///
    /// # Errors
    /// Roles that cannot be had, or that contradict each other.
    fn halted(&mut self, environment: &str) -> CrateResult<Option<(Halt, String)>> {
        let Some((_, role)) = self.halt(environment)? else {
            return Ok(None);
        };
        let runs = self.refreshed.role(environment)?;
        let halted = halt::in_force(environment, &role, &runs)?;
        Ok(halted.map(|halt| {
            let people = halt::people(environment, &role, &self.policy);
            let line = halt.line(&people);
            (halt, line)
        }))
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
    let halt = authority
        .halt(subject.environment)
        .map_err(|e| problem(format!("{}.json", halt::role_name(subject.environment)), &e))?;
    let roles = [(subject.environment.to_owned(), Arc::clone(&role))];
    let mut strange = Vec::new();
    for (name, role) in roles.into_iter().chain(halt) {
        let found = authority.policy.policy().check_delegated_role(&name, &role);
        let file = format!("{name}.json");
        strange.extend(found.into_iter().map(|m| Problem::new(&file, m)));
    }
    if !strange.is_empty() {
        return Err(strange);
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

/// Check 7: not yanked, not halted, and the log says nothing else of it.
pub fn status(
    v: &Verifier,
    authority: &mut Authority,
    subject: &Subject,
    released: &Released,
    report: &mut Report,
) {
    let recorded = yank::recorded(v.store, &authority.policy, released);
    let mut problems = halted(v, authority, subject, report);
    let detail = match (&released.yanked, recorded) {
        (None, Ok(before)) if before.is_empty() => "not yanked",
        (None, Ok(_)) => "not yanked any more",
        (None, Err(e)) => {
            problems.extend(problem(released.archive_name(), &e));
            ""
        }
        (Some(yank), recorded) => {
            problems.push(Problem::new(
                released.archive_name(),
                match recorded.as_deref().ok().and_then(<[_]>::last) {
                    Some(last) => format!("is {yank}, by {} at {}", last.who, last.time),
                    None => format!("is {yank}"),
                },
            ));
            problems.extend(
                recorded
                    .err()
                    .iter()
                    .flat_map(|e| problem(released.archive_name(), e)),
            );
            ""
        }
    };
    let result = match problems.is_empty() {
        true => Ok(((), detail.into())),
        false => Err(problems),
    };
    report.enter("status", result);
}

/// Whether installs are stopped in the environment. Who asks for none is told of all that have stopped this release.
fn halted(
    v: &Verifier,
    authority: &mut Authority,
    subject: &Subject,
    report: &mut Report,
) -> Vec<Problem> {
    if subject.environment != LOCAL {
        let name = halt::target_name(subject.environment);
        return match authority.halted(subject.environment) {
            Ok(None) => Vec::new(),
            Ok(Some((_, line))) => vec![Problem::new(
                name,
                format!("{line}; a newer version of it ends that, what runs goes on"),
            )],
            Err(e) => problem(name, &e),
        };
    }
    if v.stop_at_first {
        return Vec::new();
    }
    let names = authority.policy.environment_names();
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    for name in names {
        match authority.halted(&name) {
            Ok(Some((halt, line))) if halt.tag == subject.tag => report.warnings.push(line),
            Ok(_) => {}
            Err(e) => report
                .warnings
                .push(format!("whether {name} is halted is unknown: {e}")),
        }
    }
    Vec::new()
}
