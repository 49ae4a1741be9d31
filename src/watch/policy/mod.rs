//! `watch.toml`: signals, the decision matrix, exceptions. Pure.

mod check;
mod condition;
mod signal;
mod template;
#[cfg(test)]
mod tests;
mod words;

use serde::{Deserialize, Serialize};

use crate::error::Context;
use crate::limits::MAX_WATCH_POLICY_LEN;
use crate::{Error, Result};

pub use condition::{Condition, Nodes, Operator, Take, Test};
pub use template::template;

/// The file's name beside `relman.toml`.
pub const FILE_NAME: &str = "watch.toml";

/// A whole, checked policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Seconds from one look to the next.
    pub interval_seconds: u64,
    /// Seconds after which a value that nobody has confirmed is unknown.
    pub stale_seconds: u64,
    /// Seconds between two blocks.
    pub block_interval_seconds: u64,
    /// Seconds by which clocks may be apart before what they say counts for nothing.
    pub clock_skew_seconds: u64,
    /// Blocks by which heights may be apart before nodes count as parted.
    pub height_within: u64,
    /// Looks in a row that a row of the matrix needs by default, to begin and to end.
    pub samples: u32,
    /// Labels that the daemons' metrics have in Prometheus, such as `job="timed"`.
    pub prometheus_selector: String,
    /// Where alerts' runbook pages are: an address or a path that they are appended to.
    pub runbook: String,
    /// What is measured; names are unique.
    pub signals: Vec<Signal>,
    /// The decision matrix, most severe first as written; names are unique.
    pub rows: Vec<Row>,
    /// When a row does not lead to what it says.
    pub exceptions: Vec<Exception>,
}

/// Where a signal comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The daemon's page of metrics, by a Prometheus server or directly.
    Metrics,
    /// The daemon's JSON-RPC.
    Rpc,
    /// The service manager.
    Systemd,
    /// The daemon's log.
    Journal,
    /// A person, who declares it.
    Person,
}

/// `[[signal]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its name.
    pub name: String,
    /// See [`Source`].
    pub source: Source,
    /// The metric, with labels if wanted: what it is read from with source `metrics`, and what rules for Prometheus
    /// use in any case. None: Prometheus does not know it.
    pub metric: Option<String>,
    /// It only grows, but for restarts.
    pub counter: bool,
    /// One value for the whole network, none for each node.
    pub network: bool,
    /// What its number counts, for people: `s`, `bytes`, `%`; empty where it is just a number.
    pub unit: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth a look.
    Low,
    /// To be mended.
    Medium,
    /// To be mended at once.
    High,
    /// Money or the chain is at stake.
    Critical,
}

/// What is to be done, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Look on.
    Observe,
    /// Mend it with a release of its own, and look on.
    Patch,
    /// Restart the node.
    Restart,
    /// Wake the person on call.
    Page,
    /// Wake the person on call, hold the rollout, and make everything ready for going back.
    Prepare,
    /// Go back now.
    RollBack,
}

/// `[[row]]`: a line of the decision matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its name; also that of its page in the runbook and of its alert.
    pub name: String,
    /// As the team's matrix has it.
    pub symptom: String,
    /// See [`Severity`].
    pub severity: Severity,
    /// When it holds.
    pub condition: Condition,
    /// Looks in a row that it needs to begin, and to end.
    pub samples: u32,
    /// What is to be done, and how long it has to hold for that; ascending in both.
    pub steps: Vec<Step>,
}

/// `[[row.step]]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Seconds that the row's condition has to hold.
    pub after_seconds: u64,
    /// See [`Action`].
    pub action: Action,
}

/// `[[exception]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Its name.
    pub name: String,
    /// As the team's guide has it.
    pub says: String,
    /// When it holds.
    pub when: When,
    /// The rows that it holds back.
    pub rows: Vec<String>,
    /// The most that they lead to meanwhile.
    pub action: Action,
}

/// When an exception holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// One node alone is concerned, of an environment with more.
    SingleNode,
    /// A row's condition holds, and has for less than so many seconds.
    Row {
        /// The row.
        row: String,
        /// Seconds.
        under_seconds: u64,
    },
    /// A person has declared a signal.
    Declared {
        /// The signal, of source `person`.
        signal: String,
    },
}

impl Policy {
    /// Reads `text`.
    ///
    /// # Errors
    /// Kind usage; the causes are all the problems found, not the first.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() as u64 > MAX_WATCH_POLICY_LEN {
            return Err(Error::usage(format!(
                "the watch policy has {} bytes, at most {MAX_WATCH_POLICY_LEN} are read",
                text.len()
            )));
        }
        let raw: check::RawPolicy =
            toml::from_str(text).or_usage(|| "the watch policy is malformed".into())?;
        let mut problems = Vec::new();
        let policy = raw.check(&mut problems);
        if problems.is_empty() {
            return Ok(policy);
        }
        let count = problems.len();
        let error = Error::usage(format!("the watch policy has {count} problem(s)"));
        Err(problems.into_iter().fold(error, Error::caused_by))
    }

    /// The signal of that name.
    pub fn signal(&self, name: &str) -> Option<&Signal> {
        self.signals.iter().find(|s| s.name == name)
    }

    /// The row of that name.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|r| r.name == name)
    }

    /// The longest past that any condition looks at, in seconds.
    pub fn longest_window(&self) -> u64 {
        let windows = self.rows.iter().map(|r| r.condition.window_seconds);
        windows.max().unwrap_or(0)
    }
}

impl Action {
    /// Every one, least first.
    pub const ALL: [Action; 6] = [
        Action::Observe,
        Action::Patch,
        Action::Restart,
        Action::Page,
        Action::Prepare,
        Action::RollBack,
    ];

    /// Reads its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Action::Observe => "observe",
            Action::Patch => "patch",
            Action::Restart => "restart",
            Action::Page => "page",
            Action::Prepare => "prepare",
            Action::RollBack => "roll-back",
        }
    }
}

impl Severity {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

impl Source {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Source::Metrics => "metrics",
            Source::Rpc => "rpc",
            Source::Systemd => "systemd",
            Source::Journal => "journal",
            Source::Person => "person",
        }
    }
}
