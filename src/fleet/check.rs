//! Whether a node is what `fleet.toml` says, and can be moved. Pure.

use semver::Version;
use serde::Serialize;
use serde_json::Value;

use super::config::NodeEntry;
use super::host::{Document, Reply};
use super::look::{Daemon, NodeLook};
use crate::limits::MAX_NODE_CLOCK_SKEW_SECONDS;
use crate::node::check::Finding;

/// What a node says of itself before it is asked anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The version of its relman.
    pub version: String,
    /// How far its clock is ahead of ours, in milliseconds; negative: behind.
    pub clock_ahead_ms: i64,
    /// How much of that nobody can tell, in milliseconds.
    pub uncertain_ms: u64,
}

/// What was found out about one node.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// The node, as `fleet.toml` has it.
    pub node: &'a NodeEntry,
    /// Whether it was reached, and what it said then.
    pub contact: Result<Contact, Reply>,
    /// What it answered to [`Request::Status`](super::host::Request::Status), if it was asked.
    pub status: Option<Reply>,
    /// What it answered to [`Request::Check`](super::host::Request::Check), if it was asked.
    pub check: Option<Reply>,
}

/// What there is to say of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its name.
    pub node: String,
    /// Its environment, as `fleet.toml` has it.
    pub environment: String,
    /// Its destination.
    pub ssh: String,
    /// Whether a relman answered there.
    pub reached: bool,
    /// The version of that.
    pub version: Option<String>,
    /// How far its clock is ahead of ours, in milliseconds.
    pub clock_ahead_milliseconds: Option<i64>,
    /// The release that is current.
    pub current: Option<String>,
    /// What runs.
    pub daemon: Option<Daemon>,
    /// What is wrong; each with one command to run.
    pub findings: Vec<Finding>,
}

/// Judges one node; `own` is the version of this relman, `file` the name of the fleet's file, for hints.
pub fn judge(seen: &Seen, own: &str, file: &str) -> Row {
    let node = seen.node;
    let mut row = Row {
        node: node.name.clone(),
        environment: node.environment.clone(),
        ssh: node.ssh.clone(),
        reached: false,
        version: None,
        clock_ahead_milliseconds: None,
        current: None,
        daemon: None,
        findings: Vec::new(),
    };
    let contact = match &seen.contact {
        Ok(contact) => contact,
        Err(reply) => {
            let (subject, why) = match reply {
                Reply::Foreign(why) => ("relman", why),
                Reply::Unreachable(why) | Reply::Lost(why) => ("ssh", why),
                Reply::Answer(_) => ("relman", &String::new()),
            };
            row.find(node, subject, why.clone(), None);
            return row;
        }
    };
    row.reached = true;
    row.version = Some(contact.version.clone());
    row.clock_ahead_milliseconds = Some(contact.clock_ahead_ms);
    check_version(&mut row, node, contact, own);
    check_clock(&mut row, node, contact);
    if let Some(status) = &seen.status {
        match NodeLook::of(status.clone()) {
            Ok(look) => check_look(&mut row, node, &look, file),
            Err(why) => row.find(node, "status", why, by_itself(status, "status")),
        }
    }
    if let Some(check) = &seen.check {
        match node_findings(check) {
            // That it does not reach the store is what `bundle = true` says.
            Ok(found) => row.findings.extend(
                found
                    .into_iter()
                    .filter(|finding| !node.bundle || finding.subject != "store")
                    .map(|mut finding| {
                        finding.hint = Some(match finding.hint {
                            Some(hint) => format!("on {}: {hint}", node.name),
                            None => there(node, "node check"),
                        });
                        finding
                    }),
            ),
            Err(why) => row.find(node, "check", why, by_itself(check, "node check")),
        }
    }
    row
}

impl Row {
    /// Adds a finding; `words` are what to run of the node's relman. None: the problem is told from here, with what to run,
    /// or it is ssh itself.
    fn find(&mut self, node: &NodeEntry, subject: &str, problem: String, words: Option<&str>) {
        let (problem, hint) = match (problem.rsplit_once("; hint: "), words) {
            (_, Some(words)) => (problem, there(node, words)),
            (Some((problem, hint)), None) => (problem.to_owned(), hint.to_owned()),
            (None, None) => (problem, format!("ssh {} true", node.ssh)),
        };
        self.add(subject, problem, hint);
    }

