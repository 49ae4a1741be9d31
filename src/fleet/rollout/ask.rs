//! Asking nodes, and finding out what has become of what they were told to do.

use std::collections::BTreeMap;
use std::time::Duration;

use super::run::Run;
use crate::Result;
use crate::fleet::config::NodeEntry;
use crate::fleet::host::{Ask, Reply, Request};
use crate::fleet::look::{Daemon, NodeLook};

/// What is waited at most between two looks at a node of which nobody knows what it does.
const POLL: Duration = Duration::from_secs(5);
/// How long something that was begun on a node may take.
const UNDER_WAY: Duration = Duration::from_secs(4 * 3_600);
/// Every so many looks a node with something unfinished is told to finish it; it refuses while that is under way.
const RECOVER_EACH: u32 = 3;

/// What nodes said about themselves, by name.
pub(super) type Looks = BTreeMap<String, Result<NodeLook, String>>;

/// What a node said to an order, and what is true of it afterwards.
#[derive(Clone, Debug)]
pub(super) struct Truth {
    /// Its answer; an error is why it is none, or not a good one.
    pub said: Result<(), String>,
    /// Its connection was lost: nobody heard its answer.
    pub lost: bool,
    /// What it says of itself now.
    pub look: Result<NodeLook, String>,
}

impl Truth {
    /// Why it is not as it should be, in words.
    pub fn why(&self) -> String {
        match (&self.said, &self.look) {
            (Err(said), _) => said.clone(),
            (Ok(()), Err(why)) => format!("it said that it did it, and is silent now: {why}"),
            (Ok(()), Ok(look)) => {
                let runs = look.current.as_deref().unwrap_or("nothing");
                let daemon = match look.daemon {
                    Daemon::Verified => "its daemon runs",
                    Daemon::Other => "its daemon runs other bytes",
                    Daemon::Down => "its daemon does not run",
                    Daemon::Unknown => "it has no daemon",
                };
                let broken = if look.whole {
                    ""
                } else {
                    ", whose files are not whole"
                };
                format!(
                    "it said that it did it, and its current release is {runs}{broken}; {daemon}"
                )
            }
        }
    }
}

impl Run<'_> {
    pub fn entry(&self, name: &str) -> Option<&NodeEntry> {
        self.m.nodes.iter().find(|n| n.name == name)
    }

    /// Asks all of them at once; replies in the order of the orders.
    pub fn ask_all(&self, orders: &[(String, Request)]) -> Vec<Reply> {
        let mut replies: Vec<Reply> = orders
            .iter()
            .map(|(name, _)| Reply::Unreachable(format!("{name} is not in fleet.toml")))
            .collect();
        let mut places = Vec::new();
        let mut asks = Vec::new();
        for (place, (name, request)) in orders.iter().enumerate() {
            if let Some(node) = self.entry(name) {
                places.push(place);
                asks.push(Ask { node, request });
            }
        }
        self.m.hosts.ask_all(&asks, &mut |at, reply| {
            if let Some(slot) = places.get(at).and_then(|place| replies.get_mut(*place)) {
                *slot = reply;
            }
        });
        replies
    }

    /// What each of them says about itself, all asked at once.
    pub fn statuses(&self, names: &[String]) -> Looks {
        let orders: Vec<(String, Request)> = names
            .iter()
            .map(|name| (name.clone(), Request::Status))
            .collect();
        let replies = self.ask_all(&orders);
        let looks = orders.into_iter().zip(replies);
        looks
            .map(|((name, _), reply)| (name, NodeLook::of(reply)))
            .collect()
    }

    /// Gives the orders, all at once, and finds out what has become of each: a node whose connection was lost is asked
    /// until it tells, and one that is in the middle of something is waited for.
    ///
    /// # Errors
    /// Somebody else drives now, or the record cannot be written.
    pub fn carry(&mut self, orders: &[(String, Request)]) -> Result<BTreeMap<String, Truth>> {
        let replies = self.ask_all(orders);
        self.renew()?;
        let names: Vec<String> = orders.iter().map(|(name, _)| name.clone()).collect();
        let lost: Vec<bool> = replies
            .iter()
            .map(|reply| matches!(reply, Reply::Lost(_)))
            .collect();
        let mut looks = self.settle(&names)?;
        let mut truths = BTreeMap::new();
        for ((name, lost), reply) in names.into_iter().zip(lost).zip(replies) {
            let look = looks
                .remove(&name)
                .unwrap_or_else(|| Err("it was not asked".into()));
            self.record_mut().saw(&name, &look);
            let said = reply.good().map(|_| ());
            truths.insert(name, Truth { said, lost, look });
        }
        Ok(truths)
    }

    /// Looks at nodes until each says what it runs and that nothing is under way, as long as there is hope for it.
    ///
    /// # Errors
    /// Somebody else drives now, or the record cannot be written.
    pub fn settle(&mut self, names: &[String]) -> Result<Looks> {
        let mut looks = self.statuses(names);
        let begun = self.m.hosts.uptime();
        let mut heard: BTreeMap<String, Duration> =
            names.iter().map(|n| (n.clone(), begun)).collect();
        for turn in 1u32.. {
            let now = self.m.hosts.uptime();
            let mut open = Vec::new();
            let mut unfinished = Vec::new();
            for (name, look) in &looks {
                match look {
                    Ok(look) if look.unfinished.is_none() => {}
                    Ok(_) => {
                        heard.insert(name.clone(), now);
                        if now.saturating_sub(begun) < UNDER_WAY {
                            open.push(name.clone());
                            unfinished.push((name.clone(), Request::Recover));
                        }
                    }
                    Err(_) => {
                        let since = heard.get(name).copied().unwrap_or(begun);
                        if now.saturating_sub(since) < self.m.patience && self.entry(name).is_some()
                        {
                            open.push(name.clone());
                        }
                    }
                }
            }
            if open.is_empty() {
                break;
            }
            if turn % RECOVER_EACH == 0 && !unfinished.is_empty() {
                self.ask_all(&unfinished);
            }
            self.m.hosts.pause(pace(turn));
            self.look()?;
            self.renew()?;
            looks.extend(self.statuses(&open));
        }
        Ok(looks)
    }
}

/// What is waited before another look: most of what is waited for is over soon.
pub(super) fn pace(turn: u32) -> Duration {
    Duration::from_secs(u64::from(turn.max(1))).min(POLL)
}

/// The pauses, as far as all of them together are no longer than anybody wants to wait.
pub(super) fn pauses(all: &[u64], patience: Duration) -> impl Iterator<Item = Duration> {
    let mut sum = Duration::ZERO;
    all.iter()
        .map(|seconds| Duration::from_secs(*seconds))
        .take_while(move |pause| {
            sum += *pause;
            sum <= patience
        })
}

/// Whether a node counts as up.
pub(super) fn is_up(look: Option<&Result<NodeLook, String>>) -> bool {
    look.is_some_and(|look| {
        look.as_ref().is_ok_and(|look| {
            matches!(look.daemon, Daemon::Verified | Daemon::Other) && look.unfinished.is_none()
        })
    })
}
