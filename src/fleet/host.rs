//! What is asked of one node and what it answers. Values and a trait; `io::fleet_ssh` asks the node's own relman over the
//! operator's ssh, the tests ask a fake.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::config::NodeEntry;
use crate::limits::{MAX_NODE_ANSWER_LEN, MAX_WATCH_LOOK_SECONDS};

/// A question or an order to one node; always carried out by the node's own relman, which verifies with the node's own
/// trust root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `relman status`: what runs.
    Status,
    /// `relman node check`: what would keep an install from working.
    Check,
    /// `relman backup verify`: reads and hashes every backup.
    VerifyBackups,
    /// `relman install TAG --dry-run`: verifies all and changes nothing.
    Preview {
        /// The release.
        tag: String,
    },
    /// `relman install TAG`.
    Install {
        /// The release.
        tag: String,
        /// Start a daemon that had been stopped (`--start`), and pass over that it does not run (`--force`).
        start: bool,
    },
    /// `relman rollback --dry-run`.
    Rehearse {
        /// Where to; none: what the node says is its way back.
        to: Option<String>,
        /// With the data of its time.
        with_data: bool,
    },
    /// `relman rollback`.
    Rollback {
        /// Where to; none: what the node says is its way back.
        to: Option<String>,
        /// With the data of its time.
        with_data: bool,
        /// See `relman rollback --emergency`.
        emergency: bool,
        /// Start a daemon that had been stopped.
        start: bool,
    },
    /// `relman recover`.
    Recover,
    /// `relman node stop`: the daemon stays stopped.
    Stop {
        /// Little time for it to end.
        at_once: bool,
    },
    /// `relman node start`.
    Start,
    /// `relman health`: every probe once.
    Health,
    /// `relman node chain`: where its chain stands.
    Chain {
        /// Tell the hash at this height, too.
        at: Option<u64>,
    },
    /// `relman node signals`: all that one look can know there.
    Signals {
        /// Tell the hash at this height, too.
        at: Option<u64>,
        /// Metrics that are wanted.
        metrics: Vec<String>,
        /// From when on lines of the log count.
        since: Timestamp,
        /// How far the node read its log before.
        cursor: Option<String>,
    },
}

/// Bytes that a node sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// `relman receipts export`: its receipts from this number on, as lines.
    Receipts {
        /// The first one wanted, counted from 1.
        since: u64,
    },
    /// `relman node journal`: what the daemon wrote since then, as lines.
    Journal {
        /// From when.
        since: Timestamp,
    },
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The node answered; whether it is good news is in the document.
    Answer(Document),
    /// The node was not reached: it was asked nothing.
    Unreachable(String),
    /// The connection ended, or the deadline passed, after the request was sent: it may have been carried out, may still be,
    /// or not. Only a later [`Request::Status`] tells.
    Lost(String),
    /// Something answered that is not a relman which understands the request.
    Foreign(String),
}

/// The one JSON document of a `--json` run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Document {
    /// `done`, `unchanged`, `planned`, `failed`, `refused`, …
    pub outcome: String,
    /// What the command told.
    pub data: Value,
    /// Why it failed.
    pub error: Option<Problem>,
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Problem {
    /// In one line.
    pub message: String,
    /// Why that was.
    #[serde(default)]
    pub causes: Vec<String>,
    /// One command to run there.
    pub hint: Option<String>,
}

/// One request to one node.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Whom.
    pub node: &'a NodeEntry,
    /// What.
    pub request: &'a Request,
}

