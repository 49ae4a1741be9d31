//! What a node's probes are, as values: `[[probe]]`, `[[peer]]`, `[health.names]`. Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use super::endpoint::{Auth, Endpoint, url_problems};
use crate::node::probe::expect::Expectation;
use crate::node::probe::lines::Level;
use crate::node::probe::metrics::Measure;
use serde_json::Value;

/// One probe of `node.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeConfig {
    /// Its name, unique on this node.
    pub name: String,
    /// How often it looks and how many good looks it wants.
    pub pace: Pace,
    /// What it looks at.
    pub kind: ProbeKind,
}

/// How often a probe looks, and when it is healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long it may take to become healthy, and to become so again.
    pub deadline: Duration,
    /// From the beginning of one look to that of the next.
    pub interval: Duration,
    /// Good looks in a row that are needed.
    pub successes: u32,
    /// Looks with an answer that are needed before anything is decided in its favour.
    pub samples: u32,
    /// How long one look may take.
    pub timeout: Duration,
}

/// What a probe looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// A TCP port that takes connections: `host:port`.
    Tcp(String),
    /// JSON-RPC.
    Rpc {
        /// Where.
        endpoint: Endpoint,
        /// What is asked and wanted.
        ask: RpcAsk,
    },
    /// A page of metrics in Prometheus's text format.
    Metrics {
        /// Where.
        endpoint: Endpoint,
        /// Which metric, how it is taken, what it must be.
        measure: Measure,
        /// Over how long an increase or a rate is taken.
        window: Duration,
    },
    /// What the daemon logged since it started.
    Journal {
        /// Where its lines are.
        log: LogConfig,
        /// Which lines are bad.
        rules: LineRules,
    },
    /// A command's exit status and, if wanted, its output.
    Command {
        /// Program and arguments.
        argv: Vec<String>,
        /// Wanted.
        status: i32,
        /// A pattern that the output must match.
        output: Option<String>,
    },
}

impl ProbeKind {
    /// The word in `kind`.
    pub fn name(&self) -> &'static str {
        match self {
            ProbeKind::Tcp(_) => "tcp",
            ProbeKind::Rpc { .. } => "rpc",
            ProbeKind::Metrics { .. } => "metrics",
            ProbeKind::Journal { .. } => "journal",
            ProbeKind::Command { .. } => "command",
        }
    }
}

/// What an `rpc` probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RpcAsk {
    /// A call of its own.
    Call {
        /// The method.
        method: String,
        /// Its parameters.
        params: Vec<Value>,
        /// All must hold of the result.
        expect: Vec<Expectation>,
        /// A value that is to grow has to within this time.
        within: Duration,
    },
    /// Height within so many blocks of every named peer that answers, at least one.
    NearPeers {
        /// Blocks.
        blocks: u64,
        /// Which.
        peers: Vec<Peer>,
        /// Method names.
        names: Names,
    },
    /// At least so many peers.
    Peers {
        /// Peers.
        at_least: u64,
        /// Method names.
        names: Names,
    },
    /// The block below the lower of both heights is the same here and on every named peer.
    Fork {
        /// Blocks below the lower height.
        depth: u64,
        /// Which.
        peers: Vec<Peer>,
        /// Method names.
        names: Names,
    },
}

/// Another node to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name, for people.
    pub name: String,
    /// Its RPC.
    pub endpoint: Endpoint,
}

/// Where a daemon's log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogConfig {
    /// The service's own: the unit's journal, `service.log_file`, or relman's log of a command.
    Service,
    /// The journal of a unit.
    Unit(String),
    /// A file.
    File(PathBuf),
}

/// Which lines of a log are bad.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineRules {
    /// Lines of this level and above.
    pub level: Option<Level>,
    /// Lines that match one of these.
    pub patterns: Vec<String>,
    /// Lines that match one of these are never bad.
    pub ignore: Vec<String>,
}

/// What the daemon calls the things that presets and stages ask for: keys of `[health.names]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(BTreeMap<&'static str, String>);

/// Every name and its default, which is `timed`'s.
pub const NAMES: [(&str, &str); 19] = [
    ("height", "getblockcount"),
    ("block_hash", "getblockhash"),
    ("block", "getblock"),
    ("block_phase", "$.phase"),
    ("finalized", "Finalized"),
    ("peers", "getpeerinfo"),
    ("network_info", "getnetworkinfo"),
    ("network", "$.network"),
    ("consensus", "getconsensusinfo"),
    ("consensus_state", "$.state"),
    ("producing", "producing"),
    ("tip_time", "$.tiptime"),
    ("forked_peers", "$.forkedpeers"),
    ("critical_errors", "errors_total{severity=\"critical\"}"),
    ("panics", "panics"),
    ("memory", "memory_usage"),
    ("cpu", "cpu_usage"),
    ("finality_latency", "finality_latency"),
    ("network_latency", "network_latency"),
];

impl Default for Names {
    fn default() -> Self {
        Names(NAMES.map(|(key, name)| (key, name.to_owned())).into())
    }
}

impl Names {
    /// The daemon's word for `key`, one of [`NAMES`].
    pub fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// Each key and the word for it, for whoever reads a configuration.
    pub(super) fn entries(&mut self) -> impl Iterator<Item = (&'static str, &mut String)> {
        self.0.iter_mut().map(|(key, name)| (*key, name))
    }
}
