//! `relman watch stage`: a release on all nodes over the first minutes, hour, day or week, as it is seen now or was
//! recorded.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::report::{Signing, data, finish, lines, place};
use crate::cli::args::{Cli, StageArg, WatchStageArgs};
use crate::cli::fleet::wiring::Wiring;
use crate::cli::policy_file::policy;
use crate::cli::project::{Project, start_dir};
use crate::io::lock::Lock;
use crate::io::{clock, durable, recordings};
use crate::limits::MAX_RELEASE_STAGE_LEN;
use crate::node::stage::items::Stage;
use crate::release::cut::Events;
use crate::release::tag::Tag;
use crate::trust::policy::is_rule_name;
use crate::ui::{Answer, Progress, text};
use crate::watch::looker::Looker;
use crate::watch::policy::Policy;
use crate::watch::recording::{Header, Line};
use crate::watch::sample::Look;
use crate::watch::stage::{About, Ended, Run, drive};
use crate::{Error, Kind, Result};

/// Where looks come from.
struct Looks<'a> {
    /// The nodes that are looked at.
    nodes: Vec<String>,
    /// The next look; none: there are no more.
    next: Box<dyn FnMut() -> Result<Option<Look>> + 'a>,
    /// They are of now: there is time between them, and each may be the last before a kill.
    is_live: bool,
}

/// `relman watch stage`.
pub fn run(cli: &Cli, args: &WatchStageArgs, progress: &mut Progress) -> Result<Answer> {
    if !is_rule_name(&args.env) {
        return Err(Error::usage(format!(
            "environment {:?}, wanted lower-case letters, digits and hyphens",
            args.env
        )));
    }
    let policy = policy(cli, args.policy.policy.as_deref(), progress)?.policy;
    let Some(recording) = &args.recording else {
        let wiring = Wiring::new(cli, &args.place, None, true)?;
        wiring.config.environment(&args.env)?;
        let nodes: Vec<String> = wiring
            .nodes_of(&args.env)
            .into_iter()
            .map(|node| node.name)
            .collect();
        let mut sources = wiring.sources(&args.env);
        let live = Looks {
            nodes: nodes.clone(),
            next: Box::new(|| Ok(Some(sources.look(&nodes, &policy)))),
            is_live: true,
        };
        return over(cli, args, &policy, live, progress);
    };
    let looks = recorded(&start_dir(cli)?.join(recording), &args.env)?;
    over(cli, args, &policy, looks, progress)
}

/// A stage over these looks.
///
/// # Errors
/// Kind failed: a run is unfinished and is not to go on; the store cannot be written.
fn over(
    cli: &Cli,
    args: &WatchStageArgs,
    policy: &Policy,
    mut looks: Looks,
    progress: &mut Progress,
) -> Result<Answer> {
    let project = Project::find(cli)?;
    let tag = Tag::parse(&args.tag, project.config.tags.pattern)?;
    let stage = match args.stage {
        StageArg::Immediate => Stage::Immediate,
        StageArg::Hour => Stage::Hour,
        StageArg::Day => Stage::Day,
        StageArg::Week => Stage::Week,
    };
    let about = About {
        stage: stage.name().into(),
        tag: tag.to_string(),
        environment: args.env.clone(),
        nodes: looks.nodes.clone(),
        skip: args.skip.clone(),
    };
    let signing = Signing::find(cli, &project, tag.as_str(), &args.signing)?;
    let name = format!("stage-{}-{}-{tag}", stage.name(), args.env);
    let path = place(&project).join(format!("{name}.json"));
    let _lock = Lock::acquire(
        &place(&project).join(format!("{name}.lock")),
        cli.command.name(),
    )?;
    let kept = durable::read_bounded(&path, MAX_RELEASE_STAGE_LEN)?;
    let again = format!("rm {}", path.display());
    let mut run = match (kept, args.resume) {
        (None, _) => Run::begin(policy, stage, about)?,
        (Some(bytes), true) => {
            Run::resume(policy, stage, &about, &bytes).map_err(|e| e.hint(again))?
        }
        (Some(_), false) => {
            return Err(Error::failed(format!(
                "a run of stage {} of {tag} on {} is unfinished",
                stage.name(),
                args.env
            ))
            .caused_by(format!("to begin anew, remove {}", path.display()))
            .hint("go on with it: --resume"));
        }
    };
    let is_live = looks.is_live;
    let seen_ms = run.last_ms().filter(|_| !is_live);
    let mut told = Vec::new();
    let ended = drive(
        &mut run,
        seen_ms,
        &mut looks.next,
        &mut |run, is_last| {
            if is_live {
                tell(run, &mut told, progress);
            }
            match is_live || is_last {
                true => durable::write_atomic(&path, &run.bytes()?, durable::MODE_SECRET),
                false => Ok(()),
            }
        },
        &mut |ms| {
            if is_live {
                clock::pause(Duration::from_millis(ms));
            }
        },
    )?;
    let report = run.report();
    if ended == Ended::NoMoreLooks {
        let mut data = data(&report)?;
        data["state"] = json!("unfinished");
        data["files"] = json!([path.display().to_string()]);
        let course = run.course();
        let said = format!(
            "{}the looks end at second {} of {}; go on with later ones: --resume\n",
            lines(&report),
            course.elapsed_seconds,
            course.window_seconds
        );
        return Ok(Answer::findings(Kind::Failed, data, said));
    }
    let signing = signing.as_ref();
    let answer = finish(cli, &args.signing, &project, signing, &report, progress)?;
    durable::remove_all(&path)?;
    Ok(answer)
}

/// Says what changed.
fn tell(run: &Run, told: &mut Vec<Value>, progress: &mut Progress) {
    let items = run.report().items;
    for (at, item) in items.iter().enumerate() {
        if told.get(at) != Some(&json!(item.verdict)) {
            progress.note(&text::whole_line(&format!(
                "{} {}: {}",
                item.verdict.word(),
                item.title,
                item.values
            )));
        }
    }
    *told = items.iter().map(|item| json!(item.verdict)).collect();
}

/// The looks of a recording.
fn recorded(path: &Path, environment: &str) -> Result<Looks<'static>> {
    let name = path.display().to_string();
    let mut lines = recordings::read(path)?;
    let (_, first) = lines
        .next()
        .ok_or_else(|| Error::usage(format!("{name} is empty, so no recording")))??;
    let header = Header::parse(&first).map_err(|e| e.under(name.clone()))?;
    if header.environment != environment {
        return Err(Error::usage(format!(
            "the recording is of {}, wanted {environment}",
            text::line(&header.environment)
        )));
    }
    let next = move || {
        for line in lines.by_ref() {
            let (number, bytes) = line?;
            let parsed = Line::parse(&bytes, number).map_err(|e| e.under(name.clone()))?;
            if let Line::Look(look) = parsed {
                return Ok(Some(look));
            }
        }
        Ok(None)
    };
    Ok(Looks {
        nodes: header.nodes,
        next: Box::new(next),
        is_live: false,
    })
}
