//! `relman announce`, `promote` and `agree`: what an environment is to run, and who agrees.

use jiff::Timestamp;
use serde_json::json;

use super::args::{AgreeArgs, AnnounceArgs, Cli, PromoteArgs, SignArgs};
use super::desk::Desk;
use super::project::{Project, start_dir};
use super::sign;
use crate::io::durable;
use crate::io::proposals::LocalProposals;
use crate::release::ceremony::Kind;
use crate::release::environment::{
    Announce, Promote, PutBack, Rule, announcement_text, announcements, target_name,
};
use crate::release::leaf::Leaf;
use crate::release::publish::Planned;
use crate::trust::time;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Result};

fn read_time(text: &Option<String>) -> Result<Option<Timestamp>> {
    let parse = |text: &String| {
        time::parse(text).ok_or_else(|| {
            Error::usage(format!("time {text:?}, wanted one as 2026-02-03T06:00:00Z"))
        })
    };
    text.as_ref().map(parse).transpose()
}

/// `relman promote`.
pub fn promote(cli: &Cli, args: &PromoteArgs, progress: &mut Progress) -> Result<Answer> {
    let request = Promote {
        tag: &args.tag,
        environment: &args.to,
        not_before: read_time(&args.not_before)?,
        reason: args.reason.as_deref(),
        set_aside: &Rule::parse_list(&args.set_aside)?,
    };
    let desk = Desk::open(cli, progress)?;
    desk.parse(&args.tag)?;
    let settled = desk.propose(|publisher, view| request.propose(publisher, view))?;
    let next = format!(
        "{} nodes install {}\nnext: on each node: relman install\n",
        args.to, args.tag
    );
    Ok(sign::answer(settled, &next))
}

/// `relman announce`.
pub fn announce(cli: &Cli, args: &AnnounceArgs, progress: &mut Progress) -> Result<Answer> {
    if let (Some(from), Some(reason)) = (&args.rolled_back_from, &args.reason) {
        let told = PutBack {
            tag: &args.tag,
            from,
            environment: &args.to,
            reason,
        };
        return put_back(cli, &told, progress);
    }
    let request = Announce {
        tag: &args.tag,
        environment: &args.to,
        at: read_time(&args.at)?,
        window_minutes: args.window,
        downtime_minutes: args.downtime,
    };
    let desk = Desk::open(cli, progress)?;
    desk.parse(&args.tag)?;
    let (leaf, path, hours, planned) = desk.with_view(|view| {
        let publisher = desk.publisher();
        let leaf = request.leaf(view, publisher.now)?;
        let (_, path) = announcements(desk.store.reader(), &args.tag, &args.to)?;
        let environment = view.policy.environment(&args.to);
        let hours = environment.map_or(0, |e| e.notice_hours);
        let planned = publisher.log(view, &Leaf::Announcement(leaf.clone()), &path)?;
        Ok((leaf, path, hours, planned))
    })?;
    write(&desk, planned)?;
    let told = announcement_text(&leaf, &desk.project.config.project, hours);
    let data = json!({ "tag": leaf.tag, "environment": leaf.environment, "at": time::format(leaf.at),
        "window_minutes": leaf.window_minutes, "downtime_minutes": leaf.downtime_minutes,
        "notice_hours": hours, "proof": path, "text": told });
    let out: String = told
        .lines()
        .map(|line| format!("{}\n", text::line(line)))
        .collect();
    Ok(Answer::done(data, out))
}

/// `relman announce --rolled-back-from`.
fn put_back(cli: &Cli, told: &PutBack, progress: &mut Progress) -> Result<Answer> {
    let desk = Desk::open(cli, progress)?;
    for tag in [told.tag, told.from] {
        desk.parse(tag)?;
    }
    let (leaf, path, planned) = desk.with_view(|view| {
        let publisher = desk.publisher();
        let leaf = told.leaf(view, publisher.now)?;
        let path = told.proof(desk.store.reader())?;
        let planned = publisher.log(view, &Leaf::Rollback(leaf.clone()), &path)?;
        Ok((leaf, path, planned))
    })?;
    write(&desk, planned)?;
    let data = json!({ "tag": leaf.to, "environment": leaf.environment, "from": leaf.tag,
        "reason": leaf.reason, "proof": path });
    Ok(Answer::done(data, text::line(&leaf.line()) + "\n"))
}

fn write(desk: &Desk, planned: Planned) -> Result<()> {
    match planned {
        Planned::Ready(transaction) => desk.write(&transaction),
        Planned::Waiting(waiting) => {
            Err(waiting.error("announce where the key is: --secret-keys DIR"))
        }
    }
}

/// `relman agree`.
pub fn agree(cli: &Cli, args: &AgreeArgs, progress: &mut Progress) -> Result<Answer> {
    let what = match &args.what {
        Some(what) if durable::is_file(&start_dir(cli)?.join(what)) => what.clone(),
        what => waiting(cli, what.as_deref())?,
    };
    let args = SignArgs {
        what: Some(what.clone()),
        key: args.key.clone(),
        root: args.root.clone(),
        out: args.out.clone(),
        dry_run: args.dry_run,
        yes: args.yes,
    };
    sign::agree(cli, &args, &what, progress)
}

/// The proposal that `what` means: its id, an environment's, or the only one there is.
fn waiting(cli: &Cli, what: Option<&str>) -> Result<String> {
    let project = Project::find(cli)?;
    let store = LocalProposals::new(project.work_dir().join("proposals"));
    let mut fit = Vec::new();
    for id in store.ids()? {
        // Whatever it is about: whether it may be agreed to is said where it is looked at.
        if what == Some(id.as_str()) {
            return Ok(id);
        }
        let Some(exchange) = store.load(&id)? else {
            continue;
        };
        let proposal = &exchange.proposal;
        let fits = match what {
            None => true,
            Some(what) => proposal.role(what).is_some(),
        };
        if proposal.kind == Kind::Promotion && fits {
            fit.push(id);
        }
    }
    match (fit.as_slice(), what) {
        ([one], _) => Ok(one.clone()),
        ([], what) => Err(Error::failed(format!(
            "no {} waits for agreement here",
            target_name(what.unwrap_or("ENVIRONMENT"))
        ))
        .hint(
            "propose one: relman promote TAG --to ENVIRONMENT; or name the file that you were sent",
        )),
        (more, _) => Err(Error::usage(format!(
            "{} proposals wait for agreement: {}",
            more.len(),
            more.join(", ")
        ))
        .hint("name one: relman agree ID")),
    }
}