    fn add(&mut self, subject: &str, problem: String, hint: String) {
        self.findings.push(Finding {
            subject: subject.into(),
            problem,
            hint: Some(hint),
        });
    }
}

/// What to run of the node's relman, if it was that which answered.
fn by_itself<'a>(reply: &Reply, words: &'a str) -> Option<&'a str> {
    matches!(reply, Reply::Answer(_)).then_some(words)
}

/// A command of the node's relman, as one types it here.
fn there(node: &NodeEntry, words: &str) -> String {
    let mut all = node.become_command.clone();
    all.push(node.relman.clone());
    format!(
        "ssh {} {} {words} --config {}",
        node.ssh,
        all.join(" "),
        node.config
    )
}

fn check_version(row: &mut Row, node: &NodeEntry, contact: &Contact, own: &str) {
    let replace = format!(
        "relman fleet bootstrap {} --replace --binary FILE --config node.toml --root root.json",
        node.name
    );
    match (contact.version.parse::<Version>(), own.parse::<Version>()) {
        (Ok(there), Ok(here)) if there < here => row.add(
            "relman",
            format!("its relman is {there}, this one is {here}"),
            replace,
        ),
        (Err(_), _) => row.add(
            "relman",
            format!(
                "its relman has no version that can be read: {:?}",
                contact.version
            ),
            replace,
        ),
        _ => {}
    }
}

fn check_clock(row: &mut Row, node: &NodeEntry, contact: &Contact) {
    let off = contact.clock_ahead_ms.unsigned_abs();
    let allowed = MAX_NODE_CLOCK_SKEW_SECONDS * 1_000 + contact.uncertain_ms;
    if off > allowed {
        let way = if contact.clock_ahead_ms > 0 {
            "ahead of"
        } else {
            "behind"
        };
        row.add(
            "clock",
            format!(
                "its clock is {} s {way} this one, wanted at most {MAX_NODE_CLOCK_SKEW_SECONDS} s",
                off / 1_000
            ),
            format!("ssh {} timedatectl set-ntp true", node.ssh),
        );
    }
}

fn check_look(row: &mut Row, node: &NodeEntry, look: &NodeLook, file: &str) {
    row.current = look.current.clone();
    row.daemon = Some(look.daemon);
    for (what, found, wanted) in [
        ("name", &look.name, &node.name),
        ("environment", &look.environment, &node.environment),
    ] {
        if found != wanted {
            row.add(
                what,
                format!("its node.toml has {what} {found:?}, {file} has {wanted:?}"),
                format!("ssh {} cat {}", node.ssh, node.config),
            );
        }
    }
    for problem in &look.problems {
        row.find(node, "status", problem.clone(), Some("status"));
    }
}

