//! Going on with a rollout, perhaps on another machine: every node is asked anew, and believed.

use super::ask::is_up;
use super::moving::left_out;
use super::run::Run;
use crate::Result;
use crate::fleet::config::Strategy;
use crate::fleet::look::{Daemon, NodeLook};
use crate::fleet::plan::Plan;
use crate::fleet::record::{State, Step};

impl Run<'_> {
    /// Makes the record say what the nodes say.
    ///
    /// # Errors
    /// Somebody else drives now; the record cannot be written.
    pub fn converge(&mut self) -> Result<()> {
        let Some(plan) = self.record().plan().cloned() else {
            return Ok(());
        };
        let names: Vec<String> = self.record().nodes.iter().map(|n| n.name.clone()).collect();
        let mut looks = self.statuses(&names);
        let in_flight = [
            Step::Stopping,
            Step::Installing,
            Step::Starting,
            Step::RollingBack,
        ];
        let open: Vec<String> = names
            .iter()
            .filter(|name| match looks.get(*name) {
                Some(Ok(look)) => look.unfinished.is_some(),
                _ => self
                    .record()
                    .step(name)
                    .is_some_and(|s| in_flight.contains(&s)),
            })
            .cloned()
            .collect();
        if !open.is_empty() {
            looks.extend(self.settle(&open)?);
        }
        for (name, look) in &looks {
            self.record_mut().saw(name, look);
            if is_up(Some(look)) && !left_out(&plan, name) {
                self.up.insert(name.clone());
            }
        }
        if self.record().state == State::Running {
            for (name, look) in looks.iter().filter(|(name, _)| !left_out(&plan, name)) {
                self.believe(&plan, name, look);
            }
            let open = plan.waves.iter().position(|wave| {
                wave.nodes
                    .iter()
                    .any(|n| self.record().step(n) != Some(Step::Done))
            });
            let over = self.record().waves_done;
            self.record_mut().waves_done = over.min(open.unwrap_or(over));
        }
        self.write()
    }

    fn believe(&mut self, plan: &Plan, name: &str, look: &Result<NodeLook, String>) {
        let Some(step) = self.record().step(name) else {
            return;
        };
        let already = plan.nodes.iter().any(|n| n.name == name && n.already);
        let look = match look {
            Ok(look) => look,
            Err(why) => {
                self.enter(name, Step::Silent, Some(why));
                return;
            }
        };
        let planned = plan.waves.iter().any(|w| w.nodes.iter().any(|n| n == name));
        if look.runs(&plan.tag) {
            let step = match step == Step::Done || already || !planned {
                true => Step::Done,
                false => Step::Watching,
            };
            self.enter(name, step, None);
            return;
        }
        let together = plan.environment.strategy == Strategy::Together;
        if together && planned && look.daemon == Daemon::Down {
            self.enter(name, Step::Stopped, None);
            return;
        }
        if step != Step::Waiting {
            let runs = look.current.as_deref().unwrap_or("nothing");
            let words = match look.daemon {
                Daemon::Down => format!("its current release is {runs}, its daemon does not run"),
                _ => format!("it runs {runs}"),
            };
            self.enter(name, Step::Waiting, Some(&words));
        }
    }
}
