//! What a watch remembers of a node's log: how far it was read, and how many lines were bad until now. Pure.
//!
//! A node tells the lines of one look; the watch adds them up. What was told and did not arrive is read again.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::SignalsLook;
use crate::watch::policy::{Policy, Source};
use crate::watch::sample::NodeSample;

/// After so many looks in a row that could not read the log, the cursor is taken for what is wrong.
const PATIENCE: u32 = 3;

/// Of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct LogMemory {
    /// From when on lines count.
    since: Timestamp,
    /// How far the log is read.
    cursor: Option<String>,
    /// Looks in a row that could not read it.
    failures: u32,
    /// Bad lines until now, by signal.
    totals: BTreeMap<String, u64>,
}

impl LogMemory {
    /// Of a log that is not read yet.
    pub fn new(since: Timestamp) -> Self {
        LogMemory {
            since,
            cursor: None,
            failures: 0,
            totals: BTreeMap::new(),
        }
    }

    /// Where the next look begins: a time, and a cursor if there is one.
    pub fn next(&self) -> (Timestamp, Option<String>) {
        (self.since, self.cursor.clone())
    }

    /// Adds an answer that was asked for at that time, and tells the totals in `sample`.
    pub fn add(
        &mut self,
        look: &SignalsLook,
        asked_at: Timestamp,
        policy: &Policy,
        sample: &mut NodeSample,
    ) {
        let signals = || {
            policy
                .signals
                .iter()
                .filter(|s| s.source == Source::Journal)
        };
        let told = |name: &str| look.values.get(name).copied().flatten();
        for signal in signals() {
            let name = &signal.name;
            let Some(lines) = told(name) else { continue };
            let total = self.totals.entry(name.clone()).or_default();
            *total = total.saturating_add(lines);
            if sample.values.contains_key(name) {
                sample.set(name, Ok(*total as f64));
            }
        }
        let lines = look
            .values
            .iter()
            .filter(|(name, _)| name.starts_with("log-"));
        let lines: Vec<u64> = lines.filter_map(|(_, lines)| *lines).collect();
        if lines.is_empty() {
            return self.failed();
        }
        self.failures = 0;
        // Without a cursor, lines that were counted must not be counted again.
        if look.log.cursor.is_some() || lines.iter().any(|lines| *lines > 0) {
            self.since = asked_at;
            self.cursor = look.log.cursor.clone();
        }
    }

    /// The node could not read its log. If that goes on, the next look begins at the time of the last one that was good;
    /// not at once, since lines of that second would count twice.
    pub fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= PATIENCE {
            self.cursor = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::watch::policy::template;

    fn answer(lines: Option<u64>, cursor: Option<&str>) -> SignalsLook {
        serde_json::from_value(json!({
            "values": {"log-corruption": lines, "up": 1},
            "log": {"cursor": cursor},
        }))
        .unwrap()
    }

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// The total that is told after an answer.
    fn add(memory: &mut LogMemory, look: &SignalsLook, second: i64) -> Option<f64> {
        let policy = Policy::parse(template()).unwrap();
        let mut sample = look.sample(&policy, None);
        memory.add(look, time(second), &policy, &mut sample);
        sample.values.get("log-corruption").copied()
    }

    #[test]
    fn lines_add_up_and_each_look_goes_on_where_the_last_ended() {
        let mut memory = LogMemory::new(time(0));
        assert_eq!(memory.next(), (time(0), None));
        assert_eq!(add(&mut memory, &answer(Some(2), Some("a")), 1), Some(2.0));
        assert_eq!(memory.next(), (time(1), Some("a".into())));
        assert_eq!(add(&mut memory, &answer(Some(0), Some("a")), 2), Some(2.0));
        assert_eq!(add(&mut memory, &answer(Some(3), Some("b")), 3), Some(5.0));
    }

    #[test]
    fn an_answer_that_was_lost_is_asked_for_again() {
        let mut memory = LogMemory::new(time(0));
        add(&mut memory, &answer(Some(1), Some("a")), 1);
        // Nobody got the next one.
        assert_eq!(memory.next(), (time(1), Some("a".into())));
    }

    #[test]
    fn a_log_that_cannot_be_read_behind_a_cursor_is_read_from_the_last_good_look_on() {
        let mut memory = LogMemory::new(time(0));
        add(&mut memory, &answer(Some(1), Some("a")), 1);
        for second in 2..4 {
            assert_eq!(add(&mut memory, &answer(None, None), second), None);
            assert_eq!(
                memory.next(),
                (time(1), Some("a".into())),
                "once is no rule"
            );
        }
        memory.failed();
        assert_eq!(memory.next(), (time(1), None));
        assert_eq!(add(&mut memory, &answer(Some(1), Some("c")), 5), Some(2.0));
    }

    #[test]
    fn attack_a_node_that_tells_lines_and_no_cursor_is_not_counted_again_and_again() {
        let mut memory = LogMemory::new(time(0));
        add(&mut memory, &answer(Some(1), None), 1);
        assert_eq!(memory.next(), (time(1), None));
        add(&mut memory, &answer(Some(u64::MAX), None), 2);
        assert_eq!(
            add(&mut memory, &answer(Some(u64::MAX), None), 3),
            Some(u64::MAX as f64)
        );
        // An empty log has no place to go on from, and none is needed.
        let mut memory = LogMemory::new(time(0));
        add(&mut memory, &answer(Some(0), None), 1);
        assert_eq!(memory.next(), (time(0), None));
    }
}
