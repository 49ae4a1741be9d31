//! Arguments of the commands about a store as a whole: yank, freshness, standing, mirrors.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{HttpArgs, StoreArgs};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// No new installs; going back to it passes with a warning.
    Withdrawn,
    /// Neither installs nor going back to it.
    Dangerous,
    /// Not yanked any more.
    None,
}

impl Level {
    /// The word in metadata and log.
    pub fn word(self) -> &'static str {
        match self {
            Level::Withdrawn => "withdrawn",
            Level::Dangerous => "dangerous",
            Level::None => "none",
        }
    }
}

/// `yank`
#[derive(Debug, Args)]
pub struct YankArgs {
    /// The release.
    pub tag: String,
    /// How bad it is.
    #[arg(long, value_enum)]
    pub level: Level,
    /// Why, and what to do: operators and auditors read it.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// `timestamp`
#[derive(Debug, Args)]
pub struct TimestampArgs {
    /// Sign nothing while the timestamp is valid for longer than this.
    #[arg(long, value_name = "HOURS")]
    pub renew_before: Option<u32>,
}

/// `repo`
#[derive(Debug, Args)]
pub struct RepoArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: RepoCommand,
}

/// The commands below `repo`.
#[derive(Debug, Subcommand)]
pub enum RepoCommand {
    /// Roles, signatures, expiries, and what waits for whom.
    Status(RepoStatusArgs),
}

/// `repo status`
#[derive(Debug, Args)]
pub struct RepoStatusArgs {
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Tell how far this mirror is behind; may be given several times.
    #[arg(long, value_name = "PATH|URL")]
    pub mirror: Vec<String>,
}

/// `mirror`
#[derive(Debug, Args)]
pub struct MirrorArgs {
    /// The store to copy: a directory or a URL.
    pub from: String,
    /// The directories to copy it to.
    #[arg(required = true)]
    pub to: Vec<PathBuf>,
    /// The trust root to check it with [default: the project's].
    #[arg(long, value_name = "FILE")]
    pub root: Option<PathBuf>,
    /// How to reach it.
    #[command(flatten)]
    pub http: HttpArgs,
}
