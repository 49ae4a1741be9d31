//! What people wish, answered before the next step.

use super::run::Run;
use crate::Result;
use crate::fleet::config::Strategy;
use crate::fleet::record::{Back, Ending, State, Step, Wanted};

impl Run<'_> {
    /// Answers the wishes that wait; `true` where the state has changed by one.
    ///
    /// # Errors
    /// Somebody else drives now; the answer cannot be written.
    pub fn obey(&mut self) -> Result<bool> {
        self.look()?;
        let before = (self.record().state, self.record().ending.clone());
        let wishes = self.record_mut().take_wishes();
        if wishes.is_empty() {
            return Ok(false);
        }
        for wish in wishes {
            self.answer(wish.wanted, &wish.who);
        }
        self.write()?;
        Ok(before != (self.record().state, self.record().ending.clone()))
    }

    /// Does what somebody wishes to the record.
    pub fn answer(&mut self, wanted: Wanted, who: &str) {
        if self.record().is_over() {
            return;
        }
        let why = format!("by {who}");
        match wanted {
            Wanted::Pause => {
                if matches!(self.record().state, State::Running | State::Aborting) {
                    self.turn(State::Paused, Some(&why));
                }
            }
            Wanted::Resume => {
                if self.record().state == State::Paused {
                    self.go_on();
                }
            }
            Wanted::Yield if self.goes_before(who) => {
                self.note(
                    None,
                    &format!("goes on: it was told to yield {why}, which yields to it"),
                );
            }
            Wanted::Yield => {
                for node in &mut self.record_mut().nodes {
                    node.back = None;
                }
                self.record_mut().ending = None;
                let why = format!("an emergency took over, {why}");
                self.turn(State::Aborted, Some(&why));
            }
            Wanted::Abort | Wanted::AbortAndRollBack if self.record().is_emergency() => {
                self.turn(State::Aborted, Some(&why));
            }
            Wanted::Abort => {
                let why = format!("aborted {why}");
                self.go_back(&[], State::Aborted, &why);
            }
            Wanted::AbortAndRollBack => {
                let moved: Vec<String> = self.moved();
                let why = format!("aborted and rolled back {why}");
                self.go_back(&moved, State::RolledBack, &why);
            }
        }
    }

    /// Whether `who` drives an emergency that was told to yield to this one, too: of two that tell each other, the one with
    /// the later name goes on, and both know which that is.
    fn goes_before(&self, who: &str) -> bool {
        let own = &self.record().id;
        let mut rivals = self.told.iter().filter(|rival| *rival < own);
        rivals.any(|rival| who.ends_with(rival.as_str()))
    }

    /// Runs on, in whichever direction it went.
    pub fn go_on(&mut self) {
        let state = match self.record().ending {
            Some(_) => State::Aborting,
            None => State::Running,
        };
        self.turn(state, None);
        self.record_mut().reason = None;
    }

    /// Nodes that this rollout has moved, or may have, in order.
    pub fn moved(&self) -> Vec<String> {
        let tried = self.record().nodes.iter().filter(|n| n.attempts > 0);
        tried.map(|n| n.name.clone()).collect()
    }

    /// Decides which nodes go back, and what it comes to when they have. Nodes that were stopped for the upgrade and are
    /// not moved yet are started again.
    pub fn go_back(&mut self, names: &[String], state: State, why: &str) {
        let Some(plan) = self.record().plan().cloned() else {
            return;
        };
        let stopped = plan.environment.strategy == Strategy::Together;
        for node in &mut self.record_mut().nodes {
            let planned = plan.nodes.iter().find(|n| n.name == node.name);
            let to = planned.and_then(|n| n.from.clone().or(n.back_to.clone()));
            if names.contains(&node.name) {
                node.back = Some(to.map_or(Back::Start, Back::Release));
            } else if stopped
                && node.attempts == 0
                && matches!(node.step, Step::Stopping | Step::Stopped)
            {
                node.back = Some(Back::Start);
            }
        }
        self.record_mut().ending = Some(Ending {
            state,
            why: why.to_owned(),
        });
        self.turn(State::Aborting, Some(why));
    }
}
