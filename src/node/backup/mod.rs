//! Backups of a node's binaries, configuration and data, and going back to them.
//!
//! `manifest`, `text`, `plan`, `journal` and `retention` are pure; the drivers, here and in
//! `restore`, change the world only through [`host::BackupHost`]. What they keep: a backup is whole or
//! absent, the data directory is the old one or the restored one and never between, and a protected
//! path never goes back in time.

pub mod host;
pub mod journal;
pub mod manifest;
pub mod plan;
mod restore;
pub mod retention;
pub mod text;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::Node;
use super::config::backup::Mode;
use super::host::{Found, Service};
use super::record::rfc3339;
use crate::error::{Error, Result};

use host::{Listed, Source};
use journal::{BackupJournal, BackupStep};
use manifest::Begun;
pub use manifest::{BackupAbout, BackupId, Manifest, Part};
pub use plan::{BackupPlan, DataRestore, RestorePlan};
pub use restore::{BackupRecovered, RestoreReport, RestoreWanted};

/// What `relman backup create` is asked for.
#[derive(Clone, Debug, Default)]
pub struct CreateWanted {
    /// Stop the daemon, and start it again afterwards.
    pub stop: bool,
    /// Make it while the daemon runs.
    pub hot: bool,
    /// Why, for people.
    pub reason: String,
    /// Plan it and change nothing.
    pub dry_run: bool,
}

/// What came of `relman backup create`.
#[derive(Clone, Debug, Serialize)]
pub struct CreateReport {
    /// What was planned.
    pub plan: BackupPlan,
    /// The backup; none after a dry run.
    pub id: Option<BackupId>,
    /// Its manifest.
    pub manifest: Option<Manifest>,
    /// What an earlier run left, and what became of it.
    pub recovered: Option<BackupRecovered>,
}

/// What `relman backup verify` found in one backup.
#[derive(Clone, Debug, Serialize)]
pub struct BackupChecked {
    /// The backup.
    pub id: BackupId,
    /// Files whose bytes were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is wrong; empty where nothing is.
    pub problems: Vec<String>,
}