/// All hosts, and the operator's clock.
pub trait Hosts: Sync {
    /// Asks all of them at the same time (at most as many as may be), and calls `done` with the place in `asks` and the
    /// reply as each comes in. Returns when all have.
    fn ask_all(&self, asks: &[Ask<'_>], done: &mut dyn FnMut(usize, Reply));

    /// Asks one.
    fn ask(&self, node: &NodeEntry, request: &Request) -> Reply {
        let mut reply = None;
        self.ask_all(&[Ask { node, request }], &mut |_, r| reply = Some(r));
        reply.unwrap_or_else(|| Reply::Unreachable("nobody asked".into()))
    }

    /// Writes at most `limit` bytes of it to `to`; more are an error, and so is an end that comes too soon.
    ///
    /// # Errors
    /// Why it is not whole, in words.
    fn stream(
        &self,
        node: &NodeEntry,
        what: Stream,
        limit: u64,
        to: &mut dyn Write,
    ) -> Result<u64, String>;

    /// The time of day.
    fn now(&self) -> Timestamp;

    /// A clock that never goes back.
    fn uptime(&self) -> Duration;

    /// Waits.
    fn pause(&self, duration: Duration);
}

/// Asks all of `nodes` the same at the same time, and reads what each says; a node that is named twice is there once.
pub fn ask_each<T>(
    hosts: &dyn Hosts,
    nodes: &[&NodeEntry],
    request: &Request,
    read: impl Fn(Reply) -> Result<T, String>,
) -> BTreeMap<String, Result<T, String>> {
    let asks: Vec<Ask> = nodes.iter().map(|node| Ask { node, request }).collect();
    let mut replies = BTreeMap::new();
    hosts.ask_all(&asks, &mut |place, reply| {
        if let Some(node) = nodes.get(place) {
            replies.insert(node.name.clone(), read(reply));
        }
    });
    replies
}

impl Request {
    /// The arguments of the node's relman, without its path.
    pub fn arguments(&self, node: &NodeEntry) -> Vec<String> {
        let mut words: Vec<&str> = vec!["--json", "--quiet"];
        let (at, from);
        match self {
            Request::Status => words.push("status"),
            Request::Check => words.extend(["node", "check"]),
            Request::VerifyBackups => words.extend(["backup", "verify"]),
            Request::Preview { tag } => words.extend(["install", tag, "--dry-run"]),
            Request::Install { tag, start } => {
                words.extend(["install", tag]);
                if *start {
                    words.extend(["--start", "--force"]);
                }
            }
            Request::Rehearse { to, with_data } => {
                words.extend(["rollback", "--dry-run"]);
                way_back(&mut words, to.as_deref(), *with_data);
            }
            Request::Rollback {
                to,
                with_data,
                emergency,
                start,
            } => {
                words.push("rollback");
                way_back(&mut words, to.as_deref(), *with_data);
                if *emergency {
                    words.push("--emergency");
                }
                if *start {
                    words.push("--start");
                }
            }
            Request::Recover => words.push("recover"),
            Request::Stop { at_once } => {
                words.extend(["node", "stop"]);
                if *at_once {
                    words.push("--at-once");
                }
            }
            Request::Start => words.extend(["node", "start"]),
            Request::Health => words.push("health"),
            Request::Chain { at: height } => {
                words.extend(["node", "chain"]);
                if let Some(height) = height {
                    at = height.to_string();
                    words.extend(["--at", &at]);
                }
            }
            Request::Signals {
                at: height,
                metrics,
                since,
                cursor,
            } => {
                words.extend(["node", "signals"]);
                if let Some(height) = height {
                    at = height.to_string();
                    words.extend(["--at", &at]);
                }
                for metric in metrics {
                    words.extend(["--metric", metric]);
                }
                from = since.to_string();
                words.extend(["--since", &from]);
                if let Some(cursor) = cursor {
                    words.extend(["--since-cursor", cursor]);
                }
            }
        }
        words.extend(["--config", &node.config]);
        words.into_iter().map(str::to_owned).collect()
    }

    /// Whether carrying it out changes the node.
    pub fn changes(&self) -> bool {
        matches!(
            self,
            Request::Install { .. }
                | Request::Rollback { .. }
                | Request::Recover
                | Request::Stop { .. }
                | Request::Start
        )
    }

    /// How long an answer may take.
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(match self {
            // A backup of a whole chain, its data going back, a daemon that is slow to be healthy.
            Request::Install { .. } | Request::Rollback { .. } | Request::Recover => 4 * 3_600,
            Request::VerifyBackups => 3_600,
            Request::Preview { .. } | Request::Rehearse { .. } => 900,
            Request::Stop { .. } | Request::Start => 300,
            Request::Status | Request::Check | Request::Health | Request::Chain { .. } => 60,
            // Whoever watches looks again soon.
            Request::Signals { .. } => 2 * MAX_WATCH_LOOK_SECONDS,
        })
    }
}

impl Stream {
    /// The arguments of the node's relman, without its path.
    pub fn arguments(self, node: &NodeEntry) -> Vec<String> {
        let from;
        let words = match self {
            Stream::Receipts { since } => {
                from = since.to_string();
                ["receipts", "export", "--since", &from, "--out", "-"].to_vec()
            }
            Stream::Journal { since } => {
                from = since.to_string();
                ["node", "journal", "--since", &from].to_vec()
            }
        };
        let config = ["--config", node.config.as_str()];
        words.into_iter().chain(config).map(str::to_owned).collect()
    }
}

fn way_back<'a>(words: &mut Vec<&'a str>, to: Option<&'a str>, with_data: bool) {
    if let Some(to) = to {
        words.extend(["--to", to]);
    }
    if with_data {
        words.push("--with-data");
    }
}

impl Document {
    /// Reads what a node printed.
    ///
    /// # Errors
    /// Why it is no document of relman's, in words.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() as u64 > MAX_NODE_ANSWER_LEN {
            return Err(format!(
                "its answer has {} bytes, at most {MAX_NODE_ANSWER_LEN} are read",
                bytes.len()
            ));
        }
        serde_json::from_slice(bytes)
            .map_err(|e| format!("its answer is no JSON document of relman's: {e}"))
    }

    /// Whether the command did what it was asked to, or found nothing wrong.
    pub fn is_good(&self) -> bool {
        self.error.is_none() && !matches!(self.outcome.as_str(), "failed" | "refused" | "usage")
    }

    /// Why not, in one line; none if it is good.
    pub fn why(&self) -> Option<String> {
        if self.is_good() {
            return None;
        }
        Some(match &self.error {
            None => self.outcome.clone(),
            Some(problem) => {
                let mut line = problem.message.clone();
                for cause in &problem.causes {
                    line.push_str(": ");
                    line.push_str(cause);
                }
                line
            }
        })
    }
}

impl Reply {
    /// The document of an answer that is good; else why not, in words.
    ///
    /// # Errors
    /// In one line what is wrong; the node's name is not in it.
    pub fn good(self) -> Result<Document, String> {
        match self {
            Reply::Answer(document) => match document.why() {
                None => Ok(document),
                Some(why) => Err(why),
            },
            Reply::Unreachable(why) => Err(format!("not reached: {why}")),
            Reply::Lost(why) => Err(format!("connection lost, nobody knows what it did: {why}")),
            Reply::Foreign(why) => Err(why),
        }
    }
}
