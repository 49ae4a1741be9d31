//! Carrying a plan out: what is next, until nothing is, and what becomes of it when something fails.

use super::Ended;
use super::next::{Next, next};
use super::run::Run;
use crate::fleet::config::OnFailure;
use crate::fleet::notice::Occasion;
use crate::fleet::record::{State, Step};
use crate::{Error, Result};

impl Run<'_> {
    /// Drives the rollout to its end, or to where it waits for somebody.
    ///
    /// # Errors
    /// Somebody else drives now; the record cannot be written.
    pub fn drive(mut self) -> Result<Ended> {
        self.converge()?;
        // What is so before anything is moved is what later looks are held against.
        let running: Vec<String> = self.up.iter().cloned().collect();
        if let (State::Running, Some(why)) = (self.record().state, self.alarm(&running)) {
            self.must_go_back = false;
            self.turn(State::Held, Some(&format!("nothing more is moved: {why}")));
            self.write()?;
        }
        loop {
            if self.obey()? {
                continue;
            }
            match self.record().state {
                State::Running => self.forward()?,
                State::Aborting => self.backward()?,
                _ => break,
            }
        }
        self.conclude()?;
        self.finish()
    }

    fn forward(&mut self) -> Result<()> {
        let Some(plan) = self.record().plan().cloned() else {
            return Err(Error::bug("an upgrade without a plan"));
        };
        match next(self.record(), &plan) {
            Next::Stop(names) => self.stop_together(&names),
            Next::Move(names) => self.move_nodes(&plan, &names),
            Next::Gate(names) => self.gate_nodes(&plan, &names),
            Next::Watch(wave) => self.watch_wave(&plan, wave),
            Next::Done => {
                self.turn(State::Done, None);
                self.write()
            }
        }
    }

    /// The first failure stops the rollout; which nodes go back is the environment's rule.
    ///
    /// # Errors
    /// As [`Run::write`].
    pub fn fail(&mut self, names: &[String], why: &str) -> Result<()> {
        let Some(plan) = self.record().plan().cloned() else {
            return Err(Error::bug("an upgrade without a plan"));
        };
        let why = format!("{}: {why}", names.join(", "));
        let wave = plan
            .waves
            .iter()
            .find(|w| names.iter().any(|n| w.nodes.contains(n)));
        let moved = self.moved();
        let rule = match self.must_go_back {
            true => OnFailure::RollBackAll,
            false => plan.environment.on_failure,
        };
        let back: Vec<String> = match rule {
            OnFailure::Stop => Vec::new(),
            OnFailure::RollBackNode => names.to_vec(),
            OnFailure::RollBackWave => wave.map_or(Vec::new(), |w| w.nodes.clone()),
            OnFailure::RollBackAll => moved.clone(),
        };
        let back: Vec<String> = back.into_iter().filter(|n| moved.contains(n)).collect();
        match rule {
            OnFailure::Stop => self.turn(State::Held, Some(&why)),
            OnFailure::RollBackAll => self.go_back(&back, State::RolledBack, &why),
            _ => self.go_back(&back, State::Held, &why),
        }
        self.write()
    }

    /// Tells people how it ended.
    fn conclude(&mut self) -> Result<()> {
        let record = self.record();
        let name = &record.environment().name;
        let tag = record.tag().unwrap_or_default();
        let count = |step: Step| record.nodes.iter().filter(|n| n.step == step).count();
        let (done, all) = (count(Step::Done), record.nodes.len());
        let why = record.reason.clone().unwrap_or_default();
        let (occasion, summary) = match record.state {
            State::Done => (Occasion::Completed, format!("{name} runs {tag}")),
            State::Held | State::Paused => (
                Occasion::Held,
                format!("{tag} on {name} waits at {done} of {all} nodes: {why}"),
            ),
            _ => (
                Occasion::Aborted,
                format!("{tag} on {name} was {}: {why}", record.state.name()),
            ),
        };
        let details = record
            .nodes
            .iter()
            .filter(|n| n.step != Step::Done && n.words.is_some())
            .map(|n| {
                let words = n.words.as_deref().unwrap_or_default();
                format!("{} is {}: {words}", n.name, n.step.name())
            })
            .collect();
        self.tell(occasion, &summary, details);
        Ok(())
    }
}
