//! A Prometheus server as a source: what it is asked, and what its answers say of the nodes. Pure.
//!
//! | file | is |
//! | --- | --- |
//! | `answer` | the JSON of its HTTP API, bounded |
//!
//! The server is believed about numbers alone. That it does not reach a node is no crash of it; a number that it was not
//! told lately is no number; an answer from another time counts for nothing.

mod answer;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use self::answer::Series;
use super::policy::{Policy, Source};
use super::sample::NodeSample;
use crate::limits::{MAX_PROMETHEUS_QUERY_LEN, MAX_PROMETHEUS_SERIES, MAX_WATCH_REMARKS};
use crate::node::probe::metrics::{Selector, Sum};
use crate::node::probe::{Reply, cut};

/// Prometheus's own: whether it reached the target.
const UP: &str = "up";
/// Characters of a foreign word in a remark.
const MAX_WORD: usize = 60;

/// What a policy wants to know of a Prometheus server.
#[derive(Clone, Debug)]
pub struct Question {
    /// Name of the signal, and its metric.
    signals: Vec<(String, Selector)>,
    /// Labels that every series has.
    labels: String,
    stale_seconds: u64,
    skew_seconds: u64,
}

/// What a server told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Of each node, its signals.
    pub nodes: BTreeMap<String, NodeSample>,
    /// What else is to be said, for people.
    pub remarks: Vec<String>,
}

impl Question {
    /// The signals that are read from metrics.
    pub fn of(policy: &Policy) -> Self {
        let wanted = policy.signals.iter();
        let wanted = wanted.filter(|s| s.source == Source::Metrics && !s.network);
        Question {
            signals: wanted
                .filter_map(|s| {
                    let selector = Selector::parse(s.metric.as_deref()?).ok()?;
                    Some((s.name.clone(), selector))
                })
                .collect(),
            labels: policy.prometheus_selector.trim().to_owned(),
            stale_seconds: policy.stale_seconds,
            skew_seconds: policy.clock_skew_seconds,
        }
    }

    /// Queries of PromQL, as few as may be. Each asks for many metrics by name, and for the newest sample of each series
    /// that is not stale: the time in an answer is that of the query, not that of the sample.
    pub fn queries(&self) -> Vec<String> {
        let names: BTreeSet<&str> = self.signals.iter().map(|(_, s)| s.name()).collect();
        if names.is_empty() {
            return Vec::new();
        }
        let mut groups: Vec<String> = vec![UP.into()];
        for name in names.into_iter().filter(|name| *name != UP) {
            match groups.last_mut() {
                Some(group) if group.len() + name.len() < MAX_PROMETHEUS_QUERY_LEN => {
                    group.push('|');
                    group.push_str(name);
                }
                _ => groups.push(name.into()),
            }
        }
        let labels = match self.labels.as_str() {
            "" => String::new(),
            labels => format!(",{labels}"),
        };
        let stale = self.stale_seconds;
        groups
            .into_iter()
            .map(|names| format!("last_over_time({{__name__=~\"{names}\"{labels}}}[{stale}s])"))
            .collect()
    }
}

/// Where an instant query is sent.
pub fn address(server: &str, query: &str) -> String {
    let mut url = format!("{server}/api/v1/query?query=");
    for byte in query.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => url.push(char::from(byte)),
            // Strings take everything.
            false => drop(write!(url, "%{byte:02X}")),
        }
    }
    url
}

/// Reads the answers to all queries of a question.
#[derive(Debug)]
pub struct Reader<'a> {
    question: &'a Question,
    /// Name of a node, by the label `instance`.
    instances: &'a BTreeMap<String, String>,
    /// Milliseconds since 1970, by the watcher's clock.
    now_ms: i64,
    /// By instance.
    found: BTreeMap<&'a str, Found<'a>>,
    /// The newest time in any answer: the server's clock, in seconds.
    newest: Option<f64>,
    series: usize,
    strangers: BTreeSet<String>,
    many_strangers: bool,
    warnings: Vec<String>,
}

/// What the server knows of an instance.
#[derive(Debug)]
struct Found<'a> {
    /// In the order of the question's signals: the sum, and the oldest time in it.
    sums: Vec<(Sum<'a>, f64)>,
    /// How many targets it is, and how many of them were not reached.
    targets: usize,
    lost: usize,
}

impl<'a> Reader<'a> {
    /// `instances` are the nodes' names by the label `instance`.
    pub fn new(
        question: &'a Question,
        instances: &'a BTreeMap<String, String>,
        now_ms: i64,
    ) -> Self {
        Reader {
            question,
            instances,
            now_ms,
            found: BTreeMap::new(),
            newest: None,
            series: 0,
            strangers: BTreeSet::new(),
            many_strangers: false,
            warnings: Vec::new(),
        }
    }

