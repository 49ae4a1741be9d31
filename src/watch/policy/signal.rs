//! `[[signal]]` as it is written, and what is wrong with it. Pure.

use serde::Deserialize;

use super::words::text;
use super::{Signal, Source};
use crate::node::probe::metrics::Selector;

/// Signals that relman makes itself: name, source, of the network, counter.
const OWN: [(&str, Source, bool, bool); 14] = [
    ("blocks-overdue", Source::Rpc, true, false),
    ("block-height", Source::Rpc, true, true),
    ("partition", Source::Rpc, true, false),
    ("foreign-nodes", Source::Rpc, true, false),
    ("finality", Source::Rpc, false, false),
    ("height", Source::Rpc, false, true),
    ("peers", Source::Rpc, false, false),
    ("peers-missing", Source::Rpc, false, false),
    ("up", Source::Systemd, false, false),
    ("restarts", Source::Systemd, false, true),
    ("log-errors", Source::Journal, false, true),
    ("log-critical", Source::Journal, false, true),
    ("log-signatures", Source::Journal, false, true),
    ("log-corruption", Source::Journal, false, true),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSignal {
    name: String,
    source: Source,
    metric: Option<String>,
    #[serde(default)]
    counter: bool,
    #[serde(default)]
    network: bool,
    #[serde(default)]
    unit: String,
}

impl RawSignal {
    pub(super) fn name(&self) -> &String {
        &self.name
    }

    pub(super) fn check(self, problems: &mut Vec<String>) -> Signal {
        let name = &self.name;
        match (self.source, &self.metric) {
            (Source::Metrics, None) => {
                problems.push(format!(
                    "signal {name}: it is read from metrics, and no metric is named"
                ));
            }
            (Source::Metrics, Some(_)) if self.network => {
                problems.push(format!(
                    "signal {name}: a metric is of one node, not of the network"
                ));
            }
            (Source::Person, Some(_)) => {
                problems.push(format!(
                    "signal {name}: a person declares it, so it has no metric"
                ));
            }
            (Source::Person, None) if !self.network || self.counter => {
                problems.push(format!(
                    "signal {name}: what a person declares is of the network and no counter: network = true"
                ));
            }
            _ => {}
        }
        if let Some(metric) = &self.metric
            && let Err(why) = Selector::parse(metric)
        {
            problems.push(format!("signal {name}: {why}"));
        }
        if !matches!(self.source, Source::Metrics | Source::Person) {
            match OWN.iter().find(|(own, ..)| own == name) {
                None => {
                    let known: Vec<&str> = OWN
                        .iter()
                        .filter(|(_, source, ..)| *source == self.source)
                        .map(|(own, ..)| *own)
                        .collect();
                    problems.push(format!(
                        "signal {name}: {} tells no such thing, it tells {}",
                        self.source.word(),
                        known.join(", ")
                    ));
                }
                Some((_, source, network, counter)) => {
                    if (*source, *network, *counter) != (self.source, self.network, self.counter) {
                        problems.push(format!(
                            "signal {name}: wanted source = {:?}, network = {network}, counter = {counter}",
                            source.word()
                        ));
                    }
                }
            }
        } else if OWN.iter().any(|(own, ..)| own == name) {
            problems.push(format!(
                "signal {name}: its name is of one that relman makes itself, from another source"
            ));
        }
        text(&format!("signal {name}: unit"), &self.unit, problems);
        Signal {
            name: self.name,
            source: self.source,
            metric: self.metric,
            counter: self.counter,
            network: self.network,
            unit: self.unit,
        }
    }
}
