//! Leaves of the log: each one DSSE-signed in-toto statement, typed by its predicate. Pure.

mod attestation;
mod place;
mod promotion;
mod receipts;
mod rollback;
mod words;
mod yank;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use crate::attest::{Envelope, Statement, Subject};
use crate::hash::Sha256;
use crate::keys::Signer;
use crate::limits::MAX_LOG_ENTRY_LEN;
use crate::trust::policy::Purpose;
use crate::{Error, Result};

pub use attestation::{AttestationKind, AttestationLeaf, TEST_RESULT};
pub use place::{PROOF_SUFFIX, Places, late_path, metadata_proof};
pub use promotion::{ANNOUNCEMENT, AnnouncementLeaf, OVERRIDE, OverrideLeaf};
pub use receipts::{RECEIPTS, ReceiptsLeaf};
pub use rollback::{ROLLBACK, RollbackLeaf};
pub use words::{KINDS, UNKNOWN};
pub use yank::{NONE, YANK, YankLeaf};

/// A release: the archive, from which tag and commit, with which evidence.
pub const RELEASE: &str = "urn:relman:leaf:release:v1";
/// Metadata and policy files, by digest, before they are published.
pub const METADATA: &str = "urn:relman:leaf:metadata:v1";

/// What a release leaf says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseLeaf {
    /// The tag.
    pub tag: String,
    /// Digest of the archive.
    pub archive: Sha256,
    /// Hex id of the commit.
    pub commit: String,
    /// Hex id of the tag object; none for a lightweight tag.
    pub tag_object: Option<String>,
    /// Digest of `SHA256SUMS`.
    pub sums: Sha256,
    /// Digest of `provenance.intoto.jsonl`.
    pub provenance: Sha256,
    /// When it was cut, by the builder's clock.
    pub time: Timestamp,
}

/// What a metadata leaf says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataLeaf {
    /// File name in `metadata/` to digest.
    pub files: BTreeMap<String, Sha256>,
    /// When it was signed, by the publisher's clock.
    pub time: Timestamp,
}

/// A leaf by its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// See [`ReleaseLeaf`].
    Release(ReleaseLeaf),
    /// See [`MetadataLeaf`].
    Metadata(MetadataLeaf),
    /// See [`AnnouncementLeaf`].
    Announcement(AnnouncementLeaf),
    /// See [`OverrideLeaf`].
    Override(OverrideLeaf),
    /// See [`YankLeaf`].
    Yank(YankLeaf),
    /// See [`RollbackLeaf`].
    Rollback(RollbackLeaf),
    /// See [`ReceiptsLeaf`].
    Receipts(ReceiptsLeaf),
    /// See [`AttestationLeaf`].
    Attestation(AttestationLeaf),
    /// A type that this version does not know; shown and kept, never dropped.
    Unknown {
        /// Its predicate type.
        predicate_type: String,
        /// When it was signed; every leaf has a `time`.
        time: Timestamp,
    },
}

impl ReleaseLeaf {
    /// The name of the archive, which is the statement's subject.
    pub fn archive_name(&self) -> String {
        format!("{}.tar.gz", self.tag)
    }

    fn statement(&self) -> Statement {
        Statement::new(
            vec![Subject::new(self.archive_name(), self.archive)],
            RELEASE,
            json!({
                "tag": self.tag,
                "commit": self.commit,
                "tagObject": self.tag_object,
                "sums": self.sums,
                "provenance": self.provenance,
                "time": self.time.to_string(),
            }),
        )
    }
}

impl MetadataLeaf {
    fn statement(&self) -> Statement {
        let subjects = self
            .files
            .iter()
            .map(|(name, digest)| Subject::new(name, *digest));
        Statement::new(
            subjects.collect(),
            METADATA,
            json!({ "time": self.time.to_string() }),
        )
    }
}

