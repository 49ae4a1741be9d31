//! `relman watch declare`: what a person says, where no source can tell.

use serde_json::json;

use super::declared::{self, Declaration};
use crate::cli::args::{Cli, WatchDeclareArgs};
use crate::cli::policy_file::policy;
use crate::cli::project::{Project, start_dir};
use crate::io::{clock, process};
use crate::limits::MAX_WATCH_WORDS;
use crate::ui::{Answer, Progress, text};
use crate::watch::policy::{Policy, Source};
use crate::{Error, Result};

/// `relman watch declare`.
pub fn run(cli: &Cli, args: &WatchDeclareArgs, progress: &mut Progress) -> Result<Answer> {
    let chosen = policy(cli, args.policy.policy.as_deref(), progress)?;
    known(&chosen.policy, &args.signal)?;
    environment(&args.env)?;
    let why = args.why.clone().unwrap_or_default();
    let hostile = |c: char| c.is_control() || crate::release::text::is_deceptive(c);
    if why.chars().count() > MAX_WATCH_WORDS || why.chars().any(hostile) {
        return Err(Error::usage(format!(
            "--why is wanted on one line, of at most {MAX_WATCH_WORDS} characters"
        )));
    }
    if !args.withdraw && why.trim().is_empty() {
        return Err(Error::usage(
            "--why is empty, and whoever reads the record wants to know it",
        ));
    }
    let work_dir = match Project::look(cli)? {
        Some(project) => project.work_dir(),
        None => start_dir(cli)?.join(".relman"),
    };
    let path = declared::path(&work_dir, &args.env);
    let by = process::login_name();
    let signal = args.signal.clone();
    let data = json!({ "signal": signal, "environment": args.env, "why": args.why, "by": by,
        "declared": !args.withdraw });
    if args.withdraw {
        let was = declared::change(&path, |all| all.remove(&signal))?;
        return Ok(match was {
            Some(was) => Answer::done(
                data,
                format!(
                    "{signal} is declared on {} no longer; {} had said: {}\n",
                    args.env,
                    text::line(&was.by),
                    text::line(&was.why)
                ),
            ),
            None => Answer::named(
                "unchanged",
                data,
                format!("{signal} is not declared on {}\n", args.env),
            ),
        });
    }
    let declaration = Declaration {
        why: why.clone(),
        by,
        at: clock::now(),
    };
    declared::change(&path, |all| all.insert(signal.clone(), declaration))?;
    let mut out = format!(
        "{signal} is declared on {}: {}\n",
        args.env,
        text::line(&why)
    );
    let rows = chosen.policy.rows.iter();
    for row in rows.filter(|r| r.condition.signal == signal) {
        let step = row.steps.last().map_or("nothing", |s| s.action.word());
        out.push_str(&format!("  {}: {step}\n", text::line(&row.symptom)));
    }
    out.push_str(&format!(
        "whoever watches {} here sees it at the next look: relman watch --env {}\n",
        args.env, args.env
    ));
    Ok(Answer::done(data, out))
}

fn known(policy: &Policy, signal: &str) -> Result<()> {
    let declared = policy.signals.iter().filter(|s| s.source == Source::Person);
    let names: Vec<&str> = declared.map(|s| s.name.as_str()).collect();
    match names.contains(&signal) {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "no signal {signal:?} is for people to declare, wanted one of {}",
            names.join(", ")
        ))
        .hint("relman watch check")),
    }
}

/// It becomes part of a file's name.
fn environment(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match !name.is_empty() && name.len() <= 64 && name.chars().all(plain) {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "an environment cannot be named {name:?}"
        ))),
    }
}
