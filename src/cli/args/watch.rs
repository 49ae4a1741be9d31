//! Arguments of `relman watch`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{FleetPlaceArgs, WatchChecklistArgs, WatchStageArgs};

/// `watch`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct WatchArgs {
    /// What to do [default: watch a network].
    #[command(subcommand)]
    pub command: Option<WatchCommand>,
    /// The network.
    #[command(flatten)]
    pub live: WatchLiveArgs,
}

/// Commands below `watch`.
#[derive(Debug, Subcommand)]
pub enum WatchCommand {
    /// Read a watch policy and print the decision matrix, or all that is wrong with it.
    Check(WatchCheckArgs),
    /// What a policy would have decided on recorded looks.
    Replay(WatchReplayArgs),
    /// Say, as a person, what no source can tell: a vulnerability, an ordinary bug.
    Declare(WatchDeclareArgs),
    /// Check a release on all nodes over the first minutes, hour, day or week, and sign what was found.
    Stage(WatchStageArgs),
    /// What people have to see to before a handover, or before mainnet.
    Checklist(WatchChecklistArgs),
}

impl WatchArgs {
    /// The command's words, for messages and JSON.
    pub fn name(&self) -> &'static str {
        match &self.command {
            None => "watch",
            Some(WatchCommand::Check(_)) => "watch check",
            Some(WatchCommand::Replay(_)) => "watch replay",
            Some(WatchCommand::Declare(_)) => "watch declare",
            Some(WatchCommand::Stage(_)) => "watch stage",
            Some(WatchCommand::Checklist(_)) => "watch checklist",
        }
    }
}

/// Which policy.
#[derive(Debug, Args, Clone)]
pub struct PolicyArgs {
    /// A policy that nobody has to have signed [default: the one that the project's trust root names, then watch.toml
    /// beside relman.toml].
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

/// `watch` itself
#[derive(Debug, Args)]
pub struct WatchLiveArgs {
    /// The environment.
    #[arg(long, value_name = "NAME", required = true)]
    pub env: Option<String>,
    /// Watch while this rollout goes on, and end with it; "open" for the one that is not over.
    #[arg(long, value_name = "ROLLOUT")]
    pub during: Option<String>,
    /// Do what is decided: pause the rollout, or roll back. Only a signed policy is acted on.
    #[arg(long)]
    pub act: bool,
    /// End after so many looks [default: never, or with the rollout].
    #[arg(long, value_name = "N")]
    pub looks: Option<u64>,
    /// Take Alertmanager's webhook at this loopback address as one more source.
    #[arg(long, value_name = "127.0.0.1:PORT")]
    pub alertmanager: Option<String>,
    /// Print each look's decision as a line of JSON (with --json, too).
    #[arg(long)]
    pub json_lines: bool,
    /// Lines of text in place of the live view.
    #[arg(long)]
    pub plain: bool,
    /// The policy.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Fleet and records.
    #[command(flatten)]
    pub place: FleetPlaceArgs,
}

/// `watch check`
#[derive(Debug, Args)]
pub struct WatchCheckArgs {
    /// The policy.
    #[command(flatten)]
    pub policy: PolicyArgs,
}

/// `watch replay`
#[derive(Debug, Args)]
pub struct WatchReplayArgs {
    /// A recording, as `relman watch` keeps them below .relman/watch.
    #[arg(value_name = "FILE")]
    pub recording: PathBuf,
    /// The policy.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Print the decision of each look as a line of JSON.
    #[arg(long)]
    pub json_lines: bool,
}

/// `watch declare`
#[derive(Debug, Args)]
pub struct WatchDeclareArgs {
    /// The signal: one of the policy's with source "person".
    #[arg(value_name = "SIGNAL")]
    pub signal: String,
    /// The environment.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// Why, in one line.
    #[arg(long, value_name = "TEXT", required_unless_present = "withdraw")]
    pub why: Option<String>,
    /// It holds no longer.
    #[arg(long, conflicts_with = "why")]
    pub withdraw: bool,
    /// The policy.
    #[command(flatten)]
    pub policy: PolicyArgs,
}
