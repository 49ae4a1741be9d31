//! `relman rebuild`: builds a published release again and tells whether the bytes are the same.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::{Cli, RebuildArgs};
use super::project::{self, Project, start_dir, store_and_root};
use crate::attest::Envelope;
use crate::attest::rebuild::Rebuild;
use crate::io::build::ProcessBuilder;
use crate::io::drafts::LocalDrafts;
use crate::io::drawer::LocalDrawer;
use crate::io::git::{self, GitSource};
use crate::io::keyring::Chosen;
use crate::io::scratch::PrivateFiles;
use crate::io::workshop::Workshop;
use crate::io::{clock, durable, kept, process};
use crate::keys::Signer;
use crate::limits::MAX_LOG_ENTRY_LEN;
use crate::release::attestations::Drawer;
use crate::release::config::Config;
use crate::release::cut::Events;
use crate::release::publish::Keys;
use crate::release::rebuild::{self, Done, Published, Rebuilder};
use crate::release::tag::Tag;
use crate::release::view::View;
use crate::trust::memory::Memory;
use crate::trust::policy::Purpose;
use crate::trust::refresh::StoreMetadata;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Kind, Result};

/// The purpose whose keys attest.
const PURPOSE: &str = "rebuilder";

/// Runs the command.
pub fn run(cli: &Cli, args: &RebuildArgs, progress: &mut Progress) -> Result<Answer> {
    // The name alone can be wrong: say so before anything is opened.
    Tag::parse_any(&args.tag)?;
    let here = Project::find(cli).ok();
    progress.stage(&format!("verify {}", args.tag));
    let (store, root) = store_and_root(cli, &args.store)?;
    let (fetch, cache) = (StoreMetadata(store.as_ref()), Memory::new());
    let view = View::open(store.as_ref(), &fetch, &cache, &root, clock::now())?;
    for late in view.expiries(clock::now()) {
        progress.note(&format!("warning: {late}"));
    }
    let name = view.policy.policy().document().project.clone();
    // The name becomes part of a path.
    Config::bare(&name).check()?;
    let signing = Signing::find(cli, args, here.as_ref(), &view, &name)?;
    let scratch = PrivateFiles::default();
    let mut published = Published::open(store.as_ref(), &view, &scratch, &args.tag)?;

    let workshop = Workshop::for_rebuild(None, &name)?;
    let source = Place::of(cli, args, here.as_ref())?;
    let git = source.open(&workshop, progress)?;
    let info = rebuild::find(&git, &source.name(), &published.recipe)?;
    let plan = rebuild::configuration(&git, &info, &published.recipe, &name)?;
    let git = git.with_public_url(plan.0.release.repository.clone());
    let places = workshop.places();
    let home = process::home_dir().map(|dir| dir.to_string_lossy().into_owned());
    let mut done = Rebuilder {
        source: &git,
        build: &ProcessBuilder::from_env(),
        drafts: &LocalDrafts::new(workshop.packed()),
        places: &places,
        dirs: home
            .map(|dir| (dir, "the user's home directory"))
            .into_iter()
            .collect(),
        names: process::user_name()
            .into_iter()
            .chain([process::host_name()])
            .collect(),
        now: &clock::now,
        threads: process::threads(),
    }
    .run(&mut published, &info, plan, progress)?;
    let kept = match args.keep {
        true => Some(keep(cli, here.as_ref(), &mut published, &mut done)?),
        false => None,
    };
    let attested = match &done.attestable {
        Some(rebuild) => signing.attest(rebuild)?,
        None => None,
    };
    workshop.clear()?;
    Ok(answer(&done, attested.as_ref(), kept.as_deref()))
}

/// Where the source is.
enum Place {
    Here(PathBuf),
    Url(String),
}

impl Place {
    fn of(cli: &Cli, args: &RebuildArgs, here: Option<&Project>) -> Result<Self> {
        match (&args.source, here) {
            (Some(url), _) if url.contains("://") => Ok(Place::Url(url.clone())),
            (Some(path), _) => Ok(Place::Here(start_dir(cli)?.join(path))),
            (None, Some(project)) => Ok(Place::Here(project.dir.clone())),
            (None, None) => Err(
                Error::usage("outside a project nothing says where the source is")
                    .hint("name a git clone or its URL: --source PATH|URL"),
            ),
        }
    }

    fn name(&self) -> String {
        match self {
            Place::Here(path) => path.display().to_string(),
            Place::Url(url) => url.clone(),
        }
    }

    fn open(&self, workshop: &Workshop, progress: &mut Progress) -> Result<GitSource> {
        match self {
            Place::Here(path) => GitSource::open(path),
            Place::Url(url) => {
                progress.stage("fetch the source");
                git::fetch(url, &workshop.fetched())?;
                GitSource::open(&workshop.fetched())
            }
        }
    }
}

/// With what a rebuild is attested, and where that is written. Found before the build, so that a wrong
/// key is told before it and not after.
struct Signing {
    key: Option<Box<dyn Signer>>,
    person: String,
    to: Target,
}

enum Target {
    Drawer(LocalDrawer),
    File(PathBuf),
    Nowhere,
}

/// A statement that was signed and kept.
struct Attested {
    person: String,
    place: PathBuf,
    fresh: bool,
    next: Option<String>,
}

