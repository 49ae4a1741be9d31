//! All that one look can know of a node on the node itself: its chain, its metrics, its service, its log. The looks are
//! pure, the wire is the caller's; what got no answer is null, with a reason beside it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::Node;
use super::chain::{self, Chain};
use super::host::ServiceState;
use super::probe::lines::{self, LinesSeen, Place};
use super::probe::metrics::{self, Selector, Sum};
use super::probe::{LogSource, Look, Looks, Seen, UnitLog, Wire, cut};
use super::stage::signals::{LINES, rules};
use crate::error::{Error, Result};
use crate::limits::{
    MAX_LOG_CURSOR_LEN, MAX_METRICS_LEN, MAX_SHOWN_VALUE, MAX_SIGNALS_LOOK_SECONDS,
};
use crate::node::config::probe::Endpoint;

/// From one look for the answers to the next.
const PAUSE: Duration = Duration::from_millis(10);
/// How much later than its deadline a look may end: what it waits for is not always its own.
const LATE: Duration = Duration::from_secs(1);

const CHAIN: u64 = 0;
const PAGE: u64 = 1;
const LOG: u64 = 2;

/// What somebody wants to know.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The hash of the block at this height, too.
    pub at: Option<u64>,
    /// Metrics, as they are to be named in the answer, and where they are on the page.
    pub metrics: Vec<(String, Selector)>,
    /// From when on lines of the log count; without it nothing is said about them.
    pub since: Option<Timestamp>,
    /// How far the log was read before: lines behind it count alone.
    pub cursor: Option<Place>,
}

/// What a node says of itself.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NodeSignals {
    /// Where its chain stands.
    pub chain: Chain,
    /// The metrics that were asked for.
    pub metrics: BTreeMap<String, Option<f64>>,
    /// `up`, `restarts`, and lines of the log: `log-errors`, `log-critical`, `log-signatures`, `log-corruption`.
    pub values: BTreeMap<String, Option<u64>>,
    /// Why a metric or a value is null.
    pub unknown: BTreeMap<String, String>,
    /// How far the log is read.
    pub log: Log,
}

/// How far a log was read.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Log {
    /// Where to go on; it means something to this node alone.
    pub cursor: Option<String>,
    /// The log is longer than one look reads: the rest comes with the next.
    pub behind: bool,
    /// Lines that are gone before they were read, in words.
    pub lost: Option<String>,
}

/// Reads a cursor that a node told before.
///
/// # Errors
/// In words: it is none.
pub fn parse_cursor(text: &str) -> std::result::Result<Place, String> {
    let cursor = (text.len() <= MAX_LOG_CURSOR_LEN).then(|| serde_json::from_str(text));
    match cursor {
        Some(Ok(place)) => Ok(place),
        _ => Err("it is no cursor that relman node signals told".into()),
    }
}

impl Node<'_> {
    /// Looks at everything at the same time.
    ///
    /// # Errors
    /// Kind usage: a pattern of the configuration cannot be used.
    pub fn signals(&self, asked: &Asked) -> Result<NodeSignals> {
        let limit = Duration::from_secs(MAX_SIGNALS_LOOK_SECONDS);
        let looks = self.host.looks();
        let begin = self.host.uptime();
        let mut out = NodeSignals::default();
        let stages = &self.config.stages;
        let mut waits: Vec<u64> = Vec::new();
        let mut ask = |looks: &dyn Looks, id: u64, look: Look| {
            let left = limit.saturating_sub(self.host.uptime().saturating_sub(begin));
            looks.begin(id, left, look);
            waits.push(id);
        };
        match stages.rpc.clone() {
            Some(to) => {
                let (names, at) = (stages.names.clone(), asked.at);
                let look = move |wire: &dyn Wire| {
                    Ok(Seen::Json(json!(chain::look(wire, &to, &names, at))))
                };
                ask(&*looks, CHAIN, Box::new(look));
            }
            None => {
                out.chain
                    .problems
                    .push("no [health.rpc] is configured".into());
            }
        }
        match stages.metrics.clone() {
            Some(to) if !asked.metrics.is_empty() => {
                let selectors: Vec<Selector> =
                    asked.metrics.iter().map(|(_, s)| s.clone()).collect();
                ask(
                    &*looks,
                    PAGE,
                    Box::new(move |wire| page_seen(wire, &to, &selectors)),
                );
            }
            Some(_) => {}
            None => out.no_metrics(asked, "no [health.metrics] is configured"),
        }
        let state = self.service.map(|service| service.state());
        self.service_signals(state.as_ref(), &mut out);
        match self.log_source(state.as_ref(), asked) {
            Ok((source, since)) => {
                let rules = rules(stages).map_err(Error::usage)?;
                let place = asked.cursor.clone().unwrap_or_default();
                let look = move |wire: &dyn Wire| {
                    lines::read_perhaps_none(wire, &source, &place, since, &rules).map(Seen::Lines)
                };
                ask(&*looks, LOG, Box::new(look));
            }
            Err(why) => out.no_lines(&why),
        }
        while !waits.is_empty() && self.host.uptime().saturating_sub(begin) <= limit + LATE {
            for (id, seen) in looks.answers() {
                waits.retain(|wait| *wait != id);
                out.saw(id, seen, asked);
            }
            if !waits.is_empty() {
                self.host.pause(PAUSE);
            }
        }
        for id in waits {
            let why = format!("no answer within {MAX_SIGNALS_LOOK_SECONDS} s");
            out.saw(id, Err(why), asked);
        }
        Ok(out)
    }

    fn service_signals(&self, state: Option<&Result<ServiceState>>, out: &mut NodeSignals) {
        let state = match state {
            None => Err("no [service] is configured".to_owned()),
            Some(Err(error)) => Err(error.to_string()),
            Some(Ok(state)) if state.missing => Err(format!("no such service: {}", state.detail)),
            Some(Ok(state)) => Ok(state),
        };
        let up = state.clone().and_then(|state| {
            let process = state.pid.map(|pid| self.host.process(pid)).transpose();
            let process = process.map_err(|error| error.to_string())?;
            Ok(u64::from(process.flatten().is_some()))
        });
        let restarts = state.and_then(|state| {
            let count = state.restarts;
            count.ok_or_else(|| "nobody counts how often it is started anew".to_owned())
        });
        out.set("up", up);
        out.set("restarts", restarts);
    }

    /// The log of all starts of the daemon, and from when on its lines count.
    fn log_source(
        &self,
        state: Option<&Result<ServiceState>>,
        asked: &Asked,
    ) -> std::result::Result<(LogSource, Timestamp), String> {
        let since = asked
            .since
            .ok_or("no time was given that lines count from")?;
        let service = self.service.ok_or("no [service] is configured")?;
        if let Some(Ok(state)) = state
            && state.missing
        {
            return Err(format!("no such service: {}", state.detail));
        }
        let source = match service.log(since) {
            LogSource::Unit(unit) => LogSource::Unit(UnitLog {
                invocation: None,
                since: since.as_second(),
                ..unit
            }),
            // Where the newest start's lines begin does not matter: lines before the given time must not count.
            LogSource::File { path, .. } => LogSource::File { path, from: None },
        };
        Ok((source, since))
    }
}

