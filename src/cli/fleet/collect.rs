//! `relman fleet collect`: receipts and journals of all nodes, for the log and for the post-mortem.

use jiff::Timestamp;
use serde_json::json;

use super::collected::{Gather, collect};
use super::wiring::Wiring;
use crate::cli::args::{Cli, FleetCollectArgs};
use crate::cli::project::start_dir;
use crate::error::Context;
use crate::fleet::aftermath::since;
use crate::fleet::pick::pick;
use crate::io::clock;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Kind, Result};

/// Runs the command.
pub fn run(cli: &Cli, args: &FleetCollectArgs, progress: &mut Progress) -> Result<Answer> {
    let wiring = Wiring::new(cli, &args.place, None, true)?;
    let nodes = pick(&wiring.config, Some(&args.env), &args.nodes)?;
    let since: Timestamp = match &args.since {
        Some(text) => text.parse().or_usage(|| {
            format!("--since is {text:?}, wanted a time such as 2026-02-01T00:00:00Z")
        })?,
        None => of_newest(&wiring, &args.env)?,
    };
    let name = format!(
        "fleet-{}-{}",
        args.env,
        clock::now().strftime("%Y%m%dT%H%M%SZ")
    );
    let path = match &args.out {
        Some(out) => start_dir(cli)?.join(out),
        None => start_dir(cli)?.join(format!("{name}.tar.gz")),
    };
    let gather = Gather {
        environment: &args.env,
        nodes: &nodes,
        since,
        path: &path,
        name: &name,
        parallel: wiring.config.ssh.parallel,
    };
    let collected = collect(cli, wiring.hosts(), &gather, progress)?;
    let mut out = format!("wrote {}\n", path.display());
    out.push_str(&format!("  journals since {}\n", text::time(since)));
    for line in &collected.taken {
        out.push_str(&format!("{line}\n"));
    }
    for problem in &collected.problems {
        out.push_str(&format!("problem: {}\n", text::line(problem)));
    }
    out.push_str(&collected.next());
    let data = json!({ "environment": args.env, "since": since.to_string(), "file": path,
        "nodes": collected.rows, "problems": collected.problems });
    Ok(match collected.problems.is_empty() {
        true => Answer::done(data, out),
        false => Answer::findings(Kind::Partial, data, out),
    })
}

/// From when on the journals of the environment's newest rollout that is over are of interest.
fn of_newest(wiring: &Wiring, environment: &str) -> Result<Timestamp> {
    let all = wiring.all()?;
    let mut newest = all.iter().rev();
    let newest = newest.find(|r| r.is_over() && r.environment().name == environment);
    newest.map(|record| since(&all, record)).ok_or_else(|| {
        let seen = match &wiring.alone {
            Some(why) => format!(", and records in a store are not seen: {why}"),
            None => String::new(),
        };
        Error::usage(format!("no rollout of {environment} is over{seen}")).hint(format!(
            "say from when on: relman fleet collect --env {environment} --since 2026-02-01T00:00:00Z"
        ))
    })
}
