//! Putting verified releases back everywhere at once, then starting the nodes one by one. The nodes verify what they put
//! back, offline, as in any rollback.

use std::collections::{BTreeMap, BTreeSet};

use super::ask::{Looks, pauses};
use super::emergency::begin;
use super::run::Run;
use super::{Ended, Machine};
use crate::Result;
use crate::fleet::config::Environment;
use crate::fleet::host::Request;
use crate::fleet::look::{Daemon, NodeLook};
use crate::fleet::notice::Occasion;
use crate::fleet::plan::Plan;
use crate::fleet::record::{Back, State, Step, Work};

/// Pauses before nodes that do not answer are asked again.
const AGAIN: [u64; 4] = [5, 15, 30, 60];

/// What is put back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// Where all go; none: each to what it ran before the newest upgrade.
    pub to: Option<String>,
    /// With the data of its time.
    pub with_data: bool,
}

/// Stops `nodes` at once, puts back what they ran before, starts them one by one.
///
/// # Errors
/// Somebody else drives this record now; it has no name.
pub fn rollback(
    m: &Machine<'_>,
    environment: &Environment,
    nodes: &[String],
    orders: &Orders,
    chance: &str,
) -> Result<Ended> {
    let work = Work::Rollback {
        environment: Box::new(environment.clone()),
        to: orders.to.clone(),
        with_data: orders.with_data,
        leaves: None,
    };
    let mut run = begin(m, work, nodes, chance)?;
    run.stop_now(nodes)?;
    let to = orders.to.as_deref().unwrap_or("what they ran before");
    let summary = format!("emergency: {} goes back to {to}", environment.name);
    run.while_telling(Occasion::EmergencyRollback, &summary, |run| {
        run.push()?;
        run.others_yield();
        run.put_all_back()
    })?;
    bring_up(run)
}

/// Goes on with a rollback, above all with nodes that did not answer.
pub(super) fn go_on(mut run: Run<'_>) -> Result<Ended> {
    if run.obey()? && run.record().is_over() {
        return run.finish();
    }
    run.turn(State::Running, None);
    run.put_all_back()?;
    bring_up(run)
}

fn bring_up(mut run: Run<'_>) -> Result<Ended> {
    let mut pauses = pauses(&AGAIN, run.m.patience);
    while run.is_running() {
        let ready: Vec<String> = run
            .record()
            .nodes
            .iter()
            .filter(|n| n.back == Some(Back::Start))
            .filter(|n| matches!(n.step, Step::Stopped | Step::Starting | Step::Watching))
            .map(|n| n.name.clone())
            .collect();
        if !run.start_each(&ready, Step::RolledBack)? {
            break;
        }
        let silent = run.record().in_step(&[Step::Silent]);
        let Some(pause) = pauses.next().filter(|_| !silent.is_empty()) else {
            run.conclude_start("verified releases are back and run")?;
            break;
        };
        if !run.wait(pause)? {
            break;
        }
        run.put_all_back()?;
    }
    run.finish()
}

