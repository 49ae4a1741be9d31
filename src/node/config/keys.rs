//! A table of `node.toml` whose keys are taken one by one, so that every problem is told. Pure.

use std::time::Duration;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// A table and what was wrong with it until now.
pub(super) struct Keys<'a> {
    table: Table,
    /// For messages: `probe "height"`.
    place: String,
    problems: &'a mut Vec<String>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(
        place: impl Into<String>,
        table: Table,
        problems: &'a mut Vec<String>,
    ) -> Self {
        Keys {
            table,
            place: place.into(),
            problems,
        }
    }

    /// Another name for messages.
    pub(super) fn called(&mut self, place: impl Into<String>) {
        self.place = place.into();
    }

    pub(super) fn problem(&mut self, what: impl std::fmt::Display) {
        self.problems.push(format!("{}: {what}", self.place));
    }

    pub(super) fn problems(&mut self) -> &mut Vec<String> {
        self.problems
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Any value of the wanted shape; `wanted` says which.
    pub(super) fn take<T: DeserializeOwned>(&mut self, key: &str, wanted: &str) -> Option<T> {
        let value = self.table.remove(key)?;
        match value.try_into() {
            Ok(value) => Some(value),
            // The value itself is not shown: it may be a password in the wrong place.
            Err(_) => {
                self.problem(format!("{key} is malformed, wanted {wanted}"));
                None
            }
        }
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.take(key, "a string")
    }

    /// A string that must be there.
    pub(super) fn needed(&mut self, key: &str) -> String {
        if !self.has(key) {
            self.problem(format!("{key} is missing"));
        }
        self.text(key).unwrap_or_default()
    }

    pub(super) fn number(&mut self, key: &str, default: u64, least: u64, most: u64) -> u64 {
        let Some(value) = self.take::<i64>(key, "an integer") else {
            return default;
        };
        match u64::try_from(value) {
            Ok(value) if (least..=most).contains(&value) => value,
            _ => {
                self.problem(format!("{key} is {value}, wanted {least} to {most}"));
                default
            }
        }
    }

    /// `<base>_seconds` (a fraction is fine) or `<base>_ms`.
    pub(super) fn time(&mut self, base: &str, default: Duration, most: Duration) -> Duration {
        let (seconds, millis) = (format!("{base}_seconds"), format!("{base}_ms"));
        if self.has(&seconds) && self.has(&millis) {
            self.problem(format!(
                "{seconds} and {millis} say the same, wanted one of them"
            ));
        }
        let key = if self.has(&millis) { &millis } else { &seconds };
        let unit = if self.has(&millis) { 0.001 } else { 1.0 };
        let Some(value) = self.table.remove(key) else {
            return default;
        };
        self.table.remove(&seconds);
        let number = match value {
            Value::Integer(n) => n as f64,
            Value::Float(n) => n,
            _ => f64::NAN,
        };
        match Duration::try_from_secs_f64(number * unit) {
            Ok(time) if time >= Duration::from_millis(1) && time <= most => time,
            _ => {
                self.problem(format!(
                    "{key} is no number from 0.001 to {} seconds",
                    most.as_secs()
                ));
                default
            }
        }
    }

    /// Tells every key that nobody took.
    pub(super) fn end(self) {
        let left: Vec<String> = self.table.keys().cloned().collect();
        for key in left {
            self.problems
                .push(format!("{}: {key} is not known here", self.place));
        }
    }
}
