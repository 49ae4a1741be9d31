//! Stopping everything at once. Nothing is waited for before the nodes are told but this machine's own record.

use std::collections::BTreeSet;
use std::time::Duration;

use super::ask::pauses;
use super::begin::unfinished;
use super::gates::Gate;
use super::run::Run;
use super::start::Started;
use super::{Ended, Machine};
use crate::Result;
use crate::fleet::config::{Environment, NetworkGate};
use crate::fleet::host::Request;
use crate::fleet::ledger::{Reach, Unwritten};
use crate::fleet::look::Daemon;
use crate::fleet::notice::Occasion;
use crate::fleet::record::{Record, RolloutId, State, Step, Wanted, Work};

/// Pauses before nodes that have not stopped, or do not answer, are told again.
const AGAIN: [u64; 6] = [2, 4, 8, 16, 30, 60];

/// Stops every daemon of `nodes` at once, and has every other rollout of the environment yield.
///
/// # Errors
/// Somebody else drives this record now; it has no name.
pub fn stop(
    m: &Machine<'_>,
    environment: &Environment,
    nodes: &[String],
    chance: &str,
) -> Result<Ended> {
    let work = Work::Stop {
        environment: Box::new(environment.clone()),
    };
    let mut run = begin(m, work, nodes, chance)?;
    run.stop_now(nodes)?;
    let summary = format!("every daemon of {} is stopped at once", environment.name);
    run.while_telling(Occasion::EmergencyStop, &summary, |run| {
        run.push()?;
        run.others_yield();
        run.stop_until_done(nodes)
    })?;
    run.conclude_stop();
    run.finish()
}

/// A record of an emergency, on this machine, if that can be.
pub(super) fn begin<'a>(
    m: &'a Machine<'a>,
    work: Work,
    nodes: &[String],
    chance: &str,
) -> Result<Run<'a>> {
    let now = m.hosts.now();
    let environment = match &work {
        Work::Rollback { environment, .. } | Work::Stop { environment } => environment.name.clone(),
        Work::Upgrade { plan } => plan.environment.name.clone(),
    };
    let id = RolloutId::new(now, &environment, chance)?;
    let mut record = Record::new(id, work, nodes, m.holder.clone(), now);
    for name in nodes {
        record.enter(name, Step::Stopping, now, None);
    }
    // No disk that is full keeps a network from being stopped.
    Ok(match m.ledger.create(record, Reach::Local) {
        Ok(copies) => Run::new(m, copies),
        Err((copies, why)) => {
            let mut run = Run::new(m, *copies);
            let (Unwritten::Lost(e) | Unwritten::Local(e) | Unwritten::Store(e)) = why;
            run.warn(format!("the record on this machine cannot be written: {e}"));
            run
        }
    })
}

/// Goes on with a stop: nodes that were silent are stopped; where all are, they are started again.
pub(super) fn go_on(mut run: Run<'_>) -> Result<Ended> {
    let names: Vec<String> = run.record().nodes.iter().map(|n| n.name.clone()).collect();
    let stopped = run.record().state == State::Paused;
    if run.obey()? && run.record().is_over() {
        return run.finish();
    }
    run.turn(State::Running, None);
    if !stopped {
        run.stop_now(&names)?;
        run.stop_until_done(&names)?;
        run.conclude_stop();
        return run.finish();
    }
    run.note(None, "the nodes are started again, one by one");
    run.write()?;
    if run.start_each(&names, Step::Done)? {
        run.conclude_start("they run again")?;
    }
    run.finish()
}

