//! The record beside each retained version. Pure: values and bytes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::release::{VerifiedFile, VerifiedRelease};
use crate::error::{Context, Error, Result};
use crate::hash::Sha256;
use crate::limits;

/// Name of the record beside the evidence files.
pub const RECORD_NAME: &str = "release.json";
/// Versions that relman found instead of installing them begin with this.
pub const ADOPTED_PREFIX: &str = "adopted-";
const SCHEMA: u32 = 1;

/// Where a retained version came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Verified by relman before it was installed.
    Verified,
    /// Found on the host at the first install; no signature covers it.
    Adopted,
}

/// A file of a version: as it ought to be, or as it was found. No trust is in the type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Path inside the version, `/`-separated.
    pub path: String,
    /// Digest of the content.
    pub sha256: Sha256,
    /// Length in bytes.
    pub len: u64,
    /// Whether its owner may execute it.
    pub executable: bool,
}

impl From<&VerifiedFile> for FileRecord {
    fn from(file: &VerifiedFile) -> Self {
        FileRecord {
            path: file.path.clone(),
            sha256: file.sha256,
            len: file.len,
            executable: file.executable,
        }
    }
}

/// How `found` differs from `wanted`, one line a file; empty where it does not.
pub fn differences(wanted: &[FileRecord], found: &[FileRecord]) -> Vec<String> {
    let by_path = |files: &[FileRecord], path: &str| files.iter().find(|f| f.path == path).cloned();
    let mut lines = Vec::new();
    for want in wanted {
        match by_path(found, &want.path) {
            None => lines.push(format!(
                "{}: missing, wanted sha256 {}",
                want.path, want.sha256
            )),
            Some(have) if have.sha256 != want.sha256 || have.len != want.len => {
                lines.push(format!(
                    "{}: found sha256 {} ({} bytes), wanted {} ({} bytes)",
                    want.path, have.sha256, have.len, want.sha256, want.len
                ));
            }
            Some(have) if have.executable != want.executable => lines.push(format!(
                "{}: found executable {}, wanted {}",
                want.path, have.executable, want.executable
            )),
            Some(_) => {}
        }
    }
    for have in found {
        if by_path(wanted, &have.path).is_none() {
            lines.push(format!("{}: found, but no file of the version", have.path));
        }
    }
    lines
}

/// One evidence file, as it was when the version was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRecord {
    /// Flat name.
    pub name: String,
    /// Digest of the content.
    pub sha256: Sha256,
    /// Length in bytes.
    pub len: u64,
}

/// Where an adopted file was and what the filesystem said about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdoptedFrom {
    /// Name of the binary.
    pub name: String,
    /// Its path on the host.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// `evidence/<version>/release.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRecord {
    schema: u32,
    /// The version's name: a tag, or `adopted-…`.
    pub tag: String,
    /// Where it came from.
    pub origin: Origin,
    /// Digest of the archive; none for an adopted version.
    pub archive_sha256: Option<Sha256>,
    /// When it was put on this host, RFC 3339, UTC.
    pub installed_at: String,
    /// Every file.
    pub files: Vec<FileRecord>,
    /// Every evidence file.
    pub evidence: Vec<EvidenceRecord>,
    /// Only for an adopted version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adopted_from: Vec<AdoptedFrom>,
}

impl ReleaseRecord {
    /// The record of a verified release installed at `now`.
    pub fn verified(release: &VerifiedRelease, now: Timestamp) -> Self {
        ReleaseRecord {
            schema: SCHEMA,
            tag: release.tag.clone(),
            origin: Origin::Verified,
            archive_sha256: Some(release.archive_sha256),
            installed_at: rfc3339(now),
            files: release.files.iter().map(FileRecord::from).collect(),
            evidence: release
                .evidence
                .iter()
                .map(|(name, bytes)| EvidenceRecord {
                    name: name.clone(),
                    sha256: Sha256::of(bytes),
                    len: bytes.len() as u64,
                })
                .collect(),
            adopted_from: Vec::new(),
        }
    }

    /// The record of files found on the host at `now`.
    pub fn adopted(
        tag: &str,
        files: Vec<FileRecord>,
        adopted_from: Vec<AdoptedFrom>,
        now: Timestamp,
    ) -> Self {
        ReleaseRecord {
            schema: SCHEMA,
            tag: tag.into(),
            origin: Origin::Adopted,
            archive_sha256: None,
            installed_at: rfc3339(now),
            files,
            evidence: Vec::new(),
            adopted_from,
        }
    }

    /// As stored.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        json(self)
    }

    /// Reads the record of version `name` and checks that `evidence` is what it lists.
    ///
    /// # Errors
    /// Kind refused: what was kept with the version is not what was stored there.
    pub fn read(name: &str, evidence: &[(String, Vec<u8>)]) -> Result<Self> {
        let refused = |what: String| {
            Error::refused(format!("the record of {name} {what}")).hint(format!(
                "install {name} again from the store, or roll back to another version (relman status)"
            ))
        };
        let Some((_, bytes)) = evidence.iter().find(|(n, _)| n == RECORD_NAME) else {
            return Err(refused(format!("is missing: no {RECORD_NAME}")));
        };
        let record: ReleaseRecord = serde_json::from_slice(bytes)
            .map_err(|e| refused("is malformed".into()).caused_by(e))?;
        if record.schema != SCHEMA || record.tag != name {
            return Err(refused(format!(
                "says schema {} and {:?}, wanted schema {SCHEMA} and {name:?}",
                record.schema, record.tag
            )));
        }
        let mut found: Vec<EvidenceRecord> = evidence
            .iter()
            .filter(|(n, _)| n != RECORD_NAME)
            .map(|(name, bytes)| EvidenceRecord {
                name: name.clone(),
                sha256: Sha256::of(bytes),
                len: bytes.len() as u64,
            })
            .collect();
        let mut wanted = record.evidence.clone();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        wanted.sort_by(|a, b| a.name.cmp(&b.name));
        if found != wanted {
            let odd = found
                .iter()
                .find(|f| !wanted.contains(f))
                .or_else(|| wanted.iter().find(|w| !found.contains(w)))
                .map_or("", |e| e.name.as_str());
            return Err(refused(format!(
                "lists other evidence than is stored beside it: {odd}"
            )));
        }
        Ok(record)
    }
}

/// Checks a name that becomes a directory below `versions/`.
///
/// # Errors
/// Kind usage: empty, too long, hidden, or with anything but printable ASCII without `/`.
pub fn check_version_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_graphic() && !"/\\\"'`$".contains(c);
    if name.is_empty()
        || name.len() > limits::MAX_TAG_LEN
        || name.starts_with(['.', '-'])
        || !name.chars().all(plain)
    {
        let shown: String = name.chars().take(80).collect();
        return Err(Error::usage(format!(
            "{shown:?} is no version name, wanted 1 to {} printable ASCII characters without /",
            limits::MAX_TAG_LEN
        )));
    }
    Ok(())
}

/// `now` as RFC 3339 in UTC, whole seconds.
pub fn rfc3339(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The semantic version at the end of `tag`, for the version check; none where there is none.
pub fn version_of_tag(tag: &str) -> Option<&str> {
    let starts = std::iter::once(0).chain(tag.match_indices('-').map(|(i, _)| i + 1));
    starts
        .filter_map(|start| tag.get(start..))
        .map(|rest| rest.strip_prefix('v').unwrap_or(rest))
        .find(|rest| semver::Version::parse(rest).is_ok())
}

pub(crate) fn json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .or_failed(|| "a record of the node cannot be written as JSON".into())?;
    bytes.push(b'\n');
    Ok(bytes)
}
