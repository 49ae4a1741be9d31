//! `relman fleet check`: whether every node is what `fleet.toml` says, and can be moved.

use serde_json::json;

use super::read;
use crate::cli::args::{Cli, FleetCheckArgs};
use crate::fleet::check::{Row, Seen, judge};
use crate::fleet::config::NodeEntry;
use crate::fleet::host::{Ask, Hosts, Request};
use crate::fleet::look::Daemon;
use crate::fleet::pick::pick;
use crate::io::fleet_ssh::SshHosts;
use crate::release::cut::Events;
use crate::ui::{Answer, Progress, text};
use crate::{Kind, Result};

/// Runs the command.
pub fn run(cli: &Cli, args: &FleetCheckArgs, progress: &mut Progress) -> Result<Answer> {
    let (path, config) = read(cli, &args.fleet)?;
    let nodes = pick(&config, args.env.as_deref(), &args.nodes)?;
    let hosts = SshHosts::new(&config, None)?;
    progress.stage(&format!("reach {} node(s)", nodes.len()));
    let seen = look(&hosts, &nodes, progress);
    progress.end();
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let rows: Vec<Row> = seen
        .iter()
        .map(|seen| judge(seen, env!("CARGO_PKG_VERSION"), &file))
        .collect();
    let data = json!({ "fleet": path, "nodes": rows });
    let out = for_people(&rows);
    Ok(match rows.iter().all(|row| row.findings.is_empty()) {
        true => Answer::done(data, out),
        false => Answer::findings(Kind::Failed, data, out),
    })
}

/// Meets all of them, and asks those that have a relman all the rest at once.
fn look<'a>(hosts: &SshHosts, nodes: &[&'a NodeEntry], progress: &mut Progress) -> Vec<Seen<'a>> {
    let mut met: Vec<Option<_>> = nodes.iter().map(|_| None).collect();
    let mut count = 0;
    hosts.meet_all(nodes, &mut |i, contact| {
        met[i] = Some(contact);
        count += 1;
        progress.count(count, nodes.len() as u64);
    });
    let mut seen: Vec<Seen> = nodes
        .iter()
        .zip(met)
        .filter_map(|(node, contact)| {
            Some(Seen {
                node,
                contact: contact?,
                status: None,
                check: None,
            })
        })
        .collect();
    progress.stage("ask status and node check");
    let there: Vec<usize> = (0..seen.len())
        .filter(|i| seen[*i].contact.is_ok())
        .collect();
    let asks: Vec<Ask> = there
        .iter()
        .flat_map(|i| {
            let node = seen[*i].node;
            [&Request::Status, &Request::Check].map(|request| Ask { node, request })
        })
        .collect();
    let mut replies: Vec<Option<_>> = asks.iter().map(|_| None).collect();
    hosts.ask_all(&asks, &mut |i, reply| replies[i] = Some(reply));
    let mut replies = replies.into_iter();
    for i in there {
        seen[i].status = replies.next().flatten();
        seen[i].check = replies.next().flatten();
    }
    seen
}

fn for_people(rows: &[Row]) -> String {
    let head = [
        "node",
        "environment",
        "release",
        "daemon",
        "relman",
        "clock",
        "",
    ];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    table.extend(rows.iter().map(|row| {
        vec![
            row.node.clone(),
            row.environment.clone(),
            text::line(row.current.as_deref().unwrap_or("-")),
            row.daemon.as_ref().map_or("-", daemon).to_owned(),
            text::line(row.version.as_deref().unwrap_or("-")),
            row.clock_ahead_milliseconds
                .map_or("-".into(), |ms| format!("{:+} s", ms / 1_000)),
            match row.findings.len() {
                0 => "ok".to_owned(),
                _ if !row.reached => "no answer".to_owned(),
                count => format!("{count} finding(s)"),
            },
        ]
    }));
    let mut out = text::table(&table);
    for (row, finding) in rows
        .iter()
        .flat_map(|row| row.findings.iter().map(move |f| (row, f)))
    {
        out.push_str(&format!(
            "{}: {}: {}\n",
            row.node,
            text::line(&finding.subject),
            text::line(&finding.problem)
        ));
        if let Some(hint) = &finding.hint {
            out.push_str(&format!("  hint: {}\n", text::line(hint)));
        }
    }
    out
}

fn daemon(daemon: &Daemon) -> &'static str {
    match daemon {
        Daemon::Verified => "verified",
        Daemon::Other => "other bytes",
        Daemon::Down => "down",
        Daemon::Unknown => "unknown",
    }
}