impl Run<'_> {
    /// Tells all of them to stop, at the same time, and believes what they say.
    ///
    /// # Errors
    /// Somebody else drives now.
    pub fn stop_now(&mut self, names: &[String]) -> Result<()> {
        let orders: Vec<(String, Request)> = names
            .iter()
            .map(|name| (name.clone(), Request::Stop { at_once: true }))
            .collect();
        let replies = self.ask_all(&orders);
        for ((name, _), reply) in orders.iter().zip(replies) {
            match reply.good() {
                Ok(_) => self.enter(name, Step::Stopped, None),
                Err(why) => self.enter(name, Step::Silent, Some(&why)),
            }
        }
        self.write()
    }

    /// Looks whether they are stopped, and tells those that are not again, for a while.
    ///
    /// # Errors
    /// Somebody else drives now.
    pub fn stop_until_done(&mut self, names: &[String]) -> Result<()> {
        let mut pauses = pauses(&AGAIN, self.m.patience);
        loop {
            let mut open = Vec::new();
            for (name, look) in self.statuses(names) {
                self.record_mut().saw(&name, &look);
                match look {
                    Ok(look) if look.daemon == Daemon::Down => {
                        self.enter(&name, Step::Stopped, None);
                    }
                    Ok(look) => {
                        let words = look.unfinished.map_or_else(
                            || "its daemon runs still".to_owned(),
                            |what| format!("its daemon runs still; under way there: {what}"),
                        );
                        self.enter(&name, Step::Failed, Some(&words));
                        open.push(name);
                    }
                    Err(why) => {
                        self.enter(&name, Step::Silent, Some(&why));
                        open.push(name);
                    }
                }
            }
            self.write()?;
            let Some(pause) = pauses.next().filter(|_| !open.is_empty()) else {
                return Ok(());
            };
            if !self.wait(pause)? {
                return Ok(());
            }
            let orders: Vec<(String, Request)> = open
                .into_iter()
                .map(|name| (name, Request::Stop { at_once: true }))
                .collect();
            self.ask_all(&orders);
        }
    }

    fn conclude_stop(&mut self) {
        if self.record().state != State::Running {
            return;
        }
        let id = self.record().id.clone();
        let open = self.not_in(&[Step::Stopped]);
        match open.is_empty() {
            true => {
                let why = format!(
                    "every daemon is stopped; they stay so until relman fleet resume {id} or relman fleet rollback"
                );
                self.turn(State::Paused, Some(&why));
            }
            false => {
                let why = format!("not known to be stopped: {}", open.join(", "));
                self.turn(State::Held, Some(&why));
            }
        }
    }

    /// Names of nodes that are in none of these steps.
    pub fn not_in(&self, steps: &[Step]) -> Vec<String> {
        let nodes = self.record().nodes.iter();
        nodes
            .filter(|n| !steps.contains(&n.step))
            .map(|n| n.name.clone())
            .collect()
    }

    /// Has every other rollout of the environment end without touching a node.
    pub fn others_yield(&mut self) {
        let environment = self.record().environment().name.clone();
        let own = self.record().id.clone();
        let others = match unfinished(&self.reachable(), &environment) {
            Ok((others, warnings)) => {
                warnings.into_iter().for_each(|w| self.warn(w));
                others
            }
            Err(e) => return self.warn(format!("other rollouts are not seen: {e}")),
        };
        for other in others.iter().filter(|r| r.id != own) {
            if let Err(e) = self.yield_one(other) {
                self.warn(format!("rollout {} was not told to yield: {e}", other.id));
            }
        }
    }

    fn yield_one(&mut self, other: &Record) -> Result<()> {
        // Told with its name, so that two who tell each other know that they do.
        let who = format!("{}, rollout {}", self.m.holder.who, self.record().id);
        let now = self.now();
        let ledger = self.reachable();
        let copies = ledger.wish(&other.id, &who, Wanted::Yield, now)?;
        if let Some(holder) = copies.record.lease.keeps(now)
            && !(self.m.gone)(holder)
        {
            self.note(None, &format!("rollout {} was told to yield", other.id));
            self.told.insert(other.id.clone());
            return Ok(());
        }
        let copies = ledger.take(&other.id, &self.m.holder, now, self.m.gone)?;
        let mut run = Run::new(self.m, copies);
        run.obey()?;
        let lease = run.record().lease.given_back(now);
        run.record_mut().lease = lease;
        run.push()?;
        self.note(None, &format!("rollout {} was ended", other.id));
        Ok(())
    }

    /// Starts nodes one by one, each until it is healthy and agrees with those before it; `false` where something came
    /// between. A node that does not become healthy is named and left.
    ///
    /// # Errors
    /// Somebody else drives now.
    pub fn start_each(&mut self, names: &[String], then: Step) -> Result<bool> {
        let gate = self.record().environment().network.clone();
        let pause = Duration::from_secs(self.record().environment().pause_seconds);
        let mut running: BTreeSet<String> = self.record().in_step(&[then]).into_iter().collect();
        for name in names {
            if self.record().step(name) == Some(then) {
                continue;
            }
            if self.obey()? {
                return Ok(false);
            }
            match self.start_node(name)? {
                Started::Badly(step, why) => {
                    self.enter(name, step, Some(&why));
                    self.write()?;
                    continue;
                }
                Started::Well => {}
            }
            running.insert(name.clone());
            self.enter(name, Step::Watching, None);
            self.write()?;
            let seen: Vec<String> = running.iter().cloned().collect();
            match &gate {
                Some(gate) => match self.gate(&among_few(gate), &seen)? {
                    Gate::Passed => self.enter(name, then, None),
                    Gate::Left => return Ok(false),
                    Gate::Failed(why) => {
                        running.remove(name);
                        self.enter(name, Step::Failed, Some(&why));
                    }
                },
                None => {
                    self.enter(name, then, None);
                    if !self.wait(pause)? {
                        return Ok(false);
                    }
                }
            }
            if let Some(node) = self.record_mut().node_mut(name)
                && node.step == then
            {
                node.back = None;
            }
            self.write()?;
        }
        Ok(true)
    }

    /// Looks at the whole network once all run, and says how it ended.
    ///
    /// # Errors
    /// Somebody else drives now.
    pub fn conclude_start(&mut self, well: &str) -> Result<()> {
        let open = self.not_in(&[Step::Done, Step::RolledBack]);
        if !open.is_empty() {
            let words: Vec<String> = open
                .iter()
                .filter_map(|name| self.record().node(name))
                .map(|n| format!("{} is {}", n.name, n.step.name()))
                .collect();
            self.turn(State::Held, Some(&words.join(", ")));
            let summary = format!("the emergency is not over: {}", words.join(", "));
            self.tell(Occasion::Held, &summary, Vec::new());
            return self.write();
        }
        if let Some(gate) = self.record().environment().network.clone() {
            let all: Vec<String> = self.record().nodes.iter().map(|n| n.name.clone()).collect();
            self.before = None;
            match self.gate(&gate, &all)? {
                Gate::Passed => {}
                Gate::Left => return Ok(()),
                Gate::Failed(why) => {
                    let why = format!("all nodes run, the network is not well: {why}");
                    self.turn(State::Held, Some(&why));
                    self.tell(Occasion::Held, &why, Vec::new());
                    return self.write();
                }
            }
        }
        self.turn(State::Done, Some(well));
        self.tell(Occasion::EmergencyOver, well, Vec::new());
        self.write()
    }
}

/// What the network can be asked while most of it is still down.
fn among_few(gate: &NetworkGate) -> NetworkGate {
    NetworkGate {
        new_block: false,
        finality: false,
        min_peers: Some(0),
        // Whoever was down longest has the most to catch up with; the last look waits for it.
        timeout_seconds: gate.timeout_seconds.min(300),
        ..gate.clone()
    }
}
