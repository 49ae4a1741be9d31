//! Holds a proposal that touches a halt against the store: what nobody should sign, and what it means. Pure.

use super::document::{Halt, role_name, target_name};
use super::standing::{agreed, in_force};
use super::{PREFIX, environment_of};
use crate::Result;
use crate::release::ceremony::{Base, Kind, Proposal, RoleDraft};
use crate::trust::Targets;
use crate::trust::policy::Purpose;

/// Every reason not to sign or publish what `proposal` does to halts; none if it does nothing to them.
///
/// # Errors
/// A draft that is no role.
pub fn check(proposal: &Proposal, base: &Base) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let halts = drafts(proposal)?;
    if proposal.kind == Kind::Halt {
        let alone = halts.len() == 1 && proposal.roles.len() == 1;
        let plain = proposal.statements.is_empty() && proposal.draft.is_none();
        if !alone || !plain {
            problems.push("a halt is one role that halts, and nothing else with it".into());
        }
    }
    for (environment, role) in &halts {
        let before = base.roles.get(&role_name(environment));
        let targets = before.map(|before| &before.targets);
        let same = targets.map_or(role.targets.is_empty(), |targets| *targets == role.targets);
        match (proposal.kind, same) {
            // Signed anew, by other keys perhaps: it stays what it was.
            (Kind::Root, true) => {}
            (Kind::Halt, _) => problems.extend(halt(proposal, base, environment, role).err()),
            (kind, _) => problems.push(format!(
                "it is for {kind:?} and changes role {PREFIX}{environment}"
            )),
        }
    }
    Ok(problems)
}

/// The roles in it that halt environments.
fn drafts(proposal: &Proposal) -> Result<Vec<(String, Targets)>> {
    let mut out = Vec::new();
    for draft in &proposal.roles {
        if let RoleDraft::Targets { name, draft } = draft
            && let Some(environment) = environment_of(name)
        {
            out.push((environment.to_owned(), draft.unverified_body()?));
        }
    }
    Ok(out)
}

/// A new halt: of what the environment runs now, with its file, by somebody who may.
fn halt(
    proposal: &Proposal,
    base: &Base,
    environment: &str,
    role: &Targets,
) -> std::result::Result<(), String> {
    let runs = base
        .roles
        .get(environment)
        .ok_or_else(|| format!("policy has no environment {environment}"))?;
    let name = target_name(environment);
    let found = in_force(environment, role, runs).map_err(|e| e.to_string())?;
    let Some(halt) = found else {
        let present = agreed(environment, runs).map_or(0, |agreed| agreed.version);
        return Err(match role.targets.get(&name) {
            None => format!("it lists no {name}: a halt ends by a newer version of {environment}"),
            Some(_) => format!(
                "{name} stops an earlier version of {environment}, which is at version {present}"
            ),
        });
    };
    let path = halt.path().map_err(|e| e.to_string())?;
    if !proposal.files.contains_key(&path) {
        return Err(format!("{name} does not come with it"));
    }
    let purpose = Purpose::Halt(environment.to_owned());
    let policy = base.policy.policy();
    let mut keys = policy.keys_for(&purpose, proposal.time);
    match keys.any(|key| key.entry.person == halt.by) {
        true => Ok(()),
        false => Err(format!(
            "{name} is by {:?}, to whom policy gives no {} key",
            halt.by,
            role_name(environment)
        )),
    }
}

/// What `proposal` does to halts, in words for whoever is asked to sign it: it brings one, or ends one.
///
/// # Errors
/// A draft that is no role.
pub fn meaning(proposal: &Proposal, base: &Base) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for (environment, role) in drafts(proposal)? {
        let target = role.targets.get(&target_name(&environment));
        let before = base.roles.get(&role_name(&environment));
        if let Some(Ok(halt)) = target.map(|target| Halt::of(&environment, target))
            && before.is_none_or(|before| before.targets != role.targets)
        {
            lines.push(format!(
                "{environment}: no node installs {} (version {}) from then on, until a newer version; daemons and \
                 rollbacks are not touched",
                halt.tag, halt.version
            ));
        }
    }
    for draft in &proposal.roles {
        let RoleDraft::Targets { name, draft } = draft else {
            continue;
        };
        if let Some(halt) = present(base, name)
            && agreed(name, &draft.unverified_body()?).is_some_and(|new| new.version > halt.version)
        {
            lines.push(format!("{name}: ends the halt: {}", halt.line(&[])));
        }
    }
    Ok(lines)
}

/// The halt that is in force in `environment` now.
pub fn present(base: &Base, environment: &str) -> Option<Halt> {
    let halt = base.roles.get(&role_name(environment))?;
    in_force(environment, halt, base.roles.get(environment)?).ok()?
}
