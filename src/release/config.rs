//! `relman.toml`: what a project configures. Pure; `io` reads and writes the file.

use std::collections::BTreeMap;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_CONFIG_LEN, MAX_SHOWN_NAME};
use crate::release::edges::Edges;
use crate::release::tag::Pattern;
use crate::release::text::shown;
use crate::{Error, Result};

mod check;
pub mod gate;
mod template;

pub use check::safe_relative;
pub use template::template;

/// The file's name at the top of a repository.
pub const FILE_NAME: &str = "relman.toml";

/// A project's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The project's name: letters, digits, `.`, `_` and `-`, at most 64.
    pub project: String,
    /// Which tags are releases.
    #[serde(default)]
    pub tags: Tags,
    /// How binaries are built.
    #[serde(default)]
    pub build: Build,
    /// Where releases go.
    #[serde(default)]
    pub store: Store,
    /// Where the trust root is.
    #[serde(default)]
    pub trust: Trust,
    /// How long signed metadata is valid.
    #[serde(default)]
    pub expiry: Expiry,
    /// The transparency log.
    #[serde(default)]
    pub log: Log,
    /// What is said about each release.
    #[serde(default)]
    pub release: Release,
    /// What must hold of a tag; empty for the default gates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gate: Vec<gate::Gate>,
}

/// `[tags]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tags {
    /// How release tags are named.
    pub pattern: Pattern,
    /// Whether a tag without a tag object (no author, date, message or signature) may be cut.
    pub allow_lightweight: bool,
    /// Whether phase N needs a release of phase N-1 before it.
    pub require_predecessor: bool,
}

impl Default for Tags {
    fn default() -> Self {
        Tags {
            pattern: Pattern::Phase,
            allow_lightweight: false,
            require_predecessor: true,
        }
    }
}

/// `[build]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Build {
    /// The project's own build command and its arguments; empty for `cargo build`.
    pub command: Vec<String>,
    /// The cargo profile.
    pub profile: String,
    /// Cargo features to turn on.
    pub features: Vec<String>,
    /// The target triple; the host's when absent.
    pub target: Option<String>,
    /// Cargo packages to build; empty for the workspace's default.
    pub packages: Vec<String>,
    /// Names of the binaries; empty for all that cargo builds. With a command of the project's
    /// own: their paths in the clone, and at least one.
    pub binaries: Vec<String>,
    /// Further files of the repository (or made by the build) that go into the archive.
    pub extra_files: Vec<ExtraFile>,
    /// Further variables for the build.
    pub env: BTreeMap<String, String>,
    /// Minutes after which a build is stopped.
    pub timeout_minutes: u64,
}

impl Default for Build {
    fn default() -> Self {
        Build {
            command: Vec::new(),
            profile: "release".into(),
            features: Vec::new(),
            target: None,
            packages: Vec::new(),
            binaries: Vec::new(),
            extra_files: Vec::new(),
            env: BTreeMap::new(),
            timeout_minutes: 60,
        }
    }
}

/// One of `[[build.extra_files]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtraFile {
    /// Path in the clone.
    pub from: String,
    /// Path in the archive, below `<tag>/`; the file's name when absent.
    pub to: Option<String>,
    /// Whether it is unpacked with mode 0755 instead of 0644.
    #[serde(default)]
    pub executable: bool,
}

impl ExtraFile {
    /// The path in the archive, below `<tag>/`.
    pub fn member(&self) -> &str {
        self.to
            .as_deref()
            .unwrap_or_else(|| self.from.rsplit('/').next().unwrap_or(&self.from))
    }
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// The store's directory, relative to this file.
    pub path: String,
    /// The store in an object store instead: `s3://bucket/prefix`.
    pub url: Option<String>,
    /// That object store's server, for anything but Amazon's own.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Whether its server may be reached without TLS.
    pub allow_http: bool,
}

impl Store {
    /// The store as `relman.toml` names it.
    pub fn name(&self) -> &str {
        self.url.as_deref().unwrap_or(&self.path)
    }
}

impl Default for Store {
    fn default() -> Self {
        Store {
            path: "releases".into(),
            url: None,
            endpoint: None,
            region: None,
            allow_http: false,
        }
    }
}

/// `[trust]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trust {
    /// The directory of public keys and `root.json`, relative to this file.
    pub keys: String,
}

impl Default for Trust {
    fn default() -> Self {
        Trust {
            keys: "keys".into(),
        }
    }
}

/// `[expiry]`: days from signing until metadata of a role is no longer valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expiry {
    /// `root.json`.
    pub root: u32,
    /// `targets.json`.
    pub targets: u32,
    /// The role of each environment: long, since re-collecting a quorum costs.
    pub environment: u32,
    /// `snapshot.json`.
    pub snapshot: u32,
    /// `timestamp.json`: how stale a mirror may be before nodes refuse it.
    pub timestamp: u32,
    /// One fixed time (`YYYY-MM-DDTHH:MM:SSZ`) for all roles instead, for frozen examples.
    pub fixed: Option<String>,
}

