//! Moving nodes: the checks, the order, and the truth about what came of it.

use std::time::Duration;

use jiff::Unit;

use super::ask::{Looks, Truth, is_up};
use super::run::Run;
use super::start::Started;
use crate::Result;
use crate::fleet::config::Strategy;
use crate::fleet::host::Request;
use crate::fleet::look::{Daemon, NodeLook};
use crate::fleet::plan::Plan;
use crate::fleet::record::{State, Step};

/// How often one node is told to install in one turn: a second time where the first one got lost.
const TRIES: u32 = 2;

impl Run<'_> {
    /// Stops nodes together, to be moved one after another.
    ///
    /// # Errors
    /// Somebody else drives now; the record cannot be written.
    pub fn stop_together(&mut self, names: &[String]) -> Result<()> {
        let Some(plan) = self.record().plan().cloned() else {
            return Ok(());
        };
        if !self.in_window(&plan)? {
            return Ok(());
        }
        for name in names {
            self.enter(name, Step::Stopping, None);
        }
        self.write()?;
        let orders: Vec<(String, Request)> = names
            .iter()
            .map(|name| (name.clone(), Request::Stop { at_once: false }))
            .collect();
        let mut failed = Vec::new();
        let mut why = String::new();
        for (name, truth) in self.carry(&orders)? {
            match &truth.look {
                Ok(look) if look.daemon == Daemon::Down => self.enter(&name, Step::Stopped, None),
                _ => {
                    why = truth.why();
                    self.enter(&name, step_of(&truth), Some(&why));
                    failed.push(name);
                }
            }
        }
        match failed.is_empty() {
            true => self.write(),
            false => self.fail(&failed, &format!("could not be stopped: {why}")),
        }
    }

    /// Moves nodes, at most all of them at the same time.
    ///
    /// # Errors
    /// Somebody else drives now; the record cannot be written.
    pub fn move_nodes(&mut self, plan: &Plan, names: &[String]) -> Result<()> {
        if !self.pause_between(plan)? || !self.in_window(plan)? {
            return Ok(());
        }
        let Some((names, looks)) = self.within_budget(plan, names)? else {
            return Ok(());
        };
        if self.is_halted(&looks)? {
            return Ok(());
        }
        self.up = looks
            .iter()
            .filter(|(name, look)| is_up(Some(look)) && !left_out(plan, name))
            .map(|(name, _)| name.clone())
            .collect();
        let mut orders = Vec::new();
        let mut starts = Vec::new();
        for name in &names {
            match looks.get(name) {
                Some(Ok(look)) if look.runs(&plan.tag) && look.unfinished.is_none() => {
                    self.enter(name, Step::Watching, Some("it runs the release already"));
                }
                Some(Ok(look)) if look.unfinished.is_some() => {
                    let under_way = look.unfinished.clone().unwrap_or_default();
                    self.enter(name, Step::Waiting, Some(&format!("waits for {under_way}")));
                    self.write()?;
                    let looks = self.settle(std::slice::from_ref(name))?;
                    let ended = |look: &Result<NodeLook, String>| {
                        look.as_ref().is_ok_and(|look| look.unfinished.is_none())
                    };
                    if !looks.get(name).is_some_and(ended) {
                        let why = format!("{name} does not come to an end: {under_way}");
                        self.turn(State::Held, Some(&why));
                        return self.write();
                    }
                    // All is asked anew before anything is done.
                    return Ok(());
                }
                Some(Ok(look)) if has(look, &plan.tag) && self.may_start(plan, name) => {
                    starts.push(name.clone());
                }
                Some(Ok(_)) => {
                    let request = Request::Install {
                        tag: plan.tag.clone(),
                        start: self.may_start(plan, name),
                    };
                    orders.push((name.clone(), request));
                }
                silent => {
                    let why = match silent {
                        Some(Err(why)) => why.clone(),
                        _ => "it was not asked".into(),
                    };
                    self.enter(name, Step::Silent, Some(&why));
                    self.turn(State::Held, Some(&format!("{name} does not answer: {why}")));
                    return self.write();
                }
            }
        }
        self.before = self.highest(plan);
        // Somebody may have wished something while all of this was asked.
        if self.obey()? {
            return Ok(());
        }
        self.install(plan, &orders)?;
        if self.record().state == State::Running {
            self.start_moved(&starts)?;
        }
        Ok(())
    }

    /// Holds the rollout where a node knows that its environment was halted: the others learn it when they next ask the
    /// store.
    fn is_halted(&mut self, looks: &Looks) -> Result<bool> {
        let halted = looks.iter().find_map(|(name, look)| {
            let why = look.as_ref().ok()?.halted.clone()?;
            Some(format!("{name} says that new installs are halted {why}"))
        });
        let Some(why) = halted else {
            return Ok(false);
        };
        self.turn(State::Held, Some(&why));
        self.write()?;
        Ok(true)
    }

    fn may_start(&self, plan: &Plan, name: &str) -> bool {
        // A daemon that somebody stopped for another reason stays so.
        plan.environment.strategy == Strategy::Together
            || self.record().node(name).is_some_and(|n| n.attempts > 0)
    }

    fn install(&mut self, plan: &Plan, orders: &[(String, Request)]) -> Result<()> {
        let mut open = orders.to_vec();
        let mut failed = Vec::new();
        let mut reasons = Vec::new();
        for turn in 1..=TRIES {
            for (name, _) in &open {
                if let Some(node) = self.record_mut().node_mut(name) {
                    node.attempts += 1;
                }
                let words = (turn > 1).then_some("once more: nobody heard what became of it");
                self.enter(name, Step::Installing, words);
            }
            self.write()?;
            if open.is_empty() {
                return Ok(());
            }
            let truths = self.carry(&open)?;
            let mut again = Vec::new();
            for (name, request) in open {
                let Some(truth) = truths.get(&name) else {
                    continue;
                };
                match &truth.look {
                    Ok(look) if look.runs(&plan.tag) && look.unfinished.is_none() => {
                        self.enter(&name, Step::Watching, None);
                    }
                    Ok(look) if truth.lost && turn < TRIES && look.unfinished.is_none() => {
                        let start = matches!(request, Request::Install { start: true, .. });
                        let start = start || look.daemon == Daemon::Down;
                        let tag = plan.tag.clone();
                        again.push((name, Request::Install { tag, start }));
                    }
                    _ => {
                        let why = truth.why();
                        self.enter(&name, step_of(truth), Some(&why));
                        reasons.push(why);
                        failed.push(name);
                    }
                }
            }
            if !failed.is_empty() {
                return self.fail(&failed, &reasons.join("; "));
            }
            self.write()?;
            if again.is_empty() || self.obey()? {
                return Ok(());
            }
            open = again;
        }
        Ok(())
    }

    /// Nodes that have the release and whose daemon does not run.
    fn start_moved(&mut self, names: &[String]) -> Result<()> {
        for name in names {
            if self.obey()? {
                return Ok(());
            }
            match self.start_node(name)? {
                Started::Well => {
                    self.enter(name, Step::Watching, None);
                    self.write()?;
                }
                Started::Badly(step, why) => {
                    self.enter(name, step, Some(&why));
                    return self.fail(std::slice::from_ref(name), &why);
                }
            }
        }
        Ok(())
    }

    /// Waits until the pause after the node before is over; `false` where something came between.
    fn pause_between(&mut self, plan: &Plan) -> Result<bool> {
        let pause = plan.environment.pause_seconds;
        let last = self
            .record()
            .nodes
            .iter()
            .filter(|n| n.step == Step::Done && n.attempts > 0)
            .map(|n| n.since)
            .max();
        let Some(last) = last else {
            return Ok(true);
        };
        let gone = self.now().since((Unit::Second, last));
        let gone = gone.map_or(0, |span| span.get_seconds());
        // A clock that was put back is no reason to wait for ever.
        let left = pause.saturating_sub(u64::try_from(gone).unwrap_or(0));
        self.wait(Duration::from_secs(left))
    }
}

/// Whether a node is no part of the rollout, whatever it does.
pub(super) fn left_out(plan: &Plan, name: &str) -> bool {
    plan.nodes.iter().any(|n| n.name == name && n.left_out)
}

/// Whether the release is current on a node whose daemon does not run.
fn has(look: &NodeLook, tag: &str) -> bool {
    look.current.as_deref() == Some(tag) && look.whole && look.daemon == Daemon::Down
}

/// The step of a node that is not where it should be.
pub(super) fn step_of(truth: &Truth) -> Step {
    match truth.look {
        Ok(_) => Step::Failed,
        Err(_) => Step::Silent,
    }
}
