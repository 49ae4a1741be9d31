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

/// `node signals`
#[derive(Debug, Args)]
pub struct NodeSignalsArgs {
    /// Tell the hash of the block at this height, too.
    #[arg(long, value_name = "HEIGHT")]
    pub at: Option<u64>,
    /// Tell this metric: a name, or name{label="value"}; any number of them.
    #[arg(long, value_name = "METRIC")]
    pub metric: Vec<String>,
    /// Count the log's lines from then on.
    #[arg(long, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// Count lines behind this place alone: log.cursor of an answer before.
    #[arg(long, value_name = "CURSOR", requires = "since")]
    pub since_cursor: Option<String>,
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
}
