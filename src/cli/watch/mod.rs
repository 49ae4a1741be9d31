//! `relman watch …`: the decision matrix at work.

mod act;
mod check;
mod checklist;
mod declare;
pub(super) mod declared;
mod live;
mod replay;
mod report;
mod show;
mod stage;
mod words;

use super::args::{Cli, WatchArgs, WatchCommand};
use crate::Result;
use crate::ui::{Answer, Progress};

/// `relman watch …`.
pub fn run(cli: &Cli, args: &WatchArgs, progress: &mut Progress) -> Result<Answer> {
    match &args.command {
        Some(WatchCommand::Check(args)) => check::run(cli, args, progress),
        Some(WatchCommand::Replay(args)) => replay::run(cli, args, progress),
        Some(WatchCommand::Declare(args)) => declare::run(cli, args, progress),
        Some(WatchCommand::Stage(args)) => stage::run(cli, args, progress),
        Some(WatchCommand::Checklist(args)) => checklist::run(cli, args, progress),
        None => live::run(cli, &args.live, progress),
    }
}
