//! What a proposal is held against: a store's verified metadata and policy, as signers know it. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::super::policy::ReleasePolicy;
use super::super::view::View;
use super::{Proposal, RoleDraft};
use crate::limits::MAX_POLICY_LEN;
use crate::store::Reader;
use crate::trust::memory::Memory;
use crate::trust::policy::Pin;
use crate::trust::refresh::{self, Refreshed, StoreMetadata};
use crate::trust::state::{Clock, Expiry};
use crate::trust::{Root, Targets, Verified};
use crate::{Error, Result};

/// Verified metadata of one moment.
#[derive(Clone, Debug)]
pub struct Base {
    /// Root.
    pub root: Verified<Root>,
    /// Top-level targets.
    pub targets: Arc<Verified<Targets>>,
    /// The delegated roles by name.
    pub roles: BTreeMap<String, Arc<Verified<Targets>>>,
    /// The policy that root pins.
    pub policy: ReleasePolicy,
    /// Until when the timestamp said that this is the newest.
    pub fresh_until: Timestamp,
}

/// What the metadata would say with a proposal in it; nobody has vouched for it yet.
#[derive(Clone, Debug)]
pub struct After {
    /// Root.
    pub root: Root,
    /// Top-level targets.
    pub targets: Targets,
    /// The delegated roles by name.
    pub roles: BTreeMap<String, Targets>,
    /// The policy that root pins.
    pub policy: ReleasePolicy,
}

impl Base {
    /// The metadata that `view` shows.
    ///
    /// # Errors
    /// A delegated role that is missing or refused.
    pub fn of(view: &mut View) -> Result<Self> {
        Self::load(&mut view.refreshed, &view.policy)
    }

    /// Verifies the metadata below `store` from `trusted_root` on; expiry is no matter here.
    ///
    /// # Errors
    /// Anything that does not verify.
    pub fn open(store: &dyn Reader, trusted_root: &[u8], now: Timestamp) -> Result<Self> {
        let (fetch, cache) = (StoreMetadata(store), Memory::new());
        let clock = Clock {
            now,
            expiry: Expiry::Report,
        };
        let mut refreshed = refresh::refresh(Some(trusted_root), &fetch, &cache, clock)?;
        let pin = Pin::from_root(refreshed.root())?;
        let path = format!("metadata/{}", pin.file_name());
        let bytes = store
            .read(&path, MAX_POLICY_LEN)?
            .ok_or_else(|| Error::refused(format!("{path} is missing")))?;
        let policy = ReleasePolicy::parse(&bytes, pin)?;
        Self::load(&mut refreshed, &policy)
    }

    fn load(refreshed: &mut Refreshed, policy: &ReleasePolicy) -> Result<Self> {
        let mut roles = BTreeMap::new();
        for name in policy.policy().role_names() {
            roles.insert(name.clone(), refreshed.role(&name)?);
        }
        let targets = Arc::new(refreshed.targets().clone());
        Ok(Base {
            root: refreshed.root().clone(),
            targets,
            roles,
            policy: policy.clone(),
            fresh_until: refreshed.timestamp().expires,
        })
    }

    /// The version of role `name`; 0 where there is none.
    pub fn version(&self, name: &str) -> u64 {
        match name {
            "root" => self.root.version,
            "targets" => self.targets.version,
            other => self.roles.get(other).map_or(0, |role| role.version),
        }
    }

    /// What the metadata would say with `proposal` in it.
    ///
    /// # Errors
    /// A policy that the proposed root does not pin, or that is malformed.
    pub fn after(&self, proposal: &Proposal) -> Result<After> {
        let mut after = After {
            root: (*self.root).clone(),
            targets: (**self.targets).clone(),
            roles: self
                .roles
                .iter()
                .map(|(name, role)| (name.clone(), (***role).clone()))
                .collect(),
            policy: self.policy.clone(),
        };
        for draft in &proposal.roles {
            match draft {
                RoleDraft::Root(draft) => after.root = draft.unverified_body()?,
                RoleDraft::Targets { name, draft } if name == "targets" => {
                    after.targets = draft.unverified_body()?;
                }
                RoleDraft::Targets { name, draft } => {
                    after.roles.insert(name.clone(), draft.unverified_body()?);
                }
            }
        }
        let pin = Pin::from_root(&after.root)?;
        match &proposal.policy {
            Some(text) => after.policy = ReleasePolicy::parse(text.as_bytes(), pin)?,
            None if pin != *self.policy.pin() => {
                return Err(Error::refused(format!(
                    "proposal {} pins policy {}, which it does not bring along",
                    proposal.id, pin.sha256
                )));
            }
            None => {}
        }
        let names = after.policy.policy().role_names();
        after.roles.retain(|name, _| names.contains(name));
        Ok(after)
    }
}
