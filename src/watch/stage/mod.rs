//! Stages of a release: the guide's checks of the first minutes, hour, day and week, over all nodes of an environment. The
//! same items as a node's own stages, from the looks that the watch takes. Pure: looks come in, one after another; what is
//! remembered is bounded, and goes out as bytes after each look, so that a run can be killed and go on.

mod signals;
mod want;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::signals::Counters;
use super::policy::Policy;
use super::report::{Course, Heading, Report};
use super::sample::Look;
use crate::error::Context;
use crate::limits::{MAX_FLEET_NODES, MAX_RELEASE_STAGE_LEN, MAX_TOLD_NODES};
use crate::node::config::stages::StageConfig;
use crate::node::record::rfc3339;
use crate::node::stage::items::{Evidence, ITEMS, Item, Stage, Verdict, of_stage};
use crate::node::stage::report::{ItemReport, waits_for_a_block};
use crate::node::stage::tally::{Memory, Tally};
use crate::{Error, Result};

pub use want::wanted;

/// What the file says it is.
const SCHEMA: &str = "relman-release-stage/1";
/// What a stage looks at of the network as a whole; all else is each node's.
const OF_NETWORK: [&str; 4] = ["height", "tip_age", "producing", "forked"];

/// Which stage of which release, where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The stage's word.
    pub stage: String,
    /// The release.
    pub tag: String,
    /// The environment.
    pub environment: String,
    /// Its nodes.
    pub nodes: Vec<String>,
    /// Items that are left out.
    pub skip: Vec<String>,
}

/// All that is remembered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    schema: String,
    about: About,
    /// The first look, in ms since 1970.
    began_ms: i64,
    network: Memory,
    nodes: BTreeMap<String, Memory>,
    counters: BTreeMap<String, Counters>,
}

/// A stage under way.
#[derive(Clone, Debug)]
pub struct Run {
    policy: Policy,
    config: StageConfig,
    stage: Stage,
    memory: Remembered,
}

/// How [`drive`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The stage is over.
    Over,
    /// There are no more looks, and it is not.
    NoMoreLooks,
}

/// Looks until the stage is over, or there are no more looks. `keep` is called after each, and is told whether it is the
/// last one; `pause` gets milliseconds. Looks that are not later than `seen_ms` were taken into account by an earlier run.
///
/// # Errors
/// What `look` and `keep` say.
pub fn drive(
    run: &mut Run,
    seen_ms: Option<i64>,
    look: &mut dyn FnMut() -> Result<Option<Look>>,
    keep: &mut dyn FnMut(&Run, bool) -> Result<()>,
    pause: &mut dyn FnMut(u64),
) -> Result<Ended> {
    if run.wants() == Next::Over {
        return Ok(Ended::Over);
    }
    loop {
        let Some(look) = look()? else {
            keep(run, true)?;
            return Ok(Ended::NoMoreLooks);
        };
        if seen_ms.is_some_and(|seen| look.at_ms <= seen) {
            continue;
        }
        let next = run.saw(&look);
        keep(run, next == Next::Over)?;
        match next {
            Next::Over => return Ok(Ended::Over),
            Next::Look(ms) => pause(ms),
        }
    }
}

/// What comes after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another look, in so many milliseconds.
    Look(u64),
    /// The stage is over.
    Over,
}

impl Run {
    /// A stage that begins with the first look.
    ///
    /// # Errors
    /// Kind usage: no nodes, or too many; an item that is none.
    pub fn begin(policy: &Policy, stage: Stage, about: About) -> Result<Run> {
        check(&about)?;
        let memory = Remembered {
            schema: SCHEMA.into(),
            began_ms: 0,
            network: Memory::new(stage.name(), &about.tag, String::new(), 0),
            nodes: BTreeMap::new(),
            counters: BTreeMap::new(),
            about,
        };
        Ok(Run::of(policy, stage, memory))
    }