impl Default for Expiry {
    fn default() -> Self {
        Expiry {
            root: 365,
            targets: 365,
            environment: 365,
            snapshot: 30,
            timestamp: 7,
            fixed: None,
        }
    }
}

/// `[log]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The log's origin line; `<project>/relman-log` when absent.
    pub origin: Option<String>,
    /// Certificates that witnesses behind HTTPS are believed by, beside the system's: a PEM file.
    pub witness_ca: Option<PathBuf>,
    /// The proxy on the way to witnesses: its address, or `none`; as the environment says when absent.
    pub witness_proxy: Option<String>,
}

/// `[release]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Release {
    /// The source repository's public URL, recorded in provenance.
    pub repository: Option<String>,
    /// The oldest release that nodes may go back to from this one.
    pub rollback_to: Option<String>,
    /// Schema of the data directory that the release writes, and the newest that it reads.
    pub data_schema: Option<u32>,
    /// The oldest schema whose releases read what this one writes.
    pub data_readable_from: Option<u32>,
}

impl Release {
    /// What it declares for nodes that go back.
    pub fn edges(&self) -> Edges {
        Edges {
            rollback_to: self.rollback_to.clone(),
            data_schema: self.data_schema,
            data_readable_from: self.data_readable_from,
        }
    }
}

impl Config {
    /// Reads `relman.toml`.
    ///
    /// # Errors
    /// Usage, with the line and what is allowed there: not TOML, unknown keys, values out of
    /// range, more than [`MAX_CONFIG_LEN`] bytes.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() as u64 > MAX_CONFIG_LEN {
            return Err(Error::usage(format!(
                "{FILE_NAME} has {} bytes, at most {MAX_CONFIG_LEN} are allowed",
                text.len()
            )));
        }
        let config: Config = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(String::new(), |s| {
                let before = text.get(..s.start).unwrap_or(text);
                format!(" line {}", before.matches('\n').count() + 1)
            });
            Error::usage(format!(
                "{FILE_NAME}{line}: {}",
                e.message().replace('\n', "; ")
            ))
            .hint("`relman init` writes a file with every key explained")
        })?;
        check::check(&config)?;
        Ok(config)
    }

    /// A configuration with nothing but a name; it is not checked.
    pub fn bare(project: &str) -> Self {
        Config {
            project: project.into(),
            tags: Tags::default(),
            build: Build::default(),
            store: Store::default(),
            trust: Trust::default(),
            expiry: Expiry::default(),
            log: Log::default(),
            release: Release::default(),
            gate: Vec::new(),
        }
    }

    /// Checks values that did not come from [`Config::parse`].
    ///
    /// # Errors
    /// Usage: as there.
    pub fn check(&self) -> Result<()> {
        check::check(self)
    }

    /// The log's origin line.
    pub fn log_origin(&self) -> String {
        match &self.log.origin {
            Some(origin) => origin.clone(),
            None => format!("{}/relman-log", self.project),
        }
    }

    /// The repository URL for provenance: the configured one, else that of the `origin` remote
    /// without credentials if it is no local path, else `local`.
    pub fn repository(&self, origin: Option<&str>) -> String {
        self.release
            .repository
            .clone()
            .or_else(|| origin.and_then(public_url))
            .unwrap_or_else(|| "local".into())
    }
}

/// A remote's URL without credentials; `None` for paths and anything that is not a URL or an
/// scp-like address (`host:path`).
pub fn public_url(url: &str) -> Option<String> {
    if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let (scheme, rest) = match url.split_once("://") {
        Some(("http" | "https" | "ssh" | "git", _)) => url.split_once("://")?,
        Some(_) => return None,
        None => {
            let (host, path) = url.split_once(':')?;
            if host.is_empty() || host.contains('/') || path.is_empty() {
                return None;
            }
            let host = host.rsplit('@').next()?;
            return Some(format!("ssh://{host}/{}", path.trim_start_matches('/')));
        }
    };
    let (authority, path) = rest.split_once('/')?;
    let host = authority.rsplit('@').next()?;
    let path = path.split(['?', '#']).next()?;
    (!host.is_empty()).then(|| format!("{scheme}://{host}/{path}"))
}

pub(crate) fn bad(key: &str, found: &str, wanted: &str) -> Error {
    Error::usage(format!(
        "{FILE_NAME}: {key} is {}, wanted {wanted}",
        shown(found, MAX_SHOWN_NAME)
    ))
}

#[cfg(test)]
mod tests;
