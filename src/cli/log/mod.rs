//! `relman log`: what the log says, whether it is whole, and proofs from it.

mod fsck;
mod prove;
mod show;

use super::args::{Cli, LogArgs, LogCommand};
use crate::Result;
use crate::ui::{Answer, Progress};

/// Runs the command.
#[cfg_attr(not(feature = "maintainer"), allow(unused_variables))]
pub fn run(cli: &Cli, args: &LogArgs, progress: &mut Progress) -> Result<Answer> {
    match &args.command {
        LogCommand::Show(args) => show::run(cli, args),
        #[cfg(feature = "maintainer")]
        LogCommand::Prove(args) if args.refresh => prove::refresh(cli, args, progress),
        LogCommand::Prove(args) => prove::run(cli, args),
        #[cfg(feature = "maintainer")]
        LogCommand::Fsck(args) if args.repair => fsck::repair(cli, args, progress),
        LogCommand::Fsck(args) => fsck::run(cli, args),
    }
}
