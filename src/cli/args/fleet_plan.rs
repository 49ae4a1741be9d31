//! Arguments of the commands that make a plan for a fleet.

use std::path::PathBuf;

use clap::Args;

use super::{FleetFileArgs, StoreArgs};

/// `fleet plan`, and what `fleet upgrade` plans with.
#[derive(Debug, Args)]
pub struct FleetPlanArgs {
    /// The release.
    pub tag: String,
    /// The environment that is upgraded.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// The fleet.
    #[command(flatten)]
    pub fleet: FleetFileArgs,
    /// Leave this node out: it is known to be broken, or somebody else's turn. It counts as down. May be given
    /// several times.
    #[arg(long, value_name = "NODE")]
    pub without: Vec<String>,
    /// Move nodes, too, on which relman has installed nothing yet.
    #[arg(long)]
    pub first_install: bool,
    /// A file that `relman bundle` wrote, for the nodes that have no way to the store.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// The operator's own look at the store.
    #[command(flatten)]
    pub store: StoreArgs,
}
