//! How large the log was at a time, and what held then. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::Problem;
use super::eras::Eras;
use super::prefix::Prefixes;
use super::versions::Versions;
use super::walk::Walk;
use crate::attest::Envelope;
use crate::limits::{MAX_LISTED_METADATA_LEN, MAX_TARGETS_LEN, MAX_TLOG_PROOF_LEN};
use crate::log::{TlogProof, TreeHead};
use crate::release::assemble::PROOF;
use crate::release::leaf::{Leaf, metadata_proof};
use crate::release::state::{self, Released};
use crate::store::Reader;
use crate::trust::Unverified;
use crate::trust::schema::Targets;
use crate::{Error, Result};

/// A store as it was.
#[derive(Clone, Debug, Serialize)]
pub struct AsOf {
    /// The time that was asked for.
    #[serde(with = "crate::trust::time")]
    pub time: Timestamp,
    /// Entries that the log had.
    pub entries: u64,
    /// `witnesses` where a quorum vouches that it had them by then, `signers` where nobody but those
    /// who signed them does.
    pub told_by: &'static str,
    /// The witnessed time of those entries.
    pub witnessed: Option<String>,
    /// Version of the root.
    pub root: u64,
    /// Digest of the policy that it pins.
    pub policy: Option<String>,
    /// Version of top-level targets.
    pub targets: u64,
    /// The releases that they listed.
    pub releases: Vec<Released>,
    /// What each environment ran.
    pub environments: Vec<Ran>,
    /// Metadata that had expired by then.
    pub expired: Vec<String>,
}

/// What an environment ran.
#[derive(Clone, Debug, Serialize)]
pub struct Ran {
    /// The environment.
    pub name: String,
    /// The version of its role with which that was agreed.
    pub version: u64,
    /// The release.
    pub tag: String,
}

/// How large the log was.
pub struct Size {
    /// Entries.
    pub entries: u64,
    /// When a quorum of witnesses had seen so many; none where only signers say when.
    pub witnessed: Option<Timestamp>,
}

/// Finds it: the newest proof whose checkpoint a quorum had seen by then, or, where no quorum was asked
/// for, all of whose entries say that they were signed by then.
///
/// # Errors
/// A log that is not whole; one that had nothing then.
pub fn size(
    store: &dyn Reader,
    head: TreeHead,
    threads: usize,
    (eras, prefixes): (&Eras, &Prefixes),
    time: Timestamp,
) -> Result<Size, Vec<Problem>> {
    // Where the newest time so far was passed by a newer one.
    let mut newest: Vec<(u64, Timestamp)> = Vec::new();
    let mut proofs: Vec<(u64, String)> = Vec::new();
    let walk = Walk {
        store,
        head,
        since: 0,
        threads,
    };
    let read = |_: u64, entry: &[u8]| {
        let statement = Envelope::parse(entry).and_then(|e| e.unverified_statement());
        statement.and_then(|statement| Leaf::read(&statement))
    };
    let walked = walk.run(read, |index, leaf| {
        let Ok(leaf) = leaf else { return };
        if newest.last().is_none_or(|(_, time)| *time < leaf.time()) {
            newest.push((index, leaf.time()));
        }
        match leaf {
            Leaf::Release(leaf) => proofs.push((index, format!("{}/{PROOF}", leaf.tag))),
            Leaf::Metadata(leaf) => {
                let names = leaf.files.into_keys();
                let mut names = names.filter(|name| !name.ends_with(".policy.json"));
                if let Some(name) = names.next() {
                    proofs.push((index, metadata_proof(name.trim_end_matches(".json"))));
                }
            }
            _ => {}
        }
    });
    if !walked.whole {
        return Err(walked.problems);
    }
    let by_signers = |size: u64| {
        let before = newest.iter().rev().find(|(index, _)| *index < size);
        before.is_none_or(|(_, newest)| *newest <= time)
    };
    for (index, path) in proofs.iter().rev() {
        let Ok((entries, witnessed)) = seen(store, path, *index, eras, prefixes) else {
            continue;
        };
        let then = match witnessed {
            Some(at) => at <= time,
            None => by_signers(entries),
        };
        if then {
            return Ok(Size { entries, witnessed });
        }
    }
    let message = format!("nothing in this log is known to be as old as {time}");
    Err(vec![Problem::new("log", message)])
}

