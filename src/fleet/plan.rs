//! What an upgrade of an environment would do, before it does it: waves, time, cost, and what forbids it. Pure.

mod gather;
mod make;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::config::{Environment, NodeEntry};
use super::look::NodeLook;

pub use gather::gather;

/// The whole plan. It is stored as it is with the rollout, so that whoever goes on with it carries out this plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The release.
    pub tag: String,
    /// The environment with its rules as they were.
    pub environment: Environment,
    /// When it was made.
    #[serde(with = "crate::trust::time")]
    pub made_at: Timestamp,
    /// The nodes that are moved, in order, in waves; none is empty.
    pub waves: Vec<Wave>,
    /// Every node of the environment.
    pub nodes: Vec<NodePlan>,
    /// What it takes.
    pub expected: Expected,
    /// Why it must not be begun; nothing is begun unless this is empty.
    pub refusals: Vec<Refusal>,
    /// What is no reason against it, but has to be said.
    pub notes: Vec<String>,
}

/// Nodes that are moved before anything else is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    /// Their names, in order.
    pub nodes: Vec<String>,
    /// Seconds that they are watched once the last of them is moved.
    pub watch_seconds: u64,
    /// Seconds before the next wave.
    pub pause_seconds: u64,
}

/// One node in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePlan {
    /// Its name.
    pub name: String,
    /// What it runs now.
    pub from: Option<String>,
    /// Where it would go back to.
    pub back_to: Option<String>,
    /// Its weight.
    pub weight: u64,
    /// Seconds that its daemon is expected to be away: as long as the last time, or as the guide says.
    pub downtime_seconds: u64,
    /// Whether that was measured.
    pub measured: bool,
    /// It runs the release already.
    pub already: bool,
    /// It is left out of this rollout, and counts as down.
    pub left_out: bool,
}

/// What an upgrade takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// From the first step to the end of the last watch, in seconds.
    pub seconds: u64,
    /// The sum of all nodes' time without their daemon, in seconds.
    pub downtime_seconds: u64,
    /// The share of the weight that is away times how long, in blocks, in thousandths: how many blocks the nodes that are
    /// away would have made.
    pub blocks_missed_thousandths: u64,
    /// What those bring; none where nobody says what a block brings.
    pub reward_missed: Option<u64>,
}

/// One reason against a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The node; none: all of them.
    pub node: Option<String>,
    /// Found and wanted.
    pub why: String,
    /// One command to run.
    pub hint: Option<String>,
}

/// What the operator chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Nodes that are not moved, by name: known to be broken, or somebody else's turn. They count as down.
    pub left_out: BTreeSet<String>,
    /// Nodes on which relman has installed nothing yet are moved, too.
    pub first_install: bool,
}

/// What a plan is made from.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The release.
    pub tag: &'a str,
    /// The environment.
    pub environment: &'a Environment,
    /// Its nodes, in order.
    pub nodes: Vec<&'a NodeEntry>,
    /// See [`Choice`].
    pub choice: &'a Choice,
    /// The time.
    pub now: Timestamp,
    /// Each node's status, or why there is none; by name.
    pub looks: BTreeMap<String, Result<NodeLook, String>>,
    /// What each node said to `install TAG --dry-run`.
    pub previews: BTreeMap<String, Result<Preview, String>>,
    /// What each node said to `backup verify`; empty where it was not asked for.
    pub backups: BTreeMap<String, Result<(), String>>,
    /// What each node said to a rehearsal of its way back; empty where it was not asked for.
    pub rehearsals: BTreeMap<String, Result<(), String>>,
    /// Whether each node's relman knows what the network gate asks; empty where there is no such gate.
    pub gate: BTreeMap<String, Result<(), String>>,
    /// What the operator's own look at the store says against it: the environment names another release, notice and soak
    /// are not over, no release of that name.
    pub authority: Vec<String>,
}

/// What a node says that an install would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Milliseconds that its daemon was away the last time; none where nobody measured.
    pub downtime_ms: Option<u64>,
    /// Why the node would not begin it.
    pub problems: Vec<String>,
}
