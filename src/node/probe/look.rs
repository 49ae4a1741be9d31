//! One configured probe at work: what it looks at, what it remembers, how it stands. Pure.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::expect::{Number, pattern};
use super::judge::Judge;
use super::lines::{self, Place, Rules};
use super::metrics::{self, Window};
use super::{LogSource, Wire};
use super::{Look, Mark, Sample, Seen, UnitLog, rpc};
use crate::limits::MAX_METRICS_LEN;
use crate::node::config::probe::{LogConfig, ProbeConfig, ProbeKind, RpcAsk};

/// The daemon that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// When it started.
    pub started: Timestamp,
    /// The service's own log, where there is a service.
    pub log: Option<LogSource>,
    /// Where commands run.
    pub dir: PathBuf,
}

/// A probe, from its first look on.
pub struct Watcher {
    config: ProbeConfig,
    judge: Judge,
    memory: Memory,
}

#[derive(Default)]
struct Memory {
    growth: Vec<Growth>,
    window: Window,
    place: Place,
    bad: u64,
    first: Option<String>,
}

/// A number that is to grow.
#[derive(Clone, Default)]
struct Growth {
    last: Option<Number>,
    /// When it grew last, or was first seen.
    at: Duration,
    ever: bool,
}

impl Growth {
    fn judge(&mut self, now: Duration, seen: Number, within: Duration) -> Sample {
        let Some(last) = self.last.replace(seen) else {
            self.at = now;
            return Sample::unknown("seen once, not grown yet")
                .with_value(seen.to_string())
                .early();
        };
        if seen.compare(last).is_some_and(|order| order.is_gt()) {
            (self.at, self.ever) = (now, true);
            return Sample::good(format!("{seen} after {last}"));
        }
        if seen.compare(last).is_some_and(|order| order.is_lt()) {
            return Sample::bad(seen.to_string(), format!("{seen} after {last}: it shrank"));
        }
        let stood = now.saturating_sub(self.at);
        let why = format!("{seen} for {} s", stood.as_secs());
        match (stood >= within, self.ever) {
            (true, _) => Sample::bad(
                seen.to_string(),
                format!("{why}, wanted growth within {} s", within.as_secs()),
            ),
            (false, true) => Sample::good(seen.to_string()),
            (false, false) => Sample::unknown(format!("{why}, not grown yet"))
                .with_value(seen.to_string())
                .early(),
        }
    }
}

impl Watcher {
    /// A probe that has not looked yet.
    pub fn new(config: &ProbeConfig, now: Duration) -> Self {
        Watcher {
            judge: Judge::new(&config.pace, now),
            config: config.clone(),
            memory: Memory::default(),
        }
    }

    /// Its configuration.
    pub fn config(&self) -> &ProbeConfig {
        &self.config
    }

    /// How it stands.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// The next look.
    pub fn look(&self, subject: &Subject) -> Look {
        let subject = subject.clone();
        match self.config.kind.clone() {
            ProbeKind::Tcp(address) => Box::new(move |wire| {
                wire.connect(&address)?;
                Ok(Seen::Sample(Sample::good(format!(
                    "{address} takes connections"
                ))))
            }),
            ProbeKind::Rpc { endpoint, ask } => {
                Box::new(move |wire| rpc::look(wire, &endpoint, &ask))
            }
            ProbeKind::Metrics {
                endpoint, measure, ..
            } => Box::new(move |wire| {
                let page = metrics::page(wire.http(&endpoint, None, MAX_METRICS_LEN)?)?;
                measure.selector().find(&page).map(Seen::Number)
            }),
            ProbeKind::Journal { log, rules } => {
                let place = self.memory.place.clone();
                Box::new(move |wire| {
                    let source = source(&log, &subject).ok_or("there is no log to read")?;
                    let rules = [Rules::new(&rules)?];
                    lines::read(wire, &source, &place, subject.started, &rules).map(Seen::Lines)
                })
            }
            ProbeKind::Command {
                argv,
                status,
                output,
            } => Box::new(move |wire| command(wire, &argv, &subject, status, output.as_deref())),
        }
    }

