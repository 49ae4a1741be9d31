//! Holds looks against the matrix, one after another. Pure and deterministic: the same looks give the same decisions.
//! What is not known neither begins a row nor ends it.

mod exceptions;
mod judge;
mod memory;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::judge::Judged;
pub use self::judge::words as condition_words;
use self::memory::RowMemory;
use super::decision::{Decision, RowState, State};
use super::network::{Growth, Network};
use super::policy::{Action, Policy, Row, Source};
use super::sample::Look;
use super::series::{Number, Series};

/// A signal of a node, or of the network where there is none.
type Key = (Option<String>, String);

/// The latest time that a look can have: the year 9999.
const LAST_MS: i64 = 253_402_300_799_000;

/// A policy at work on the nodes of one environment.
#[derive(Clone, Debug)]
pub struct Engine {
    policy: Arc<Policy>,
    nodes: Vec<String>,
    series: BTreeMap<Key, Series>,
    growth: Growth,
    rows: Vec<RowMemory>,
    last_at: i64,
}

impl Engine {
    /// For an environment of these nodes.
    pub fn new(policy: Policy, nodes: Vec<String>) -> Self {
        Engine {
            rows: policy.rows.iter().map(|_| RowMemory::default()).collect(),
            policy: Arc::new(policy),
            nodes,
            series: BTreeMap::new(),
            growth: Growth::default(),
            last_at: 0,
        }
    }

    /// Its policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// The recent values of a node's signal, or of the network's, for a picture.
    pub fn recent(&self, node: Option<&str>, signal: &str) -> Vec<(i64, f64)> {
        let series = self
            .series
            .get(&(node.map(str::to_owned), signal.to_owned()));
        series.map_or_else(Vec::new, |s| s.points().collect())
    }

    /// Takes a look into account and decides. A look that is not later than the one before is taken for as late as it: a
    /// clock that was set back makes nothing younger.
    pub fn look(&mut self, look: &Look) -> Decision {
        let at = look.at_ms.clamp(0, LAST_MS).max(self.last_at);
        self.last_at = at;
        let expected = self.expected(look);
        let network = Network::of(
            look,
            &expected,
            self.policy.height_within,
            self.policy.clock_skew_seconds,
        );
        self.growth.saw(at, network.height);
        self.remember(look, &expected, &network, at);
        let policy = Arc::clone(&self.policy);
        let mut judged = Vec::with_capacity(policy.rows.len());
        for (place, row) in policy.rows.iter().enumerate() {
            let found = self.judge(row, look, &expected, &network, at);
            if let Some(memory) = self.rows.get_mut(place) {
                memory.saw(found.holds, at, row.samples, self.policy.stale_seconds);
            }
            judged.push(found);
        }
        let states = policy
            .rows
            .iter()
            .zip(&judged)
            .enumerate()
            .map(|(place, (row, found))| self.state(place, row, found, look))
            .collect();
        Decision {
            at_ms: at,
            rows: states,
            silent: look
                .silent
                .iter()
                .map(|(source, why)| format!("{source} does not answer: {why}"))
                .collect(),
        }
    }

    /// The nodes whose daemon is meant to run.
    fn expected(&self, look: &Look) -> Vec<String> {
        let nodes = self.nodes.iter();
        nodes.filter(|n| !look.away.contains(*n)).cloned().collect()
    }

    /// Adds the look's values to the past.
    fn remember(&mut self, look: &Look, expected: &[String], network: &Network, at: i64) {
        let window = self.policy.longest_window();
        let mut add = |key: Key, counter: bool, from_zero: bool, value: f64| {
            let series = self.series.entry(key).or_insert_with(|| {
                let mut series = Series::new(window, counter);
                // Lines of a log are counted from where the watch begins.
                if from_zero {
                    series.add(at, 0.0);
                }
                series
            });
            series.add(at, value);
        };
        for signal in &self.policy.signals {
            match (signal.source, signal.network) {
                (Source::Person, _) => {}
                (_, true) => {
                    let value = match signal.name.as_str() {
                        "block-height" => network.height.map(|h| h as f64),
                        "foreign-nodes" => Some(network.foreign.len() as f64),
                        "partition" => exactly(network.partition()),
                        "blocks-overdue" => exactly(self.growth.age(at, network.tip_unix))
                            .map(|age| (age - self.policy.block_interval_seconds as f64).max(0.0)),
                        _ => None,
                    };
                    if let Some(value) = value {
                        add((None, signal.name.clone()), signal.counter, false, value);
                    }
                }
                (_, false) => {
                    for node in expected {
                        let value = node_value(look, node, &signal.name, expected.len(), network);
                        if let Ok(value) = value {
                            let from_zero = signal.source == Source::Journal;
                            let key = (Some(node.clone()), signal.name.clone());
                            add(key, signal.counter, from_zero, value);
                        }
                    }
                }
            }
        }
    }

