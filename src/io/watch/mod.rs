//! Room `io`: looks at a running network by every source that `fleet.toml` names: nodes over ssh, their pages and RPCs from
//! outside, a Prometheus server, an Alertmanager. Each look ends by its deadline; who is late is silent at that look.
//!
//! | file | is |
//! | --- | --- |
//! | `round` | what one look asks, on threads, and what came back in time |
//! | `outside` | pages, RPCs and Prometheus |
//! | `webhook` | what an Alertmanager sends |

mod outside;
mod round;
pub mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use self::outside::Outside;
use self::round::{Key, Rounds, Said};
use self::webhook::Receiver;
use super::clock;
use crate::fleet::config::{FleetConfig, NodeEntry};
use crate::fleet::host::{Hosts, Reply, Request};
use crate::fleet::look::{ChainLook, LogMemory, SignalsLook, metrics_of};
use crate::limits::{MAX_WATCH_LOOK_SECONDS, MAX_WATCH_WORDS};
use crate::node::probe::cut;
use crate::watch::looker::{Looker, bound, compare_at};
use crate::watch::policy::{Policy, Source};
use crate::watch::sample::{Look, NodeSample};

/// After so many looks a relman that did not know the question is asked again: it may have been replaced.
const OLDER_LOOKS: u64 = 40;

/// All sources of one environment.
pub struct Sources {
    nodes: BTreeMap<String, NodeEntry>,
    outside: Outside,
    rounds: Rounds,
    memory: BTreeMap<String, Memory>,
    /// From when on lines of logs count.
    since: Timestamp,
    /// Where blocks are compared at the next look.
    at: Option<u64>,
    alertmanager: Option<Receiver>,
    remarks: Vec<String>,
}

/// What is remembered of a node from look to look.
struct Memory {
    log: LogMemory,
    /// It has a relman that does not know the question; its words, and the look at which it said so.
    older: Option<(String, u64)>,
}

impl Sources {
    /// The sources of the nodes of an environment, as `fleet.toml` has them. Lines of logs count from `since` on.
    pub fn new(
        fleet: &FleetConfig,
        environment: &str,
        hosts: Arc<dyn Hosts + Send + Sync>,
        since: Timestamp,
    ) -> Sources {
        let nodes = fleet.nodes_of(environment);
        Sources {
            nodes: nodes
                .into_iter()
                .map(|node| (node.name.clone(), node.clone()))
                .collect(),
            outside: Outside::new(fleet),
            rounds: Rounds::new(hosts),
            memory: BTreeMap::new(),
            since,
            at: None,
            alertmanager: None,
            remarks: Vec::new(),
        }
    }

    /// With what an Alertmanager sends.
    #[must_use]
    pub fn with_alertmanager(mut self, receiver: Receiver) -> Sources {
        self.alertmanager = Some(receiver);
        self
    }

