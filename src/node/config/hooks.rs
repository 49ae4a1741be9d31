//! `[hooks]` of `node.toml`: the operator's own commands around a change. Pure.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::check::check_argv;

/// How long a hook may take, where nothing else is said.
const TIMEOUT_SECONDS: u64 = 60;

/// The `[hooks]` table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookConfig {
    /// Run before anything is stopped; if it fails, the change is not begun.
    pub before: Option<Vec<String>>,
    /// Run once a change is committed.
    pub after: Option<Vec<String>>,
    /// Run once a change has failed, whatever became of it.
    pub failed: Option<Vec<String>>,
    /// How long each may take; it is killed then, and has failed.
    pub timeout: Duration,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHooks {
    before: Option<Vec<String>>,
    after: Option<Vec<String>>,
    failed: Option<Vec<String>>,
    timeout_seconds: Option<u64>,
}

impl RawHooks {
    pub(super) fn check(self, dir: &Path, problems: &mut Vec<String>) -> HookConfig {
        let seconds = self.timeout_seconds.unwrap_or(TIMEOUT_SECONDS);
        if !(1..=3600).contains(&seconds) {
            problems.push(format!(
                "hooks.timeout_seconds is {seconds}, wanted 1 to 3600"
            ));
        }
        let mut command = |key: &str, argv: Option<Vec<String>>| {
            argv.map(|argv| check_argv(&format!("hooks.{key}"), argv, dir, problems))
        };
        HookConfig {
            before: command("before", self.before),
            after: command("after", self.after),
            failed: command("failed", self.failed),
            timeout: Duration::from_secs(seconds),
        }
    }
}
