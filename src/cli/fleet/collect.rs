//! `relman fleet collect`: receipts and journals of all nodes, for the log and for the post-mortem.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::read;
use crate::cli::args::{Cli, FleetCollectArgs};
use crate::cli::desk::Desk;
use crate::cli::project::start_dir;
use crate::cli::receipts;
use crate::error::Context;
use crate::fleet::pick::pick;
use crate::io::fleet_ssh::SshHosts;
use crate::io::{clock, journals};
use crate::release::cut::Events;
use crate::ui::{Answer, Progress, text};
use crate::{Kind, Result};

/// Runs the command.
pub fn run(cli: &Cli, args: &FleetCollectArgs, progress: &mut Progress) -> Result<Answer> {
    let (_, config) = read(cli, &args.fleet)?;
    let nodes = pick(&config, Some(&args.env), &args.nodes)?;
    let since: Timestamp = args.since.parse().or_usage(|| {
        format!(
            "--since is {:?}, wanted a time such as 2026-02-01T00:00:00Z",
            args.since
        )
    })?;
    let now = clock::now();
    let name = format!("fleet-{}-{}", args.env, now.strftime("%Y%m%dT%H%M%SZ"));
    let path = match &args.out {
        Some(out) => start_dir(cli)?.join(out),
        None => start_dir(cli)?.join(format!("{name}.tar.gz")),
    };
    let hosts = SshHosts::new(&config, None)?;
    progress.stage(&format!("fetch from {} node(s)", nodes.len()));
    let mut gathered = journals::gather(&hosts, &nodes, since, config.ssh.parallel);
    journals::archive(&path, &name, &args.env, (since, now), &mut gathered)?;
    let desk = Desk::open(cli, progress)?;
    let mut out = format!("wrote {}\n", path.display());
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for one in &gathered {
        if let Err(why) = &one.journal {
            problems.push(format!("{}: no journal: {why}", one.node));
        }
        let taken = match &one.receipts {
            Err(why) => Err(format!("no receipts: {why}")),
            Ok(bytes) if bytes.is_empty() => Ok(None),
            // Verified under the policy before anything of them is kept.
            Ok(bytes) => receipts::import(&desk, bytes).map(Some).map_err(|e| {
                format!(
                    "its receipts were refused: {}: {}",
                    e.message(),
                    e.causes().join(": ")
                )
            }),
        };
        match taken {
            Ok(Some((said, data))) => {
                let first = said.lines().next().unwrap_or_default();
                out.push_str(&format!("{}: {first}\n", text::line(&one.node)));
                rows.push(json!({ "node": one.node, "receipts": data, "problem": null }));
            }
            Ok(None) => {
                rows.push(json!({ "node": one.node, "receipts": Value::Null, "problem": null }))
            }
            Err(why) => {
                rows.push(json!({ "node": one.node, "receipts": Value::Null, "problem": why }));
                problems.push(format!("{}: {why}", one.node));
            }
        }
    }
    for problem in &problems {
        out.push_str(&format!("problem: {}\n", text::line(problem)));
    }
    out.push_str("next: enter the receipts' digests in the log: relman receipts push\n");
    let data =
        json!({ "environment": args.env, "file": path, "nodes": rows, "problems": problems });
    Ok(match problems.is_empty() {
        true => Answer::done(data, out),
        false => Answer::findings(Kind::Partial, data, out),
    })
}
