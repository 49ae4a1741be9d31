//! What a node's stored metadata says, without asking any store: how long it is good for, and what it
//! knows of yanks. Older than the store's, perhaps: nobody offline knows better. Pure.

use jiff::Timestamp;

use crate::Result;
use crate::error::Context;
use crate::release::environment::target_name;
use crate::release::halt::{self, Halt};
use crate::release::standing::{Limits, Term};
use crate::release::state::{self, Yank};
use crate::trust::refresh::{self, Cache};
use crate::trust::state::{Clock, Expiry};

/// Verified metadata that was stored by an earlier refresh.
#[derive(Clone, Debug)]
pub struct Known {
    /// The roles that a node needs, and when they expire.
    pub terms: Vec<Term>,
    /// The release that the environment has agreed on.
    pub agreed: Option<String>,
    /// The halt that is in force in the environment; an error where its role says what cannot be.
    pub halt: Result<Option<Halt>>,
    yanked: Vec<(String, Yank)>,
}

impl Known {
    /// Reads what is stored in `cache`; `None` where nothing is. Expiry is told, not refused.
    ///
    /// # Errors
    /// Stored metadata that does not verify from `trusted_root` on.
    pub fn read(
        cache: &dyn Cache,
        trusted_root: &[u8],
        environment: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Self>> {
        if cache.load("timestamp.json")?.is_none() {
            return Ok(None);
        }
        let clock = Clock {
            now,
            expiry: Expiry::Report,
        };
        let mut r = refresh::stored(Some(trusted_root), cache, clock).or_refused(|| {
            "the stored metadata is not whole or does not verify; the next refresh stores it anew"
                .into()
        })?;
        let limits = Limits::usual();
        let term = |role: &str, version, expires| Term::new(role, version, expires, &limits, now);
        let mut terms = vec![
            term("root", r.root().version, r.root().expires),
            term("targets", r.targets().version, r.targets().expires),
            term("snapshot", r.snapshot().version, r.snapshot().expires),
            term("timestamp", r.timestamp().version, r.timestamp().expires),
        ];
        let (mut agreed, mut halted) = (None, Ok(None));
        if let Some(name) = environment
            && let Ok(role) = r.role(name)
        {
            terms.push(term(name, role.version, role.expires));
            let target = role.targets.get(&target_name(name));
            agreed = target.and_then(state::current_tag);
            // One that was never seen here, or that nobody may make any more, says nothing.
            if let Ok(stop) = r.role_whenever(&halt::role_name(name)) {
                halted = halt::in_force(name, &stop, &role);
            }
        }
        let released = state::released(r.targets()).0;
        let yanked = released
            .into_iter()
            .filter_map(|release| Some((release.tag, release.yanked?)));
        Ok(Some(Known {
            terms,
            agreed,
            halt: halted,
            yanked: yanked.collect(),
        }))
    }

    /// The yank of a release, if the stored metadata has one.
    pub fn yank(&self, tag: &str) -> Option<&Yank> {
        self.yanked
            .iter()
            .find(|(name, _)| name == tag)
            .map(|(_, yank)| yank)
    }
}