    /// Judges what a look saw.
    pub fn take(&mut self, now: Duration, seen: Result<Seen, String>) {
        let sample = match seen {
            Ok(seen) => self.sample(now, seen),
            // Nobody listens: that is an answer of the machine, and still none of the daemon.
            Err(why) => Sample::unknown(why),
        };
        self.judge.add(now, sample);
    }

    fn sample(&mut self, now: Duration, seen: Seen) -> Sample {
        match (seen, &self.config.kind) {
            (Seen::Sample(sample), _) => sample,
            (
                Seen::Json(value),
                ProbeKind::Rpc {
                    ask: RpcAsk::Call { expect, within, .. },
                    ..
                },
            ) => {
                self.memory
                    .growth
                    .resize_with(expect.len(), Growth::default);
                let mut all: Option<Sample> = None;
                for (expect, growth) in expect.iter().zip(&mut self.memory.growth) {
                    let sample = match expect.grows() {
                        true => match expect.number(&value) {
                            Ok(number) => growth.judge(now, number, *within),
                            Err(why) => Sample::unknown(why),
                        },
                        false => expect.judge(&value),
                    };
                    all = Some(match all {
                        None => sample,
                        Some(before) => worse(before, sample),
                    });
                }
                all.unwrap_or_else(|| Sample::unknown("nothing is expected"))
            }
            (
                Seen::Number(number),
                ProbeKind::Metrics {
                    measure, window, ..
                },
            ) => measure.judge(number, now, *window, &mut self.memory.window),
            (Seen::Lines(seen), ProbeKind::Journal { .. }) => {
                let memory = &mut self.memory;
                memory.place = seen.place;
                memory.bad += seen.bad.first().copied().unwrap_or(0);
                memory.first = memory
                    .first
                    .take()
                    .or(seen.first.into_iter().next().flatten());
                let value = format!("{} bad lines since start", memory.bad);
                match (&memory.first, seen.lost) {
                    // What was logged since the start is not unlogged by waiting.
                    (Some(first), _) => {
                        Sample::bad(value, format!("a line says: {first}")).finally()
                    }
                    (None, Some(lost)) => Sample::unknown(lost).with_value(value),
                    (None, None) if !seen.ended => {
                        Sample::unknown("the log is longer than one look reads")
                            .with_value(value)
                            .early()
                    }
                    (None, None) => Sample::good(value),
                }
            }
            _ => Sample::unknown("the look saw something else than this probe asks for"),
        }
    }
}

/// Where a journal probe's lines are.
fn source(log: &LogConfig, subject: &Subject) -> Option<LogSource> {
    match log {
        LogConfig::Service => subject.log.clone(),
        LogConfig::Unit(unit) => Some(LogSource::Unit(UnitLog {
            unit: unit.clone(),
            invocation: None,
            since: subject.started.as_second(),
        })),
        LogConfig::File(path) => Some(LogSource::File {
            path: path.clone(),
            from: None,
        }),
    }
}

/// The one of two samples that stands for both.
fn worse(a: Sample, b: Sample) -> Sample {
    let rank = |sample: &Sample| match sample.mark {
        Mark::Bad => 2,
        Mark::Unknown => 1,
        Mark::Good => 0,
    };
    if rank(&b) > rank(&a) { b } else { a }
}

fn command(
    wire: &dyn Wire,
    argv: &[String],
    subject: &Subject,
    status: i32,
    output: Option<&str>,
) -> Result<Seen, String> {
    let ran = wire.run(argv, &subject.dir)?;
    let said = ran.stdout.trim();
    let shown = match said.lines().next() {
        Some(line) => format!("{line:?}"),
        None => "nothing printed".into(),
    };
    Ok(Seen::Sample(match (ran.code, output) {
        (None, _) => return Err("the command was ended by a signal".into()),
        (Some(code), _) if code != status => {
            let last = ran.stderr.lines().last().unwrap_or_default();
            Sample::bad(
                format!("status {code}"),
                format!("status {code}, wanted {status}: {last}"),
            )
        }
        (Some(_), Some(wanted)) if !pattern(wanted)?.is_match(said) => {
            Sample::bad(shown.clone(), format!("printed {shown}, wanted {wanted:?}"))
        }
        (Some(code), _) => Sample::good(format!("status {code}, {shown}")),
    }))
}
