//! `relman fleet stop` and `relman fleet rollback`: everything at once. Nobody is asked anything.

use super::after::after;
use super::ended::answer;
use super::wiring::{Wiring, chance};
use crate::Result;
use crate::cli::args::{Cli, FleetRollbackArgs, FleetStopArgs};
use crate::fleet::pick::pick;
use crate::fleet::rollout::{self, Orders};
use crate::release::tag::Tag;
use crate::ui::{Answer, Progress};

/// `relman fleet stop`.
pub fn stop(cli: &Cli, args: &FleetStopArgs, progress: &mut Progress) -> Result<Answer> {
    let wiring = Wiring::new(cli, &args.place, None, true)?;
    let environment = wiring.config.environment(&args.env)?.clone();
    let names = names(&wiring, &args.env, &args.nodes)?;
    let chance = chance()?;
    let ended = wiring.drive("fleet stop", &args.env, progress, |m| {
        rollout::stop(m, &environment, &names, &chance)
    })?;
    Ok(answer(&ended, false))
}

/// `relman fleet rollback`.
pub fn rollback(cli: &Cli, args: &FleetRollbackArgs, progress: &mut Progress) -> Result<Answer> {
    if let Some(to) = args.to.as_deref().filter(|to| !to.starts_with("adopted-")) {
        Tag::parse_any(to)?;
    }
    let wiring = Wiring::new(cli, &args.place, None, true)?;
    let environment = wiring.config.environment(&args.env)?.clone();
    let names = names(&wiring, &args.env, &args.nodes)?;
    let orders = Orders {
        to: args.to.clone(),
        with_data: args.with_data,
    };
    let chance = chance()?;
    let ended = wiring.drive("fleet rollback", &args.env, progress, |m| {
        rollout::rollback(m, &environment, &names, &orders, &chance)
    })?;
    let said = answer(&ended, false);
    Ok(after(cli, &wiring, &ended, args.no_collect, said, progress))
}

fn names(wiring: &Wiring, environment: &str, named: &[String]) -> Result<Vec<String>> {
    let nodes = pick(&wiring.config, Some(environment), named)?;
    Ok(nodes.into_iter().map(|n| n.name.clone()).collect())
}
