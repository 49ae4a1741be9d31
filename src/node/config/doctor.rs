//! `[doctor]` of `node.toml`: what `relman doctor` looks at besides. Pure.

use core::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::check::check_argv;

/// Free space below this is a finding, where nothing else is said.
const MIN_FREE_PERCENT: u64 = 10;

/// The `[doctor]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoctorConfig {
    /// Addresses on which the daemon listens.
    pub listen: Vec<SocketAddr>,
    /// A command that says whether the daemon's configuration is well formed.
    pub config_check: Option<Vec<String>>,
    /// Directories whose filesystems want free space, besides relman's state.
    pub paths: Vec<PathBuf>,
    /// How much of each, in percent.
    pub min_free_percent: u64,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDoctor {
    listen: Vec<String>,
    config_check: Option<Vec<String>>,
    paths: Vec<PathBuf>,
    min_free_percent: Option<u64>,
}

impl RawDoctor {
    pub(super) fn check(self, dir: &Path, problems: &mut Vec<String>) -> DoctorConfig {
        let min_free_percent = self.min_free_percent.unwrap_or(MIN_FREE_PERCENT);
        if min_free_percent > 99 {
            problems.push(format!(
                "doctor.min_free_percent is {min_free_percent}, wanted 0 to 99"
            ));
        }
        let mut listen = Vec::new();
        for text in self.listen {
            match text.parse() {
                Ok(address) => listen.push(address),
                Err(_) => problems.push(format!(
                    "doctor.listen has {text:?}, wanted ADDRESS:PORT such as 0.0.0.0:24100"
                )),
            }
        }
        DoctorConfig {
            listen,
            config_check: self
                .config_check
                .map(|argv| check_argv("doctor.config_check", argv, dir, problems)),
            paths: self.paths.into_iter().map(|p| dir.join(p)).collect(),
            min_free_percent,
        }
    }
}
