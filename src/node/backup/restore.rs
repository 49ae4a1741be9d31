//! The driver of restores: plan, make the new data directory beside the present one, exchange them,
//! put the configuration back; and what becomes of all this after a kill.
//!
//! Before the exchange a killed restore is undone: the present data may have signed since. After it,
//! it is finished.

use std::collections::BTreeMap;

use serde::Serialize;

use super::host::{Protected, RestoreSurvey, Swapped};
use super::journal::{BackupJournal, BackupStep};
use super::manifest::{BackupId, Manifest, Part};
use super::plan::{DataRestore, RestorePlan};
use super::{still_running, text};
use crate::error::{Error, Result};
use crate::node::Node;
use crate::node::activate::{ChangeReport, Options};
use crate::node::record::rfc3339;

/// What `relman backup restore` is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestoreWanted {
    /// The data directory.
    pub data: bool,
    /// The configuration.
    pub configuration: bool,
    /// Stop the daemon, and start it again afterwards.
    pub stop: bool,
    /// The operator says that a daemon that relman does not know is stopped.
    pub stopped: bool,
    /// Plan it and change nothing.
    pub dry_run: bool,
}

/// What a restore did.
#[derive(Clone, Debug, Serialize)]
pub struct RestoreReport {
    /// What was planned.
    pub plan: RestorePlan,
    /// It is done; not so after a dry run.
    pub done: bool,
    /// It had been done before: nothing was changed now.
    pub already: bool,
    /// Files of the configuration that were written, escaped.
    pub written: Vec<String>,
    /// What an earlier run left, and what became of it.
    pub recovered: Option<BackupRecovered>,
}

/// What became of a backup or a restore that was killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackupRecovered {
    /// What had come next.
    pub step: BackupStep,
    /// The backup that was being restored.
    pub id: Option<BackupId>,
    /// The data directory is the restored one.
    pub restored: bool,
    /// What was done, in words.
    pub result: String,
}

impl BackupRecovered {
    /// One line for people.
    pub fn line(&self) -> String {
        match &self.id {
            Some(id) => format!("an unfinished restore of {id} was found: {}", self.result),
            None => format!("an unfinished backup was found: {}", self.result),
        }
    }
}