impl Node<'_> {
    /// Plans a backup before a change; none where none is wanted.
    ///
    /// # Errors
    /// Kind failed: it could not be made; the causes are all the problems.
    pub fn plan_backup(&self) -> Result<Option<BackupPlan>> {
        let config = &self.config.backup;
        if !config.configured || config.mode == Mode::None {
            return Ok(None);
        }
        self.plan_backup_in(config.mode).map(Some)
    }

    fn plan_backup_in(&self, mode: Mode) -> Result<BackupPlan> {
        let sources = self.backup_sources()?;
        let survey = self.backups.survey(&sources)?;
        let last = self.whole_backups()?.pop().map(|(_, manifest)| manifest);
        let config = &self.config.backup;
        let plan = BackupPlan::new(config, mode, &sources, &survey, last.as_ref())?;
        let lacking: Vec<String> = sources
            .iter()
            .zip(&survey.seen)
            .filter(|(_, seen)| seen.missing)
            .map(|(source, _)| {
                format!(
                    "{} {} does not exist",
                    source.part.name(),
                    text::shown(&source.known_as)
                )
            })
            .collect();
        // Before the first install there may be nothing yet; later, a path is mistyped.
        if lacking.is_empty() || self.host.current()?.is_none() {
            return Ok(plan);
        }
        let error = Error::failed("a backup cannot be made").hint("mend the path in node.toml");
        Err(lacking.into_iter().fold(error, Error::caused_by))
    }

    /// Makes the planned backup. The caller holds the node's lock and, for a cold one, has stopped
    /// the daemon.
    ///
    /// # Errors
    /// Kind failed: there is no new backup, and nothing else has changed.
    pub fn make_backup(&self, plan: &BackupPlan, about: &BackupAbout) -> Result<BackupId> {
        (self.say)(&format!("backing up {} file(s)", plan.total.files));
        let begun = Begun {
            made: self.host.now(),
            about,
            mode: plan.mode,
        };
        self.backups.make(&self.backup_sources()?, &begun)
    }

    fn backup_sources(&self) -> Result<Vec<Source>> {
        let mut sources = Vec::new();
        let current = self.host.current()?;
        for binary in &self.config.binaries {
            // What the daemon runs is the version's file, wherever the link is.
            let path = match (&current, self.host.inspect(binary)?) {
                (Some(version), Found::Ours) => {
                    let versions = self.config.state.join("versions");
                    versions.join(version).join(&binary.name)
                }
                (_, Found::File { .. }) => binary.path.clone(),
                _ => continue,
            };
            sources.push(Source {
                part: Part::Binary,
                path,
                known_as: binary.path.clone(),
                at: format!("binary-{}", binary.name),
            });
        }
        let config = &self.config.backup;
        for (at, path) in config.configuration.iter().enumerate() {
            sources.push(Source {
                part: Part::Configuration,
                path: path.clone(),
                known_as: path.clone(),
                at: format!("configuration-{at}"),
            });
        }
        sources.extend(config.data.as_ref().map(|data| Source {
            part: Part::Data,
            path: data.dir.clone(),
            known_as: data.dir.clone(),
            at: "data".into(),
        }));
        Ok(sources)
    }

    /// `relman backup create`: takes the lock, recovers, and makes one.
    ///
    /// # Errors
    /// Kind failed: the daemon runs and nobody said to stop it, or a backup could not be made.
    pub fn create_backup(&self, wanted: &CreateWanted) -> Result<CreateReport> {
        let mode = match (self.config.backup.mode, wanted.hot) {
            (Mode::Hot, _) | (_, true) => Mode::Hot,
            _ => Mode::Cold,
        };
        if wanted.dry_run {
            return Ok(CreateReport {
                plan: self.plan_backup_in(mode)?,
                id: None,
                manifest: None,
                recovered: None,
            });
        }
        self.host.prepare()?;
        let _lock = self.host.lock("backup create")?;
        let recovered = self.recover_locked()?.data;
        let plan = self.plan_backup_in(mode)?;
        let about = BackupAbout {
            tag: None,
            previous: self.host.current()?,
            reason: wanted.reason.clone(),
        };
        let runs = mode == Mode::Cold && self.daemon_runs()?;
        if runs && !wanted.stop {
            return Err(still_running(self.service, "backup create --stop")
                .hint("relman backup create --stop, or --hot to read the files while it runs"));
        }
        let id = self.while_stopped(runs, || self.make_backup(&plan, &about))?;
        Ok(CreateReport {
            manifest: Some(self.backups.manifest(&id)?),
            plan,
            id: Some(id),
            recovered,
        })
    }

    /// Does `work` between a stop and a start of the daemon, if it `runs`; a kill does not leave it
    /// stopped, since the journal says that it ran.
    fn while_stopped<T>(&self, runs: bool, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let service = self.service.filter(|_| runs);
        if let Some(service) = service {
            let started = rfc3339(self.host.now());
            let journal = BackupJournal::begin(BackupStep::Create, started, true);
            self.backups.write_journal(&journal)?;
            (self.say)(&format!("stopping {}", service.name()));
            service.stop(false)?;
        }
        let done = work();
        let Some(service) = service else {
            return done;
        };
        let unfinished =
            |j: &BackupJournal| !matches!(j.step, BackupStep::Create | BackupStep::Start);
        if done.is_err()
            && self
                .backups
                .read_journal()?
                .as_ref()
                .is_some_and(unfinished)
        {
            // It must not run on half of a restore; the next command finishes it and starts it.
            return done;
        }
        (self.say)(&format!("starting {}", service.name()));
        match (service.start(), done) {
            (Ok(()), done) => {
                self.backups.remove_journal()?;
                done
            }
            // The journal stays, so that the next command tries again.
            (Err(error), Ok(_)) => {
                Err(error.under("all was done, but the daemon could not be started"))
            }
            (Err(why), Err(error)) => {
                Err(error.caused_by(format!("and the daemon could not be started: {why}")))
            }
        }
    }

    /// Whether the daemon runs, as far as relman knows one.
    fn daemon_runs(&self) -> Result<bool> {
        match self.service {
            Some(service) => Ok(service.state()?.pid.is_some()),
            None => Ok(false),
        }
    }

    /// All backups, oldest first, broken ones too.
    pub fn backups(&self) -> Result<Vec<Listed>> {
        self.backups.list()
    }

    fn whole_backups(&self) -> Result<Vec<(BackupId, Manifest)>> {
        let listed = self.backups.list()?.into_iter();
        Ok(listed
            .filter_map(|l| Some((l.id, l.manifest.ok()?)))
            .collect())
    }

    /// The backup that `text` names, by its whole name or its number.
    ///
    /// # Errors
    /// Kind failed: there is none.
    pub fn backup_named(&self, text: &str) -> Result<BackupId> {
        let number: Option<u64> = text.parse().ok();
        let all = self.backups.list()?;
        let mut found = all
            .iter()
            .filter(|l| l.id.as_str() == text || number == Some(l.id.number()));
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one.id.clone()),
            _ => Err(
                Error::failed(format!("there is no one backup called {text:?}"))
                    .hint("relman backup list"),
            ),
        }
    }

    /// Reads every byte of a backup, and gives all problems.
    ///
    /// # Errors
    /// Kind failed: it could not be read at all.
    pub fn verify_backup(&self, id: &BackupId) -> Result<BackupChecked> {
        (self.say)(&format!("reading backup {id}"));
        let (total, problems) = match self.backups.manifest(id) {
            Ok(manifest) => (manifest.total, self.backups.verify(id)?),
            Err(error) => (manifest::Amount::default(), vec![error.to_string()]),
        };
        Ok(BackupChecked {
            id: id.clone(),
            files: total.files,
            bytes: total.bytes,
            problems,
        })
    }

    /// The newest whole backup that holds the data as it was when `version` was current.
    pub fn backup_for(&self, version: &str) -> Result<Option<BackupId>> {
        let mut whole = self.whole_backups()?;
        while let Some((id, manifest)) = whole.pop() {
            if manifest.has_data_of(version) && self.backups.manifest(&id).is_ok() {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Removes backups over `keep`, or over `backup.keep`; gives those that are gone. The caller holds
    /// the lock. The one that a rollback of the current version would use stays.
    pub fn prune_backups(&self, keep: Option<usize>) -> Result<Vec<BackupId>> {
        let back = match self.host.current()? {
            Some(current) => {
                let versions = self.host.versions()?;
                self.history()?.rollback_target(&current, &versions)
            }
            None => None,
        };
        let needed: Vec<&str> = back.as_deref().into_iter().collect();
        let keep = keep.unwrap_or(self.config.backup.keep);
        let gone = retention::superfluous(&self.backups.list()?, keep, &needed);
        for id in &gone {
            (self.say)(&format!("removing backup {id}"));
            self.backups.remove(id)?;
        }
        Ok(gone)
    }

    /// `relman backup prune`: backups over the limit, and what restores have put aside.
    ///
    /// # Errors
    /// Kind failed: one of them could not be removed.
    pub fn prune_backups_and_aside(&self, keep: Option<usize>) -> Result<Pruned> {
        self.host.prepare()?;
        let _lock = self.host.lock("backup prune")?;
        let recovered = self.recover_restore()?;
        self.recover_locked()?;
        let removed = self.prune_backups(keep)?;
        let mut aside = Vec::new();
        for path in self.backups.put_aside()? {
            let shown = text::shown(&path);
            (self.say)(&format!("removing {shown}"));
            self.backups.remove_aside(&path)?;
            aside.push(shown);
        }
        Ok(Pruned {
            removed,
            aside,
            recovered,
        })
    }
}

/// What `relman backup prune` removed.
#[derive(Clone, Debug, Serialize)]
pub struct Pruned {
    /// Backups.
    pub removed: Vec<BackupId>,
    /// Data directories that restores had put aside, escaped.
    pub aside: Vec<String>,
    /// What an earlier run left, and what became of it.
    pub recovered: Option<BackupRecovered>,
}

fn still_running(service: Option<&dyn Service>, command: &str) -> Error {
    let name = service.map_or_else(|| "the daemon".into(), |s| s.name());
    Error::failed(format!("{name} runs: its files would change meanwhile"))
        .hint(format!("relman {command}"))
}
