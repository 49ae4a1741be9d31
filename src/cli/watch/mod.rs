//! `relman watch …`: a network while it runs, and what is found of a release after its deployment.

use super::args::{Cli, WatchArgs, WatchCommand};
use super::{watch_checklist, watch_stage};
use crate::ui::{Answer, Progress};
use crate::{Error, Result};

/// `relman watch …`.
pub fn run(cli: &Cli, args: &WatchArgs, progress: &mut Progress) -> Result<Answer> {
    match &args.command {
        Some(WatchCommand::Stage(args)) => watch_stage::run(cli, args, progress),
        Some(WatchCommand::Checklist(args)) => watch_checklist::run(cli, args, progress),
        None => {
            Err(Error::usage("wanted a command, stage or checklist").hint("relman watch --help"))
        }
    }
}
