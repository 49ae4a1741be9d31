//! `history.jsonl`: what became current when and why, and what follows from it. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::journal::Operation;

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The version is current and healthy.
    Committed,
    /// The version failed and the previous one was put back.
    Reverted,
    /// The version is current and not healthy; there was nothing better to go to.
    Unhealthy,
}

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, RFC 3339, UTC.
    pub at: String,
    /// Install or rollback.
    pub operation: Operation,
    /// How it ended.
    pub outcome: Outcome,
    /// The version that was to become current.
    pub tag: String,
    /// The version that was current before.
    pub previous: Option<String>,
    /// When the operation began; with `tag`, what tells two operations apart.
    pub started: String,
    /// Why it ended so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Milliseconds between the order to stop and the end of the start, where the daemon ran before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime_ms: Option<u64>,
}

/// The lines that could be read, and how many could not.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// Whole lines that were no entries.
    pub malformed: usize,
}

impl History {
    /// Reads stored lines. A last line without its end is a torn write and counts for nothing.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut history = History::default();
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            let Some(line) = line.strip_suffix(b"\n") else {
                break;
            };
            if line.is_empty() {
                continue;
            }
            match serde_json::from_slice(line) {
                Ok(entry) => history.entries.push(entry),
                Err(_) => history.malformed += 1,
            }
        }
        history
    }

    /// The newest entry that made `tag` current.
    pub fn activation(&self, tag: &str) -> Option<&Entry> {
        self.entries
            .iter()
            .rev()
            .find(|e| match (e.operation, e.outcome) {
                (_, Outcome::Reverted) => e.previous.as_deref() == Some(tag),
                _ => e.tag == tag,
            })
    }

    /// Milliseconds without the daemon in the newest operation that knows.
    pub fn last_downtime_ms(&self) -> Option<u64> {
        self.entries.iter().rev().find_map(|e| e.downtime_ms)
    }

    /// Why `tag` was left, if the last that happened to it is that it was rolled back from.
    pub fn rolled_back_from(&self, tag: &str) -> Option<&Entry> {
        let last = self.entries.iter().rev().find(|e| {
            e.tag == tag
                || (e.operation == Operation::Rollback && e.previous.as_deref() == Some(tag))
        })?;
        (last.outcome == Outcome::Reverted || last.tag != tag).then_some(last)
    }

    /// The version that a rollback goes to by default: the one that was current before
    /// `current`, is among `retained`, and was not itself rolled back from.
    pub fn rollback_target(&self, current: &str, retained: &[String]) -> Option<String> {
        let (stack, left) = self.lineage();
        let top = stack.iter().rposition(|t| *t == current)?;
        stack
            .iter()
            .take(top)
            .rev()
            .find(|t| **t != current && !left.contains(**t) && retained.iter().any(|r| r == **t))
            .map(|t| t.to_string())
    }

    /// The versions in the order in which they followed each other, without the abandoned
    /// branches; and those that were rolled back from.
    fn lineage(&self) -> (Vec<&str>, BTreeSet<&str>) {
        let mut stack: Vec<&str> = Vec::new();
        let mut left: BTreeSet<&str> = BTreeSet::new();
        for entry in &self.entries {
            let (tag, previous) = (entry.tag.as_str(), entry.previous.as_deref());
            match (entry.operation, entry.outcome) {
                (Operation::Install, Outcome::Reverted) => {
                    left.insert(tag);
                    stack.extend(previous.filter(|p| stack.last() != Some(p)));
                }
                (Operation::Install, _) => {
                    stack.extend(previous.filter(|p| stack.last() != Some(p)));
                    stack.push(tag);
                    left.remove(tag);
                }
                (Operation::Rollback, Outcome::Reverted) => {}
                (Operation::Rollback, _) => {
                    left.extend(previous);
                    left.remove(tag);
                    match stack.iter().rposition(|t| *t == tag) {
                        Some(at) => stack.truncate(at + 1),
                        None => stack.push(tag),
                    }
                }
            }
        }
        (stack, left)
    }

    /// Which of `versions` go when `keep` may stay: never those in `needed`; first those that
    /// were never committed, then the oldest.
    pub fn superfluous(&self, versions: &[String], needed: &[&str], keep: usize) -> Vec<String> {
        let rank = |version: &String| {
            self.entries.iter().rposition(|e| {
                (e.tag == *version && e.outcome == Outcome::Committed)
                    || e.previous.as_ref() == Some(version)
            })
        };
        let mut candidates: Vec<&String> = versions
            .iter()
            .filter(|v| !needed.contains(&v.as_str()))
            .collect();
        candidates.sort_by_key(|v| (rank(v), (*v).clone()));
        let excess = versions.len().saturating_sub(keep);
        candidates.into_iter().take(excess).cloned().collect()
    }
}

impl Entry {
    /// As stored, with the end of the line.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}
