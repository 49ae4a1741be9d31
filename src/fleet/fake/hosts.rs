//! Simulated hosts: answers, what the orders do, how long all of it takes by a clock that nobody waits for.

use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::OLD;
use super::node::{Busy, Fault, SimNode, Then};
use super::records::Fuse;
use crate::fleet::config::{FleetConfig, NodeEntry, Strategy};
use crate::fleet::host::{Ask, Document, Hosts, Problem, Reply, Request, Stream};

/// How long an install or a rollback takes.
const CHANGE: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(8);
const LOOK: Duration = Duration::from_millis(50);
/// A host that starts anew is silent for so long.
const BOOT: Duration = Duration::from_secs(90);
const BLOCK_SECONDS: u64 = 20;

/// When every test begins.
pub fn start() -> Timestamp {
    "2026-02-01T00:00:00Z".parse().expect("a time")
}

struct World {
    now: Duration,
    nodes: Vec<SimNode>,
    /// Orders that changed a node: when, which, what.
    log: Vec<(Duration, String, Request)>,
    broken_rules: Vec<String>,
}

/// The hosts.
pub struct FakeHosts {
    world: Mutex<World>,
    rolling: bool,
    most_down: usize,
    margin: Option<u64>,
    /// Where the driver may end.
    pub fuse: Mutex<Fuse>,
}

impl FakeHosts {
    /// All nodes run [`OLD`].
    pub fn new(config: &FleetConfig) -> Self {
        let environment = &config.environments[0];
        let nodes = config.nodes.iter().map(|n| SimNode {
            name: n.name.clone(),
            environment: n.environment.clone(),
            weight: n.weight,
            current: OLD.into(),
            retained: vec!["phase1-sig-verify-0.9.0".into()],
            history: vec!["phase1-sig-verify-0.9.0".into()],
            runs: true,
            busy: None,
            halted: false,
            faults: Vec::new(),
            orders: 0,
        });
        FakeHosts {
            world: Mutex::new(World {
                now: Duration::ZERO,
                nodes: nodes.collect(),
                log: Vec::new(),
                broken_rules: Vec::new(),
            }),
            rolling: environment.strategy == Strategy::Rolling,
            most_down: environment.max_unavailable,
            margin: environment.margin_percent.map(u64::from),
            fuse: Mutex::default(),
        }
    }

    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Does something to a node.
    pub fn with<T>(&self, name: &str, work: impl FnOnce(&mut SimNode) -> T) -> T {
        let mut world = self.world();
        let now = world.now;
        let node = world.nodes.iter_mut().find(|n| n.name == name);
        let node = node.expect("a node");
        node.settle(now);
        work(node)
    }

    /// All nodes as they are.
    pub fn nodes(&self) -> Vec<SimNode> {
        let mut world = self.world();
        let now = world.now;
        world.nodes.iter_mut().for_each(|n| n.settle(now));
        world.nodes.clone()
    }

    /// Orders that changed something.
    pub fn log(&self) -> Vec<(Duration, String, Request)> {
        self.world().log.clone()
    }