    /// One that was killed goes on.
    ///
    /// # Errors
    /// Kind failed: the memory is none of this version's, or of another release, environment, stage, or other nodes.
    pub fn resume(policy: &Policy, stage: Stage, about: &About, bytes: &[u8]) -> Result<Run> {
        if bytes.len() as u64 > MAX_RELEASE_STAGE_LEN {
            return Err(Error::failed(format!(
                "the memory of the stage has {} bytes, at most {MAX_RELEASE_STAGE_LEN} are read",
                bytes.len()
            )));
        }
        let memory: Remembered = serde_json::from_slice(bytes)
            .or_failed(|| "the memory of the stage is malformed".into())?;
        let mut wrong = Vec::new();
        let mut compare = |what: &str, found: String, wanted: String| {
            if found != wanted {
                wrong.push(format!("{what} is {found}, wanted {wanted}"));
            }
        };
        let found = &memory.about;
        compare("schema", memory.schema.clone(), SCHEMA.into());
        compare("stage", found.stage.clone(), about.stage.clone());
        compare("release", found.tag.clone(), about.tag.clone());
        compare(
            "environment",
            found.environment.clone(),
            about.environment.clone(),
        );
        compare("nodes", found.nodes.join(", "), about.nodes.join(", "));
        compare("left out", found.skip.join(", "), about.skip.join(", "));
        if !wrong.is_empty() {
            let error = Error::failed("the memory is of another run");
            return Err(wrong.into_iter().fold(error, Error::caused_by));
        }
        Ok(Run::of(policy, stage, memory))
    }

    fn of(policy: &Policy, stage: Stage, memory: Remembered) -> Run {
        let mut config = wanted(policy, memory.about.nodes.len());
        config.skip.clone_from(&memory.about.skip);
        Run {
            policy: policy.clone(),
            config,
            stage,
            memory,
        }
    }

    /// Takes a look into account.
    pub fn saw(&mut self, look: &Look) -> Next {
        let memory = &mut self.memory;
        if memory.network.looks == 0 {
            memory.began_ms = look.at_ms;
        }
        // A clock that was set back makes nothing younger.
        let since = look
            .at_ms
            .saturating_sub(memory.began_ms)
            .max(0)
            .unsigned_abs();
        let now = since.max(memory.network.elapsed_ms);
        let window = millis(self.config.window(self.stage));
        let longest = millis(self.config.interval * 3 + self.config.timeout * 2);
        let nodes = &memory.about.nodes;
        let (network, each) = signals::of_look(
            look,
            nodes,
            &self.policy,
            &self.config,
            &mut memory.counters,
        );
        memory
            .network
            .add(&network, now, longest, window, &self.config);
        for (node, signals) in &each {
            let of_node = memory.nodes.entry(node.clone()).or_insert_with(|| {
                Memory::new(self.stage.name(), &memory.about.tag, String::new(), 0)
            });
            of_node.add(signals, now, longest, window, &self.config);
        }
        self.wants()
    }

    /// What comes after what was seen.
    pub fn wants(&self) -> Next {
        let network = &self.memory.network;
        let now = network.elapsed_ms;
        let window = millis(self.config.window(self.stage));
        // A window of so many blocks has one less in it, depending on where it begins.
        let longer = window.saturating_add(millis(self.config.block_interval));
        let waits = || waits_for_a_block(self.stage, network, &self.config);
        let end = match now >= window {
            true if now >= longer || !waits() => return Next::Over,
            true => longer,
            false => window,
        };
        Next::Look(millis(self.config.interval).min(end - now).max(1))
    }

    /// When it looked last, in milliseconds since 1970; none before the first look.
    pub fn last_ms(&self) -> Option<i64> {
        let memory = &self.memory;
        let elapsed = i64::try_from(memory.network.elapsed_ms).unwrap_or(i64::MAX);
        (memory.network.looks > 0).then(|| memory.began_ms.saturating_add(elapsed))
    }

