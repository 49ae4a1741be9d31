//! Arguments of the commands that move a fleet, stop it and put it back.

use std::path::PathBuf;

use clap::Args;

use super::{FleetFileArgs, FleetPlanArgs};

/// `fleet upgrade`
#[derive(Debug, Args)]
pub struct FleetUpgradeArgs {
    /// What is planned.
    #[command(flatten)]
    pub plan: FleetPlanArgs,
    /// Carry the plan out without being asked.
    #[arg(long, short)]
    pub yes: bool,
    /// Do not fetch receipts and journals of the nodes once it is over.
    #[arg(long)]
    pub no_collect: bool,
}

/// Where fleet and records are.
#[derive(Debug, Args, Clone)]
pub struct FleetPlaceArgs {
    /// The fleet.
    #[command(flatten)]
    pub fleet: FleetFileArgs,
    /// The store that keeps the records: a directory or s3://BUCKET/PREFIX [default: the project's].
    #[arg(long, value_name = "PATH|URL")]
    pub store: Option<String>,
}

/// `fleet resume`
#[derive(Debug, Args)]
pub struct FleetResumeArgs {
    /// The rollout [default: the only one that is not over].
    pub id: Option<String>,
    /// Fleet and records.
    #[command(flatten)]
    pub place: FleetPlaceArgs,
    /// A file that `relman bundle` wrote, for the nodes that have no way to the store.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Drive it although somebody else's lease has not run out; whoever that is stops before the next step.
    #[arg(long)]
    pub take_over: bool,
    /// Do not fetch receipts and journals of the nodes once it is over.
    #[arg(long)]
    pub no_collect: bool,
}

/// `fleet pause`
#[derive(Debug, Args)]
pub struct FleetPauseArgs {
    /// The rollout [default: the only one that is not over].
    pub id: Option<String>,
    /// Fleet and records.
    #[command(flatten)]
    pub place: FleetPlaceArgs,
}

/// `fleet abort`
#[derive(Debug, Args)]
pub struct FleetAbortArgs {
    /// The rollout [default: the only one that is not over].
    pub id: Option<String>,
    /// Fleet and records.
    #[command(flatten)]
    pub place: FleetPlaceArgs,
    /// Put back what was moved, one node after another.
    #[arg(long)]
    pub roll_back: bool,
    /// Do it here although somebody else's lease has not run out.
    #[arg(long)]
    pub take_over: bool,
    /// Do not fetch receipts and journals of the nodes once it is over.
    #[arg(long)]
    pub no_collect: bool,
}

/// `fleet status`
#[derive(Debug, Args)]
pub struct FleetStatusArgs {
    /// The rollout [default: the newest, one that is not over before all others].
    pub id: Option<String>,
    /// Fleet and records.
    #[command(flatten)]
    pub place: FleetPlaceArgs,
    /// Show it until it is over or waits for somebody.
    #[arg(long)]
    pub watch: bool,
}

/// `fleet explain`
#[derive(Debug, Args)]
pub struct FleetExplainArgs {
    /// The node.
    pub node: String,
    /// The rollout [default: as for status].
    #[arg(long, value_name = "ID")]
    pub rollout: Option<String>,
    /// Fleet and records.
    #[command(flatten)]
    pub place: FleetPlaceArgs,
}

/// `fleet stop`
#[derive(Debug, Args)]
pub struct FleetStopArgs {
    /// The environment.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// Only this node, or the nodes of this group; may be given several times.
    #[arg(long = "node", value_name = "NAME|GROUP")]
    pub nodes: Vec<String>,
    /// Fleet and records.
    #[command(flatten)]
    pub place: FleetPlaceArgs,
}

/// `fleet rollback`
#[derive(Debug, Args)]
pub struct FleetRollbackArgs {
    /// The environment.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// Where all go [default: each to what it ran before the newest upgrade].
    #[arg(long, value_name = "TAG")]
    pub to: Option<String>,
    /// Put the data of the release's time back as well.
    #[arg(long)]
    pub with_data: bool,
    /// Do not fetch receipts and journals of the nodes once it is over.
    #[arg(long)]
    pub no_collect: bool,
    /// Only this node, or the nodes of this group; may be given several times.
    #[arg(long = "node", value_name = "NAME|GROUP")]
    pub nodes: Vec<String>,
    /// Fleet and records.
    #[command(flatten)]
    pub place: FleetPlaceArgs,
}
