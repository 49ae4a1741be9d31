//! A network's looks, one every 15 seconds, in which something goes wrong.

use crate::watch::decision::{Decision, State};
use crate::watch::engine::Engine;
use crate::watch::policy::{Action, Policy, template};
use crate::watch::sample::{ChainSample, Look, NodeSample};

/// Seconds between two looks of the default policy.
pub const EVERY: i64 = 15;
/// The first look, in seconds since 1970.
const BEGIN: i64 = 1_770_000_000;

/// The looks of so many nodes over `seconds`: a block every ten minutes, all well, but for what `spoil` makes of the look
/// at each second.
pub fn film(nodes: usize, seconds: i64, mut spoil: impl FnMut(i64, &mut Look)) -> Vec<Look> {
    (0..=seconds / EVERY)
        .map(|number| {
            let second = number * EVERY;
            let mut look = well(nodes, second);
            spoil(second, &mut look);
            look
        })
        .collect()
}

/// The names of the nodes.
pub fn names(nodes: usize) -> Vec<String> {
    (1..=nodes).map(|i| format!("n{i}")).collect()
}

/// A look at a network that is well.
fn well(nodes: usize, second: i64) -> Look {
    let height = 1_000 + (second / 600).unsigned_abs();
    let mut look = Look {
        at_ms: (BEGIN + second) * 1_000,
        ..Look::default()
    };
    for name in names(nodes) {
        let mut node = NodeSample {
            chain: ChainSample {
                network: Some("mainnet".into()),
                height: Some(height),
                hash: Some((height, hash(height, 0))),
                tip_unix: Some(BEGIN + second / 600 * 600),
                is_final: Some(true),
                peers: Some(nodes as u64 - 1),
            },
            ..NodeSample::default()
        };
        for (signal, value) in [
            ("up", 1.0),
            ("restarts", 0.0),
            ("log-signatures", 0.0),
            ("log-corruption", 0.0),
            ("consensus-timeouts", 7.0),
            ("critical-errors", 0.0),
            ("errors", 0.0),
            ("warnings", 0.0),
            ("panics", 0.0),
            ("finality-latency", 2.0),
            ("network-latency", 0.02),
            ("memory", 200e6),
            ("cpu", 12.0),
        ] {
            node.set(signal, Ok(value));
        }
        look.nodes.insert(name, node);
    }
    look
}

/// The hash of a block on one of several chains.
pub fn hash(height: u64, side: u8) -> String {
    format!("{height:015x}{side:x}{}", "0".repeat(48))
}

/// No block after that second.
pub fn stall(look: &mut Look, second: i64, last: i64) {
    if second <= last {
        return;
    }
    let height = 1_000 + (last / 600).unsigned_abs();
    for node in look.nodes.values_mut() {
        node.chain.height = Some(height);
        node.chain.hash = Some((height, hash(height, 0)));
        node.chain.tip_unix = Some(BEGIN + last / 600 * 600);
    }
}

/// The first `count` nodes.
pub fn some(look: &mut Look, count: usize, change: impl Fn(&mut NodeSample)) {
    look.nodes.values_mut().take(count).for_each(change);
}

/// All that the default policy decides on them.
pub fn decide(nodes: usize, looks: &[Look]) -> Vec<Decision> {
    let policy = Policy::parse(template()).unwrap();
    let mut engine = Engine::new(policy, names(nodes));
    looks.iter().map(|look| engine.look(look)).collect()
}

/// The second at which a row calls for an action for the first time.
pub fn first(decisions: &[Decision], row: &str, action: Action) -> Option<i64> {
    let found = decisions.iter().find(|decision| {
        let state = decision.rows.iter().find(|r| r.row == row);
        state.unwrap_or_else(|| panic!("no row {row}")).action >= Some(action)
    });
    found.map(|decision| decision.at_ms / 1_000 - BEGIN)
}

/// The most that all rows call for at any time.
pub fn most(decisions: &[Decision]) -> Option<Action> {
    decisions.iter().filter_map(Decision::action).max()
}

/// How a row stands at the last look.
pub fn last(decisions: &[Decision], row: &str) -> State {
    let rows = &decisions.last().unwrap().rows;
    rows.iter().find(|r| r.row == row).unwrap().state
}
