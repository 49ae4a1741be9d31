//! The check of the environment: what its keys agreed on, and every rule on the way there, looked at
//! by the node itself. Pure.

use std::collections::BTreeMap;

use super::authority::{Authority, LOCAL};
use super::history::Proofs;
use super::{History, Problem, Report, Subject, Verifier, problem};
use crate::release::environment::{Current, Evidence, Times, gather, versions};

/// The check's name.
pub const NAME: &str = "environment";

/// What the environment runs is `subject`, and no rule is broken. Gives the files that show it.
pub fn check(
    v: &Verifier,
    authority: &mut Authority,
    subject: &Subject,
    report: &mut Report,
) -> Option<Proofs> {
    if subject.environment == LOCAL {
        return report.enter(NAME, Ok((Proofs::new(), "local: no rules".into())));
    }
    report.enter(NAME, run(v, authority, subject))
}

fn run(
    v: &Verifier,
    authority: &mut Authority,
    subject: &Subject,
) -> Result<(Proofs, String), Vec<Problem>> {
    let name = subject.environment;
    let role_file = format!("{name}.json");
    let role = authority
        .refreshed
        .role(name)
        .map_err(|e| problem(&role_file, &e))?;
    let policy = &authority.policy;
    let history = History::open(v.store, policy).map_err(|e| problem("log/checkpoint", &e))?;
    let witnessed = history
        .witnessed(policy)
        .map_err(|e| problem("log/checkpoint", &e))?;
    let versions = versions(authority.refreshed.snapshot());
    let targets = authority.refreshed.targets();
    let evidence = Evidence::new(v.store, policy, targets, Some(&history));
    let times = Times {
        waits: witnessed.map(|witnessed| witnessed.time()),
        install: Some(v.clock.now),
    };
    let (current, breaches) = gather(&evidence, name, &role, &versions, None, times);
    if !breaches.is_empty() {
        let subject = format!("{name}.current.json");
        let words = breaches.into_iter().map(|b| b.to_string());
        return Err(words.map(|b| Problem::new(&subject, b)).collect());
    }
    let mut files: Proofs = flat(evidence.into_files());
    files.push((role_file, role.bytes().to_vec()));
    let detail = current.map_or(String::new(), |current| words(&current));
    Ok((files, detail))
}

/// `mainnet runs phase1-… since version 4, after phase0-…`.
fn words(current: &Current) -> String {
    let mut words = format!(
        "{} runs {} since version {}",
        current.environment, current.tag, current.version
    );
    if let Some(previous) = &current.previous {
        words.push_str(&format!(", after {}", previous.tag));
    }
    if let Some(path) = &current.overridden {
        words.push_str(&format!(", by an override: {path}"));
    }
    words
}

/// Evidence has flat names; the last part of each of these is enough.
fn flat(files: BTreeMap<String, Vec<u8>>) -> Proofs {
    let name = |path: String| path.rsplit('/').next().unwrap_or_default().to_owned();
    files
        .into_iter()
        .map(|(p, bytes)| (name(p), bytes))
        .collect()
}