/// The findings of `relman node check`; a node on which nothing was found says so with an empty list.
fn node_findings(reply: &Reply) -> Result<Vec<Finding>, String> {
    let document: &Document = match reply {
        Reply::Answer(document) if document.error.is_none() => document,
        other => return Err(other.clone().good().err().unwrap_or_default()),
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let found = document.data["findings"]
        .as_array()
        .ok_or("its check has no findings, not even none")?;
    found
        .iter()
        .map(|finding| {
            Ok(Finding {
                subject: text(&finding["subject"]).ok_or("a finding has no subject")?,
                problem: text(&finding["problem"]).ok_or("a finding says nothing")?,
                hint: text(&finding["hint"]),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::config::FleetConfig;
    use super::*;
    use serde_json::json;

    fn node() -> NodeEntry {
        let text = "[[environment]]\nname = \"local\"\n[[node]]\nname = \"n1\"\nssh = \"root@n1\"\nenvironment = \"local\"\nbecome = [\"sudo\", \"-n\"]\n";
        let dir = std::path::Path::new("/");
        FleetConfig::parse(text, dir).unwrap().nodes.remove(0)
    }

    fn answer(data: Value) -> Reply {
        Reply::Answer(Document {
            outcome: "done".into(),
            data,
            error: None,
        })
    }

    fn contact() -> Contact {
        Contact {
            version: "0.1.0".into(),
            clock_ahead_ms: 400,
            uncertain_ms: 520,
        }
    }

    fn status(name: &str, environment: &str, problems: &[&str]) -> Reply {
        answer(
            json!({ "name": name, "environment": environment, "problems": problems,
            "current": { "tag": "v1", "whole": true },
            "service": { "pid": 1, "exe_sha256": "aa", "verified_sha256": "aa" } }),
        )
    }

    fn judged(contact: Result<Contact, Reply>, status: Option<Reply>, check: Option<Reply>) -> Row {
        let node = node();
        let seen = Seen {
            node: &node,
            contact,
            status,
            check,
        };
        judge(&seen, "0.1.0", "fleet.toml")
    }

    #[test]
    fn a_node_that_is_what_the_fleet_says_has_no_findings() {
        let row = judged(
            Ok(contact()),
            Some(status("n1", "local", &[])),
            Some(answer(json!({ "findings": [] }))),
        );
        assert_eq!(row.findings, []);
        assert_eq!(
            (row.current.as_deref(), row.daemon),
            (Some("v1"), Some(Daemon::Verified))
        );
    }

    #[test]
    fn that_a_node_which_is_sent_bundles_does_not_reach_the_store_is_no_finding() {
        let node = NodeEntry {
            bundle: true,
            ..node()
        };
        let seen = Seen {
            node: &node,
            contact: Ok(contact()),
            status: None,
            check: Some(answer(
                json!({ "findings": [{ "subject": "store", "problem": "no answer", "hint": null },
                { "subject": "state", "problem": "unfinished", "hint": null }] }),
            )),
        };
        let row = judge(&seen, "0.1.0", "fleet.toml");
        let subjects: Vec<&str> = row.findings.iter().map(|f| f.subject.as_str()).collect();
        assert_eq!(subjects, ["state"]);
    }

    #[test]
    fn everything_that_is_wrong_is_told_and_each_has_one_command() {
        let odd = Contact {
            version: "0.0.9".into(),
            clock_ahead_ms: -90_000,
            uncertain_ms: 500,
        };
        let row = judged(
            Ok(odd),
            Some(status("n2", "mainnet", &["receipts were tampered with"])),
            Some(answer(
                json!({ "findings": [{ "subject": "store", "problem": "no answer", "hint": null },
                { "subject": "state", "problem": "unfinished", "hint": "relman recover" }] }),
            )),
        );
        let subjects: Vec<&str> = row.findings.iter().map(|f| f.subject.as_str()).collect();
        assert_eq!(
            subjects,
            [
                "relman",
                "clock",
                "name",
                "environment",
                "status",
                "store",
                "state"
            ]
        );
        assert!(row.findings.iter().all(|f| f.hint.is_some()), "{row:?}");
        assert!(row.findings[1].problem.contains("90 s behind"), "{row:?}");
        let hint = row.findings[6].hint.as_deref();
        assert_eq!(hint, Some("on n1: relman recover"));
        let hint = row.findings[5].hint.as_deref();
        assert_eq!(
            hint,
            Some(
                "ssh root@n1 sudo -n /usr/local/bin/relman node check --config /etc/relman/node.toml"
            )
        );
    }

    #[test]
    fn silence_is_a_finding() {
        let row = judged(Err(Reply::Unreachable("no route".into())), None, None);
        assert!(!row.reached);
        assert_eq!(row.findings[0].subject, "ssh");
        let missing = "no relman there; hint: relman fleet bootstrap n1".to_owned();
        let row = judged(Err(Reply::Foreign(missing)), None, None);
        assert_eq!(row.findings[0].problem, "no relman there");
        let hint = row.findings[0].hint.as_deref();
        assert_eq!(hint, Some("relman fleet bootstrap n1"));
        for (status, check) in [
            (Some(answer(json!({}))), None),
            (None, Some(answer(json!({ "node": "n1" })))),
            (Some(Reply::Lost("gone".into())), None),
        ] {
            assert_eq!(judged(Ok(contact()), status, check).findings.len(), 1);
        }
    }

    #[test]
    fn what_cannot_be_measured_is_not_held_against_a_clock() {
        let slow = Contact {
            clock_ahead_ms: 6_000,
            uncertain_ms: 1_500,
            ..contact()
        };
        assert_eq!(judged(Ok(slow), None, None).findings, []);
    }
}
