//! What the environments have run: every move that a version of their roles made, under the rules that
//! were in force when it was made; then what runs now, under today's. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::then::Then;
use super::versions::{Look, Versions};
use super::{Problem, problem};
use crate::limits::{MAX_LISTED_METADATA_LEN, MAX_TARGETS_LEN};
use crate::release::environment::{
    Breach, Current, Evidence, Rule, Times, check_environment, gather, target_name,
};
use crate::release::policy::ReleasePolicy;
use crate::release::view::View;
use crate::store::Reader;
use crate::trust::Unverified;
use crate::trust::schema::Targets;
use crate::{Error, Result as CrateResult};

/// What is to be said of environments.
#[derive(Default)]
pub struct Found {
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What today's rules would say of what was right then.
    pub warnings: Vec<String>,
    /// What nobody can judge any more.
    pub notes: Vec<String>,
    /// How often each moved.
    pub moves: BTreeMap<String, usize>,
    /// Names of the files that their roles listed.
    pub files: BTreeSet<String>,
    /// What each ran last.
    pub runs: BTreeMap<String, (u64, String)>,
}

/// Checks all environments that there ever were.
pub fn check(store: &dyn Reader, view: &mut View, look: &Look, versions: &Versions) -> Found {
    let mut found = Found::default();
    let policies = look.eras.all().iter().filter_map(|era| era.policy.as_ref());
    let names: BTreeSet<String> = policies
        .chain([look.eras.today()])
        .flat_map(ReleasePolicy::environment_names)
        .map(str::to_owned)
        .collect();
    for name in names {
        found.moves.insert(name.clone(), 0);
        let known = versions.roles.get(&name).into_iter().flatten();
        for (version, index) in known {
            // The version before those that were read anew was judged with the rest.
            let old = *index < look.logged.since;
            if let Err(e) = walk(
                store,
                look,
                versions,
                &name,
                (*version, *index),
                old,
                &mut found,
            ) {
                let path = format!("metadata/{version}.{name}.json");
                found.problems.extend(problem(path, &e));
            }
        }
        let whole = look.upto == look.prefixes.hashes().head().size;
        if whole && view.policy.environment(&name).is_some() {
            present(store, view, look, &name, &mut found);
        }
    }
    found
}

/// What runs now, under today's policy: new nodes would not install it where a rule is broken.
fn present(store: &dyn Reader, view: &mut View, look: &Look, name: &str, found: &mut Found) {
    let times = Times {
        waits: view.witnessed.as_ref().map(|witnessed| witnessed.time()),
        install: None,
    };
    let root = look.eras.version_today();
    let subject = target_name(name);
    match check_environment(store, view, name, times) {
        Ok((_, breaches)) => found.warnings.extend(breaches.iter().map(|breach| {
            format!(
                "{subject}: under the policy of root {root} nodes refuse to install it: {breach}"
            )
        })),
        Err(e) => found.problems.extend(problem(subject, &e)),
    }
}

/// A version of an environment's role: what it listed is there, as it was listed, and if it moved the
/// environment, no rule of that time was broken.
fn walk(
    store: &dyn Reader,
    look: &Look,
    versions: &Versions,
    name: &str,
    (version, index): (u64, u64),
    old: bool,
    found: &mut Found,
) -> CrateResult<()> {
    let path = format!("metadata/{version}.{name}.json");
    let role: Targets = read(store, &path)?;
    let Some(target) = role.targets.get(&target_name(name)) else {
        return Ok(());
    };
    if let Some(digest) = target.sha256() {
        found
            .files
            .insert(format!("{digest}.{}", target_name(name)));
    }
    if old {
        let tag = crate::release::state::current_tag(target).unwrap_or_default();
        found.runs.insert(name.to_owned(), (version, tag));
        return Ok(());
    }
    let Some(targets) = versions.targets_at(index) else {
        return Ok(());
    };
    let targets: Targets = read(store, &format!("metadata/{}.targets.json", targets.version))?;
    let era = look.eras.at(index);
    let policy = match era.and_then(|era| era.policy.as_ref()) {
        Some(policy) => policy,
        None => {
            found.notes.push(format!(
                "{name} version {version}: the policy of its time is not in this store; it was judged under today's"
            ));
            look.eras.today()
        }
    };
    let then = Then::new(store, index + 1);
    // Each proof into its own checkpoint: what is proved today is not what was known then.
    let evidence = Evidence::new(&then, policy, &targets, None);
    let current = evidence.document(name, target)?;
    let tag = current.tag.clone();
    found.runs.insert(name.to_owned(), (current.version, tag));
    if current.version != version {
        return unchanged(&evidence, &current);
    }
    *found.moves.entry(name.to_owned()).or_default() += 1;
    let since = evidence.role(name, version).map(|(_, since)| since);
    let times = Times {
        waits: since.unwrap_or_default(),
        install: None,
    };
    let present = versions.roles.keys();
    let present: BTreeMap<String, u64> = present
        .filter_map(|role| Some((role.clone(), versions.role_at(role, index)?)))
        .collect();
    let (_, breaches) = gather(&evidence, name, &role, &present, None, times);
    let root = era.map_or(0, |era| era.root.version);
    let untold = times.waits.is_none() && !policy.witnesses().is_none();
    for breach in breaches {
        let waits = matches!(breach.rule, Rule::Soak | Rule::Notice);
        match waits && untold {
            // The proof that is here now has no quorum that saw it then: whether the wait was over
            // cannot be told from it.
            true => found.notes.push(format!(
                "{name} version {version}: {breach}; its proof does not say by when witnesses had seen it"
            )),
            false => found.problems.push(broken(name, version, root, &breach)),
        }
    }
    Ok(())
}

fn broken(name: &str, version: u64, root: u64, breach: &Breach) -> Problem {
    Problem::new(
        format!("{name} version {version}"),
        format!("broke a rule of root {root}: {breach}"),
    )
}

/// A version that was only signed anew lists what an earlier one listed.
fn unchanged(evidence: &Evidence, current: &Current) -> CrateResult<()> {
    let before = evidence.logged(&current.environment, current.version)?;
    match before.current == *current {
        true => Ok(()),
        false => Err(Error::refused(format!(
            "lists what was agreed with version {}, which listed {}",
            current.version, before.current.tag
        ))),
    }
}

/// A role whose signatures and digest were checked with all versions.
///
/// # Errors
/// It is missing or malformed.
pub fn read(store: &dyn Reader, path: &str) -> CrateResult<Targets> {
    let limit = MAX_TARGETS_LEN.max(MAX_LISTED_METADATA_LEN);
    let bytes = store.read(path, limit)?;
    let bytes = bytes.ok_or_else(|| Error::refused(format!("{path} is missing")))?;
    let role = Unverified::<Targets>::parse(&bytes)?;
    Ok(role.unverified_signed().clone())
}
