//! Arguments of `relman monitor`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::watch::export::routes;

/// `monitor`
#[derive(Debug, Args)]
pub struct MonitorArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: MonitorCommand,
}

/// The commands below `monitor`.
#[derive(Debug, Subcommand)]
pub enum MonitorCommand {
    /// Write the watch policy for other people's monitoring.
    #[command(subcommand)]
    Export(MonitorExport),
}

/// What the policy is written for.
#[derive(Debug, Subcommand)]
pub enum MonitorExport {
    /// A file of rules: one alert for each row and step of the matrix.
    Prometheus(MonitorExportArgs),
    /// A configuration: who hears of which alert, and which alerts mute others.
    Alertmanager(MonitorRoutesArgs),
    /// A dashboard: a picture for each signal, with its thresholds.
    Grafana(MonitorExportArgs),
}

/// `monitor export …`
#[derive(Debug, Args)]
pub struct MonitorExportArgs {
    /// The environment: metrics and alerts have it as their label `environment`.
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// The watch policy [default: watch.toml beside relman.toml].
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Write to this file [default: to stdout].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `monitor export alertmanager`
#[derive(Debug, Args)]
pub struct MonitorRoutesArgs {
    /// What is exported, and where to.
    #[command(flatten)]
    pub export: MonitorExportArgs,
    /// Where `relman watch --alertmanager` listens.
    #[arg(long, value_name = "URL", default_value = routes::WEBHOOK)]
    pub webhook: String,
    /// The file with the token that it wants, on Alertmanager's machine.
    #[arg(long, value_name = "FILE", default_value = routes::CREDENTIALS)]
    pub credentials: String,
}

impl MonitorCommand {
    /// The command's words, for messages and JSON.
    pub fn name(&self) -> &'static str {
        let MonitorCommand::Export(export) = self;
        match export {
            MonitorExport::Prometheus(_) => "monitor export prometheus",
            MonitorExport::Alertmanager(_) => "monitor export alertmanager",
            MonitorExport::Grafana(_) => "monitor export grafana",
        }
    }
}
