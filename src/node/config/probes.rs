//! Reads `[[probe]]`, `[[peer]]` and what they share in `[health]`. Pure; every problem is told.

use std::path::Path;
use std::time::Duration;

use toml::Table;

use super::ServiceConfig;
use super::endpoint::{self, Endpoint};
use super::keys::Keys;
use super::probe::{
    LineRules, LogConfig, NAMES, Names, Pace, Peer, ProbeConfig, ProbeKind, RpcAsk,
};
use super::stages::{self, StageConfig};
use crate::limits::{MAX_PROBE_PATTERNS, MAX_PROBES};
use crate::node::probe::expect::{Expectation, pattern};
use crate::node::probe::lines::Level;
use crate::node::probe::metrics::{Measure, Selector};

/// Longest deadline, interval and window: a day.
const DAY: Duration = Duration::from_secs(86_400);
/// Longest time of one look.
const LONGEST_LOOK: Duration = Duration::from_secs(300);
/// The first of [`NAMES`] that is a metric's.
const FIRST_METRIC: &str = "critical_errors";

/// The tables as they are written.
pub(super) struct Tables {
    pub probes: Vec<Table>,
    pub peers: Vec<Table>,
    pub names: Table,
    pub rpc: Option<Table>,
    pub metrics: Option<Table>,
    pub stages: Table,
}

impl Tables {
    pub(super) fn check(
        self,
        dir: &Path,
        service: Option<&ServiceConfig>,
        problems: &mut Vec<String>,
    ) -> (Vec<ProbeConfig>, StageConfig) {
        let shared = Shared {
            dir,
            service,
            rpc: check_endpoint("health.rpc", self.rpc, dir, problems),
            metrics: check_endpoint("health.metrics", self.metrics, dir, problems),
            names: check_names(self.names, problems),
            peers: check_peers(self.peers, dir, problems),
        };
        let probes = check_probes(self.probes, &shared, problems);
        let stages = stages::check(
            self.stages,
            shared.rpc,
            shared.metrics,
            shared.names,
            problems,
        );
        (probes, stages)
    }
}

/// `[health.names]`.
fn check_names(table: Table, problems: &mut Vec<String>) -> Names {
    let mut keys = Keys::new("health.names", table, problems);
    let mut names = Names::default();
    let first = NAMES.iter().position(|(key, _)| *key == FIRST_METRIC);
    for (key, name) in names.entries() {
        let Some(text) = keys.text(key) else { continue };
        let is_path = NAMES
            .iter()
            .any(|(k, default)| *k == key && default.starts_with('$'));
        if is_path && let Err(what) = Expectation::parse(&format!("{text} exists")) {
            keys.problem(format!("{key}: {what}"));
        }
        let is_metric = NAMES.iter().position(|(k, _)| *k == key) >= first;
        if is_metric && let Err(what) = Selector::parse(&text) {
            keys.problem(format!("{key}: {what}"));
        }
        *name = text;
    }
    keys.end();
    names
}

/// What probes are made from beside their own keys.
struct Shared<'a> {
    pub dir: &'a Path,
    pub service: Option<&'a ServiceConfig>,
    pub rpc: Option<Endpoint>,
    pub metrics: Option<Endpoint>,
    pub names: Names,
    pub peers: Vec<Peer>,
}

/// `[health.rpc]` and `[health.metrics]`.
fn check_endpoint(
    place: &str,
    table: Option<Table>,
    dir: &Path,
    problems: &mut Vec<String>,
) -> Option<Endpoint> {
    let mut keys = Keys::new(place, table?, problems);
    let endpoint = endpoint::take(&mut keys, dir);
    if endpoint.is_none() {
        keys.problem("url is missing");
    }
    keys.end();
    endpoint
}

fn check_peers(tables: Vec<Table>, dir: &Path, problems: &mut Vec<String>) -> Vec<Peer> {
    let mut peers: Vec<Peer> = Vec::new();
    for table in tables {
        let mut keys = Keys::new("peer", table, problems);
        let name = name(&mut keys, "peer", peers.iter().map(|p| p.name.as_str()));
        if peers.len() >= MAX_PROBES {
            keys.problem(format!("there are more than {MAX_PROBES}"));
        }
        match endpoint::take(&mut keys, dir) {
            Some(endpoint) => peers.push(Peer { name, endpoint }),
            None => keys.problem("url is missing"),
        }
        keys.end();
    }
    peers
}

fn name<'a>(keys: &mut Keys, word: &str, mut taken: impl Iterator<Item = &'a str>) -> String {
    let name = keys.needed("name");
    keys.called(format!("{word} {name:?}"));
    if !super::check::is_plain_name(&name, 64) {
        keys.problem(
            "the name is not 1 to 64 of a-z A-Z 0-9 . _ @ + -, beginning with a letter or digit",
        );
    }
    if taken.any(|other| other == name) {
        keys.problem("the name is taken");
    }
    name
}

