//! `relman watch checklist`: what people have to see to, ticked one by one; signed once nothing is open.

use serde_json::json;

use super::report::{Signing, data, finish, lines, place};
use crate::cli::approve::evidence;
use crate::cli::args::{Cli, WatchChecklistArgs};
use crate::cli::project::{Project, start_dir};
use crate::io::lock::Lock;
use crate::io::{clock, durable};
use crate::limits::MAX_CHECKLIST_LEN;
use crate::node::record::rfc3339;
use crate::release::tag::Tag;
use crate::ui::{Answer, Progress};
use crate::watch::checklist::{Checklist, Tick};
use crate::{Kind, Result};

/// Mode of a list, which names people.
const MODE: u32 = durable::MODE_SECRET;

/// `relman watch checklist`.
pub fn run(cli: &Cli, args: &WatchChecklistArgs, progress: &mut Progress) -> Result<Answer> {
    let project = Project::find(cli)?;
    let tag = Tag::parse(&args.tag, project.config.tags.pattern)?;
    let list = args.list.list();
    let name = format!("checklist-{}-{tag}", list.name());
    let path = place(&project).join(format!("{name}.json"));
    let _lock = Lock::acquire(
        &place(&project).join(format!("{name}.lock")),
        cli.command.name(),
    )?;
    let kept = durable::read_bounded(&path, MAX_CHECKLIST_LEN)?;
    let mut checklist = match kept {
        Some(bytes) => Checklist::parse(list, tag.as_str(), &bytes)
            .map_err(|e| e.under(path.display().to_string()))?,
        None => Checklist::new(list, tag.as_str(), clock::now()),
    };
    if let (Some(item), Some(by)) = (&args.tick, &args.by) {
        let start = start_dir(cli)?;
        let found = args.evidence.iter().map(|what| evidence(&start, what));
        let tick = Tick {
            by: by.clone(),
            at: rfc3339(clock::now()),
            evidence: found.collect::<Result<_>>()?,
        };
        checklist.tick(list, item, tick)?;
        durable::write_atomic(&path, &checklist.bytes()?, MODE)?;
    }
    let report = checklist.report(list);
    if report.passed && !args.show {
        let signing = Signing::find(cli, &project, tag.as_str(), &args.signing)?;
        return finish(
            cli,
            &args.signing,
            &project,
            signing.as_ref(),
            &report,
            progress,
        );
    }
    let mut data = data(&report)?;
    data["state"] = json!(if report.passed { "finished" } else { "open" });
    data["files"] = json!([path.display().to_string()]);
    let said = lines(&report);
    // A tick is done, however much is left; a list that is asked about is not.
    Ok(match report.passed || args.tick.is_some() {
        true => Answer::done(data, said),
        false => Answer::findings(Kind::Failed, data, said),
    })
}
