//! Releases in memory, as if they had been verified.

use super::{Files, records};
use crate::hash::Sha256;
use crate::node::release::{VerifiedFile, VerifiedRelease};

pub(super) fn release(tag: &str, files: &Files) -> VerifiedRelease {
    VerifiedRelease {
        tag: tag.into(),
        archive_sha256: Sha256::of(tag.as_bytes()),
        archive_len: 1,
        files: records(files)
            .into_iter()
            .map(|f| VerifiedFile {
                path: f.path,
                sha256: f.sha256,
                len: f.len,
                executable: f.executable,
            })
            .collect(),
        evidence: vec![(
            "proof".into(),
            serde_json::to_vec(files).unwrap_or_default(),
        )],
        warnings: Vec::new(),
    }
}
