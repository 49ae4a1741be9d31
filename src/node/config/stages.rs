//! `[health.stages]`: what `relman health --stage` asks and what it wants. Pure.

use std::time::Duration;

use serde_json::Value;
use toml::Table;

use super::endpoint::Endpoint;
use super::keys::Keys;
use super::probe::Names;
use crate::node::probe::expect::{Expectation, pattern};
use crate::node::stage::items::{ITEMS, Stage};

/// Longest window, 30 days.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// What all stages share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageConfig {
    /// The daemon's RPC, `[health.rpc]`.
    pub rpc: Option<Endpoint>,
    /// The daemon's metrics, `[health.metrics]`.
    pub metrics: Option<Endpoint>,
    /// What the daemon calls things.
    pub names: Names,
    /// Time between two looks.
    pub interval: Duration,
    /// How long one look may take.
    pub timeout: Duration,
    /// How often the chain has a block.
    pub block_interval: Duration,
    /// Fewest peers.
    pub peers: u64,
    /// Most memory, in bytes, on average.
    pub memory: u64,
    /// By how much of its first quarter's average memory may have grown in the last, in percent.
    pub memory_growth_percent: u64,
    /// Most CPU, in percent of one, on average.
    pub cpu_percent: u64,
    /// How long a block may take to be final.
    pub finality: Duration,
    /// Longest way to a peer, on average.
    pub latency: Duration,
    /// How long peers may be too few, or on another chain.
    pub partition: Duration,
    /// How much of the window may be without an answer, in percent.
    pub unknown_percent: u64,
    /// Items that are left out.
    pub skip: Vec<String>,
    /// Lines that tell of a signature that failed.
    pub signature_pattern: String,
    /// Lines that tell of damaged data.
    pub corruption_pattern: String,
    /// The call that shows that transactions work.
    pub transaction: Option<Transaction>,
    windows: [Duration; 4],
}

/// A call and what its result must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The method.
    pub method: String,
    /// Its parameters.
    pub params: Vec<Value>,
    /// All must hold of the result.
    pub expect: Vec<Expectation>,
}

impl StageConfig {
    /// What the team's lists want where nobody says otherwise, and nothing to ask.
    pub fn by_default() -> Self {
        check(Table::new(), None, None, Names::default(), &mut Vec::new())
    }

    /// How long a stage takes.
    pub fn window(&self, stage: Stage) -> Duration {
        let [immediate, hour, day, week] = self.windows;
        match stage {
            Stage::Immediate => immediate,
            Stage::Hour => hour,
            Stage::Day => day,
            Stage::Week => week,
        }
    }

    /// How many blocks a stage's window wants: one an interval, 6 an hour and 144 a day by default.
    pub fn blocks(&self, stage: Stage) -> u64 {
        let blocks = self.window(stage).as_millis() / self.block_interval.as_millis().max(1);
        u64::try_from(blocks).unwrap_or(u64::MAX)
    }
}

pub(super) fn check(
    table: Table,
    rpc: Option<Endpoint>,
    metrics: Option<Endpoint>,
    names: Names,
    problems: &mut Vec<String>,
) -> StageConfig {
    let mut keys = Keys::new("health.stages", table, problems);
    let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    let hour = 60 * minute;
    let windows = [
        keys.time("immediate", 5 * minute, LONGEST),
        keys.time("hour", hour, LONGEST),
        keys.time("day", 24 * hour, LONGEST),
        keys.time("week", 7 * 24 * hour, LONGEST),
    ];
    let config = StageConfig {
        rpc,
        metrics,
        names,
        interval: keys.time("interval", 30 * second, hour),
        timeout: keys.time("timeout", 10 * second, 5 * minute),
        block_interval: keys.time("block_interval", 10 * minute, 24 * hour),
        peers: keys.number("peers", 1, 0, 1_000_000),
        memory: keys.number("memory_mb", 500, 1, 100_000_000) * 1_000_000,
        memory_growth_percent: keys.number("memory_growth_percent", 20, 0, 10_000),
        cpu_percent: keys.number("cpu_percent", 50, 1, 1_000_000),
        finality: keys.time("finality", 30 * second, hour),
        latency: keys.time("latency", Duration::from_millis(100), minute),
        partition: keys.time("partition", 5 * minute, 24 * hour),
        unknown_percent: keys.number("unknown_percent", 1, 0, 50),
        skip: keys.take("skip", "a list of items").unwrap_or_default(),
        signature_pattern: keys.text("signature_pattern").unwrap_or_else(|| {
            "(?i)signature.{0,80}(invalid|fail|error|mismatch|does not match)".into()
        }),
        corruption_pattern: keys
            .text("corruption_pattern")
            .unwrap_or_else(|| "(?i)corrupt|checksum mismatch|damaged".into()),
        transaction: transaction(&mut keys),
        windows,
    };
    for text in [&config.signature_pattern, &config.corruption_pattern] {
        if let Err(what) = pattern(text) {
            keys.problem(what);
        }
    }
    for name in &config.skip {
        if !ITEMS.iter().any(|item| item.key == name) {
            keys.problem(format!(
                "skip names {name:?}, which is no item of any stage"
            ));
        }
    }
    if windows.iter().any(|window| *window <= config.interval) {
        keys.problem("a stage's window is not longer than the interval of its looks");
    }
    keys.end();
    config
}

fn transaction(keys: &mut Keys) -> Option<Transaction> {
    let table: Table = keys.take("transaction", "a table")?;
    let mut keys = Keys::new("health.stages.transaction", table, keys.problems());
    let transaction = Transaction {
        method: keys.needed("method"),
        params: keys.take("params", "a list").unwrap_or_default(),
        expect: super::probes::expectations(&mut keys),
    };
    if transaction.expect.iter().any(Expectation::grows) {
        keys.problem("expect: grows is for probes");
    }
    keys.end();
    Some(transaction)
}
