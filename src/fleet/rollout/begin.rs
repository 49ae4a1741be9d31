//! Beginning a rollout, going on with one, and wishing something of one.

use super::run::Run;
use super::{Ended, Machine, checks, emergency, emergency_back};
use crate::fleet::ledger::{Copies, Ledger, Reach};
use crate::fleet::notice::Occasion;
use crate::fleet::plan::Plan;
use crate::fleet::record::{Record, RolloutId, State, Step, Wanted, Work};
use crate::{Error, Result};

/// What became of a wish.
pub enum Asked {
    /// Nobody drives it, so it was done here.
    Ended(Box<Ended>),
    /// Whoever drives it does it before the next step.
    Written(Box<Record>),
}

/// Rollouts of an environment that are not over, oldest first, and what could not be looked at.
///
/// # Errors
/// The records on this machine cannot be listed.
pub fn unfinished(ledger: &Ledger<'_>, environment: &str) -> Result<(Vec<Record>, Vec<String>)> {
    let (ids, mut warnings) = ledger.list()?;
    let mut found = Vec::new();
    for id in ids.iter().filter(|id| id.environment() == environment) {
        match ledger.load(id) {
            Ok(Some(copies)) if !copies.record.is_over() => found.push(copies.record),
            Ok(_) => {}
            Err(e) => warnings.push(e.to_string()),
        }
    }
    Ok((found, warnings))
}

/// Begins an upgrade and drives it. `chance` are eight hexadecimal digits.
///
/// # Errors
/// Refused: the plan says why. Failed: another rollout of the environment is not over; the record cannot be written.
pub fn upgrade(m: &Machine<'_>, plan: Plan, chance: &str) -> Result<Ended> {
    if !plan.refusals.is_empty() {
        let error = Error::refused(format!(
            "{} is not begun on {}: {} reason(s) against it",
            plan.tag,
            plan.environment.name,
            plan.refusals.len()
        ));
        let lines = plan.refusals.iter().map(|r| match &r.node {
            Some(node) => format!("{node}: {}", r.why),
            None => r.why.clone(),
        });
        return Err(lines.fold(error, Error::caused_by).hint(format!(
            "relman fleet plan {} --env {}",
            plan.tag, plan.environment.name
        )));
    }
    let now = m.hosts.now();
    if let Some(why) = checks::closed(plan.environment.window, now) {
        return Err(Error::failed(format!("{} is not begun: {why}", plan.tag))
            .hint("run the same command again then"));
    }
    let environment = plan.environment.name.clone();
    alone(m, &environment, None)?;
    let id = RolloutId::new(now, &environment, chance)?;
    let names: Vec<String> = plan.nodes.iter().map(|n| n.name.clone()).collect();
    let tag = plan.tag.clone();
    let expected = plan.expected.clone();
    let plan = Box::new(plan);
    let mut record = Record::new(
        id.clone(),
        Work::Upgrade { plan },
        &names,
        m.holder.clone(),
        now,
    );
    record.note(
        now,
        None,
        &format!("begins: {tag} on {} nodes", names.len()),
    );
    let copies = m.ledger.create(record, Reach::Both);
    let copies =
        copies.map_err(|(_, why)| why.into_error().under(format!("{tag} was not begun")))?;
    let mut run = Run::new(m, copies);
    // Two who begin at once see each other here, one of them at least.
    if let Err(e) = alone(m, &environment, Some(&id)) {
        run.turn(
            State::Aborted,
            Some("another rollout of this environment was begun"),
        );
        run.finish()?;
        return Err(e);
    }
    let details = vec![format!(
        "about {} minutes; daemons are away for {} s in all",
        expected.seconds.div_ceil(60),
        expected.downtime_seconds
    )];
    run.tell(
        Occasion::Begun,
        &format!("{tag} on {environment} begins"),
        details,
    );
    run.drive()
}

fn alone(m: &Machine<'_>, environment: &str, but: Option<&RolloutId>) -> Result<()> {
    let (others, _) = unfinished(&m.ledger, environment)?;
    match others.iter().find(|r| Some(&r.id) != but) {
        None => Ok(()),
        Some(other) => Err(Error::failed(format!(
            "rollout {} of {environment} is not over: {} ({})",
            other.id,
            other.work.name(),
            other.state.name()
        ))
        .hint(format!(
            "go on with it: relman fleet resume {id}; or end it: relman fleet abort {id}",
            id = other.id
        ))),
    }
}

/// Goes on with a rollout, on whichever machine.
///
/// # Errors
/// Somebody else drives it; it is over; its record cannot be written.
pub fn resume(m: &Machine<'_>, id: &RolloutId, take_over: bool) -> Result<Ended> {
    let found = m.ledger.load(id)?.filter(|c| c.record.is_over());
    if let Some(copies) = found {
        let state = copies.record.state.name();
        return Err(
            Error::failed(format!("rollout {id} is over: it is {state}"))
                .hint("relman fleet status"),
        );
    }
    let copies = take(m, id, take_over)?;
    let mut run = Run::new(m, copies);
    match run.record().work.clone() {
        Work::Upgrade { .. } => {
            // Wishes that nobody has seen come first; whoever resumes has not wished for what is now.
            if run.obey()? && run.record().is_over() {
                return run.finish();
            }
            if !matches!(run.record().state, State::Running | State::Aborting) {
                run.go_on();
            }
            if run.record().state == State::Running {
                for name in run.record().in_step(&[Step::Failed, Step::RolledBack]) {
                    run.enter(&name, Step::Waiting, None);
                }
            }
            run.write()?;
            let summary = format!("rollout {id} goes on");
            run.tell(Occasion::Resumed, &summary, Vec::new());
            run.drive()
        }
        Work::Stop { .. } => emergency::go_on(run),
        Work::Rollback { .. } => emergency_back::go_on(run),
    }
}

/// Has a rollout wait before its next step.
///
/// # Errors
/// It is over; its record cannot be written.
pub fn pause(m: &Machine<'_>, id: &RolloutId) -> Result<Asked> {
    wish(m, id, Wanted::Pause, false)
}

/// Ends a rollout; what it moved stays as it is, or goes back.
///
/// # Errors
/// It is over; its record cannot be written.
pub fn abort(m: &Machine<'_>, id: &RolloutId, roll_back: bool, take_over: bool) -> Result<Asked> {
    let wanted = match roll_back {
        true => Wanted::AbortAndRollBack,
        false => Wanted::Abort,
    };
    wish(m, id, wanted, take_over)
}

fn wish(m: &Machine<'_>, id: &RolloutId, wanted: Wanted, take_over: bool) -> Result<Asked> {
    let now = m.hosts.now();
    let copies = m.ledger.wish(id, &m.holder.who, wanted, now)?;
    let driven = copies.record.lease.keeps(now).filter(|h| !(m.gone)(h));
    if driven.is_some() && !take_over {
        return Ok(Asked::Written(Box::new(copies.record)));
    }
    let mut run = Run::new(m, take(m, id, take_over)?);
    run.obey()?;
    match run.record().state {
        State::Aborting => run.drive(),
        _ => run.finish(),
    }
    .map(|ended| Asked::Ended(Box::new(ended)))
}

fn take(m: &Machine<'_>, id: &RolloutId, take_over: bool) -> Result<Copies> {
    m.ledger.take(id, &m.holder, m.hosts.now(), &|holder| {
        take_over || (m.gone)(holder)
    })
}
