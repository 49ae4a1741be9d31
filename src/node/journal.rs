//! The write-ahead journal: what is under way. Pure: values and bytes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
    /// Point `current` at the new version.
    Swap,
    /// Restart the service.
    Restart,
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
            Step::Swap => "swap",
            Step::Restart => "restart",
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
