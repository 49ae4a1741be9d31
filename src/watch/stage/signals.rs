//! A look as the signals of stages: those of the network, and those of each node. What nobody told has a reason instead of
//! a value. Pure.

use std::collections::BTreeMap;

use crate::node::config::stages::StageConfig;
use crate::node::stage::items::is_good;
use crate::node::stage::signals::Signals;
use crate::watch::network::Network;
use crate::watch::policy::{Policy, Source};
use crate::watch::sample::{Look, NodeSample};
use crate::watch::series::Number;

/// Counters of one node as they were when they were told last.
pub(super) type Counters = BTreeMap<String, f64>;

/// A stage's signal, where it is read from (the first that is told), and what the number is multiplied by.
const VALUES: [(&str, &[&str], f64); 7] = [
    ("critical", &["critical-errors"], 1.0),
    ("panics", &["panics"], 1.0),
    ("memory", &["memory"], 1.0),
    ("cpu_milli", &["cpu"], 1_000.0),
    ("finality_ms", &["finality-latency"], 1_000.0),
    ("latency_ms", &["network-latency"], 1_000.0),
    ("restarts", &["restarts"], 1.0),
];

/// Counters of lines; without the log, what the daemon counts of them itself.
const LINES: [(&str, &[&str]); 4] = [
    ("log_errors", &["log-errors", "errors"]),
    ("log_critical", &["log-critical", "critical-errors"]),
    ("log_signatures", &["log-signatures"]),
    ("log_corruption", &["log-corruption"]),
];

/// What a look tells of the network, and of each node.
pub(super) fn of_look(
    look: &Look,
    nodes: &[String],
    policy: &Policy,
    config: &StageConfig,
    counters: &mut BTreeMap<String, Counters>,
) -> (Signals, Vec<(String, Signals)>) {
    let network = Network::of(look, nodes, policy.height_within, policy.clock_skew_seconds);
    let none = NodeSample::default();
    let each = nodes
        .iter()
        .map(|node| {
            let sample = look.nodes.get(node);
            let known = counters.entry(node.clone()).or_default();
            let mut signals = of_node(sample.unwrap_or(&none), policy, known);
            signals.set("anchor", anchor(look, node));
            if look.away.contains(node) {
                signals.set("up", Err("a rollout has stopped it".into()));
            }
            (node.clone(), signals)
        })
        .collect();
    (of_network(look, &network, config), each)
}

fn of_network(look: &Look, network: &Network, config: &StageConfig) -> Signals {
    let mut signals = Signals::default();
    let few = network.is_minority();
    let height = match network.height {
        Some(height) if !few => Ok(height.cast_signed()),
        _ => Err(format!(
            "{} node(s) tell their height, {} do not",
            network.told,
            network.silent.len()
        )),
    };
    signals.set("height", height);
    let age = match network.tip_unix {
        Some(tip) if !few => Ok((look.at_ms / 1_000).saturating_sub(tip).max(0)),
        _ => Err("no node tells when its newest block was made".to_owned()),
    };
    let producing = age
        .clone()
        .map(|age| i64::from(is_good("tip_age", age, config)));
    signals.set("tip_age", age);
    signals.set("producing", producing);
    let forked = match network.partition() {
        Number::Exactly(parted) => Ok(parted as i64),
        Number::AtLeast(_) => Err("nobody knows".into()),
        Number::Unknown(why) => Err(why),
    };
    signals.set("forked", forked);
    if let Some(first) = network.parted.first() {
        signals.notes.insert("forked", first.clone());
    }
    signals
}

fn of_node(sample: &NodeSample, policy: &Policy, counters: &mut Counters) -> Signals {
    let mut signals = Signals::default();
    let chain = &sample.chain;
    let up = match sample.values.get("up") {
        Some(up) => Ok(i64::from(*up == 1.0)),
        // What answers runs.
        None if chain.height.is_some() => Ok(1),
        None => Err(why(sample, "up")),
    };
    signals.set("up", up);
    let peers = chain.peers.map(u64::cast_signed);
    signals.set("peers", peers.ok_or_else(|| why(sample, "peers")));
    let left = chain.is_final.map(|is| i64::from(!is));
    signals.set("unfinalized", left.ok_or_else(|| why(sample, "finality")));
    for (signal, names, factor) in VALUES {
        signals.set(
            signal,
            told(sample, names).and_then(|(_, n)| whole(n * factor)),
        );
    }
    for (signal, names) in LINES {
        signals.set(
            signal,
            told(sample, names).and_then(|(name, n)| grown(counters, signal, name, n)),
        );
    }
    let mut metrics = policy
        .signals
        .iter()
        .filter(|s| s.source == Source::Metrics);
    let missing = metrics.find(|s| !sample.values.contains_key(&s.name));
    signals.set(
        "metrics",
        match missing {
            None => Ok(1),
            Some(signal) => Err(format!("{}: {}", signal.name, why(sample, &signal.name))),
        },
    );
    let works = sample
        .values
        .get("transactions")
        .map(|n| i64::from(*n == 1.0));
    signals.set(
        "transaction",
        works.ok_or_else(|| {
            "no look tells of transactions; relman health --stage week tries one on a node".into()
        }),
    );
    signals
}

/// By how much a counter has grown since it was told last; what is lower was reset. Lines of a log are counted from where
/// the watch began, so all that are told at the first look count.
fn grown(counters: &mut Counters, signal: &str, name: &str, now: f64) -> Result<i64, String> {
    let before = counters.insert(format!("{signal} {name}"), now);
    whole(match before {
        None if name.starts_with("log-") => now,
        None => 0.0,
        Some(before) if now < before => now,
        Some(before) => now - before,
    })
}

fn told<'a>(sample: &NodeSample, names: &[&'a str]) -> Result<(&'a str, f64), String> {
    let mut found = names
        .iter()
        .filter_map(|name| Some((*name, *sample.values.get(*name)?)));
    let first = names.first().copied().unwrap_or_default();
    found.next().ok_or_else(|| why(sample, first))
}

fn why(sample: &NodeSample, signal: &str) -> String {
    let why = sample.unknown.get(signal).cloned();
    why.unwrap_or_else(|| "it did not tell".into())
}

/// Whether the final block that a node tells of is the one that the others have: data that was damaged shows as another.
fn anchor(look: &Look, node: &str) -> Result<i64, String> {
    let of = |sample: &NodeSample| -> Option<(u64, String)> {
        let (height, hash) = sample.chain.hash.clone()?;
        let is_final = sample.chain.is_final == Some(true) && Some(height) < sample.chain.height;
        is_final.then_some((height, hash))
    };
    let Some(sample) = look.nodes.get(node) else {
        return Err("it did not answer".into());
    };
    if sample.chain.hash.is_none() {
        return Err("it told the hash of no block".into());
    }
    let Some((height, hash)) = of(sample) else {
        return Ok(1);
    };
    let others = look.nodes.values().filter_map(of);
    let (mut same, mut other) = (0_u32, 0_u32);
    for (_, found) in others.filter(|(at, _)| *at == height) {
        match found == hash {
            true => same += 1,
            false => other += 1,
        }
    }
    Ok(i64::from(same >= other))
}

fn whole(number: f64) -> Result<i64, String> {
    match number.abs() < 9e18 {
        true => Ok(number.round() as i64),
        false => Err("the number is too large".into()),
    }
}
