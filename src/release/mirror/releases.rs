//! Release directories: every file by the signed sums, late evidence by what the log says of it. Pure.

use std::collections::BTreeSet;

use super::log::LogCopy;
use super::objects::Objects;
use crate::attest::{Envelope, provenance, sshsig, sums};
use crate::hash::Sha256;
use crate::keys::PublicKey;
use crate::limits::{MAX_ATTESTATION_LEN, MAX_FRESH_PROOFS, MAX_SUMS_LEN, MAX_TLOG_PROOF_LEN};
use crate::release::assemble::{APPROVALS, PROOF, PROVENANCE, SUMS, SUMS_SIG};
use crate::release::leaf::ReleaseLeaf;
use crate::release::policy::ReleasePolicy;
use crate::release::state::{self, Released};
use crate::release::tag::Tag;
use crate::release::verify::fresh_path;
use crate::release::view::View;
use crate::store::mirror::NewObject;
use crate::trust::policy::Purpose;
use crate::{Error, Result};

/// Copies every release that the targets list.
///
/// # Errors
/// A file that is missing or not what log, sums or signatures say; as [`Objects::stream`].
pub fn copy(objects: &mut Objects, view: &View, log: &LogCopy) -> Result<()> {
    let (released, malformed) = state::released(view.refreshed.targets());
    let notes = malformed.iter().map(|e| e.to_string());
    objects.report.notes.extend(notes);
    for release in &released {
        // The tag names a directory beside `log` and `metadata`.
        Tag::parse_any(&release.tag)?;
        let leaves = log.releases.get(&release.tag).into_iter().flatten();
        let leaf = leaves
            .into_iter()
            .find(|leaf| release.differences(leaf).is_empty())
            .ok_or_else(|| {
                Error::refused(format!(
                    "{} is in targets.json and not in the log",
                    release.tag
                ))
            })?;
        one(objects, release, leaf, &view.policy, log)
            .map_err(|e| e.under(format!("{} was not copied", release.tag)))?;
    }
    Ok(())
}

fn one(
    objects: &mut Objects,
    release: &Released,
    leaf: &ReleaseLeaf,
    policy: &ReleasePolicy,
    log: &LogCopy,
) -> Result<()> {
    let at = |name: &str| format!("{}/{name}", release.tag);
    let text = objects.required(&at(SUMS), MAX_SUMS_LEN)?;
    same(&at(SUMS), &text, leaf.sums)?;
    let files = sums::parse(&text)?;
    let signature = objects.required(&at(SUMS_SIG), MAX_SUMS_LEN)?;
    let builders = policy.accepted(&Purpose::Builder, leaf.time);
    sshsig::verify(&signature, &text, &builders).map_err(|e| e.under(at(SUMS_SIG)))?;
    let line = objects.required(&at(PROVENANCE), MAX_ATTESTATION_LEN)?;
    same(&at(PROVENANCE), &line, leaf.provenance)?;
    let statement = Envelope::parse(line.strip_suffix(b"\n").unwrap_or(&line))
        .and_then(|envelope| envelope.unverified_statement())?;
    let members = provenance::members(&statement, &release.archive_name()).unwrap_or_default();

    for (name, sha256) in &files {
        let facts = members.get(name);
        let limit = match facts {
            _ if *name == release.archive_name() => release.length,
            Some(facts) => facts.length,
            None => MAX_ATTESTATION_LEN,
        };
        objects.stream(&NewObject {
            path: at(name),
            sha256: *sha256,
            limit,
            executable: facts.is_some_and(|facts| facts.executable),
        })?;
    }
    objects.bytes(&at(SUMS), &text)?;
    objects.bytes(&at(SUMS_SIG), &signature)?;
    if !log.proof(objects, &at(PROOF))? {
        return Err(Error::refused(format!("{} is missing", at(PROOF))));
    }
    if let Some(bytes) = objects.from.read(&at(APPROVALS), MAX_ATTESTATION_LEN)? {
        check_approvals(&bytes, policy).map_err(|e| e.under(at(APPROVALS)))?;
        objects.bytes(&at(APPROVALS), &bytes)?;
    }
    late(
        objects,
        release,
        &files.keys().map(String::as_str).collect(),
        log,
    )
}

fn same(path: &str, bytes: &[u8], wanted: Sha256) -> Result<()> {
    match Sha256::of(bytes) {
        found if found == wanted => Ok(()),
        found => Err(Error::refused(format!(
            "{path} hashes to {found}, the log says {wanted}"
        ))),
    }
}

/// Every line is signed by somebody whom policy knows; what it counts for is for readers to judge.
fn check_approvals(bytes: &[u8], policy: &ReleasePolicy) -> Result<()> {
    let keys = policy.policy().document().keys.iter();
    let keys: Vec<PublicKey> = keys
        .filter_map(|key| policy.policy().unchecked_key(&key.id))
        .filter_map(|key| PublicKey::from_bytes(key.bytes).ok())
        .collect();
    let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    for line in lines.split(|b| *b == b'\n') {
        Envelope::parse(line)?.verify(&keys)?;
    }
    Ok(())
}

/// Proofs that came after the cut: those that the log's leaves lead to, and those that a store which can
/// list shows beside them.
fn late(
    objects: &mut Objects,
    release: &Released,
    files: &BTreeSet<&str>,
    log: &LogCopy,
) -> Result<()> {
    let derived = log.late.get(&release.tag);
    let mut paths: BTreeSet<String> = derived.cloned().unwrap_or_default();
    let tops: BTreeSet<&str> = files
        .iter()
        .filter_map(|name| name.split('/').next())
        .chain([SUMS, SUMS_SIG, PROOF, APPROVALS])
        .collect();
    let listed = objects.from.list(&release.tag)?;
    if listed.is_none() {
        let first: Vec<String> = paths.iter().cloned().collect();
        for first in first
            .into_iter()
            .chain([format!("{}/{PROOF}", release.tag)])
        {
            for n in 1..=MAX_FRESH_PROOFS {
                let path = fresh_path(&first, n);
                if objects.from.read(&path, MAX_TLOG_PROOF_LEN)?.is_none() {
                    break;
                }
                paths.insert(path);
            }
        }
    }
    for name in listed.unwrap_or_default() {
        let path = format!("{}/{name}", release.tag);
        match name.ends_with(".tlog-proof") {
            _ if tops.contains(name.as_str()) => {}
            true => {
                paths.insert(path);
            }
            false => objects
                .report
                .notes
                .push(format!("{path} was left out: nobody signed for it")),
        }
    }
    for path in paths {
        let here = objects.from.read(&path, MAX_TLOG_PROOF_LEN)?;
        if here.is_some_and(|bytes| log.is_newer(&bytes)) {
            continue;
        }
        if !log.proof(objects, &path)? {
            objects.report.notes.push(format!(
                "{path} is not there (yet), though the log has what it would prove"
            ));
        }
    }
    Ok(())
}
