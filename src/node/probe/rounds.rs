//! All probes of a node at work at the same time. Pure but for the [`Looks`] that it is given: times
//! come in, and what is to be told goes out.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::judge::State;
use super::look::{Subject, Watcher};
use super::{Looks, Mark};
use crate::node::config::probe::ProbeConfig;

/// How one probe stood at the end. States and values are words: nothing in here is compared again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProbeReport {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// How it stands.
    pub state: State,
    /// What the last look found; empty where it found nothing.
    pub value: String,
    /// Looks that were judged.
    pub samples: u32,
    /// Since when it stands so, RFC 3339.
    pub since: String,
    /// Why it is not healthy; empty where it is.
    pub why: String,
}

impl ProbeReport {
    /// One line for people.
    pub fn line(&self) -> String {
        let mut line = format!("{} ({}): {}", self.name, self.kind, self.state.word());
        for part in [&self.value, &self.why] {
            if !part.is_empty() && !line.contains(part.as_str()) {
                line.push_str(&format!(", {part}"));
            }
        }
        line
    }
}

/// The probes of one node.
pub struct Rounds<'a> {
    looks: &'a dyn Looks,
    slots: Vec<Slot>,
    subject: Subject,
    /// Answers about an earlier process do not count.
    generation: u32,
}

struct Slot {
    watcher: Watcher,
    due: Duration,
    /// Since when a look is out.
    flying: Option<Duration>,
    /// Whether the look that is out has been counted as one without an answer.
    given_up: bool,
    told: Option<State>,
}

impl<'a> Rounds<'a> {
    /// No probe has looked yet.
    pub fn new(
        probes: &[ProbeConfig],
        looks: &'a dyn Looks,
        subject: Subject,
        now: Duration,
    ) -> Self {
        let slot = |probe: &ProbeConfig| Slot {
            watcher: Watcher::new(probe, now),
            due: now,
            flying: None,
            given_up: false,
            told: None,
        };
        Rounds {
            looks,
            slots: probes.iter().map(slot).collect(),
            subject,
            generation: 0,
        }
    }

    /// Another process: what was seen of the one before does not count.
    pub fn restart(&mut self, subject: Subject, now: Duration) {
        self.subject = subject;
        self.generation = self.generation.wrapping_add(1);
        for slot in &mut self.slots {
            slot.watcher = Watcher::new(slot.watcher.config(), now);
            slot.due = now;
            slot.told = None;
        }
    }

    /// Takes the answers that came and begins the looks that are due. Says what changed.
    pub fn turn(&mut self, now: Duration, say: &dyn Fn(&str)) {
        for (id, seen) in self.looks.answers() {
            let (generation, at) = (id >> 32, id & 0xffff_ffff);
            let slot = usize::try_from(at)
                .ok()
                .and_then(|at| self.slots.get_mut(at));
            let Some(slot) = slot else { continue };
            slot.flying = None;
            if generation == u64::from(self.generation) && !std::mem::take(&mut slot.given_up) {
                slot.watcher.take(now, seen);
            }
        }
        for (slot, at) in self.slots.iter_mut().zip(0_u64..) {
            let pace = slot.watcher.config().pace.clone();
            match slot.flying {
                // A look that does not end, as a name that nobody resolves: no other is begun, so that
                // there is never more than one a probe.
                Some(since) if !slot.given_up && now.saturating_sub(since) > pace.timeout * 2 => {
                    let why = format!("no answer within {} s", (pace.timeout * 2).as_secs_f32());
                    slot.watcher.take(now, Err(why));
                    slot.given_up = true;
                }
                None if slot.due <= now => {
                    let id = u64::from(self.generation) << 32 | at;
                    slot.flying = Some(now);
                    slot.given_up = false;
                    slot.due = now + pace.interval;
                    let look = slot.watcher.look(&self.subject);
                    self.looks.begin(id, pace.timeout, look);
                }
                _ => {}
            }
            let judge = slot.watcher.judge();
            if judge.looks() > 0 && slot.told != Some(judge.state()) {
                slot.told = Some(judge.state());
                let config = slot.watcher.config();
                let value = judge.last().map_or("", |last| last.value.as_str());
                let mut line = format!("probe {}: {}", config.name, judge.state().word());
                for part in [value, &judge.why()] {
                    if !part.is_empty() {
                        line.push_str(&format!(", {part}"));
                    }
                }
                say(&line);
            }
        }
    }

    /// Whether every probe is healthy now.
    pub fn are_healthy(&self) -> bool {
        let mut slots = self.slots.iter();
        slots.all(|slot| slot.watcher.judge().state() == State::Healthy)
    }

    /// Whether one will not become healthy.
    pub fn have_failed(&self, now: Duration) -> bool {
        self.slots
            .iter()
            .any(|slot| slot.watcher.judge().has_failed(now))
    }

    /// Whether every probe has looked and could tell, or will not tell any more.
    pub fn have_told(&self, now: Duration) -> bool {
        self.slots.iter().all(|slot| {
            let judge = slot.watcher.judge();
            let early = |last: &super::Sample| last.mark == Mark::Unknown && last.is_early;
            judge.last().is_some_and(|last| !early(last)) || judge.has_failed(now)
        })
    }

    /// How all stand; `begin` is the time of day when the clock of `now` stood at zero.
    pub fn reports(&self, begin: Timestamp) -> Vec<ProbeReport> {
        let report = |slot: &Slot| {
            let (config, judge) = (slot.watcher.config(), slot.watcher.judge());
            ProbeReport {
                name: config.name.clone(),
                kind: config.kind.name(),
                state: judge.state(),
                value: judge
                    .last()
                    .map_or_else(String::new, |last| last.value.clone()),
                samples: judge.looks(),
                since: crate::node::record::rfc3339(begin + judge.since()),
                why: judge.why(),
            }
        };
        self.slots.iter().map(report).collect()
    }
}
