//! The durable record of a rollout: what was decided, what each node is in the middle of, what people wish, who drives
//! it. Pure: times and bytes come in, values go out.

mod bytes;
mod id;
#[cfg(test)]
mod tests;
mod wish;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::config::Environment;
use super::look::{Daemon, NodeLook};
use super::plan::Plan;
use crate::limits::MAX_ROLLOUT_WORDS;
use crate::store::lease::{Holder, LeaseRecord};

pub use id::RolloutId;
pub use wish::{Wanted, Wish};

const FORMAT: u32 = 1;

/// A rollout, whole. Each decision and step is written into it before it happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    format: u32,
    /// Its name.
    pub id: RolloutId,
    /// Who began it.
    pub by: String,
    /// When.
    #[serde(with = "crate::trust::time")]
    pub began: Timestamp,
    /// Grows with each write, whoever writes.
    pub revision: u64,
    /// Who drives it. Its epoch grows with each driver; one whose epoch is over cannot write.
    pub lease: LeaseRecord,
    /// What it is for.
    pub work: Work,
    /// How far it is.
    pub state: State,
    /// Why it is held, paused or ended.
    pub reason: Option<String>,
    /// What it comes to once nodes that go back have; none unless some do.
    pub ending: Option<Ending>,
    /// Waves of the plan that are over, their watch and pause included.
    pub waves_done: usize,
    /// Every node that it is about, in order.
    pub nodes: Vec<NodeState>,
    /// What people wish and the driver has not answered yet.
    pub wishes: Vec<Wish>,
    /// The number of the newest wish that was answered.
    pub wishes_taken: u64,
    /// What happened, oldest first.
    pub events: Vec<Event>,
    /// Events that were left out because there were too many; never the oldest, never the newest.
    pub events_left_out: u64,
}

/// What a rollout is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Work {
    /// Carry out a plan.
    Upgrade {
        /// It, as it was shown.
        plan: Box<Plan>,
    },
    /// In an emergency: put verified releases back.
    Rollback {
        /// The environment with its rules.
        environment: Box<Environment>,
        /// Where all nodes go; none: each to what it ran before what is left.
        to: Option<String>,
        /// With the data of its time.
        with_data: bool,
        /// The release that is left; none while nobody knows.
        leaves: Option<String>,
    },
    /// In an emergency: stop every daemon.
    Stop {
        /// The environment with its rules.
        environment: Box<Environment>,
    },
}

/// How far a rollout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It goes on, as long as somebody drives it.
    Running,
    /// Somebody wished it to wait, or it waits for somebody.
    Paused,
    /// Something failed, or a node does not answer.
    Held,
    /// Nodes go back.
    Aborting,
    /// It ended before its time.
    Aborted,
    /// It ended, and all that it moved went back.
    RolledBack,
    /// It is done.
    Done,
}

/// What a rollout comes to when the nodes that go back have gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    /// The state then.
    pub state: State,
    /// Why.
    pub why: String,
}

/// What a node is in the middle of, or at rest in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Its turn has not come.
    Waiting,
    /// It was told to stop.
    Stopping,
    /// It was told to stop and has.
    Stopped,
    /// It was told to install.
    Installing,
    /// It was told to start.
    Starting,
    /// It runs the release; node and network are looked at.
    Watching,
    /// It was moved, and all is well.
    Done,
    /// It could not be moved.
    Failed,
    /// It was told to go back.
    RollingBack,
    /// It went back.
    RolledBack,
    /// It does not answer.
    Silent,
}

/// Where a node goes that goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Back {
    /// To this release.
    Release(String),
    /// To nowhere else: its daemon is started again, as it was.
    Start,
}

/// One node in a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeState {
    /// Its name.
    pub name: String,
    /// See [`Step`].
    pub step: Step,
    /// Since when.
    #[serde(with = "crate::trust::time")]
    pub since: Timestamp,
    /// How often it was told to move.
    pub attempts: u32,
    /// What it said to be current, when it was asked last.
    pub runs: Option<String>,
    /// What ran as its daemon then.
    pub daemon: Option<Daemon>,
    /// Set when it is to go back, until it has.
    pub back: Option<Back>,
    /// What it said last that matters.
    pub words: Option<String>,
}

/// Something that was decided, begun or found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When.
    #[serde(with = "crate::trust::time")]
    pub at: Timestamp,
    /// Who did it.
    pub who: String,
    /// To which node; none: to the rollout.
    pub node: Option<String>,
    /// What.
    pub what: String,
}

impl Record {
    /// A rollout that begins now and is driven by `holder`; `nodes` in order.
    pub fn new(
        id: RolloutId,
        work: Work,
        nodes: &[String],
        holder: Holder,
        now: Timestamp,
    ) -> Self {
        let by = holder.who.clone();
        let nodes = nodes.iter().map(|name| NodeState {
            name: name.clone(),
            step: Step::Waiting,
            since: now,
            attempts: 0,
            runs: None,
            daemon: None,
            back: None,
            words: None,
        });
        Record {
            format: FORMAT,
            id,
            began: now,
            revision: 0,
            lease: LeaseRecord::taken(None, holder, now),
            work,
            state: State::Running,
            reason: None,
            ending: None,
            waves_done: 0,
            nodes: nodes.collect(),
            wishes: Vec::new(),
            wishes_taken: 0,
            events: Vec::new(),
            events_left_out: 0,
            by,
        }
    }

