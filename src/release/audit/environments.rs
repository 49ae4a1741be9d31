//! What the environments have run: every document that a version of their roles listed, and the rules
//! over what they run now. Pure.

use std::collections::BTreeSet;

use super::{Problem, problem, whole};
use crate::limits::MAX_TARGETS_LEN;
use crate::release::environment::{Current, Evidence, Times, check_environment, target_name};
use crate::release::view::View;
use crate::store::Reader;
use crate::trust::Unverified;
use crate::trust::schema::Targets;
use crate::{Error, Result as CrateResult};

/// Checks all environments; puts the names of the files that their roles listed into `files`.
pub fn check(
    store: &dyn Reader,
    view: &mut View,
    files: &mut BTreeSet<String>,
) -> Result<((), String), Vec<Problem>> {
    let mut problems = Vec::new();
    let mut moves = Vec::new();
    let names: Vec<String> = view
        .policy
        .environment_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let times = Times {
        waits: view.witnessed.as_ref().map(|witnessed| witnessed.time()),
        install: None,
    };
    for name in names {
        let subject = format!("{name}.json");
        match walk(store, view, &name, files) {
            Ok((found, bad)) => {
                moves.push(format!("{name} moved {found} times"));
                problems.extend(bad);
            }
            Err(e) => problems.extend(problem(&subject, &e)),
        }
        match check_environment(store, view, &name, times) {
            Ok((_, breaches)) => {
                let subject = target_name(&name);
                let words = breaches.into_iter().map(|breach| breach.to_string());
                problems.extend(words.map(|words| Problem::new(&subject, words)));
            }
            Err(e) => problems.extend(problem(&subject, &e)),
        }
    }
    whole(problems, moves.join(", "))
}

/// Every version of an environment's role: what it listed is there, as it was listed.
fn walk(
    store: &dyn Reader,
    view: &mut View,
    name: &str,
    files: &mut BTreeSet<String>,
) -> CrateResult<(usize, Vec<Problem>)> {
    let present = view.refreshed.role(name)?.version;
    let targets = view.refreshed.targets();
    let evidence = Evidence::new(store, &view.policy, targets, Some(&view.history));
    let mut problems = Vec::new();
    let mut moves = 0;
    for version in 1..=present {
        let path = format!("metadata/{version}.{name}.json");
        // Whether a version may be missing is asked where all metadata is looked at.
        let Some(bytes) = store.read(&path, MAX_TARGETS_LEN)? else {
            continue;
        };
        let role = match Unverified::<Targets>::parse(&bytes) {
            Ok(role) => role,
            Err(e) => {
                problems.extend(problem(&path, &Error::from(e)));
                continue;
            }
        };
        let Some(target) = role.unverified_signed().targets.get(&target_name(name)) else {
            continue;
        };
        if let Some(digest) = target.sha256() {
            files.insert(format!("{digest}.{}", target_name(name)));
        }
        match evidence.document(name, target) {
            Ok(Current { version: of, .. }) => moves += usize::from(of == version),
            Err(e) => problems.extend(problem(&path, &e)),
        }
    }
    Ok((moves, problems))
}
