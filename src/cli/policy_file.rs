//! Which watch policy a command works with: the file that it names, else `watch.toml` beside `relman.toml`.

use std::path::{Path, PathBuf};

use super::args::Cli;
use super::project::{Project, start_dir};
use crate::hash::Sha256;
use crate::io::durable;
use crate::limits::MAX_WATCH_POLICY_LEN;
use crate::watch::policy::{FILE_NAME, Policy};
use crate::{Error, Result};

/// A policy, and where it came from.
pub struct Chosen {
    /// The checked policy.
    pub policy: Policy,
    /// Its digest.
    pub sha256: Sha256,
    /// Where it was found, for people.
    pub place: String,
}

/// The policy that `file` names, else the project's.
///
/// # Errors
/// Usage: there is none; it has problems, all of which are told.
pub fn policy(cli: &Cli, file: Option<&Path>) -> Result<Chosen> {
    let path = match file {
        Some(file) => start_dir(cli)?.join(file),
        None => beside_project(cli)?.ok_or_else(|| {
            Error::usage(format!(
                "no watch policy is named, and there is no {FILE_NAME} beside relman.toml"
            ))
            .hint("name one: --policy FILE")
        })?,
    };
    let text = read(&path)?.ok_or_else(|| {
        Error::usage(format!("there is no watch policy {}", path.display()))
            .hint("name one: --policy FILE")
    })?;
    let policy = Policy::parse(&text).map_err(|e| e.under(path.display().to_string()))?;
    Ok(Chosen {
        policy,
        sha256: Sha256::of(text.as_bytes()),
        place: path.display().to_string(),
    })
}

/// The text of the policy beside `relman.toml`, if there is one there.
///
/// # Errors
/// I/O; it is too long or no text.
pub fn text_in(dir: &Path) -> Result<Option<String>> {
    read(&dir.join(FILE_NAME))
}

fn beside_project(cli: &Cli) -> Result<Option<PathBuf>> {
    let project = Project::look(cli)?;
    let path = project.map(|project| project.dir.join(FILE_NAME));
    Ok(path.filter(|path| durable::is_there(path)))
}

fn read(path: &Path) -> Result<Option<String>> {
    let Some(bytes) = durable::read_bounded(path, MAX_WATCH_POLICY_LEN)? else {
        return Ok(None);
    };
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|e| Error::usage(format!("{} is not UTF-8", path.display())).caused_by(e))
}
