//! What every command does first: an operation that was killed is finished or reverted.
//!
//! An install that was not committed is reverted; a rollback that had switched is finished, since
//! what it left was left for a reason. Doing it twice is doing it once.

use serde::Serialize;

use super::Node;
use super::activate::Restored;
use super::backup::BackupRecovered;
use super::health::Wanted;
use super::history::Outcome;
use super::journal::{Journal, Operation, Step};
use crate::error::{Error, Kind, Result};

/// What became of an unfinished operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recovered {
    /// What had been under way.
    pub operation: Operation,
    /// The version that was to become current.
    pub tag: String,
    /// The step at which it was interrupted.
    pub step: Step,
    /// What was done, in words.
    pub result: String,
    /// What is still wrong.
    pub problem: Option<String>,
}

/// What became of all that was unfinished.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// A backup, or a restore of the data.
    pub data: Option<BackupRecovered>,
    /// An install or a rollback.
    pub change: Option<Recovered>,
}

impl Recovery {
    /// Whether nothing was unfinished.
    pub fn is_none(&self) -> bool {
        *self == Recovery::default()
    }

    /// One line for each thing.
    pub fn lines(&self) -> Vec<String> {
        let data = self.data.as_ref().map(BackupRecovered::line);
        data.into_iter()
            .chain(self.change.as_ref().map(Recovered::line))
            .collect()
    }

    /// What is still wrong.
    pub fn problem(&self) -> Option<&str> {
        self.change.as_ref()?.problem.as_deref()
    }
}

/// What was done before the daemon's own turn.
#[derive(Clone, Debug)]
pub enum BeforeStart {
    /// As [`Node::recover`].
    Recovered(Recovery),
    /// Nothing: an operation is under way, by whom.
    UnderWay(String),
}

impl Node<'_> {
    /// Finishes or reverts what is unfinished.
    ///
    /// # Errors
    /// Kind failed: it could not be done now; nothing is lost and the next command tries again.
    pub fn recover(&self) -> Result<Recovery> {
        self.host.prepare()?;
        let _lock = self.host.lock("recover")?;
        self.recover_locked()
    }

    /// [`Node::recover`] before the daemon's own turn: what is locked is under way, and whoever works
    /// on it may be waiting for the daemon, which waits for this.
    ///
    /// # Errors
    /// As there.
    pub fn recover_before_start(&self) -> Result<BeforeStart> {
        if self.host.read_journal()?.is_none() && self.backups.read_journal()?.is_none() {
            return Ok(BeforeStart::Recovered(Recovery::default()));
        }
        self.host.prepare()?;
        match self.host.try_lock("recover --boot")? {
            Ok(_lock) => Ok(BeforeStart::Recovered(self.recover_locked()?)),
            Err(held) => Ok(BeforeStart::UnderWay(held.message().to_owned())),
        }
    }

    /// [`Node::recover`] for a driver that holds the lock.
    pub(super) fn recover_locked(&self) -> Result<Recovery> {
        self.record_missing();
        // Before anything starts the daemon: it must not find data that are between two states.
        let data = self.recover_restore()?;
        let change = self.recover_change()?;
        Ok(Recovery { data, change })
    }

    fn recover_change(&self) -> Result<Option<Recovered>> {
        let Some(bytes) = self.host.read_journal()? else {
            // Whoever made it is gone: this process holds the lock.
            self.host.clean(&self.config.binaries)?;
            return Ok(None);
        };
        let mut journal = Journal::from_bytes(&bytes)?;
        let step = journal.step;
        let (result, problem) = self.recover_journal(&mut journal).map_err(|e| {
            e.under(format!(
                "the unfinished {} of {} could not be recovered",
                journal.operation.name(),
                journal.tag
            ))
        })?;
        self.host.clean(&self.config.binaries)?;
        let recovered = Recovered {
            operation: journal.operation,
            tag: journal.tag,
            step,
            result,
            problem,
        };
        self.receipts.begin();
        (self.say)(&recovered.line());
        Ok(Some(recovered))
    }

    fn recover_journal(&self, journal: &mut Journal) -> Result<(String, Option<String>)> {
        if journal.before_swap(self.host.current()?.as_deref()) {
            self.undo_before_swap(journal)?;
            return Ok(("it had changed nothing".into(), None));
        }
        if journal.step == Step::Commit {
            self.conclude(journal, Outcome::Committed)?;
            return Ok(("it was healthy and is finished now".into(), None));
        }
        if journal.reason.is_none() {
            journal.reason = Some(format!("interrupted at step {}", journal.step.name()));
        }
        match journal.operation {
            Operation::Install => self.revert_install(journal),
            Operation::Rollback => self.finish_rollback(journal),
        }
    }

    fn revert_install(&self, journal: &mut Journal) -> Result<(String, Option<String>)> {
        self.enter(journal, Step::Revert)?;
        let restored = self.restore(journal)?;
        self.after_restore(journal, &restored)?;
        let text = |e: Error| e.to_string();
        Ok(match restored {
            Restored::Previous(previous, sick) => (
                format!("it was reverted: {previous} is current again"),
                sick.map(text),
            ),
            Restored::Nothing(stopped) => (
                "it was reverted: nothing is installed, as before".into(),
                stopped.map(text),
            ),
            Restored::Closed(why) => (
                format!(
                    "{} was left in place: there is no way back from it",
                    journal.tag
                ),
                Some(why),
            ),
            Restored::Stuck(why) => (
                format!(
                    "{} was left in place: the version before it is not whole any more",
                    journal.tag
                ),
                Some(text(why)),
            ),
        })
    }

    /// Carries a rollback on from after its switch.
    pub(super) fn finish_rollback(
        &self,
        journal: &mut Journal,
    ) -> Result<(String, Option<String>)> {
        let retained = match self.retained_whole(&journal.tag) {
            Ok(retained) => retained,
            Err(error) if error.kind() == Kind::Refused => {
                self.conclude(journal, Outcome::Unhealthy)?;
                return Ok((
                    format!("{} is current but not whole any more", journal.tag),
                    Some(error.to_string()),
                ));
            }
            Err(error) => return Err(error),
        };
        // What runs may be the version that was left.
        let still_runs = self.stop_again(journal)?;
        let wanted = Wanted {
            tag: &journal.tag,
            origin: retained.record.origin,
            files: &retained.files,
        };
        if let Some(plan) = &journal.restore {
            // Never started on data of another version: what cannot be put back now is tried again.
            self.restore_now(plan)?;
        }
        let sick = still_runs.or_else(|| self.bring_up(journal, &wanted).err());
        let (outcome, problem) = match sick {
            None => (Outcome::Committed, None),
            Some(error) => (Outcome::Unhealthy, Some(error.to_string())),
        };
        self.conclude(journal, outcome)?;
        Ok((
            format!("it was finished: {} is current", journal.tag),
            problem,
        ))
    }
}

impl Recovered {
    /// Whether recovery went back to an earlier version, which is `current` now.
    pub(super) fn went_back_to(&self, current: &str) -> bool {
        match self.operation {
            Operation::Install => self.tag != current,
            Operation::Rollback => self.tag == current,
        }
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let problem = self
            .problem
            .as_ref()
            .map_or(String::new(), |p| format!(" (still wrong: {p})"));
        format!(
            "an unfinished {} of {} was found at step {}: {}{problem}",
            self.operation.name(),
            self.tag,
            self.step.name(),
            self.result
        )
    }
}
