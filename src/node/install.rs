//! The install driver: recover, verify, plan, then carry the plan out, and go back if it fails.
//!
//! Changes the world through the traits alone.

use super::Node;
use super::activate::{ChangeOutcome, ChangeReport, Options, Restored, records, unrecorded};
use super::floor::barrier;
use super::health::{HealthReport, Wanted};
use super::history::Outcome;
use super::host::{Found, Staging};
use super::journal::{Journal, Operation, Step};
use super::plan::Plan;
use super::preflight::Preflight;
use super::record::{ADOPTED_PREFIX, Origin, RECORD_NAME, ReleaseRecord, check_version_name};
use super::release::VerifiedRelease;
use crate::error::{Error, Result};
use crate::release::edges::{Barrier, Edges};

impl Node<'_> {
    /// Installs `tag`, or plans it and changes nothing.
    ///
    /// # Errors
    /// Kind refused where the release is not trusted or a file on the node was tampered with;
    /// failed where the host would not do it, or where the release was unhealthy and was rolled
    /// back. In each case the previous version is current, or the error says otherwise.
    pub fn install(&self, tag: &str, options: &Options) -> Result<ChangeReport> {
        check_version_name(tag)?;
        if tag.starts_with(ADOPTED_PREFIX) {
            return Err(Error::usage(format!(
                "{tag} is a version found on this host, not a release"
            ))
            .hint(format!("relman rollback --to {tag}")));
        }
        if options.dry_run {
            return self.plan_install(tag, options);
        }
        self.host.prepare()?;
        let _lock = self.host.lock(&format!("install {tag}"))?;
        let recovered = self.recover_locked()?.change;
        let staging = self.host.create_staging()?;
        let result = self.install_from(tag, options, &staging);
        if let Err(error) = &result {
            self.record_refusal(Operation::Install, Some(tag), error);
        }
        let cleaned = self.host.clean(&self.config.binaries);
        let mut report = result?;
        if let Err(error) = cleaned {
            report
                .warnings
                .push(format!("staging could not be emptied: {error}"));
        }
        report.recovered = recovered;
        report.warnings.extend(self.receipts.warnings());
        Ok(report)
    }

    /// Refuses a release that this node was rolled back from, where nobody named it.
    ///
    /// # Errors
    /// Kind failed, with the reason that was remembered.
    pub fn refuse_return(&self, tag: &str) -> Result<()> {
        let history = self.history()?;
        let Some(left) = history.rolled_back_from(tag) else {
            return Ok(());
        };
        if self.host.current()?.as_deref() == Some(tag) {
            return Ok(());
        }
        Err(Error::failed(format!(
            "{tag} is what the environment has agreed on, but this node was rolled back from it at {}",
            left.at
        ))
        .caused_by(left.reason.as_deref().unwrap_or("no reason was recorded"))
        .hint(format!("once that is mended, name it: relman install {tag}")))
    }

    fn plan_install(&self, tag: &str, options: &Options) -> Result<ChangeReport> {
        let unfinished = self.host.read_journal()?.is_some();
        let scratch = self.host.scratch()?;
        let release = self.verified(tag, &scratch.path)?;
        let (mut report, preflight) = self.prepare_install(&release, options)?;
        if let Some(plan) = &mut report.plan {
            plan.problems = preflight.all();
        }
        if unfinished {
            report.warnings.insert(
                0,
                "an earlier operation is unfinished and would be finished or reverted first".into(),
            );
        }
        Ok(report)
    }

    fn verified(&self, tag: &str, place: &std::path::Path) -> Result<VerifiedRelease> {
        (self.say)(&format!("verifying {tag}"));
        let release = self.releases.verify(tag, place)?;
        self.receipts.verified(&release);
        if release.tag != tag {
            return Err(Error::refused(format!(
                "asked for {tag}, the store's release says {}",
                release.tag
            )));
        }
        let lacking: Vec<String> = self
            .config
            .binaries
            .iter()
            .filter_map(|b| match release.file(&b.name) {
                None => Some(format!("{}: not in the release", b.name)),
                Some(file) if !file.executable => {
                    Some(format!("{}: not executable in the release", b.name))
                }
                Some(_) => None,
            })
            .collect();
        if lacking.is_empty() {
            return Ok(release);
        }
        let names: Vec<&str> = release
            .files
            .iter()
            .filter(|f| f.executable)
            .map(|f| f.path.as_str())
            .collect();
        let error =
            Error::failed(format!("{tag} does not have what node.toml wants")).hint(format!(
                "[[binary]] may name what the release has: {}",
                names.join(", ")
            ));
        Err(lacking.into_iter().fold(error, Error::caused_by))
    }

    /// Looks at the host and plans. Outcome `Already` where there is nothing to do.
    fn prepare_install(
        &self,
        release: &VerifiedRelease,
        options: &Options,
    ) -> Result<(ChangeReport, Preflight)> {
        let tag = release.tag.as_str();
        let files = records(&release.files);
        let observed = self.observe()?;
        let floor = self.raise_floor(release.minimum.as_deref(), options.dry_run)?;
        self.require_above(tag, floor.as_ref())?;
        let retained = self.host.versions()?.iter().any(|v| v == tag);
        if retained {
            self.require_files(tag, &files)?;
        }
        let current = observed.current.as_deref();
        let linked = observed.found.iter().all(|(_, f)| *f == Found::Ours);
        let mut warnings = release.warnings.clone();
        let history = self.history()?;
        // What is left is verified once, for all that is asked of it.
        let left = current
            .filter(|c| *c != tag)
            .map(|from| (from, self.retained(from)));
        match barrier(left.as_ref(), tag, &release.edges) {
            (Some(Barrier::Release(why) | Barrier::Data(why)), _) => {
                return Err(
                    Error::refused(format!("{tag} would be a way back that is closed"))
                        .caused_by(why)
                        .hint("relman rollback --with-data puts the data of its time back as well"),
                );
            }
            (None, unknown) => warnings.extend(unknown),
        }
        if let Some(left) = history.rolled_back_from(tag) {
            warnings.push(format!(
                "{tag} was rolled back from at {}: {}",
                left.at,
                left.reason.as_deref().unwrap_or("no reason was recorded")
            ));
        }
        let whole = left.as_ref().map(|(from, retained)| {
            let retained = retained.as_ref().map_err(Clone::clone)?;
            self.require_files(from, &retained.files)?;
            Ok::<_, Error>(&retained.files)
        });
        if let (Some((previous, _)), Some(Err(error))) = (&left, &whole) {
            warnings.push(format!(
                "if {tag} fails there is no way back to {previous}: {error}"
            ));
        }
        let already = retained && linked && current == Some(tag);
        let running = match (current, whole) {
            // Nobody knows what a version that was only found here is like when it is well.
            (Some(current), _) if current.starts_with(ADOPTED_PREFIX) => None,
            // They were found to be what is wanted; hashing them again would tell the same.
            (Some(_), Some(Ok(verified))) => Some(verified.clone()),
            (Some(current), None) if retained && current == tag => Some(files.clone()),
            (Some(current), _) => self.host.files(current)?,
            (None, _) => None,
        };
        let mut preflight = self.preflight(&observed, running.as_deref(), options.start);
        let plan = if already {
            None
        } else {
            let mut plan = Plan::new(
                self.config,
                Operation::Install,
                tag,
                &files,
                !retained,
                &observed,
            )?;
            plan.start = preflight.start;
            plan.backup = self.plan_backup()?;
            let previous = plan.previous.clone();
            // What is about to be adopted declares nothing.
            let edges = match &left {
                Some((from, Ok(retained))) if previous.as_deref() == Some(*from) => {
                    retained.edges.clone()
                }
                _ => Edges::default(),
            };
            let back = self.way_back(release, (previous.as_deref(), &edges), plan.backup.as_ref());
            if let (Some(why), Some(previous)) = (&back.closed, &previous) {
                preflight.needs_force(format!(
                    "if {tag} fails once it has run, there is no way back to {previous}: {why}"
                ));
            }
            plan.way_back = back;
            plan.downtime_ms = history.last_downtime_ms();
            Some(plan)
        };
        let report = ChangeReport {
            operation: Operation::Install,
            tag: tag.into(),
            outcome: if already {
                ChangeOutcome::Already
            } else {
                ChangeOutcome::Planned
            },
            plan,
            health: None,
            warnings,
            removed: Vec::new(),
            recovered: None,
        };
        Ok((report, preflight))
    }

    fn install_from(
        &self,
        tag: &str,
        options: &Options,
        staging: &Staging,
    ) -> Result<ChangeReport> {
        let release = self.verified(tag, &staging.archive)?;
        let (mut report, preflight) = self.prepare_install(&release, options)?;
        let Some(plan) = report.plan.clone() else {
            return Ok(report);
        };
        preflight.require(tag, options.force)?;
        let mut journal = Journal::begin(
            Operation::Install,
            tag,
            plan.previous.clone(),
            self.host.now(),
        );
        journal.start = plan.start;
        journal.data_back = plan.way_back.with_data;
        journal.closed = plan.way_back.closed.clone();
        match self.run_install(&mut journal, &plan, &release, staging) {
            Ok(health) => report.health = Some(health),
            Err(error) => return Err(self.give_up(&mut journal, error)),
        }
        report.outcome = ChangeOutcome::Done;
        report.removed = self.prune(&journal, &mut report.warnings);
        Ok(report)
    }

    fn run_install(
        &self,
        journal: &mut Journal,
        plan: &Plan,
        release: &VerifiedRelease,
        staging: &Staging,
    ) -> Result<HealthReport> {
        let tag = release.tag.as_str();
        let files = records(&release.files);
        self.enter(journal, Step::Unpack)?;
        if plan.unpack {
            (self.say)(&format!("unpacking {} file(s)", files.len()));
            self.releases
                .unpack(release, &staging.archive, &staging.tree)?;
            self.host.fault_point("unpacked")?;
        }
        let mut evidence = release.evidence.clone();
        let record = ReleaseRecord::verified(release, self.host.now());
        evidence.push((RECORD_NAME.into(), record.to_bytes()?));
        self.host.keep_evidence(staging, tag, &evidence)?;
        self.host.fault_point("evidence-kept")?;
        if plan.unpack {
            self.host.keep_version(staging, tag, &files)?;
        }
        self.done(journal)?;
        let wanted = Wanted {
            tag,
            origin: Origin::Verified,
            files: &files,
        };
        let health = self.carry_out(journal, plan, &wanted, staging)?;
        self.commit(journal, Outcome::Committed)?;
        Ok(health)
    }

    /// Ends a failed install with the node as it was, and says so.
    fn give_up(&self, journal: &mut Journal, error: Error) -> Error {
        let unfinished = |error: Error, why: Error| {
            error
                .caused_by(format!("and the node could not be put back now: {why}"))
                .hint("relman status shows it; the next relman install or rollback tries again")
        };
        let current = match self.host.current() {
            Ok(current) => current,
            Err(why) => return unfinished(error, why),
        };
        if journal.before_swap(current.as_deref()) {
            return match self.undo_before_swap(journal) {
                Ok(()) => error,
                Err(why) => unfinished(error, why),
            };
        }
        // The health check's deadline is over, but the committed line may be on disk already.
        if journal.step == Step::Commit {
            return unrecorded(error, &journal.tag);
        }
        let error = self.with_last_lines(error);
        (self.say)(&format!("{} failed, going back", journal.tag));
        journal.reason = Some(error.message().to_string());
        let what = match journal.step {
            Step::Start => "could not be started",
            _ => "failed its health check",
        };
        // Best effort: without this line the journal on disk still leads back.
        let _ = self.enter(journal, Step::Revert);
        match self
            .restore(journal)
            .and_then(|restored| self.after_restore(journal, &restored).map(|()| restored))
        {
            Ok(restored) => say_restored(error, &journal.tag, what, restored),
            Err(why) => unfinished(error.under(format!("{} {what}", journal.tag)), why),
        }
    }

    /// Writes down what going back came to.
    pub(super) fn after_restore(&self, journal: &Journal, restored: &Restored) -> Result<()> {
        let outcome = match restored {
            Restored::Previous(..) | Restored::Nothing(_) => Outcome::Reverted,
            Restored::Stuck(_) | Restored::Closed(_) => Outcome::Unhealthy,
        };
        self.conclude(journal, outcome)
    }
}

fn say_restored(error: Error, tag: &str, what: &str, restored: Restored) -> Error {
    match restored {
        Restored::Previous(previous, None) => {
            error.under(format!("{tag} {what} and was rolled back to {previous}"))
        }
        Restored::Previous(previous, Some(sick)) => error
            .under(format!(
                "{tag} {what} and was rolled back to {previous}, which is not healthy either"
            ))
            .caused_by(format!("{previous}: {sick}"))
            .hint("relman status"),
        Restored::Nothing(stopped) => {
            let error = error.under(format!(
                "{tag} {what} and was removed again: there is no previous version, nothing is installed"
            ));
            match stopped {
                Some(why) => error.caused_by(format!("the service could not be stopped: {why}")),
                None => error,
            }
        }
        Restored::Closed(why) => error
            .under(format!(
                "{tag} {what} and is still in place: there is no way back from it"
            ))
            .caused_by(why)
            .hint("mend it forward: a newer release, relman install TAG --force"),
        Restored::Stuck(why) => error
            .under(format!(
                "{tag} {what} and is still in place: the previous version is not whole any more"
            ))
            .caused_by(why)
            .hint("relman status shows the retained versions; relman rollback --to TAG"),
    }
}
