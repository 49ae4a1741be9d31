//! `fleet.toml` as it is written, and what is wrong with it. Pure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::notify::RawNotify;
use super::watch::{self, RawWatch};
use super::{
    Environment, FleetConfig, NetworkGate, NodeEntry, OnFailure, SshConfig, Strategy, Window,
};
use crate::limits::{MAX_FLEET_NODES, MAX_FLEET_PARALLEL};
use crate::node::config::is_plain_name;

/// The guide's testnet has 3 to 5 nodes.
const TESTNET_NODES: usize = 3;
const ENVIRONMENTS: [&str; 3] = ["local", "testnet", "mainnet"];
/// A day, the longest wait that can be asked for.
const DAY: u64 = 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFleet {
    #[serde(default)]
    ssh: RawSsh,
    #[serde(default)]
    environment: Vec<RawEnvironment>,
    #[serde(default)]
    node: Vec<RawNode>,
    #[serde(default)]
    notify: Vec<RawNotify>,
    #[serde(default)]
    watch: RawWatch,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawSsh {
    config: Option<PathBuf>,
    connect_timeout_seconds: u64,
    alive_timeout_seconds: u64,
    patience_seconds: u64,
    parallel: usize,
}

impl Default for RawSsh {
    fn default() -> Self {
        RawSsh {
            config: None,
            connect_timeout_seconds: 10,
            alive_timeout_seconds: 15,
            patience_seconds: 300,
            parallel: 64,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEnvironment {
    name: String,
    strategy: Option<Strategy>,
    serial: Option<usize>,
    max_unavailable: Option<usize>,
    waves: Option<Vec<u8>>,
    min_nodes: Option<usize>,
    first_watch_seconds: Option<u64>,
    pause_seconds: Option<u64>,
    wave_pause_seconds: Option<u64>,
    last_watch_seconds: Option<u64>,
    window: Option<String>,
    on_failure: Option<OnFailure>,
    margin_percent: Option<u8>,
    verify_backups: Option<bool>,
    rehearse: Option<bool>,
    block_interval_seconds: Option<u64>,
    block_reward: Option<u64>,
    network: Option<RawNetwork>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawNetwork {
    height_within: u64,
    min_peers: Option<u64>,
    new_block: bool,
    finality: bool,
    timeout_seconds: u64,
    interval_seconds: u64,
}

impl Default for RawNetwork {
    fn default() -> Self {
        RawNetwork {
            height_within: 1,
            min_peers: None,
            new_block: true,
            finality: true,
            timeout_seconds: 1_200,
            interval_seconds: 5,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNode {
    name: String,
    ssh: String,
    environment: String,
    #[serde(default)]
    groups: BTreeSet<String>,
    #[serde(default = "one")]
    weight: u64,
    rpc: Option<String>,
    metrics: Option<String>,
    instance: Option<String>,
    config: Option<String>,
    relman: Option<String>,
    r#become: Option<Vec<String>>,
    #[serde(default)]
    bundle: bool,
}

fn one() -> u64 {
    1
}

impl RawFleet {
    pub(super) fn check(self, dir: &Path, problems: &mut Vec<String>) -> FleetConfig {
        let environments: Vec<Environment> = self
            .environment
            .into_iter()
            .map(|raw| raw.check(problems))
            .collect();
        let names: Vec<&str> = environments.iter().map(|e| e.name.as_str()).collect();
        unique("environment", &names, problems);
        let nodes: Vec<NodeEntry> = self
            .node
            .into_iter()
            .map(|raw| raw.check(&names, problems))
            .collect();
        let node_names: Vec<&str> = nodes.iter().map(|n| n.name.as_str()).collect();
        unique("node", &node_names, problems);
        if nodes.is_empty() || nodes.len() > MAX_FLEET_NODES {
            problems.push(format!(
                "the fleet has {} nodes, wanted 1 to {MAX_FLEET_NODES}",
                nodes.len()
            ));
        }
        for environment in &environments {
            let count = nodes
                .iter()
                .filter(|n| n.environment == environment.name)
                .count();
            if count < environment.min_nodes {
                problems.push(format!(
                    "environment {} has {count} node(s), wanted at least {} (min_nodes)",
                    environment.name, environment.min_nodes
                ));
            }
        }
        let notify: Vec<_> = self
            .notify
            .into_iter()
            .filter_map(|raw| raw.check(dir, problems))
            .collect();
        for one in &notify {
            for named in one
                .environments
                .iter()
                .filter(|e| !names.contains(&e.as_str()))
            {
                problems.push(format!(
                    "notify {:?}: the fleet has no environment {named:?}",
                    one.name
                ));
            }
        }
        watch::unique_instances(&nodes, problems);
        FleetConfig {
            dir: dir.to_owned(),
            watch: self.watch.check(dir, problems),
            ssh: self.ssh.check(dir, problems),
            nodes,
            notify,
            environments,
        }
    }
}

impl RawSsh {
    fn check(self, dir: &Path, problems: &mut Vec<String>) -> SshConfig {
        for (key, value) in [
            ("connect_timeout_seconds", self.connect_timeout_seconds),
            ("alive_timeout_seconds", self.alive_timeout_seconds),
        ] {
            within(&format!("ssh.{key}"), value, 1, 300, problems);
        }
        within(
            "ssh.patience_seconds",
            self.patience_seconds,
            1,
            3_600,
            problems,
        );
        within(
            "ssh.parallel",
            self.parallel as u64,
            1,
            MAX_FLEET_PARALLEL as u64,
            problems,
        );
        SshConfig {
            config: self.config.map(|file| dir.join(file)),
            connect_timeout: Duration::from_secs(self.connect_timeout_seconds),
            alive_timeout: Duration::from_secs(self.alive_timeout_seconds),
            patience: Duration::from_secs(self.patience_seconds),
            parallel: self.parallel,
        }
    }
}

impl RawEnvironment {
    fn check(self, problems: &mut Vec<String>) -> Environment {
        let name = self.name;
        let at = |key: &str| format!("environment {name}: {key}");
        if !ENVIRONMENTS.contains(&name.as_str()) {
            problems.push(format!(
                "environment {name:?} is none of {}",
                ENVIRONMENTS.join(", ")
            ));
        }
        let real = name != "local";
        let strategy = self.strategy.unwrap_or(match name.as_str() {
            "testnet" => Strategy::Together,
            _ => Strategy::Rolling,
        });
        let serial = self.serial.unwrap_or(1);
        let max_unavailable = self.max_unavailable.unwrap_or(serial);
        within(
            &at("serial"),
            serial as u64,
            1,
            MAX_FLEET_NODES as u64,
            problems,
        );
        if max_unavailable < serial {
            problems.push(format!(
                "{}: {max_unavailable}, fewer than serial, {serial}",
                at("max_unavailable")
            ));
        }
        let waves = self.waves.unwrap_or_else(|| vec![100]);
        if waves.last() != Some(&100)
            || waves.first() == Some(&0)
            || waves.windows(2).any(|w| w[0] >= w[1])
        {
            problems.push(format!(
                "{} is {waves:?}, wanted percentages that grow and end with 100",
                at("waves")
            ));
        }
        let first_watch_seconds = self.first_watch_seconds.unwrap_or(10);
        let pause_seconds = self.pause_seconds.unwrap_or(match strategy {
            Strategy::Rolling => 60,
            Strategy::Together => 5,
        });
        let wave_pause_seconds = self.wave_pause_seconds.unwrap_or(pause_seconds);
        let last_watch_seconds = self.last_watch_seconds.unwrap_or(match strategy {
            Strategy::Rolling => 0,
            Strategy::Together => 3_600,
        });
        for (key, value) in [
            ("first_watch_seconds", first_watch_seconds),
            ("pause_seconds", pause_seconds),
            ("wave_pause_seconds", wave_pause_seconds),
            ("last_watch_seconds", last_watch_seconds),
        ] {
            within(&at(key), value, 0, DAY, problems);
        }
        let window = self.window.and_then(|text| {
            let window = parse_window(&text);
            if window.is_none() {
                problems.push(format!(
                    "{} is {text:?}, wanted two times of the day in UTC such as \"02:00-06:00\"",
                    at("window")
                ));
            }
            window
        });
        let margin_percent = self.margin_percent.or((name == "mainnet").then_some(5));
        if strategy == Strategy::Together && margin_percent.is_some() {
            problems.push(format!(
                "{} and strategy \"together\" exclude each other: all nodes would be down at once",
                at("margin_percent")
            ));
        }
        within(
            &at("margin_percent"),
            u64::from(margin_percent.unwrap_or(0)),
            0,
            33,
            problems,
        );
        let block_interval_seconds = self.block_interval_seconds.unwrap_or(600);
        within(
            &at("block_interval_seconds"),
            block_interval_seconds,
            1,
            DAY,
            problems,
        );
        let min_nodes = self.min_nodes.unwrap_or(match name.as_str() {
            "testnet" => TESTNET_NODES,
            _ => 1,
        });
        Environment {
            strategy,
            serial,
            max_unavailable,
            waves,
            min_nodes: min_nodes.max(1),
            first_watch_seconds,
            pause_seconds,
            wave_pause_seconds,
            last_watch_seconds,
            window,
            on_failure: self.on_failure.unwrap_or(OnFailure::Stop),
            margin_percent,
            verify_backups: self.verify_backups.unwrap_or(real),
            rehearse: self.rehearse.unwrap_or(real),
            block_interval_seconds,
            block_reward: self.block_reward,
            network: self.network.map(|raw| raw.check(&name, problems)),
            name,
        }
    }
}

impl RawNetwork {
    fn check(self, environment: &str, problems: &mut Vec<String>) -> NetworkGate {
        for (key, value) in [
            ("timeout_seconds", self.timeout_seconds),
            ("interval_seconds", self.interval_seconds),
        ] {
            let at = format!("environment {environment}: network.{key}");
            within(&at, value, 1, DAY, problems);
        }
        NetworkGate {
            height_within: self.height_within,
            min_peers: self.min_peers,
            new_block: self.new_block,
            finality: self.finality,
            timeout_seconds: self.timeout_seconds,
            interval_seconds: self.interval_seconds,
        }
    }
}

impl RawNode {
    fn check(self, environments: &[&str], problems: &mut Vec<String>) -> NodeEntry {
        let name = self.name;
        if !is_plain_name(&name, 64) {
            problems.push(format!(
                "node {name:?}: wanted 1 to 64 of a-z A-Z 0-9 . _ @ -, beginning with a letter or digit"
            ));
        }
        if !environments.contains(&self.environment.as_str()) {
            problems.push(format!(
                "node {name}: environment is {:?}, the file has {}",
                self.environment,
                environments.join(", ")
            ));
        }
        // What begins with a dash would be an option of ssh.
        if self.ssh.is_empty()
            || self.ssh.starts_with('-')
            || self.ssh.len() > 255
            || self
                .ssh
                .chars()
                .any(|c| c.is_whitespace() || c.is_control())
        {
            problems.push(format!(
                "node {name}: ssh is {:?}, wanted a destination such as root@{name}",
                self.ssh
            ));
        }
        for group in self.groups.iter().filter(|g| !is_plain_name(g, 64)) {
            problems.push(format!("node {name}: {group:?} cannot be a group's name"));
        }
        let config = self
            .config
            .unwrap_or_else(|| "/etc/relman/node.toml".into());
        let relman = self
            .relman
            .unwrap_or_else(|| "/usr/local/bin/relman".into());
        for (key, path) in [("config", &config), ("relman", &relman)] {
            if !path.starts_with('/') || path.chars().any(char::is_control) {
                problems.push(format!(
                    "node {name}: {key} is {path:?}, wanted an absolute path"
                ));
            }
        }
        watch::addresses(
            &name,
            [("rpc", &self.rpc), ("metrics", &self.metrics)],
            self.instance.as_ref(),
            problems,
        );
        let become_command = self.r#become.unwrap_or_default();
        if become_command
            .iter()
            .any(|w| w.is_empty() || w.chars().any(char::is_control))
        {
            problems.push(format!(
                "node {name}: become is {become_command:?}, wanted words such as \"sudo\", \"-n\""
            ));
        }
        NodeEntry {
            ssh: self.ssh,
            environment: self.environment,
            groups: self.groups,
            weight: self.weight,
            rpc: self.rpc,
            metrics: self.metrics,
            instance: self.instance,
            config,
            relman,
            become_command,
            bundle: self.bundle,
            name,
        }
    }
}

/// `HH:MM-HH:MM`
fn parse_window(text: &str) -> Option<Window> {
    let minute = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        if hour.len() != 2 || minute.len() != 2 {
            return None;
        }
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    (from != to).then_some(Window { from, to })
}

fn within(at: &str, value: u64, least: u64, most: u64, problems: &mut Vec<String>) {
    if !(least..=most).contains(&value) {
        problems.push(format!("{at} is {value}, wanted {least} to {most}"));
    }
}

fn unique(what: &str, names: &[&str], problems: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            problems.push(format!("{what} {name} is there twice"));
        }
    }
}
