//! Whether the network is well, from what its nodes say about their chains. Pure judgement; unknown is not healthy.

#[cfg(test)]
mod tests;

use super::config::NetworkGate;
use super::look::ChainLook;
use crate::watch::network;

/// A node that is to run, and what it said.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// What it said, or why it said nothing.
    pub look: Result<ChainLook, String>,
}

/// What the network looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Healthy,
    /// Something is not, or not known; it may become so.
    NotYet(Vec<String>),
    /// Something is wrong that waiting does not mend.
    Never(Vec<String>),
}

impl Verdict {
    /// What is wrong.
    pub fn problems(&self) -> &[String] {
        match self {
            Verdict::Healthy => &[],
            Verdict::NotYet(problems) | Verdict::Never(problems) => problems,
        }
    }
}

/// The newest height of any of them.
pub fn highest(seen: &[Seen]) -> Option<u64> {
    heights(seen).max()
}

/// The newest height that all who told theirs have: where hashes can be compared.
pub fn common(seen: &[Seen]) -> Option<u64> {
    heights(seen).min()
}

fn heights(seen: &[Seen]) -> impl Iterator<Item = u64> {
    seen.iter()
        .filter_map(|s| s.look.as_ref().ok().and_then(|l| l.height))
}

/// Judges what the running nodes say. They were asked for the hash at height `at`; `since` is the newest height before
/// the node was moved.
pub fn judge(gate: &NetworkGate, seen: &[Seen], at: Option<u64>, since: Option<u64>) -> Verdict {
    let foreign = foreign(seen);
    if !foreign.is_empty() {
        return Verdict::Never(foreign);
    }
    let mut problems = Vec::new();
    let mut told = Vec::new();
    for node in seen {
        match &node.look {
            Ok(look) => told.push((node.name.as_str(), look)),
            Err(why) => problems.push(format!(
                "{}: nothing is known of its chain: {why}",
                node.name
            )),
        }
    }
    for (name, look) in &told {
        if look.height.is_none() {
            let why = look
                .problems
                .first()
                .map_or("it did not say", String::as_str);
            problems.push(format!("{name}: its height is unknown: {why}"));
        }
        finality(gate, name, look, &mut problems);
        peers(gate, (name, look), seen.len(), &mut problems);
    }
    apart(gate, &told, &mut problems);
    forks(&told, at, &mut problems);
    if gate.new_block {
        match (highest(seen), since) {
            (Some(now), Some(before)) if now > before => {}
            (Some(now), Some(_)) => {
                problems.push(format!("no new block: {now} is the newest still"))
            }
            _ => problems.push("whether there is a new block is unknown".into()),
        }
    }
    match problems.is_empty() {
        true => Verdict::Healthy,
        false => Verdict::NotYet(problems),
    }
}

/// Nodes that say they are of another network than most.
fn foreign(seen: &[Seen]) -> Vec<String> {
    let named = seen.iter().filter_map(|s| {
        let network = s.look.as_ref().ok()?.network.as_deref()?;
        Some((s.name.as_str(), network))
    });
    let foreign = network::foreign(named);
    let words = |(name, other): (String, String)| {
        format!("{name} is of network {other}, most are of another")
    };
    foreign.into_iter().map(words).collect()
}

fn finality(gate: &NetworkGate, name: &str, look: &ChainLook, problems: &mut Vec<String>) {
    if !gate.finality {
        return;
    }
    match look.finality {
        Some(true) => {}
        Some(false) => problems.push(format!("{name}: the block before the newest is not final")),
        None => problems.push(format!("{name}: whether its blocks are final is unknown")),
    }
}

fn peers(
    gate: &NetworkGate,
    (name, look): (&str, &ChainLook),
    running: usize,
    problems: &mut Vec<String>,
) {
    let wanted = gate
        .min_peers
        .unwrap_or_else(|| running.saturating_sub(1) as u64);
    match look.peers {
        Some(found) if found >= wanted => {}
        Some(found) => problems.push(format!("{name} has {found} peers, wanted {wanted}")),
        None if wanted == 0 => {}
        None => problems.push(format!("{name}: how many peers it has is unknown")),
    }
}

fn apart(gate: &NetworkGate, told: &[(&str, &ChainLook)], problems: &mut Vec<String>) {
    let heights = told
        .iter()
        .filter_map(|(name, look)| Some((look.height?, *name)));
    if let Some(((low, behind), (high, ahead))) = network::extremes(heights)
        && high - low > gate.height_within
    {
        problems.push(format!(
            "{behind} is at height {low}, {ahead} at {high}, at most {} apart are wanted",
            gate.height_within
        ));
    }
}

/// Nodes that hold different blocks at one height.
fn forks(told: &[(&str, &ChainLook)], at: Option<u64>, problems: &mut Vec<String>) {
    if told.len() < 2 {
        return;
    }
    let Some(at) = at else {
        problems.push("no height is known that the nodes' blocks could be compared at".into());
        return;
    };
    let mut hashes = Vec::new();
    for (name, look) in told {
        match &look.hash_at {
            Some(hash) => hashes.push((*name, hash.as_str())),
            None => problems.push(format!("{name}: its block at height {at} is unknown")),
        }
    }
    let sides = network::sides(hashes.into_iter());
    if sides.len() > 1 {
        problems.push(network::fork_words(at, &sides));
    }
}
