//! What a node's answers say about it. Pure; nothing here is believed beyond what it says: an answer that lacks a member is
//! an answer that says nothing.

mod log_memory;
mod signals;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::host::{Document, Reply};

pub use crate::node::chain::Chain as ChainLook;
pub use log_memory::LogMemory;
pub use signals::{LogLook, SignalsLook, metrics_of};

/// What runs as the daemon of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Daemon {
    /// The verified bytes of the current release.
    Verified,
    /// Something else.
    Other,
    /// Nothing.
    Down,
    /// The node starts no daemon (no `[service]`), or did not say.
    Unknown,
}

/// A node as `relman status` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLook {
    /// The name that it has for itself.
    pub name: String,
    /// The environment that it has for itself.
    pub environment: String,
    /// The release that is current; `adopted-…` for what was found on the host.
    pub current: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Whether the current version's files are the verified ones.
    pub whole: bool,
    /// What runs.
    pub daemon: Daemon,
    /// Where `relman rollback` goes.
    pub rollback: Option<String>,
    /// Retained versions that are whole.
    pub retained: Vec<String>,
    /// What the node knows to be agreed on.
    pub agreed: Option<String>,
    /// Whole backups.
    pub backups: u64,
    /// Why it takes no new release, as far as it knows.
    pub halted: Option<String>,
    /// An operation that was cut off or is under way.
    pub unfinished: Option<String>,
    /// What `relman status` says is wrong.
    pub problems: Vec<String>,
}

impl NodeLook {
    /// Reads the answer to [`Request::Status`](super::host::Request::Status). Findings are part of a good answer.
    ///
    /// # Errors
    /// Why it says nothing, in words.
    pub fn of(reply: Reply) -> Result<Self, String> {
        let document = match reply {
            Reply::Answer(document) if document.error.is_none() => document,
            other => {
                return Err(match other.good() {
                    Ok(_) => "its status is empty".into(),
                    Err(why) => why,
                });
            }
        };
        Self::read(&document)
    }

    fn read(document: &Document) -> Result<Self, String> {
        let data = &document.data;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let name = text(&data["name"]).ok_or("its status has no name")?;
        let environment = text(&data["environment"]).ok_or("its status has no environment")?;
        let current = &data["current"];
        let versions = data["retained"].as_array().map_or(&[][..], Vec::as_slice);
        Ok(NodeLook {
            name,
            environment,
            current: text(&current["tag"]),
            since: text(&current["current_since"]).and_then(|t| t.parse().ok()),
            whole: current["whole"] == true,
            daemon: daemon(&data["service"]),
            rollback: text(&data["rollback"]),
            retained: versions
                .iter()
                .filter(|v| v["whole"] == true)
                .filter_map(|v| text(&v["tag"]))
                .collect(),
            agreed: text(&data["agreed"]),
            backups: data["backups"]["count"].as_u64().unwrap_or(0),
            halted: halted(&data["halted"]),
            unfinished: unfinished(&data["unfinished"]),
            problems: data["problems"]
                .as_array()
                .map_or(&[][..], Vec::as_slice)
                .iter()
                .filter_map(text)
                .collect(),
        })
    }

    /// Whether it runs the wholly verified bytes of `tag`.
    pub fn runs(&self, tag: &str) -> bool {
        self.current.as_deref() == Some(tag) && self.whole && self.daemon == Daemon::Verified
    }
}

fn daemon(service: &Value) -> Daemon {
    if service.is_null() {
        return Daemon::Unknown;
    }
    let (runs, wanted) = (&service["exe_sha256"], &service["verified_sha256"]);
    match (service["pid"].is_u64(), runs.is_string() && runs == wanted) {
        (false, _) => Daemon::Down,
        (true, true) => Daemon::Verified,
        (true, false) => Daemon::Other,
    }
}

fn halted(halt: &Value) -> Option<String> {
    let text = |key: &str| halt[key].as_str().unwrap_or("?").to_owned();
    (!halt.is_null()).then(|| format!("by {}: {}", text("by"), text("reason")))
}

fn unfinished(journal: &Value) -> Option<String> {
    let text = |key: &str| journal[key].as_str().unwrap_or("?").to_owned();
    (!journal.is_null()).then(|| {
        format!(
            "{} of {} at {}",
            text("operation"),
            text("tag"),
            text("step")
        )
    })
}

impl ChainLook {
    /// Reads the answer to [`Request::Chain`](super::host::Request::Chain).
    ///
    /// # Errors
    /// Why it says nothing, in words.
    pub fn of(reply: Reply) -> Result<Self, String> {
        let document = match reply {
            Reply::Answer(document) if document.error.is_none() => document,
            other => return Err(other.good().err().unwrap_or_default()),
        };
        serde_json::from_value(document.data).map_err(|e| format!("its answer is malformed: {e}"))
    }
}