impl Leaf {
    /// Signs this leaf as the bytes of a log entry.
    ///
    /// # Errors
    /// An entry of more than [`MAX_LOG_ENTRY_LEN`] bytes, an unknown type.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Vec<u8>> {
        let statement = match self {
            Leaf::Release(leaf) => leaf.statement(),
            Leaf::Metadata(leaf) => leaf.statement(),
            Leaf::Announcement(leaf) => leaf.statement(),
            Leaf::Override(leaf) => leaf.statement(),
            Leaf::Yank(leaf) => leaf.statement(),
            Leaf::Rollback(leaf) => leaf.statement(),
            Leaf::Receipts(leaf) => leaf.statement(),
            // Attestations come signed; nobody signs what is not known.
            Leaf::Attestation(_) | Leaf::Unknown { .. } => {
                return Err(Error::bug(format!("asked to sign {self:?} as a leaf")));
            }
        };
        let entry = Envelope::sign(&statement, signer)?.to_line()?;
        if entry.len() > MAX_LOG_ENTRY_LEN {
            return Err(Error::failed(format!(
                "a log entry of {} bytes, the limit is {MAX_LOG_ENTRY_LEN}",
                entry.len()
            )));
        }
        Ok(entry)
    }

    /// Reads the type and members of a statement. The caller has verified its signature, with the
    /// keys that [`Leaf::purpose`] of the result demands.
    pub fn read(statement: &Statement) -> Result<Self> {
        match statement.predicate_type.as_str() {
            RELEASE => read_release(statement).map(Leaf::Release),
            YANK => YankLeaf::read(statement),
            ROLLBACK => RollbackLeaf::read(statement),
            RECEIPTS => ReceiptsLeaf::read(statement),
            METADATA => Ok(Leaf::Metadata(MetadataLeaf {
                files: statement
                    .digests()
                    .into_iter()
                    .map(|(name, digest)| (name.to_owned(), digest))
                    .collect(),
                time: time(statement)?,
            })),
            ANNOUNCEMENT => AnnouncementLeaf::read(statement).map(Leaf::Announcement),
            OVERRIDE => OverrideLeaf::read(statement).map(Leaf::Override),
            _ if AttestationKind::of(statement).is_some() => AttestationLeaf::leaf(statement),
            other => Ok(Leaf::Unknown {
                predicate_type: other.to_owned(),
                time: time(statement)?,
            }),
        }
    }

    /// The purpose that policy must give to the key that signs this type of leaf.
    pub fn purpose(&self) -> Purpose {
        match self {
            Leaf::Release(_) => Purpose::Builder,
            Leaf::Override(leaf) => Purpose::Override(leaf.environment.clone()),
            Leaf::Attestation(leaf) => leaf.kind.purpose(),
            Leaf::Metadata(_)
            | Leaf::Announcement(_)
            | Leaf::Yank(_)
            | Leaf::Rollback(_)
            | Leaf::Receipts(_)
            | Leaf::Unknown { .. } => Purpose::Publisher,
        }
    }

    /// When it was signed, by the signer's clock.
    pub fn time(&self) -> Timestamp {
        match self {
            Leaf::Release(leaf) => leaf.time,
            Leaf::Metadata(leaf) => leaf.time,
            Leaf::Announcement(leaf) => leaf.time,
            Leaf::Override(leaf) => leaf.time,
            Leaf::Yank(leaf) => leaf.time,
            Leaf::Rollback(leaf) => leaf.time,
            Leaf::Receipts(leaf) => leaf.time,
            Leaf::Attestation(leaf) => leaf.time,
            Leaf::Unknown { time, .. } => *time,
        }
    }
}

fn read_release(statement: &Statement) -> Result<ReleaseLeaf> {
    let text = |name: &str| {
        statement
            .text(&[name])
            .map(str::to_owned)
            .ok_or_else(|| missing(name))
    };
    let digest = |name: &str| {
        Sha256::from_hex(&text(name)?)
            .ok_or_else(|| Error::refused(format!("{name} of a release leaf is no sha256")))
    };
    let leaf = ReleaseLeaf {
        tag: text("tag")?,
        commit: text("commit")?,
        tag_object: statement.text(&["tagObject"]).map(str::to_owned),
        sums: digest("sums")?,
        provenance: digest("provenance")?,
        time: time(statement)?,
        archive: Sha256([0; 32]),
    };
    let archive = statement
        .digest_of(&leaf.archive_name())
        .filter(|_| statement.subject.len() == 1)
        .ok_or_else(|| {
            Error::refused(format!(
                "a release leaf for {:?} whose one subject is not {:?}",
                leaf.tag,
                leaf.archive_name()
            ))
        })?;
    Ok(ReleaseLeaf { archive, ..leaf })
}

fn time(statement: &Statement) -> Result<Timestamp> {
    statement
        .text(&["time"])
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| missing("time"))
}

fn missing(name: &str) -> Error {
    Error::refused(format!("a log leaf has no well-formed {name}"))
}
