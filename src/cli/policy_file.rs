//! Which watch policy a command works with, and who has agreed on it.

use std::path::Path;

use super::args::Cli;
use super::project::{Project, start_dir};
use crate::hash::Sha256;
use crate::io::{clock, durable};
use crate::limits::MAX_WATCH_POLICY_LEN;
use crate::release::cut::Events;
use crate::release::view::View;
use crate::trust::memory::Memory;
use crate::trust::refresh::StoreMetadata;
use crate::ui::Progress;
use crate::watch::policy::{FILE_NAME, Policy};
use crate::{Error, Result};

/// A policy, and where it is from.
pub struct Chosen {
    /// The policy.
    pub policy: Policy,
    /// Where it is, for people.
    pub place: String,
    /// Whether the root keys' threshold has signed it.
    pub is_signed: bool,
    /// SHA-256 of the text.
    pub sha256: Sha256,
}

/// The policy that the arguments name; else the signed one of the project's store; else `watch.toml` beside
/// `relman.toml`.
///
/// # Errors
/// Usage: there is none, or one with problems. Refused: the store does not verify.
pub fn policy(cli: &Cli, file: Option<&Path>, progress: &mut Progress) -> Result<Chosen> {
    if let Some(file) = file {
        let path = start_dir(cli)?.join(file);
        let text = read(&path)?.ok_or_else(|| {
            Error::usage(format!("there is no watch policy at {}", path.display()))
        })?;
        return Chosen::of(text, path.display().to_string(), false);
    }
    find(cli, progress)?.ok_or_else(|| {
        Error::usage(format!(
            "there is no watch policy: none is signed, and no {FILE_NAME} is here"
        ))
        .hint("relman init writes a commented one; or name one: --policy FILE")
    })
}

/// As [`policy`], where nobody names one and there need not be any.
///
/// # Errors
/// As there.
pub fn find(cli: &Cli, progress: &mut Progress) -> Result<Option<Chosen>> {
    let project = Project::look(cli)?;
    let signed = match &project {
        Some(project) => signed(project)?,
        None => None,
    };
    let beside = match &project {
        Some(project) => project.dir.join(FILE_NAME),
        None => start_dir(cli)?.join(FILE_NAME),
    };
    let local = read(&beside)?;
    Ok(match (signed, local) {
        (Some(text), local) => {
            if local.is_some_and(|local| local != text) {
                progress.note(&format!(
                    "{} is not what was signed, and is not used; sign it: relman root watch {FILE_NAME}",
                    beside.display()
                ));
            }
            Some(Chosen::of(
                text,
                "the trust root's watch policy".into(),
                true,
            )?)
        }
        (None, Some(text)) => Some(Chosen::of(text, beside.display().to_string(), false)?),
        (None, None) => None,
    })
}

/// The policy that the trust root's threshold has signed, if there is one.
///
/// # Errors
/// Refused: the store does not verify.
pub fn signed(project: &Project) -> Result<Option<String>> {
    let store = project.authoritative()?;
    let (fetch, cache) = (StoreMetadata(store.reader()), Memory::new());
    let view = View::open(
        store.reader(),
        &fetch,
        &cache,
        &project.root()?,
        clock::now(),
    )?;
    Ok(view.policy.policy().document().watch.clone())
}

/// The text of the policy beside `relman.toml`, if there is one there.
///
/// # Errors
/// I/O; it is too long or no text.
pub fn text_in(dir: &Path) -> Result<Option<String>> {
    read(&dir.join(FILE_NAME))
}

fn read(path: &Path) -> Result<Option<String>> {
    let Some(bytes) = durable::read_bounded(path, MAX_WATCH_POLICY_LEN)? else {
        return Ok(None);
    };
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|e| Error::usage(format!("{} is not UTF-8", path.display())).caused_by(e))
}

impl Chosen {
    fn of(text: String, place: String, is_signed: bool) -> Result<Self> {
        Ok(Chosen {
            policy: Policy::parse(&text).map_err(|e| e.under(place.clone()))?,
            sha256: Sha256::of(text.as_bytes()),
            place,
            is_signed,
        })
    }

    /// Who has agreed on it, for people.
    pub fn standing(&self) -> &'static str {
        match self.is_signed {
            true => "signed by the root keys",
            false => "not signed",
        }
    }
}
