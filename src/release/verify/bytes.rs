//! Checks 4 and 8: the archive's digest before anything in it is parsed, then every byte inside it
//! and beside it. Pure: bytes come from readers and go to a private file or a sink.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use super::history::signed_leaf;
use super::{
    Digests, OpenArchive, Problem, Report, Scratch, ScratchFile, Subject, Unpacking, Verifier,
    problem, required,
};
use crate::attest::provenance::MemberFacts;
use crate::attest::{sshsig, sums};
use crate::hash::{self, CopyError, Hasher, Sha256};
use crate::limits::{
    MAX_ARCHIVE_LEN, MAX_ATTESTATION_LEN, MAX_DEFLATE_RATIO, MAX_SUMS_LEN, MAX_TLOG_PROOF_LEN,
    MAX_UNPACKED_LEN,
};
use crate::log::TlogProof;
use crate::release::archive::{Member, Sink, UnpackError, unpack};
use crate::release::assemble::{PROVENANCE, SUMS, SUMS_SIG};
use crate::release::leaf::ReleaseLeaf;
use crate::release::policy::ReleasePolicy;
use crate::release::state::Released;
use crate::store::Reader;
use crate::trust::policy::Purpose;
use crate::{Error, Result};

/// Bytes moved at a time.
const BUFFER_LEN: usize = 256 * 1024;

/// Check 4: copies the archive to a private file, bounded by the length that the metadata gives,
/// hashing on the way; later checks read that copy, so nobody can serve other bytes twice.
pub fn fetch(
    v: &Verifier,
    subject: &Subject,
    released: &Released,
    report: &mut Report,
) -> Option<Box<dyn ScratchFile>> {
    let name = released.archive_name();
    let result = fetch_archive(subject.archive, v.scratch, released);
    let result = result.map_err(|e| problem(&name, &e));
    let detail = format!("{} bytes, sha256 as signed", released.length);
    report.enter("archive", result.map(|file| (file, detail)))
}

/// Copies an archive to a private file, at its first byte, if length and digest are as listed.
///
/// # Errors
/// Refused: there is none, or it has another length or digest. Failed: it cannot be read or stored.
pub fn fetch_archive(
    open: &OpenArchive,
    scratch: &dyn Scratch,
    released: &Released,
) -> Result<Box<dyn ScratchFile>> {
    let (file, found) = copy(open, scratch, released)?;
    match found == released.sha256 {
        true => Ok(file),
        false => Err(Error::refused(format!(
            "hashes to {found}, wanted {}",
            released.sha256
        ))),
    }
}

fn copy(
    open: &OpenArchive,
    scratch: &dyn Scratch,
    released: &Released,
) -> Result<(Box<dyn ScratchFile>, Sha256)> {
    if released.length > MAX_ARCHIVE_LEN {
        return Err(Error::refused(format!(
            "is listed with {} bytes, the limit is {MAX_ARCHIVE_LEN}",
            released.length
        )));
    }
    let mut input = open(released)?
        .ok_or_else(|| Error::refused("is missing"))?
        .take(released.length + 1);
    let mut file = scratch.file(released.length)?;
    let (sha256, seen) = hash::copy(&mut input, &mut file).map_err(|e| match e {
        CopyError::Read(e) => Error::failed("cannot be read to its end").caused_by(e),
        CopyError::Write(e) => Error::failed("cannot be stored for checking").caused_by(e),
    })?;
    match seen.cmp(&released.length) {
        std::cmp::Ordering::Less => Err(Error::refused(format!(
            "ends after {seen} bytes, wanted {}",
            released.length
        ))),
        std::cmp::Ordering::Greater => Err(Error::refused(format!(
            "goes on after its {} bytes",
            released.length
        ))),
        std::cmp::Ordering::Equal => {
            file.rewind()?;
            Ok((file, sha256))
        }
    }
}

/// What check 8 needs of the checks before it.
pub struct Known<'a> {
    /// The policy that says who builds.
    pub policy: &'a ReleasePolicy,
    /// The release.
    pub released: &'a Released,
    /// Its log leaf, if that check passed.
    pub leaf: Option<&'a ReleaseLeaf>,
    /// The members that its provenance lists, if that check passed.
    pub members: Option<&'a BTreeMap<String, MemberFacts>>,
    /// Whether the file at a path is evidence that came later.
    pub late: &'a dyn Fn(&str) -> bool,
}