/// The size of the checkpoint under which an entry is proved, and when a quorum had seen that.
fn seen(
    store: &dyn Reader,
    path: &str,
    index: u64,
    eras: &Eras,
    prefixes: &Prefixes,
) -> Result<(u64, Option<Timestamp>)> {
    let bytes = store.read(path, MAX_TLOG_PROOF_LEN)?;
    let bytes = bytes.ok_or_else(|| Error::refused(format!("{path} is missing")))?;
    let proof = TlogProof::parse(&bytes)?;
    let entry = proof.unverified_extra().to_vec();
    let included = proof.verify(&entry, &eras.log_keys(), eras.today().log_origin())?;
    let checkpoint = included.checkpoint();
    prefixes.check(checkpoint)?;
    if included.index() != index {
        return Err(Error::refused(format!("{path} is about another entry")));
    }
    let policies = eras.all().iter().filter_map(|era| era.policy.as_ref());
    let mut asking = policies
        .chain([eras.today()])
        .filter(|p| !p.witnesses().is_none());
    let witnessed = asking.find_map(|policy| policy.witnessed(checkpoint).ok().flatten());
    Ok((checkpoint.head().size, witnessed.map(|w| w.time())))
}

/// The releases that the targets in force at the last of `size` entries list.
///
/// # Errors
/// That version cannot be read.
pub fn released(store: &dyn Reader, versions: &Versions, size: u64) -> Result<Vec<Released>> {
    let Some(then) = size.checked_sub(1).and_then(|at| versions.targets_at(at)) else {
        return Ok(Vec::new());
    };
    let path = format!("metadata/{}.targets.json", then.version);
    Ok(state::released(&body(store, &path)?).0)
}

/// What held when the log had `size` entries.
///
/// # Errors
/// Metadata of then that cannot be read.
pub fn as_of(
    store: &dyn Reader,
    (eras, versions): (&Eras, &Versions),
    size: Size,
    time: Timestamp,
    runs: &BTreeMap<String, (u64, String)>,
) -> Result<AsOf> {
    let last = size.entries.saturating_sub(1);
    let era = eras.at(last);
    let targets = versions.targets_at(last).map_or(0, |t| t.version);
    let mut expired = Vec::new();
    let mut note = |role: String, expires: Timestamp| {
        if expires <= time {
            expired.push(format!("{role} had expired at {expires}"));
        }
    };
    if let Some(era) = era {
        let name = format!("root version {}", era.root.version);
        note(name, era.root.expires);
    }
    let mut roles = vec![("targets".to_owned(), targets)];
    let present = versions.roles.keys();
    roles.extend(present.filter_map(|r| Some((r.clone(), versions.role_at(r, last)?))));
    for (role, version) in roles.into_iter().filter(|(_, version)| *version > 0) {
        let body = body(store, &format!("metadata/{version}.{role}.json"))?;
        note(format!("{role} version {version}"), body.expires);
    }
    Ok(AsOf {
        time,
        entries: size.entries,
        told_by: match size.witnessed {
            Some(_) => "witnesses",
            None => "signers",
        },
        witnessed: size.witnessed.map(crate::trust::time::format),
        root: era.map_or(0, |era| era.root.version),
        policy: era.and_then(|era| Some(era.policy.as_ref()?.pin().sha256.hex())),
        targets,
        releases: released(store, versions, size.entries)?,
        environments: runs
            .iter()
            .map(|(name, (version, tag))| Ran {
                name: name.clone(),
                version: *version,
                tag: tag.clone(),
            })
            .collect(),
        expired,
    })
}

fn body(store: &dyn Reader, path: &str) -> Result<Targets> {
    let bytes = store.read(path, MAX_TARGETS_LEN.max(MAX_LISTED_METADATA_LEN))?;
    let bytes = bytes.ok_or_else(|| Error::refused(format!("{path} is missing")))?;
    let role = Unverified::<Targets>::parse(&bytes)?;
    Ok(role.unverified_signed().clone())
}