fn check_probes(
    tables: Vec<Table>,
    shared: &Shared,
    problems: &mut Vec<String>,
) -> Vec<ProbeConfig> {
    let mut probes: Vec<ProbeConfig> = Vec::new();
    if tables.len() > MAX_PROBES {
        problems.push(format!(
            "there are {} probes, at most {MAX_PROBES} are run",
            tables.len()
        ));
    }
    for table in tables.into_iter().take(MAX_PROBES) {
        let mut keys = Keys::new("probe", table, problems);
        let built_in = ["systemd", "binary", "version"];
        let taken = probes.iter().map(|p| p.name.as_str()).chain(built_in);
        let name = name(&mut keys, "probe", taken);
        let word = keys.needed("kind");
        let pace = pace(&mut keys);
        let kind = kind(&word, &mut keys, shared, &pace);
        keys.end();
        if let Some(kind) = kind {
            probes.push(ProbeConfig { name, pace, kind });
        }
    }
    probes
}

fn pace(keys: &mut Keys) -> Pace {
    let second = Duration::from_secs(1);
    let pace = Pace {
        deadline: keys.time("deadline", 60 * second, DAY),
        interval: keys.time("interval", second, DAY),
        successes: small(keys.number("successes", 1, 1, 1_000)),
        samples: small(keys.number("samples", 1, 1, 1_000)),
        timeout: keys.time("timeout", 5 * second, LONGEST_LOOK),
    };
    let looks = pace.successes.max(pace.samples) - 1;
    if pace.interval.saturating_mul(looks) >= pace.deadline {
        keys.problem(format!(
            "{} looks, {:?} apart, do not fit into a deadline of {:?}",
            looks + 1,
            pace.interval,
            pace.deadline
        ));
    }
    pace
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn kind(word: &str, keys: &mut Keys, shared: &Shared, pace: &Pace) -> Option<ProbeKind> {
    match word {
        "tcp" => {
            let address = keys.needed("address");
            let port = address
                .rsplit_once(':')
                .map(|(host, port)| (host, port.parse::<u16>()));
            if !matches!(port, Some((host, Ok(1..))) if !host.is_empty()) {
                keys.problem(format!("address is {address:?}, wanted HOST:PORT"));
            }
            Some(ProbeKind::Tcp(address))
        }
        "rpc" => rpc(keys, shared, pace),
        "metrics" => metrics(keys, shared, pace),
        "journal" => journal(keys, shared),
        "command" => {
            let argv: Vec<String> = keys
                .take("command", "a list of strings")
                .unwrap_or_default();
            let argv = super::check::check_argv("command", argv, shared.dir, keys.problems());
            let output = keys.text("output");
            if let Some(Err(what)) = output.as_deref().map(pattern) {
                keys.problem(format!("output: {what}"));
            }
            Some(ProbeKind::Command {
                argv,
                status: small(keys.number("status", 0, 0, 255)).cast_signed(),
                output,
            })
        }
        "systemd" | "binary" | "version" => {
            keys.problem(format!("kind {word} always runs and is set in [health]"));
            None
        }
        _ => {
            keys.problem(format!(
                "kind is {word:?}, wanted tcp, rpc, metrics, journal or command"
            ));
            None
        }
    }
}

fn endpoint(
    keys: &mut Keys,
    dir: &Path,
    shared: Option<&Endpoint>,
    table: &str,
) -> Option<Endpoint> {
    let found = endpoint::take(keys, dir).or_else(|| shared.cloned());
    if found.is_none() {
        keys.problem(format!("url is missing, here and in [{table}]"));
    }
    found
}

fn rpc(keys: &mut Keys, shared: &Shared, pace: &Pace) -> Option<ProbeKind> {
    let endpoint = endpoint(keys, shared.dir, shared.rpc.as_ref(), "health.rpc");
    let names = shared.names.clone();
    let preset = keys.text("preset");
    let within = keys.time("within", pace.deadline, DAY);
    let ask = match preset.as_deref() {
        None => RpcAsk::Call {
            method: keys.needed("method"),
            params: keys.take("params", "a list").unwrap_or_default(),
            expect: expectations(keys),
            within,
        },
        Some("height-grows") => RpcAsk::Call {
            method: names.get("height").to_owned(),
            params: Vec::new(),
            expect: Expectation::parse("$ grows").into_iter().collect(),
            within,
        },
        Some("near-peers") => RpcAsk::NearPeers {
            blocks: keys.number("blocks", 2, 0, 1_000_000),
            peers: peers(keys, shared),
            names,
        },
        Some("peers") => RpcAsk::Peers {
            at_least: keys.number("at_least", 1, 0, 1_000_000),
            names,
        },
        Some("fork") => RpcAsk::Fork {
            depth: keys.number("depth", 1, 0, 1_000_000),
            peers: peers(keys, shared),
            names,
        },
        Some(other) => {
            keys.problem(format!(
                "preset is {other:?}, wanted height-grows, near-peers, peers or fork"
            ));
            return None;
        }
    };
    Some(ProbeKind::Rpc {
        endpoint: endpoint?,
        ask,
    })
}

pub(super) fn expectations(keys: &mut Keys) -> Vec<Expectation> {
    let wanted = "a string or a list of strings";
    let texts = match keys.take::<toml::Value>("expect", wanted) {
        Some(toml::Value::String(text)) => vec![text],
        Some(list) => list.try_into::<Vec<String>>().unwrap_or_default(),
        None => Vec::new(),
    };
    if texts.is_empty() || texts.len() > MAX_PROBE_PATTERNS {
        keys.problem(format!("expect is missing or malformed, wanted {wanted}"));
    }
    let mut out = Vec::new();
    for text in texts {
        match Expectation::parse(&text) {
            Ok(expectation) => out.push(expectation),
            Err(what) => keys.problem(format!("expect: {what}")),
        }
    }
    out
}

fn peers(keys: &mut Keys, shared: &Shared) -> Vec<Peer> {
    let names: Option<Vec<String>> = keys.take("peers", "a list of names of [[peer]]");
    let Some(names) = names else {
        if shared.peers.is_empty() {
            keys.problem("there is no [[peer]] to compare with");
        }
        return shared.peers.clone();
    };
    if names.is_empty() {
        keys.problem("peers is empty");
    }
    let mut out = Vec::new();
    for name in names {
        match shared.peers.iter().find(|p| p.name == name) {
            Some(peer) => out.push(peer.clone()),
            None => keys.problem(format!("no [[peer]] is called {name:?}")),
        }
    }
    out
}

fn metrics(keys: &mut Keys, shared: &Shared, pace: &Pace) -> Option<ProbeKind> {
    let endpoint = endpoint(keys, shared.dir, shared.metrics.as_ref(), "health.metrics");
    let metric = keys.needed("metric");
    let take = keys.text("take").unwrap_or_else(|| "value".into());
    let expect = keys.needed("expect");
    let long_enough = Duration::from_secs(300).min(pace.deadline / 2);
    let window = keys.time("window", long_enough, DAY);
    let measure = match Measure::parse(&metric, &take, &expect) {
        Ok(measure) => measure,
        Err(what) => {
            keys.problem(what);
            return None;
        }
    };
    if measure.wants_window() && (window >= pace.deadline || window < pace.interval) {
        keys.problem(format!(
            "a window of {window:?} has no room between an interval of {:?} and a deadline of {:?}",
            pace.interval, pace.deadline
        ));
    }
    Some(ProbeKind::Metrics {
        endpoint: endpoint?,
        measure,
        window,
    })
}

fn journal(keys: &mut Keys, shared: &Shared) -> Option<ProbeKind> {
    let unit = keys.text("unit");
    let file = keys.text("file").map(|path| shared.dir.join(path));
    let log = match (unit, file, shared.service) {
        (Some(unit), None, _) => {
            if !super::check::is_unit_name(&unit) {
                keys.problem(format!(
                    "unit is {unit:?}, wanted a full name such as timed@1.service"
                ));
            }
            LogConfig::Unit(unit)
        }
        (None, Some(file), _) => LogConfig::File(file),
        (None, None, Some(_)) => LogConfig::Service,
        (None, None, None) => {
            keys.problem("wanted unit or file, since there is no [service]");
            LogConfig::Service
        }
        (Some(_), Some(_), _) => {
            keys.problem("wanted either unit or file");
            LogConfig::Service
        }
    };
    let rules = LineRules {
        level: keys.text("level").and_then(|text| {
            let level = Level::parse(&text);
            if level.is_none() {
                keys.problem(format!("level is {text:?}, wanted debug, info, notice, warning, error, critical, alert or emergency"));
            }
            level
        }),
        patterns: patterns(keys, "patterns"),
        ignore: patterns(keys, "ignore"),
    };
    if rules.level.is_none() && rules.patterns.is_empty() {
        keys.problem("wanted level or patterns, or every line would pass");
    }
    Some(ProbeKind::Journal { log, rules })
}

fn patterns(keys: &mut Keys, key: &str) -> Vec<String> {
    let texts: Vec<String> = keys.take(key, "a list of patterns").unwrap_or_default();
    if texts.len() > MAX_PROBE_PATTERNS {
        keys.problem(format!("{key} has more than {MAX_PROBE_PATTERNS}"));
    }
    for text in &texts {
        if let Err(what) = pattern(text) {
            keys.problem(format!("{key}: {what}"));
        }
    }
    texts
}
