//! Arguments of the commands that move environments.

use std::path::PathBuf;

use clap::Args;

/// `promote`
#[derive(Debug, Args)]
pub struct PromoteArgs {
    /// The release.
    pub tag: String,
    /// The environment that is to run it.
    #[arg(long, value_name = "ENVIRONMENT")]
    pub to: String,
    /// Nodes may install it from then on, e.g. 2026-02-03T06:00:00Z [default: what was announced].
    #[arg(long, value_name = "TIME")]
    pub not_before: Option<String>,
    /// Why: wanted when an environment goes back, or when rules are set aside.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Ask the environment's overriders to set rules aside: soak, notice, order, approvals.
    #[arg(long = "override", value_name = "RULES", value_delimiter = ',')]
    pub set_aside: Vec<String>,
}

/// `agree`
#[derive(Debug, Args)]
pub struct AgreeArgs {
    /// An environment, a proposal, or a file that `relman export` wrote [default: the one that waits].
    #[arg(value_name = "ENVIRONMENT|ID|FILE")]
    pub what: Option<String>,
    /// Sign with this private key file, this .pub file's key in the ssh-agent, or any key of the agent, instead of the one in the secret keys' directory.
    #[arg(long, value_name = "FILE|agent")]
    pub key: Option<PathBuf>,
    /// The trust root to check the proposal with [default: the project's].
    #[arg(long, value_name = "FILE")]
    pub root: Option<PathBuf>,
    /// Write the signed file here instead of over the one that was read.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Show what would be agreed to, and sign nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Sign without being asked.
    #[arg(long, short)]
    pub yes: bool,
}

/// `announce`
#[derive(Debug, Args)]
pub struct AnnounceArgs {
    /// The release.
    pub tag: String,
    /// The environment that is to run it.
    #[arg(long, value_name = "ENVIRONMENT")]
    pub to: String,
    /// When the maintenance window begins [default: as soon as the notice is over].
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// How long the window is.
    #[arg(long, value_name = "MINUTES", default_value_t = 240)]
    pub window: u64,
    /// How long each node is expected to be down.
    #[arg(long, value_name = "MINUTES", default_value_t = 30)]
    pub downtime: u64,
    /// Say instead that the environment's nodes went back to the release, from this one.
    #[arg(long, value_name = "TAG", requires = "reason", conflicts_with_all = ["at", "window", "downtime"])]
    pub rolled_back_from: Option<String>,
    /// Why they went back.
    #[arg(long, value_name = "TEXT", requires = "rolled_back_from")]
    pub reason: Option<String>,
}