    /// The environment with its rules as they were when it began.
    pub fn environment(&self) -> &Environment {
        match &self.work {
            Work::Upgrade { plan } => &plan.environment,
            Work::Rollback { environment, .. } | Work::Stop { environment } => environment,
        }
    }

    /// The release that it is about: what is installed, or put back.
    pub fn tag(&self) -> Option<&str> {
        match &self.work {
            Work::Upgrade { plan } => Some(&plan.tag),
            Work::Rollback { to, .. } => to.as_deref(),
            Work::Stop { .. } => None,
        }
    }

    /// The plan of an upgrade.
    pub fn plan(&self) -> Option<&Plan> {
        match &self.work {
            Work::Upgrade { plan } => Some(plan),
            _ => None,
        }
    }

    /// Whether it is in an emergency: then nothing waits for the store.
    pub fn is_emergency(&self) -> bool {
        !matches!(self.work, Work::Upgrade { .. })
    }

    /// Whether nothing will come of it any more.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Done | State::Aborted | State::RolledBack)
    }

    /// A node of it.
    pub fn node(&self, name: &str) -> Option<&NodeState> {
        self.nodes.iter().find(|n| n.name == name)
    }

    /// A node of it.
    pub fn node_mut(&mut self, name: &str) -> Option<&mut NodeState> {
        self.nodes.iter_mut().find(|n| n.name == name)
    }

    /// The step that a node is in.
    pub fn step(&self, name: &str) -> Option<Step> {
        self.node(name).map(|n| n.step)
    }

    /// Names of the nodes in one of these steps, in order.
    pub fn in_step(&self, steps: &[Step]) -> Vec<String> {
        let found = self.nodes.iter().filter(|n| steps.contains(&n.step));
        found.map(|n| n.name.clone()).collect()
    }

    /// Puts a node into a step, and says so among the events; `words` of none leave its last words.
    pub fn enter(&mut self, name: &str, step: Step, now: Timestamp, words: Option<&str>) {
        let words = words.map(short);
        let Some(node) = self.node_mut(name) else {
            return;
        };
        if node.step == step && (words.is_none() || words == node.words) {
            return;
        }
        if node.step != step {
            node.since = now;
        }
        node.step = step;
        let what = match &words {
            Some(words) => format!("{}: {words}", step.name()),
            None => step.name().to_owned(),
        };
        if words.is_some() {
            node.words = words;
        }
        self.note(now, Some(name), &what);
    }

    /// Keeps what a node said about itself.
    pub fn saw(&mut self, name: &str, look: &Result<NodeLook, String>) {
        let Some(node) = self.node_mut(name) else {
            return;
        };
        match look {
            Ok(look) => {
                node.runs.clone_from(&look.current);
                node.daemon = Some(look.daemon);
            }
            // What it ran before is no answer to what it runs.
            Err(_) => {
                node.runs = None;
                node.daemon = None;
            }
        }
    }

    /// Adds an event by whoever drives.
    pub fn note(&mut self, at: Timestamp, node: Option<&str>, what: &str) {
        let who = match &self.lease.holder {
            Some(holder) => holder.who.clone(),
            None => "nobody".into(),
        };
        self.note_by(at, &who, node, what);
    }

    /// Adds an event.
    pub fn note_by(&mut self, at: Timestamp, who: &str, node: Option<&str>, what: &str) {
        self.events.push(Event {
            at,
            who: short(who),
            node: node.map(str::to_owned),
            what: short(what),
        });
    }

    /// Changes the state and says why.
    pub fn turn(&mut self, state: State, now: Timestamp, why: Option<&str>) {
        self.reason = why.map(short);
        if self.state == state && why.is_none() {
            return;
        }
        self.state = state;
        let what = match why {
            Some(why) => format!("{}: {why}", state.name()),
            None => state.name().to_owned(),
        };
        self.note(now, None, &what);
    }

    /// Whether the node runs what the record says it was moved to.
    pub fn moved(&self, name: &str) -> bool {
        self.node(name)
            .is_some_and(|n| n.attempts > 0 && n.runs.is_some() && n.runs.as_deref() == self.tag())
    }
}

impl State {
    /// As in the record and in messages.
    pub fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Paused => "paused",
            State::Held => "held",
            State::Aborting => "aborting",
            State::Aborted => "aborted",
            State::RolledBack => "rolled back",
            State::Done => "done",
        }
    }
}

impl Step {
    /// In messages.
    pub fn name(self) -> &'static str {
        match self {
            Step::Waiting => "waiting",
            Step::Stopping => "stopping",
            Step::Stopped => "stopped",
            Step::Installing => "installing",
            Step::Starting => "starting",
            Step::Watching => "watching",
            Step::Done => "done",
            Step::Failed => "failed",
            Step::RollingBack => "rolling back",
            Step::RolledBack => "rolled back",
            Step::Silent => "silent",
        }
    }
}

impl Work {
    /// In messages.
    pub fn name(&self) -> &'static str {
        match self {
            Work::Upgrade { .. } => "upgrade",
            Work::Rollback { .. } => "rollback",
            Work::Stop { .. } => "stop",
        }
    }
}

/// As much of foreign words as is kept.
fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_ROLLOUT_WORDS) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}
