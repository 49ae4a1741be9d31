//! The steps that install and rollback share: adopt, link, stop, swap, start, watch, commit, go back.
//!
//! Each step is journalled before it happens. Changes the world through the traits alone.

use std::time::Duration;

use serde::Serialize;

use super::Node;
use super::config::backup::Mode;
use super::health::{HealthReport, Wanted};
use super::history::{Entry, History, Outcome};
use super::host::{Found, Service, Staging, Stop};
use super::journal::{Journal, Operation, Step};
use super::plan::{Adoption, Observed, Plan};
use super::record::{FileRecord, RECORD_NAME, ReleaseRecord, differences, rfc3339};
use super::recover::Recovered;
use crate::error::{Error, Kind, Result};

/// How many of the service's last lines an error carries.
const LAST_LINES: usize = 20;

/// What an install or a rollback did.
#[derive(Clone, Debug, Serialize)]
pub struct ChangeReport {
    /// Install or rollback.
    pub operation: Operation,
    /// The version asked for.
    pub tag: String,
    /// How it ended.
    pub outcome: ChangeOutcome,
    /// What was planned; none where there was nothing to do.
    pub plan: Option<Plan>,
    /// What was seen of the new version.
    pub health: Option<HealthReport>,
    /// What is no error, but has to be said.
    pub warnings: Vec<String>,
    /// Versions and backups removed because more were there than are kept.
    pub removed: Vec<String>,
    /// An earlier operation that was unfinished.
    pub recovered: Option<Recovered>,
}

/// How a change is to be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Plan, and change nothing.
    pub dry_run: bool,
    /// Go on although the daemon is not healthy now.
    pub force: bool,
    /// Start the daemon although it had been stopped.
    pub start: bool,
    /// Put the data back with the version.
    pub with_data: bool,
}

/// How an install or a rollback ended, where it ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeOutcome {
    /// A dry run: nothing was changed.
    Planned,
    /// It is current already: nothing was changed.
    Already,
    /// It is current and healthy now.
    Done,
}

/// What going back came to.
pub(super) enum Restored {
    /// The previous version is current again; the error says that it is not healthy.
    Previous(String, Option<Error>),
    /// There was none: nothing is current, and the service is stopped if it could be.
    Nothing(Option<Error>),
    /// The previous version is not whole any more, so the new one was left in place.
    Stuck(Error),
    /// The new version has run and declares that there is no way back; why.
    Closed(String),
}

