//! Room `io`: what one look asks, each source on a thread, and what came back in time. A source that owes an answer to an
//! earlier look is not asked again, so that a slow one costs one thread, however often somebody looks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;
use std::time::Instant;

use super::outside::{Job, Outside};
use crate::fleet::config::NodeEntry;
use crate::fleet::host::{Ask, Hosts, Reply, Request};
use crate::io::parallel;
use crate::limits::{MAX_WATCH_LOOK_SECONDS, MAX_WATCH_THREADS};
use crate::watch::prometheus::Told;
use crate::watch::sample::NodeSample;

/// Who is asked; nodes by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The node's relman.
    Ssh(String),
    /// The daemon's page of metrics, from outside.
    Page(String),
    /// The daemon's RPC, from outside.
    Rpc(String),
    /// The server.
    Prometheus,
}

/// What one of them said.
pub(super) enum Said {
    /// A node's relman, and to what.
    Reply(Request, Reply),
    /// A page or an RPC.
    Sample(Result<NodeSample, String>),
    /// Prometheus.
    Told(Result<Told, String>),
    /// Nobody said anything, and why.
    Nothing(String),
}

type Answer = (u64, Key, Said);

/// Rounds of questions, one for each look.
pub(super) struct Rounds {
    hosts: Arc<dyn Hosts + Send + Sync>,
    sender: Sender<Answer>,
    receiver: Receiver<Answer>,
    number: u64,
    /// Who owes an answer.
    busy: BTreeSet<Key>,
    /// Who was asked in this round.
    asked: BTreeMap<Key, Option<NodeEntry>>,
    said: BTreeMap<Key, Said>,
}

impl Rounds {
    pub(super) fn new(hosts: Arc<dyn Hosts + Send + Sync>) -> Self {
        let (sender, receiver) = channel();
        Rounds {
            hosts,
            sender,
            receiver,
            number: 0,
            busy: BTreeSet::new(),
            asked: BTreeMap::new(),
            said: BTreeMap::new(),
        }
    }

    /// The number of this round.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// A new round. What came too late for the one before is thrown away.
    pub(super) fn begin(&mut self) {
        self.number += 1;
        self.asked.clear();
        self.said.clear();
        while let Ok((_, key, _)) = self.receiver.try_recv() {
            self.busy.remove(&key);
        }
    }

    /// Whether it owes nothing; if it does, it is silent in this round.
    pub(super) fn is_free(&mut self, key: &Key) -> bool {
        let busy = self.busy.contains(key);
        if busy {
            let why = "it has not answered an earlier look yet".to_owned();
            self.said.insert(key.clone(), Said::Nothing(why));
        }
        !busy
    }

    /// Asks nodes' relmans.
    pub(super) fn ask(&mut self, asks: Vec<(NodeEntry, Request)>) {
        if asks.is_empty() {
            return;
        }
        for (node, _) in &asks {
            let key = Key::Ssh(node.name.clone());
            self.busy.insert(key.clone());
            self.asked.insert(key, Some(node.clone()));
        }
        let keys = asks.iter().map(|(node, _)| Key::Ssh(node.name.clone()));
        let keys: Vec<Key> = keys.collect();
        let (hosts, sender, number) = (Arc::clone(&self.hosts), self.sender.clone(), self.number);
        self.spawn(keys, move || {
            let all: Vec<Ask<'_>> = asks
                .iter()
                .map(|(node, request)| Ask { node, request })
                .collect();
            hosts.ask_all(&all, &mut |place, reply| {
                if let Some((node, request)) = asks.get(place) {
                    let said = Said::Reply(request.clone(), reply);
                    // Whoever looked may be gone; then nobody needs the answer.
                    let _ = sender.send((number, Key::Ssh(node.name.clone()), said));
                }
            });
        });
    }

    /// Looks from outside.
    pub(super) fn look(&mut self, jobs: Vec<Job>, outside: &Outside, deadline: Instant) {
        let mut free = Vec::new();
        for job in jobs {
            if self.is_free(&job.key) {
                self.busy.insert(job.key.clone());
                self.asked.insert(job.key.clone(), None);
                free.push(job);
            }
        }
        // One slow server must not wait for a place among many pages.
        let (servers, pages): (Vec<Job>, Vec<Job>) =
            free.into_iter().partition(|job| job.key == Key::Prometheus);
        for jobs in [servers, pages].into_iter().filter(|jobs| !jobs.is_empty()) {
            let keys = jobs.iter().map(|job| job.key.clone()).collect();
            let (wires, sender, number) = (outside.wires(), self.sender.clone(), self.number);
            self.spawn(keys, move || {
                let wire = || wires.until(deadline);
                parallel::map(&jobs, MAX_WATCH_THREADS, |job| {
                    let said = (job.work)(&wire());
                    let _ = sender.send((number, job.key.clone(), said));
                });
            });
        }
    }

    fn spawn(&self, keys: Vec<Key>, work: impl FnOnce() + Send + 'static) {
        let spawned = Builder::new().name("look".into()).spawn(work);
        if let Err(error) = spawned {
            for key in keys {
                let said = Said::Nothing(format!("nobody could be asked: {error}"));
                let _ = self.sender.send((self.number, key, said));
            }
        }
    }

    /// What came until the deadline; who is late said nothing. A node whose relman does not know its question is asked
    /// what `older` gives for it, with the node's words.
    pub(super) fn end(
        &mut self,
        deadline: Instant,
        mut older: impl FnMut(&NodeEntry, String) -> Request,
    ) -> BTreeMap<Key, Said> {
        while !self.asked.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok((number, key, said)) = self.receiver.recv_timeout(left) else {
                break;
            };
            self.busy.remove(&key);
            if number != self.number {
                continue;
            }
            let node = self.asked.remove(&key).flatten();
            match (said, node) {
                (Said::Reply(Request::Signals { .. }, Reply::Foreign(words)), Some(node)) => {
                    let request = older(&node, words);
                    self.ask(vec![(node, request)]);
                }
                (said, _) => drop(self.said.insert(key, said)),
            }
        }
        for key in std::mem::take(&mut self.asked).into_keys() {
            let why = format!("no answer within {MAX_WATCH_LOOK_SECONDS} s");
            self.said.insert(key, Said::Nothing(why));
        }
        std::mem::take(&mut self.said)
    }
}
