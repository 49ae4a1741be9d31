//! Arguments of `relman fleet`.

use clap::{Args, Subcommand};

use super::fleet_halt::FleetHaltArgs;

/// `fleet`
#[derive(Debug, Args)]
pub struct FleetArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: FleetCommand,
}

/// Commands below `fleet`.
#[derive(Debug, Subcommand)]
pub enum FleetCommand {
    /// Stop new installs in an environment, by any one on-call key.
    Halt(FleetHaltArgs),
}

impl FleetCommand {
    /// The command's words, for messages and JSON.
    pub fn name(&self) -> &'static str {
        match self {
            FleetCommand::Halt(_) => "fleet halt",
        }
    }
}
