//! Arguments of `relman watch`.

use clap::{Args, Subcommand};

use super::{WatchChecklistArgs, WatchStageArgs};

/// `watch`
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<WatchCommand>,
}

/// The commands below `watch`.
#[derive(Debug, Subcommand)]
pub enum WatchCommand {
    /// Check a release on all nodes over the first minutes, hour, day or week, and sign what was found.
    Stage(WatchStageArgs),
    /// What people have to see to before a handover, or before mainnet.
    Checklist(WatchChecklistArgs),
}

impl WatchArgs {
    /// The command's words, for messages and JSON.
    pub fn name(&self) -> &'static str {
        match self.command {
            None => "watch",
            Some(WatchCommand::Stage(_)) => "watch stage",
            Some(WatchCommand::Checklist(_)) => "watch checklist",
        }
    }
}
