//! One simulated node: what it has, what it is in the middle of, what goes wrong with it.

use std::time::Duration;

use serde_json::{Value, json};

/// What goes wrong with a node; most things once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not answer until then.
    SilentUntil(Duration),
    /// The connection breaks in the middle of the next order, which is carried out.
    LostAfter,
    /// The connection breaks before the next order is begun.
    LostBefore,
    /// Its next install fails the health gate, and it goes back.
    Unhealthy,
    /// It starts anew in the middle of its next install, and goes back.
    Reboot,
    /// It ends in the middle of its next install, for good.
    PowerOff,
    /// Everything takes twenty times as long.
    Slow,
    /// It is no relman that answers.
    Foreign,
}

/// What a node is in the middle of.
#[derive(Clone, Debug)]
pub struct Busy {
    pub operation: &'static str,
    pub tag: String,
    pub until: Duration,
    /// What it comes to.
    pub then: Then,
}

/// How something under way ends.
#[derive(Clone, Debug)]
pub enum Then {
    /// Another release is current; the daemon runs, or not.
    Current(String, bool),
    /// All is as it was; the daemon runs, or not.
    Same(bool),
}

/// A node.
#[derive(Clone, Debug)]
pub struct SimNode {
    pub name: String,
    pub environment: String,
    pub weight: u64,
    pub current: String,
    pub retained: Vec<String>,
    /// What was current before, oldest first.
    pub history: Vec<String>,
    pub runs: bool,
    pub busy: Option<Busy>,
    /// It knows that its environment was halted.
    pub halted: bool,
    pub faults: Vec<Fault>,
    /// How often it was told to change.
    pub orders: u32,
}

impl SimNode {
    /// Takes a fault that happens once.
    pub fn take(&mut self, fault: Fault) -> bool {
        let at = self.faults.iter().position(|f| *f == fault);
        at.map(|at| self.faults.remove(at)).is_some()
    }

    /// Whether it answers at that time.
    pub fn answers(&self, now: Duration) -> bool {
        !self
            .faults
            .iter()
            .any(|f| matches!(f, Fault::SilentUntil(until) if now < *until))
    }

    /// Ends what is under way, if its time has come.
    pub fn settle(&mut self, now: Duration) {
        let Some(busy) = self.busy.take_if(|busy| busy.until <= now) else {
            return;
        };
        match busy.then {
            Then::Same(runs) => self.runs = runs,
            Then::Current(tag, runs) => {
                if self.current != tag {
                    let before = std::mem::replace(&mut self.current, tag.clone());
                    self.history.push(before.clone());
                    self.retained.retain(|t| *t != tag);
                    self.retained.push(before);
                }
                self.runs = runs;
            }
        }
    }

    /// Whether it takes part in the network.
    pub fn is_up(&self) -> bool {
        self.runs && self.busy.is_none()
    }

    /// `relman status --json`, its data.
    pub fn status(&self) -> Value {
        let service = match self.is_up() {
            true => json!({ "pid": 1, "exe_sha256": "aa", "verified_sha256": "aa" }),
            false => json!({ "pid": null, "exe_sha256": null, "verified_sha256": "aa" }),
        };
        let unfinished = self
            .busy
            .as_ref()
            .map(|busy| json!({ "operation": busy.operation, "tag": busy.tag, "step": "swap" }));
        let retained: Vec<Value> = self
            .retained
            .iter()
            .map(|tag| json!({ "tag": tag, "whole": true }))
            .collect();
        json!({
            "name": self.name,
            "environment": self.environment,
            "current": { "tag": self.current, "whole": true },
            "service": service,
            "retained": retained,
            "rollback": self.history.last(),
            "halted": self.halted.then(|| json!({ "by": "eve", "reason": "a fork" })),
            "unfinished": unfinished,
            "problems": [],
        })
    }
}
