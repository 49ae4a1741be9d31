//! `relman fleet plan`: what an upgrade would do, and what forbids it. Changes nothing.

use serde_json::json;

use super::{read, waiting};
use crate::cli::args::{Cli, FleetPlanArgs};
use crate::cli::project::{start_dir, store_and_root};
use crate::cli::verify;
use crate::fleet::config::FleetConfig;
use crate::fleet::plan::{Choice, Plan, gather};
use crate::io::fleet_ssh::SshHosts;
use crate::release::cut::Events;
use crate::release::tag::Tag;
use crate::release::verify::Unpacking;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Kind, Result};

/// Runs the command.
pub fn run(cli: &Cli, args: &FleetPlanArgs, progress: &mut Progress) -> Result<Answer> {
    let planned = make(cli, args, progress)?;
    let out = for_people(&planned.plan);
    let data = json!(planned.plan);
    Ok(match planned.plan.refusals.is_empty() {
        true => Answer::named("planned", data, out),
        false => Answer::findings(Kind::Refused, data, out),
    })
}

/// A plan and with what it was made.
pub(super) struct Planned {
    /// The fleet.
    pub config: FleetConfig,
    /// Its hosts.
    pub hosts: SshHosts,
    /// The plan.
    pub plan: Plan,
}

/// Looks at the store and asks every node.
///
/// # Errors
/// Usage: no such environment, no fleet, a tag that is none. What forbids an upgrade is in the plan.
pub(super) fn make(cli: &Cli, args: &FleetPlanArgs, progress: &mut Progress) -> Result<Planned> {
    let tag = Tag::parse_any(&args.tag)?;
    let (_, config) = read(cli, &args.fleet)?;
    let environment = config.environment(&args.env)?.clone();
    let bundle = match &args.bundle {
        Some(file) => Some(start_dir(cli)?.join(file)),
        None => None,
    };
    if bundle.is_none()
        && let Some(node) = config.nodes_of(&args.env).into_iter().find(|n| n.bundle)
    {
        return Err(Error::usage(format!(
            "node {} has no way to the store (bundle = true), and no bundle was named",
            node.name
        ))
        .hint(format!(
            "relman bundle {tag} --environment {} --out {tag}.bundle, then: --bundle {tag}.bundle",
            args.env
        )));
    }
    let hosts = SshHosts::new(&config, bundle)?;
    progress.stage(&format!("verify {tag} as a node of {} does", args.env));
    let mut authority = authority(cli, args, tag.as_str());
    if !authority.is_empty() {
        authority.extend(waiting::agreements(cli, &args.store, &args.env));
    }
    progress.stage(&format!("ask {} node(s)", config.nodes_of(&args.env).len()));
    let choice = Choice {
        left_out: args.without.iter().cloned().collect(),
        first_install: args.first_install,
    };
    let plan = gather(
        &hosts,
        &config,
        &environment,
        tag.as_str(),
        &choice,
        authority,
    );
    Ok(Planned {
        config,
        hosts,
        plan,
    })
}

/// What the operator's own look at the store says against it: every check that a node of the environment makes which has
/// never asked the store.
fn authority(cli: &Cli, args: &FleetPlanArgs, tag: &str) -> Vec<String> {
    let looked = store_and_root(cli, &args.store).map(|(store, root)| {
        verify::check(
            (store.as_ref(), &args.env),
            &root,
            tag,
            store.as_ref(),
            Unpacking::Members,
            &|released| store.open(&released.archive_path()),
            None,
        )
    });
    match looked {
        Err(error) => {
            let causes = error.causes().join(": ");
            vec![format!(
                "the store cannot be looked at: {}: {causes}",
                error.message()
            )]
        }
        Ok(verdict) => verdict
            .report
            .problems()
            .map(|(check, p)| format!("check {check}: {}: {}", p.subject, p.message))
            .collect(),
    }
}

/// The plan's lines; what nodes said cannot steer a terminal.
pub(super) fn for_people(plan: &Plan) -> String {
    plan.lines()
        .iter()
        .map(|line| text::line(line) + "\n")
        .collect()
}