    fn state(&self, place: usize, row: &Row, found: &Judged, look: &Look) -> RowState {
        let memory = self.rows.get(place).copied().unwrap_or_default();
        let held = memory.held_ms();
        let begun = memory.has_begun(row.samples);
        let due = |held: i64| {
            let over = row.steps.iter().filter(|s| ms(s.after_seconds) <= held);
            over.map(|s| s.action).next_back()
        };
        let mut without = match (begun, held) {
            (true, Some(held)) => due(held),
            _ => None,
        };
        // An alert has waited already. It counts as long as relman itself does not see that it is not so.
        if found.holds != Some(false) {
            without = without.max(found.alerted);
        }
        let (action, held_back_by) = match without {
            Some(wanted) => self.after_exceptions(row, wanted, found, look),
            None => (None, Vec::new()),
        };
        let next = held.and_then(|held| {
            let step = row.steps.iter().find(|s| ms(s.after_seconds) > held)?;
            let left = (ms(step.after_seconds) - held) / 1_000;
            Some((step.action, left.max(0).unsigned_abs()))
        });
        let state = match (action, found.holds) {
            (Some(_), _) => State::Firing,
            (None, _) if held.is_some() => State::Rising,
            (None, None) => State::Unknown,
            (None, Some(_)) => State::Quiet,
        };
        RowState {
            row: row.name.clone(),
            symptom: row.symptom.clone(),
            severity: row.severity,
            state,
            wanted: judge::words(&self.policy, row),
            held_seconds: held.map(|held| (held / 1_000).unsigned_abs()),
            action,
            without_exception: without.filter(|_| !held_back_by.is_empty()),
            held_back_by,
            next,
            nearness: nearness(row, found, held, action),
            evidence: found.evidence.clone(),
            unknown: found.unknown.clone(),
        }
    }
}

/// How near a row is to its last step: half of the way is its number, the other half the time that it has to hold.
fn nearness(row: &Row, found: &Judged, held: Option<i64>, action: Option<Action>) -> u8 {
    let last = row.steps.last();
    if last.is_some_and(|s| Some(s.action) == action) {
        return 100;
    }
    let part = match held {
        Some(held) => {
            let whole = last.map_or(0, |s| ms(s.after_seconds)).max(1);
            0.5 + 0.49 * (held as f64 / whole as f64).clamp(0.0, 1.0)
        }
        None => 0.49 * found.nearness.clamp(0.0, 1.0),
    };
    // Between 0 and 100 by the lines above.
    (part * 100.0) as u8
}

/// What a node's signal is at this look.
fn node_value(
    look: &Look,
    node: &str,
    signal: &str,
    nodes: usize,
    network: &Network,
) -> Result<f64, String> {
    let Some(sample) = look.nodes.get(node) else {
        return Err("it did not answer".into());
    };
    let foreign = network.foreign.iter().find(|(name, _)| name == node);
    let of_chain = matches!(signal, "finality" | "peers" | "peers-missing" | "height");
    if let (true, Some((_, other))) = (of_chain, foreign) {
        return Err(format!("it answers for network {other}"));
    }
    let chain = &sample.chain;
    let told = match signal {
        "finality" => chain.is_final.map(|is| f64::from(u8::from(is))),
        "peers" => chain.peers.map(|peers| peers as f64),
        "peers-missing" => chain
            .peers
            .map(|peers| (nodes.saturating_sub(1) as u64).saturating_sub(peers) as f64),
        "height" => chain.height.map(|height| height as f64),
        _ => None,
    };
    if let Some(value) = told.or_else(|| sample.values.get(signal).copied()) {
        return Ok(value);
    }
    let why = sample.unknown.get(signal).cloned();
    Err(why.unwrap_or_else(|| "it did not tell".into()))
}

fn exactly(number: Number) -> Option<f64> {
    match number {
        Number::Exactly(value) => Some(value),
        Number::AtLeast(_) | Number::Unknown(_) => None,
    }
}

fn ms(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX)
}
