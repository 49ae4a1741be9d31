//! `relman fleet upgrade`, `resume`, `pause`, `abort`: a rollout, and what is wished of one.

use super::after::after;
use super::ended::{answer, asked};
use super::plan::{self, Planned};
use super::wiring::{Wiring, chance};
use crate::cli::args::{Cli, FleetAbortArgs, FleetPauseArgs, FleetResumeArgs, FleetUpgradeArgs};
use crate::cli::project::start_dir;
use crate::fleet::guard::Guards;
use crate::fleet::rollout::{self, Asked};
use crate::io::{ask, process};
use crate::ui::{Answer, Progress};
use crate::{Error, Result};

/// `relman fleet upgrade`.
pub fn upgrade(cli: &Cli, args: &FleetUpgradeArgs, progress: &mut Progress) -> Result<Answer> {
    let Planned {
        config,
        hosts,
        plan,
    } = plan::make(cli, &args.plan, progress)?;
    progress.end();
    for line in plan::for_people(&plan).lines() {
        progress.say(line);
    }
    let wiring = Wiring::with(cli, args.plan.store.store.as_deref(), config, hosts, false)?;
    if plan.refusals.is_empty() && !args.yes {
        agree(cli)?;
    }
    let environment = args.plan.env.as_str();
    let chance = chance()?;
    let guard = wiring.guard(cli, environment, progress)?;
    let guard = guard.as_ref().map(|g| g as &dyn Guards);
    let ended = wiring.drive_guarded("fleet upgrade", environment, guard, progress, |m| {
        rollout::upgrade(m, plan, &chance)
    })?;
    let said = answer(&ended, false);
    Ok(after(cli, &wiring, &ended, args.no_collect, said, progress))
}

/// Asks whether the plan is to be carried out.
fn agree(cli: &Cli) -> Result<()> {
    if cli.json || !process::can_ask() {
        return Err(Error::usage("nobody is there to agree to the plan")
            .hint("read it, then run the same command with --yes"));
    }
    match ask::line("carry this out? yes or no", "no")?.as_str() {
        "yes" | "y" => Ok(()),
        _ => Err(Error::failed(
            "nothing was begun: the plan was not agreed to",
        )),
    }
}

/// `relman fleet resume`.
pub fn resume(cli: &Cli, args: &FleetResumeArgs, progress: &mut Progress) -> Result<Answer> {
    let bundle = match &args.bundle {
        Some(file) => Some(start_dir(cli)?.join(file)),
        None => None,
    };
    let wiring = Wiring::new(cli, &args.place, bundle, true)?;
    let id = wiring.find(args.id.as_deref())?;
    // An emergency waits for no store.
    let guard = match wiring.record(&id)?.is_emergency() {
        true => None,
        false => wiring.guard(cli, id.environment(), progress)?,
    };
    let guard = guard.as_ref().map(|g| g as &dyn Guards);
    let ended = wiring.drive_guarded("fleet resume", id.environment(), guard, progress, |m| {
        rollout::resume(m, &id, args.take_over)
    })?;
    let said = answer(&ended, false);
    Ok(after(cli, &wiring, &ended, args.no_collect, said, progress))
}

/// `relman fleet pause`.
pub fn pause(cli: &Cli, args: &FleetPauseArgs, progress: &mut Progress) -> Result<Answer> {
    let wiring = Wiring::new(cli, &args.place, None, false)?;
    let id = wiring.find(args.id.as_deref())?;
    let done = wiring.drive("fleet pause", id.environment(), progress, |m| {
        rollout::pause(m, &id)
    })?;
    Ok(asked(&done))
}

/// `relman fleet abort`.
pub fn abort(cli: &Cli, args: &FleetAbortArgs, progress: &mut Progress) -> Result<Answer> {
    let wiring = Wiring::new(cli, &args.place, None, false)?;
    let id = wiring.find(args.id.as_deref())?;
    let done = wiring.drive("fleet abort", id.environment(), progress, |m| {
        rollout::abort(m, &id, args.roll_back, args.take_over)
    })?;
    let said = asked(&done);
    Ok(match &done {
        Asked::Ended(ended) => after(cli, &wiring, ended, args.no_collect, said, progress),
        Asked::Written(_) => said,
    })
}
