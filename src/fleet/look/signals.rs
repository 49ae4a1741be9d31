//! What a node says of its signals, as `relman node signals` tells it. Pure; a node may say anything, so names that nobody
//! asked for are passed over, and what is kept of its words is bounded.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::host::Reply;
use super::ChainLook;
use crate::limits::{MAX_LOG_CURSOR_LEN, MAX_WATCH_NAME_LEN};
use crate::node::probe::cut;
use crate::watch::policy::{Policy, Signal, Source};
use crate::watch::sample::{ChainSample, NodeSample};

/// All that a node told at one look. A member that is none is unknown.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SignalsLook {
    /// Where its chain stands.
    pub chain: ChainLook,
    /// The metrics that were asked for.
    pub metrics: BTreeMap<String, Option<f64>>,
    /// `up`, `restarts`, and lines of the log.
    pub values: BTreeMap<String, Option<u64>>,
    /// Why one of them is unknown.
    pub unknown: BTreeMap<String, String>,
    /// How far the log was read.
    pub log: LogLook,
}

/// How far a node's log was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LogLook {
    /// Where to go on.
    pub cursor: Option<String>,
    /// The log is longer than one look reads: the rest comes with the next.
    pub behind: bool,
    /// Lines that are gone before they were read, in words.
    pub lost: Option<String>,
}

/// The metrics of nodes that a policy wants, each once.
pub fn metrics_of(policy: &Policy) -> Vec<String> {
    let mut metrics: Vec<String> = wanted(policy)
        .filter(|s| s.source == Source::Metrics)
        .filter_map(|s| s.metric.clone())
        .collect();
    metrics.sort();
    metrics.dedup();
    metrics
}

/// Signals that a node alone can tell.
fn wanted(policy: &Policy) -> impl Iterator<Item = &Signal> {
    policy.signals.iter().filter(|s| !s.network)
}

impl ChainLook {
    /// The same for a watch; `at` is the height whose hash was asked for.
    pub fn sample(&self, at: Option<u64>) -> ChainSample {
        let hash = self.hash_at.as_ref().filter(|hash| {
            hash.len() <= 256 && !hash.is_empty() && hash.bytes().all(|b| b.is_ascii_hexdigit())
        });
        ChainSample {
            network: self
                .network
                .as_deref()
                .map(|network| cut(network, MAX_WATCH_NAME_LEN)),
            height: self.height,
            hash: at.zip(hash.map(|hash| hash.to_ascii_lowercase())),
            tip_unix: self.newest_unix,
            is_final: self.finality,
            peers: self.peers,
        }
    }
}

impl SignalsLook {
    /// Reads the answer to [`Request::Signals`](crate::fleet::host::Request::Signals).
    ///
    /// # Errors
    /// Why it says nothing, in words.
    pub fn of(reply: Reply) -> Result<Self, String> {
        let document = match reply {
            Reply::Answer(document) if document.error.is_none() => document,
            other => return Err(other.good().err().unwrap_or_default()),
        };
        let mut look: SignalsLook = serde_json::from_value(document.data)
            .map_err(|e| format!("its answer is malformed: {e}"))?;
        look.log.cursor = look.log.cursor.filter(|c| c.len() <= MAX_LOG_CURSOR_LEN);
        Ok(look)
    }

    /// What a watch makes of it: signals by the policy's names. Lines of the log are those of this answer alone; with them
    /// lost, nobody knows how many there were.
    pub fn sample(&self, policy: &Policy, at: Option<u64>) -> NodeSample {
        let mut sample = NodeSample {
            chain: self.chain.sample(at),
            ..NodeSample::default()
        };
        for signal in wanted(policy) {
            let (key, value) = match (signal.source, &signal.metric) {
                (Source::Metrics, Some(metric)) => {
                    (metric, self.metrics.get(metric).copied().flatten())
                }
                (Source::Systemd | Source::Journal, _) => {
                    let value = self.values.get(&signal.name).copied().flatten();
                    (&signal.name, value.map(|value| value as f64))
                }
                (Source::Rpc | Source::Person | Source::Metrics, _) => continue,
            };
            let why = || {
                let why = self.unknown.get(key).cloned();
                why.unwrap_or_else(|| "it did not tell".into())
            };
            let value = match (&self.log.lost, signal.source) {
                (Some(lost), Source::Journal) => Err(lost.clone()),
                _ => value.ok_or_else(why),
            };
            sample.set(&signal.name, value);
        }
        self.chain_reasons(policy, &mut sample);
        sample
    }

    /// Why a node does not tell what is asked of its chain.
    fn chain_reasons(&self, policy: &Policy, sample: &mut NodeSample) {
        let Some(why) = self.chain.problems.first() else {
            return;
        };
        for signal in wanted(policy).filter(|s| s.source == Source::Rpc) {
            let is_told = match signal.name.as_str() {
                "finality" => self.chain.finality.is_some(),
                "peers" | "peers-missing" => self.chain.peers.is_some(),
                _ => self.chain.height.is_some(),
            };
            if !is_told {
                sample.set(&signal.name, Err(why.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
