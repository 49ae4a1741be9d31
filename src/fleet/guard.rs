//! A watch policy at work on a rollout's gates: the same engine that `relman watch` has. Asks only through what it is given.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::watch::decision::{Decision, words};
use crate::watch::engine::Engine;
use crate::watch::looker::Looker;
use crate::watch::policy::Action;

/// What a rollout's gates ask.
pub trait Guards {
    /// Looks, unless it has within the policy's interval; `away` are nodes whose daemon is meant to be down. `now` is a
    /// clock that never goes back.
    fn look(&self, now: Duration, away: BTreeSet<String>) -> Option<Alarm>;
}

/// Watches an environment while a rollout goes on.
pub struct Guard<'a> {
    engine: RefCell<Engine>,
    looker: RefCell<Box<dyn Looker + 'a>>,
    /// Whether the root keys' threshold has signed the policy: no other one has a network go back.
    is_signed: bool,
    looked: RefCell<Option<(Duration, Option<Alarm>)>>,
}

/// Why a rollout cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// The row of the matrix, and what was found.
    pub why: String,
    /// Whether everything that was moved has to go back.
    pub goes_back: bool,
}

impl<'a> Guard<'a> {
    /// By an engine for the environment's nodes, and whoever looks at them.
    pub fn new(engine: Engine, looker: Box<dyn Looker + 'a>, is_signed: bool) -> Self {
        Guard {
            engine: RefCell::new(engine),
            looker: RefCell::new(looker),
            is_signed,
            looked: RefCell::new(None),
        }
    }

    /// What wakes somebody also stops a rollout; what a patch or a look will do does not.
    fn alarm(&self, decision: &Decision) -> Option<Alarm> {
        let row = decision.strongest()?;
        let action = row.action.filter(|a| *a >= Action::Page)?;
        let policy = match self.is_signed {
            true => "the watch policy",
            false => "the watch policy, which nobody has signed,",
        };
        Some(Alarm {
            why: format!(
                "{policy} calls for {}: {}: {} (wanted not: {})",
                action.word(),
                row.symptom,
                words(&row.evidence),
                row.wanted
            ),
            goes_back: action == Action::RollBack && self.is_signed,
        })
    }
}

impl Guards for Guard<'_> {
    fn look(&self, now: Duration, away: BTreeSet<String>) -> Option<Alarm> {
        let mut engine = self.engine.borrow_mut();
        let interval = Duration::from_secs(engine.policy().interval_seconds);
        let mut looked = self.looked.borrow_mut();
        if let Some((at, alarm)) = &*looked
            && now.saturating_sub(*at) < interval
        {
            return alarm.clone();
        }
        let nodes = engine.nodes().to_vec();
        let mut look = self.looker.borrow_mut().look(&nodes, engine.policy());
        look.away = away;
        let alarm = self.alarm(&engine.look(&look));
        *looked = Some((now, alarm.clone()));
        alarm
    }
}