impl Run<'_> {
    /// Puts back all that have not gone, as far as they answer. They are stopped then, and ready to be started.
    ///
    /// # Errors
    /// Somebody else drives now.
    fn put_all_back(&mut self) -> Result<()> {
        let open = self.not_in(&[Step::RolledBack]);
        let looks = self.statuses(&open);
        for (name, look) in &looks {
            self.record_mut().saw(name, look);
        }
        self.find_targets(&looks)?;
        self.already_back(&looks);
        let up: Vec<String> = self
            .not_in(&[Step::RolledBack])
            .into_iter()
            .filter(|name| self.record().step(name) != Some(Step::Starting))
            .filter(|name| match looks.get(name) {
                Some(Ok(look)) => look.daemon != Daemon::Down || look.unfinished.is_some(),
                _ => false,
            })
            .collect();
        if !up.is_empty() {
            // Once: whoever is not stopped by that is by the rollback itself, and nobody waits for it.
            self.stop_now(&up)?;
        }
        // Somebody else's emergency may have come first.
        if self.obey()? && !self.is_running() {
            return Ok(());
        }
        self.tell_back(&looks)
    }

    /// Decides where each node goes, once; a node that did not answer is decided on when it does.
    fn find_targets(&mut self, looks: &Looks) -> Result<()> {
        let upgrade = self.newest_upgrade();
        let Work::Rollback { to, leaves, .. } = self.record().work.clone() else {
            return Ok(());
        };
        let leaves = leaves.or_else(|| {
            let tag = upgrade.as_ref().map(|plan| plan.tag.clone());
            tag.or_else(|| only_one(looks))
        });
        if let Work::Rollback { leaves: known, .. } = &mut self.record_mut().work {
            known.clone_from(&leaves);
        }
        let from: BTreeMap<&str, &str> = upgrade
            .iter()
            .flat_map(|plan| &plan.nodes)
            .filter_map(|n| Some((n.name.as_str(), n.from.as_deref()?)))
            .collect();
        for (name, look) in looks {
            let decided = self.record().node(name).is_some_and(|n| n.back.is_some());
            let look = match look {
                Ok(look) if !decided => look,
                Ok(_) => continue,
                Err(why) => {
                    self.enter(name, Step::Silent, Some(why));
                    continue;
                }
            };
            let before = from.get(name.as_str()).copied();
            match target(look, to.as_deref(), leaves.as_deref(), before) {
                Ok(back) => {
                    if let Some(node) = self.record_mut().node_mut(name) {
                        node.back = Some(back);
                    }
                }
                Err(why) => self.enter(name, Step::Failed, Some(&why)),
            }
        }
        // Once some have gone, nobody sees any more which release was left.
        self.settle_it()
    }

    /// The plan of the newest upgrade of this environment that moved anything.
    fn newest_upgrade(&mut self) -> Option<Plan> {
        let environment = self.record().environment().name.clone();
        let ledger = self.reachable();
        let (ids, _) = ledger.list().ok()?;
        let mut newest = ids
            .iter()
            .rev()
            .filter(|id| id.environment() == environment);
        newest.find_map(|id| {
            let record = ledger.load(id).ok()??.record;
            let moved = record.nodes.iter().any(|n| n.attempts > 0);
            record.plan().filter(|_| moved).cloned()
        })
    }

    /// Nodes that are where they go and run.
    fn already_back(&mut self, looks: &Looks) {
        for (name, look) in looks {
            let Ok(look) = look else { continue };
            let back = self.record().node(name).and_then(|n| n.back.clone());
            let there = match &back {
                Some(Back::Release(to)) => look.current.as_deref() == Some(to.as_str()),
                Some(Back::Start) => true,
                None => continue,
            };
            if !there || !look.whole || look.unfinished.is_some() {
                continue;
            }
            if let Some(node) = self.record_mut().node_mut(name) {
                node.back = Some(Back::Start);
            }
            match look.daemon {
                Daemon::Down => self.enter(name, Step::Stopped, None),
                // It is looked at like those that are started: nobody has seen it be well among them.
                Daemon::Verified => self.enter(name, Step::Starting, Some("it runs already")),
                _ => {}
            }
        }
    }

    fn tell_back(&mut self, looks: &Looks) -> Result<()> {
        let with_data = matches!(
            self.record().work,
            Work::Rollback {
                with_data: true,
                ..
            }
        );
        let mut orders = Vec::new();
        for node in &self.record().nodes {
            let answers = matches!(looks.get(&node.name), Some(Ok(_)));
            if let (Some(Back::Release(to)), true) = (&node.back, answers) {
                let request = Request::Rollback {
                    to: Some(to.clone()),
                    with_data,
                    emergency: true,
                    start: false,
                };
                orders.push((node.name.clone(), request));
            }
        }
        for (name, request) in &orders {
            let to = match request {
                Request::Rollback { to: Some(to), .. } => to.as_str(),
                _ => continue,
            };
            self.enter(name, Step::RollingBack, Some(&format!("to {to}")));
        }
        self.write()?;
        if orders.is_empty() {
            return Ok(());
        }
        for (name, truth) in self.carry(&orders)? {
            let to = match self.record().node(&name).and_then(|n| n.back.clone()) {
                Some(Back::Release(to)) => to,
                _ => continue,
            };
            match &truth.look {
                Ok(look) if look.current.as_deref() == Some(&to) && look.whole => {
                    if let Some(node) = self.record_mut().node_mut(&name) {
                        node.back = Some(Back::Start);
                    }
                    self.enter(&name, Step::Stopped, Some(&format!("{to} is back")));
                }
                Ok(_) => self.enter(&name, Step::Failed, Some(&truth.why())),
                Err(why) => self.enter(&name, Step::Silent, Some(why)),
            }
        }
        self.write()
    }
}

/// The one release that all who answer have, if it is one.
fn only_one(looks: &Looks) -> Option<String> {
    let found: BTreeSet<&str> = looks
        .values()
        .filter_map(|look| look.as_ref().ok()?.current.as_deref())
        .collect();
    match found.len() {
        1 => found.first().map(|tag| (*tag).to_owned()),
        _ => None,
    }
}

/// Where a node goes: a release that is left must be known, or one node more would be put back than was moved.
fn target(
    look: &NodeLook,
    to: Option<&str>,
    leaves: Option<&str>,
    before: Option<&str>,
) -> Result<Back, String> {
    let current = look.current.as_deref();
    if let Some(to) = to {
        return Ok(match current == Some(to) {
            true => Back::Start,
            false => Back::Release(to.to_owned()),
        });
    }
    let Some(leaves) = leaves else {
        return Err(
            "the nodes have different releases, and no upgrade is known here that says which is left: name where to with --to"
                .into(),
        );
    };
    if current != Some(leaves) {
        return Ok(Back::Start);
    }
    let kept = |tag: &&str| look.retained.iter().any(|r| r == tag);
    match before.filter(kept).or(look.rollback.as_deref()) {
        Some(tag) => Ok(Back::Release(tag.to_owned())),
        None => Err(format!("it has {leaves} and nothing to go back to")),
    }
}
