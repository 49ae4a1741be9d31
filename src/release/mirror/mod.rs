//! Copying a store without keys: everything is verified before it appears in the mirror, what nobody is
//! led to comes first, heads come last and only move forward. Pure: both stores come in through traits.

mod before;
mod log;
mod metadata;
mod objects;
mod releases;

use jiff::Timestamp;
use serde::Serialize;

use super::audit::replay;
use super::ceremony::Base;
use super::view::View;
use crate::store::Reader;
use crate::store::mirror::Destination;
use crate::trust::refresh::StoreMetadata;
use crate::{Error, Result};

pub use before::log as is_prefix;
use log::LogCopy;
use objects::Objects;

const CHECKPOINT: &str = "log/checkpoint";
const TIMESTAMP: &str = "metadata/timestamp.json";

/// A store that is copied.
pub struct Mirror<'a> {
    /// The store.
    pub from: &'a dyn Reader,
    /// The trust root that it is checked with.
    pub root: &'a [u8],
    /// Now; only tells what has expired.
    pub now: Timestamp,
}

/// What copying did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Mirrored {
    /// The mirror.
    pub to: String,
    /// Objects that are new there.
    pub added: usize,
    /// Objects that were there.
    pub kept: usize,
    /// Heads that moved.
    pub heads: usize,
    /// Entries of its log now.
    pub log_size: u64,
    /// Version of its timestamp now.
    pub timestamp: u64,
    /// What is no reason to refuse, but has to be said.
    pub notes: Vec<String>,
}

impl Mirror<'_> {
    /// Copies to `to`; `say` is told each stage.
    ///
    /// # Errors
    /// A store that does not verify; a mirror that has seen newer metadata, or another history; an object
    /// that is there with other bytes; I/O. What was copied until then stays, and no head has moved
    /// past what it leads to.
    pub fn to(&self, to: &dyn Destination, say: &mut dyn FnMut(&str)) -> Result<Mirrored> {
        let _lock = to.lock("mirror")?;
        say(&format!("verify {}", self.from.location()));
        let seen = before::metadata(self.from, to.reader(), self.root)?;
        let fetch = StoreMetadata(self.from);
        let mut view = View::open(self.from, &fetch, &seen, self.root, self.now)
            .map_err(|e| e.under(format!("nothing was copied to {}", to.reader().location())))?;
        let base = Base::of(&mut view)?;
        let strange = base.roles.iter().find_map(|(name, role)| {
            let policy = base.policy.policy();
            policy.check_delegated_role(name, role).into_iter().next()
        });
        if let Some(problem) = strange {
            return Err(Error::refused(problem).under(format!(
                "the store at {} does not verify",
                self.from.location()
            )));
        }
        before::log(to.reader(), &view)?;
        let mut objects = Objects::new(self.from, to);
        objects.report.notes.extend(view.expiries(self.now));
        let log = self.log(&view)?;

        say("copy releases");
        releases::copy(&mut objects, &view, &log)?;
        say("copy metadata");
        let roots = metadata::copy(&mut objects, &view, &base, &log)?;
        say("copy the log");
        log.copy(&mut objects)?;
        say("move the heads");
        let note = view.history.checkpoint.note().to_string();
        objects.head(CHECKPOINT, note.as_bytes())?;
        for (path, bytes) in roots {
            // Readers look for the next root by themselves: all that it leads to is there before it.
            to.settle()?;
            objects.bytes(&path, &bytes)?;
        }
        objects.head(TIMESTAMP, view.refreshed.timestamp().bytes())?;
        to.settle()?;
        log.collect(to);
        let mut report = objects.report;
        report.to = to.reader().location();
        report.log_size = view.history.checkpoint.head().size;
        report.timestamp = view.refreshed.timestamp().version;
        Ok(report)
    }

    fn log(&self, view: &View) -> Result<LogCopy> {
        let damaged = || {
            Error::refused(format!(
                "the log of the store at {} is not whole",
                self.from.location()
            ))
            .hint("look at all that is wrong: relman audit --store FROM")
        };
        let told = |problems: Vec<super::report::Problem>| {
            problems.into_iter().fold(damaged(), |error, p| {
                error.caused_by(format!("{}: {}", p.subject, p.message))
            })
        };
        let replayed = replay::entries(view, self.from).map_err(told)?;
        match replayed.problems.is_empty() {
            true => LogCopy::new(replayed.entries, view),
            false => Err(told(replayed.problems)),
        }
    }
}
