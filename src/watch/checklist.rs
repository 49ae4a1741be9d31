//! Checklists: the guide's lists of what people see to, each item ticked by somebody, with evidence. Nobody's word is taken
//! for a tick that is not there: what is not ticked is unknown. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::report::{Heading, Report};
use crate::attest::approval::Evidence;
use crate::error::Context;
use crate::limits::{MAX_CHECKLIST_EVIDENCE, MAX_CHECKLIST_LEN};
use crate::node::record::rfc3339;
use crate::node::stage::items::Verdict;
use crate::node::stage::report::ItemReport;
use crate::release::text::check_person;
use crate::{Error, Result};

/// What the file says it is.
const SCHEMA: &str = "relman-checklist/1";

/// One of the guide's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// "Handoff to Operations": before going live.
    Handoff,
    /// "Pre-Mainnet Checklist".
    PreMainnet,
}

/// One item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its word on the command line.
    pub key: &'static str,
    /// As the guide has it.
    pub title: &'static str,
}

const fn item(key: &'static str, title: &'static str) -> Item {
    Item { key, title }
}

const HANDOFF: [Item; 7] = [
    item("deployment", "deployment procedures documented"),
    item("rollback", "rollback procedures tested"),
    item("runbooks", "on-call runbooks ready"),
    item("dashboards", "monitoring dashboards configured"),
    item("alerts", "alert rules tested"),
    item("communication", "communication procedures defined"),
    item("escalation", "escalation contacts documented"),
];

const PRE_MAINNET: [Item; 10] = [
    item("phases", "all phases complete on testnet"),
    item("stability", "48+ hour stability run successful"),
    item("audit", "external security audit complete"),
    item("findings", "all audit findings fixed and re-audited"),
    item("penetration", "penetration testing complete"),
    item("issues", "no critical issues remaining"),
    item("masternodes", "all masternodes upgraded to same version"),
    item("recovery", "backup disaster recovery tested"),
    item("monitoring", "monitoring fully configured"),
    item("on-call", "on-call support assigned"),
];

impl List {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            List::Handoff => "handoff",
            List::PreMainnet => "pre-mainnet",
        }
    }

    /// Its items, in the guide's order.
    pub fn items(self) -> &'static [Item] {
        match self {
            List::Handoff => &HANDOFF,
            List::PreMainnet => &PRE_MAINNET,
        }
    }
}

/// Somebody has seen to an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tick {
    /// Who.
    pub by: String,
    /// When, RFC 3339.
    pub at: String,
    /// What shows it.
    pub evidence: Vec<Evidence>,
}

/// A list for one release, as far as it is ticked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checklist {
    schema: String,
    list: String,
    tag: String,
    began: String,
    ticks: BTreeMap<String, Tick>,
}

impl Checklist {
    /// One on which nothing is ticked.
    pub fn new(list: List, tag: &str, now: Timestamp) -> Self {
        Checklist {
            schema: SCHEMA.into(),
            list: list.name().into(),
            tag: tag.into(),
            began: rfc3339(now),
            ticks: BTreeMap::new(),
        }
    }

    /// Reads what was kept.
    ///
    /// # Errors
    /// Kind failed: it is none of this version's, of another list or release, or ticks what is no item.
    pub fn parse(list: List, tag: &str, bytes: &[u8]) -> Result<Self> {
        if bytes.len() as u64 > MAX_CHECKLIST_LEN {
            return Err(Error::failed(format!(
                "the checklist has {} bytes, at most {MAX_CHECKLIST_LEN} are read",
                bytes.len()
            )));
        }
        let read: Checklist =
            serde_json::from_slice(bytes).or_failed(|| "the checklist is malformed".into())?;
        let found = (read.schema.as_str(), read.list.as_str(), read.tag.as_str());
        let wanted = (SCHEMA, list.name(), tag);
        if found != wanted {
            return Err(Error::failed(format!(
                "the checklist is {} {} of {:?}, wanted {} {} of {:?}",
                found.0, found.1, found.2, wanted.0, wanted.1, wanted.2
            )));
        }
        for tick in read.ticks.values() {
            check_person(&tick.by).map_err(|e| e.with_kind(crate::Kind::Failed))?;
        }
        let mut keys = read.ticks.keys();
        match keys.find(|key| list.items().iter().all(|item| item.key != *key)) {
            None => Ok(read),
            Some(key) => Err(no_item(list, key).with_kind(crate::Kind::Failed)),
        }
    }

    /// Ticks an item. One that was ticked before is ticked anew.
    ///
    /// # Errors
    /// Kind usage: no such item; no name; too much evidence.
    pub fn tick(&mut self, list: List, item: &str, tick: Tick) -> Result<()> {
        if list.items().iter().all(|known| known.key != item) {
            return Err(no_item(list, item));
        }
        check_person(&tick.by)?;
        if tick.evidence.len() > MAX_CHECKLIST_EVIDENCE {
            return Err(Error::usage(format!(
                "{} pieces of evidence for one item, at most {MAX_CHECKLIST_EVIDENCE} are kept",
                tick.evidence.len()
            )));
        }
        self.ticks.insert(item.into(), tick);
        Ok(())
    }

