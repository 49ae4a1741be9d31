//! PromQL: label matchers, selectors and durations, written so that nothing foreign can end a string or a brace. Pure.

use std::fmt::{self, Write};

use crate::node::probe::metrics::Selector;
use crate::watch::policy::Policy;
use crate::{Error, Result};

/// The label that tells nodes apart; Prometheus sets it itself.
pub const INSTANCE: &str = "instance";
/// The label with the environment's name.
pub const ENVIRONMENT: &str = "environment";
/// The metric that Prometheus makes itself: 1 for each node that it could ask.
pub const UP: &str = "up";

/// Which series are meant, and when: what every selector of one file has in common.
#[derive(Clone, Debug)]
pub struct Scope {
    matchers: Vec<Matcher>,
    ago: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Matcher {
    label: String,
    operator: &'static str,
    value: String,
}

/// A metric with all that narrows it down.
#[derive(Clone, Debug)]
pub struct Series {
    name: String,
    matchers: Vec<Matcher>,
    ago: u64,
}

impl Scope {
    /// The policy's labels, and the environment's where one is named.
    ///
    /// # Errors
    /// Kind usage: the policy's `prometheus_selector` is none.
    pub fn new(policy: &Policy, environment: Option<&str>) -> Result<Scope> {
        let text = &policy.prometheus_selector;
        let mut matchers = parse(text).ok_or_else(|| {
            Error::usage(format!(
                "prometheus_selector is {text:?}, wanted labels such as job=\"timed\", with commas between them"
            ))
            .hint("mend watch.toml, then: relman watch check")
        })?;
        if let Some(name) = environment {
            matchers.push(equal(ENVIRONMENT, name));
        }
        Ok(Scope { matchers, ago: 0 })
    }

    /// The same, so many seconds earlier.
    pub fn ago(&self, seconds: u64) -> Scope {
        Scope {
            matchers: self.matchers.clone(),
            ago: self.ago + seconds,
        }
    }

    /// The series of a metric, as `watch.toml` names it.
    ///
    /// # Errors
    /// In words: it is no metric that PromQL could name.
    pub fn series(&self, metric: &str) -> Result<Series, String> {
        let selector = Selector::parse(metric)?;
        if let Some((label, _)) = selector.labels().iter().find(|(l, _)| !is_label(l)) {
            return Err(format!("{label:?} is no label's name"));
        }
        let own = selector.labels().iter().map(|(l, v)| equal(l, v));
        Ok(Series {
            name: selector.name().to_owned(),
            matchers: own.chain(self.matchers.iter().cloned()).collect(),
            ago: self.ago,
        })
    }

    /// The matcher of the environment, where one is named.
    pub fn environment(&self) -> Option<String> {
        let mut matchers = self.matchers.iter();
        let found = matchers.find(|m| m.label == ENVIRONMENT && m.operator == "=");
        found.map(ToString::to_string)
    }

    /// How many nodes Prometheus asks, whether they answer or not.
    pub fn nodes(&self) -> String {
        let up = Series {
            name: UP.into(),
            matchers: self.matchers.clone(),
            ago: self.ago,
        };
        format!("count({})", up.now())
    }
}

impl Series {
    /// The newest values.
    pub fn now(&self) -> String {
        self.before(0)
    }

    /// The values of so many seconds ago.
    pub fn before(&self, seconds: u64) -> String {
        format!("{self}{}", offset(self.ago + seconds))
    }

    /// The values of so many seconds.
    pub fn over(&self, seconds: u64) -> String {
        self.over_before(seconds, 0)
    }

    /// The values of so many seconds that ended so many seconds ago.
    pub fn over_before(&self, seconds: u64, before: u64) -> String {
        format!("{self}[{}]{}", duration(seconds), offset(self.ago + before))
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.matchers.is_empty() {
            return Ok(());
        }
        let each = self.matchers.iter().map(ToString::to_string);
        write!(f, "{{{}}}", each.collect::<Vec<_>>().join(","))
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.label, self.operator, quoted(&self.value))
    }
}

