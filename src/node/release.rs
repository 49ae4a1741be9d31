//! What the node asks of whoever verifies releases. No checks are made here: a trait and its values.

use std::path::Path;

use jiff::Timestamp;

use crate::Result;
use crate::hash::Sha256;
use crate::release::edges::Edges;
use crate::release::verify::Known;

/// One file of a release, as the signed sums and the provenance have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedFile {
    /// Path inside the release, `/`-separated, without the archive's leading `<tag>/`.
    pub path: String,
    /// Digest of the content.
    pub sha256: Sha256,
    /// Length in bytes.
    pub len: u64,
    /// Installed with mode 0755; 0644 otherwise.
    pub executable: bool,
}

/// A release that passed every check. Made by implementations of [`Releases`] alone.
#[derive(Clone, Debug)]
pub struct VerifiedRelease {
    /// The release's tag.
    pub tag: String,
    /// Digest of the archive.
    pub archive_sha256: Sha256,
    /// Length of the archive in bytes.
    pub archive_len: u64,
    /// Every member of the archive.
    pub files: Vec<VerifiedFile>,
    /// How far a node may go back from it.
    pub edges: Edges,
    /// The security floor in the policy that was in force when it was verified.
    pub minimum: Option<String>,
    /// What has to be kept so that the release can be verified again offline: flat name, bytes.
    pub evidence: Vec<(String, Vec<u8>)>,
    /// What is no reason to refuse, but has to be said.
    pub warnings: Vec<String>,
}

impl VerifiedRelease {
    /// The file at `path`, if the release has it.
    pub fn file(&self, path: &str) -> Option<&VerifiedFile> {
        self.files.iter().find(|f| f.path == path)
    }

    /// All files together, in bytes.
    pub fn unpacked_len(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |sum, f| sum.saturating_add(f.len))
    }
}

/// Verifies and unpacks releases for a node (design, section 4, checks 1 to 8).
pub trait Releases {
    /// Makes every check against the store and fetches the archive into `staging`, an existing
    /// empty directory of mode 0700.
    ///
    /// # Errors
    /// Kind refused where a check fails, failed where the store cannot be read.
    fn verify(&self, tag: &str, staging: &Path) -> Result<VerifiedRelease>;

    /// Unpacks the archive that [`Releases::verify`] left in `staging` into `dir`, an existing
    /// empty directory of mode 0700, without the leading `<tag>/`.
    ///
    /// # Errors
    /// Kind refused where the archive or a member is not as verified.
    fn unpack(&self, release: &VerifiedRelease, staging: &Path, dir: &Path) -> Result<()>;

    /// Verifies a retained release again, offline, from its stored evidence and as of its
    /// installation; expiry since then is a warning.
    ///
    /// # Errors
    /// Kind refused where the evidence no longer proves the release.
    fn verify_retained(
        &self,
        tag: &str,
        evidence: &[(String, Vec<u8>)],
        now: Timestamp,
    ) -> Result<VerifiedRelease>;

    /// Asks the store for its metadata, verifies them and remembers nothing.
    ///
    /// # Errors
    /// Kind failed: the store cannot be reached; refused: it, or the trust root, does not verify.
    fn look(&self) -> Result<()>;

    /// What the metadata that the last refresh has stored says, without asking the store; none where
    /// nothing was stored yet.
    ///
    /// # Errors
    /// Kind refused where it does not verify.
    fn known(&self, now: Timestamp) -> Result<Option<NodeKnows>>;
}

/// See [`Releases::known`].
#[derive(Clone, Debug)]
pub struct NodeKnows {
    /// The verified metadata.
    pub metadata: Known,
    /// When the store was last asked and believed, by this machine's clock.
    pub refreshed: Option<Timestamp>,
}
