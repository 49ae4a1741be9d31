//! `relman fleet …`: many nodes over the operator's ssh.

mod after;
mod bootstrap;
mod check;
mod collect;
mod collected;
mod emergency;
pub(super) mod ended;
mod halt;
mod halted;
mod plan;
mod readiness;
mod rollout;
mod status;
mod waiting;
pub(super) mod wiring;

use std::path::{Path, PathBuf};

use super::args::{Cli, FleetArgs, FleetCommand, FleetFileArgs};
use super::project::{Project, start_dir};
use crate::fleet::config::FleetConfig;
use crate::io::durable;
use crate::limits::MAX_FLEET_CONFIG_LEN;
use crate::ui::{Answer, Progress};
use crate::{Error, Result};

pub use halted::tell as tell_of_halts;

/// What the file is called where nobody names it.
const FILE_NAME: &str = "fleet.toml";

/// `relman fleet …`.
pub fn run(cli: &Cli, args: &FleetArgs, progress: &mut Progress) -> Result<Answer> {
    match &args.command {
        FleetCommand::Check(args) => check::run(cli, args, progress),
        FleetCommand::Bootstrap(args) => bootstrap::run(cli, args, progress),
        FleetCommand::Plan(args) => plan::run(cli, args, progress),
        FleetCommand::Collect(args) => collect::run(cli, args, progress),
        FleetCommand::Readiness(args) => readiness::run(cli, args, progress),
        FleetCommand::Upgrade(args) => rollout::upgrade(cli, args, progress),
        FleetCommand::Resume(args) => rollout::resume(cli, args, progress),
        FleetCommand::Pause(args) => rollout::pause(cli, args, progress),
        FleetCommand::Abort(args) => rollout::abort(cli, args, progress),
        FleetCommand::Status(args) => status::status(cli, args, progress),
        FleetCommand::Explain(args) => status::explain(cli, args, progress),
        FleetCommand::Stop(args) => emergency::stop(cli, args, progress),
        FleetCommand::Rollback(args) => emergency::rollback(cli, args, progress),
        FleetCommand::Halt(args) => halt::run(cli, args, progress),
    }
}

/// The fleet that the arguments name: its file, and what is in it.
///
/// # Errors
/// Usage: no such file, or one with problems; all of them.
pub(super) fn read(cli: &Cli, args: &FleetFileArgs) -> Result<(PathBuf, FleetConfig)> {
    let path = find(cli, args)?;
    let config = parse(&path)?;
    Ok((path, config))
}

/// Where the fleet's file is, or would be.
///
/// # Errors
/// A malformed `relman.toml`.
pub(super) fn find(cli: &Cli, args: &FleetFileArgs) -> Result<PathBuf> {
    let start = start_dir(cli)?;
    if let Some(file) = &args.file {
        return Ok(start.join(file));
    }
    let here = start.join(FILE_NAME);
    let beside = match durable::is_there(&here) {
        true => None,
        false => Project::look(cli)?.map(|project| project.dir.join(FILE_NAME)),
    };
    Ok(beside.unwrap_or(here))
}

fn parse(path: &Path) -> Result<FleetConfig> {
    let bytes = durable::read_bounded(path, MAX_FLEET_CONFIG_LEN)?.ok_or_else(|| {
        Error::usage(format!("there is no fleet at {}", path.display()))
            .hint("name its file: --fleet fleet.toml; what goes into it is in docs/fleet.md")
    })?;
    let text = String::from_utf8(bytes)
        .map_err(|e| Error::usage(format!("{} is not UTF-8", path.display())).caused_by(e))?;
    let dir = durable::resolve(durable::parent(path));
    FleetConfig::parse(&text, &dir).map_err(|e| e.under(path.display().to_string()))
}
