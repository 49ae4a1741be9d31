//! What each network runs, and since when by the log. Pure.

use jiff::Timestamp;
use serde::Serialize;

use crate::Result;
use crate::hash::Sha256;
use crate::limits::{MAX_CURRENT_LEN, MAX_LISTED_METADATA_LEN, MAX_TLOG_PROOF_LEN};
use crate::log::TlogProof;
use crate::release::ceremony::Base;
use crate::release::environment::{Current, target_name};
use crate::release::halt::{self, Halt};
use crate::release::leaf::Leaf;
use crate::release::state::{self, Yank};
use crate::release::verify::signed_leaf;
use crate::store::Reader;
use crate::trust::{Targets, Unverified};

/// Earlier versions of a role that are looked at to find since when it names a release.
const MAX_VERSIONS_BACK: u64 = 64;

/// One network.
#[derive(Clone, Debug, Serialize)]
pub struct EnvironmentStanding {
    /// Its name.
    pub name: String,
    /// Version of its role.
    pub version: u64,
    /// The release that it runs; none before the first.
    pub tag: Option<String>,
    /// When that was decided, by the publisher's clock, as far as the log proves it.
    pub since: Option<String>,
    /// From when on its nodes may install it, if that was said.
    pub not_before: Option<String>,
    /// What it ran before, and may go back to.
    pub previous: Option<String>,
    /// The release is yanked.
    pub yanked: Option<Yank>,
    /// The halt that stops installs of it.
    pub halted: Option<HaltStanding>,
    /// Why its nodes install nothing: the role that halts it says what cannot be.
    pub halt_problem: Option<String>,
}

/// A halt that is in force.
#[derive(Clone, Debug, Serialize)]
pub struct HaltStanding {
    /// What it says.
    #[serde(flatten)]
    pub halt: Halt,
    /// Who signed it.
    pub signed_by: Vec<String>,
}

impl EnvironmentStanding {
    /// What to tell somebody, if anything.
    pub fn warnings(&self) -> Vec<String> {
        let yanked = self.tag.as_ref().zip(self.yanked.as_ref());
        let yanked = yanked.map(|(tag, yank)| format!("{} runs {tag}, which is {yank}", self.name));
        let halted = self.halted.as_ref();
        let halted = halted.map(|halted| halted.halt.line(&halted.signed_by));
        let wrong = self.halt_problem.as_ref();
        let wrong = wrong.map(|why| format!("nodes of {} install nothing: {why}", self.name));
        yanked.into_iter().chain(halted).chain(wrong).collect()
    }

    /// What it runs, in words for people.
    pub fn words(&self) -> String {
        let Some(tag) = &self.tag else {
            return "runs nothing yet".into();
        };
        let mut words = format!("runs {tag}");
        if let Some(since) = &self.since {
            words.push_str(&format!(" since {since}"));
        }
        if let Some(from) = &self.not_before {
            words.push_str(&format!(", to be installed from {from} on"));
        }
        if self.halted.is_some() {
            words.push_str(", HALTED: no node installs it");
        }
        words
    }
}

/// All environments, in the order that releases move through them.
///
/// # Errors
/// A store that fails.
pub fn all(store: &dyn Reader, base: &Base) -> Result<Vec<EnvironmentStanding>> {
    let mut out = Vec::new();
    for name in base.policy.environment_names() {
        let Some(role) = base.roles.get(name) else {
            continue;
        };
        let tag = current(name, role);
        let released = tag
            .as_ref()
            .and_then(|tag| state::find(&base.targets, tag).ok());
        let since = match &tag {
            Some(tag) => since(store, base, name, role.version, tag)?,
            None => None,
        };
        let document = document(store, name, role)?;
        let document = document.as_ref();
        let halt = base.roles.get(&halt::role_name(name));
        let stop = halt.map(|halt| (halt, halt::in_force(name, halt, role)));
        let (halted, halt_problem) = match stop {
            None | Some((_, Ok(None))) => (None, None),
            Some((_, Err(e))) => (None, Some(e.to_string())),
            Some((role, Ok(Some(halt)))) => {
                let signed_by = halt::people(name, role, &base.policy);
                (Some(HaltStanding { halt, signed_by }), None)
            }
        };
        out.push(EnvironmentStanding {
            name: name.to_owned(),
            version: role.version,
            not_before: document.and_then(|d| d.not_before).map(|at| at.to_string()),
            previous: document
                .and_then(|d| d.previous.as_ref())
                .map(|step| step.tag.clone()),
            yanked: released.and_then(|released| released.yanked),
            since: since.map(|at| at.to_string()),
            tag,
            halted,
            halt_problem,
        });
    }
    Ok(out)
}

/// The document that the role lists; none where it does not verify, which `verify` and `audit` tell.
fn document(store: &dyn Reader, name: &str, role: &Targets) -> Result<Option<Current>> {
    let Some(target) = role.targets.get(&target_name(name)) else {
        return Ok(None);
    };
    let Ok(path) = Current::path_of(name, target) else {
        return Ok(None);
    };
    let bytes = store.read(&path, MAX_CURRENT_LEN)?;
    Ok(bytes.and_then(|bytes| Current::read(name, target, &bytes).ok()))
}

fn current(name: &str, role: &Targets) -> Option<String> {
    let target = role.targets.get(&target_name(name))?;
    state::current_tag(target)
}

/// The time of the oldest version, of those in a row up to now, that names `tag`.
fn since(
    store: &dyn Reader,
    base: &Base,
    name: &str,
    version: u64,
    tag: &str,
) -> Result<Option<Timestamp>> {
    let mut found = None;
    for version in (version.saturating_sub(MAX_VERSIONS_BACK).max(1)..=version).rev() {
        let path = format!("metadata/{version}.{name}");
        // A number that an orphan used has no file.
        let Some(bytes) = store.read(&format!("{path}.json"), MAX_LISTED_METADATA_LEN)? else {
            continue;
        };
        let Ok(role) = Unverified::<Targets>::parse(&bytes) else {
            break;
        };
        if current(name, role.unverified_signed()).as_deref() != Some(tag) {
            break;
        }
        let proof = store.read(&format!("{path}.tlog-proof"), MAX_TLOG_PROOF_LEN)?;
        let file = format!("{version}.{name}.json");
        match proof.and_then(|proof| logged_at(&proof, base, &file, &bytes)) {
            Some(time) => found = Some(time),
            None => break,
        }
    }
    Ok(found)
}

/// When exactly these bytes were logged.
fn logged_at(proof: &[u8], base: &Base, file: &str, bytes: &[u8]) -> Option<Timestamp> {
    let policy = &base.policy;
    let proof = TlogProof::parse(proof).ok()?;
    let entry = proof.unverified_extra().to_vec();
    let verified = proof.verify(&entry, policy.log_keys(), policy.log_origin());
    verified.ok()?;
    match signed_leaf(&entry, policy).ok()?.0 {
        Leaf::Metadata(leaf) if leaf.files.get(file) == Some(&Sha256::of(bytes)) => Some(leaf.time),
        _ => None,
    }
}
