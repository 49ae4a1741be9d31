//! `relman docs`: the files that people read, made from the log, or compared with it.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::{Cli, DocsArgs};
#[cfg(feature = "maintainer")]
use super::policy_file;
use super::project::{Project, start_dir, store_and_root};
use crate::error::Context;
#[cfg(feature = "maintainer")]
use crate::hash::Sha256;
use crate::io::{clock, durable};
use crate::release::projection::{MARK, Page, pages};
use crate::release::view::View;
use crate::trust::memory::Memory;
use crate::trust::refresh::StoreMetadata;
use crate::ui::{Answer, text};
#[cfg(feature = "maintainer")]
use crate::watch::{page::page, policy::Policy};
use crate::{Error, Kind, Result};

/// Runs the command.
pub fn run(cli: &Cli, args: &DocsArgs) -> Result<Answer> {
    let (store, root) = store_and_root(cli, &args.store)?;
    let fetch = StoreMetadata(store.as_ref());
    let cache = Memory::new();
    let view = View::open(store.as_ref(), &fetch, &cache, &root, clock::now())?;
    let dir = place(cli, args)?;
    #[cfg_attr(not(feature = "maintainer"), allow(unused_mut))]
    let mut pages = pages(&view, store.as_ref())?;
    #[cfg(feature = "maintainer")]
    pages.extend(runbooks(cli, args, &view)?);
    let mut states = Vec::new();
    for page in &pages {
        states.push(state(&dir.join(page.name), page, args.check)?);
    }
    let mut files: Vec<Value> = Vec::new();
    let mut out = String::new();
    let mut changed = 0;
    for (page, before) in pages.iter().zip(states) {
        let path = dir.join(page.name);
        let state = match before {
            "differs" | "missing" if !args.check => {
                durable::create_dir_all(&dir)?;
                durable::write_atomic(&path, page.text.as_bytes(), durable::MODE_FILE)?;
                "written"
            }
            other => other,
        };
        changed += usize::from(state != "same");
        let shown = path.display().to_string();
        files.push(json!({ "file": shown, "state": state }));
        out.push_str(&format!("{state:8} {}\n", text::line(&shown)));
    }
    let head = view.history.checkpoint.head();
    let data = json!({
        "store": store.location(),
        "size": head.size,
        "root": head.root,
        "files": files,
    });
    Ok(match (changed, args.check) {
        (0, _) => Answer::named("unchanged", data, out),
        (_, false) => Answer::done(data, out),
        (_, true) => {
            out.push_str("not what the log and the policy say; write them anew: relman docs\n");
            Answer::findings(Kind::Failed, data, out)
        }
    })
}

/// The team's runbooks, from the watch policy that the root keys have signed, else the one beside the project's
/// `relman.toml`; none without one.
///
/// # Errors
/// Usage: a policy with problems. A page is never made of what nobody would act on.
#[cfg(feature = "maintainer")]
fn runbooks(cli: &Cli, args: &DocsArgs, view: &View) -> Result<Option<Page>> {
    let signed = view.policy.policy().document().watch.clone();
    let text = match (signed, &args.store.store) {
        (Some(text), _) => Some(text),
        (None, Some(_)) => None,
        (None, None) => match Project::look(cli)? {
            Some(project) => policy_file::text_in(&project.dir)?,
            None => None,
        },
    };
    let Some(text) = text else {
        return Ok(None);
    };
    let policy = Policy::parse(&text).map_err(|e| e.hint("relman watch check"))?;
    Ok(Some(page(&policy, Sha256::of(text.as_bytes()))))
}

/// Where the files are: beside the project's store, they are the project's.
fn place(cli: &Cli, args: &DocsArgs) -> Result<PathBuf> {
    let start = start_dir(cli)?;
    if let Some(dir) = &args.out {
        return Ok(start.join(dir));
    }
    let project = match args.store.store {
        None => Project::look(cli)?,
        Some(_) => None,
    };
    Ok(project.map_or(start, |project| project.dir))
}

/// How a page's file stands to what it is to be.
///
/// # Errors
/// Failed: there is something that relman did not make, and it would be overwritten.
fn state(path: &Path, page: &Page, check: bool) -> Result<&'static str> {
    if !durable::is_there(path) {
        return Ok("missing");
    }
    let foreign = |what: &str| {
        Error::failed(format!("{} is there, and {what}", path.display())).hint(
            "it was not overwritten: move it away, or name another directory: relman docs --out DIR",
        )
    };
    if !durable::is_file(path) {
        return Err(foreign("is no file"));
    }
    let wanted = page.text.as_bytes();
    let mut found = Vec::new();
    let limit = wanted.len().max(MARK.len()) as u64;
    let file = durable::open_file(path)?.ok_or_else(|| foreign("vanished"))?;
    let read = file.take(limit).read_to_end(&mut found);
    read.or_failed(|| format!("cannot read {}", path.display()))?;
    let same = durable::file_len(path)? == wanted.len() as u64 && found == wanted;
    match (same, found.starts_with(MARK.as_bytes())) {
        (true, _) => Ok("same"),
        (false, false) if !check => Err(foreign("was not made by relman")),
        _ => Ok("differs"),
    }
}
