//! How far a mirror is behind its store. Pure.

use jiff::Timestamp;
use serde::Serialize;

use super::term::{Limits, Term};
use crate::release::mirror::is_prefix;
use crate::release::view::View;
use crate::store::Reader;
use crate::trust::memory::Memory;
use crate::trust::refresh::StoreMetadata;
use crate::{Error, Result};

/// One mirror.
#[derive(Clone, Debug, Serialize)]
pub struct MirrorStanding {
    /// Where it is.
    pub place: String,
    /// Log entries that it lacks.
    pub behind: u64,
    /// Its timestamp; none where the mirror does not verify.
    pub timestamp: Option<Term>,
    /// Versions of the timestamp that it lacks.
    pub timestamps_behind: u64,
    /// Why it is none.
    pub problem: Option<String>,
}

impl MirrorStanding {
    /// Looks at the mirror of the store that `view` shows, from the same trust root.
    pub fn of(
        place: &str,
        mirror: Result<&dyn Reader, Error>,
        root: &[u8],
        view: &View,
        limits: &Limits,
        now: Timestamp,
    ) -> Self {
        let mut standing = MirrorStanding {
            place: place.to_owned(),
            behind: 0,
            timestamp: None,
            timestamps_behind: 0,
            problem: None,
        };
        let looked = mirror.and_then(|mirror| standing.look(mirror, root, view, limits, now));
        standing.problem = looked.err().map(|e| e.to_string());
        standing
    }

    fn look(
        &mut self,
        mirror: &dyn Reader,
        root: &[u8],
        view: &View,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<()> {
        let (fetch, cache) = (StoreMetadata(mirror), Memory::new());
        let theirs = View::open(mirror, &fetch, &cache, root, now)?;
        is_prefix(mirror, view)?;
        let (old, new) = (&theirs.history.checkpoint, &view.history.checkpoint);
        self.behind = new.head().size.saturating_sub(old.head().size);
        let (old, new) = (theirs.refreshed.timestamp(), view.refreshed.timestamp());
        self.timestamps_behind = new.version.saturating_sub(old.version);
        self.timestamp = Some(Term::new(
            "timestamp",
            old.version,
            old.expires,
            limits,
            now,
        ));
        Ok(())
    }

    /// `up to date`, or what it lacks.
    pub fn line(&self) -> String {
        match (&self.problem, self.behind, self.timestamps_behind) {
            (Some(_), _, _) => "is no mirror".into(),
            (None, 0, 0) => "up to date".into(),
            (None, entries, timestamps) => format!(
                "behind by {entries} log entries and {timestamps} timestamps, refresh it: relman mirror"
            ),
        }
    }

    /// What to tell somebody, if anything: a mirror may be a little behind, and must not let readers wait
    /// until what it serves has expired.
    pub fn warning(&self, now: Timestamp) -> Option<String> {
        let late = || self.timestamp.as_ref()?.warning(now);
        let what = self.problem.clone().or_else(late)?;
        Some(format!("mirror {}: {what}", self.place))
    }
}
