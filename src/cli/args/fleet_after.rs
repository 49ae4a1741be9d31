//! Arguments of the commands that look at what became of a rollout.

use std::path::PathBuf;

use clap::Args;

use super::{FleetFileArgs, FleetPlaceArgs};

/// `fleet readiness`
#[derive(Debug, Args)]
pub struct FleetReadinessArgs {
    /// Exit 1 unless nodes with two thirds of the weight run this release.
    pub tag: Option<String>,
    /// The environment.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// The fleet.
    #[command(flatten)]
    pub fleet: FleetFileArgs,
}

/// `fleet collect`
#[derive(Debug, Args)]
pub struct FleetCollectArgs {
    /// The environment.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// Fleet and records.
    #[command(flatten)]
    pub place: FleetPlaceArgs,
    /// Only this node, or the nodes of this group; may be given several times.
    #[arg(long = "node", value_name = "NAME|GROUP")]
    pub nodes: Vec<String>,
    /// Journals from this time on, e.g. 2026-02-01T00:00:00Z [default: since the newest rollout that is over began].
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// The archive to write [default: fleet-ENVIRONMENT-TIME.tar.gz here].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
