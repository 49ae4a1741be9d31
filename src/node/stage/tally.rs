//! What a stage remembers: of each signal a few numbers, whatever the window's length. Pure; it is
//! written after every look, so that a killed stage goes on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::items::is_good;
use super::signals::Signals;
use crate::error::{Context, Error, Result};
use crate::limits::MAX_TOLD_GAPS;
use crate::node::config::stages::StageConfig;
use crate::node::probe::lines::Place;

/// What the file says it is.
pub const SCHEMA: &str = "relman-health-stage/1";
/// Parts of the window that averages are kept of.
const SLOTS: usize = 16;

/// One signal over the window. Times are in ms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// First value.
    pub first: i64,
    /// Last value.
    pub last: i64,
    /// Least.
    pub min: i64,
    /// Most.
    pub max: i64,
    /// Of all values.
    pub sum: i64,
    /// Values.
    pub count: u64,
    /// Values that were not good.
    pub bad: u64,
    /// What a counter gained, resets and all.
    pub increase: i64,
    /// Time without a value.
    pub unknown_ms: u64,
    /// Time since which it is not good.
    bad_since: Option<u64>,
    /// The longest time that it was not good.
    pub worst_bad_ms: u64,
    /// The last look had a value.
    pub is_fresh: bool,
    /// Something that was to be counted is gone.
    pub lost: bool,
    /// Why there was no value last time.
    pub why: String,
    /// The first thing that was counted.
    pub note: Option<String>,
    /// Sum and number of the values in each part of the window.
    slots: Vec<(i64, u64)>,
}

impl Tally {
    /// The average.
    pub fn mean(&self) -> i64 {
        self.sum / i64::try_from(self.count.max(1)).unwrap_or(i64::MAX)
    }

    /// Averages of the first and the last quarter; none where one has no value.
    pub fn quarters(&self) -> Option<(i64, i64)> {
        let mean = |slots: &[(i64, u64)]| {
            let (sum, count) = slots.iter().fold((0_i64, 0_u64), |(s, c), slot| {
                (s.saturating_add(slot.0), c + slot.1)
            });
            (count > 0).then(|| sum / i64::try_from(count).unwrap_or(i64::MAX))
        };
        let quarter = SLOTS / 4;
        let last = self.slots.get(SLOTS - quarter..)?;
        Some((mean(self.slots.get(..quarter)?)?, mean(last)?))
    }

    fn add(&mut self, value: i64, good: bool, now: u64, slot: usize) {
        if self.count == 0 {
            (self.first, self.min, self.max) = (value, value, value);
        } else {
            let step = if value < self.last {
                value.max(0)
            } else {
                value.saturating_sub(self.last)
            };
            self.increase = self.increase.saturating_add(step);
        }
        self.last = value;
        (self.min, self.max) = (self.min.min(value), self.max.max(value));
        self.sum = self.sum.saturating_add(value);
        self.count += 1;
        self.bad += u64::from(!good);
        self.is_fresh = true;
        self.why.clear();
        match (good, self.bad_since) {
            (true, _) => self.bad_since = None,
            (false, None) => self.bad_since = Some(now),
            (false, Some(since)) => {
                self.worst_bad_ms = self.worst_bad_ms.max(now.saturating_sub(since));
            }
        }
        self.slots.resize(SLOTS, (0, 0));
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = (slot.0.saturating_add(value), slot.1 + 1);
        }
    }

    fn miss(&mut self, why: &str) {
        self.is_fresh = false;
        why.clone_into(&mut self.why);
    }
}

/// A time without looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Seconds since the stage began.
    pub from: u64,
    /// Seconds since the stage began.
    pub to: u64,
}

/// A stage that has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    schema: String,
    /// Its word.
    pub stage: String,
    /// The release.
    pub tag: String,
    /// RFC 3339.
    pub began: String,
    /// Time of day of the last look, in seconds since 1970.
    pub last_look: i64,
    /// From the beginning to the last look, in ms.
    pub elapsed_ms: u64,
    /// Looks.
    pub looks: u64,
    /// Process id and start of the daemon.
    pub process: Option<(u32, u64)>,
    /// Times that the daemon was another process than at the look before.
    pub restarts: i64,
    /// How far the log is read.
    pub place: Place,
    /// The newest block that is known to be final, with all before it since the stage began.
    pub final_to: Option<u64>,
    /// A block that has to stay what it is: height and hash.
    pub anchor: Option<(u64, String)>,
    /// Times without looks, the first ones.
    pub gaps: Vec<Gap>,
    /// All of them, in ms.
    pub gap_ms: u64,
    /// By signal.
    pub tallies: BTreeMap<String, Tally>,
}

impl Memory {
    /// A stage that begins now.
    pub fn new(stage: &str, tag: &str, began: String, now: i64) -> Self {
        Memory {
            schema: SCHEMA.into(),
            stage: stage.into(),
            tag: tag.into(),
            began,
            last_look: now,
            elapsed_ms: 0,
            looks: 0,
            process: None,
            restarts: 0,
            place: Place::Start,
            final_to: None,
            anchor: None,
            gaps: Vec::new(),
            gap_ms: 0,
            tallies: BTreeMap::new(),
        }
    }

    /// Reads what an earlier run wrote.
    ///
    /// # Errors
    /// Kind failed: it is none of this version's.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let memory: Memory = serde_json::from_slice(bytes)
            .or_failed(|| "the memory of the stage is malformed".into())?;
        match memory.schema == SCHEMA {
            true => Ok(memory),
            false => Err(Error::failed(format!(
                "the memory of the stage has schema {:?}, wanted {SCHEMA:?}",
                memory.schema
            ))),
        }
    }

    /// Takes one look, `now` ms after the beginning. A longer time since the last one than
    /// `longest` is a gap, in which nothing is known.
    pub fn add(
        &mut self,
        signals: &Signals,
        now: u64,
        longest: u64,
        window: u64,
        config: &StageConfig,
    ) {
        let since = now.saturating_sub(self.elapsed_ms);
        let gap = self.looks > 0 && since > longest;
        if gap {
            self.gap_ms = self.gap_ms.saturating_add(since);
            if self.gaps.len() < MAX_TOLD_GAPS {
                self.gaps.push(Gap {
                    from: self.elapsed_ms / 1_000,
                    to: now / 1_000,
                });
            }
        }
        let slot = usize::try_from(u128::from(now) * SLOTS as u128 / u128::from(window.max(1)));
        let slot = slot.unwrap_or(SLOTS).min(SLOTS - 1);
        for (signal, value) in &signals.values {
            let tally = self.tallies.entry((*signal).to_owned()).or_default();
            match value {
                Ok(value) => {
                    tally.add(*value, is_good(signal, *value, config), now, slot);
                    if gap {
                        tally.unknown_ms = tally.unknown_ms.saturating_add(since);
                        // What it was meanwhile nobody knows, so a bad time is not joined over it.
                        tally.bad_since = tally.bad_since.map(|_| now);
                    }
                }
                Err(why) => {
                    tally.miss(why);
                    tally.unknown_ms = tally.unknown_ms.saturating_add(since.max(1));
                }
            }
            if let Some(note) = signals.notes.get(signal) {
                tally.note.get_or_insert_with(|| note.clone());
            }
            if signals.lost && signal.starts_with("log_") {
                tally.lost = true;
            }
        }
        if let Some(place) = &signals.place {
            self.place = place.clone();
        }
        self.final_to = signals.final_to.or(self.final_to);
        self.anchor = self.anchor.take().or_else(|| signals.anchor.clone());
        self.looks += 1;
        self.elapsed_ms = now;
    }
}
