//! From built binaries to the complete release directory: packed, summed, attested, signed.
//! What the provenance says is in `facts`.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::archive::{self, Entry, Packed};
use super::build_plan::BuildPlan;
use super::config::Config;
use super::draft::{DraftDir, Drafts, FORMAT, Record};
use super::installation::Installation;
use super::leaf::{Leaf, ReleaseLeaf};
use super::lockfile::Package;
use super::notes;
use super::source::{Built, BuiltBinary, CommitInfo, Facts, Previous, TagInfo};
use super::tag::Tag;
use crate::attest::provenance::{Builder, MemberFacts, SourceClaims};
use crate::attest::{Envelope, Subject, sigstore, sshsig, sums};
use crate::hash::Sha256;
use crate::keys::Signer;
use crate::limits::MAX_ATTESTATION_LEN;
use crate::{Error, Result};

mod facts;

pub use facts::packing;

/// The file with the provenance.
pub const PROVENANCE: &str = "provenance.intoto.jsonl";
/// The provenance again, as a Sigstore bundle.
pub const SIGSTORE: &str = "provenance.sigstore.json";
/// The bill of materials.
pub const SBOM: &str = "sbom.cdx.json";
/// The file with the digests of all others.
pub const SUMS: &str = "SHA256SUMS";
/// The SSHSIG over [`SUMS`].
pub const SUMS_SIG: &str = "SHA256SUMS.sig";
/// Gates and approvals that were there when the release was published, DSSE, one a line: a copy of
/// what the log has, for other people's tools.
pub const APPROVALS: &str = "approvals.intoto.jsonl";
/// The proof that the release is in the log.
pub const PROOF: &str = "release.tlog-proof";

/// What a release is made of.
pub struct Parts<'a> {
    /// The project's configuration.
    pub config: &'a Config,
    /// The tag.
    pub tag: &'a Tag,
    /// What git says of it.
    pub info: &'a TagInfo,
    /// The release before it in git's history.
    pub previous: Option<&'a Previous>,
    /// The commits since then.
    pub commits: &'a [CommitInfo],
    /// Where the source can be had.
    pub repository: &'a str,
    /// What the clone and the machine were found to be.
    pub facts: &'a Facts,
    /// What was run.
    pub plan: &'a BuildPlan,
    /// What it gave.
    pub built: &'a Built,
    /// The clean clone, for extra files.
    pub clone: &'a Path,
    /// When the build began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// Threads to pack with.
    pub threads: usize,
}

/// What the provenance says besides.
pub struct Sources<'a> {
    /// What else is known of the tag.
    pub source: &'a SourceClaims,
    /// What it is locked to.
    pub locked: &'a LockedSource,
    /// How it was built.
    pub builder: Builder,
}

/// What the tag's lock file says.
pub struct LockedSource {
    /// Digest of the lock file; none where the tag has none.
    pub sha256: Option<Sha256>,
    /// Its packages.
    pub packages: Vec<Package>,
    /// The bill of materials.
    pub sbom: Vec<u8>,
}

/// Writes the complete draft.
///
/// # Errors
/// I/O; a name that is there twice; a key that cannot sign.
pub fn draft(
    parts: &Parts,
    sources: &Sources,
    drafts: &dyn Drafts,
    key: &dyn Signer,
) -> Result<Record> {
    let dir = drafts.begin(parts.tag.as_str())?;
    let (packed, members) = pack(parts, dir.as_ref())?;
    let archive = parts.tag.archive_name();

    let mut files: BTreeMap<String, Sha256> = members
        .iter()
        .map(|(name, m)| (name.clone(), m.sha256))
        .collect();
    files.insert(archive.clone(), packed.sha256);
    for BuiltBinary { name, .. } in &parts.built.binaries {
        let line = format!("{}  {name}\n", members[name].sha256);
        let sum_file = format!("{name}.sha256");
        let digest = dir.put(&sum_file, line.as_bytes())?;
        add(&mut files, sum_file, digest)?;
    }

    let put = |name: &str, bytes: &[u8]| match bytes.len() as u64 {
        found if found > MAX_ATTESTATION_LEN => Err(Error::usage(format!(
            "{name} would have {found} bytes, at most {MAX_ATTESTATION_LEN} are allowed"
        ))),
        _ => dir.put(name, bytes),
    };
    let sbom = put(SBOM, &sources.locked.sbom)?;
    add(&mut files, SBOM.into(), sbom)?;
    let mut subjects = vec![Subject::new(&archive, packed.sha256)];
    subjects.extend(members.iter().map(|(name, m)| m.subject(name)));
    let statement = facts::provenance(parts, sources, sbom).statement(subjects);
    let envelope = Envelope::sign(&statement, key)?;
    let mut line = envelope.to_line()?;
    line.push(b'\n');
    let provenance = put(PROVENANCE, &line)?;
    add(&mut files, PROVENANCE.into(), provenance)?;
    let bundle = put(SIGSTORE, &sigstore::bundle(&envelope)?)?;
    add(&mut files, SIGSTORE.into(), bundle)?;

    let sums_text = sums::format(&files);
    let sums = dir.put(SUMS, sums_text.as_bytes())?;
    let signature = dir.put(
        SUMS_SIG,
        sshsig::sign(key, sums_text.as_bytes())?.as_bytes(),
    )?;
    add(&mut files, SUMS.into(), sums)?;
    add(&mut files, SUMS_SIG.into(), signature)?;

    let leaf = Leaf::Release(ReleaseLeaf {
        tag: parts.tag.to_string(),
        archive: packed.sha256,
        commit: parts.info.commit.clone(),
        tag_object: parts.info.object.clone(),
        sums,
        provenance,
        time: parts.finished,
    });
    let leaf = String::from_utf8(leaf.sign(key)?)
        .map_err(|e| Error::bug("a signed leaf is not text").caused_by(e))?;
    let record = Record {
        format: FORMAT,
        tag: parts.tag.to_string(),
        commit: parts.info.commit.clone(),
        tag_object: parts.info.object.clone(),
        repository: parts.repository.to_owned(),
        archive: packed.sha256,
        archive_len: packed.len,
        edges: parts.config.release.edges(),
        files,
        leaf,
    };
    dir.commit(&record)?;
    Ok(record)
}

