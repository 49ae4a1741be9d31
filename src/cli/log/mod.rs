//! `relman log`: what the log says, whether it is whole, and proofs from it.

mod prove;
mod show;

use super::args::{Cli, LogArgs, LogCommand};
use crate::Result;
use crate::ui::{Answer, Progress};

/// Runs the command.
pub fn run(cli: &Cli, args: &LogArgs, progress: &mut Progress) -> Result<Answer> {
    match &args.command {
        LogCommand::Show(args) => show::run(cli, args),
        #[cfg(feature = "maintainer")]
        LogCommand::Prove(args) if args.refresh => prove::refresh(cli, args, progress),
        LogCommand::Prove(args) => prove::run(cli, args),
        LogCommand::Fsck(_) => Err(crate::Error::bug("x")),
    }
}
