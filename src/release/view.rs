//! A store as its own publisher or reader sees it: verified metadata, policy and log together, with
//! expiry told and not refused. Whoever installs uses `verify` instead. Pure.

use super::policy::ReleasePolicy;
use super::verify::History;
use crate::limits::MAX_POLICY_LEN;
use crate::log::Witnessed;
use crate::store::Reader;
use crate::trust::policy::Pin;
use crate::trust::refresh::{self, Cache, Fetch, Refreshed};
use crate::trust::state::{Clock, Expiry};
use crate::{Error, Result};

use jiff::{SignedDuration, Timestamp};

/// A store whose signatures, policy, delegations and checkpoint were verified.
pub struct View<'a> {
    /// The metadata.
    pub refreshed: Refreshed<'a>,
    /// The policy that root pins.
    pub policy: ReleasePolicy,
    /// The log.
    pub history: History<'a>,
    /// The quorum that cosigned its checkpoint; `None` where policy asks for none.
    pub witnessed: Option<Witnessed>,
}

impl<'a> View<'a> {
    /// Verifies the store from `root` on.
    ///
    /// # Errors
    /// Anything that does not verify; but metadata past its expiry is only told.
    pub fn open(
        store: &'a dyn Reader,
        fetch: &'a dyn Fetch,
        cache: &'a dyn Cache,
        root: &[u8],
        now: Timestamp,
    ) -> Result<Self> {
        Self::opened(store, fetch, cache, root, (now, false))
    }

    /// As [`View::open`], of a store that is not published yet: its checkpoint is taken as if a quorum
    /// had cosigned it at `now`. For rehearsals alone, since nobody else may believe that.
    ///
    /// # Errors
    /// As [`View::open`].
    pub fn open_unwitnessed(
        store: &'a dyn Reader,
        fetch: &'a dyn Fetch,
        cache: &'a dyn Cache,
        root: &[u8],
        now: Timestamp,
    ) -> Result<Self> {
        Self::opened(store, fetch, cache, root, (now, true))
    }

    fn opened(
        store: &'a dyn Reader,
        fetch: &'a dyn Fetch,
        cache: &'a dyn Cache,
        root: &[u8],
        (now, unwitnessed): (Timestamp, bool),
    ) -> Result<Self> {
        let clock = Clock {
            now,
            expiry: Expiry::Report,
        };
        let wrong =
            |e: Error| e.under(format!("the store at {} does not verify", store.location()));
        let refreshed = refresh::refresh(Some(root), fetch, cache, clock).map_err(wrong)?;
        let pin = Pin::from_root(refreshed.root())?;
        let path = format!("metadata/{}", pin.file_name());
        let bytes = store
            .read(&path, MAX_POLICY_LEN)?
            .ok_or_else(|| wrong(Error::refused(format!("{path} is missing"))))?;
        let policy = ReleasePolicy::parse(&bytes, pin).map_err(wrong)?;
        let mut problems = policy.policy().check_delegations(refreshed.targets());
        problems.extend(policy.check_root(refreshed.root()));
        if let Some(first) = problems.first() {
            return Err(wrong(Error::refused(first.clone())));
        }
        let mut history = History::open(store, &policy).map_err(wrong)?;
        if unwitnessed && !policy.witnesses().is_none() {
            history.assume_witnessed(now);
        }
        let witnessed = history.witnessed(&policy).map_err(wrong)?;
        Ok(View {
            refreshed,
            policy,
            history,
            witnessed,
        })
    }

    /// Whether readers at `now` would take the log's checkpoint: see [`ReleasePolicy::check_head`].
    ///
    /// # Errors
    /// They would not.
    pub fn check_head(&self, now: Timestamp) -> Result<()> {
        let checkpoint = &self.history.checkpoint;
        self.policy
            .check_head(checkpoint, self.witnessed.as_ref(), now)
    }

    /// When the newest cosignatures of the log are too old for policy; `None` where any age will do.
    pub fn cosigned_until(&self) -> Option<Timestamp> {
        let hours = self
            .policy
            .policy()
            .document()
            .log
            .max_cosignature_age_hours?;
        let age = SignedDuration::from_hours(i64::try_from(hours).ok()?);
        self.witnessed.as_ref()?.newest().checked_add(age).ok()
    }

    /// What has expired or will within a timestamp's usual life, for people.
    pub fn expiries(&self, now: Timestamp) -> Vec<String> {
        let late = self.refreshed.expired().iter();
        let late = late.map(|e| {
            format!(
                "{}.json version {} expired at {}, it is now {now}",
                e.role, e.version, e.expires
            )
        });
        late.chain(self.check_head(now).err().map(|e| e.to_string()))
            .collect()
    }
}