    /// Names of nodes in the order of their first install.
    pub fn installed(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (_, name, request) in self.log() {
            if matches!(request, Request::Install { .. }) && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// What no driver may ever do, and one has.
    pub fn broken_rules(&self) -> Vec<String> {
        self.world().broken_rules.clone()
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        let mut world = self.world();
        world.now += time;
        let now = world.now;
        world.nodes.iter_mut().for_each(|n| n.settle(now));
    }
}

impl World {
    /// How long it takes, and the reply. What it does to the node is begun.
    fn answer(&mut self, at: usize, request: &Request) -> (Duration, Reply) {
        let now = self.now;
        let up = self.nodes.iter().filter(|n| n.is_up()).count() as u64;
        let node = &mut self.nodes[at];
        node.settle(now);
        if !node.answers(now) {
            return (
                Duration::from_secs(10),
                Reply::Unreachable("timed out".into()),
            );
        }
        if node.faults.contains(&Fault::Foreign) {
            return (LOOK, Reply::Foreign("it is no relman".into()));
        }
        let slow = if node.faults.contains(&Fault::Slow) {
            20
        } else {
            1
        };
        match request {
            Request::Status => (LOOK, good(node.status())),
            Request::Chain { at } => (LOOK, chain(node, now, *at, up)),
            Request::Health => (LOOK, health(node)),
            Request::Recover => (LOOK, recover(node)),
            Request::Stop { .. } | Request::Start => self.simple(at, request, slow),
            Request::Install { .. } | Request::Rollback { .. } => self.change(at, request, slow),
            other => (LOOK, bad(&format!("{other:?} is not simulated"))),
        }
    }

    fn simple(&mut self, at: usize, request: &Request, slow: u32) -> (Duration, Reply) {
        let node = &mut self.nodes[at];
        if node.busy.is_some() {
            return (LOOK, bad("another relman is at work here"));
        }
        node.orders += 1;
        if node.take(Fault::LostBefore) {
            return (STOP, Reply::Lost("reset by peer".into()));
        }
        node.runs = *request == Request::Start;
        let lost = node.take(Fault::LostAfter);
        let reply = match lost {
            true => Reply::Lost("reset by peer".into()),
            false => good(json!({})),
        };
        (STOP * slow, reply)
    }

    fn change(&mut self, at: usize, request: &Request, slow: u32) -> (Duration, Reply) {
        let now = self.now;
        let node = &mut self.nodes[at];
        node.orders += 1;
        if node.busy.is_some() {
            return (LOOK, bad("another relman is at work here"));
        }
        if node.take(Fault::LostBefore) {
            return (LOOK, Reply::Lost("reset by peer".into()));
        }
        let (operation, tag, start) = match request {
            Request::Install { tag, start } => ("install", tag.clone(), *start),
            Request::Rollback { to, start, .. } => {
                let to = to.clone().or(node.history.last().cloned());
                ("rollback", to.unwrap_or_default(), *start)
            }
            _ => return (LOOK, bad("no change")),
        };
        if node.current == tag {
            return (LOOK, outcome("unchanged", json!({})));
        }
        if operation == "install" && !node.runs && !start {
            return (LOOK, bad("the daemon does not run now"));
        }
        if operation == "rollback" && !node.retained.contains(&tag) {
            return (LOOK, bad(&format!("{tag} is not retained on this node")));
        }
        let runs = node.runs || start;
        let mut time = CHANGE * slow;
        let mut then = Then::Current(tag.clone(), runs);
        let mut reply = outcome("done", json!({}));
        let mut heard = time;
        if operation == "install" {
            if node.take(Fault::Unhealthy) {
                then = Then::Same(true);
                reply = bad("failed its health check and was rolled back");
            } else if node.take(Fault::Reboot) {
                time = BOOT + Duration::from_secs(10);
                node.faults.push(Fault::SilentUntil(now + BOOT));
                then = Then::Same(true);
                reply = Reply::Lost("timed out".into());
                heard = Duration::from_secs(25);
            } else if node.take(Fault::PowerOff) {
                node.faults.push(Fault::SilentUntil(Duration::MAX));
                then = Then::Same(false);
                reply = Reply::Lost("timed out".into());
                heard = Duration::from_secs(25);
            }
        }
        if node.take(Fault::LostAfter) {
            reply = Reply::Lost("reset by peer".into());
            heard = time / 3;
        }
        node.busy = Some(Busy {
            operation,
            tag,
            until: now + time,
            then,
        });
        (heard, reply)
    }
}

fn recover(node: &SimNode) -> Reply {
    match node.busy {
        Some(_) => bad("another relman is at work here"),
        None => outcome("unchanged", json!({})),
    }
}

fn health(node: &SimNode) -> Reply {
    match node.is_up() {
        true => good(json!({})),
        false => bad("its daemon does not run"),
    }
}

fn chain(node: &SimNode, now: Duration, at: Option<u64>, up: u64) -> Reply {
    if !node.is_up() {
        return good(json!({ "problems": ["connection refused"] }));
    }
    good(json!({
        "network": "toy",
        "height": now.as_secs() / BLOCK_SECONDS,
        "hash_at": at.map(|at| format!("{at:064x}")),
        "finality": true,
        "peers": up.saturating_sub(1),
        "problems": [],
    }))
}

fn outcome(outcome: &str, data: Value) -> Reply {
    Reply::Answer(Document {
        outcome: outcome.into(),
        data,
        error: None,
    })
}

fn good(data: Value) -> Reply {
    outcome("done", data)
}

fn bad(why: &str) -> Reply {
    Reply::Answer(Document {
        outcome: "failed".into(),
        data: Value::Null,
        error: Some(Problem {
            message: why.into(),
            causes: Vec::new(),
            hint: None,
        }),
    })
}

impl FakeHosts {
    /// Holds what is about to be begun on several nodes against the environment's rules.
    fn check(&self, world: &mut World, going: &[usize]) {
        if !self.rolling || going.is_empty() {
            return;
        }
        let away = |i: usize, n: &SimNode| !going.contains(&i) && !n.is_up();
        let down = world.nodes.iter().enumerate().filter(|(i, n)| away(*i, n));
        let (count, weight) = down.fold((0, 0), |(c, w), (_, n)| (c + 1, w + n.weight));
        let also: u64 = going.iter().map(|i| world.nodes[*i].weight).sum();
        let all: u64 = world.nodes.iter().map(|n| n.weight).sum();
        let now = world.now;
        if count + going.len() > self.most_down {
            world.broken_rules.push(format!(
                "{count} down and {} more at {now:?}, at most {}",
                going.len(),
                self.most_down
            ));
        }
        if let Some(margin) = self.margin
            && 300 * (all - weight - also) < all * (200 + 3 * margin)
        {
            world
                .broken_rules
                .push(format!("{} of {all} weight away at {now:?}", weight + also));
        }
    }
}

impl Hosts for FakeHosts {
    fn ask_all(&self, asks: &[Ask<'_>], done: &mut dyn FnMut(usize, Reply)) {
        let fuse = self.fuse.lock().unwrap_or_else(|e| e.into_inner()).clone();
        let changes = asks.iter().any(|a| a.request.changes());
        if changes {
            fuse.point();
        }
        let mut replies = Vec::new();
        {
            let mut world = self.world();
            let now = world.now;
            world.nodes.iter_mut().for_each(|n| n.settle(now));
            let place = |world: &World, name: &str| {
                world
                    .nodes
                    .iter()
                    .position(|n| n.name == name)
                    .expect("a node")
            };
            let going: Vec<usize> = asks
                .iter()
                .filter(|a| {
                    let rollback = matches!(
                        a.request,
                        Request::Rollback {
                            emergency: false,
                            ..
                        }
                    );
                    rollback || matches!(a.request, Request::Install { .. })
                })
                .map(|a| place(&world, &a.node.name))
                .filter(|at| world.nodes[*at].is_up() && world.nodes[*at].answers(now))
                .collect();
            self.check(&mut world, &going);
            let mut longest = Duration::ZERO;
            for (i, ask) in asks.iter().enumerate() {
                let at = place(&world, &ask.node.name);
                if ask.request.changes() {
                    let entry = (now, ask.node.name.clone(), ask.request.clone());
                    world.log.push(entry);
                }
                let (time, reply) = world.answer(at, ask.request);
                longest = longest.max(time);
                replies.push((time, i, reply));
            }
            world.now += longest;
            let now = world.now;
            world.nodes.iter_mut().for_each(|n| n.settle(now));
        }
        if changes {
            fuse.point();
        }
        replies.sort_by_key(|(time, i, _)| (*time, *i));
        for (_, i, reply) in replies {
            done(i, reply);
        }
    }

    fn stream(&self, _: &NodeEntry, _: Stream, _: u64, _: &mut dyn Write) -> Result<u64, String> {
        Err("nothing is streamed here".into())
    }

    fn now(&self) -> Timestamp {
        let gone = SignedDuration::try_from(self.world().now).expect("a time");
        let whole = SignedDuration::from_secs(gone.as_secs());
        start().checked_add(whole).expect("a time")
    }

    fn uptime(&self) -> Duration {
        self.world().now
    }

    fn pause(&self, duration: Duration) {
        self.pass(duration);
    }
}
