//! `watch.toml` as it is written, and everything that is wrong with it. Pure.

use serde::Deserialize;

use super::words::{text, unique};
use super::{
    Action, Condition, Exception, Nodes, Policy, Row, Severity, Signal, Source, Step, Take, Test,
    When, signal::RawSignal,
};
use crate::limits::{MAX_WATCH_ROWS, MAX_WATCH_SECONDS, MAX_WATCH_SIGNALS};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPolicy {
    format: u64,
    #[serde(default = "interval")]
    interval_seconds: u64,
    #[serde(default = "stale")]
    stale_seconds: u64,
    #[serde(default = "block_interval")]
    block_interval_seconds: u64,
    #[serde(default = "skew")]
    clock_skew_seconds: u64,
    #[serde(default = "within")]
    height_within: u64,
    #[serde(default = "samples")]
    samples: u32,
    #[serde(default = "selector")]
    prometheus_selector: String,
    #[serde(default = "runbook")]
    runbook: String,
    #[serde(default)]
    signal: Vec<RawSignal>,
    #[serde(default)]
    row: Vec<RawRow>,
    #[serde(default)]
    exception: Vec<RawException>,
}

fn interval() -> u64 {
    15
}
fn stale() -> u64 {
    60
}
fn block_interval() -> u64 {
    600
}
fn skew() -> u64 {
    120
}
fn within() -> u64 {
    2
}
fn samples() -> u32 {
    2
}
fn selector() -> String {
    "job=\"timed\"".into()
}
fn runbook() -> String {
    "docs/runbook-matrix.md".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRow {
    name: String,
    symptom: String,
    severity: Severity,
    signal: String,
    #[serde(default = "value")]
    take: String,
    #[serde(default)]
    window_seconds: u64,
    test: String,
    #[serde(default = "any")]
    nodes: String,
    samples: Option<u32>,
    step: Vec<Step>,
}

fn value() -> String {
    "value".into()
}
fn any() -> String {
    "any".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawException {
    name: String,
    says: String,
    when: String,
    row: Option<String>,
    under_seconds: Option<u64>,
    signal: Option<String>,
    rows: Vec<String>,
    action: Action,
}

impl RawPolicy {
    pub(super) fn check(self, problems: &mut Vec<String>) -> Policy {
        if self.format != 1 {
            problems.push(format!("format is {}, wanted 1", self.format));
        }
        for (what, found, least, most) in [
            ("interval_seconds", self.interval_seconds, 1, 3_600),
            ("stale_seconds", self.stale_seconds, 1, MAX_WATCH_SECONDS),
            (
                "block_interval_seconds",
                self.block_interval_seconds,
                1,
                MAX_WATCH_SECONDS,
            ),
            (
                "clock_skew_seconds",
                self.clock_skew_seconds,
                0,
                MAX_WATCH_SECONDS,
            ),
            ("height_within", self.height_within, 0, 1_000_000),
            ("samples", self.samples.into(), 1, 100),
        ] {
            if !(least..=most).contains(&found) {
                problems.push(format!("{what} is {found}, wanted {least} to {most}"));
            }
        }
        if self.stale_seconds < self.interval_seconds.saturating_mul(2) {
            problems.push(format!(
                "stale_seconds is {}, wanted at least two intervals, {}: one answer that comes late would be unknown",
                self.stale_seconds,
                self.interval_seconds.saturating_mul(2)
            ));
        }
        for (what, found) in [
            ("prometheus_selector", &self.prometheus_selector),
            ("runbook", &self.runbook),
        ] {
            text(what, found, problems);
        }
        for (what, found, most) in [
            ("signal", self.signal.len(), MAX_WATCH_SIGNALS),
            ("row", self.row.len(), MAX_WATCH_ROWS),
            ("exception", self.exception.len(), MAX_WATCH_ROWS),
        ] {
            if found > most {
                problems.push(format!(
                    "there are {found} tables [[{what}]], wanted {most} at most"
                ));
            }
        }
        if self.row.is_empty() {
            problems.push("there is no [[row]], so nothing would ever be decided".into());
        }
        unique("signal", self.signal.iter().map(RawSignal::name), problems);
        unique("row", self.row.iter().map(|r| &r.name), problems);
        unique(
            "exception",
            self.exception.iter().map(|e| &e.name),
            problems,
        );
        let signals: Vec<Signal> = self
            .signal
            .into_iter()
            .map(|signal| signal.check(problems))
            .collect();
        let samples = self.samples;
        let rows: Vec<Row> = self
            .row
            .into_iter()
            .filter_map(|row| row.check(&signals, samples, problems))
            .collect();
        let exceptions = self
            .exception
            .into_iter()
            .filter_map(|exception| exception.check(&signals, &rows, problems))
            .collect();
        Policy {
            interval_seconds: self.interval_seconds,
            stale_seconds: self.stale_seconds,
            block_interval_seconds: self.block_interval_seconds,
            clock_skew_seconds: self.clock_skew_seconds,
            height_within: self.height_within,
            samples,
            prometheus_selector: self.prometheus_selector,
            runbook: self.runbook,
            signals,
            rows,
            exceptions,
        }
    }
}

impl RawRow {
    fn check(self, signals: &[Signal], samples: u32, problems: &mut Vec<String>) -> Option<Row> {
        let before = problems.len();
        let name = &self.name;
        let mut wrong = |what: String| problems.push(format!("row {name}: {what}"));
        let signal = signals.iter().find(|s| s.name == self.signal);
        let take = Take::parse(&self.take);
        let test = Test::parse(&self.test);
        let nodes = Nodes::parse(&self.nodes);
        let Some(signal) = signal else {
            wrong(format!("there is no signal {:?}", self.signal));
            return None;
        };
        match take {
            None => wrong(format!(
                "take is {:?}, wanted value, increase, rate-per-minute, mean or growth-percent",
                self.take
            )),
            Some(Take::Value) if self.window_seconds != 0 => {
                wrong("a value has no window; leave window_seconds out, or name a take".into());
            }
            Some(Take::Value) => {}
            Some(take) => {
                if !(1..=MAX_WATCH_SECONDS).contains(&self.window_seconds) {
                    wrong(format!(
                        "window_seconds is {}, wanted 1 to {MAX_WATCH_SECONDS} for {}",
                        self.window_seconds,
                        take.word()
                    ));
                }
                if take.is_of_counters() != signal.counter {
                    wrong(match signal.counter {
                        true => format!(
                            "{} is a counter: take increase or rate-per-minute",
                            signal.name
                        ),
                        false => format!(
                            "{} is no counter, so it has no {}",
                            signal.name,
                            take.word()
                        ),
                    });
                }
            }
        }
        if take == Some(Take::Value) && signal.counter {
            wrong(format!(
                "{} is a counter: take increase or rate-per-minute",
                signal.name
            ));
        }
        if test.is_none() {
            wrong(format!(
                "test is {:?}, wanted one such as \"> 3\"",
                self.test
            ));
        }
        match nodes {
            None => wrong(format!(
                "nodes is {:?}, wanted any, all or \"more than 20 %\"",
                self.nodes
            )),
            Some(nodes) if signal.network && nodes != Nodes::Any => {
                wrong(format!(
                    "{} is of the network as a whole, so it has no share of nodes",
                    signal.name
                ));
            }
            Some(_) => {}
        }
        if self.samples.is_some_and(|s| !(1..=100).contains(&s)) {
            wrong("samples is wanted from 1 to 100".into());
        }
        if self.step.is_empty() {
            wrong("there is no step, so it would lead to nothing".into());
        }
        for (step, next) in self.step.iter().zip(self.step.iter().skip(1)) {
            if next.after_seconds <= step.after_seconds || next.action <= step.action {
                wrong(format!(
                    "{} after {} s does not go beyond {} after {} s; steps ascend in both",
                    next.action.word(),
                    next.after_seconds,
                    step.action.word(),
                    step.after_seconds
                ));
            }
        }
        if self
            .step
            .iter()
            .any(|s| s.after_seconds > MAX_WATCH_SECONDS)
        {
            wrong(format!("a step comes after {MAX_WATCH_SECONDS} s at most"));
        }
        text(
            &format!("row {}: symptom", self.name),
            &self.symptom,
            problems,
        );
        let (take, test, nodes) = (take?, test?, nodes?);
        (problems.len() == before).then_some(Row {
            name: self.name,
            symptom: self.symptom,
            severity: self.severity,
            condition: Condition {
                signal: self.signal,
                take,
                window_seconds: self.window_seconds,
                test,
                nodes,
            },
            samples: self.samples.unwrap_or(samples),
            steps: self.step,
        })
    }
}

impl RawException {
    fn check(
        self,
        signals: &[Signal],
        rows: &[Row],
        problems: &mut Vec<String>,
    ) -> Option<Exception> {
        let name = &self.name;
        let mut wrong = |what: String| problems.push(format!("exception {name}: {what}"));
        let when = match (
            self.when.as_str(),
            self.row,
            self.under_seconds,
            self.signal,
        ) {
            ("single-node", None, None, None) => Some(When::SingleNode),
            ("row", Some(row), Some(under_seconds), None) => {
                if !rows.iter().any(|r| r.name == row) {
                    wrong(format!("there is no row {row:?}"));
                }
                Some(When::Row { row, under_seconds })
            }
            ("declared", None, None, Some(signal)) => {
                let found = signals.iter().find(|s| s.name == signal);
                if found.is_none_or(|s| s.source != Source::Person) {
                    wrong(format!(
                        "there is no signal {signal:?} that a person declares"
                    ));
                }
                Some(When::Declared { signal })
            }
            _ => {
                wrong(
                    "wanted when = \"single-node\", \"row\" with row and under_seconds, or \"declared\" with signal"
                        .into(),
                );
                None
            }
        };
        if self.rows.is_empty() {
            wrong("it names no rows".into());
        }
        for row in &self.rows {
            if !rows.iter().any(|r| r.name == *row) {
                wrong(format!("there is no row {row:?}"));
            }
        }
        if self.action == Action::RollBack {
            wrong("what is held back cannot lead to roll-back".into());
        }
        text(
            &format!("exception {}: says", self.name),
            &self.says,
            problems,
        );
        Some(Exception {
            name: self.name,
            says: self.says,
            when: when?,
            rows: self.rows,
            action: self.action,
        })
    }
}
