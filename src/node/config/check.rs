//! `node.toml` as it is written, and what is wrong with it. Pure.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::backup::{Places, RawBackup, RawData, check as check_backup};
use super::doctor::RawDoctor;
use super::hooks::RawHooks;
use super::http::RawHttp;
use super::{Attributes, Binary, Control, HealthConfig, NodeConfig, ServiceConfig, StoreLocation};
use crate::limits;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    name: String,
    #[serde(default = "local")]
    environment: String,
    store: String,
    root: PathBuf,
    state: Option<PathBuf>,
    http: Option<RawHttp>,
    #[serde(default)]
    binary: Vec<RawBinary>,
    service: Option<RawService>,
    #[serde(default)]
    health: RawHealth,
    #[serde(default)]
    probe: Vec<toml::Table>,
    #[serde(default)]
    peer: Vec<toml::Table>,
    #[serde(default)]
    retention: RawRetention,
    #[serde(default)]
    hooks: RawHooks,
    #[serde(default)]
    doctor: RawDoctor,
    #[serde(default)]
    configuration: Vec<PathBuf>,
    data: Option<RawData>,
    backup: Option<RawBackup>,
    #[serde(default)]
    insecure_accept_example_root: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBinary {
    name: String,
    path: PathBuf,
    mode: Option<String>,
    owner: Option<String>,
    group: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawService {
    unit: Option<String>,
    start: Option<Vec<String>>,
    stop: Option<Vec<String>>,
    pid_file: Option<PathBuf>,
    log_file: Option<PathBuf>,
    binary: Option<String>,
    #[serde(default = "thirty")]
    stop_timeout_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawHealth {
    timeout_seconds: u64,
    stable_seconds: u64,
    version: Option<Vec<String>>,
    version_contains: String,
    names: toml::Table,
    rpc: Option<toml::Table>,
    metrics: Option<toml::Table>,
    stages: toml::Table,
}

impl Default for RawHealth {
    fn default() -> Self {
        RawHealth {
            timeout_seconds: 30,
            stable_seconds: 5,
            version: None,
            version_contains: "{version}".into(),
            names: toml::Table::new(),
            rpc: None,
            metrics: None,
            stages: toml::Table::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawRetention {
    keep: usize,
}

impl Default for RawRetention {
    fn default() -> Self {
        RawRetention { keep: 5 }
    }
}

fn local() -> String {
    "local".into()
}

fn thirty() -> u64 {
    30
}

impl RawConfig {
    pub(super) fn check(mut self, dir: &Path, problems: &mut Vec<String>) -> NodeConfig {
        if !is_plain_name(&self.name, 64) {
            problems.push(format!(
                "name is {:?}, wanted 1 to 64 of a-z A-Z 0-9 . _ @ -, beginning with a letter or digit",
                self.name
            ));
        }
        if !["local", "testnet", "mainnet"].contains(&self.environment.as_str()) {
            problems.push(format!(
                "environment is {:?}, wanted local, testnet or mainnet",
                self.environment
            ));
        }
        let state = match self.state {
            Some(state) => dir.join(state),
            None => Path::new("/var/lib/relman").join(&self.name),
        };
        if state.file_name().is_none() {
            problems.push(format!(
                "state is {}, wanted a directory of its own",
                state.display()
            ));
        }
        let binaries = check_binaries(self.binary, dir, &state, problems);
        let service = self
            .service
            .map(|raw| check_service(raw, &binaries, dir, problems));
        let tables = super::probes::Tables {
            probes: self.probe,
            peers: self.peer,
            names: std::mem::take(&mut self.health.names),
            rpc: self.health.rpc.take(),
            metrics: self.health.metrics.take(),
            stages: std::mem::take(&mut self.health.stages),
        };
        let (probes, stages) = tables.check(dir, service.as_ref(), problems);
        let health = check_health(self.health, problems);
        if !(2..=1000).contains(&self.retention.keep) {
            problems.push(format!(
                "retention.keep is {}, wanted 2 to 1000: the current version and one to go back to",
                self.retention.keep
            ));
        }
        let places = Places {
            dir,
            state: &state,
            binaries: &binaries,
        };
        NodeConfig {
            backup: check_backup(
                self.configuration,
                self.data,
                self.backup,
                &places,
                problems,
            ),
            dir: dir.into(),
            store: check_store(&self.store, dir, problems),
            http: self.http.unwrap_or_default().check(dir, problems),
            root: dir.join(self.root),
            name: self.name,
            environment: self.environment,
            state,
            binaries,
            service,
            health,
            probes,
            stages,
            keep: self.retention.keep,
            hooks: self.hooks.check(dir, problems),
            doctor: self.doctor.check(dir, problems),
            insecure_accept_example_root: self.insecure_accept_example_root,
        }
    }
}

fn check_store(store: &str, dir: &Path, problems: &mut Vec<String>) -> StoreLocation {
    // Plain HTTP will do inside a network of one's own: what is served proves itself.
    let address = store
        .strip_prefix("https://")
        .or(store.strip_prefix("http://"));
    if let Some(rest) = address {
        if rest.is_empty() || rest.chars().any(|c| c.is_control() || c == ' ') {
            problems.push(format!("store is {store:?}, wanted https://HOST/PATH"));
        }
        return StoreLocation::Url(store.trim_end_matches('/').into());
    }
    if store.is_empty() || store.contains("://") {
        problems.push(format!(
            "store is {store:?}, wanted a directory or an https:// (or http://) address"
        ));
    }
    StoreLocation::Path(dir.join(store))
}

fn check_binaries(
    raw: Vec<RawBinary>,
    dir: &Path,
    state: &Path,
    problems: &mut Vec<String>,
) -> Vec<Binary> {
    if raw.is_empty() || raw.len() > limits::MAX_NODE_BINARIES {
        problems.push(format!(
            "{} [[binary]] tables, wanted 1 to {}",
            raw.len(),
            limits::MAX_NODE_BINARIES
        ));
    }
    let mut binaries: Vec<Binary> = Vec::new();
    for raw in raw {
        let RawBinary { name, path, .. } = &raw;
        let (name, path) = (name.clone(), dir.join(path));
        if !is_plain_name(&name, 255) {
            problems.push(format!(
                "binary name is {name:?}, wanted a plain file name as it is in the release"
            ));
        }
        if path.file_name().is_none() || path.starts_with(state) {
            problems.push(format!(
                "binary {name}: path is {}, wanted a file outside the state directory {}",
                path.display(),
                state.display()
            ));
        }
        if binaries.iter().any(|b| b.name == name || b.path == path) {
            problems.push(format!(
                "binary {name} at {} is listed twice",
                path.display()
            ));
        }
        let attributes = check_attributes(raw, problems);
        binaries.push(Binary {
            name,
            path,
            attributes,
        });
    }
    binaries
}

fn check_attributes(raw: RawBinary, problems: &mut Vec<String>) -> Attributes {
    let name = raw.name;
    let mode = raw.mode.and_then(|text| {
        let bits = u32::from_str_radix(&text, 8).ok();
        // Nobody else may write to it, and its owner may run it.
        let good = bits.filter(|bits| *bits <= 0o7777 && bits & 0o022 == 0 && bits & 0o500 == 0o500);
        if good.is_none() {
            problems.push(format!(
                "binary {name}: mode is {text:?}, wanted octal digits such as \"0750\": executable for its owner, writable for nobody else"
            ));
        }
        good
    });
    let mut account = |key: &str, value: Option<String>| {
        if let Some(text) = &value
            && (text.is_empty() || text.chars().any(|c| c == ':' || c.is_control()))
        {
            problems.push(format!(
                "binary {name}: {key} is {text:?}, wanted the name or number of an account"
            ));
        }
        value
    };
    Attributes {
        mode,
        owner: account("owner", raw.owner),
        group: account("group", raw.group),
    }
}

fn check_service(
    raw: RawService,
    binaries: &[Binary],
    dir: &Path,
    problems: &mut Vec<String>,
) -> ServiceConfig {
    let binary = raw
        .binary
        .or_else(|| binaries.first().map(|b| b.name.clone()))
        .unwrap_or_default();
    if !binaries.iter().any(|b| b.name == binary) {
        problems.push(format!(
            "service.binary is {binary:?}, which no [[binary]] names"
        ));
    }
    if !(1..=3600).contains(&raw.stop_timeout_seconds) {
        problems.push(format!(
            "service.stop_timeout_seconds is {}, wanted 1 to 3600",
            raw.stop_timeout_seconds
        ));
    }
    let control = match (raw.unit, raw.start) {
        (Some(unit), None) => {
            if raw.stop.is_some() || raw.pid_file.is_some() {
                problems.push(
                    "service.stop and service.pid_file do not go with service.unit: systemd knows both"
                        .into(),
                );
            }
            if !is_unit_name(&unit) {
                problems.push(format!(
                    "service.unit is {unit:?}, wanted a full name such as timed@testnet-1.service"
                ));
            }
            Control::Systemd { unit }
        }
        (None, Some(start)) => {
            let start = check_argv("service.start", start, dir, problems);
            let stop = raw
                .stop
                .map(|argv| check_argv("service.stop", argv, dir, problems));
            Control::Command {
                start,
                stop,
                pid_file: raw.pid_file.map(|p| dir.join(p)),
            }
        }
        (unit, _) => {
            problems.push("[service] wants either unit or start; leave the table out if relman is not to restart anything".into());
            Control::Systemd {
                unit: unit.unwrap_or_default(),
            }
        }
    };
    ServiceConfig {
        control,
        binary,
        log_file: raw.log_file.map(|p| dir.join(p)),
        stop_timeout: Duration::from_secs(raw.stop_timeout_seconds),
    }
}

pub(super) fn check_argv(
    key: &str,
    mut argv: Vec<String>,
    dir: &Path,
    problems: &mut Vec<String>,
) -> Vec<String> {
    if argv.iter().any(|a| a.contains('\0')) {
        problems.push(format!("{key} has an argument with a NUL byte"));
    }
    match argv.first_mut() {
        Some(program) if !program.is_empty() => {
            if program.contains('/') {
                *program = dir.join(&*program).to_string_lossy().into_owned();
            }
        }
        _ => problems.push(format!(
            "{key} is empty, wanted [\"PROGRAM\", \"ARGUMENT\", …]"
        )),
    }
    argv
}

fn check_health(raw: RawHealth, problems: &mut Vec<String>) -> HealthConfig {
    if !(1..=3600).contains(&raw.timeout_seconds) {
        problems.push(format!(
            "health.timeout_seconds is {}, wanted 1 to 3600",
            raw.timeout_seconds
        ));
    }
    if raw.stable_seconds > 3600 {
        problems.push(format!(
            "health.stable_seconds is {}, wanted 0 to 3600",
            raw.stable_seconds
        ));
    }
    if raw.version.is_some() && raw.version_contains.is_empty() {
        problems.push("health.version_contains is empty: any answer would pass".into());
    }
    HealthConfig {
        timeout: Duration::from_secs(raw.timeout_seconds),
        stable: Duration::from_secs(raw.stable_seconds),
        version: raw.version,
        version_contains: raw.version_contains,
    }
}

pub(crate) fn is_plain_name(name: &str, longest: usize) -> bool {
    name.len() <= longest
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._@+-".contains(c))
}

pub(super) fn is_unit_name(unit: &str) -> bool {
    unit.len() <= 255
        && unit.ends_with(".service")
        && unit.starts_with(|c: char| c.is_ascii_alphanumeric())
        && unit
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ":_.\\@-".contains(c))
}
