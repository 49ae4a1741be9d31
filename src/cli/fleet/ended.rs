//! A rollout as an answer: the table of its nodes, the outcome, the exit code.

use serde_json::{Value, json};

use crate::Kind;
use crate::fleet::look::Daemon;
use crate::fleet::record::{NodeState, Record, State, Step, Work};
use crate::fleet::rollout::{Asked, Ended};
use crate::ui::{Answer, text};

/// The answer of a driver that ended.
pub(in crate::cli) fn answer(ended: &Ended, wished: bool) -> Answer {
    let record = &ended.record;
    let data = json!({ "record": record, "warnings": ended.warnings });
    let mut out = show(record);
    for warning in &ended.warnings {
        out.push_str(&format!("warning: {}\n", text::line(warning)));
    }
    match kind(record, wished) {
        None => Answer::done(data, out),
        Some(kind) => Answer::findings(kind, data, out),
    }
}

/// The answer to a wish.
pub(in crate::cli) fn asked(asked: &Asked) -> Answer {
    match asked {
        Asked::Ended(ended) => answer(ended, true),
        Asked::Written(record) => {
            let who = match &record.lease.holder {
                Some(holder) => holder.who.as_str(),
                None => "whoever drives it",
            };
            let out = format!(
                "asked {}, who does it before the next step of {}\n",
                text::line(who),
                record.id
            );
            Answer::named("asked", json!({ "record": **record, "warnings": [] }), out)
        }
    }
}

/// How a rollout that ended like this counts; none: well. `wished`: somebody asked for just this.
fn kind(record: &Record, wished: bool) -> Option<Kind> {
    let some = record
        .nodes
        .iter()
        .any(|n| n.attempts > 0 || !matches!(n.step, Step::Waiting | Step::Silent));
    match (record.state, &record.work) {
        (State::Done, _) => None,
        // All are stopped: that is what was asked for.
        (State::Paused, Work::Stop { .. }) => None,
        (State::Paused | State::Aborted | State::RolledBack, _) if wished => None,
        (State::RolledBack, _) => Some(Kind::Failed),
        _ if some => Some(Kind::Partial),
        _ => Some(Kind::Failed),
    }
}

/// A rollout for people.
pub(in crate::cli) fn show(record: &Record) -> String {
    let mut out = format!("{}\n", head(record));
    if let Some(reason) = &record.reason {
        out.push_str(&format!("  {}\n", text::line(reason)));
    }
    for wish in &record.wishes {
        out.push_str(&format!(
            "  {} wishes: {}, since {}\n",
            text::line(&wish.who),
            wish.wanted.name(),
            text::time(wish.at)
        ));
    }
    let mut rows = vec![
        ["node", "release", "step", "health", "since", ""]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(record.nodes.iter().map(row));
    out.push_str(&text::table(&rows));
    out
}

/// One line about a rollout.
pub(in crate::cli) fn head(record: &Record) -> String {
    let what = match record.tag() {
        Some(tag) => format!("{} to {tag}", record.work.name()),
        None => record.work.name().to_owned(),
    };
    let driven = match &record.lease.holder {
        Some(holder) => format!(", driven by {}", text::line(&holder.who)),
        None => String::new(),
    };
    format!(
        "{}  {what} on {}: {}{driven}",
        record.id,
        record.environment().name,
        record.state.name()
    )
}

fn row(node: &NodeState) -> Vec<String> {
    vec![
        node.name.clone(),
        text::line(node.runs.as_deref().unwrap_or("?")),
        node.step.name().to_owned(),
        health(node).to_owned(),
        text::time(node.since),
        node.words.as_deref().map(text::line).unwrap_or_default(),
    ]
}

/// What is known of a node's daemon.
pub(in crate::cli) fn health(node: &NodeState) -> &'static str {
    match node.daemon {
        Some(Daemon::Verified) => "verified bytes run",
        Some(Daemon::Other) => "other bytes run",
        Some(Daemon::Down) => "down",
        Some(Daemon::Unknown) | None => "unknown",
    }
}

/// A rollout in a list, for programs.
pub(in crate::cli) fn short(record: &Record) -> Value {
    json!({
        "id": record.id,
        "kind": record.work.name(),
        "environment": record.environment().name,
        "tag": record.tag(),
        "state": record.state,
        "began": record.began.to_string(),
        "by": record.by,
    })
}