/// Every metric of a page, or why it is unknown, in the order in which they were asked for.
///
/// # Errors
/// In words: there is no page, it is longer than `limit` bytes, or it is none of metrics.
pub fn page(
    wire: &dyn Wire,
    to: &Endpoint,
    selectors: &[Selector],
    limit: u64,
) -> std::result::Result<Vec<std::result::Result<f64, String>>, String> {
    let page = metrics::page(wire.http(to, None, limit)?)?;
    let mut sums: Vec<Sum> = selectors.iter().map(Sum::of).collect();
    metrics::find_all(&page, &mut sums)?;
    let found = sums.iter().map(|sum| sum.end().map(|n| n.as_f64()));
    Ok(found.collect())
}

/// The same as what a look gives: a number, or words.
fn page_seen(
    wire: &dyn Wire,
    to: &Endpoint,
    selectors: &[Selector],
) -> std::result::Result<Seen, String> {
    let found = page(wire, to, selectors, MAX_METRICS_LEN)?.into_iter();
    let found = found.map(|found| found.map_or_else(Value::from, Value::from));
    Ok(Seen::Json(Value::Array(found.collect())))
}

impl NodeSignals {
    fn set(&mut self, name: &str, value: std::result::Result<u64, String>) {
        if let Err(why) = &value {
            self.explain(name, why);
        }
        self.values.insert(name.into(), value.ok());
    }

    fn explain(&mut self, name: &str, why: &str) {
        let why = cut(why, 2 * MAX_SHOWN_VALUE);
        self.unknown.insert(name.into(), why);
    }

    fn no_metrics(&mut self, asked: &Asked, why: &str) {
        for (name, _) in &asked.metrics {
            self.metrics.insert(name.clone(), None);
            self.explain(name, why);
        }
    }

    fn no_lines(&mut self, why: &str) {
        for signal in LINES {
            self.set(&signal.replace('_', "-"), Err(why.into()));
        }
    }

    fn saw(&mut self, id: u64, seen: std::result::Result<Seen, String>, asked: &Asked) {
        let odd = || "the look saw something else".to_owned();
        match (id, seen) {
            (CHAIN, Ok(Seen::Json(value))) => {
                self.chain = serde_json::from_value(value).unwrap_or_else(|_| Chain {
                    problems: vec![odd()],
                    ..Chain::default()
                });
            }
            (CHAIN, seen) => {
                self.chain.problems.push(seen.err().unwrap_or_else(odd));
            }
            (PAGE, Ok(Seen::Json(Value::Array(found)))) => {
                for ((name, _), found) in asked.metrics.iter().zip(found) {
                    if let Some(why) = found.as_str() {
                        self.explain(name, why);
                    }
                    self.metrics.insert(name.clone(), found.as_f64());
                }
            }
            (PAGE, seen) => {
                let why = seen.err().unwrap_or_else(odd);
                self.no_metrics(asked, &why);
            }
            (LOG, Ok(Seen::Lines(seen))) => self.lines(seen),
            (_, seen) => self.no_lines(&seen.err().unwrap_or_else(odd)),
        }
    }

    fn lines(&mut self, seen: LinesSeen) {
        for (signal, bad) in LINES.into_iter().zip(seen.bad) {
            self.set(&signal.replace('_', "-"), Ok(bad));
        }
        self.log = Log {
            // A journal without a line has no cursor: the next look begins where this one did.
            cursor: Some(seen.place)
                .filter(|place| *place != Place::Start)
                .and_then(|place| serde_json::to_string(&place).ok()),
            behind: !seen.ended,
            lost: seen.lost,
        };
    }
}

#[cfg(test)]
mod tests;
