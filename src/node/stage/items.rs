//! The stages and their items: the team's checks after a deployment, each with what it is made of. Pure.

use super::tally::Tally;
use crate::node::config::stages::StageConfig;

/// How long after a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The first 5 minutes.
    Immediate,
    /// The first hour.
    Hour,
    /// The first 24 hours.
    Day,
    /// The first week.
    Week,
}

impl Stage {
    /// Its word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Immediate => "immediate",
            Stage::Hour => "hour",
            Stage::Day => "day",
            Stage::Week => "week",
        }
    }
}

/// One line of a stage's list.
pub struct Item {
    /// Its word in configuration and JSON.
    pub key: &'static str,
    /// As the team's list has it.
    pub title: &'static str,
    stages: &'static [Stage],
    conditions: &'static [Condition],
}

/// What has to hold of a signal over the window.
#[derive(Clone, Copy)]
enum Condition {
    /// Every look was good.
    Always(&'static str),
    /// It was never bad for longer than the time of a partition.
    Mostly(&'static str),
    /// It was never bad for longer than a block may take to be final, and a look.
    SoonGood(&'static str),
    /// The last look is good.
    Ends(&'static str),
    /// The average is good.
    OnAverage(&'static str),
    /// It did not happen.
    Never(&'static str),
    /// A counter stands still.
    Still(&'static str),
    /// It grew by the blocks of the window.
    Blocks(&'static str),
    /// Its last quarter's average is not much above the first's.
    Steady(&'static str),
}

use Condition::{Always, Blocks, Ends, Mostly, Never, OnAverage, SoonGood, Steady, Still};
use Stage::{Day, Hour, Immediate, Week};

const fn item(
    key: &'static str,
    title: &'static str,
    stages: &'static [Stage],
    conditions: &'static [Condition],
) -> Item {
    Item {
        key,
        title,
        stages,
        conditions,
    }
}

/// Every item of every stage, in the order of the team's lists.
pub const ITEMS: &[Item] = &[
    item(
        "started",
        "node started successfully",
        &[Immediate],
        &[Always("up")],
    ),
    item(
        "startup-errors",
        "no startup errors in logs",
        &[Immediate],
        &[Never("log_errors")],
    ),
    item(
        "connecting",
        "connected to peers",
        &[Immediate],
        &[Ends("peers")],
    ),
    item(
        "producing",
        "consensus producing blocks",
        &[Immediate],
        &[Ends("producing"), Ends("tip_age")],
    ),
    item(
        "finality",
        "finality working",
        &[Immediate],
        &[SoonGood("unfinalized")],
    ),
    item(
        "blocks",
        "blocks produced at the normal rate",
        &[Hour, Day],
        &[Blocks("height")],
    ),
    item(
        "finalized",
        "all blocks finalized",
        &[Hour, Day],
        &[SoonGood("unfinalized")],
    ),
    item(
        "signatures",
        "no signature verification errors",
        &[Hour],
        &[Never("log_signatures")],
    ),
    item(
        "partition",
        "no network partition",
        &[Hour],
        &[Mostly("peers"), Mostly("forked")],
    ),
    item(
        "metrics",
        "metrics reporting properly",
        &[Hour],
        &[Always("metrics")],
    ),
    item(
        "critical-errors",
        "zero critical errors",
        &[Day],
        &[Never("log_critical"), Still("critical"), Still("panics")],
    ),
    item(
        "memory",
        "memory stable",
        &[Day],
        &[OnAverage("memory"), Steady("memory")],
    ),
    item(
        "peers",
        "peer connections stable",
        &[Day],
        &[Mostly("peers")],
    ),
    item(
        "forks",
        "fork resolution working",
        &[Day],
        &[Ends("forked"), Mostly("forked")],
    ),
    item(
        "restarts",
        "no unplanned restarts",
        &[Week],
        &[Always("up"), Still("restarts")],
    ),
    item(
        "performance",
        "performance stable",
        &[Week],
        &[
            OnAverage("finality_ms"),
            OnAverage("latency_ms"),
            OnAverage("cpu_milli"),
        ],
    ),
    item(
        "corruption",
        "no data corruption",
        &[Week],
        &[Always("anchor"), Never("log_corruption")],
    ),
    item(
        "all-metrics",
        "all metrics normal",
        &[Week],
        &[
            Always("metrics"),
            OnAverage("memory"),
            Steady("memory"),
            Still("panics"),
            Still("critical"),
        ],
    ),
    item(
        "transactions",
        "user transactions working",
        &[Week],
        &[Always("transaction")],
    ),
];

/// The items of a stage.
pub fn of_stage(stage: Stage) -> impl Iterator<Item = &'static Item> {
    ITEMS
        .iter()
        .filter(move |item| item.stages.contains(&stage))
}

/// Whether one value of a signal is as it should be.
pub fn is_good(signal: &str, value: i64, config: &StageConfig) -> bool {
    let most = |limit: u128| i128::from(value) <= i128::try_from(limit).unwrap_or(i128::MAX);
    match signal {
        "up" | "producing" | "metrics" | "anchor" | "transaction" => value == 1,
        "peers" => i128::from(value) >= i128::from(config.peers),
        "forked" | "unfinalized" => value == 0,
        // Older than an interval and ten minutes means that no blocks come.
        "tip_age" => most(u128::from(
            (config.block_interval.as_secs()).saturating_add(600),
        )),
        "memory" => most(config.memory.into()),
        "cpu_milli" => most(u128::from(config.cpu_percent) * 1_000),
        "finality_ms" => most(config.finality.as_millis()),
        "latency_ms" => most(config.latency.as_millis()),
        _ => true,
    }
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It held, and was seen to.
    Passed,
    /// It did not hold.
    Failed,
    /// Too little was seen to tell.
    Unknown,
    /// The configuration leaves it out.
    LeftOut,
}

impl Verdict {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Failed => "FAILED",
            Verdict::Unknown => "unknown",
            Verdict::LeftOut => "left out",
        }
    }
}

/// What an item is judged by.
pub struct Evidence<'a> {
    /// Of which stage.
    pub stage: Stage,
    /// What is wanted.
    pub config: &'a StageConfig,
    /// The tally of a signal.
    pub tally: &'a dyn Fn(&str) -> Tally,
    /// How much of the window was seen or could have been, in ms.
    pub elapsed_ms: u64,
}

impl Item {
    /// Judges the item: what became of it, and the values.
    pub fn judge(&self, evidence: &Evidence) -> (Verdict, String) {
        if self.is_left_out(evidence.config) {
            return (Verdict::LeftOut, "left out by health.stages.skip".into());
        }
        let mut all = Verdict::Passed;
        let mut words = Vec::new();
        for condition in self.conditions {
            let (verdict, text) = condition.judge(evidence);
            all = match (all, verdict) {
                (Verdict::Failed, _) | (_, Verdict::Failed) => Verdict::Failed,
                (Verdict::Unknown, _) | (_, Verdict::Unknown) => Verdict::Unknown,
                _ => Verdict::Passed,
            };
            words.push(text);
        }
        (all, words.join("; "))
    }

    fn is_left_out(&self, config: &StageConfig) -> bool {
        config.skip.iter().any(|key| key == self.key)
    }

    /// Whether a little more time could still make it pass: the block that is due.
    pub fn waits_for_a_block(&self, evidence: &Evidence) -> bool {
        !self.is_left_out(evidence.config)
            && self.conditions.iter().any(|condition| {
                matches!(condition, Blocks(_)) && condition.judge(evidence).0 == Verdict::Failed
            })
    }
}

impl Condition {
    fn signal(self) -> &'static str {
        match self {
            Always(signal) | Mostly(signal) | SoonGood(signal) | Ends(signal)
            | OnAverage(signal) | Never(signal) | Still(signal) | Blocks(signal)
            | Steady(signal) => signal,
        }
    }

    fn judge(self, evidence: &Evidence) -> (Verdict, String) {
        let signal = self.signal();
        let tally = (evidence.tally)(signal);
        let config = evidence.config;
        if tally.count == 0 {
            let why = if tally.why.is_empty() {
                "no answer"
            } else {
                &tally.why
            };
            return (Verdict::Unknown, format!("{signal} was never seen: {why}"));
        }
        let allowed = evidence.elapsed_ms / 100 * config.unknown_percent;
        let seen_enough = tally.unknown_ms <= allowed;
        let value = tally.last;
        let verdict = |holds: bool, enough: bool| match (holds, enough) {
            (false, _) => Verdict::Failed,
            (true, false) => Verdict::Unknown,
            (true, true) => Verdict::Passed,
        };
        let (is, text) = match self {
            Always(_) => (
                verdict(tally.bad == 0, seen_enough),
                format!(
                    "{signal} good in {} of {} looks",
                    tally.count - tally.bad,
                    tally.count
                ),
            ),
            Mostly(_) | SoonGood(_) => {
                let limit = match self {
                    Mostly(_) => config.partition.as_millis(),
                    _ => (config.finality + config.interval).as_millis(),
                };
                (
                    verdict(u128::from(tally.worst_bad_ms) <= limit, seen_enough),
                    format!(
                        "{signal} {} to {}, never bad for more than {} s of {} s",
                        tally.min,
                        tally.max,
                        tally.worst_bad_ms / 1_000,
                        limit / 1_000
                    ),
                )
            }
            Ends(_) => (
                verdict(is_good(signal, value, config), tally.is_fresh),
                format!(
                    "{signal} {value} at the end, {} to {} before",
                    tally.min, tally.max
                ),
            ),
            OnAverage(_) => (
                verdict(is_good(signal, tally.mean(), config), seen_enough),
                format!(
                    "{signal} {} on average, {} to {}",
                    tally.mean(),
                    tally.min,
                    tally.max
                ),
            ),
            Never(_) => (
                verdict(tally.sum == 0, tally.is_fresh && !tally.lost),
                match &tally.note {
                    Some(note) => format!("{signal} {}, the first: {note}", tally.sum),
                    None => format!("{signal} {}", tally.sum),
                },
            ),
            Still(_) => (
                verdict(tally.increase == 0, tally.is_fresh),
                format!("{signal} grew by {}", tally.increase),
            ),
            Blocks(_) => {
                let wanted = config.blocks(evidence.stage);
                let found = tally.last.saturating_sub(tally.first).max(0);
                (
                    verdict(found.unsigned_abs() >= wanted, tally.is_fresh),
                    format!(
                        "{found} of {wanted} blocks, {signal} {} to {}",
                        tally.first, tally.last
                    ),
                )
            }
            Steady(_) => {
                let Some((first, last)) = tally.quarters() else {
                    return (
                        Verdict::Unknown,
                        format!("{signal} was seen too rarely to compare"),
                    );
                };
                let most =
                    i128::from(first) * (100 + i128::from(config.memory_growth_percent)) / 100;
                (
                    verdict(i128::from(last) <= most, seen_enough),
                    format!(
                        "{signal} {first} in the first quarter, {last} in the last, at most {}% more wanted",
                        config.memory_growth_percent
                    ),
                )
            }
        };
        let unseen = match is {
            Verdict::Unknown if !tally.why.is_empty() => {
                format!(
                    ", {} s without an answer: {}",
                    tally.unknown_ms / 1_000,
                    tally.why
                )
            }
            Verdict::Unknown => format!(", {} s without an answer", tally.unknown_ms / 1_000),
            _ => String::new(),
        };
        (is, format!("{text}{unseen}"))
    }
}