impl Node<'_> {
    /// Plans a restore of the data alone, as a rollback does.
    ///
    /// # Errors
    /// As [`Node::plan_restore`].
    pub fn plan_data_restore(&self, id: &BackupId) -> Result<RestorePlan> {
        self.plan_restore(id, true, false)
    }

    /// Plans a restore.
    ///
    /// # Errors
    /// Kind failed: the backup is not whole or does not have what is asked for, or there is no room.
    /// Refused: a protected path could not be kept; the causes say which and why.
    pub fn plan_restore(
        &self,
        id: &BackupId,
        data: bool,
        configuration: bool,
    ) -> Result<RestorePlan> {
        let manifest = self.backups.manifest(id)?;
        let mut plan = RestorePlan {
            id: id.clone(),
            data: None,
            configuration: Vec::new(),
            warnings: Vec::new(),
        };
        if data {
            plan.data = Some(self.plan_data(id, &manifest)?);
        }
        if configuration {
            let roots = manifest.roots_of(Part::Configuration);
            plan.configuration = roots.map(|(_, root)| root.path.clone()).collect();
            if plan.configuration.is_empty() {
                return Err(lacks(id, Part::Configuration));
            }
            let configured = &self.config.backup.configuration;
            let known: Vec<String> = configured.iter().map(|p| text::shown(p)).collect();
            if let Some(path) = plan.configuration.iter().find(|p| !known.contains(p)) {
                return Err(Error::failed(format!(
                    "backup {id} has the configuration {path}, which node.toml does not name"
                ))
                .hint("name it in configuration in node.toml, or restore --data alone"));
            }
        }
        if !manifest.unsteady.is_empty() {
            plan.warnings.push(format!(
                "{} file(s) changed while this backup read them: {}",
                manifest.unsteady.len(),
                manifest.unsteady.join(", ")
            ));
        }
        Ok(plan)
    }

    fn plan_data(&self, id: &BackupId, manifest: &Manifest) -> Result<DataRestore> {
        let Some((_, root)) = manifest.roots_of(Part::Data).next() else {
            return Err(lacks(id, Part::Data));
        };
        let Some(config) = &self.config.backup.data else {
            return Err(Error::failed("node.toml has no [data] dir to restore to")
                .hint("set [data] dir in node.toml"));
        };
        if root.path != text::shown(&config.dir) {
            return Err(Error::failed(format!(
                "backup {id} is of {}, the data directory is {}",
                root.path,
                text::shown(&config.dir)
            ))
            .hint("set [data] dir in node.toml to where the data was"));
        }
        let survey = self.backups.look(id)?;
        refuse_conflicts(&survey)?;
        let wanted = survey.needed.saturating_add(self.config.backup.min_free);
        if wanted > survey.free {
            return Err(Error::failed(format!(
                "the restored data needs {} bytes beside {}, {} are free and {} are to stay free (backup.min_free_mib)",
                survey.needed,
                text::shown(&config.dir),
                survey.free,
                self.config.backup.min_free
            ))
            .hint(format!("df {}", config.dir.display())));
        }
        let kept = survey.now.iter().map(|p| p.path.clone()).collect();
        let (differing, withheld) = compare(&survey.now, &survey.then);
        Ok(DataRestore {
            dir: config.dir.clone(),
            present: survey.present,
            before: survey.before,
            total: survey.total,
            needed: survey.needed,
            kept,
            differing,
            withheld,
        })
    }

    /// Carries a plan out. The caller holds the node's lock and has stopped the daemon. After a kill
    /// and [`Node::recover_restore`], calling it again with the same plan does what is left to do.
    ///
    /// # Errors
    /// Kind failed or refused: the data directory is as it was, or the error says otherwise.
    pub fn restore_data(&self, plan: &RestorePlan) -> Result<RestoreReport> {
        self.carry_out_restore(plan, false)
    }

    fn carry_out_restore(&self, plan: &RestorePlan, start: bool) -> Result<RestoreReport> {
        let mut report = RestoreReport {
            plan: plan.clone(),
            done: true,
            already: false,
            written: Vec::new(),
            recovered: None,
        };
        let started = rfc3339(self.host.now());
        let mut journal = BackupJournal::begin(BackupStep::Prepare, started, start);
        journal.restore = Some(plan.clone());
        if let Some(data) = &plan.data {
            let now = self.backups.identity(&data.dir)?;
            let kept = self.backups.identity(&data.before)?;
            if now != data.present {
                if kept.is_none() || kept != data.present {
                    return Err(Error::failed(format!(
                        "{} is not the directory that the restore was planned for",
                        text::shown(&data.dir)
                    ))
                    .hint("run it again: it is planned anew"));
                }
                report.already = true;
            } else {
                self.exchange_data(&mut journal, plan)?;
            }
        }
        if !plan.configuration.is_empty() {
            journal.step = BackupStep::Configuration;
            self.backups.write_journal(&journal)?;
            self.host.fault_point("restore-configuration")?;
            (self.say)("putting the configuration back");
            report.written = self.backups.restore_configuration(&plan.id)?;
        }
        if start {
            journal.step = BackupStep::Start;
            self.backups.write_journal(&journal)?;
            self.host.fault_point("restore-start")?;
        } else {
            self.backups.remove_journal()?;
        }
        Ok(report)
    }

    fn exchange_data(&self, journal: &mut BackupJournal, plan: &RestorePlan) -> Result<()> {
        self.backups.write_journal(journal)?;
        self.host.fault_point("restore-prepare")?;
        (self.say)(&format!("making the data of backup {}", plan.id));
        let staged = self.backups.stage(&plan.id).and_then(|staged| {
            self.host.fault_point("restore-staged")?;
            journal.step = BackupStep::Swap;
            journal.staged = Some(staged);
            self.backups.write_journal(journal)?;
            self.host.fault_point("restore-swap")?;
            (self.say)("exchanging the data directory");
            self.backups.swap(plan, staged)
        });
        let Err(error) = staged else {
            return self.host.fault_point("restore-swapped");
        };
        // Whatever state it is in, this is what a next command would do with it.
        match self.settle(journal) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.forget(journal)?;
                Err(error)
            }
            Err(why) => Err(error
                .caused_by(format!("and that could not be put right now: {why}"))
                .hint("relman backup list: any command tries again")),
        }
    }

    /// After an undone restore: only a daemon that was stopped is left to care for.
    fn forget(&self, journal: &BackupJournal) -> Result<()> {
        match journal.start {
            true => {
                let started = journal.started.clone();
                let journal = BackupJournal::begin(BackupStep::Create, started, true);
                self.backups.write_journal(&journal)
            }
            false => self.backups.remove_journal(),
        }
    }

    /// Finishes or undoes what the journal has of the data; whether it is the restored one now.
    fn settle(&self, journal: &BackupJournal) -> Result<bool> {
        let data = journal.restore.as_ref().filter(|p| p.data.is_some());
        let (Some(plan), Some(staged)) = (data, journal.staged) else {
            self.backups.unstage()?;
            return Ok(false);
        };
        match self.backups.swapped(plan, staged)? {
            Swapped::No => {
                self.backups.unstage()?;
                Ok(false)
            }
            Swapped::Between | Swapped::Yes => {
                self.backups.finish_swap(plan, staged)?;
                Ok(true)
            }
        }
    }

    /// Finishes or undoes a backup or restore that was killed; none where none was. The caller holds
    /// the lock. Doing it twice is doing it once.
    ///
    /// # Errors
    /// Kind failed: it could not be done now; nothing is lost and the next command tries again.
    pub fn recover_restore(&self) -> Result<Option<BackupRecovered>> {
        let Some(journal) = self.backups.read_journal()? else {
            self.tidy();
            return Ok(None);
        };
        let plan = journal.restore.as_ref();
        let mut restored = false;
        let mut result = match (journal.step, plan) {
            (BackupStep::Prepare | BackupStep::Swap, Some(plan)) => {
                restored = self.settle(&journal)?;
                match restored {
                    true => {
                        self.rest_of_configuration(plan)?;
                        "it was finished".to_owned()
                    }
                    false => "it was undone, the data directory is as it was".to_owned(),
                }
            }
            (BackupStep::Configuration, Some(plan)) => {
                restored = plan.data.is_some();
                self.rest_of_configuration(plan)?;
                "it was finished".to_owned()
            }
            (BackupStep::Start, Some(plan)) => {
                restored = plan.data.is_some();
                "it was done".to_owned()
            }
            _ => "what there was of it was removed".to_owned(),
        };
        self.tidy();
        if let Some(service) = self.service.filter(|_| journal.start) {
            if !self.daemon_runs()? {
                self.start_again(service)?;
            }
            result.push_str(&format!("; {} runs", service.name()));
        }
        self.backups.remove_journal()?;
        let recovered = BackupRecovered {
            step: journal.step,
            id: plan.map(|p| p.id.clone()),
            restored,
            result,
        };
        (self.say)(&recovered.line());
        Ok(Some(recovered))
    }

    /// What cannot be removed now must not be in the way of an emergency.
    fn tidy(&self) {
        if let Err(error) = self.backups.clean() {
            (self.say)(&format!(
                "the leftovers of a backup are still there: {error}"
            ));
        }
    }

    fn rest_of_configuration(&self, plan: &RestorePlan) -> Result<()> {
        if !plan.configuration.is_empty() {
            self.backups.restore_configuration(&plan.id)?;
        }
        Ok(())
    }

    /// `relman backup restore` of data and configuration: takes the lock, recovers, restores.
    ///
    /// # Errors
    /// Kind failed: the daemon runs and nobody said to stop it, or as [`Node::plan_restore`].
    pub fn restore_backup(&self, id: &BackupId, wanted: RestoreWanted) -> Result<RestoreReport> {
        if wanted.dry_run {
            return Ok(RestoreReport {
                plan: self.plan_restore(id, wanted.data, wanted.configuration)?,
                done: false,
                already: false,
                written: Vec::new(),
                recovered: None,
            });
        }
        self.host.prepare()?;
        let _lock = self.host.lock("backup restore")?;
        let recovered = self.recover_locked()?.data;
        if self.service.is_none() && !wanted.stopped {
            return Err(Error::failed(
                "node.toml has no [service], so nobody can tell whether the daemon is stopped",
            )
            .hint(format!(
                "stop it, then: relman backup restore {id} --stopped"
            )));
        }
        let runs = self.daemon_runs()?;
        if runs && !wanted.stop {
            return Err(still_running(
                self.service,
                &format!("backup restore {id} --stop"),
            ));
        }
        let plan = self.plan_restore(id, wanted.data, wanted.configuration)?;
        let mut report = self.while_stopped(runs, || self.carry_out_restore(&plan, runs))?;
        report.recovered = recovered;
        Ok(report)
    }

    /// `relman backup restore --binary`: the version that was current goes back to being it, verified
    /// again as every rollback is. A backup's bytes are signed by nobody, so they are never run.
    ///
    /// # Errors
    /// Kind failed: that version is not retained any more, or as a rollback.
    pub fn restore_binary(&self, id: &BackupId, dry_run: bool) -> Result<Option<ChangeReport>> {
        let manifest = self.backups.manifest(id)?;
        let Some(version) = manifest.about.previous else {
            return Err(
                Error::failed(format!("when backup {id} was made no version was current"))
                    .hint("relman backup list"),
            );
        };
        if self.host.current()?.as_deref() == Some(version.as_str()) {
            return Ok(None);
        }
        if !self.host.versions()?.contains(&version) {
            return Err(Error::failed(format!(
                "{version} is not retained any more, and a backup's bytes are signed by nobody"
            ))
            .hint(format!("relman install {version}")));
        }
        let options = Options {
            dry_run,
            force: true,
            ..Options::default()
        };
        self.rollback(Some(&version), &options).map(Some)
    }
}

fn lacks(id: &BackupId, part: Part) -> Error {
    Error::failed(format!("backup {id} holds no {}", part.name())).hint("relman backup list")
}

fn refuse_conflicts(survey: &RestoreSurvey) -> Result<()> {
    if survey.conflicts.is_empty() {
        return Ok(());
    }
    let error = Error::refused(
        "the data cannot be restored: what is protected could not be kept as it is now, \
         and an older signing state may sign twice",
    )
    .hint("look at the paths named above, and at [data] protect in node.toml");
    Err(survey.conflicts.iter().fold(error, Error::caused_by))
}

/// Protected paths that are there now and are others in the backup, and those that only it has.
fn compare(now: &[Protected], then: &[Protected]) -> (Vec<String>, Vec<String>) {
    let of_now: BTreeMap<&str, _> = now.iter().map(|p| (p.path.as_str(), p.sha256)).collect();
    let (mut differing, mut withheld) = (Vec::new(), Vec::new());
    for path in then {
        match of_now.get(path.path.as_str()) {
            None => withheld.push(path.path.clone()),
            Some(digest) if *digest != path.sha256 => differing.push(path.path.clone()),
            Some(_) => {}
        }
    }
    (differing, withheld)
}
