//! Telling that an environment's nodes were put back to an earlier release. Pure.

use jiff::Timestamp;

use super::check_reason;
use crate::limits::MAX_ANNOUNCEMENTS;
use crate::release::leaf::{PROOF_SUFFIX, RollbackLeaf};
use crate::release::state;
use crate::release::view::View;
use crate::store::Reader;
use crate::{Error, Result};

/// A rollback that is to be told.
pub struct PutBack<'a> {
    /// The release that was put back.
    pub tag: &'a str,
    /// The release that was left.
    pub from: &'a str,
    /// The environment.
    pub environment: &'a str,
    /// In words.
    pub reason: &'a str,
}

impl PutBack<'_> {
    /// What is to be signed by the publisher.
    ///
    /// # Errors
    /// No such environment or release; a release that is put back in its own place; a reason that is
    /// none.
    pub fn leaf(&self, view: &View, now: Timestamp) -> Result<RollbackLeaf> {
        check_reason(self.reason)?;
        if self.tag == self.from {
            return Err(Error::usage(format!(
                "a rollback from {} to itself, wanted another release",
                self.tag
            )));
        }
        if view.policy.environment(self.environment).is_none() {
            return Err(Error::usage(format!(
                "policy has no environment {}, wanted one of {}",
                self.environment,
                view.policy.environment_names().join(", ")
            )));
        }
        let find = |tag: &str| state::find(view.refreshed.targets(), tag);
        Ok(RollbackLeaf {
            tag: self.from.to_owned(),
            archive: find(self.from)?.sha256,
            to: self.tag.to_owned(),
            to_archive: find(self.tag)?.sha256,
            environment: self.environment.to_owned(),
            reason: self.reason.to_owned(),
            time: now,
        })
    }

    /// Where the proof of the next one goes.
    ///
    /// # Errors
    /// A store that cannot be read; more than [`MAX_ANNOUNCEMENTS`].
    pub fn proof(&self, store: &dyn Reader) -> Result<String> {
        let (from, environment) = (self.from, self.environment);
        for n in 1..=MAX_ANNOUNCEMENTS {
            let path = format!("{from}/rollback-{environment}-{n}{PROOF_SUFFIX}");
            if store.open(&path)?.is_none() {
                return Ok(path);
            }
        }
        Err(Error::failed(format!(
            "{MAX_ANNOUNCEMENTS} rollbacks of {environment} from {from} were told already"
        )))
    }
}
