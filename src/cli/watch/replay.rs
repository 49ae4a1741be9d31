//! `relman watch replay`: what a policy would have decided on recorded looks.

use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::words::{Told, Watched, time, told_of};
use crate::cli::args::{Cli, WatchReplayArgs};
use crate::cli::policy_file::policy;
use crate::cli::project::start_dir;
use crate::io::recordings;
use crate::ui::stream::Lines;
use crate::ui::{Answer, Progress, text};
use crate::watch::decision::Decision;
use crate::watch::engine::Engine;
use crate::watch::policy::Action;
use crate::watch::recording::{Header, Line};
use crate::{Error, Result};

/// Changes that are listed; the others are counted.
const LISTED: usize = 1_000;

/// `relman watch replay`.
pub fn run(cli: &Cli, args: &WatchReplayArgs, progress: &mut Progress) -> Result<Answer> {
    if args.json_lines && cli.json {
        return Err(
            Error::usage("--json-lines is a stream, --json one document")
                .hint("leave one of them out"),
        );
    }
    let chosen = policy(cli, args.policy.policy.as_deref(), progress)?;
    let path = start_dir(cli)?.join(&args.recording);
    let mut lines = recordings::read(&path)?;
    let (_, first) = lines
        .next()
        .ok_or_else(|| Error::usage(format!("{} is empty, so no recording", path.display())))??;
    let header = Header::parse(&first).map_err(|e| e.under(path.display().to_string()))?;
    let watched = Watched {
        environment: header.environment.clone(),
        rollout: header.rollout.clone(),
        runbook: chosen.policy.runbook.clone(),
    };
    let mut engine = Engine::new(chosen.policy, header.nodes.clone());
    let mut stream = Lines::stdout();
    let mut story = Story::default();
    for line in lines {
        let (number, bytes) = line?;
        let parsed =
            Line::parse(&bytes, number).map_err(|e| e.under(path.display().to_string()))?;
        let Line::Look(look) = parsed else {
            continue;
        };
        let decision = engine.look(&look);
        if args.json_lines {
            let event = format!("{}\n", watched.event(&decision));
            if let ControlFlow::Break(()) = stream.print(&event)? {
                break;
            }
        }
        story.saw(&watched, &decision);
    }
    if args.json_lines {
        stream.end()?;
        return Ok(Answer::said());
    }
    let end = match story.left_out {
        0 => String::new(),
        count => format!("{count} further changes\n"),
    };
    let text = format!(
        "{} looks at {} nodes of {}, policy {} ({})\n{}{end}{}",
        story.looks,
        header.nodes.len(),
        text::line(&header.environment),
        text::line(&chosen.place),
        if chosen.is_signed {
            "signed"
        } else {
            "not signed"
        },
        story.text,
        story.summary()
    );
    let data = json!({
        "recording": path,
        "environment": header.environment,
        "policy": { "place": chosen.place, "signed": chosen.is_signed, "sha256": chosen.sha256.hex() },
        "looks": story.looks,
        "strongest": story.strongest.as_ref().map(|(action, row, at)| json!({
            "action": action, "row": row, "at": at })),
        "first_roll_back": story.roll_back,
        "changes": story.changes,
        "changes_left_out": story.left_out,
    });
    Ok(Answer::done(data, text))
}

/// What has happened so far.
#[derive(Default)]
struct Story {
    looks: u64,
    told: Option<Told>,
    text: String,
    changes: Vec<Value>,
    left_out: u64,
    strongest: Option<(Action, String, String)>,
    roll_back: Option<String>,
}

impl Story {
    fn saw(&mut self, watched: &Watched, decision: &Decision) {
        self.looks += 1;
        let strongest = decision.strongest();
        let now = told_of(decision);
        if let (Some(row), Some(action)) = (strongest, decision.action()) {
            let at = time(decision.at_ms);
            if action == Action::RollBack {
                self.roll_back.get_or_insert_with(|| at.clone());
            }
            if self
                .strongest
                .as_ref()
                .is_none_or(|(most, ..)| action > *most)
            {
                self.strongest = Some((action, row.row.clone(), at));
            }
        }
        if self.told.as_ref() == Some(&now) {
            return;
        }
        self.told = Some(now);
        match self.changes.len() < LISTED {
            true => {
                self.text.push_str(&watched.told(decision));
                self.changes.push(watched.event(decision));
            }
            false => self.left_out += 1,
        }
    }

    fn summary(&self) -> String {
        match &self.strongest {
            None => "it would have called for nothing\n".to_owned(),
            Some((action, row, at)) => {
                format!(
                    "it would have called for {} at {at}, by {row}\n",
                    action.word()
                )
            }
        }
    }
}
