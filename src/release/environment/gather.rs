//! From an environment's role to everything that the rules look at, each piece verified. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::current::{Current, Origin, Step, target_name};
use super::evidence::{Evidence, Known};
use super::judge::{Facts, Override, Times};
use super::rule::{Breach, Rule};
use crate::attest::Statement;
use crate::keys::PublicKey;
use crate::limits::MAX_SEARCHED_VERSIONS;
use crate::release::attestations::Wanted;
use crate::release::leaf::{AnnouncementLeaf, Leaf, OverrideLeaf};
use crate::release::policy::ReleasePolicy;
use crate::release::state;
use crate::trust::policy::Purpose;
use crate::trust::schema::Targets;
use crate::{Error, Result};

use jiff::Timestamp;

/// What is only proposed: signed by nobody yet, and in no log.
#[derive(Clone, Copy, Debug)]
pub struct Pending<'a> {
    /// Statements by the path that their proofs will have. Who signed them is asked elsewhere.
    pub statements: &'a BTreeMap<String, Statement>,
}

/// Holds what role `name` says its environment runs against the rules.
///
/// `versions` are the present ones of all environments' roles, signed and listed by snapshot; `pending`
/// is there for proposals alone. Gives the document, if it could be read at all, and every breach.
pub fn gather(
    evidence: &Evidence,
    name: &str,
    role: &Targets,
    versions: &BTreeMap<String, u64>,
    pending: Option<Pending>,
    times: Times,
) -> (Option<Current>, Vec<Breach>) {
    let mut breaches = Vec::new();
    let broken = |e: Error| Breach::new(Rule::Agreement, e.to_string());
    let current = match document(evidence, name, role) {
        Ok(current) => current,
        Err(e) => return (None, vec![broken(e)]),
    };
    let policy = evidence.policy();
    let Some(environment) = policy.environment(name) else {
        let message = format!("policy has no environment {name}");
        return (Some(current), vec![Breach::new(Rule::Agreement, message)]);
    };
    if pending.is_none() {
        let present = evidence.role(name, role.version).map(|_| ());
        let found = present
            .and_then(|()| unchanged(evidence, &current, role))
            .and_then(|()| past(evidence, &current));
        breaches.extend(found.err().map(broken));
    }
    let mut take = |found: Result<Known>| found.map_err(|e| breaches.push(broken(e))).ok();
    let previous = current.previous.as_ref().and_then(|step| {
        take(evidence.logged(name, step.version).and_then(|known| {
            match known.current.step() == *step && step.version < current.version {
                true => Ok(known),
                false => Err(Error::refused(format!(
                    "{name} version {} ran {}, not {} as its successor says",
                    known.current.version, known.current.tag, step.tag
                ))),
            }
        }))
    });
    let origin = current.origin.as_ref();
    let ran = origin.and_then(|o| take(evidence.signed(&o.environment, o.version)));
    let ended = origin.zip(ran.as_ref()).and_then(|(origin, ran)| {
        match end(evidence, origin, ran, name, versions) {
            Ok(ended) => ended,
            Err(e) => {
                breaches.push(broken(e));
                None
            }
        }
    });
    let announced = current.announcement.as_ref().and_then(|path| {
        let found = announcement(evidence, path);
        found.map_err(|e| breaches.push(broken(e))).ok()
    });
    let overridden = current.overridden.as_ref().and_then(|path| {
        let found = overridden(evidence, path, &current, pending);
        found.map_err(|e| breaches.push(broken(e))).ok()
    });
    let released = state::find(evidence.targets(), &current.tag).ok();
    let wanted = Wanted::of_environment(environment);
    let unmet = match &released {
        Some(released) if !wanted.is_nothing() => evidence
            .unmet(&wanted, released, times)
            .unwrap_or_else(|e| {
                breaches.push(broken(e));
                Vec::new()
            }),
        _ => Vec::new(),
    };
    let environments = &policy.policy().document().environments;
    let place = environments.iter().position(|e| e.name == name);
    let facts = Facts {
        environment,
        before: place
            .and_then(|at| at.checked_sub(1))
            .and_then(|at| environments.get(at)),
        targets: evidence.targets(),
        released: released.as_ref(),
        current: &current,
        previous: previous.as_ref(),
        origin: ran.as_ref(),
        ended: ended.as_ref(),
        announced: announced.as_ref().map(|(leaf, since)| (leaf, *since)),
        overridden: overridden.as_ref(),
        unmet: &unmet,
        times,
    };
    breaches.extend(facts.judge());
    (Some(current), breaches)
}

fn document(evidence: &Evidence, name: &str, role: &Targets) -> Result<Current> {
    let target = role.targets.get(&target_name(name)).ok_or_else(|| {
        Error::refused(format!("no release has been promoted to {name} yet"))
            .hint(format!("relman promote TAG --to {name}"))
    })?;
    let current = evidence.document(name, target)?;
    if current.version > role.version {
        return Err(Error::refused(format!(
            "{} was agreed with version {}, and version {} of {name} lists it",
            target_name(name),
            current.version,
            role.version
        )));
    }
    Ok(current)
}

