//! The command line of `relman receipts`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::NodeArgs;

/// `receipts`
#[derive(Debug, Args)]
pub struct ReceiptsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ReceiptsCommand,
}

/// The commands below `receipts`.
#[derive(Debug, Subcommand)]
pub enum ReceiptsCommand {
    /// This node's receipts, one line each.
    List(NodeArgs),
    /// One receipt with the verification that it names.
    Show(ReceiptsShowArgs),
    /// Check every signature and that each receipt follows the one before.
    Verify(ReceiptsVerifyArgs),
    /// Write receipts to a file, for whoever collects them.
    Export(ReceiptsExportArgs),
    /// This node's public key; it is made if there is none.
    Key(NodeArgs),
    #[cfg(feature = "maintainer")]
    /// Enter the digests of the batches that were imported here in the log.
    Push,
}

/// `receipts show`
#[derive(Debug, Args)]
pub struct ReceiptsShowArgs {
    /// Its number, counted from 1.
    #[arg(value_name = "N")]
    pub number: u64,
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// `receipts verify`
#[derive(Debug, Args)]
pub struct ReceiptsVerifyArgs {
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
    /// Ask the node's store, from this trust root on, whether the node's key counts; without it, whether
    /// the key is the node's own.
    #[arg(long, value_name = "FILE")]
    pub root: Option<PathBuf>,
}

/// `receipts export`
#[derive(Debug, Args)]
pub struct ReceiptsExportArgs {
    /// Only receipts from this number on.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub since: u64,
    /// The file to write; - is stdout.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
}
