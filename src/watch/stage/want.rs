//! What a stage wants: the guide's lists, with the thresholds that the watch policy has. Pure.

use std::time::Duration;

use crate::node::config::stages::StageConfig;
use crate::watch::policy::{Operator, Policy, Take, When};

/// What is wanted of `nodes` nodes.
pub fn wanted(policy: &Policy, nodes: usize) -> StageConfig {
    let mut config = StageConfig::by_default();
    config.interval = Duration::from_secs(policy.interval_seconds);
    config.block_interval = Duration::from_secs(policy.block_interval_seconds);
    config.peers = nodes.saturating_sub(1) as u64;
    let whole = |number: f64| number.clamp(0.0, 1e15) as u64;
    if let Some(bytes) = most(policy, "memory", Take::Mean) {
        config.memory = whole(bytes);
    }
    if let Some(percent) = most(policy, "memory", Take::Growth) {
        config.memory_growth_percent = whole(percent);
    }
    if let Some(percent) = most(policy, "cpu", Take::Mean) {
        config.cpu_percent = whole(percent);
    }
    if let Some(seconds) = most(policy, "finality-latency", Take::Value) {
        config.finality = time(seconds);
    }
    if let Some(seconds) = most(policy, "network-latency", Take::Mean) {
        config.latency = time(seconds);
    }
    let young = policy.exceptions.iter().find_map(|e| match &e.when {
        When::Row { row, under_seconds } if row == "partition" => Some(*under_seconds),
        _ => None,
    });
    if let Some(seconds) = young {
        config.partition = Duration::from_secs(seconds);
    }
    config
}

fn time(seconds: f64) -> Duration {
    Duration::from_millis((seconds * 1_000.0).clamp(0.0, 1e15) as u64)
}

/// The threshold of the row that looks at a signal in this way.
fn most(policy: &Policy, signal: &str, take: Take) -> Option<f64> {
    let mut rows = policy.rows.iter();
    let row = rows.find(|row| {
        let condition = &row.condition;
        condition.signal == signal
            && condition.take == take
            && matches!(condition.test.operator, Operator::More | Operator::AtLeast)
    })?;
    Some(row.condition.test.number)
}