/// A role that was only signed anew lists what an earlier version listed.
fn unchanged(evidence: &Evidence, current: &Current, role: &Targets) -> Result<()> {
    let name = &current.environment;
    if current.version == role.version {
        return Ok(());
    }
    let known = evidence.logged(name, current.version)?;
    match known.current == *current {
        true => Ok(()),
        false => Err(Error::refused(format!(
            "{name} version {} lists what was agreed with version {}, which listed {}",
            role.version, current.version, known.current.tag
        ))),
    }
}

/// It forgets nothing that the environment ran: order, reasons and the way back hang on it.
fn past(evidence: &Evidence, current: &Current) -> Result<()> {
    let name = &current.environment;
    let ran = evidence.before(name, current.version)?;
    let ran = ran.map(|ran| ran.step());
    match ran == current.previous {
        true => Ok(()),
        false => Err(Error::refused(format!(
            "{name} ran {} before version {}, which says {}",
            Step::words(ran.as_ref()),
            current.version,
            Step::words(current.previous.as_ref())
        ))),
    }
}

/// What took the place of `ran`; none while it runs there still, or where it comes back to.
fn end(
    evidence: &Evidence,
    origin: &Origin,
    ran: &Known,
    here: &str,
    versions: &BTreeMap<String, u64>,
) -> Result<Option<Known>> {
    let there = &origin.environment;
    if there == here {
        return Ok(None);
    }
    match origin.ended {
        Some(version) => {
            let next = evidence.signed(there, version)?;
            match next.current.previous == Some(ran.current.step()) {
                true => Ok(Some(next)),
                false => Err(Error::refused(format!(
                    "{there} version {version} did not take the place of {} of version {}",
                    ran.current.tag, ran.current.version
                ))),
            }
        }
        None => {
            let present = versions.get(there).copied().unwrap_or_default();
            let (role, _) = evidence.role(there, present)?;
            let current = document(evidence, there, &role)?;
            match current == ran.current {
                true => Ok(None),
                false => successor(evidence, there, ran, present).map(Some),
            }
        }
    }
}

/// The version that took the place of `ran` since somebody wrote that it ran still.
fn successor(evidence: &Evidence, there: &str, ran: &Known, present: u64) -> Result<Known> {
    let first = ran.current.version.saturating_add(1);
    for version in first..=present.min(first.saturating_add(MAX_SEARCHED_VERSIONS)) {
        if !evidence.has_role(there, version)? {
            continue;
        }
        // A version that was only signed anew is none that took its place.
        if let Ok(next) = evidence.logged(there, version)
            && next.current.previous == Some(ran.current.step())
        {
            return Ok(next);
        }
    }
    Err(Error::refused(format!(
        "{there} no longer runs {} of version {}, and nothing in the store says since when",
        ran.current.tag, ran.current.version
    ))
    .hint("fetch the store whole, or propose it again: relman promote says when it ran there"))
}

fn announcement(evidence: &Evidence, path: &str) -> Result<(AnnouncementLeaf, Option<Timestamp>)> {
    match evidence.leaf(path)? {
        (Leaf::Announcement(leaf), _, since) => Ok((leaf, since)),
        _ => Err(Error::refused(format!("{path} is no announcement"))),
    }
}

fn overridden(
    evidence: &Evidence,
    path: &str,
    current: &Current,
    pending: Option<Pending>,
) -> Result<Override> {
    let proposed = pending.and_then(|pending| pending.statements.get(path));
    if let Some(statement) = proposed {
        let leaf = OverrideLeaf::read(statement).map_err(|e| e.under(path))?;
        return Ok(Override { leaf });
    }
    match evidence.leaf(path)? {
        (Leaf::Override(leaf), signers, _) => {
            count(evidence.policy(), &leaf, &signers)
                .map_err(|e| e.under(format!("the override {path}")))?;
            match leaf.environment == current.environment {
                true => Ok(Override { leaf }),
                false => Err(Error::refused(format!(
                    "the override {path} is for {}",
                    leaf.environment
                ))),
            }
        }
        _ => Err(Error::refused(format!("{path} is no override"))),
    }
}

/// Whether enough of the environment's overriders have signed: distinct keys of distinct persons.
pub(super) fn count(
    policy: &ReleasePolicy,
    leaf: &OverrideLeaf,
    signers: &BTreeSet<PublicKey>,
) -> Result<()> {
    let name = &leaf.environment;
    let group = policy
        .environment(name)
        .and_then(|e| e.overriders.as_ref())
        .ok_or_else(|| {
            Error::refused(format!("policy lets nobody set rules of {name} aside"))
                .hint("the root keys decide who may, by a new policy")
        })?;
    let purpose = Purpose::Override(name.clone());
    let people: BTreeSet<&str> = signers
        .iter()
        .map(PublicKey::keyid)
        .filter(|id| group.keys.contains(id))
        .filter_map(|id| policy.policy().key(&purpose, &id, leaf.time))
        .map(|key| key.entry.person.as_str())
        .collect();
    match people.len() as u64 >= group.threshold {
        true => Ok(()),
        false => Err(Error::refused(format!(
            "has the signatures of {} people ({}), wanted {}",
            people.len(),
            people.into_iter().collect::<Vec<_>>().join(", "),
            group.threshold
        ))),
    }
}
