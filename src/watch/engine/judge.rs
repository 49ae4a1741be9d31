//! Whether a row's condition holds at one look, where, and what is not known. Pure.

use super::{Engine, node_value};
use crate::watch::decision::Evidence;
use crate::watch::network::Network;
use crate::watch::policy::{Action, Condition, Policy, Row, Signal, Source, Take};
use crate::watch::sample::Look;
use crate::watch::series::Number;

/// A condition at one look.
#[derive(Clone, Debug, Default)]
pub(super) struct Judged {
    /// Whether it holds; none: nobody knows.
    pub holds: Option<bool>,
    /// What was found where it does.
    pub evidence: Vec<Evidence>,
    /// What is not known.
    pub unknown: Vec<Evidence>,
    /// How many nodes are concerned.
    pub concerned: usize,
    /// What an alert of this row calls for.
    pub alerted: Option<Action>,
    /// How near its number is to what it is held against, 0 to 1.
    pub nearness: f64,
}

impl Engine {
    pub(super) fn judge(
        &self,
        row: &Row,
        look: &Look,
        expected: &[String],
        network: &Network,
        at: i64,
    ) -> Judged {
        let condition = &row.condition;
        let Some(signal) = self.policy.signal(&condition.signal) else {
            return Judged::default();
        };
        let mut judged = match (signal.source, signal.network) {
            (Source::Person, _) => declared(signal, condition, look),
            (_, true) => self.of_network(signal, condition, network, at),
            (_, false) => self.of_nodes((signal, condition), look, expected, network, at),
        };
        alerts(row, look, &mut judged);
        judged
    }

    fn of_network(
        &self,
        signal: &Signal,
        condition: &Condition,
        network: &Network,
        at: i64,
    ) -> Judged {
        let interval = self.policy.block_interval_seconds as f64;
        let number = match (signal.name.as_str(), condition.take) {
            ("blocks-overdue", Take::Value) => match self.growth.age(at, network.tip_unix) {
                Number::Exactly(age) => Number::Exactly((age - interval).max(0.0)),
                Number::AtLeast(age) => Number::AtLeast((age - interval).max(0.0)),
                unknown => unknown,
            },
            ("partition", Take::Value) => network.partition(),
            ("foreign-nodes", Take::Value) => Number::Exactly(network.foreign.len() as f64),
            _ => {
                let key = (None, signal.name.clone());
                match self.series.get(&key) {
                    Some(series) => self.fresh(series, condition, at),
                    None => Number::Unknown("it was never seen".into()),
                }
            }
        };
        let known = match signal.name.as_str() {
            "blocks-overdue" | "block-height" if network.is_minority() => {
                let (told, silent) = (network.told, network.silent.len());
                // A block that came is a block, whoever tells it; that none came, few cannot tell.
                let bad = holds(condition, &number) != Some(false);
                bad.then(|| {
                    Number::Unknown(format!("{told} node(s) tell their height, {silent} do not"))
                })
            }
            _ => None,
        };
        let number = known.unwrap_or(number);
        let mut judged = Judged {
            holds: holds(condition, &number),
            nearness: near(condition, &number),
            ..Judged::default()
        };
        let evidence = |found| Evidence { node: None, found };
        match (&number, judged.holds) {
            (Number::Unknown(why), _) => judged.unknown.push(evidence(why.clone())),
            (_, None) => judged.unknown.push(evidence(found(signal, &number))),
            (_, Some(true)) => {
                judged.evidence.push(evidence(found(signal, &number)));
                let more = match signal.name.as_str() {
                    "partition" => network.parted.clone(),
                    "foreign-nodes" => network
                        .foreign
                        .iter()
                        .map(|(node, other)| format!("{node} answers for {other}"))
                        .collect(),
                    _ => Vec::new(),
                };
                judged.evidence.extend(more.into_iter().map(evidence));
            }
            (_, Some(false)) => {}
        }
        judged
    }

