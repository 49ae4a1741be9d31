//! Arguments of the commands below `node` that are about its daemon.

use clap::Args;
use jiff::Timestamp;

use super::NodeArgs;

/// `node stop`
#[derive(Debug, Args)]
pub struct NodeStopArgs {
    /// Little time for the daemon to end.
    #[arg(long)]
    pub at_once: bool,
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// `node start`
#[derive(Debug, Args)]
pub struct NodeStartArgs {
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// `node chain`
#[derive(Debug, Args)]
pub struct NodeChainArgs {
    /// Tell the hash of the block at this height, too.
    #[arg(long, value_name = "HEIGHT")]
    pub at: Option<u64>,
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// `node journal`
#[derive(Debug, Args)]
pub struct NodeJournalArgs {
    /// From when on, e.g. 2026-01-05T09:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub since: Timestamp,
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
}