/// A duration as PromQL and Prometheus's files have it: `20m15s`.
pub fn duration(seconds: u64) -> String {
    let mut out = String::new();
    let mut left = seconds;
    for (unit, letter) in [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')] {
        if left >= unit {
            // Writing to a string cannot fail.
            let _ = write!(out, "{}{letter}", left / unit);
            left %= unit;
        }
    }
    match out.is_empty() {
        true => "0s".into(),
        false => out,
    }
}

fn offset(seconds: u64) -> String {
    match seconds {
        0 => String::new(),
        seconds => format!(" offset {}", duration(seconds)),
    }
}

fn equal(label: &str, value: &str) -> Matcher {
    Matcher {
        label: label.into(),
        operator: "=",
        value: value.into(),
    }
}

fn is_label(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A string of PromQL, which follows Go's rules.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Reads `label="value", other=~"pattern"`; nothing at all is no labels.
fn parse(text: &str) -> Option<Vec<Matcher>> {
    let mut matchers = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(['=', '!', '~'])?;
        let (label, after) = rest.split_at(end);
        let label = label.trim();
        let operator = ["=~", "!~", "!=", "="]
            .into_iter()
            .find(|operator| after.starts_with(operator))?;
        let after = after.get(operator.len()..)?.trim_start();
        let (value, after) = string(after)?;
        if !is_label(label) {
            return None;
        }
        matchers.push(Matcher {
            label: label.into(),
            operator,
            value,
        });
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(matchers)
}

/// A string between double quotes, and what stands behind it.
fn string(text: &str) -> Option<(String, &str)> {
    let rest = text.strip_prefix('"')?;
    let mut out = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, rest.get(at + 1..)?)),
            '\\' => match chars.next()? {
                (_, c @ ('"' | '\\')) => out.push(c),
                // A pattern's own backslash is written twice; what else Go knows nobody needs here.
                _ => return None,
            },
            c => out.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::policy::template;

    fn policy(selector: &str) -> Policy {
        let mut policy = Policy::parse(template()).unwrap();
        policy.prometheus_selector = selector.into();
        policy
    }

    #[test]
    fn durations_are_as_short_as_people_write_them() {
        for (seconds, wanted) in [
            (0, "0s"),
            (15, "15s"),
            (600, "10m"),
            (1_215, "20m15s"),
            (21_600, "6h"),
            (90_061, "1d1h1m1s"),
        ] {
            assert_eq!(duration(seconds), wanted);
        }
    }

    #[test]
    fn labels_of_metric_policy_and_environment_narrow_every_selector() {
        let scope = Scope::new(&policy("job=\"timed\", dc=~\"a|b\""), Some("mainnet")).unwrap();
        let series = scope.series("errors_total{severity=\"critical\"}").unwrap();
        assert_eq!(
            series.now(),
            "errors_total{severity=\"critical\",job=\"timed\",dc=~\"a|b\",environment=\"mainnet\"}"
        );
        let earlier = scope.ago(300).series("up").unwrap();
        assert!(earlier.over_before(60, 15).ends_with("[1m] offset 5m15s"));
        let bare = Scope::new(&policy(""), None).unwrap();
        assert_eq!(bare.series("up").unwrap().before(60), "up offset 1m");
    }

    #[test]
    fn nothing_foreign_ends_a_string_or_a_brace() {
        let scope = Scope::new(&policy(""), None).unwrap();
        let series = scope.series("a{b=\"x\\\"} or vector(1)\"}").unwrap();
        assert_eq!(series.now(), "a{b=\"x\\\"} or vector(1)\"}");
        assert!(scope.series("a{b c=\"x\"}").is_err());
        for bad in [
            "job",
            "job=timed",
            "job=\"timed",
            "job=\"timed\"} or vector(1",
            "job=\"a\" b=\"c\"",
            "1a=\"b\"",
            "a=\"\\n\"",
            "=\"b\"",
            "a==\"b\"",
        ] {
            let error = Scope::new(&policy(bad), None).unwrap_err();
            assert!(error.message().contains("prometheus_selector"), "{bad}");
        }
    }
}