/// Check 8: every member of the archive against the provenance and, where the whole directory is
/// checked, every file in it against the signed sums. What can be checked without something that
/// failed before is checked.
pub fn check(
    v: &Verifier,
    subject: &Subject,
    known: &Known,
    archive: Option<&mut Box<dyn ScratchFile>>,
    sink: Option<&mut dyn Sink>,
    report: &mut Report,
) {
    let mut problems = Vec::new();
    let mut details = Vec::new();
    let unpacked = archive.zip(known.members);
    let complete = unpacked.is_some();
    if let Some((file, members)) = unpacked {
        match unpack_checked(file, subject.tag, members, v.threads, sink) {
            Ok(()) => details.push(format!("{} members of the archive", members.len())),
            Err(found) => problems.extend(found),
        }
        if let Err(e) = file.rewind() {
            problems.extend(problem(known.released.archive_name(), &e));
        }
    }
    if subject.unpacking == Unpacking::Directory {
        match directory(v, subject, known) {
            Ok(count) => details.push(format!("{count} files of the release directory")),
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        report.enter::<()>("files", Err(problems));
    } else if complete {
        report.enter("files", Ok(((), details.join(", "))));
    } else {
        report.skip(
            "files",
            "the archive was not unpacked: a check before failed",
        );
    }
}

/// Unpacks a verified archive; every member must be as the provenance says.
pub fn unpack_checked(
    archive: &mut (dyn Read + Send),
    tag: &str,
    members: &BTreeMap<String, MemberFacts>,
    threads: usize,
    sink: Option<&mut dyn Sink>,
) -> Result<(), Vec<Problem>> {
    let wanted: BTreeMap<String, Sha256> = members
        .iter()
        .map(|(name, m)| (name.clone(), m.sha256))
        .collect();
    let total = members
        .values()
        .fold(0u64, |sum, m| sum.saturating_add(m.length));
    if total > MAX_UNPACKED_LEN {
        return Err(vec![Problem::new(
            tag,
            format!("unpacks to {total} bytes, the limit is {MAX_UNPACKED_LEN}"),
        )]);
    }
    match unpack(archive, tag, &wanted, threads, sink) {
        Ok(unpacked) => check_members(&unpacked.members, members),
        Err(UnpackError::Refused(list)) => Err(list
            .into_iter()
            .map(|p| Problem::new(p.subject, format!("has {}, wanted {}", p.found, p.wanted)))
            .collect()),
        Err(UnpackError::Failed(e)) => Err(problem(tag, &e)),
    }
}

/// Length and mode of what was unpacked; digests were compared on the way.
pub fn check_members(
    found: &[Member],
    wanted: &BTreeMap<String, MemberFacts>,
) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    for member in found {
        let name = member.path.as_str();
        if let Some(facts) = wanted.get(name)
            && (facts.length != member.len || facts.executable != member.executable)
        {
            problems.push(Problem::new(
                name,
                format!(
                    "has {} bytes and executable {}, wanted {} and {}",
                    member.len, member.executable, facts.length, facts.executable
                ),
            ));
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems),
    }
}

fn directory(v: &Verifier, subject: &Subject, known: &Known) -> Result<usize, Vec<Problem>> {
    let mut problems = Vec::new();
    let sums = signed_sums(v, subject, known)
        .map_err(|found| problems.extend(found))
        .ok();
    let own = own_digests(known);
    if let Some(sums) = &sums {
        let both = own
            .iter()
            .filter_map(|(name, wanted)| Some((name, sums.get(name)?, wanted)));
        for (name, found, wanted) in both.filter(|(_, found, wanted)| found != wanted) {
            problems.push(Problem::new(
                format!("{}/{SUMS}", subject.tag),
                format!("says that {name} has sha256 {found}, its signed metadata {wanted}"),
            ));
        }
    }
    // Without good sums there is still what the metadata and the provenance vouch for.
    let files = sums.as_ref().unwrap_or(&own);
    for (name, digest) in files {
        let path = format!("{}/{name}", subject.tag);
        let limit = longest(name, known);
        if let Err(e) = check_released_file(subject.release, &path, *digest, limit) {
            problems.push(Problem::new(path, e.to_string()));
        }
    }
    if sums.is_some() {
        problems.extend(strangers(subject, known, files));
    }
    match problems.is_empty() {
        true => Ok(files.len()),
        false => Err(problems),
    }
}

