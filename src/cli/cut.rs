//! `relman cut`, `publish` and `timestamp`: the commands that write to the store.

use serde_json::json;

use super::args::{Cli, CutArgs, TagArgs};
use super::project::Project;
use crate::io::build::ProcessBuilder;
use crate::io::drafts::LocalDrafts;
use crate::io::git::GitSource;
use crate::io::keyring::Keyring;
use crate::io::lock::Lock;
use crate::io::stage_local::LocalStage;
use crate::io::store_local::LocalStore;
use crate::io::workshop::Workshop;
use crate::io::{clock, process};
use crate::keys::Signer;
use crate::release::cut::{Cutter, Drafted, Events};
use crate::release::draft::{Drafts, Record};
use crate::release::publish::{Planned, Publisher, Waiting};
use crate::release::state::{self, Released};
use crate::release::tag::Tag;
use crate::release::view::View;
use crate::store::stage::Stage;
use crate::trust::memory::Memory;
use crate::trust::policy::Purpose;
use crate::trust::refresh::StoreMetadata;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Result};

/// The store of a project, locked, with every earlier publication finished.
struct Desk {
    project: Project,
    store: LocalStore,
    keyring: Keyring,
    drafts: LocalDrafts,
    root: Vec<u8>,
    _lock: Lock,
}

impl Desk {
    fn open(cli: &Cli, progress: &mut Progress) -> Result<Self> {
        let project = Project::find(cli)?;
        let store = project.store();
        let root = project.root()?;
        let lock = Lock::acquire(&Lock::of_store(store.root()), cli.command.name())?;
        if LocalStage::new(&store).finish()? {
            progress.note("finished a publication that an earlier run had begun");
        }
        Ok(Desk {
            keyring: project.keyring()?,
            drafts: LocalDrafts::new(project.work_dir().join("drafts")),
            root,
            store,
            project,
            _lock: lock,
        })
    }

    fn with_view<T>(&self, work: impl FnOnce(&mut View) -> Result<T>) -> Result<T> {
        let fetch = StoreMetadata(&self.store);
        let cache = Memory::new();
        let now = clock::now();
        let mut view = View::open(&self.store, &fetch, &cache, &self.root, now)?;
        work(&mut view)
    }

    fn publisher(&self) -> Publisher<'_> {
        Publisher {
            store: &self.store,
            keys: &self.keyring,
            expiry: &self.project.config.expiry,
            now: clock::now(),
        }
    }

    fn released(&self) -> Result<Vec<Released>> {
        self.with_view(|view| Ok(state::released(view.refreshed.targets()).0))
    }

    /// Enters a draft in the store, or says whose signatures it lacks.
    fn publish(&self, record: &Record, progress: &mut Progress) -> Result<Option<Waiting>> {
        progress.stage("publish");
        let planned =
            self.with_view(|view| self.publisher().release(view, record, &self.drafts))?;
        match planned {
            Planned::Waiting(waiting) => Ok(Some(waiting)),
            Planned::Ready(transaction) => {
                let stage = LocalStage::new(&self.store);
                stage.write(&transaction)?;
                stage.finish()?;
                self.drafts.remove(&record.tag)?;
                Ok(None)
            }
        }
    }

    fn parse(&self, tag: &str) -> Result<Tag> {
        Tag::parse(tag, self.project.config.tags.pattern)
    }

    /// Where a published release is, for people.
    fn place(&self, tag: &str) -> String {
        self.store.root().join(tag).display().to_string()
    }
}

/// `relman cut`.
pub fn cut(cli: &Cli, args: &CutArgs, progress: &mut Progress) -> Result<Answer> {
    // The name alone can be wrong: say so before anything is opened or locked.
    let project = Project::find(cli)?;
    let tag = Tag::parse(&args.tag, project.config.tags.pattern)?;
    let source =
        GitSource::open(&project.dir)?.with_public_url(project.config.release.repository.clone());
    let desk = Desk::open(cli, progress)?;
    let key = desk.keyring.require("builder")?;
    let released = desk.with_view(|view| {
        // Before a long build, not after it.
        view.policy
            .check_signer(&Purpose::Builder, &key.public(), clock::now())?;
        Ok(state::released(view.refreshed.targets()).0)
    })?;

    let drafted = {
        let workshop = Workshop::open(None, &desk.project.config.project, args.clean)?;
        Cutter {
            config: &desk.project.config,
            source: &source,
            build: &ProcessBuilder::from_env(),
            drafts: &desk.drafts,
            places: &workshop.places(),
            key: &key,
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
        return already_cut(&desk, before);
    }
    let record = desk.drafts.load(tag.as_str())?.ok_or_else(|| {
        Error::failed(format!("there is no draft of {tag}")).hint(format!("relman cut {tag}"))
    })?;
    match desk.publish(&record, progress)? {
        Some(waiting) => Ok(draft(&desk, &record, Some(waiting))),
        None => Ok(published(&desk, &record)),
    }
}

/// `relman timestamp`.
pub fn timestamp(cli: &Cli, progress: &mut Progress) -> Result<Answer> {
    let desk = Desk::open(cli, progress)?;
    progress.stage("sign the store's freshness");
    let planned = desk.with_view(|view| desk.publisher().freshness(view))?;
    match planned {
        Planned::Waiting(waiting) => Err(Error::failed(waiting_line(&waiting))
            .hint("run it where the timestamp key is: --secret-keys DIR")),
        Planned::Ready(transaction) => {
            let stage = LocalStage::new(&desk.store);
            stage.write(&transaction)?;
            stage.finish()?;
            desk.with_view(|view| {
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
                Ok(Answer::done(data, text))
            })
        }
    }
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
        Some(waiting) => text.push_str(&format!(
            "not published: {}\nwhen they can sign: relman publish {}\n",
            waiting_line(waiting),
            record.tag
        )),
        None => text.push_str(&format!("next: relman publish {}\n", record.tag)),
    }
    let data = json!({ "release": record.tag, "commit": record.commit, "sha256": record.archive,
        "directory": dir, "waiting": waiting });
    Answer::named("draft", data, text)
}

fn waiting_line(waiting: &Waiting) -> String {
    format!(
        "role {} has {} of {} signatures, missing: {}",
        waiting.role,
        waiting.have,
        waiting.threshold,
        waiting.missing.join(", ")
    )
}
