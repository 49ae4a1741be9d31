//! `relman cut`, `publish` and `timestamp`: the commands that write to the store.

use jiff::SignedDuration;
use serde_json::json;

use super::approve;
use super::args::{Cli, CutArgs, TagArgs, TimestampArgs};
use super::desk::Desk;
use super::gate;
use super::project::Project;
use super::sign;
use crate::attest::Envelope;
use crate::attest::provenance::Builder;
use crate::io::build::ProcessBuilder;
use crate::io::git::GitSource;
use crate::io::workshop::Workshop;
use crate::io::{clock, process};
use crate::release::attestations::Drawer;
use crate::release::cut::{Cutter, Drafted, Events};
use crate::release::draft::{Drafts, Record};
use crate::release::publish::{Keys, Planned, Waiting};
use crate::release::state::{self, Released};
use crate::release::tag::Tag;
use crate::release::view::View;
use crate::trust::policy::Purpose;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Result};

/// `relman cut`.
pub fn cut(cli: &Cli, args: &CutArgs, progress: &mut Progress) -> Result<Answer> {
    // The name alone can be wrong: say so before anything is opened or locked.
    let project = Project::find(cli)?;
    let tag = Tag::parse(&args.tag, project.config.tags.pattern)?;
    let source =
        GitSource::open(&project.dir)?.with_public_url(project.config.release.repository.clone());
    if args.gate {
        gate::before_cut(cli, &project, &tag, args.clean, progress)?;
    }
    let desk = Desk::open(cli, progress)?;
    let (key, released, policy) = desk.with_view(|view| {
        let builders = view.policy.accepted(&Purpose::Builder, clock::now());
        let key = desk.keyring.one_of("builder", &builders)?;
        // Before a long build, not after it.
        view.policy
            .check_signer(&Purpose::Builder, &key.public(), clock::now())?;
        let released = state::released(view.refreshed.targets()).0;
        key.prepare()?;
        Ok((key, released, view.policy.clone()))
    })?;

    let drafted = {
        let workshop = Workshop::open(None, &desk.project.config.project, args.clean)?;
        Cutter {
            config: &desk.project.config,
            source: &source,
            build: &ProcessBuilder::from_env(),
            drafts: &desk.drafts,
            drawer: &desk.drawer,
            places: &workshop.places(),
            key: key.as_ref(),
            policy: &policy,
            builder: match args.clean {
                true => Builder::WorkstationClean,
                false => Builder::Workstation,
            },
            now: &clock::now,
            threads: process::threads(),
        }
        .draft(&tag, &released, progress)?
    };
    match drafted {
        Drafted::Published(before) => already_cut(&desk, &before),
        Drafted::Draft { record, .. } if args.draft => Ok(draft(&desk, &record, None)),
        Drafted::Draft { record, fresh } => {
            if !fresh {
                progress.note("the draft of this tag is complete; it is published as it is");
            }
            match desk.publish(&record, progress)? {
                Some(waiting) => Ok(draft(&desk, &record, Some(waiting))),
                None => Ok(published(&desk, &record)),
            }
        }
    }
}

/// `relman publish`.
pub fn publish(cli: &Cli, args: &TagArgs, progress: &mut Progress) -> Result<Answer> {
    let desk = Desk::open(cli, progress)?;
    let tag = desk.parse(&args.tag)?;
    if let Some(before) = desk.released()?.iter().find(|r| r.tag == tag.as_str()) {
        return match desk.drawer.load(tag.as_str())? {
            waiting if waiting.is_empty() => already_cut(&desk, before),
            waiting => attested(&desk, before, &waiting, progress),
        };
    }
    let record = desk.drafts.load(tag.as_str())?.ok_or_else(|| {
        Error::failed(format!("there is no draft of {tag}")).hint(format!("relman cut {tag}"))
    })?;
    match desk.publish(&record, progress)? {
        Some(waiting) => Ok(draft(&desk, &record, Some(waiting))),
        None => Ok(published(&desk, &record)),
    }
}

/// Results of gates, approvals and rebuilds that came after the release was published.
fn attested(
    desk: &Desk,
    released: &Released,
    waiting: &[Envelope],
    progress: &mut Progress,
) -> Result<Answer> {
    progress.stage("enter attestations in the log");
    let (said, state) = approve::take_in(desk, waiting)?;
    desk.drawer.remove(&released.tag)?;
    let data = json!({ "release": released, "attestations": waiting.len(), "state": state });
    let said = format!(
        "{} is published; of what is said of it, {said}",
        released.tag
    );
    Ok(Answer::done(data, said))
}

