//! Metadata of every version, by the log or by its signatures, and the targets that it lists. Pure.

use std::collections::BTreeSet;

use super::log::LogCopy;
use super::objects::Objects;
use crate::hash::Sha256;
use crate::limits::{MAX_LISTED_METADATA_LEN, MAX_SNAPSHOT_LEN, MAX_SNAPSHOTS_BACK};
use crate::release::ceremony::Base;
use crate::release::view::View;
use crate::store::mirror::NewObject;
use crate::trust::verify::Signers;
use crate::trust::{Root, Snapshot, Targets, Unverified};
use crate::{Error, Result};

/// New roots, path and bytes, oldest first.
pub type Roots = Vec<(String, Vec<u8>)>;

/// Copies everything but timestamp and roots; the roots are given back, to come later.
///
/// # Errors
/// A file that is missing or not what the log says, a snapshot that nobody has signed; as
/// [`Objects::stream`].
pub fn copy(objects: &mut Objects, view: &View, base: &Base, log: &LogCopy) -> Result<Roots> {
    let mut roots: Vec<(u64, String, Vec<u8>)> = Vec::new();
    let mut listed = BTreeSet::new();
    for (name, digests) in &log.metadata {
        let path = format!("metadata/{name}");
        let Some((role, version)) = versioned(name) else {
            policy(objects, &path, name, digests)?;
            continue;
        };
        let Some(bytes) = objects.from.read(&path, MAX_LISTED_METADATA_LEN)? else {
            match version > base.version(role) {
                // In the log, and about to be published.
                true => continue,
                false => {
                    return Err(Error::refused(format!(
                        "{path} is in the log, and missing in the store at {}",
                        objects.from.location()
                    )));
                }
            }
        };
        if version > base.version(role) && base.version(role) > 0 {
            continue;
        }
        same(&path, &bytes, digests)?;
        let proof = format!("metadata/{version}.{role}.tlog-proof");
        if !log.proof(objects, &proof)? {
            return Err(Error::refused(format!("{proof} is missing")));
        }
        match role {
            "root" => roots.push((version, path, bytes)),
            _ => {
                targets(objects, &bytes, &mut listed)?;
                objects.bytes(&path, &bytes)?;
            }
        }
    }
    roots.sort();
    snapshots(objects, view, &roots)?;
    Ok(roots.into_iter().map(|(_, p, b)| (p, b)).collect())
}

/// `N.role.json`.
fn versioned(name: &str) -> Option<(&str, u64)> {
    let (version, rest) = name.split_once('.')?;
    let role = rest.strip_suffix(".json")?;
    let digits = !version.starts_with('0') && version.bytes().all(|b| b.is_ascii_digit());
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    let fine = digits && !role.is_empty() && role.bytes().all(plain);
    Some((role, version.parse().ok()?)).filter(|_| fine)
}

fn same(path: &str, bytes: &[u8], digests: &BTreeSet<Sha256>) -> Result<()> {
    let found = Sha256::of(bytes);
    if digests.contains(&found) {
        return Ok(());
    }
    Err(Error::refused(format!(
        "{path} hashes to {found}, which the log does not have"
    )))
}

fn policy(objects: &mut Objects, path: &str, name: &str, digests: &BTreeSet<Sha256>) -> Result<()> {
    let digest = name.strip_suffix(".policy.json").and_then(Sha256::from_hex);
    if digest.is_none_or(|digest| !digests.contains(&digest)) {
        let note = format!("the log has {name:?}, which is no name of metadata");
        objects.report.notes.push(note);
        return Ok(());
    }
    match objects.from.read(path, MAX_LISTED_METADATA_LEN)? {
        None => {
            let note = format!("{path} is in the log and not there (yet)");
            objects.report.notes.push(note);
            Ok(())
        }
        Some(bytes) => {
            same(path, &bytes, digests)?;
            objects.bytes(path, &bytes)
        }
    }
}

/// The files that a version of targets or of an environment lists.
fn targets(objects: &mut Objects, bytes: &[u8], listed: &mut BTreeSet<String>) -> Result<()> {
    let role = Unverified::<Targets>::parse(bytes)?;
    for (name, target) in &role.unverified_signed().targets {
        let Some(sha256) = target.sha256().filter(|_| !name.contains('/')) else {
            continue;
        };
        let path = format!("targets/{sha256}.{name}");
        if listed.insert(path.clone()) {
            objects.stream(&NewObject {
                path,
                sha256,
                limit: target.length,
                executable: false,
            })?;
        }
    }
    Ok(())
}

/// Snapshots are not in the log: each must be signed by the threshold that one of the roots set.
fn snapshots(objects: &mut Objects, view: &View, roots: &[(u64, String, Vec<u8>)]) -> Result<()> {
    let parsed: Vec<Root> = roots
        .iter()
        .filter_map(|(_, _, bytes)| {
            let root = Unverified::<Root>::parse(bytes).ok()?.verify_self().ok()?;
            Some(Root::clone(&root))
        })
        .collect();
    let newest = view.refreshed.snapshot();
    let first = newest.version.saturating_sub(MAX_SNAPSHOTS_BACK).max(1);
    for version in first..=newest.version {
        let path = format!("metadata/{version}.snapshot.json");
        if version == newest.version {
            objects.bytes(&path, newest.bytes())?;
            continue;
        }
        // A number that was never published has no file.
        let Some(bytes) = objects.from.read(&path, MAX_SNAPSHOT_LEN)? else {
            continue;
        };
        let signed = parsed.iter().rev().any(|root| {
            let parsed = Unverified::<Snapshot>::parse(&bytes);
            let signers = Signers::of_root(root, "snapshot");
            parsed
                .and_then(|parsed| parsed.verify("snapshot", "its root", signers?))
                .is_ok_and(|snapshot| snapshot.version == version)
        });
        if !signed {
            return Err(Error::refused(format!(
                "{path} is signed by none of the store's roots"
            )));
        }
        objects.bytes(&path, &bytes)?;
    }
    Ok(())
}
