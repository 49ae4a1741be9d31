//! The rollback driver: a retained version is verified again, offline, and made current.
//!
//! A version rolled back to that is not healthy stays: going to and fro helps nobody at 3 a.m.

use super::Node;
use super::activate::{ChangeOutcome, ChangeReport, Options, unrecorded};
use super::backup::RestorePlan;
use super::floor::barrier;
use super::health::Wanted;
use super::history::Outcome;
use super::host::{Found, Staging};
use super::journal::{Journal, Operation, Step};
use super::plan::Plan;
use super::record::check_version_name;
use super::recover::Recovered;
use super::retained::Retained;
use crate::error::{Error, Result};
use crate::release::edges::Barrier;

impl Node<'_> {
    /// Goes back to `to`, or to the version before the current one, or only plans it.
    ///
    /// # Errors
    /// Kind refused where the retained version no longer verifies (nothing is changed then),
    /// failed where there is none or where it is not healthy (it is left in place then).
    pub fn rollback(&self, to: Option<&str>, options: &Options) -> Result<ChangeReport> {
        if let Some(tag) = to {
            check_version_name(tag)?;
        }
        if options.dry_run {
            let (_, mut report) = self.prepare_rollback(to, options)?;
            if self.host.read_journal()?.is_some() {
                report.warnings.insert(
                    0,
                    "an earlier operation is unfinished and would be finished or reverted first"
                        .into(),
                );
            }
            return Ok(report);
        }
        self.host.prepare()?;
        let _lock = self.host.lock(&format!(
            "rollback{}",
            to.map_or(String::new(), |t| format!(" --to {t}"))
        ))?;
        let recovered = self.recover_locked()?.change;
        if let (None, Some(recovered)) = (to, &recovered)
            && let Some(current) = self.host.current()?
            && recovered.went_back_to(&current)
        {
            return recovered_instead(current, recovered);
        }
        let prepared = self.prepare_rollback(to, options);
        if let Err(error) = &prepared {
            self.record_refusal(Operation::Rollback, to, error);
        }
        let (retained, mut report) = prepared?;
        report.recovered = recovered;
        let Some(plan) = report.plan.clone() else {
            return Ok(report);
        };
        let staging = self.host.create_staging()?;
        let result = self.run_rollback(&plan, &retained, &staging, &mut report);
        let cleaned = self.host.clean(&self.config.binaries);
        result?;
        if let Err(error) = cleaned {
            report
                .warnings
                .push(format!("staging could not be emptied: {error}"));
        }
        report.warnings.extend(self.receipts.warnings());
        Ok(report)
    }

    fn prepare_rollback(
        &self,
        to: Option<&str>,
        options: &Options,
    ) -> Result<(Retained, ChangeReport)> {
        let observed = self.observe()?;
        let versions = self.host.versions()?;
        let history = self.history()?;
        let current = observed.current.as_deref();
        let others: Vec<&str> = versions
            .iter()
            .map(String::as_str)
            .filter(|v| Some(*v) != current)
            .collect();
        let hint = if others.is_empty() {
            "relman status".to_string()
        } else {
            format!("relman rollback --to TAG; retained: {}", others.join(", "))
        };
        let tag = match to {
            Some(tag) if versions.iter().any(|v| v == tag) => tag.to_string(),
            Some(tag) => {
                return Err(Error::failed(format!("{tag} is not retained on this node")).hint(hint));
            }
            None => current
                .and_then(|c| history.rollback_target(c, &versions))
                .ok_or_else(|| {
                    Error::failed(format!(
                        "there is no version before {} to go back to",
                        current.unwrap_or("the first install")
                    ))
                    .hint(hint.clone())
                })?,
        };
        (self.say)(&format!("verifying the retained {tag}"));
        let retained = self.retained_whole(&tag)?;
        let mut warnings = retained.warnings.clone();
        self.require_above(&tag, self.floor()?.as_ref())?;
        let left = current
            .filter(|c| *c != tag)
            .map(|from| (from, self.retained(from)));
        match barrier(left.as_ref(), &tag, &retained.edges) {
            (Some(Barrier::Release(why)), _) => {
                return Err(Error::refused(format!("{tag} is too far back"))
                    .caused_by(why)
                    .hint(hint));
            }
            (Some(Barrier::Data(why)), _) if !options.with_data => {
                return Err(
                    Error::refused(format!("{tag} cannot read the data as they are"))
                        .caused_by(why)
                        .hint(format!("relman rollback --to {tag} --with-data")),
                );
            }
            (_, unknown) => warnings.extend(unknown),
        }
        warnings.extend(self.require_not_dangerous(&tag)?);
        if let Some(left) = history.rolled_back_from(&tag) {
            warnings.push(format!(
                "{tag} was itself rolled back from at {}: {}",
                left.at,
                left.reason.as_deref().unwrap_or("no reason was recorded")
            ));
        }
        let linked = observed.found.iter().all(|(_, f)| *f == Found::Ours);
        let already = current == Some(tag.as_str()) && linked;
        let plan = if already {
            None
        } else {
            let preflight = self.preflight(&observed, None, options.start);
            if !options.dry_run {
                preflight.require(&tag, options.force)?;
            }
            let mut plan = Plan::new(
                self.config,
                Operation::Rollback,
                &tag,
                &retained.files,
                false,
                &observed,
            )?;
            plan.start = preflight.start;
            plan.downtime_ms = history.last_downtime_ms();
            plan.problems = preflight.all();
            if options.with_data {
                self.require_service(&tag)?;
                plan.restore = Some(self.data_of(&tag)?);
            }
            Some(plan)
        };
        let report = ChangeReport {
            operation: Operation::Rollback,
            tag,
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
        Ok((retained, report))
    }

    /// A dangerous release is not put back, as far as this node knows; a withdrawn one is, and told.
    fn require_not_dangerous(&self, tag: &str) -> Result<Option<String>> {
        let known = match self.releases.known(self.host.now()) {
            Ok(known) => known,
            // Going back must work when the rest does not.
            Err(e) => return Ok(Some(format!("whether {tag} is yanked cannot be told: {e}"))),
        };
        match known.as_ref().and_then(|known| known.metadata.yank(tag)) {
            None => Ok(None),
            Some(yank) if yank.lets_rollback_pass() => Ok(Some(format!("{tag} is {yank}"))),
            Some(yank) => Err(
                Error::refused(format!("{tag} is not put back: it is {yank}"))
                    .hint("another retained one: relman rollback --to TAG, see relman status"),
            ),
        }
    }

    /// Data are never exchanged under a daemon that may run.
    fn require_service(&self, tag: &str) -> Result<()> {
        match self.service {
            Some(_) => Ok(()),
            None => Err(Error::failed(
                "node.toml has no [service], so nobody can tell whether the daemon is stopped, and no data are moved",
            )
            .hint(format!(
                "stop it, then: relman rollback --to {tag}, and relman backup restore ID --data --stopped"
            ))),
        }
    }

    /// How the data of the time of `tag` are put back.
    fn data_of(&self, tag: &str) -> Result<RestorePlan> {
        let id = self.backup_for(tag)?.ok_or_else(|| {
            Error::failed(format!("no whole backup has the data as {tag} left them"))
                .hint("relman backup list")
        })?;
        self.plan_data_restore(&id)
    }

    fn run_rollback(
        &self,
        plan: &Plan,
        retained: &Retained,
        staging: &Staging,
        report: &mut ChangeReport,
    ) -> Result<()> {
        let mut journal = Journal::begin(
            Operation::Rollback,
            &plan.tag,
            plan.previous.clone(),
            self.host.now(),
        );
        journal.start = plan.start;
        journal.restore = plan.restore.clone();
        let wanted = Wanted {
            tag: &plan.tag,
            origin: retained.record.origin,
            files: &retained.files,
        };
        let error = match self.carry_out(&mut journal, plan, &wanted, staging) {
            Ok(health) => {
                report.health = Some(health);
                self.commit(&mut journal, Outcome::Committed)
                    .map_err(|e| unrecorded(e, &plan.tag))?;
                report.outcome = ChangeOutcome::Done;
                return Ok(());
            }
            Err(error) => error,
        };
        let unfinished = |error: Error, why: Error| {
            error
                .caused_by(format!("and that could not be recorded: {why}"))
                .hint("relman status shows it; the next relman install or rollback tries again")
        };
        let current = match self.host.current() {
            Ok(current) => current,
            Err(why) => return Err(unfinished(error, why)),
        };
        if journal.before_swap(current.as_deref()) {
            return Err(match self.undo_before_swap(&journal) {
                Ok(()) => error,
                Err(why) => unfinished(error, why),
            });
        }
        journal.reason = Some(error.message().to_string());
        let left = |error: Error| {
            self.with_last_lines(error)
                .under(format!(
                    "{} was put back but is not healthy; it is left in place",
                    plan.tag
                ))
                .hint("relman status shows what else is retained; relman rollback --to TAG")
        };
        if journal.step != Step::Health {
            // Not yet watched: a second attempt, as after a kill.
            return match self.finish_rollback(&mut journal) {
                Ok((_, None)) => {
                    report.outcome = ChangeOutcome::Done;
                    report
                        .warnings
                        .push(format!("it needed a second attempt: {error}"));
                    Ok(())
                }
                Ok((_, Some(problem))) => Err(left(error.caused_by(problem))),
                Err(why) => Err(unfinished(error, why)),
            };
        }
        let error = left(error);
        Err(match self.conclude(&journal, Outcome::Unhealthy) {
            Ok(()) => error,
            Err(why) => unfinished(error, why),
        })
    }
}

/// Whoever runs a killed rollback again means the step back that it had begun, and whoever rolls
/// back a killed install means the version before it. Recovery has made that step; one more would
/// be one too many.
fn recovered_instead(current: String, recovered: &Recovered) -> Result<ChangeReport> {
    if recovered.problem.is_some() {
        return Err(Error::failed(recovered.line())
            .hint("relman status shows what else is retained; relman rollback --to TAG"));
    }
    Ok(ChangeReport {
        operation: Operation::Rollback,
        tag: current,
        outcome: ChangeOutcome::Done,
        plan: None,
        health: None,
        warnings: Vec::new(),
        removed: Vec::new(),
        recovered: Some(recovered.clone()),
    })
}