/// `SHA256SUMS`, parsed only if a builder's signature and, where there is one, the log's leaf vouch
/// for it.
fn signed_sums(v: &Verifier, subject: &Subject, known: &Known) -> Result<Digests, Vec<Problem>> {
    let sums_path = format!("{}/{SUMS}", subject.tag);
    let sig_path = format!("{}/{SUMS_SIG}", subject.tag);
    let text = required(subject.release, &sums_path, MAX_SUMS_LEN)?;
    let mut problems = Vec::new();
    let at = known.leaf.map_or(v.clock.now, |leaf| leaf.time);
    let accepted = known.policy.accepted(&Purpose::Builder, at);
    let signed = required(subject.release, &sig_path, MAX_SUMS_LEN)
        .and_then(|sig| sshsig::verify(&sig, &text, &accepted).map_err(|e| problem(&sig_path, &e)));
    problems.extend(signed.err().unwrap_or_default());
    let found = Sha256::of(&text);
    if let Some(leaf) = known.leaf
        && found != leaf.sums
    {
        let message = format!("hashes to {found}, the log says {}", leaf.sums);
        problems.push(Problem::new(&sums_path, message));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let sums = sums::parse(&text).map_err(|e| problem(&sums_path, &e))?;
    let archive = known.released.archive_name();
    match sums.get(&archive) {
        Some(_) => Ok(sums),
        // A builder signed it, for another release.
        None => Err(vec![Problem::new(
            &sums_path,
            format!("does not list {archive}"),
        )]),
    }
}

/// The digests of the files of a release directory that do not come from its `SHA256SUMS`.
fn own_digests(known: &Known) -> Digests {
    let members = known.members.into_iter().flatten();
    let mut digests: Digests = members.map(|(name, m)| (name.clone(), m.sha256)).collect();
    digests.insert(known.released.archive_name(), known.released.sha256);
    digests
}

/// More than this is never read of a file of a release directory.
fn longest(name: &str, known: &Known) -> u64 {
    let length = known.released.length;
    match known.members {
        _ if name == known.released.archive_name() => length,
        _ if name == PROVENANCE => MAX_ATTESTATION_LEN,
        Some(members) => members.get(name).map_or(MAX_ATTESTATION_LEN, |m| m.length),
        // Its length is not known, but it came out of this archive.
        None => length
            .saturating_mul(MAX_DEFLATE_RATIO)
            .clamp(MAX_ATTESTATION_LEN, MAX_UNPACKED_LEN),
    }
}

/// Files that nobody signed for, where the store can list them.
fn strangers(subject: &Subject, known: &Known, files: &BTreeMap<String, Sha256>) -> Vec<Problem> {
    let own = [
        SUMS,
        SUMS_SIG,
        crate::release::assemble::PROOF,
        crate::release::assemble::APPROVALS,
    ];
    let tops: BTreeSet<&str> = files
        .keys()
        .map(|name| name.split('/').next().unwrap_or(name))
        .chain(own)
        .collect();
    match subject.release.list(subject.tag) {
        Ok(Some(names)) => names
            .into_iter()
            .filter(|name| !tops.contains(name.as_str()))
            .map(|name| format!("{}/{name}", subject.tag))
            .filter(|path| !(known.late)(path))
            .map(|path| Problem::new(path, "is in the release directory and nobody signed for it"))
            .collect(),
        _ => Vec::new(),
    }
}

/// Proofs come later under new names; what one proves was signed, or it is none.
pub fn is_late_evidence(policy: &ReleasePolicy, release: &dyn Reader, path: &str) -> bool {
    let proved = |bytes: Vec<u8>| {
        let proof = TlogProof::parse(&bytes)?;
        let entry = proof.unverified_extra().to_vec();
        proof.verify(&entry, policy.log_keys(), policy.log_origin())?;
        signed_leaf(&entry, policy)
    };
    let found = match path.ends_with(".tlog-proof") {
        true => release.read(path, MAX_TLOG_PROOF_LEN),
        false => Ok(None),
    };
    matches!(found.map(|bytes| bytes.map(proved)), Ok(Some(Ok(_))))
}

/// One file of a release directory against its digest; it may have at most `limit` bytes.
pub fn check_released_file(
    store: &dyn Reader,
    path: &str,
    wanted: Sha256,
    limit: u64,
) -> Result<()> {
    let mut input = store
        .open(path)?
        .ok_or_else(|| Error::refused("is missing"))?
        .take(limit.saturating_add(1));
    let mut hasher = Hasher::new();
    let mut buffer = vec![0u8; BUFFER_LEN];
    let mut seen = 0u64;
    loop {
        match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                hasher.update(buffer.get(..n).unwrap_or_default());
                seen += n as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::failed("cannot be read").caused_by(e)),
        }
    }
    if seen > limit {
        return Err(Error::refused(format!("goes on after {limit} bytes")));
    }
    let found = hasher.finish();
    match found == wanted {
        true => Ok(()),
        false => Err(Error::refused(format!(
            "hashes to {found}, wanted {wanted}"
        ))),
    }
}