impl Node<'_> {
    /// What is on the host now. Reports every binary's problem, not the first.
    pub(super) fn observe(&self) -> Result<Observed> {
        let mut errors: Vec<Error> = Vec::new();
        let mut found = Vec::new();
        for binary in &self.config.binaries {
            match self.host.inspect(binary) {
                Ok(what) => found.push((binary.clone(), what)),
                Err(error) => errors.push(error),
            }
        }
        if let Some(first) = errors.pop() {
            return Err(errors.into_iter().fold(first, Error::caused_by));
        }
        let current = self.host.current()?;
        let current_files = match &current {
            Some(version) if found.iter().any(|(_, f)| *f != Found::Ours) => {
                self.host.files(version)?
            }
            _ => None,
        };
        Ok(Observed {
            current,
            current_files,
            found,
            free: self.host.free_space()?,
        })
    }

    pub(super) fn history(&self) -> Result<History> {
        Ok(History::parse(&self.host.read_history()?))
    }

    /// Journals `step` before it happens.
    pub(super) fn enter(&self, journal: &mut Journal, step: Step) -> Result<()> {
        journal.step = step;
        self.host.write_journal(&journal.to_bytes()?)?;
        self.fault(journal, "")
    }

    /// A place for tests to kill the run after a step.
    pub(super) fn done(&self, journal: &Journal) -> Result<()> {
        self.fault(journal, "-done")
    }

    fn fault(&self, journal: &Journal, suffix: &str) -> Result<()> {
        self.host.fault_point(&format!(
            "{}-{}{suffix}",
            journal.operation.name(),
            journal.step.name()
        ))
    }

    /// Everything from the adoption to the health check.
    pub(super) fn carry_out(
        &self,
        journal: &mut Journal,
        plan: &Plan,
        wanted: &Wanted,
        staging: &Staging,
    ) -> Result<HealthReport> {
        self.hook_before(journal)?;
        if let Some(adoption) = &plan.adopt {
            (self.say)(&format!("keeping what is there as {}", adoption.version));
            self.enter(journal, Step::Adopt)?;
            self.adopt(adoption, staging)?;
            self.host.set_current(Some(&adoption.version))?;
            self.done(journal)?;
        }
        if !plan.link.is_empty() {
            self.enter(journal, Step::Link)?;
            for binary in &self.config.binaries {
                if plan.link.iter().any(|l| l.name == binary.name) {
                    self.host.link(binary)?;
                    self.host.fault_point("link-one-done")?;
                }
            }
            self.done(journal)?;
        }
        self.back_up(journal, plan, Mode::Hot)?;
        let down = self.stop_daemon(journal)?;
        self.back_up(journal, plan, Mode::Cold)?;
        (self.say)(&format!("switching to {}", wanted.tag));
        self.enter(journal, Step::Swap)?;
        self.host.set_current(Some(wanted.tag))?;
        self.done(journal)?;
        self.put_data_back(journal)?;
        self.start_daemon(journal, down)?;
        self.watch_start(journal, wanted)
    }

    /// The health check as a step, or, where the daemon is not to run, a look at the files.
    fn watch_start(&self, journal: &mut Journal, wanted: &Wanted) -> Result<HealthReport> {
        (self.say)(&format!("checking the health of {}", wanted.tag));
        self.enter(journal, Step::Health)?;
        let report = match journal.start {
            true => self.check_health(wanted)?,
            false => self.check_paths(wanted)?,
        };
        self.receipts.healthy(&report);
        self.done(journal)?;
        Ok(report)
    }

    /// Stops the daemon, and gives the time at which that began.
    pub(super) fn stop_daemon(&self, journal: &mut Journal) -> Result<Option<Duration>> {
        let Some(service) = self.service else {
            return Ok(None);
        };
        (self.say)(&format!("stopping {}", service.name()));
        self.enter(journal, Step::Stop)?;
        let begin = self.host.uptime();
        let how = service
            .stop(self.at_once)
            .map_err(|e| e.under(format!("{} could not be stopped", service.name())))?;
        self.done(journal)?;
        match how {
            Stop::Idle => return Ok(None),
            Stop::Graceful => {}
            Stop::Killed(why) => (self.say)(&format!("{} was killed: {why}", service.name())),
        }
        Ok(Some(begin))
    }

    /// Starts the daemon, unless the operator had stopped it.
    pub(super) fn start_daemon(&self, journal: &mut Journal, down: Option<Duration>) -> Result<()> {
        let Some(service) = self.service else {
            return Ok(());
        };
        if !journal.start {
            (self.say)(&format!(
                "{} had been stopped before and is left so",
                service.name()
            ));
            return Ok(());
        }
        (self.say)(&format!("starting {}", service.name()));
        journal.ran = true;
        self.enter(journal, Step::Start)?;
        service
            .start()
            .map_err(|e| e.under(format!("{} could not be started", service.name())))?;
        let gone = down.map(|begin| self.host.uptime().saturating_sub(begin));
        journal.downtime_ms = gone.and_then(|d| u64::try_from(d.as_millis()).ok());
        self.done(journal)
    }

    fn adopt(&self, adoption: &Adoption, staging: &Staging) -> Result<()> {
        let record = ReleaseRecord::adopted(
            &adoption.version,
            adoption.files.clone(),
            adoption.from.clone(),
            self.host.now(),
        );
        let evidence = [(RECORD_NAME.to_string(), record.to_bytes()?)];
        self.host
            .keep_evidence(staging, &adoption.version, &evidence)?;
        match self.host.files(&adoption.version)? {
            None => self.host.adopt(
                staging,
                &adoption.version,
                &self.config.binaries,
                &adoption.files,
            ),
            Some(found) if differences(&adoption.files, &found).is_empty() => Ok(()),
            Some(_) => self.require_files(&adoption.version, &adoption.files),
        }
    }

    /// Writes the history and clears the journal. From here on nothing is undone.
    pub(super) fn commit(&self, journal: &mut Journal, outcome: Outcome) -> Result<()> {
        self.enter(journal, Step::Commit)?;
        self.conclude(journal, outcome)?;
        self.host.fault_point("committed")
    }

    /// The history line (once, however often this is repeated), then the end of the journal.
    pub(super) fn conclude(&self, journal: &Journal, outcome: Outcome) -> Result<()> {
        let history = self.history()?;
        // The operation under way is the newest there is.
        let written = history.entries.last().is_some_and(|e| {
            e.operation == journal.operation
                && e.tag == journal.tag
                && e.started == journal.started
                && e.outcome == outcome
        });
        if !written {
            let entry = Entry {
                at: rfc3339(self.host.now()),
                operation: journal.operation,
                outcome,
                tag: journal.tag.clone(),
                previous: journal.previous.clone(),
                started: journal.started.clone(),
                reason: journal.reason.clone(),
                downtime_ms: journal.downtime_ms,
            };
            self.host.append_history(&entry.to_line())?;
        }
        self.record_concluded();
        self.done(journal)?;
        self.host.remove_journal()?;
        self.hook_after(journal, outcome);
        Ok(())
    }

    /// After a failure before the swap: what anybody uses has not changed, so only what lies
    /// around goes, and the daemon runs again if it was stopped for this.
    pub(super) fn undo_before_swap(&self, journal: &Journal) -> Result<()> {
        if self.host.current()?.is_none() {
            for binary in &self.config.binaries {
                self.host.unlink(binary)?;
            }
        }
        self.host.clean(&self.config.binaries)?;
        if journal.may_have_stopped()
            && journal.start
            && let Some(service) = self.service
            && service.state()?.pid.is_none()
        {
            self.start_again(service)?;
        }
        self.host.remove_journal()
    }

    /// Starts a daemon that was stopped for an operation: now, or, before the daemon's own turn in
    /// the boot, as soon as it may.
    pub(super) fn start_again(&self, service: &dyn Service) -> Result<()> {
        let started = match self.booting {
            true => service.start_later(),
            // A second attempt: a daemon that stays down for one lost moment is worse.
            false => service.start().or_else(|_| service.start()),
        };
        started.map_err(|e| e.under(format!("{} could not be started", service.name())))
    }

    /// Stops whatever runs of the version that is left; before the daemon's own turn in the boot
    /// nothing does. Gives why it still runs, where the way back goes on all the same.
    ///
    /// # Errors
    /// It still runs, and data are to be exchanged, which is never done under a daemon.
    pub(super) fn stop_again(&self, journal: &Journal) -> Result<Option<Error>> {
        let Some(service) = self.service.filter(|_| !self.booting) else {
            return Ok(None);
        };
        match service.stop(self.at_once).or_else(|_| service.stop(true)) {
            Ok(_) => Ok(None),
            Err(error) if journal.moves_data() => Err(error),
            Err(error) => Ok(Some(error)),
        }
    }

    /// Puts the previous version back. Repeating it is harmless.
    ///
    /// # Errors
    /// Going back could not be finished; the journal has to stay.
    pub(super) fn restore(&self, journal: &mut Journal) -> Result<Restored> {
        if let (true, Some(why)) = (journal.ran, &journal.closed) {
            return Ok(Restored::Closed(why.clone()));
        }
        let Some(previous) = &journal.previous.clone() else {
            let stopped = self.service.map_or(Ok(()), |s| s.stop(false).map(|_| ()));
            self.host.set_current(None)?;
            for binary in &self.config.binaries {
                self.host.unlink(binary)?;
            }
            return Ok(Restored::Nothing(stopped.err()));
        };
        let retained = match self.retained_whole(previous) {
            Ok(retained) => retained,
            // Bytes that no longer verify are never run, not even to go back.
            Err(error) if error.kind() == Kind::Refused => return Ok(Restored::Stuck(error)),
            Err(error) => return Err(error),
        };
        let still_runs = self.stop_again(journal)?;
        self.host.set_current(Some(previous))?;
        self.host.fault_point("revert-swap-done")?;
        self.revert_data(journal)?;
        let wanted = Wanted {
            tag: previous,
            origin: retained.record.origin,
            files: &retained.files,
        };
        let sick = still_runs.or_else(|| self.bring_up(journal, &wanted).err());
        self.host.fault_point("revert-health-done")?;
        Ok(Restored::Previous(previous.clone(), sick))
    }

    /// Starts the daemon, if it is to run, and watches it, if there is time.
    pub(super) fn bring_up(&self, journal: &Journal, wanted: &Wanted) -> Result<()> {
        match self.service {
            Some(service) if journal.start => {
                self.start_again(service)?;
                match self.booting {
                    true => Ok(()),
                    false => self.check_health(wanted).map(|_| ()),
                }
            }
            _ => self.check_paths(wanted).map(|_| ()),
        }
    }

    /// Adds the service's last words to `error`.
    pub(super) fn with_last_lines(&self, error: Error) -> Error {
        let lines = self
            .service
            .map_or(Vec::new(), |s| s.last_lines(LAST_LINES));
        lines
            .into_iter()
            .fold(error, |e, line| e.caused_by(format!("log: {line}")))
    }

    /// Removes versions over the limit; a failure is only a warning.
    pub(super) fn prune(&self, journal: &Journal, warnings: &mut Vec<String>) -> Vec<String> {
        let mut removed = Vec::new();
        let result = (|| {
            let (history, versions) = (self.history()?, self.host.versions()?);
            let back = history.rollback_target(&journal.tag, &versions);
            let mut needed = vec![journal.tag.as_str()];
            needed.extend(journal.previous.as_deref());
            needed.extend(back.as_deref());
            for version in history.superfluous(&versions, &needed, self.config.keep) {
                self.host.remove_version(&version)?;
                removed.push(version);
            }
            let backups = self.prune_backups(None)?;
            removed.extend(backups.iter().map(|id| format!("backup {id}")));
            Ok::<(), Error>(())
        })();
        if let Err(error) = result {
            warnings.push(format!("old versions could not be removed: {error}"));
        }
        removed
    }
}

/// For a version that is healthy and whose history line could not be written.
pub(super) fn unrecorded(error: Error, tag: &str) -> Error {
    error
        .under(format!(
            "{tag} runs and is healthy, but that could not be recorded"
        ))
        .hint("mend the state directory (space, mode); the next relman install or rollback finishes or reverts it")
}

/// `files` as records.
pub(super) fn records<'f>(
    files: impl IntoIterator<Item = &'f super::release::VerifiedFile>,
) -> Vec<FileRecord> {
    files.into_iter().map(FileRecord::from).collect()
}