    /// The bytes to keep.
    ///
    /// # Errors
    /// Kind usage: they are more than may be read again.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::bug("a checklist has no JSON").caused_by(e))?;
        bytes.push(b'\n');
        match bytes.len() as u64 > MAX_CHECKLIST_LEN {
            true => Err(Error::usage(format!(
                "the checklist would have {} bytes, at most {MAX_CHECKLIST_LEN} are kept",
                bytes.len()
            ))
            .hint("name less evidence: put it into one file")),
            false => Ok(bytes),
        }
    }

    /// Every item as it stands.
    pub fn report(&self, list: List) -> Report {
        let items = list.items().iter().map(|item| {
            let (verdict, values) = match self.ticks.get(item.key) {
                None => (Verdict::Unknown, format!("nobody has ticked {}", item.key)),
                Some(tick) => {
                    let evidence: Vec<String> = tick.evidence.iter().map(Evidence::words).collect();
                    let evidence = match evidence.is_empty() {
                        true => "no evidence".to_owned(),
                        false => evidence.join(", "),
                    };
                    let words = format!("by {} at {}: {evidence}", tick.by, tick.at);
                    (Verdict::Passed, words)
                }
            };
            ItemReport {
                item: item.key,
                title: item.title,
                verdict,
                values,
            }
        });
        let last = self.ticks.values().map(|tick| tick.at.clone()).max();
        let heading = Heading {
            list: format!("checklist-{}", list.name()),
            title: format!("checklist {}", list.name()),
            tag: self.tag.clone(),
            environment: None,
            nodes: Vec::new(),
            began: self.began.clone(),
            ended: last.unwrap_or_else(|| self.began.clone()),
        };
        Report::new(heading, items.collect(), None)
    }
}

fn no_item(list: List, key: &str) -> Error {
    let keys: Vec<&str> = list.items().iter().map(|item| item.key).collect();
    Error::usage(format!(
        "{key:?} is no item of {}, wanted one of {}",
        list.name(),
        keys.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "phase1-sig-verify-1.0.0";

    fn now() -> Timestamp {
        "2026-02-01T00:00:00Z".parse().unwrap()
    }

    fn tick(by: &str, at: &str) -> Tick {
        Tick {
            by: by.into(),
            at: at.into(),
            evidence: vec![Evidence::link("https://wiki.example/runbooks").unwrap()],
        }
    }

    #[test]
    fn what_nobody_has_ticked_is_unknown_and_never_a_pass() {
        for list in [List::Handoff, List::PreMainnet] {
            let mut checklist = Checklist::new(list, TAG, now());
            assert!(!checklist.report(list).passed);
            for (n, item) in list.items().iter().enumerate() {
                assert!(!checklist.report(list).passed, "after {n}");
                let tick = tick("dora", "2026-02-02T00:00:00Z");
                checklist.tick(list, item.key, tick).unwrap();
            }
            let report = checklist.report(list);
            assert!(report.passed, "{:?}", report.lines());
            assert_eq!(report.ended, "2026-02-02T00:00:00Z");
            let result = report.result(&"a".repeat(40), now()).unwrap();
            assert!(result.has_passed());
            assert_eq!(result.gate, format!("checklist-{}", list.name()));
            assert!(crate::release::gate::statement(&result).is_ok());
        }
    }

    #[test]
    fn what_is_kept_is_read_again_and_of_another_release_refused() {
        let mut checklist = Checklist::new(List::Handoff, TAG, now());
        let by = tick("dora", "2026-02-02T00:00:00Z");
        checklist.tick(List::Handoff, "alerts", by).unwrap();
        let bytes = checklist.bytes().unwrap();
        assert_eq!(
            Checklist::parse(List::Handoff, TAG, &bytes).unwrap(),
            checklist
        );
        for (list, tag) in [(List::PreMainnet, TAG), (List::Handoff, "phase1-x-1.0.0")] {
            assert!(Checklist::parse(list, tag, &bytes).is_err());
        }
        for bad in [&b"{}"[..], b"", b"[1]"] {
            assert!(Checklist::parse(List::Handoff, TAG, bad).is_err());
        }
        let other = String::from_utf8(bytes)
            .unwrap()
            .replace("\"alerts\"", "\"all\"");
        let error = Checklist::parse(List::Handoff, TAG, other.as_bytes()).unwrap_err();
        assert!(error.message().contains("\"all\""), "{error}");
    }

    #[test]
    fn an_item_that_is_none_a_name_that_hides_and_too_much_evidence_are_refused() {
        let mut checklist = Checklist::new(List::Handoff, TAG, now());
        let good = tick("dora", "2026-02-02T00:00:00Z");
        assert!(
            checklist
                .tick(List::Handoff, "on-call", good.clone())
                .is_err()
        );
        let hidden = tick("do\u{202e}ra", "2026-02-02T00:00:00Z");
        assert!(checklist.tick(List::Handoff, "alerts", hidden).is_err());
        let mut much = good;
        much.evidence = vec![much.evidence[0].clone(); MAX_CHECKLIST_EVIDENCE + 1];
        assert!(checklist.tick(List::Handoff, "alerts", much).is_err());
        assert!(!checklist.report(List::Handoff).passed);
    }
}