    /// What is remembered: written after each look.
    ///
    /// # Errors
    /// A bug: it is longer than it may be.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let bytes = serde_json::to_vec(&self.memory)
            .map_err(|e| Error::bug("the memory of a stage has no JSON").caused_by(e))?;
        match bytes.len() as u64 > MAX_RELEASE_STAGE_LEN {
            true => Err(Error::bug("the memory of a stage is longer than it may be")),
            false => Ok(bytes),
        }
    }

    /// Looks so far, and how much of the window they cover, in seconds.
    pub fn course(&self) -> Course {
        let memory = &self.memory.network;
        Course {
            window_seconds: self.config.window(self.stage).as_secs(),
            elapsed_seconds: memory.elapsed_ms / 1_000,
            looks: memory.looks,
            gaps: memory.gaps.clone(),
            gap_seconds: memory.gap_ms / 1_000,
        }
    }

    /// Every item as it stands.
    pub fn report(&self) -> Report {
        let about = &self.memory.about;
        let at = |ms: i64| Timestamp::from_millisecond(ms).map_or_else(|_| "?".into(), rfc3339);
        let elapsed = i64::try_from(self.memory.network.elapsed_ms).unwrap_or(i64::MAX);
        let heading = Heading {
            list: format!("stage-{}", self.stage.name()),
            title: format!("stage {}", self.stage.name()),
            tag: about.tag.clone(),
            environment: Some(about.environment.clone()),
            nodes: about.nodes.clone(),
            began: at(self.memory.began_ms),
            ended: at(self.memory.began_ms.saturating_add(elapsed)),
        };
        let items = of_stage(self.stage).map(|item| self.judge(item)).collect();
        Report::new(heading, items, Some(self.course()))
    }

    /// An item at every node: the worst verdict, and the nodes that have it.
    fn judge(&self, item: &'static Item) -> ItemReport {
        let network = &self.memory.network;
        let mut found: Vec<(Verdict, String, Vec<&str>)> = Vec::new();
        for node in &self.memory.about.nodes {
            let own = self.memory.nodes.get(node);
            let tally = |signal: &str| -> Tally {
                let from = match OF_NETWORK.contains(&signal) {
                    true => Some(network),
                    false => own,
                };
                let tally = from.and_then(|memory| memory.tallies.get(signal));
                tally.cloned().unwrap_or_default()
            };
            let (verdict, values) = item.judge(&Evidence {
                stage: self.stage,
                config: &self.config,
                tally: &tally,
                elapsed_ms: network.elapsed_ms,
            });
            match found
                .iter_mut()
                .find(|(v, text, _)| *v == verdict && *text == values)
            {
                Some((.., nodes)) => nodes.push(node),
                None => found.push((verdict, values, vec![node])),
            }
        }
        found.sort_by_key(|(verdict, ..)| weight(*verdict));
        let worst = found.first().map_or(Verdict::Unknown, |(v, ..)| *v);
        let all = self.memory.about.nodes.len();
        let of_worst = found.iter().filter(|(verdict, ..)| *verdict == worst);
        let mut words: Vec<String> = of_worst
            .map(|(_, values, nodes)| match nodes.len() {
                count if count == all => values.clone(),
                _ => format!("{}: {values}", some_of(nodes)),
            })
            .collect();
        if words.len() > MAX_TOLD_NODES {
            let more = words.len() - MAX_TOLD_NODES;
            words.truncate(MAX_TOLD_NODES);
            words.push(format!("and {more} more"));
        }
        ItemReport {
            item: item.key,
            title: title(item),
            verdict: worst,
            values: words.join("; "),
        }
    }
}

/// The worst first.
fn weight(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Failed => 0,
        Verdict::Unknown => 1,
        Verdict::Passed => 2,
        Verdict::LeftOut => 3,
    }
}

fn some_of(nodes: &[&str]) -> String {
    let told: Vec<&str> = nodes.iter().take(MAX_TOLD_NODES).copied().collect();
    match nodes.len() - told.len() {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}

/// As the guide has it of a network.
fn title(item: &Item) -> &'static str {
    match item.key {
        "started" => "all nodes started successfully",
        "connecting" => "all nodes connecting to peers",
        _ => item.title,
    }
}

fn check(about: &About) -> Result<()> {
    let count = about.nodes.len();
    if count == 0 || count > MAX_FLEET_NODES {
        return Err(Error::usage(format!(
            "{} has {count} nodes, wanted 1 to {MAX_FLEET_NODES}",
            about.environment
        )));
    }
    let unknown = about
        .skip
        .iter()
        .find(|skip| !ITEMS.iter().any(|item| item.key == *skip));
    match unknown {
        None => Ok(()),
        Some(skip) => {
            let keys: Vec<&str> = ITEMS.iter().map(|item| item.key).collect();
            Err(Error::usage(format!(
                "{skip:?} is no item of any stage, wanted one of {}",
                keys.join(", ")
            )))
        }
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