    /// Takes the answer to one query.
    ///
    /// # Errors
    /// In words: it is an error, none of Prometheus's, no vector, or has too many series. Nothing that the server said
    /// counts then.
    pub fn take(&mut self, reply: &Reply) -> Result<(), String> {
        let warnings = answer::read(reply, &mut |series| self.series(series))?;
        let left = MAX_WATCH_REMARKS.saturating_sub(self.warnings.len());
        self.warnings.extend(warnings.into_iter().take(left));
        Ok(())
    }

    fn series(&mut self, series: Series) -> Result<(), String> {
        self.series += 1;
        if self.series > MAX_PROMETHEUS_SERIES {
            return Err(format!(
                "its answer has more than {MAX_PROMETHEUS_SERIES} series"
            ));
        }
        let newest = self.newest.get_or_insert(series.at);
        *newest = newest.max(series.at);
        let label = |name: &str| {
            let mut labels = series.labels.iter();
            let value = labels.find(|(label, _)| label == name);
            value.map(|(_, value)| value.as_str())
        };
        let Some(name) = label("__name__") else {
            return Ok(());
        };
        let instance = label("instance").unwrap_or("(none)");
        let Some((instance, _)) = self.instances.get_key_value(instance) else {
            match self.strangers.len() < MAX_WATCH_REMARKS {
                true => drop(self.strangers.insert(cut(instance, MAX_WORD))),
                false => self.many_strangers = true,
            }
            return Ok(());
        };
        let question = self.question;
        let found = self
            .found
            .entry(instance)
            .or_insert_with(|| Found::new(question));
        if name == UP {
            found.targets += 1;
            found.lost += usize::from(series.value != 1.0);
        }
        for (sum, oldest) in &mut found.sums {
            if sum.offer(name, &series.labels, series.value) {
                *oldest = oldest.min(series.at);
            }
        }
        Ok(())
    }

    /// What all of it says.
    ///
    /// # Errors
    /// In words: the server's clock is too far from the watcher's, so nothing that it said counts.
    pub fn end(self) -> Result<Told, String> {
        let newest = self.newest.unwrap_or_default();
        if self.newest.is_some() {
            let apart = newest - self.now_ms as f64 / 1_000.0;
            if apart.abs() > self.question.skew_seconds as f64 {
                return Err(format!(
                    "its answer is {:.0} s {} this clock, wanted at most {}: nothing in it counts",
                    apart.abs(),
                    if apart < 0.0 { "behind" } else { "ahead of" },
                    self.question.skew_seconds
                ));
            }
        }
        let mut told = Told::default();
        for (instance, node) in self.instances {
            let found = self.found.get(instance.as_str());
            let sample = self.question.sample(instance, found, newest);
            told.nodes.insert(node.clone(), sample);
        }
        if !self.strangers.is_empty() {
            let names: Vec<String> = self.strangers.into_iter().collect();
            told.remarks.push(format!(
                "Prometheus knows instances that are no node's: {}{}",
                names.join(", "),
                if self.many_strangers { ", …" } else { "" }
            ));
        }
        let warnings = self.warnings.into_iter();
        told.remarks
            .extend(warnings.map(|warning| format!("Prometheus warns: {warning}")));
        Ok(told)
    }
}

impl<'a> Found<'a> {
    fn new(question: &'a Question) -> Self {
        let sums = question.signals.iter();
        Found {
            sums: sums
                .map(|(_, selector)| (Sum::of(selector), f64::INFINITY))
                .collect(),
            targets: 0,
            lost: 0,
        }
    }
}

impl Question {
    /// A node's signals.
    fn sample(&self, instance: &str, found: Option<&Found<'_>>, newest: f64) -> NodeSample {
        let mut sample = NodeSample::default();
        let why = match found {
            None => Some(format!(
                "Prometheus knows nothing new of instance {}",
                cut(instance, MAX_WORD)
            )),
            Some(found) if found.targets > 1 => Some(format!(
                "Prometheus reads it as {} targets, so its numbers would count more than once",
                found.targets
            )),
            Some(found) if found.lost > 0 => Some("Prometheus does not reach it".into()),
            Some(_) => None,
        };
        let sums = found.map_or(&[][..], |found| &found.sums);
        for (i, (signal, _)) in self.signals.iter().enumerate() {
            let value = match (&why, sums.get(i)) {
                (None, Some((sum, oldest))) => self.value(sum, newest - oldest),
                (why, _) => Err(why.clone().unwrap_or_default()),
            };
            sample.set(signal, value);
        }
        sample
    }

    fn value(&self, sum: &Sum<'_>, age: f64) -> Result<f64, String> {
        let number = sum.end()?;
        match age > self.stale_seconds as f64 {
            false => Ok(number.as_f64()),
            true => Err(format!(
                "it is {age:.0} s old, at most {} s are believed",
                self.stale_seconds
            )),
        }
    }
}
