//! Room `io`: daemons' pages and RPCs from outside, where `fleet.toml` has their addresses, and a Prometheus server.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::round::{Key, Said};
use crate::fleet::config::{FleetConfig, NodeEntry};
use crate::io::clock;
use crate::io::probe::Wires;
use crate::limits::{MAX_PROMETHEUS_ANSWER_LEN, MAX_WATCH_PAGE_LEN};
use crate::node::chain;
use crate::node::config::probe::{Endpoint, Names};
use crate::node::probe::Wire;
use crate::node::probe::metrics::Selector;
use crate::node::signals::page;
use crate::watch::policy::{Policy, Source};
use crate::watch::prometheus::{Question, Reader, Told, address};
use crate::watch::sample::NodeSample;

/// Where to look from outside.
pub(super) struct Outside {
    prometheus: Option<Endpoint>,
    /// Names of all nodes of the fleet, by the label `instance`.
    instances: Arc<BTreeMap<String, String>>,
    wires: Wires,
}

type Work = dyn Fn(&dyn Wire) -> Said + Send + Sync;

/// One thing to look at.
pub(super) struct Job {
    pub key: Key,
    pub work: Box<Work>,
}

impl Outside {
    pub(super) fn new(fleet: &FleetConfig) -> Self {
        let instances = fleet.nodes.iter();
        let instances = instances.map(|node| (node.instance().to_owned(), node.name.clone()));
        Outside {
            prometheus: fleet.watch.prometheus.clone(),
            instances: Arc::new(instances.collect()),
            wires: Wires::default(),
        }
    }

    pub(super) fn wires(&self) -> Wires {
        self.wires.clone()
    }

    /// All that there is to look at; blocks are compared at the height `at`.
    pub(super) fn jobs(&self, nodes: &[NodeEntry], policy: &Policy, at: Option<u64>) -> Vec<Job> {
        let mut jobs = Vec::new();
        let signals = policy.signals.iter().filter(|s| !s.network);
        let signals = signals.filter(|s| s.source == Source::Metrics);
        let metrics: Vec<(String, Selector)> = signals
            .filter_map(|s| {
                let selector = Selector::parse(s.metric.as_deref()?).ok()?;
                Some((s.name.clone(), selector))
            })
            .collect();
        let metrics = Arc::new(metrics);
        for node in nodes {
            if let Some(url) = node.metrics.clone().filter(|_| !metrics.is_empty()) {
                let (to, metrics) = (plain(url), Arc::clone(&metrics));
                jobs.push(Job {
                    key: Key::Page(node.name.clone()),
                    work: Box::new(move |wire| Said::Sample(of_page(wire, &to, &metrics))),
                });
            }
            if let Some(url) = node.rpc.clone() {
                let to = plain(url);
                jobs.push(Job {
                    key: Key::Rpc(node.name.clone()),
                    work: Box::new(move |wire| Said::Sample(of_rpc(wire, &to, at))),
                });
            }
        }
        let question = Question::of(policy);
        if let Some(server) = self.prometheus.clone()
            && !question.queries().is_empty()
        {
            let instances = Arc::clone(&self.instances);
            jobs.push(Job {
                key: Key::Prometheus,
                work: Box::new(move |wire| {
                    Said::Told(of_prometheus(wire, &server, &question, &instances))
                }),
            });
        }
        jobs
    }
}

fn plain(url: String) -> Endpoint {
    Endpoint {
        url,
        auth: None,
        ca: None,
        pin: None,
    }
}

fn of_page(
    wire: &dyn Wire,
    to: &Endpoint,
    metrics: &[(String, Selector)],
) -> Result<NodeSample, String> {
    let selectors: Vec<Selector> = metrics.iter().map(|(_, s)| s.clone()).collect();
    let mut sample = NodeSample::default();
    for ((signal, _), value) in metrics
        .iter()
        .zip(page(wire, to, &selectors, MAX_WATCH_PAGE_LEN)?)
    {
        sample.set(signal, value);
    }
    Ok(sample)
}

fn of_rpc(wire: &dyn Wire, to: &Endpoint, at: Option<u64>) -> Result<NodeSample, String> {
    let chain = chain::look(wire, to, &Names::default(), at);
    if let (None, Some(why)) = (chain.height, chain.problems.first()) {
        return Err(why.clone());
    }
    Ok(NodeSample {
        chain: chain.sample(at),
        ..NodeSample::default()
    })
}

fn of_prometheus(
    wire: &dyn Wire,
    server: &Endpoint,
    question: &Question,
    instances: &BTreeMap<String, String>,
) -> Result<Told, String> {
    let mut reader = Reader::new(question, instances, clock::now().as_millisecond());
    for query in question.queries() {
        let to = Endpoint {
            url: address(&server.url, &query),
            ..server.clone()
        };
        // The query is long, and what went wrong stands behind it.
        let reply = wire
            .http(&to, None, MAX_PROMETHEUS_ANSWER_LEN)
            .map_err(|why| why.replace(&to.url, &server.url))?;
        reader.take(&reply)?;
    }
    reader.end()
}
