//! `relman watch stage`: a release on all nodes over the first minutes, hour, day or week.

use std::io::BufRead;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{Cli, StageArg, WatchStageArgs};
use super::policy_file::policy;
use super::project::{Project, start_dir};
use super::watch_report::{Signing, data, finish, lines, place};
use crate::error::Context;
use crate::io::lock::Lock;
use crate::io::{clock, durable};
use crate::limits::{MAX_RELEASE_STAGE_LEN, MAX_WATCH_LINE_LEN, MAX_WATCH_RECORDING_LEN};
use crate::node::stage::items::Stage;
use crate::release::cut::Events;
use crate::release::tag::Tag;
use crate::trust::policy::is_rule_name;
use crate::ui::{Answer, Progress, text};
use crate::watch::recording::{Header, Line};
use crate::watch::sample::Look;
use crate::watch::stage::{About, Ended, Run, drive};
use crate::{Error, Kind, Result};

/// Where looks come from.
pub(super) struct Looks<'a> {
    /// The nodes that are looked at.
    pub(super) nodes: Vec<String>,
    /// The next look; none: there are no more.
    pub(super) next: Box<dyn FnMut() -> Result<Option<Look>> + 'a>,
    /// They are of now: there is time between them, and each may be the last before a kill.
    pub(super) is_live: bool,
}

/// `relman watch stage`.
pub fn run(cli: &Cli, args: &WatchStageArgs, progress: &mut Progress) -> Result<Answer> {
    if !is_rule_name(&args.env) {
        return Err(Error::usage(format!(
            "environment {:?}, wanted lower-case letters, digits and hyphens",
            args.env
        )));
    }
    let Some(recording) = &args.recording else {
        return Err(
            Error::usage("a stage is judged by looks, and no recording is named")
                .hint("name what `relman watch` has recorded: --recording FILE"),
        );
    };
    let looks = recorded(&start_dir(cli)?.join(recording), &args.env)?;
    over(cli, args, looks, progress)
}

/// A stage over these looks.
///
/// # Errors
/// Kind failed: a run is unfinished and is not to go on; the store cannot be written.
pub(super) fn over(
    cli: &Cli,
    args: &WatchStageArgs,
    mut looks: Looks,
    progress: &mut Progress,
) -> Result<Answer> {
    let project = Project::find(cli)?;
    let tag = Tag::parse(&args.tag, project.config.tags.pattern)?;
    let policy = policy(cli, args.policy.as_deref())?.policy;
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
        (None, _) => Run::begin(&policy, stage, about)?,
        (Some(bytes), true) => {
            Run::resume(&policy, stage, &about, &bytes).map_err(|e| e.hint(again))?
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
    let shown = path.display().to_string();
    let file = durable::open_file(path)?
        .ok_or_else(|| Error::usage(format!("there is no recording {shown}")))?;
    let length = durable::file_len(path)?;
    if length > MAX_WATCH_RECORDING_LEN {
        return Err(Error::usage(format!(
            "{shown} has {length} bytes, at most {MAX_WATCH_RECORDING_LEN} are read"
        )));
    }
    let mut reader = std::io::BufReader::new(file);
    let mut line = move || -> Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        let mut part = std::io::Read::take(&mut reader, MAX_WATCH_LINE_LEN + 1);
        let count = part
            .read_until(b'\n', &mut bytes)
            .or_failed(|| format!("cannot read {shown}"))?;
        // A line without an end was being written when its writer was killed.
        let is_torn = !bytes.ends_with(b"\n") && bytes.len() as u64 <= MAX_WATCH_LINE_LEN;
        Ok((count > 0 && !is_torn).then_some(bytes))
    };
    let first = line()?.ok_or_else(|| Error::usage("the recording is empty"))?;
    let header = Header::parse(&first)?;
    if header.environment != environment {
        return Err(Error::usage(format!(
            "the recording is of {}, wanted {environment}",
            text::line(&header.environment)
        )));
    }
    let mut number = 1;
    let next = move || loop {
        let Some(bytes) = line()? else {
            return Ok(None);
        };
        number += 1;
        if let Line::Look(look) = Line::parse(&bytes, number)? {
            return Ok(Some(look));
        }
    };
    Ok(Looks {
        nodes: header.nodes,
        next: Box::new(next),
        is_live: false,
    })
}