    fn of_nodes(
        &self,
        (signal, condition): (&Signal, &Condition),
        look: &Look,
        expected: &[String],
        network: &Network,
        at: i64,
    ) -> Judged {
        let mut judged = Judged::default();
        for node in expected {
            let key = (Some(node.clone()), signal.name.clone());
            let now = node_value(look, node, &signal.name, expected.len(), network);
            let number = match (self.series.get(&key), now) {
                // What a node does not tell at one look, it may have told a moment ago.
                (Some(series), _) if condition.take != Take::Value => {
                    self.fresh(series, condition, at)
                }
                (_, Ok(value)) if condition.take == Take::Value => Number::Exactly(value),
                (_, Err(why)) => Number::Unknown(why),
                (None, Ok(_)) => Number::Unknown("it was never seen".into()),
                (Some(series), Ok(_)) => self.fresh(series, condition, at),
            };
            judged.nearness = judged.nearness.max(near(condition, &number));
            let evidence = |found| Evidence {
                node: Some(node.clone()),
                found,
            };
            match (holds(condition, &number), &number) {
                (Some(true), _) => {
                    judged.concerned += 1;
                    judged.evidence.push(evidence(found(signal, &number)));
                }
                (Some(false), _) => {}
                (None, Number::Unknown(why)) => judged.unknown.push(evidence(why.clone())),
                (None, _) => judged.unknown.push(evidence(found(signal, &number))),
            }
        }
        let (all, unknown) = (expected.len(), judged.unknown.len());
        judged.holds = match (
            condition.nodes.enough(judged.concerned, all),
            condition.nodes.enough(judged.concerned + unknown, all),
        ) {
            (true, _) => Some(true),
            (false, true) => None,
            (false, false) => Some(false),
        };
        judged
    }

    /// What `take` makes of a past that is not too old.
    fn fresh(&self, series: &super::Series, condition: &Condition, at: i64) -> Number {
        let age = series.newest().map(|newest| (at - newest) / 1_000);
        let stale = i64::try_from(self.policy.stale_seconds).unwrap_or(i64::MAX);
        match age {
            Some(age) if age <= stale => series.take(condition.take, condition.window_seconds, at),
            Some(age) => Number::Unknown(format!("it was told {age} s ago for the last time")),
            None => Number::Unknown("it was never seen".into()),
        }
    }
}

fn declared(signal: &Signal, condition: &Condition, look: &Look) -> Judged {
    let why = look.declared.get(&signal.name);
    let holds = condition.test.holds(f64::from(u8::from(why.is_some())));
    let found = why.map(|why| format!("declared: {why}"));
    Judged {
        holds: Some(holds),
        evidence: found
            .filter(|_| holds)
            .map(|found| Evidence { node: None, found })
            .into_iter()
            .collect(),
        ..Judged::default()
    }
}

/// Adds what alerts say of the row; where relman itself sees that it is not so, both are told.
fn alerts(row: &Row, look: &Look, judged: &mut Judged) {
    let most = row.steps.last().map(|s| s.action);
    for alert in look.alerts.iter().filter(|a| a.row == row.name) {
        let evidence = |found: String| Evidence {
            node: alert.node.clone(),
            found,
        };
        if judged.holds == Some(false) {
            let found = "an alert fires, and relman's own look does not bear it out".to_owned();
            judged.unknown.push(evidence(found));
            continue;
        }
        judged.alerted = judged.alerted.max(Some(alert.action).min(most));
        let found = format!("an alert fires: {}", alert.action.word());
        judged.evidence.push(evidence(found));
        if judged.concerned == 0 || alert.node.is_some() {
            judged.concerned += 1;
        }
    }
}

fn holds(condition: &Condition, number: &Number) -> Option<bool> {
    match number {
        Number::Exactly(number) => Some(condition.test.holds(*number)),
        Number::AtLeast(number) if condition.test.holds_from(*number) => Some(true),
        Number::AtLeast(_) | Number::Unknown(_) => None,
    }
}

fn near(condition: &Condition, number: &Number) -> f64 {
    let (Number::Exactly(number) | Number::AtLeast(number)) = number else {
        return 0.0;
    };
    let wanted = condition.test.number;
    let upwards = condition.test.holds(f64::MAX);
    match upwards && wanted > 0.0 {
        true => number / wanted,
        false => 0.0,
    }
}

/// A number for people.
fn found(signal: &Signal, number: &Number) -> String {
    let shown = |number: f64| {
        let rounded = (number * 1_000.0).round() / 1_000.0;
        match signal.unit.as_str() {
            "" => format!("{} {rounded}", signal.name),
            unit => format!("{} {rounded} {unit}", signal.name),
        }
    };
    match number {
        Number::Exactly(number) => shown(*number),
        Number::AtLeast(number) => format!("{} or more", shown(*number)),
        Number::Unknown(why) => why.clone(),
    }
}

/// A row's condition for people.
pub fn words(policy: &Policy, row: &Row) -> String {
    let condition = &row.condition;
    let unit = match condition.take {
        Take::Growth => Some("%"),
        _ => policy.signal(&condition.signal).map(|s| s.unit.as_str()),
    };
    let unit = unit.filter(|u| !u.is_empty()).map(|u| format!(" {u}"));
    let take = match condition.take {
        Take::Value => String::new(),
        take => format!("{} over {} s of ", take.word(), condition.window_seconds),
    };
    format!(
        "{take}{} {}{}, at {}",
        condition.signal,
        condition.test,
        unit.unwrap_or_default(),
        condition.nodes
    )
}