/// Packs the archive, and puts it and its members into `dir`. It depends on no key and no clock, so
/// whoever builds the same gets the same.
///
/// # Errors
/// I/O; a name that is there twice; a file that changes meanwhile.
pub fn pack(parts: &Parts, dir: &dyn DraftDir) -> Result<(Packed, BTreeMap<String, MemberFacts>)> {
    let filed = file_all(parts, dir)?;
    pack_archive(parts, dir, &filed)
}

/// Names in a release directory come from configuration; two files of one name would hide one.
fn add(files: &mut BTreeMap<String, Sha256>, name: String, digest: Sha256) -> Result<()> {
    match files.insert(name.clone(), digest) {
        None => Ok(()),
        Some(_) => Err(twice(&name)),
    }
}

fn twice(name: &str) -> Error {
    Error::usage(format!("the release would have two files called {name:?}"))
        .hint("rename one of them in relman.toml, under [build]")
}

/// A file that goes into the archive.
struct Filed {
    executable: bool,
    length: u64,
    /// Of what was made here; a copied file gets its digest from being packed.
    sha256: Option<Sha256>,
}

fn file_all(parts: &Parts, dir: &dyn DraftDir) -> Result<BTreeMap<String, Filed>> {
    let mut files = BTreeMap::new();
    let mut enter = |name: &str, file: Filed| match files.insert(name.to_owned(), file) {
        None => Ok(()),
        Some(_) => Err(twice(name)),
    };
    let binaries = parts.built.binaries.iter();
    let binaries = binaries.map(|b| (b.name.as_str(), b.path.clone(), true));
    let extra = parts.config.build.extra_files.iter();
    let extra = extra.map(|e| (e.member(), parts.clone.join(&e.from), e.executable));
    for (name, from, executable) in binaries.chain(extra) {
        let file = Filed {
            executable,
            length: dir.copy_in(name, &from, executable)?,
            sha256: None,
        };
        enter(name, file)?;
    }
    let notes = notes::release_notes(parts.info, parts.previous, parts.commits);
    let names: Vec<String> = parts
        .built
        .binaries
        .iter()
        .map(|b| b.name.clone())
        .collect();
    let installation = Installation {
        project: &parts.config.project,
        tag: parts.tag,
        binaries: &names,
        principal: &principal(&parts.config.project),
    }
    .text();
    for (name, text) in [
        ("RELEASE_NOTES.md", notes),
        ("INSTALLATION.md", installation),
    ] {
        let file = Filed {
            executable: false,
            length: text.len() as u64,
            sha256: Some(dir.put(name, text.as_bytes())?),
        };
        enter(name, file)?;
    }
    Ok(files)
}

/// Packs the files and gives what they are: the digest of each is that of the bytes that were
/// packed, and every later check holds the file beside the archive against it.
fn pack_archive(
    parts: &Parts,
    dir: &dyn DraftDir,
    files: &BTreeMap<String, Filed>,
) -> Result<(Packed, BTreeMap<String, MemberFacts>)> {
    let entries = files
        .iter()
        .map(|(name, file)| Entry {
            path: name.clone(),
            executable: file.executable,
            len: file.length,
            open: Box::new(move || Ok(dir.open(name)? as Box<dyn std::io::Read>)),
        })
        .collect();
    let mut out = dir.create(&parts.tag.archive_name())?;
    let packed = archive::pack(
        parts.tag.as_str(),
        entries,
        u64::try_from(parts.info.commit_time).unwrap_or(0),
        parts.threads,
        &mut *out,
    )?;
    let mut members = BTreeMap::new();
    for member in &packed.members {
        let name = member.path.as_str();
        if let Some(before) = files.get(name).and_then(|file| file.sha256)
            && before != member.sha256
        {
            return Err(Error::failed(format!(
                "{name} changed while it was packed: {} now, {before} before",
                member.sha256
            )));
        }
        let facts = MemberFacts {
            executable: member.executable,
            sha256: member.sha256,
            length: member.len,
        };
        members.insert(name.to_owned(), facts);
    }
    Ok((packed, members))
}

/// Who signs `SHA256SUMS`, as `allowed_signers` names them.
pub fn principal(project: &str) -> String {
    format!("builder@{project}")
}
