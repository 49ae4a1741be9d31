//! `relman verify`: every check of a release, one line each, and all that is wrong.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::{Cli, VerifyArgs};
use super::project::{self, start_dir, store_and_root};
use crate::io::scratch::PrivateFiles;
use crate::io::store_bundle::BundleStore;
use crate::io::store_local::LocalStore;
use crate::io::{clock, durable, process};
use crate::release::archive::Sink;
use crate::release::state::Released;
use crate::release::tag::{Pattern, Tag};
use crate::release::verify::{LOCAL, SeenNothing, Subject, Unpacking, Verdict, Verifier};
use crate::store::Reader;
use crate::trust::memory::Memory;
use crate::trust::state::{Clock, Expiry};
use crate::ui::{Answer, report, text};
use crate::{Kind, Result};

/// What was named on the command line.
enum What {
    Tag(String),
    Archive { tag: String, path: PathBuf },
    Directory { tag: String, path: PathBuf },
}

/// Runs the command.
pub fn run(cli: &Cli, args: &VerifyArgs) -> Result<Answer> {
    if let Some(path) = &args.bundle {
        return bundle(cli, args, &start_dir(cli)?.join(path));
    }
    let what = what(cli, args.what.as_deref().unwrap_or_default())?;
    let (store, root) = store_and_root(cli, &args.store)?;
    let verdict = match &what {
        What::Tag(tag) => published(store.as_ref(), &root, tag, None),
        What::Archive { tag, path } => {
            let beside = LocalStore::new(path.parent().unwrap_or(Path::new(".")));
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            check(
                (store.as_ref(), LOCAL),
                &root,
                tag,
                store.as_ref(),
                Unpacking::Members,
                &|_| beside.open(&name),
                None,
            )
        }
        What::Directory { tag, path } => {
            let above = LocalStore::new(path.parent().unwrap_or(Path::new(".")));
            check(
                (store.as_ref(), LOCAL),
                &root,
                tag,
                &above,
                Unpacking::Directory,
                &|released: &Released| above.open(&format!("{tag}/{}", released.archive_name())),
                None,
            )
        }
    };
    Ok(answer(&what, &verdict, store.as_ref()))
}

/// A bundle, as a node of its environment would check it that has never asked a store.
fn bundle(cli: &Cli, args: &VerifyArgs, path: &Path) -> Result<Answer> {
    let root = match &args.store.root {
        Some(root) => project::read_root(&start_dir(cli)?.join(root))?,
        None => project::Project::find(cli)
            .map_err(|e| e.hint("outside a project, name the trust root: --root FILE"))?
            .root()?,
    };
    let store = BundleStore::open(path)?;
    let index = store.index();
    let tag = match &args.what {
        Some(name) => tag(name, None)?,
        None => index.tag.clone(),
    };
    let verdict = check(
        (&store, &index.environment),
        &root,
        &tag,
        &store,
        Unpacking::Members,
        &|released| store.open(&released.archive_path()),
        None,
    );
    Ok(answer(&What::Tag(tag), &verdict, &store))
}

/// Every check of a release of a store. `sink` gets its files; they count only if all of it verifies.
pub(super) fn published(
    store: &dyn Reader,
    root: &[u8],
    tag: &str,
    sink: Option<&mut dyn Sink>,
) -> Verdict {
    check(
        (store, LOCAL),
        root,
        tag,
        store,
        Unpacking::Directory,
        &|released| store.open(&released.archive_path()),
        sink,
    )
}

type Open<'a> = dyn Fn(&Released) -> Result<Option<Box<dyn Read + Send>>> + 'a;

pub(super) fn check(
    (store, environment): (&dyn Reader, &str),
    root: &[u8],
    tag: &str,
    release: &dyn Reader,
    unpacking: Unpacking,
    archive: &Open,
    sink: Option<&mut dyn Sink>,
) -> Verdict {
    let clock = Clock {
        now: clock::now(),
        expiry: Expiry::Enforce,
    };
    Verifier {
        store,
        trusted_root: Some(root),
        cache: &Memory::new(),
        seen: &SeenNothing(None),
        scratch: &PrivateFiles::default(),
        clock,
        threads: process::threads(),
        stop_at_first: false,
    }
    .run(
        &Subject {
            tag,
            environment,
            release,
            archive,
            unpacking,
        },
        sink,
    )
}

fn what(cli: &Cli, name: &str) -> Result<What> {
    let pattern = match project::Project::find(cli) {
        Ok(project) => Some(project.config.tags.pattern),
        Err(_) => None,
    };
    let looks_like_path = name.contains('/') || name.ends_with(".tar.gz");
    if !looks_like_path {
        return tag(name, pattern).map(What::Tag);
    }
    let path = durable::canonical(&start_dir(cli)?.join(name))?;
    let last = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if durable::is_dir(&path) {
        let tag = tag(&last, pattern)?;
        return Ok(What::Directory { tag, path });
    }
    // A store keeps the archive under `<sha256>.<tag>.tar.gz` too.
    let name = match last.split_once('.') {
        Some((digest, rest)) if digest.len() == 64 => rest.to_owned(),
        _ => last,
    };
    let tag = tag(name.strip_suffix(".tar.gz").unwrap_or(&name), pattern)?;
    Ok(What::Archive { tag, path })
}

fn tag(name: &str, pattern: Option<Pattern>) -> Result<String> {
    let parsed = match pattern {
        Some(pattern) => Tag::parse(name, pattern),
        None => Tag::parse_any(name),
    };
    Ok(parsed?.to_string())
}

fn answer(what: &What, verdict: &Verdict, store: &dyn Reader) -> Answer {
    let (tag, shown) = match what {
        What::Tag(tag) => (tag, format!("{tag} in {}", store.location())),
        What::Archive { tag, path } | What::Directory { tag, path } => {
            (tag, path.display().to_string())
        }
    };
    let problems = verdict.report.problems().count();
    let skipped = verdict
        .report
        .checks
        .iter()
        .filter(|c| c.outcome == crate::release::report::Outcome::Skipped)
        .count();
    let mut out = report::lines(&verdict.report);
    out.push_str(&match (&verdict.release, skipped) {
        (Some(_), _) => format!("{} is verified\n", text::line(&shown)),
        (None, 0) => format!(
            "{} is NOT verified: {}\n",
            text::line(&shown),
            report::problem_count(problems)
        ),
        (None, n) => format!(
            "{} is NOT verified: {}, checks not made: {n}\n",
            text::line(&shown),
            report::problem_count(problems)
        ),
    });
    let data = json!({
        "release": tag,
        "store": store.location(),
        "verified": verdict.release.is_some(),
        "report": verdict.report,
        "commit": verdict.release.as_ref().map(|r| &r.released.commit),
        "sha256": verdict.release.as_ref().map(|r| r.released.sha256),
    });
    match &verdict.release {
        Some(_) => Answer::done(data, out),
        None => Answer::findings(Kind::Refused, data, out),
    }
}