    /// What the last look is to be told with, for people: it changes nothing.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    fn memory(&mut self, node: &str) -> &mut Memory {
        let since = self.since;
        self.memory
            .entry(node.to_owned())
            .or_insert_with(|| Memory {
                log: LogMemory::new(since),
                older: None,
            })
    }

    /// What a node is asked over ssh.
    fn request(&mut self, node: &str, policy: &Policy) -> Request {
        let (at, round) = (self.at, self.rounds.number());
        let memory = self.memory(node);
        if let Some((_, told)) = &memory.older
            && round.saturating_sub(*told) < OLDER_LOOKS
        {
            return Request::Chain { at };
        }
        let (since, cursor) = memory.log.next();
        Request::Signals {
            at,
            metrics: metrics_of(policy),
            since,
            cursor,
        }
    }

    fn begin(&mut self, nodes: &[NodeEntry], policy: &Policy, deadline: Instant) {
        let mut asks = Vec::new();
        for node in nodes {
            let key = Key::Ssh(node.name.clone());
            if self.rounds.is_free(&key) {
                let request = self.request(&node.name, policy);
                asks.push((node.clone(), request));
            }
        }
        self.rounds.ask(asks);
        let jobs = self.outside.jobs(nodes, policy, self.at);
        self.rounds.look(jobs, &self.outside, deadline);
    }

    /// What a node said over ssh; what it did not say is left to others, with the reason.
    fn over_ssh(
        &mut self,
        node: &str,
        said: Result<(Request, Reply), String>,
        asked_at: Timestamp,
        policy: &Policy,
        look: &mut Look,
    ) -> NodeSample {
        let at = self.at;
        let memory = self.memory(node);
        let mut sample = NodeSample::default();
        let why = match said {
            Ok((Request::Signals { .. }, reply)) => {
                let answered = matches!(reply, Reply::Answer(_));
                match SignalsLook::of(reply) {
                    Ok(told) => {
                        memory.older = None;
                        sample = told.sample(policy, at);
                        memory.log.add(&told, asked_at, policy, &mut sample);
                        return sample;
                    }
                    Err(why) => {
                        // Who was not reached has nothing against the cursor.
                        if answered {
                            memory.log.failed();
                        }
                        why
                    }
                }
            }
            Ok((_, reply)) => match ChainLook::of(reply) {
                Ok(chain) => {
                    sample.chain = chain.sample(at);
                    let older = memory.older.as_ref().map(|(words, _)| words.clone());
                    older.unwrap_or_else(|| "it was asked for its chain alone".into())
                }
                Err(why) => why,
            },
            Err(why) => why,
        };
        look.silent
            .insert(format!("{node} over ssh"), cut(&why, MAX_WATCH_WORDS));
        for signal in &policy.signals {
            let here_alone = matches!(signal.source, Source::Systemd | Source::Journal);
            if here_alone && !signal.network {
                sample.set(&signal.name, Err("it was not told over ssh".into()));
            }
        }
        sample
    }
}

impl Looker for Sources {
    fn look(&mut self, names: &[String], policy: &Policy) -> Look {
        let (begun, asked_at) = (Instant::now(), clock::now());
        let deadline = begun + Duration::from_secs(MAX_WATCH_LOOK_SECONDS);
        let mut look = Look {
            at_ms: asked_at.as_millisecond(),
            ..Look::default()
        };
        let wanted = names.iter().filter_map(|name| self.nodes.get(name));
        let nodes: Vec<NodeEntry> = wanted.cloned().collect();
        self.rounds.begin();
        self.begin(&nodes, policy, deadline);
        let at = self.at;
        let mut older = Vec::new();
        let mut said = self.rounds.end(deadline, |node, words| {
            older.push((node.name.clone(), words));
            Request::Chain { at }
        });
        let round = self.rounds.number();
        for (node, words) in older {
            self.memory(&node).older = Some((words, round));
        }
        self.remarks.clear();
        let mut told = match said.remove(&Key::Prometheus) {
            Some(Said::Told(Ok(told))) => told,
            Some(other) => {
                look.silent.insert("Prometheus".into(), why(other));
                Default::default()
            }
            None => Default::default(),
        };
        self.remarks.append(&mut told.remarks);
        for node in &nodes {
            let name = &node.name;
            let ssh = match said.remove(&Key::Ssh(name.clone())) {
                Some(Said::Reply(request, reply)) => Ok((request, reply)),
                Some(other) => Err(why(other)),
                None => Err("nobody asked".into()),
            };
            let mut sample = self.over_ssh(name, ssh, asked_at, policy, &mut look);
            for (key, source) in [
                (Key::Page(name.clone()), "the metrics of"),
                (Key::Rpc(name.clone()), "the RPC of"),
            ] {
                match said.remove(&key) {
                    Some(Said::Sample(Ok(more))) => sample.fill(more),
                    Some(other) => {
                        look.silent.insert(format!("{source} {name}"), why(other));
                    }
                    None => {}
                }
            }
            if let Some(more) = told.nodes.remove(name) {
                sample.fill(more);
            }
            look.nodes.insert(name.clone(), sample);
        }
        if let Some(receiver) = &self.alertmanager {
            look.alerts = receiver.alerts();
            self.remarks.extend(receiver.passed().lines());
        }
        self.at = compare_at(&look, policy.height_within).or(self.at);
        bound(&mut look);
        look
    }
}

/// Why a source said nothing.
fn why(said: Said) -> String {
    let why = match said {
        Said::Sample(Err(why)) | Said::Told(Err(why)) | Said::Nothing(why) => why,
        Said::Sample(Ok(_)) | Said::Told(Ok(_)) | Said::Reply(..) => {
            "it said something else".into()
        }
    };
    cut(&why, MAX_WATCH_WORDS)
}
