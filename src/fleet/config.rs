//! `fleet.toml`: the environments' rules and their nodes. Pure.

mod check;
mod notify;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Context;
use crate::limits;
use crate::{Error, Result};

pub use notify::{Channel, Notify};
pub use watch::WatchConfig;

/// A whole, checked `fleet.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetConfig {
    /// The directory of the file: relative paths begin here, and commands run here.
    pub dir: PathBuf,
    /// How nodes are reached.
    pub ssh: SshConfig,
    /// At least one; names are unique.
    pub environments: Vec<Environment>,
    /// At least one; names are unique.
    pub nodes: Vec<NodeEntry>,
    /// Who is told of what.
    pub notify: Vec<Notify>,
    /// What is looked at beside the nodes.
    pub watch: WatchConfig,
}

/// `[ssh]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshConfig {
    /// The client's configuration in place of `~/.ssh/config`.
    pub config: Option<PathBuf>,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long a node may say nothing before its connection counts as lost.
    pub alive_timeout: Duration,
    /// How long a node that has fallen silent is waited for before a driver goes on without it.
    pub patience: Duration,
    /// Connections at the same time.
    pub parallel: usize,
}

/// How an environment's nodes are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// One node after another, the others go on: the guide's mainnet way.
    Rolling,
    /// All are stopped and backed up, the first is started and watched, the others follow with pauses: the
    /// guide's testnet way.
    Together,
}

/// What becomes of nodes that were moved already when one fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Nothing more is done; a node that failed its own health gate has gone back by itself.
    Stop,
    /// The node that failed goes back.
    RollBackNode,
    /// Every node of its wave goes back.
    RollBackWave,
    /// Every node that this rollout moved goes back.
    RollBackAll,
}

/// A daily span of time in which nodes may be stopped, in UTC; it may go over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Minutes after midnight at which it begins.
    pub from: u16,
    /// Minutes after midnight at which it ends; never equal to `from`.
    pub to: u16,
}

/// What the network as a whole must look like after each node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkGate {
    /// Blocks that heights of healthy nodes may be apart.
    pub height_within: u64,
    /// Peers that a node must have; none: one fewer than the environment's running nodes.
    pub min_peers: Option<u64>,
    /// Whether a new block must have been made since the node was moved.
    pub new_block: bool,
    /// Whether the newest block but one interval must be final; where nodes cannot tell, it is unknown and so
    /// not healthy.
    pub finality: bool,
    /// Seconds that the gate waits for all of it.
    pub timeout_seconds: u64,
    /// Seconds between two looks.
    pub interval_seconds: u64,
}

/// `[[environment]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// `local`, `testnet` or `mainnet`.
    pub name: String,
    /// See [`Strategy`].
    pub strategy: Strategy,
    /// Nodes that are moved at the same time within a wave.
    pub serial: usize,
    /// Nodes that may be down at the same time, those that are down anyway included.
    pub max_unavailable: usize,
    /// Percent of the nodes that are moved when a wave has ended, ascending, the last 100. The first node is a
    /// wave of its own before them.
    pub waves: Vec<u8>,
    /// Fewest nodes that an upgrade is begun with.
    pub min_nodes: usize,
    /// Seconds that the first node is watched.
    pub first_watch_seconds: u64,
    /// Seconds between two nodes.
    pub pause_seconds: u64,
    /// Seconds between two waves.
    pub wave_pause_seconds: u64,
    /// Seconds that all are watched after the last.
    pub last_watch_seconds: u64,
    /// When nodes may be stopped for an upgrade; none: always. No emergency asks for it.
    pub window: Option<Window>,
    /// See [`OnFailure`].
    pub on_failure: OnFailure,
    /// Percent of the weight that must never be down beyond the third that the network can miss: with 2/3 needed
    /// and a margin of 5, 71.67 percent stay up. None: nobody counts weight here.
    pub margin_percent: Option<u8>,
    /// Whether each node's backups are read and hashed before anything is stopped.
    pub verify_backups: bool,
    /// Whether each node's way back is rehearsed (`relman rollback --dry-run`) before anything is stopped.
    pub rehearse: bool,
    /// Seconds between two blocks, for what an upgrade costs.
    pub block_interval_seconds: u64,
    /// What a block brings to whom it falls to, in whatever unit the team counts; none: cost is told in blocks.
    pub block_reward: Option<u64>,
    /// See [`NetworkGate`]; none: the nodes' own health gates are all.
    pub network: Option<NetworkGate>,
}

/// `[[node]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeEntry {
    /// Its name: the `name` of its node.toml, unique in the fleet.
    pub name: String,
    /// The destination, as the user types it after `ssh`.
    pub ssh: String,
    /// Its environment.
    pub environment: String,
    /// Names under which it can be picked.
    pub groups: BTreeSet<String>,
    /// Its weight in consensus, such as its collateral.
    pub weight: u64,
    /// Address of its JSON-RPC for whoever looks at the network from outside; none: it is asked on the node.
    pub rpc: Option<String>,
    /// Address of its page of metrics for whoever looks at the network from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
    /// The value of the label `instance` by which Prometheus knows it, where that is no default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Its node.toml there.
    pub config: String,
    /// The node's own relman there.
    pub relman: String,
    /// Words before it, such as `sudo -n`.
    pub become_command: Vec<String>,
    /// It has no way to the store: a bundle is streamed to it.
    pub bundle: bool,
}

impl FleetConfig {
    /// Reads `text`; relative paths are relative to `dir`, the absolute directory of the file.
    ///
    /// # Errors
    /// Kind usage; the causes are all the problems found, not the first.
    pub fn parse(text: &str, dir: &Path) -> Result<Self> {
        if text.len() as u64 > limits::MAX_FLEET_CONFIG_LEN {
            return Err(Error::usage(format!(
                "fleet configuration has {} bytes, at most {} are read",
                text.len(),
                limits::MAX_FLEET_CONFIG_LEN
            )));
        }
        let raw: check::RawFleet =
            toml::from_str(text).or_usage(|| "fleet configuration is malformed".into())?;
        let mut problems = Vec::new();
        let config = raw.check(dir, &mut problems);
        Error::unless(problems, "fleet configuration", config)
    }

    /// The environment of that name.
    ///
    /// # Errors
    /// Kind usage: there is none; those that there are, in the message.
    pub fn environment(&self, name: &str) -> Result<&Environment> {
        self.environments
            .iter()
            .find(|e| e.name == name)
            .ok_or_else(|| {
                let names: Vec<&str> = self.environments.iter().map(|e| e.name.as_str()).collect();
                Error::usage(format!(
                    "the fleet has no environment {name:?}, it has {}",
                    names.join(", ")
                ))
            })
    }

    /// The nodes of an environment, in the order in which they are moved: that of the file.
    pub fn nodes_of(&self, environment: &str) -> Vec<&NodeEntry> {
        self.nodes
            .iter()
            .filter(|n| n.environment == environment)
            .collect()
    }
}

impl NodeEntry {
    /// By which label `instance` Prometheus knows it: as configured, else `host:port` of its metrics, else its name.
    pub fn instance(&self) -> &str {
        let of_metrics = || watch::authority(self.metrics.as_deref()?);
        let instance = self.instance.as_deref().or_else(of_metrics);
        instance.unwrap_or(&self.name)
    }
}

impl Window {
    /// Whether it is open at that minute of the day.
    pub fn contains(self, minute: u16) -> bool {
        match self.from < self.to {
            true => (self.from..self.to).contains(&minute),
            false => minute >= self.from || minute < self.to,
        }
    }
}
