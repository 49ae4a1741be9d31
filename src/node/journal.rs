//! The write-ahead journal: what is under way. Pure: values and bytes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::backup::{BackupId, RestorePlan};
use super::record::{check_version_name, json, rfc3339};
use crate::error::{Error, Result};

const SCHEMA: u32 = 1;

/// What kind of change is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// A new version from the store.
    Install,
    /// A retained version.
    Rollback,
}

impl Operation {
    /// As in the journal and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Install => "install",
            Operation::Rollback => "rollback",
        }
    }
}

/// The steps of a change, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Unpack, check and keep the new version.
    Unpack,
    /// Keep what was found at the binaries' paths.
    Adopt,
    /// Put links at the binaries' paths.
    Link,
    /// Back up while the daemon runs.
    Hot,
    /// Stop the service.
    Stop,
    /// Back up what the daemon would change.
    Backup,
    /// Point `current` at the new version.
    Swap,
    /// Put the data of an earlier version back.
    Restore,
    /// Start the service.
    #[serde(alias = "restart")]
    Start,
    /// Watch the service.
    Health,
    /// Write the history and clear the journal.
    Commit,
    /// Go back to the previous version.
    Revert,
}

impl Step {
    /// As in the journal and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Step::Unpack => "unpack",
            Step::Adopt => "adopt",
            Step::Link => "link",
            Step::Hot => "hot",
            Step::Stop => "stop",
            Step::Backup => "backup",
            Step::Swap => "swap",
            Step::Restore => "restore",
            Step::Start => "start",
            Step::Health => "health",
            Step::Commit => "commit",
            Step::Revert => "revert",
        }
    }
}

/// `journal.json`: what is under way. Written before each step, gone when there is nothing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    schema: u32,
    /// Install or rollback.
    pub operation: Operation,
    /// The version to become current.
    pub tag: String,
    /// The version that was current; what is adopted counts.
    pub previous: Option<String>,
    /// The step about to happen.
    pub step: Step,
    /// When the operation began, RFC 3339, UTC.
    pub started: String,
    /// Why it is being reverted.
    pub reason: Option<String>,
    /// Whether the daemon is to run afterwards: not where the operator had stopped it.
    #[serde(default = "yes")]
    pub start: bool,
    /// Whether the new version was started, so that the data may be what it made of them.
    #[serde(default)]
    pub ran: bool,
    /// The backup that was made for this operation.
    #[serde(default)]
    pub backup: Option<BackupId>,
    /// Whether a failed install puts the data of that backup back.
    #[serde(default)]
    pub data_back: bool,
    /// Why a failed install cannot go back once the new version has run.
    #[serde(default)]
    pub closed: Option<String>,
    /// The data that go with the version that is put back.
    #[serde(default)]
    pub restore: Option<RestorePlan>,
    /// Milliseconds without the daemon, once it is known.
    #[serde(default)]
    pub downtime_ms: Option<u64>,
}

fn yes() -> bool {
    true
}

impl Journal {
    /// A journal for an operation that begins at `now`.
    pub fn begin(
        operation: Operation,
        tag: &str,
        previous: Option<String>,
        now: Timestamp,
    ) -> Self {
        Journal {
            schema: SCHEMA,
            operation,
            tag: tag.into(),
            previous,
            step: Step::Unpack,
            started: rfc3339(now),
            reason: None,
            start: true,
            ran: false,
            backup: None,
            data_back: false,
            closed: None,
            restore: None,
            downtime_ms: None,
        }
    }

    /// Whether the version was not yet switched to, where `current` is what is current now.
    pub fn before_swap(&self, current: Option<&str>) -> bool {
        self.step < Step::Swap || (self.step == Step::Swap && current != Some(self.tag.as_str()))
    }

    /// Whether data of an earlier version are put back on the way back.
    pub fn moves_data(&self) -> bool {
        self.restore.is_some() || (self.data_back && self.ran)
    }

    /// Whether the daemon may have been stopped.
    pub fn may_have_stopped(&self) -> bool {
        self.step >= Step::Stop
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
            Error::failed("the node's journal cannot be read")
                .caused_by(why)
                .hint("see what `current` points to, then move journal.json out of the state directory")
        };
        let journal: Journal = serde_json::from_slice(bytes).map_err(|e| broken(e.to_string()))?;
        if journal.schema != SCHEMA {
            return Err(broken(format!(
                "it has schema {}, this relman knows {SCHEMA}",
                journal.schema
            )));
        }
        check_version_name(&journal.tag).map_err(|e| broken(e.to_string()))?;
        if let Some(previous) = &journal.previous {
            check_version_name(previous).map_err(|e| broken(e.to_string()))?;
        }
        Ok(journal)
    }
}
