//! Arguments of `relman fleet`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    FleetAbortArgs, FleetCollectArgs, FleetExplainArgs, FleetHaltArgs, FleetPauseArgs,
    FleetPlanArgs, FleetReadinessArgs, FleetResumeArgs, FleetRollbackArgs, FleetStatusArgs,
    FleetStopArgs, FleetUpgradeArgs,
};

/// `fleet`
#[derive(Debug, Args)]
pub struct FleetArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: FleetCommand,
}

/// Commands below `fleet`.
#[derive(Debug, Subcommand)]
pub enum FleetCommand {
    /// Read fleet.toml, reach every node and say what is wrong.
    Check(FleetCheckArgs),
    /// Put relman, the trust root and node.toml on new nodes.
    Bootstrap(FleetBootstrapArgs),
    /// What an upgrade would do, what it costs and what forbids it; changes nothing.
    Plan(FleetPlanArgs),
    /// Take in all nodes' receipts, and put what their daemons wrote into one archive.
    Collect(FleetCollectArgs),
    /// Which weight of an environment runs which release, verified.
    Readiness(FleetReadinessArgs),
    /// Carry a plan out, node after node, and stop at the first failure.
    Upgrade(FleetUpgradeArgs),
    /// Go on with a rollout that was paused, held or left by a killed driver; on any machine.
    Resume(FleetResumeArgs),
    /// Have a rollout wait before its next step.
    Pause(FleetPauseArgs),
    /// End a rollout, and put back what it moved, if asked.
    Abort(FleetAbortArgs),
    /// How far a rollout is: node, release, step, health, since.
    Status(FleetStatusArgs),
    /// Why a node is where it is in a rollout.
    Explain(FleetExplainArgs),
    /// Emergency: stop every daemon of an environment at once.
    Stop(FleetStopArgs),
    /// Emergency: put back what an environment ran before, and start it node by node.
    Rollback(FleetRollbackArgs),
    /// Stop new installs in an environment, by any one on-call key.
    Halt(FleetHaltArgs),
}

impl FleetCommand {
    /// The command's words, for messages and JSON.
    pub fn name(&self) -> &'static str {
        match self {
            FleetCommand::Check(_) => "fleet check",
            FleetCommand::Bootstrap(_) => "fleet bootstrap",
            FleetCommand::Plan(_) => "fleet plan",
            FleetCommand::Collect(_) => "fleet collect",
            FleetCommand::Readiness(_) => "fleet readiness",
            FleetCommand::Upgrade(_) => "fleet upgrade",
            FleetCommand::Resume(_) => "fleet resume",
            FleetCommand::Pause(_) => "fleet pause",
            FleetCommand::Abort(_) => "fleet abort",
            FleetCommand::Status(_) => "fleet status",
            FleetCommand::Explain(_) => "fleet explain",
            FleetCommand::Stop(_) => "fleet stop",
            FleetCommand::Rollback(_) => "fleet rollback",
            FleetCommand::Halt(_) => "fleet halt",
        }
    }
}

/// Where the fleet is described.
#[derive(Debug, Args, Clone)]
pub struct FleetFileArgs {
    /// The fleet's file [default: fleet.toml here, or beside relman.toml].
    #[arg(long = "fleet", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// `fleet check`
#[derive(Debug, Args)]
pub struct FleetCheckArgs {
    /// The fleet.
    #[command(flatten)]
    pub fleet: FleetFileArgs,
    /// Only the nodes of this environment.
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// Only this node, or the nodes of this group; may be given several times.
    #[arg(long = "node", value_name = "NAME|GROUP")]
    pub nodes: Vec<String>,
}

/// `fleet bootstrap`
#[derive(Debug, Args)]
pub struct FleetBootstrapArgs {
    /// Nodes, or groups of them.
    #[arg(required = true, value_name = "NODE|GROUP")]
    pub nodes: Vec<String>,
    /// The fleet.
    #[command(flatten)]
    pub fleet: FleetFileArgs,
    /// The relman to bring: an executable for the nodes' machines.
    #[arg(long, value_name = "FILE", required_unless_present = "release")]
    pub binary: Option<PathBuf>,
    /// The relman of this release of the project's store, which is verified first, in place of a file.
    #[arg(long, value_name = "TAG", conflicts_with = "binary")]
    pub release: Option<String>,
    /// The node's configuration; {name} and {environment} in it become those of each node.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The trust root, got by a way that you trust.
    #[arg(long, value_name = "FILE")]
    pub root: PathBuf,
    /// Put the new relman in the place of one that is there.
    #[arg(long)]
    pub replace: bool,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}
