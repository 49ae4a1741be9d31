//! Arguments of the commands about the log: what it says, whether it is whole, proofs, projections.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::StoreArgs;

/// `log`
#[derive(Debug, Args)]
pub struct LogArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: LogCommand,
}

/// The commands below `log`.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// What happened: all entries, some of them, or one whole.
    Show(LogShowArgs),
    /// Compute the log again from its entries and tell what is missing, differs or was left over.
    Fsck(LogFsckArgs),
    /// Write the proof that an entry is in the log under its newest checkpoint.
    Prove(LogProveArgs),
}

/// `log show`
#[derive(Debug, Args)]
pub struct LogShowArgs {
    /// Show this entry whole: its number, counted from 0.
    #[arg(conflicts_with_all = ["release", "kind", "person", "environment", "from", "until", "json_lines"])]
    pub index: Option<u64>,
    /// Only entries about this release, and those that moved an environment to it.
    #[arg(long, value_name = "TAG")]
    pub release: Option<String>,
    /// Only this kind (release, metadata, announcement, override, yank, gate, approval, rebuild, unknown), or this predicate type.
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// Only what this person signed.
    #[arg(long, value_name = "NAME")]
    pub person: Option<String>,
    /// Only entries about this environment.
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// Only what was signed then or later (2026-02-01T00:00:00Z, or a date).
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Only what was signed before that.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Print one JSON object a line, as they are read.
    #[arg(long, conflicts_with = "json")]
    pub json_lines: bool,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `log fsck`
#[derive(Debug, Args)]
pub struct LogFsckArgs {
    /// Take entries and tiles that are damaged or missing here from this copy of the store, if they lead to the signed root.
    #[arg(long, value_name = "PATH|URL")]
    pub from: Option<String>,
    #[cfg(feature = "maintainer")]
    /// Write what is missing and can be rebuilt, under the store's lease; nothing that is there is changed.
    #[arg(long, conflicts_with_all = ["store", "root"])]
    pub repair: bool,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `log prove`
#[derive(Debug, Args)]
pub struct LogProveArgs {
    /// A release, for its own entry; or the number of an entry.
    #[arg(value_name = "TAG|INDEX")]
    pub what: String,
    /// Write the proof here instead of to stdout.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[cfg(feature = "maintainer")]
    /// Publish fresher proofs beside those of a release and of all evidence about it.
    #[arg(long, conflicts_with_all = ["out", "store", "root"])]
    pub refresh: bool,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `docs`
#[derive(Debug, Args)]
pub struct DocsArgs {
    /// Where the files are [default: the project's directory, or this one].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write nothing; exit 1 where a file is not what the log says.
    #[arg(long)]
    pub check: bool,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
}
