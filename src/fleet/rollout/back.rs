//! Nodes that go back after a failure, or because somebody wished it: one at a time, the last one that was moved first.

use super::ask::is_up;
use super::run::Run;
use super::start::Started;
use crate::Result;
use crate::fleet::host::Request;
use crate::fleet::look::{Daemon, NodeLook};
use crate::fleet::record::{Back, Ending, State, Step};

impl Run<'_> {
    /// Puts one node back, or ends the rollout where none is left.
    ///
    /// # Errors
    /// Somebody else drives now; the record cannot be written.
    pub fn backward(&mut self) -> Result<()> {
        let next = self
            .record()
            .nodes
            .iter()
            .rev()
            .find(|n| n.back.is_some() && !self.given_up.contains(&n.name))
            .and_then(|n| Some((n.name.clone(), n.back.clone()?)));
        let Some((name, back)) = next else {
            return self.end_back();
        };
        let looks = self.settle(std::slice::from_ref(&name))?;
        let look = match looks.get(&name) {
            Some(Ok(look)) => look.clone(),
            Some(Err(why)) => return self.leave_silent(&name, &why.clone()),
            None => return self.leave_silent(&name, "it was not asked"),
        };
        self.record_mut().saw(&name, &Ok(look.clone()));
        let tag = self.record().tag().unwrap_or_default().to_owned();
        match &back {
            Back::Release(to) if look.current.as_deref() == Some(&tag) && *to != tag => {
                self.put_back(&name, to, is_up(Some(&Ok(look.clone()))))
            }
            // Nobody knew where it was before it was moved; it does.
            Back::Start if has_to_leave(&look, &tag) && self.record().moved(&name) => {
                let to = look.rollback.clone().unwrap_or_default();
                self.put_back(&name, &to, is_up(Some(&Ok(look.clone()))))
            }
            _ if look.daemon == Daemon::Verified => {
                let runs = look.current.as_deref().unwrap_or("nothing");
                let step = match &back {
                    Back::Start => Step::Waiting,
                    Back::Release(_) => Step::RolledBack,
                };
                self.is_back(&name, step, &format!("it runs {runs}"))
            }
            _ => self.start_back(&name, &back),
        }
    }

    fn put_back(&mut self, name: &str, to: &str, up: bool) -> Result<()> {
        let Some(plan) = self.record().plan().cloned() else {
            return Ok(());
        };
        // A node that is down already takes nothing more away.
        if up && self.within_budget(&plan, &[name.to_owned()])?.is_none() {
            return Ok(());
        }
        if self.obey()? {
            return Ok(());
        }
        self.enter(name, Step::RollingBack, Some(&format!("to {to}")));
        self.write()?;
        let request = Request::Rollback {
            to: Some(to.to_owned()),
            with_data: false,
            emergency: false,
            start: true,
        };
        let order = (name.to_owned(), request);
        let truths = self.carry(std::slice::from_ref(&order))?;
        let Some(truth) = truths.get(name) else {
            return Ok(());
        };
        match &truth.look {
            Ok(look) if look.runs(to) => {
                self.is_back(name, Step::RolledBack, &format!("it runs {to}"))
            }
            Err(why) => self.leave_silent(name, &why.clone()),
            // It got lost on its way: once more, as the loop comes round.
            Ok(look)
                if truth.lost
                    && has_not_moved(look, to)
                    && self.retried.insert(name.to_owned()) =>
            {
                self.note(Some(name), "once more: nobody heard what became of it");
                self.write()
            }
            Ok(_) => self.cannot(name, &truth.why()),
        }
    }

    fn start_back(&mut self, name: &str, back: &Back) -> Result<()> {
        match self.start_node(name)? {
            Started::Well => {
                let step = match back {
                    Back::Start => Step::Waiting,
                    Back::Release(_) => Step::RolledBack,
                };
                self.is_back(name, step, "it was started again")
            }
            Started::Badly(Step::Silent, why) => self.leave_silent(name, &why),
            Started::Badly(_, why) => self.cannot(name, &why),
        }
    }

    fn is_back(&mut self, name: &str, step: Step, words: &str) -> Result<()> {
        if let Some(node) = self.record_mut().node_mut(name) {
            node.back = None;
        }
        self.enter(name, step, Some(words));
        self.write()
    }

    fn leave_silent(&mut self, name: &str, why: &str) -> Result<()> {
        self.given_up.insert(name.to_owned());
        self.enter(name, Step::Silent, Some(why));
        self.write()
    }

    fn cannot(&mut self, name: &str, why: &str) -> Result<()> {
        self.given_up.insert(name.to_owned());
        self.enter(name, Step::Failed, Some(why));
        self.write()
    }

    fn end_back(&mut self) -> Result<()> {
        let left: Vec<String> = self
            .record()
            .nodes
            .iter()
            .filter(|n| n.back.is_some())
            .map(|n| format!("{} is {}", n.name, n.step.name()))
            .collect();
        if !left.is_empty() {
            let why = match &self.record().ending {
                Some(ending) => ending.why.clone(),
                None => String::new(),
            };
            let why = format!("not all have gone back: {}; {why}", left.join(", "));
            self.turn(State::Held, Some(&why));
            return self.write();
        }
        let Ending { state, why } = self.record_mut().ending.take().unwrap_or(Ending {
            state: State::Aborted,
            why: String::new(),
        });
        self.turn(state, Some(&why));
        self.write()
    }
}

/// Whether a node has the release that is left, and somewhere else to go.
fn has_to_leave(look: &NodeLook, tag: &str) -> bool {
    look.current.as_deref() == Some(tag) && look.rollback.is_some()
}

/// Whether a node is where it was before it was told to go to `to`.
fn has_not_moved(look: &NodeLook, to: &str) -> bool {
    look.unfinished.is_none() && look.current.as_deref() != Some(to)
}
