//! A record as bytes: strict, bounded, versioned. Pure.

use std::collections::BTreeSet;

use super::{FORMAT, Record, Work};
use crate::error::Context;
use crate::limits::{MAX_FLEET_NODES, MAX_ROLLOUT_EVENTS, MAX_ROLLOUT_LEN, MAX_ROLLOUT_WISHES};
use crate::node::config::is_plain_name;
use crate::{Error, Result};

/// The share of the events that is kept from the beginning when some are left out.
const OLDEST: usize = 4;

impl Record {
    /// The record's bytes: JSON, a newline at the end. Events are left out where there are too many, nodes never are.
    ///
    /// # Errors
    /// Failed: it is longer than a record may be without any event.
    pub fn to_bytes(&mut self) -> Result<Vec<u8>> {
        self.thin(MAX_ROLLOUT_EVENTS);
        loop {
            let mut bytes =
                serde_json::to_vec_pretty(self).or_failed(|| "cannot write a record".into())?;
            bytes.push(b'\n');
            if bytes.len() as u64 <= MAX_ROLLOUT_LEN {
                return Ok(bytes);
            }
            let events = self.events.len();
            if events == 0 {
                return Err(Error::failed(format!(
                    "the record of rollout {} has {} bytes, at most {MAX_ROLLOUT_LEN} are kept",
                    self.id,
                    bytes.len()
                )));
            }
            self.thin(events / 2);
        }
    }

    fn thin(&mut self, most: usize) {
        let Some(over) = self.events.len().checked_sub(most).filter(|o| *o > 0) else {
            return;
        };
        let from = most / OLDEST;
        self.events.drain(from..from + over);
        self.events_left_out += over as u64;
    }

    /// Reads a record.
    ///
    /// # Errors
    /// Failed: it is none, or not one that this relman can carry on with.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let wrong = || "this is no record of a rollout".to_owned();
        if bytes.len() as u64 > MAX_ROLLOUT_LEN {
            return Err(Error::failed(wrong()).caused_by(format!(
                "it has {} bytes, at most {MAX_ROLLOUT_LEN} are read",
                bytes.len()
            )));
        }
        let record: Record = match serde_json::from_slice(bytes) {
            Ok(record) => record,
            Err(e) => return Err(Error::failed(wrong()).caused_by(e)),
        };
        let problems = record.problems();
        match problems.is_empty() {
            true => Ok(record),
            false => Err(problems
                .into_iter()
                .fold(Error::failed(wrong()), Error::caused_by)),
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.format != FORMAT {
            problems.push(format!("it is format {}, wanted {FORMAT}", self.format));
        }
        if self.id.environment() != self.environment().name {
            problems.push(format!(
                "it is of environment {}, its name {} is not",
                self.environment().name,
                self.id
            ));
        }
        let names: BTreeSet<&str> = self.nodes.iter().map(|n| n.name.as_str()).collect();
        if names.len() != self.nodes.len() || !(1..=MAX_FLEET_NODES).contains(&names.len()) {
            problems.push(format!(
                "it has {} nodes with {} names, wanted 1 to {MAX_FLEET_NODES} with one each",
                self.nodes.len(),
                names.len()
            ));
        }
        for name in names.iter().filter(|n| !is_plain_name(n, 64)) {
            problems.push(format!("{name:?} is no node's name"));
        }
        if self.wishes.len() > MAX_ROLLOUT_WISHES || self.events.len() > MAX_ROLLOUT_EVENTS {
            problems.push("it has more wishes or events than are kept".into());
        }
        if let Work::Upgrade { plan } = &self.work {
            let mut seen = BTreeSet::new();
            for name in plan.waves.iter().flat_map(|w| &w.nodes) {
                if !names.contains(name.as_str()) || !seen.insert(name) {
                    problems.push(format!(
                        "node {name} of the plan is none of the record's, or is there twice"
                    ));
                }
            }
            if self.waves_done > plan.waves.len() {
                problems.push(format!(
                    "{} waves are over, the plan has {}",
                    self.waves_done,
                    plan.waves.len()
                ));
            }
        }
        problems
    }
}
