//! Arguments of `relman backup`.

use clap::{Args, Subcommand};

use super::NodeArgs;

/// `backup`
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: BackupCommand,
}

impl BackupArgs {
    /// The node that it is about.
    pub fn node(&self) -> &NodeArgs {
        match &self.command {
            BackupCommand::Create(args) => &args.node,
            BackupCommand::List(node) => node,
            BackupCommand::Verify(args) => &args.node,
            BackupCommand::Restore(args) => &args.node,
            BackupCommand::Prune(args) => &args.node,
        }
    }
}

/// The commands below `backup`.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Make a backup.
    Create(BackupCreateArgs),
    /// Show all backups.
    List(NodeArgs),
    /// Read every byte of a backup, and say all that is wrong with it.
    Verify(BackupVerifyArgs),
    /// Put back what a backup holds; what is protected stays as it is.
    Restore(BackupRestoreArgs),
    /// Remove the oldest backups, and what restores have put aside.
    Prune(BackupPruneArgs),
}

/// `backup create`
#[derive(Debug, Args)]
pub struct BackupCreateArgs {
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
    /// Stop the daemon, and start it again afterwards.
    #[arg(long)]
    pub stop: bool,
    /// Read the files while the daemon runs.
    #[arg(long, conflicts_with = "stop")]
    pub hot: bool,
    /// Why, for people.
    #[arg(long, value_name = "TEXT", default_value = "asked for")]
    pub reason: String,
    /// Print the plan, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// `backup restore`
#[derive(Debug, Args)]
pub struct BackupRestoreArgs {
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
    /// The backup, or its number.
    pub id: String,
    /// The data directory [default, together with the configuration, as far as the backup holds them].
    #[arg(long)]
    pub data: bool,
    /// The configuration.
    #[arg(long)]
    pub configuration: bool,
    /// The version that was current: a rollback, verified again.
    #[arg(long, conflicts_with_all = ["data", "configuration", "stop", "stopped"])]
    pub binary: bool,
    /// Stop the daemon, and start it again afterwards.
    #[arg(long)]
    pub stop: bool,
    /// The daemon is stopped; for nodes without a service.
    #[arg(long)]
    pub stopped: bool,
    /// Print the plan, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// `backup prune`
#[derive(Debug, Args)]
pub struct BackupPruneArgs {
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
    /// How many stay [default: backup.keep of node.toml].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub keep: Option<u16>,
}

/// `backup verify`
#[derive(Debug, Args)]
pub struct BackupVerifyArgs {
    /// The backup, or its number [default: all].
    pub id: Option<String>,
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
}
