//! `relman fleet status` and `relman fleet explain`: how far a rollout is, and why a node is where it is.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::ended::{head, health, short, show};
use super::wiring::Wiring;
use crate::cli::args::{Cli, FleetExplainArgs, FleetStatusArgs};
use crate::fleet::host::{Hosts, Request};
use crate::fleet::look::NodeLook;
use crate::fleet::record::{Back, Record, RolloutId, State, Step};
use crate::io::{clock, process};
use crate::ui::{Answer, Progress, text};
use crate::{Error, Result};

/// How often a watched rollout is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// Rollouts that are listed besides the one that is shown.
const LISTED: usize = 10;
/// Events of a node that are shown.
const EVENTS: usize = 20;

/// `relman fleet status`.
pub fn status(cli: &Cli, args: &FleetStatusArgs, progress: &mut Progress) -> Result<Answer> {
    if args.watch && cli.json {
        return Err(
            Error::usage("--watch shows a table, --json prints one document")
                .hint("leave one of them out"),
        );
    }
    let wiring = Wiring::new(cli, &args.place, None, true)?;
    if let Some(why) = &wiring.alone {
        progress.say(&format!("records in a store are not seen: {why}"));
    }
    let mut all = wiring.all()?;
    let Some(mut record) = chosen(&wiring, args.id.as_deref(), &all)? else {
        let data = json!({ "record": null, "rollouts": [] });
        return Ok(Answer::done(data, "there is no rollout yet\n"));
    };
    if args.watch {
        record = watch(&wiring, record)?;
        all = wiring.all()?;
    }
    let mut out = show(&record);
    let others: Vec<&Record> = all.iter().rev().filter(|r| r.id != record.id).collect();
    for other in others.iter().take(LISTED) {
        out.push_str(&format!("{}\n", head(other)));
    }
    let rollouts: Vec<Value> = all.iter().rev().map(short).collect();
    Ok(Answer::done(
        json!({ "record": record, "rollouts": rollouts }),
        out,
    ))
}

fn chosen(wiring: &Wiring, id: Option<&str>, all: &[Record]) -> Result<Option<Record>> {
    if let Some(id) = id {
        return wiring.record(&RolloutId::parse(id)?).map(Some);
    }
    let open = all.iter().rev().find(|r| !r.is_over());
    Ok(open.or(all.last()).cloned())
}

/// Shows a rollout until it is over or waits for somebody. On a terminal the table stays where it is.
fn watch(wiring: &Wiring, mut record: Record) -> Result<Record> {
    let live = process::stderr_is_terminal();
    let mut lines = 0;
    let mut shown = None;
    loop {
        if shown != Some(record.revision) {
            let page = show(&record);
            let mut stderr = std::io::stderr().lock();
            if live && lines > 0 {
                // Up to where the table began, and what is below it away.
                let _ = write!(stderr, "\x1b[{lines}F\x1b[J");
            }
            let _ = write!(stderr, "{page}");
            let _ = stderr.flush();
            lines = page.lines().count();
            shown = Some(record.revision);
        }
        if !matches!(record.state, State::Running | State::Aborting) {
            return Ok(record);
        }
        clock::pause(EVERY);
        record = wiring.record(&record.id)?;
    }
}

/// `relman fleet explain`.
pub fn explain(cli: &Cli, args: &FleetExplainArgs, progress: &mut Progress) -> Result<Answer> {
    let wiring = Wiring::new(cli, &args.place, None, true)?;
    if let Some(why) = &wiring.alone {
        progress.say(&format!("records in a store are not seen: {why}"));
    }
    let entry = wiring.config.nodes.iter().find(|n| n.name == args.node);
    let entry = entry.ok_or_else(|| {
        Error::usage(format!("the fleet has no node {:?}", args.node)).hint("relman fleet check")
    })?;
    let of_node: Vec<Record> = wiring
        .all()?
        .into_iter()
        .filter(|r| r.node(&args.node).is_some())
        .collect();
    let record = chosen(&wiring, args.rollout.as_deref(), &of_node)?.ok_or_else(|| {
        Error::usage(format!("no rollout was about node {}", args.node)).hint("relman fleet check")
    })?;
    let look = NodeLook::of(wiring.hosts().ask(entry, &Request::Status));
    let out = words(&record, &args.node, &look);
    let events: Vec<&_> = record
        .events
        .iter()
        .filter(|e| e.node.as_deref() == Some(args.node.as_str()))
        .collect();
    let now = match &look {
        Ok(look) => json!({
            "current": look.current, "daemon": look.daemon, "unfinished": look.unfinished,
            "problems": look.problems,
        }),
        Err(why) => json!({ "silent": why }),
    };
    let data = json!({
        "rollout": record.id,
        "state": record.state,
        "reason": record.reason,
        "node": record.node(&args.node),
        "now": now,
        "events": events,
    });
    Ok(Answer::done(data, out))
}

fn words(record: &Record, name: &str, look: &Result<NodeLook, String>) -> String {
    let mut out = format!("{}\n", head(record));
    if let Some(reason) = &record.reason {
        out.push_str(&format!("  because: {}\n", text::line(reason)));
    }
    let Some(node) = record.node(name) else {
        return out;
    };
    out.push_str(&format!(
        "{name} is {} since {}, told to move {} time(s)\n",
        node.step.name(),
        text::time(node.since),
        node.attempts
    ));
    if let Some(words) = &node.words {
        out.push_str(&format!("  its last words: {}\n", text::line(words)));
    }
    match &node.back {
        Some(Back::Release(to)) => out.push_str(&format!("  it is to go back to {to}\n")),
        Some(Back::Start) => out.push_str("  it is to be started again\n"),
        None => {}
    }
    match look {
        Err(why) => out.push_str(&format!("now it does not answer: {}\n", text::line(why))),
        Ok(look) => {
            let runs = look.current.as_deref().unwrap_or("nothing");
            let now = crate::fleet::record::NodeState {
                daemon: Some(look.daemon),
                ..node.clone()
            };
            out.push_str(&format!(
                "now it has {}: {}\n",
                text::line(runs),
                health(&now)
            ));
            if let Some(unfinished) = &look.unfinished {
                out.push_str(&format!("  under way there: {}\n", text::line(unfinished)));
            }
            for problem in &look.problems {
                out.push_str(&format!("  {}\n", text::line(problem)));
            }
        }
    }
    let of_node = |e: &&crate::fleet::record::Event| e.node.as_deref() == Some(name);
    let events: Vec<_> = record.events.iter().filter(of_node).collect();
    for event in events.iter().skip(events.len().saturating_sub(EVENTS)) {
        out.push_str(&format!(
            "  {}  {}\n",
            text::time(event.at),
            text::line(&event.what)
        ));
    }
    if let Some(next) = next(record, node.step) {
        out.push_str(&format!("next: {next}\n"));
    }
    out
}

/// One command to run.
fn next(record: &Record, step: Step) -> Option<String> {
    let id = &record.id;
    match record.state {
        State::Held | State::Paused => Some(match step {
            Step::Silent => format!("once it answers: relman fleet resume {id}"),
            _ => format!(
                "once that is mended: relman fleet resume {id}; or end it: relman fleet abort {id}"
            ),
        }),
        State::Running | State::Aborting => Some(format!("relman fleet status {id} --watch")),
        State::Aborted | State::RolledBack | State::Done => None,
    }
}
