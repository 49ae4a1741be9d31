//! What one look saw: of each node its chain and its signals, of each source whether it answered. Values only; a value that
//! is not there is unknown, with the reason beside it where one is known.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::policy::Action;
use crate::limits::MAX_WATCH_WORDS;

/// One look at a network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// When, in milliseconds since 1970, by the watcher's clock.
    pub at_ms: i64,
    /// What each node said, by its name.
    #[serde(default)]
    pub nodes: BTreeMap<String, NodeSample>,
    /// Nodes whose daemon is meant to be down just now: a rollout has stopped it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub away: BTreeSet<String>,
    /// What people have declared and not withdrawn: the signal, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub declared: BTreeMap<String, String>,
    /// What an Alertmanager says is firing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<Alert>,
    /// Sources that did not answer, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub silent: BTreeMap<String, String>,
}

/// What a node said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSample {
    /// Where its chain stands.
    #[serde(default, skip_serializing_if = "ChainSample::is_empty")]
    pub chain: ChainSample,
    /// Signals, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, f64>,
    /// Signals that it did not tell, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<String, String>,
}

/// Where a node's chain stands. What is none is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChainSample {
    /// The network's name, as the daemon says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The newest block's height.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// A height, and the hash of the block there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<(u64, String)>,
    /// When the newest block was made, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tip_unix: Option<i64>,
    /// Whether the block before the newest is final.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    pub is_final: Option<bool>,
    /// Peers that it is connected with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers: Option<u64>,
}

/// An alert that fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// The row of the matrix that it was made from.
    pub row: String,
    /// What it calls for.
    pub action: Action,
    /// The node that it is about; none: the network.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub node: Option<String>,
}

impl ChainSample {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == ChainSample::default()
    }
}

impl NodeSample {
    /// Sets a signal, or says why it is unknown. A value that is no finite number is unknown.
    pub fn set(&mut self, signal: &str, value: Result<f64, String>) {
        let value = value.and_then(|value| match value.is_finite() {
            true => Ok(value),
            false => Err(format!("it is {value}, wanted a finite number")),
        });
        match value {
            Ok(value) => {
                self.unknown.remove(signal);
                self.values.insert(signal.to_owned(), value);
            }
            Err(why) => {
                self.values.remove(signal);
                let why = why.chars().take(MAX_WATCH_WORDS).collect();
                self.unknown.insert(signal.to_owned(), why);
            }
        }
    }

    /// Takes from another source what this one did not tell.
    pub fn fill(&mut self, other: NodeSample) {
        for (signal, value) in other.values {
            if !self.values.contains_key(&signal) {
                self.set(&signal, Ok(value));
            }
        }
        for (signal, why) in other.unknown {
            if !self.values.contains_key(&signal) {
                self.unknown.entry(signal).or_insert(why);
            }
        }
        if self.chain.is_empty() {
            self.chain = other.chain;
        }
    }
}
