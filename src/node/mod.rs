//! The node: puts verified releases in place, goes back, and says what runs.
//!
//! Room rules: the cores (`config`, `plan`, `record`, `history`) are pure; the drivers change the
//! world only through the traits of [`host`] and [`release`]. Nothing here opens a file, starts a
//! process or looks at a clock. The invariant that every driver keeps: `current` always names a
//! version that is whole and was verified, before and after any kill.

pub mod activate;
pub mod backup;
pub mod chain;
pub mod check;
pub mod config;
pub mod daemon;
pub mod doctor;
mod floor;
pub mod health;
pub mod history;
mod hooks;
pub mod host;
pub mod install;
pub mod journal;
mod kept_data;
pub mod plan;
mod preflight;
pub mod probe;
pub mod receipt;
pub mod record;
pub mod recover;
pub mod release;
pub mod retained;
pub mod rollback;
pub mod signals;
pub mod stage;
pub mod status;
pub mod template;
pub mod unadopt;
pub mod units;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use backup::host::BackupHost;
use config::NodeConfig;
use host::{Host, Service};
use receipt::Receipts;
use release::Releases;

/// One node with everything that its drivers need. Make one for each command.
pub struct Node<'a> {
    /// The checked `node.toml`.
    pub config: &'a NodeConfig,
    /// The state directory and the rest of the system.
    pub host: &'a dyn Host,
    /// The daemon, if relman restarts it.
    pub service: Option<&'a dyn Service>,
    /// The backups, and the daemon's files.
    pub backups: &'a dyn BackupHost,
    /// Who verifies.
    pub releases: &'a dyn Releases,
    /// What is written down of it, signed.
    pub receipts: Receipts<'a>,
    /// Told each stage as it begins, one line each, for people.
    pub say: &'a dyn Fn(&str),
    /// An emergency: the daemon gets little time to end.
    pub at_once: bool,
    /// Before the daemon's own turn in the boot: nothing here may wait for it.
    pub booting: bool,
}
