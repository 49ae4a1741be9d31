//! The network after each node, and the watch after each wave.

use std::collections::BTreeSet;
use std::time::Duration;

use super::run::Run;
use crate::Result;
use crate::fleet::config::NetworkGate;
use crate::fleet::host::Request;
use crate::fleet::look::{ChainLook, Daemon};
use crate::fleet::network_gate::{Seen, Verdict, common, highest, judge};
use crate::fleet::plan::Plan;
use crate::fleet::record::{State, Step};

/// How long a daemon of a watched node may be away: its manager starts it again.
const AWAY: Duration = Duration::from_secs(30);
/// How long something may be unknown or wrong in a watch where no network gate says so.
const UNKNOWN: Duration = Duration::from_secs(60);
/// What is waited between two looks where no network gate says so.
const LOOK: Duration = Duration::from_secs(15);

/// How a gate ended.
pub(super) enum Gate {
    /// All is well.
    Passed,
    /// It is not, and why.
    Failed(String),
    /// Something came between; the record says what.
    Left,
}

impl Run<'_> {
    /// Looks at the network after nodes were moved; they are done if it is well.
    ///
    /// # Errors
    /// Somebody else drives now; the record cannot be written.
    pub fn gate_nodes(&mut self, plan: &Plan, names: &[String]) -> Result<()> {
        let running = self.expected(names);
        let gate = match &plan.environment.network {
            Some(gate) => self.gate(gate, &running)?,
            None => match self.alarm(&running) {
                Some(why) => Gate::Failed(why),
                None => Gate::Passed,
            },
        };
        match gate {
            Gate::Passed => {
                for name in names {
                    self.enter(name, Step::Done, None);
                }
                self.write()
            }
            Gate::Failed(why) => {
                for name in names {
                    self.enter(name, Step::Failed, Some(&why));
                }
                self.fail(names, &format!("the network is not well: {why}"))
            }
            Gate::Left => Ok(()),
        }
    }

    /// Nodes that are to run: those that did, those that were moved, and `names`.
    fn expected(&self, names: &[String]) -> Vec<String> {
        let mut expected: BTreeSet<&String> = self.up.iter().chain(names).collect();
        expected.extend(
            self.record()
                .nodes
                .iter()
                .filter(|n| n.step == Step::Done)
                .map(|n| &n.name),
        );
        let stopped = [Step::Stopped, Step::Stopping];
        expected
            .into_iter()
            .filter(|n| self.record().step(n).is_some_and(|s| !stopped.contains(&s)))
            .cloned()
            .collect()
    }

    /// Waits until the network is well, as long as the gate lets.
    ///
    /// # Errors
    /// Somebody else drives now; the record cannot be written.
    pub fn gate(&mut self, gate: &NetworkGate, running: &[String]) -> Result<Gate> {
        let until = self.m.hosts.uptime() + Duration::from_secs(gate.timeout_seconds);
        loop {
            if let Some(why) = self.alarm(running) {
                return Ok(Gate::Failed(why));
            }
            let (seen, at) = self.chains(running);
            let since = self.before;
            self.before = since.or_else(|| highest(&seen));
            match judge(gate, &seen, at, since) {
                Verdict::Healthy => return Ok(Gate::Passed),
                Verdict::Never(problems) => return Ok(Gate::Failed(problems.join("; "))),
                Verdict::NotYet(problems) => {
                    if self.m.hosts.uptime() >= until {
                        return Ok(Gate::Failed(problems.join("; ")));
                    }
                }
            }
            if !self.wait(Duration::from_secs(gate.interval_seconds))? {
                return Ok(Gate::Left);
            }
        }
    }

    /// What the watch policy calls for, if it stops a rollout; nodes other than `running` are meant to be down.
    pub fn alarm(&mut self, running: &[String]) -> Option<String> {
        let guard = self.m.guard?;
        let nodes = self.record().nodes.iter().map(|n| n.name.clone());
        let away = nodes.filter(|n| !running.contains(n)).collect();
        let alarm = guard.look(self.m.hosts.uptime(), away)?;
        self.must_go_back |= alarm.goes_back;
        Some(alarm.why)
    }

    /// The newest height that any running node tells; none where nobody looks at the network.
    pub fn highest(&self, plan: &Plan) -> Option<u64> {
        plan.environment.network.as_ref()?;
        let running: Vec<String> = self.up.iter().cloned().collect();
        highest(&self.heights(&running, None))
    }

    /// What running nodes say of their chains, and the height at which they told a hash.
    fn chains(&self, running: &[String]) -> (Vec<Seen>, Option<u64>) {
        let at = common(&self.heights(running, None));
        (self.heights(running, at), at)
    }

    fn heights(&self, running: &[String], at: Option<u64>) -> Vec<Seen> {
        let orders: Vec<(String, Request)> = running
            .iter()
            .map(|name| (name.clone(), Request::Chain { at }))
            .collect();
        let replies = self.ask_all(&orders);
        orders
            .into_iter()
            .zip(replies)
            .map(|((name, _), reply)| Seen {
                name,
                look: ChainLook::of(reply),
            })
            .collect()
    }

    /// Watches a wave whose nodes were all moved.
    ///
    /// # Errors
    /// Somebody else drives now; the record cannot be written.
    pub fn watch_wave(&mut self, plan: &Plan, number: usize) -> Result<()> {
        let Some(wave) = plan.waves.get(number) else {
            return Ok(());
        };
        if wave.watch_seconds > 0 {
            let what = format!(
                "wave {} is watched for {} s",
                number + 1,
                wave.watch_seconds
            );
            self.note(None, &what);
            self.write()?;
        }
        let watched: Vec<String> = plan
            .waves
            .iter()
            .take(number + 1)
            .flat_map(|w| w.nodes.iter().cloned())
            .collect();
        match self.watch(plan, &watched, Duration::from_secs(wave.watch_seconds))? {
            Gate::Passed => {}
            Gate::Left => return Ok(()),
            Gate::Failed(why) => {
                // Of all that could have done it, the last one was moved last.
                let last: Vec<String> = wave.nodes.last().into_iter().cloned().collect();
                for name in &last {
                    self.enter(name, Step::Failed, Some(&why));
                }
                return self.fail(&last, &why);
            }
        }
        self.record_mut().waves_done = number + 1;
        self.note(
            None,
            &format!("wave {} of {} is over", number + 1, plan.waves.len()),
        );
        self.write()?;
        if number + 1 < plan.waves.len() {
            self.wait(Duration::from_secs(wave.pause_seconds))?;
        }
        Ok(())
    }

    fn watch(&mut self, plan: &Plan, names: &[String], time: Duration) -> Result<Gate> {
        if time.is_zero() {
            return Ok(Gate::Passed);
        }
        let gate = plan.environment.network.as_ref().map(|gate| NetworkGate {
            // Blocks come when they come; each look of a watch cannot want one.
            new_block: false,
            ..gate.clone()
        });
        let (every, patience) = match &gate {
            Some(gate) => (
                Duration::from_secs(gate.interval_seconds),
                Duration::from_secs(gate.timeout_seconds),
            ),
            None => (LOOK, UNKNOWN),
        };
        let until = self.m.hosts.uptime() + time;
        let (mut away_since, mut wrong_since) = (None, None);
        loop {
            let (away, unknown) = self.not_running(plan, names);
            let mut wrong = unknown;
            let expected = self.expected(names);
            if let Some(why) = self.alarm(&expected) {
                return Ok(Gate::Failed(why));
            }
            if let Some(gate) = &gate {
                let (seen, at) = self.chains(&expected);
                match judge(gate, &seen, at, None) {
                    Verdict::Healthy => {}
                    Verdict::Never(problems) => return Ok(Gate::Failed(problems.join("; "))),
                    Verdict::NotYet(problems) => wrong.extend(problems),
                }
            }
            let now = self.m.hosts.uptime();
            for (problems, since, patience) in [
                (&away, &mut away_since, AWAY),
                (&wrong, &mut wrong_since, patience),
            ] {
                *since = match problems.is_empty() {
                    true => None,
                    false => since.or(Some(now)),
                };
                if since.is_some_and(|since: Duration| now.saturating_sub(since) >= patience) {
                    return Ok(Gate::Failed(problems.join("; ")));
                }
            }
            if now >= until && away.is_empty() && wrong.is_empty() {
                return Ok(Gate::Passed);
            }
            let left = until.saturating_sub(now);
            let pause = if left.is_zero() {
                every
            } else {
                every.min(left)
            };
            if !self.wait(pause)? {
                return Ok(Gate::Left);
            }
        }
    }

    /// Watched nodes whose daemon does not run the release, and those of which nobody knows.
    fn not_running(&mut self, plan: &Plan, names: &[String]) -> (Vec<String>, Vec<String>) {
        let (mut away, mut unknown) = (Vec::new(), Vec::new());
        for (name, look) in self.statuses(names) {
            self.record_mut().saw(&name, &look);
            match look {
                Ok(look) if look.runs(&plan.tag) => {}
                Ok(look) if look.daemon == Daemon::Down => {
                    away.push(format!("{name}: its daemon does not run"));
                }
                Ok(_) => away.push(format!("{name} does not run the release any more")),
                Err(why) => unknown.push(format!("{name} does not answer: {why}")),
            }
        }
        (away, unknown)
    }

    /// Whether the rollout still runs, after something was waited for.
    pub fn is_running(&self) -> bool {
        self.record().state == State::Running
    }
}
