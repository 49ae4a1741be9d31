//! The rules over a proposal, and over a store as a reader finds it. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::current::{Current, Step, target_name};
use super::evidence::Evidence;
use super::gather::{Pending, gather};
use super::judge::Times;
use super::rule::{Breach, Rule};
use crate::attest::Statement;
use crate::release::ceremony::{Base, FilesInMemory, Proposal, RoleDraft};
use crate::release::halt;
use crate::release::view::View;
use crate::store::Reader;
use crate::trust::schema::Targets;
use crate::{Error, Result};

/// Files of a store by their path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The environments that `proposal` moves, with the roles that it proposes.
///
/// # Errors
/// A proposal that is malformed.
pub fn touched(proposal: &Proposal, base: &Base) -> Result<Vec<(String, Targets)>> {
    let mut out = Vec::new();
    let after = base.after(proposal)?;
    for draft in &proposal.roles {
        let RoleDraft::Targets { name, draft } = draft else {
            continue;
        };
        if after.policy.environment(name).is_none() {
            continue;
        }
        let body = draft.unverified_body()?;
        let current = target_name(name);
        let was = base.roles.get(name).and_then(|r| r.targets.get(&current));
        if was != body.targets.get(&current) {
            out.push((name.clone(), body));
        }
    }
    Ok(out)
}

/// Every rule that `proposal` breaks at `now`, over `base` and the `files` of a store that lead to it.
/// Nothing in the files is believed that keys and proofs do not vouch for. Gives with it what of the
/// files was needed.
///
/// # Errors
/// A proposal that is malformed.
pub fn breaches_of(
    proposal: &Proposal,
    base: &Base,
    files: &dyn Reader,
    now: Timestamp,
) -> Result<(Vec<Breach>, Files)> {
    let moves = touched(proposal, base)?;
    let mut breaches = Vec::new();
    let mut needed = BTreeMap::new();
    if moves.is_empty() {
        return Ok((breaches, needed));
    }
    let after = base.after(proposal)?;
    let brought = proposal.files.iter();
    let brought = brought.map(|(path, text)| (path.clone(), text.clone().into_bytes()));
    let store = FilesInMemory::over(brought, files);
    let statements: BTreeMap<String, Statement> = proposal
        .statements
        .iter()
        .map(|draft| (draft.proof.clone(), draft.statement.clone()))
        .collect();
    let pending = Pending {
        statements: &statements,
    };
    let versions: BTreeMap<String, u64> = base
        .roles
        .iter()
        .map(|(name, role)| (name.clone(), role.version))
        .collect();
    let times = Times {
        waits: Some(now),
        install: None,
    };
    for (name, role) in moves {
        let evidence = Evidence::new(&store, &after.policy, &after.targets, None);
        let (current, found) = gather(&evidence, &name, &role, &versions, Some(pending), times);
        breaches.extend(found);
        if let Some(current) = current {
            breaches.extend(follows(&evidence, base, &current, &role));
        }
        needed.extend(evidence.into_files());
    }
    needed.retain(|path, _| !proposal.files.contains_key(path));
    Ok((breaches, needed))
}

/// What is proposed comes right after what the environment runs now.
fn follows(evidence: &Evidence, base: &Base, current: &Current, role: &Targets) -> Vec<Breach> {
    let name = &current.environment;
    let mut out = Vec::new();
    let mut bad = |message: String| out.push(Breach::new(Rule::Agreement, message));
    if current.version != role.version {
        bad(format!(
            "{} is for version {} of {name}, this would be version {}",
            target_name(name),
            current.version,
            role.version
        ));
    }
    let present = base.roles.get(name);
    let target = present.and_then(|present| present.targets.get(&target_name(name)));
    let runs = target.map(|target| evidence.document(name, target));
    match runs.transpose() {
        Err(e) => bad(e.to_string()),
        Ok(runs) => {
            let step = runs.map(|runs| runs.step());
            if step != current.previous {
                bad(format!(
                    "it says that {name} ran {} before, which runs {}",
                    Step::words(current.previous.as_ref()),
                    Step::words(step.as_ref())
                ));
            }
            // To agree on it anew is how a halt ends that was a false alarm.
            if step.is_some_and(|step| step.tag == current.tag)
                && halt::present(base, name).is_none()
            {
                bad(format!("{name} runs {} already", current.tag));
            }
        }
    }
    out
}

/// Every rule that an environment breaks in a store as `view` shows it, and what it is to run.
///
/// # Errors
/// A role that cannot be had.
pub fn check_environment(
    store: &dyn Reader,
    view: &mut View,
    name: &str,
    times: Times,
) -> Result<(Option<Current>, Vec<Breach>)> {
    let role = view.refreshed.role(name)?;
    if !role.targets.contains_key(&target_name(name)) {
        return Ok((None, Vec::new()));
    }
    let versions = versions(view.refreshed.snapshot());
    let targets = view.refreshed.targets();
    let evidence = Evidence::new(store, &view.policy, targets, Some(&view.history));
    Ok(gather(&evidence, name, &role, &versions, None, times))
}

/// The versions of delegated roles that snapshot lists.
pub fn versions(snapshot: &crate::trust::schema::Snapshot) -> BTreeMap<String, u64> {
    let files = snapshot.meta.iter();
    files
        .filter_map(|(file, meta)| {
            let name = file.strip_suffix(".json")?;
            Some((name.to_owned(), meta.version))
        })
        .collect()
}

/// All breaches as one error.
///
/// # Errors
/// Refused, with every breach as a cause.
pub fn refuse(summary: &str, breaches: &[Breach]) -> Result<()> {
    let Some(first) = breaches.first() else {
        return Ok(());
    };
    let hint = match first.rule {
        Rule::Skipped => {
            "promote it to the environment before, and let it run there: relman promote"
        }
        Rule::Notice => "announce it: relman announce TAG --to ENVIRONMENT",
        Rule::Yanked => "cut a release that is not yanked",
        Rule::Reason => "say why: --reason TEXT",
        Rule::Approvals => {
            "who has given what, and who could: relman show TAG; to give one: relman approve TAG --role ROLE"
        }
        rule if rule.can_be_set_aside() => {
            "wait, or have it set aside: relman promote … --override RULES --reason TEXT"
        }
        _ => "what the environments run: relman list",
    };
    let error = Error::refused(format!("the rules do not allow it: {summary}"));
    let error = breaches.iter().fold(error, Error::caused_by);
    Err(error.hint(hint))
}