/// `relman timestamp`.
pub fn timestamp(cli: &Cli, args: &TimestampArgs, progress: &mut Progress) -> Result<Answer> {
    let desk = Desk::open(cli, progress)?;
    if let Some(hours) = args.renew_before {
        let limit = SignedDuration::from_hours(i64::from(hours));
        let fresh = desk.with_view(|view| {
            let r = &view.refreshed;
            let mut end = r.timestamp().expires.min(r.snapshot().expires);
            end = view.cosigned_until().map_or(end, |until| end.min(until));
            Ok((end.duration_since(clock::now()) > limit).then(|| freshness(view, "unchanged")))
        })?;
        if let Some(fresh) = fresh {
            return Ok(fresh);
        }
    }
    progress.stage("sign the store's freshness");
    let (planned, stale) = desk.with_view(|view| desk.publisher().freshness(view))?;
    match planned {
        Planned::Waiting(waiting) => {
            Err(waiting.error("run it where the timestamp key is: --secret-keys DIR"))
        }
        Planned::Ready(transaction) => {
            desk.write(&transaction)?;
            desk.with_view(|view| {
                let done = freshness(view, "done");
                Ok(match stale {
                    Some(e) => not_cosigned(done, &e),
                    None => done,
                })
            })
        }
    }
}

/// The metadata is fresh; the log's cosignatures are as old as they were.
fn not_cosigned(done: Answer, error: &Error) -> Answer {
    let causes = error.causes().iter().map(|cause| format!("  {cause}\n"));
    let text = format!(
        "{}warning: witnesses did not cosign the log anew: {}\n{}",
        done.text,
        error.message(),
        causes.collect::<String>()
    );
    let mut data = done.data;
    data["warnings"] = json!([error.to_string()]);
    Answer::findings(error.kind(), data, text)
}

fn freshness(view: &View, outcome: &'static str) -> Answer {
    let (timestamp, snapshot) = (view.refreshed.timestamp(), view.refreshed.snapshot());
    let data = json!({
        "timestamp": { "version": timestamp.version, "expires": timestamp.expires.to_string() },
        "snapshot": { "version": snapshot.version, "expires": snapshot.expires.to_string() },
    });
    let text = format!(
        "timestamp {} is valid until {}, snapshot {} until {}\n",
        timestamp.version,
        text::time(timestamp.expires),
        snapshot.version,
        text::time(snapshot.expires)
    );
    Answer::named(outcome, data, text)
}

fn already_cut(desk: &Desk, released: &Released) -> Result<Answer> {
    // A run that was killed after publishing has left its draft.
    desk.drafts.remove(&released.tag)?;
    let text = format!(
        "{} is already cut: {}\nsha256 {}\n",
        released.tag,
        desk.place(&released.tag),
        released.sha256
    );
    Ok(Answer::named(
        "unchanged",
        json!({ "release": released }),
        text,
    ))
}

fn published(desk: &Desk, record: &Record) -> Answer {
    let place = desk.place(&record.tag);
    let archive = format!("{}.tar.gz", record.tag);
    let text = format!(
        "published {}\n  commit   {}\n  archive  {place}/{archive}, {}\n  sha256   {}\n\
         next: relman verify {}\n",
        record.tag,
        record.commit,
        text::size(record.archive_len),
        record.archive,
        record.tag,
    );
    let data = json!({ "release": record.tag, "commit": record.commit, "archive": archive,
        "sha256": record.archive, "length": record.archive_len, "directory": place,
        "files": record.files });
    Answer::done(data, text)
}

fn draft(desk: &Desk, record: &Record, waiting: Option<Waiting>) -> Answer {
    let dir = desk.drafts.file(&record.tag, "");
    let mut text = format!(
        "{} is a draft: {}\n  commit   {}\n  sha256   {}\n",
        record.tag,
        dir.display(),
        record.commit,
        record.archive
    );
    match &waiting {
        Some(waiting) if waiting.rule.is_some() => text.push_str(&format!(
            "not published: {}\nto collect approvals: relman export release-{tag} --out FILE; each \
             approver: relman approve FILE --role ROLE --out APPROVAL; then relman import APPROVAL\n\
             who has, who is missing: relman show {tag}\nwhen all is there: relman publish {tag}\n",
            text::line(&waiting.line()),
            tag = record.tag
        )),
        Some(waiting) => text.push_str(&format!(
            "not published: {}\nwhen they can sign: relman publish {}\n",
            waiting.line(),
            record.tag
        )),
        None => text.push_str(&format!("next: relman publish {}\n", record.tag)),
    }
    if let Some(absent) = waiting.as_ref().and_then(|waiting| waiting.absent.as_ref()) {
        text.push_str(&sign::absent(absent));
    }
    let data = json!({ "release": record.tag, "commit": record.commit, "sha256": record.archive,
        "directory": dir, "waiting": waiting });
    Answer::named("draft", data, text)
}
