//! `node.toml`: one daemon on one host. Pure: text and the file's directory come in, values go out.

pub mod backup;
mod check;
pub mod doctor;
mod endpoint;
pub mod hooks;
mod http;
mod keys;
pub mod probe;
mod probes;
pub mod stages;

use std::path::{Path, PathBuf};
use std::time::Duration;

use backup::BackupConfig;
use check::RawConfig;
#[cfg(feature = "maintainer")]
pub(crate) use check::is_plain_name;
use doctor::DoctorConfig;

use crate::error::{Context, Error, Result};
use crate::limits;
use crate::store::http::HttpOptions;

/// One binary of the daemon and where the host expects it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// Its flat name inside the release.
    pub name: String,
    /// The absolute path that becomes a link to the current version's file.
    pub path: PathBuf,
    /// What its file is given instead of what the file before it had.
    pub attributes: Attributes,
}

/// Mode and owner of a binary, where `node.toml` says them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits, set-id bits included.
    pub mode: Option<u32>,
    /// Name or number of the owner.
    pub owner: Option<String>,
    /// Name or number of the group.
    pub group: Option<String>,
}

/// Where releases come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreLocation {
    /// A directory on this host.
    Path(PathBuf),
    /// An `https://` or `http://` address without a trailing slash.
    Url(String),
}

/// How the daemon is started and stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// By systemd, through `systemctl`.
    Systemd {
        /// The unit's full name.
        unit: String,
    },
    /// By commands, without a service manager.
    Command {
        /// Started detached; stays in the foreground or writes `pid_file`.
        start: Vec<String>,
        /// Stops the daemon; a SIGTERM does where there is none.
        stop: Option<Vec<String>>,
        /// Written by the daemon, if it writes one.
        pid_file: Option<PathBuf>,
    },
}

/// The `[service]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceConfig {
    /// How it is controlled.
    pub control: Control,
    /// Name of the binary that the main process runs.
    pub binary: String,
    /// Where the daemon's last lines are, if not in the journal or in relman's own log.
    pub log_file: Option<PathBuf>,
    /// How long a stop may take before the process is killed.
    pub stop_timeout: Duration,
}

/// The `[health]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthConfig {
    /// How long the daemon may take to be up with the verified binary.
    pub timeout: Duration,
    /// How long it has to stay up with one process id.
    pub stable: Duration,
    /// Arguments that make the daemon print its version, if it can.
    pub version: Option<Vec<String>>,
    /// What its answer must contain; `{version}` and `{tag}` stand for the release's.
    pub version_contains: String,
}

/// A whole, checked `node.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// The directory of the file: relative paths begin here, and commands run here.
    pub dir: PathBuf,
    /// Name of this node on this host.
    pub name: String,
    /// `local`, `testnet` or `mainnet`.
    pub environment: String,
    /// Where releases come from.
    pub store: StoreLocation,
    /// How a store behind an address is reached; `[http]`.
    pub http: HttpOptions,
    /// The trust root file.
    pub root: PathBuf,
    /// The directory with versions, journal and history.
    pub state: PathBuf,
    /// At least one, names and paths unique.
    pub binaries: Vec<Binary>,
    /// None: relman swaps files and leaves the process to somebody else.
    pub service: Option<ServiceConfig>,
    /// When the daemon counts as healthy.
    pub health: HealthConfig,
    /// What else is looked at; `[[probe]]`.
    pub probes: Vec<probe::ProbeConfig>,
    /// What `relman health --stage` looks at.
    pub stages: stages::StageConfig,
    /// Versions kept, the current one included.
    pub keep: usize,
    /// What `relman doctor` looks at besides.
    pub doctor: DoctorConfig,
    /// The operator's own commands around a change.
    pub hooks: hooks::HookConfig,
    /// What is backed up and how.
    pub backup: BackupConfig,
    /// Accept a trust root that carries the signed mark "example".
    pub insecure_accept_example_root: bool,
}

impl NodeConfig {
    /// Reads `text`; relative paths are relative to `dir`, the absolute directory of the file.
    ///
    /// # Errors
    /// Kind usage; the causes are all the problems found, not the first.
    pub fn parse(text: &str, dir: &Path) -> Result<Self> {
        if text.len() as u64 > limits::MAX_CONFIG_LEN {
            return Err(Error::usage(format!(
                "node configuration has {} bytes, at most {} are read",
                text.len(),
                limits::MAX_CONFIG_LEN
            )));
        }
        let raw: RawConfig =
            toml::from_str(text).or_usage(|| "node configuration is malformed".into())?;
        let mut problems = Vec::new();
        let config = raw.check(dir, &mut problems);
        Error::unless(problems, "node configuration", config)
    }

    /// The binary that the service's main process runs.
    pub fn service_binary(&self) -> Option<&Binary> {
        let name = &self.service.as_ref()?.binary;
        self.binaries.iter().find(|b| &b.name == name)
    }

    /// Where the link at a binary's path points.
    pub fn link_target(&self, binary: &Binary) -> PathBuf {
        self.state.join("current").join(&binary.name)
    }
}
