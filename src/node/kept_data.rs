//! The steps of install and rollback that concern the daemon's data: backing it up before a swap,
//! putting it back with the version that it belongs to. Changes the world through the traits alone.

use super::Node;
use super::backup::{BackupAbout, BackupPlan, RestorePlan};
use super::config::backup::Mode;
use super::journal::{Journal, Step};
use super::plan::Plan;
use super::release::VerifiedRelease;
use crate::error::{Error, Result};
use crate::release::edges::{Barrier, Edges};

/// What an install that fails would meet on its way back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WayBack {
    /// The data that it leaves cannot be read by the version before, so they go back as well.
    pub with_data: bool,
    /// Once the new version has run there is no way back: why.
    pub closed: Option<String>,
}

impl Node<'_> {
    /// How a failed install of `release` goes back to `previous`, which declares `edges`.
    pub(super) fn way_back(
        &self,
        release: &VerifiedRelease,
        (previous, edges): (Option<&str>, &Edges),
        backup: Option<&BackupPlan>,
    ) -> WayBack {
        let Some(previous) = previous.filter(|p| *p != release.tag) else {
            return WayBack::default();
        };
        match release.edges.barrier(&release.tag, previous, edges) {
            None => WayBack::default(),
            Some(Barrier::Data(_)) if backup.is_some() && self.config.backup.data.is_some() => {
                WayBack {
                    with_data: true,
                    closed: None,
                }
            }
            Some(Barrier::Data(why)) => WayBack {
                with_data: false,
                closed: Some(format!("{why}; and node.toml has no backup of the data")),
            },
            Some(Barrier::Release(why)) => WayBack {
                with_data: false,
                closed: Some(why),
            },
        }
    }

    /// The backup before a swap, if `mode` is the planned one.
    pub(super) fn back_up(&self, journal: &mut Journal, plan: &Plan, mode: Mode) -> Result<()> {
        let Some(backup) = plan.backup.as_ref().filter(|b| b.mode == mode) else {
            return Ok(());
        };
        let step = match mode {
            Mode::Hot => Step::Hot,
            _ => Step::Backup,
        };
        self.enter(journal, step)?;
        let about = BackupAbout {
            tag: Some(journal.tag.clone()),
            previous: journal.previous.clone(),
            reason: format!("before {} of {}", journal.operation.name(), journal.tag),
        };
        let id = self
            .make_backup(backup, &about)
            .map_err(|e| e.under("the backup before the change failed"))?;
        journal.backup = Some(id);
        self.done(journal)
    }

    /// Puts the data back that go with the version, if that is planned. Repeating it is harmless.
    pub(super) fn put_data_back(&self, journal: &mut Journal) -> Result<()> {
        if let Some(plan) = journal.restore.clone() {
            self.enter(journal, Step::Restore)?;
            self.restore_now(&plan)?;
            self.done(journal)?;
        }
        Ok(())
    }

    /// [`Node::put_data_back`] on the way back from a failed install: with the backup that it made.
    pub(super) fn revert_data(&self, journal: &mut Journal) -> Result<()> {
        if !journal.data_back || !journal.ran {
            return Ok(());
        }
        let Some(id) = journal.backup.clone() else {
            return Err(Error::failed(format!(
                "the backup that was made before {} is not known any more",
                journal.tag
            ))
            .hint("relman backup list"));
        };
        let plan = match journal.restore.clone() {
            Some(plan) => plan,
            None => {
                let plan = self.plan_data_restore(&id)?;
                journal.restore = Some(plan.clone());
                // The same plan after a kill: it knows which directory was the present one.
                self.host.write_journal(&journal.to_bytes()?)?;
                plan
            }
        };
        self.restore_now(&plan)
    }

    pub(super) fn restore_now(&self, plan: &RestorePlan) -> Result<()> {
        self.restore_data(plan).map(|_| ()).map_err(|e| {
            e.under(format!(
                "the data of backup {} could not be put back",
                plan.id
            ))
        })
    }
}
