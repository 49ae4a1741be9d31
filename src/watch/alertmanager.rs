//! An Alertmanager as a source: its messages (webhook, version 4), and the alerts of ours that fire. Pure.
//!
//! Alerts count that were made from the watch policy, of one environment; others are counted and passed over. An alert
//! ends when the Alertmanager says so, or no longer says that it fires.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::policy::Action;
use super::sample::Alert;
use crate::limits::{MAX_SHOWN_VALUE, MAX_WATCH_NAME_LEN, MAX_WEBHOOK_ALERTS, MAX_WEBHOOK_LEN};
use crate::node::probe::cut;

/// The only version that there is.
const VERSION: &str = "4";
/// Labels of an alert that was made from the policy: the matrix's row, what it calls for, and the environment.
const ROW: &str = "relman_row";
const ACTION: &str = "relman_action";
const ENVIRONMENT: &str = "environment";
/// The node by its name; else by Prometheus's own label.
const NODE: &str = "relman_node";
const INSTANCE: &str = "instance";
const MAX_FINGERPRINT_LEN: usize = 64;

#[derive(Deserialize)]
struct Message {
    version: String,
    #[serde(default, rename = "truncatedAlerts")]
    truncated: u64,
    alerts: Vec<RawAlert>,
}

#[derive(Deserialize)]
struct RawAlert {
    status: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(rename = "startsAt", deserialize_with = "time")]
    starts_at: Timestamp,
    #[serde(rename = "endsAt", default, deserialize_with = "some_time")]
    ends_at: Option<Timestamp>,
    fingerprint: String,
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(D::Error::custom)
}

fn some_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    time(from).map(Some)
}

/// Alerts that fire, as an Alertmanager told them.
#[derive(Clone, Debug)]
pub struct Board {
    environment: String,
    /// Name of a node, by the label `instance`.
    instances: BTreeMap<String, String>,
    stale: Duration,
    /// By fingerprint.
    kept: BTreeMap<String, Kept>,
    passed: Passed,
}

#[derive(Clone, Debug)]
struct Kept {
    alert: Alert,
    /// When it was told last, by a clock that never goes back.
    told: Duration,
    /// When it ended; kept so that a late message does not revive it.
    ended: Option<Timestamp>,
}

/// Alerts that were passed over, since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Not made from a watch policy, or not as it makes them.
    pub foreign: u64,
    /// Of another environment, or of none.
    pub elsewhere: u64,
    /// More than can be kept, or than the Alertmanager sent.
    pub too_many: u64,
}

impl Board {
    /// For the alerts of an environment; one that is not told again within `stale` has ended.
    pub fn new(environment: &str, instances: BTreeMap<String, String>, stale: Duration) -> Self {
        Board {
            environment: environment.into(),
            instances,
            stale,
            kept: BTreeMap::new(),
            passed: Passed::default(),
        }
    }

    /// Takes a message that came at `now`, by a clock that never goes back.
    ///
    /// # Errors
    /// In words: it is none of an Alertmanager's. Nothing of it counts then.
    pub fn take(&mut self, body: &[u8], now: Duration) -> Result<(), String> {
        if body.len() as u64 > MAX_WEBHOOK_LEN {
            return Err(format!("want at most {MAX_WEBHOOK_LEN} bytes"));
        }
        let message: Message = serde_json::from_slice(body).map_err(|e| {
            let why = cut(&e.to_string(), MAX_SHOWN_VALUE);
            format!("it is no message of an Alertmanager's: {why}")
        })?;
        if message.version != VERSION {
            let found = cut(&message.version, MAX_SHOWN_VALUE);
            return Err(format!("found version {found:?}, want {VERSION:?}"));
        }
        if message.alerts.len() > MAX_WEBHOOK_ALERTS {
            return Err(format!(
                "found {} alerts, want at most {MAX_WEBHOOK_ALERTS}",
                message.alerts.len()
            ));
        }
        self.forget(now);
        self.passed.too_many = self.passed.too_many.saturating_add(message.truncated);
        for raw in message.alerts {
            self.alert(raw, now);
        }
        Ok(())
    }

    fn alert(&mut self, raw: RawAlert, now: Duration) {
        let label = |name: &str| raw.labels.get(name).map(String::as_str);
        let (Some(row), Some(action)) = (label(ROW).and_then(plain), label(ACTION)) else {
            return self.passed.foreign += 1;
        };
        if label(ENVIRONMENT) != Some(&self.environment) {
            return self.passed.elsewhere += 1;
        }
        let fires = match raw.status.as_str() {
            "firing" => true,
            "resolved" => false,
            _ => return self.passed.foreign += 1,
        };
        let (Some(action), 1..=MAX_FINGERPRINT_LEN) =
            (Action::parse(action), raw.fingerprint.len())
        else {
            return self.passed.foreign += 1;
        };
        let is_full = self.kept.len() >= MAX_WEBHOOK_ALERTS;
        let known = self.kept.get_mut(&raw.fingerprint);
        match (known, fires) {
            (Some(kept), false) => {
                kept.told = now;
                kept.ended = Some(raw.ends_at.unwrap_or(raw.starts_at));
            }
            (None, false) => {}
            (Some(kept), true) if kept.ended.is_some_and(|ended| raw.starts_at <= ended) => {}
            (Some(kept), true) => {
                (kept.told, kept.ended) = (now, None);
                kept.alert.action = action;
            }
            (None, true) if is_full => self.passed.too_many += 1,
            (None, true) => {
                let of_instance = || {
                    let instance = label(INSTANCE)?;
                    let node = self.instances.get(instance).map(String::as_str);
                    Some(node.unwrap_or(instance))
                };
                let node = label(NODE).or_else(of_instance);
                let alert = Alert {
                    row: row.into(),
                    action,
                    node: node.map(|node| cut(node, MAX_WATCH_NAME_LEN)),
                };
                let kept = Kept {
                    alert,
                    told: now,
                    ended: None,
                };
                self.kept.insert(raw.fingerprint, kept);
            }
        }
    }

    fn forget(&mut self, now: Duration) {
        let stale = self.stale;
        self.kept
            .retain(|_, kept| now.saturating_sub(kept.told) <= stale);
    }

    /// Alerts that fire now.
    pub fn firing(&mut self, now: Duration) -> Vec<Alert> {
        self.forget(now);
        let firing = self.kept.values().filter(|kept| kept.ended.is_none());
        firing.map(|kept| kept.alert.clone()).collect()
    }

    /// How many alerts were passed over.
    pub fn passed(&self) -> Passed {
        self.passed
    }
}

impl Passed {
    /// For people.
    pub fn lines(self) -> Vec<String> {
        let lines = [
            (self.foreign, "not made from a watch policy"),
            (self.elsewhere, "of another environment"),
            (self.too_many, "more than can be kept"),
        ];
        lines
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} alert(s) were passed over: {what}"))
            .collect()
    }
}

fn plain(row: &str) -> Option<&str> {
    let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    (row.len() <= MAX_WATCH_NAME_LEN && row.bytes().all(fits)).then_some(row)
}

#[cfg(test)]
mod tests;
