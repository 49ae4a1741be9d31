//! Arguments of the commands that work on one node.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{NodeChainArgs, NodeJournalArgs, NodeSignalsArgs, NodeStartArgs, NodeStopArgs};

/// Where a node is configured.
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// The node's configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/relman/node.toml")]
    pub config: PathBuf,
}

/// `install`
#[derive(Debug, Args)]
pub struct InstallArgs {
    /// The tag [default: what the node's environment has agreed on; on a local node, what the bundle is of].
    pub tag: Option<String>,
    /// A file that `relman bundle` wrote, in place of the node's store.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
    /// Verify and print the plan, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Go on although the daemon does not run now, or not the current version's bytes.
    #[arg(long)]
    pub force: bool,
    /// Start the daemon although somebody had stopped it.
    #[arg(long)]
    pub start: bool,
}

/// `rollback`
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
    /// The retained release to go back to [default: the one before].
    #[arg(long, value_name = "TAG")]
    pub to: Option<String>,
    /// Verify and print the plan, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Start the daemon although somebody had stopped it.
    #[arg(long)]
    pub start: bool,
    /// Put the data of the release's time back as well, from the backup that was made when it was
    /// left; protected paths stay as they are.
    #[arg(long)]
    pub with_data: bool,
    /// Little time for the daemon to end, and no more of the health check than that the verified
    /// bytes run. Every signature and digest is checked as always.
    #[arg(long)]
    pub emergency: bool,
}

/// `status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
    /// Print metrics for Prometheus (node_exporter's textfile collector); problems are among them.
    #[arg(long)]
    pub prometheus: bool,
    /// With --prometheus: replace this file instead of printing.
    #[arg(long, value_name = "FILE", requires = "prometheus")]
    pub out: Option<PathBuf>,
}

/// `recover`
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
    /// Before the daemon's own turn: wait neither for it nor for a running install.
    #[arg(long)]
    pub boot: bool,
}

/// `doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// `node`
#[derive(Debug, Args)]
pub struct NodeGroupArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: NodeCommand,
}

/// Commands below `node`.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Look at this host and write a commented node.toml.
    Init(NodeInitArgs),
    /// Say what is wrong with node.toml on this host.
    Check(NodeCheckArgs),
    /// Put plain files back at the binaries' paths, and leave the host as before relman.
    Release(NodeReleaseArgs),
    /// The systemd units that recover this node before its daemon starts.
    Units(NodeUnitsArgs),
    /// Stop the daemon at once, so that it stays stopped.
    Stop(NodeStopArgs),
    /// Start the daemon, if what is installed is whole.
    Start(NodeStartArgs),
    /// Where the daemon's chain stands, by its own RPC.
    Chain(NodeChainArgs),
    /// All that one look can know of the daemon: chain, metrics, service, log.
    Signals(NodeSignalsArgs),
    /// Print what the daemon wrote since then.
    Journal(NodeJournalArgs),
}

impl NodeCommand {
    /// The command's words, for messages and JSON.
    pub fn name(&self) -> &'static str {
        match self {
            NodeCommand::Init(_) => "node init",
            NodeCommand::Check(_) => "node check",
            NodeCommand::Release(_) => "node release",
            NodeCommand::Units(_) => "node units",
            NodeCommand::Stop(_) => "node stop",
            NodeCommand::Start(_) => "node start",
            NodeCommand::Chain(_) => "node chain",
            NodeCommand::Signals(_) => "node signals",
            NodeCommand::Journal(_) => "node journal",
        }
    }
}

/// `node init`
#[derive(Debug, Args)]
pub struct NodeInitArgs {
    /// The file to write; it must not exist.
    #[command(flatten)]
    pub node: NodeArgs,
    /// The store: a directory or an https:// address.
    #[arg(long, value_name = "STORE")]
    pub store: String,
    /// The trust root file, got by a way that you trust.
    #[arg(long, value_name = "FILE")]
    pub root: PathBuf,
    /// local, testnet or mainnet.
    #[arg(long, value_name = "NAME", default_value = "local")]
    pub environment: String,
    /// The daemon's systemd unit [default: found by the binary's name].
    #[arg(long, value_name = "UNIT")]
    pub unit: Option<String>,
    /// Name of the daemon's binary in the release.
    #[arg(long, value_name = "NAME")]
    pub binary: String,
    /// Where the binary is on this host [default: what the unit starts, or /usr/local/bin/NAME].
    #[arg(long, value_name = "FILE")]
    pub path: Option<PathBuf>,
    /// Name of this node [default: the unit's or the binary's].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Print it and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// `node check`
#[derive(Debug, Args)]
pub struct NodeCheckArgs {
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// `node release`
#[derive(Debug, Args)]
pub struct NodeReleaseArgs {
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// `node units`
#[derive(Debug, Args)]
pub struct NodeUnitsArgs {
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
    /// Write them and have systemd read them, instead of printing them.
    #[arg(long)]
    pub write: bool,
    /// Where units are written.
    #[arg(long, value_name = "DIR", default_value = "/etc/systemd/system")]
    pub dir: PathBuf,
}
