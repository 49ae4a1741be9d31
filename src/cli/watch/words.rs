//! A decision for people and for programs.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::ui::text;
use crate::watch::decision::{Decision, RowState, State, Verdict, words};
use crate::watch::policy::Action;

/// The rollout that is watched, if one is, and the environment.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    /// The environment.
    pub environment: String,
    /// The rollout's id.
    pub rollout: Option<String>,
    /// Where the runbook's pages are.
    pub runbook: String,
}

impl Watched {
    /// The one command that does what a row calls for.
    pub fn command(&self, row: &RowState) -> Option<String> {
        let env = &self.environment;
        let node = row.evidence.iter().find_map(|e| e.node.as_deref());
        Some(match (row.action?, &self.rollout) {
            (Action::RollBack, Some(id)) => format!("relman fleet abort {id} --roll-back"),
            (Action::RollBack, None) => format!("relman fleet rollback --env {env}"),
            (Action::Prepare | Action::Page, Some(id)) => format!("relman fleet pause {id}"),
            (Action::Prepare | Action::Page, None) => format!("relman fleet check --env {env}"),
            (Action::Restart, _) => match node {
                Some(node) => format!("relman fleet check --env {env} --node {node}"),
                None => format!("relman fleet check --env {env}"),
            },
            (Action::Patch | Action::Observe, _) => return None,
        })
    }

    /// A decision on one line, and on more where something is called for.
    pub fn told(&self, decision: &Decision) -> String {
        let mut out = format!("{} {}", time(decision.at_ms), decision.verdict().word());
        match (decision.strongest(), decision.nearest()) {
            (Some(row), _) => out.push_str(&format!(": {}\n{}", self.row(row), self.more(row))),
            (None, Some(row)) => out.push_str(&format!(", nearest: {}\n", self.row(row))),
            (None, None) => out.push('\n'),
        }
        out
    }

    /// A row on one line.
    pub fn row(&self, row: &RowState) -> String {
        let what = match (row.action, row.state) {
            (Some(action), _) => action.word().to_owned(),
            (None, State::Rising) => match row.next {
                Some((action, left)) => format!("{} in {left} s", action.word()),
                None => "rising".to_owned(),
            },
            (None, _) => format!("{} %", row.nearness),
        };
        let held = row.held_seconds.map(|s| format!(", held for {s} s"));
        let evidence = match (row.evidence.is_empty(), row.unknown.is_empty()) {
            (false, _) => format!(": {}", words(&row.evidence)),
            (true, false) => format!(": unknown: {}", words(&row.unknown)),
            (true, true) => String::new(),
        };
        text::line(&format!(
            "{} ({}): {what}{}{evidence}; fires at {}",
            row.symptom,
            row.severity.word(),
            held.unwrap_or_default(),
            row.wanted
        ))
    }

    fn more(&self, row: &RowState) -> String {
        let mut out = String::new();
        if let (Some(wanted), false) = (row.without_exception, row.held_back_by.is_empty()) {
            out.push_str(&format!(
                "  not {}, since: {}\n",
                wanted.word(),
                text::line(&row.held_back_by.join("; "))
            ));
        }
        if let Some(command) = self.command(row) {
            out.push_str(&format!("  run: {command}\n"));
        }
        out.push_str(&format!(
            "  read: {}#{}\n",
            text::line(&self.runbook),
            row.row
        ));
        out
    }

    /// A decision as an event.
    pub fn event(&self, decision: &Decision) -> Value {
        let strongest = decision.strongest();
        json!({
            "at": time(decision.at_ms),
            "environment": self.environment,
            "rollout": self.rollout,
            "verdict": decision.verdict(),
            "action": decision.action(),
            "row": strongest.map(|r| &r.row),
            "command": strongest.and_then(|r| self.command(r)),
            "unknown": decision.unknowns(),
            "rows": decision.rows.iter().filter(|r| r.state != State::Quiet).collect::<Vec<_>>(),
        })
    }
}

/// What has to be the same for nothing to be told anew: the verdict, and the row that calls for most with what it calls for.
pub(super) type Told = (Verdict, Option<String>, Option<Action>);

/// What is told of a decision.
pub(super) fn told_of(decision: &Decision) -> Told {
    (
        decision.verdict(),
        decision.strongest().map(|r| r.row.clone()),
        decision.action(),
    )
}

/// A look's time for people.
pub(super) fn time(at_ms: i64) -> String {
    match Timestamp::from_millisecond(at_ms) {
        Ok(at) => text::time(at),
        Err(_) => format!("{at_ms} ms"),
    }
}
