//! Starting one daemon, and waiting until the node says that the verified bytes run and are healthy.

use std::time::Duration;

use super::ask::pace;
use super::run::Run;
use crate::Result;
use crate::fleet::host::Request;
use crate::fleet::look::{Daemon, NodeLook};
use crate::fleet::record::Step;

/// How long a daemon may take to be healthy once it was started.
const HEALTHY_WITHIN: Duration = Duration::from_secs(300);

/// What came of a start.
pub(super) enum Started {
    /// The verified bytes run and are healthy.
    Well,
    /// Not so, the step that the node is in therefore, and why.
    Badly(Step, String),
}

impl Run<'_> {
    /// Starts a node's daemon and waits until it is healthy.
    ///
    /// # Errors
    /// Somebody else drives now; the record cannot be written.
    pub fn start_node(&mut self, name: &str) -> Result<Started> {
        if let Some(node) = self.record_mut().node_mut(name) {
            node.attempts += 1;
        }
        self.enter(name, Step::Starting, None);
        self.write()?;
        let order = (name.to_owned(), Request::Start);
        let truths = self.carry(std::slice::from_ref(&order))?;
        let mut heard = self.m.hosts.uptime();
        let until = heard + HEALTHY_WITHIN;
        let mut why = match truths.get(name) {
            Some(truth) => truth.said.clone().err(),
            None => None,
        };
        let one = [name.to_owned()];
        let mut turn = 0;
        loop {
            let look = self.statuses(&one).remove(name);
            let look = look.unwrap_or_else(|| Err("it was not asked".into()));
            self.record_mut().saw(name, &look);
            let silent = look.is_err();
            match self.is_well(name, &look) {
                Ok(()) => return Ok(Started::Well),
                Err(problem) => {
                    let now = self.m.hosts.uptime();
                    if !silent {
                        heard = now;
                    }
                    if now >= until || now.saturating_sub(heard) >= self.m.patience {
                        let step = if silent { Step::Silent } else { Step::Failed };
                        return Ok(Started::Badly(step, why.unwrap_or(problem)));
                    }
                    // A later look says more than an answer that got lost.
                    if !silent {
                        why = Some(problem);
                    }
                }
            }
            turn += 1;
            self.m.hosts.pause(pace(turn));
            self.look()?;
            self.renew()?;
        }
    }

    fn is_well(&self, name: &str, look: &Result<NodeLook, String>) -> Result<(), String> {
        let look = look.as_ref().map_err(Clone::clone)?;
        match look.daemon {
            Daemon::Verified => {}
            Daemon::Other => {
                return Err("its daemon runs other bytes than the verified ones".into());
            }
            Daemon::Down => return Err("its daemon does not run".into()),
            Daemon::Unknown => return Err("whether its daemon runs is unknown".into()),
        }
        let order = (name.to_owned(), Request::Health);
        let mut replies = self.ask_all(std::slice::from_ref(&order));
        match replies.pop() {
            Some(reply) => reply.good().map(|_| ()),
            None => Err("its health was not asked for".into()),
        }
    }
}
