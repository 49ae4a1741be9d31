//! What backups have under way: written before it happens, gone when it is done. Pure.

use serde::{Deserialize, Serialize};

use super::host::Identity;
use super::plan::RestorePlan;
use crate::error::{Error, Result};
use crate::node::record::json;

const SCHEMA: u32 = 1;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupStep {
    /// A backup is made.
    Create,
    /// The restored data directory is made beside the present one.
    Prepare,
    /// They change places.
    Swap,
    /// The configuration is put back.
    Configuration,
    /// The daemon is started.
    Start,
}

/// `backup.json` in the node's state directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupJournal {
    schema: u32,
    /// What comes next.
    pub step: BackupStep,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// The daemon was stopped for it, and is to run afterwards.
    pub start: bool,
    /// The plan of a restore.
    pub restore: Option<RestorePlan>,
    /// The directory that is to be the data directory.
    pub staged: Option<Identity>,
}

impl BackupJournal {
    /// A journal of what begins now.
    pub fn begin(step: BackupStep, started: String, start: bool) -> Self {
        BackupJournal {
            schema: SCHEMA,
            step,
            started,
            start,
            restore: None,
            staged: None,
        }
    }

    /// As stored.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        json(self)
    }

    /// Reads a stored journal.
    ///
    /// # Errors
    /// Kind failed: it is no journal that this version of relman wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let broken = |why: String| {
            Error::failed("the journal of backups cannot be read")
                .caused_by(why)
                .hint("see that the data directory is right, then move backup.json out of the state directory")
        };
        let journal: BackupJournal =
            serde_json::from_slice(bytes).map_err(|e| broken(e.to_string()))?;
        match journal.schema {
            SCHEMA => Ok(journal),
            other => Err(broken(format!(
                "it has schema {other}, this relman knows {SCHEMA}"
            ))),
        }
    }
}
