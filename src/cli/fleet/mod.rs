//! `relman fleet …`: many nodes over the operator's ssh.

mod halt;

use super::args::{Cli, FleetArgs, FleetCommand};
use crate::Result;
use crate::ui::{Answer, Progress};

/// `relman fleet …`.
pub fn run(cli: &Cli, args: &FleetArgs, progress: &mut Progress) -> Result<Answer> {
    match &args.command {
        FleetCommand::Halt(args) => halt::run(cli, args, progress),
    }
}
