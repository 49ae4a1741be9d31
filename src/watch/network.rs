//! What the nodes' answers say about the network as a whole: its name, its height, whether it has come apart. Pure, and
//! without memory but for [`Growth`].

use std::collections::BTreeMap;

use super::sample::{ChainSample, Look};
use super::series::Number;

/// What one look says about the network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    /// Nodes that answer for another network than most, and for which.
    pub foreign: Vec<(String, String)>,
    /// Nodes that are neither known to be down nor tell where their chain stands.
    pub silent: Vec<String>,
    /// The newest height of any node of this network.
    pub height: Option<u64>,
    /// The newest block's time, in seconds since 1970.
    pub tip_unix: Option<i64>,
    /// How it has come apart: one line for each way.
    pub parted: Vec<String>,
    /// Nodes that told their height.
    pub told: usize,
}

/// Nodes that say they are of another network than most; the network that each names.
pub fn foreign<'a>(named: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let named: Vec<(&str, &str)> = named.collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, network) in &named {
        *counts.entry(network).or_default() += 1;
    }
    let Some((most, _)) = counts.iter().max_by_key(|(_, count)| **count) else {
        return Vec::new();
    };
    named
        .iter()
        .filter(|(_, network)| network != most)
        .map(|(name, network)| ((*name).to_owned(), (*network).to_owned()))
        .collect()
}

/// Sides that hold different blocks at one height: its start, and who has it; at most one side: no fork.
pub fn sides<'a>(
    hashes: impl Iterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut sides: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, hash) in hashes {
        sides.entry(hash).or_default().push(name);
    }
    sides
}

/// A fork in words.
pub fn fork_words(height: u64, sides: &BTreeMap<&str, Vec<&str>>) -> String {
    let sides: Vec<String> = sides
        .iter()
        .map(|(hash, names)| {
            let start: String = hash.chars().take(16).collect();
            format!("{} have {start}", names.join(", "))
        })
        .collect();
    format!("a fork at height {height}: {}", sides.join("; "))
}

/// A height, and who has it.
pub type Placed<'a> = (u64, &'a str);

/// The lowest and the highest height, with who has them.
pub fn extremes<'a>(
    heights: impl Iterator<Item = Placed<'a>> + Clone,
) -> Option<(Placed<'a>, Placed<'a>)> {
    Some((heights.clone().min()?, heights.max()?))
}

impl Network {
    /// What a look at `nodes` says. Times that are more than `skew_seconds` ahead of the watcher's are not believed.
    pub fn of(look: &Look, nodes: &[String], height_within: u64, skew_seconds: u64) -> Network {
        let chain = |name: &String| look.nodes.get(name).map(|n| &n.chain);
        let foreign = foreign(
            nodes
                .iter()
                .filter_map(|name| Some((name.as_str(), chain(name)?.network.as_deref()?))),
        );
        let ours: Vec<(&str, &ChainSample)> = nodes
            .iter()
            .filter(|name| !foreign.iter().any(|(other, _)| other == *name))
            .filter_map(|name| Some((name.as_str(), chain(name)?)))
            .collect();
        let down = |name: &String| {
            let sample = look.nodes.get(name);
            sample.is_some_and(|n| n.values.get("up") == Some(&0.0))
        };
        let silent = nodes
            .iter()
            .filter(|name| chain(name).is_none_or(|c| c.height.is_none()) && !down(name))
            .cloned()
            .collect();
        let heights = ours.iter().filter_map(|(name, c)| Some((c.height?, *name)));
        let mut parted = Vec::new();
        if let Some(((low, behind), (high, ahead))) = extremes(heights.clone())
            && high - low > height_within
        {
            parted.push(format!("{behind} is at height {low}, {ahead} at {high}"));
        }
        let mut at: BTreeMap<u64, Vec<(&str, &str)>> = BTreeMap::new();
        for (name, c) in &ours {
            if let Some((height, hash)) = &c.hash {
                at.entry(*height).or_default().push((name, hash));
            }
        }
        for (height, hashes) in at {
            let sides = sides(hashes.into_iter());
            if sides.len() > 1 {
                parted.push(fork_words(height, &sides));
            }
        }
        let told = heights.clone().count();
        if told > 1 {
            let alone = ours
                .iter()
                .filter(|(_, c)| c.height.is_some() && c.peers == Some(0));
            parted.extend(alone.map(|(name, _)| format!("{name} has no peer")));
        }
        let skew = i64::try_from(skew_seconds).unwrap_or(i64::MAX);
        let latest = (look.at_ms / 1_000).saturating_add(skew);
        Network {
            silent,
            height: heights.map(|(height, _)| height).max(),
            tip_unix: ours
                .iter()
                .filter_map(|(_, c)| c.tip_unix)
                .filter(|tip| *tip <= latest)
                .max(),
            parted,
            told,
            foreign,
        }
    }

    /// Whether so few tell where their chain stands that what they say could be said of them alone.
    pub fn is_minority(&self) -> bool {
        self.silent.len() >= self.told
    }

    /// 1 if the network has come apart, 0 if every node that is not down was seen to be together with the others.
    pub fn partition(&self) -> Number {
        match (self.parted.is_empty(), self.told) {
            (false, _) => Number::Exactly(1.0),
            (true, 0 | 1) => {
                Number::Unknown("fewer than two nodes tell where their chain stands".into())
            }
            (true, _) if !self.silent.is_empty() => Number::Unknown(format!(
                "nothing is known of the chain of {}",
                self.silent.join(", ")
            )),
            (true, _) => Number::Exactly(0.0),
        }
    }
}

/// When the network's height was seen to grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    first: Option<i64>,
    grown: Option<i64>,
    height: Option<u64>,
    is_told: bool,
}

impl Growth {
    /// Takes one more look into account.
    pub fn saw(&mut self, at: i64, height: Option<u64>) {
        self.is_told = height.is_some();
        let Some(height) = height else {
            return;
        };
        self.first.get_or_insert(at);
        if self.height.is_some_and(|before| height > before) {
            self.grown = Some(at);
        }
        self.height = Some(self.height.map_or(height, |before| before.max(height)));
    }

    /// Seconds since the newest block: since it was seen to come; before one was, by its own time. What is seen counts
    /// more than what a clock says.
    pub fn age(&self, now: i64, tip_unix: Option<i64>) -> Number {
        let since = |then: i64| now.saturating_sub(then).max(0) as f64 / 1_000.0;
        if !self.is_told {
            return Number::Unknown("no node tells its height".into());
        }
        match (self.grown, self.first, tip_unix) {
            (Some(grown), ..) => Number::Exactly(since(grown)),
            (None, Some(first), Some(tip)) => {
                Number::Exactly(since(tip.saturating_mul(1_000)).max(since(first)))
            }
            (None, Some(first), None) => Number::AtLeast(since(first)),
            (None, None, _) => Number::Unknown("no node tells its height".into()),
        }
    }
}