impl Signing {
    fn find(
        cli: &Cli,
        args: &RebuildArgs,
        here: Option<&Project>,
        view: &View,
        project: &str,
    ) -> Result<Self> {
        let to = match (&args.out, here) {
            (Some(path), _) => Target::File(start_dir(cli)?.join(path)),
            (None, Some(own)) if own.config.project == project && args.store.store.is_none() => {
                Target::Drawer(LocalDrawer::new(own.work_dir().join("attestations")))
            }
            _ => Target::Nowhere,
        };
        if let Target::File(path) = &to
            && !durable::is_dir(durable::parent(path))
        {
            let dir = durable::parent(path).display();
            return Err(Error::failed(format!("there is no directory {dir}")));
        }
        let accepted = view.policy.accepted(&Purpose::Rebuilder, clock::now());
        let key = match &args.key {
            Some(word) => Some(
                Chosen::read(word, &start_dir(cli)?, &cli.passphrases)?
                    .one_of(PURPOSE, &accepted)?,
            ),
            None => {
                let keyring =
                    project::keyring(cli.secret_keys.as_deref(), project, &cli.passphrases)?;
                match keyring.all(PURPOSE)?.is_empty() {
                    true => None,
                    false => Some(keyring.one_of(PURPOSE, &accepted)?),
                }
            }
        };
        if let Some(key) = &key {
            key.prepare()?;
            view.policy
                .check_signer(&Purpose::Rebuilder, &key.public(), clock::now())?;
            if matches!(to, Target::Nowhere) {
                return Err(Error::usage("outside the project's own directory nothing says where to keep the attestation")
                    .hint("name a file, to be imported where the store is: --out FILE"));
            }
        } else if args.out.is_some() {
            return Err(
                Error::failed(format!("there is no {PURPOSE} key to attest with"))
                    .hint("name one: --key FILE"),
            );
        }
        let person = key
            .as_ref()
            .map(|key| view.policy.people(&[key.public()].into()));
        Ok(Signing {
            person: person.unwrap_or_default(),
            key,
            to,
        })
    }

    fn attest(&self, rebuild: &Rebuild) -> Result<Option<Attested>> {
        let Some(key) = &self.key else {
            return Ok(None);
        };
        let envelope = Envelope::sign(&rebuild.statement(), key.as_ref())?;
        let line = envelope.to_line()?;
        if line.len() > MAX_LOG_ENTRY_LEN {
            return Err(Error::failed(format!(
                "the attestation has {} bytes, the log takes {MAX_LOG_ENTRY_LEN}",
                line.len()
            )));
        }
        let (place, fresh, next) = match &self.to {
            Target::File(path) => {
                let bytes = [line.as_slice(), b"\n"].concat();
                durable::write_atomic(path, &bytes, durable::MODE_FILE)?;
                let next = format!("relman import {}, where the store is", path.display());
                (path.clone(), true, Some(next))
            }
            Target::Drawer(drawer) => {
                let fresh = drawer.add(&rebuild.tag, &envelope)?;
                (drawer.path_of(&rebuild.tag), fresh, None)
            }
            Target::Nowhere => return Err(Error::bug("a key, and no place for what it signs")),
        };
        Ok(Some(Attested {
            person: self.person.clone(),
            place,
            fresh,
            next,
        }))
    }
}

/// Puts both archives side by side.
fn keep(
    cli: &Cli,
    here: Option<&Project>,
    published: &mut Published,
    done: &mut Done,
) -> Result<PathBuf> {
    let dir = match here {
        Some(project) => project.work_dir().join("rebuilt"),
        None => start_dir(cli)?.join("relman-rebuilt"),
    };
    let dir = dir.join(&published.released.tag);
    durable::create_dir_all(durable::parent(&dir))?;
    let name = published.released.archive_name();
    published.archive.rewind()?;
    kept::keep(
        &dir,
        &mut [
            (
                format!("published/{name}"),
                &mut published.archive as &mut dyn Read,
            ),
            (format!("rebuilt/{name}"), &mut done.archive),
        ],
    )?;
    Ok(dir)
}

fn answer(done: &Done, attested: Option<&Attested>, kept: Option<&Path>) -> Answer {
    let report = &done.report;
    let mut out: String = report
        .lines()
        .iter()
        .map(|line| format!("{}\n", text::line(line)))
        .collect();
    if let Some(dir) = kept {
        out.push_str(&format!(
            "kept: {}\n",
            text::line(&dir.display().to_string())
        ));
    }
    match attested {
        Some(attested) => {
            let word = if attested.fresh {
                "attested"
            } else {
                "attested before"
            };
            out.push_str(&format!(
                "{word} by {}: {}\n",
                text::line(&attested.person),
                text::line(&attested.place.display().to_string()),
            ));
            out.push_str(&match &attested.next {
                Some(next) => format!("next: {}\n", text::line(next)),
                None => format!("next: relman publish {}\n", text::line(&report.tag)),
            });
        }
        None if report.same => out.push_str(&format!(
            "not attested: there is no rebuilder key here\n\
             with one that policy names: relman rebuild {} --key FILE\n",
            report.tag
        )),
        None => {}
    }
    let data = json!({
        "report": report,
        "attested": attested.map(|a| json!({ "person": a.person, "file": a.place, "fresh": a.fresh })),
        "kept": kept,
    });
    match report.same {
        true => Answer::done(data, out),
        false => Answer::findings(Kind::Failed, data, out),
    }
}
