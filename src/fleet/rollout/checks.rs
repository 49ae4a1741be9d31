//! What has to be right before any node is told to move or to go back.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::ask::{Looks, is_up};
use super::run::Run;
use crate::Result;
use crate::fleet::budget::{Weighed, forbids};
use crate::fleet::config::{Strategy, Window};
use crate::fleet::plan::{NodePlan, Plan};
use crate::fleet::record::State;

/// How long the budget is looked at before the rollout is held: a host may be starting anew.
const BUDGET_PATIENCE: Duration = Duration::from_secs(60);
const BUDGET_PAUSE: Duration = Duration::from_secs(10);

/// Whether the window is open at that time; why not, in words.
pub(super) fn closed(window: Option<Window>, now: jiff::Timestamp) -> Option<String> {
    let window = window?;
    let time = now.to_zoned(TimeZone::UTC);
    let minute = time.hour() as u16 * 60 + time.minute() as u16;
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    (!window.contains(minute)).then(|| {
        format!(
            "it is {} UTC, nodes may be stopped from {} to {}",
            clock(minute),
            clock(window.from),
            clock(window.to)
        )
    })
}

impl Run<'_> {
    /// Whether the window is open; else the rollout is paused.
    ///
    /// # Errors
    /// As [`Run::write`].
    pub fn in_window(&mut self, plan: &Plan) -> Result<bool> {
        let Some(why) = closed(plan.environment.window, self.now()) else {
            return Ok(true);
        };
        self.turn(State::Paused, Some(&why));
        self.write()?;
        Ok(false)
    }

    /// As many of `going`, from the first on, as may be down now, with what was seen of all nodes of the environment; none
    /// where the rollout was held over it, or something else came between.
    ///
    /// # Errors
    /// As [`Run::write`].
    pub fn within_budget(
        &mut self,
        plan: &Plan,
        going: &[String],
    ) -> Result<Option<(Vec<String>, Looks)>> {
        let names: Vec<String> = plan.nodes.iter().map(|n| n.name.clone()).collect();
        let patience = BUDGET_PATIENCE.min(self.m.patience);
        let until = self.m.hosts.uptime() + patience;
        loop {
            let looks = self.statuses(&names);
            for (name, look) in &looks {
                self.record_mut().saw(name, look);
            }
            let mut going = going.to_vec();
            let Some(why) = over_budget(plan, &looks, &going) else {
                return Ok(Some((going, looks)));
            };
            while going.pop().is_some() && !going.is_empty() {
                if over_budget(plan, &looks, &going).is_none() {
                    return Ok(Some((going, looks)));
                }
            }
            let left = until.saturating_sub(self.m.hosts.uptime());
            if left.is_zero() {
                self.turn(State::Held, Some(&why));
                self.write()?;
                return Ok(None);
            }
            if !self.wait(BUDGET_PAUSE.min(left))? {
                return Ok(None);
            }
        }
    }
}

fn over_budget(plan: &Plan, looks: &Looks, going: &[String]) -> Option<String> {
    if plan.environment.strategy == Strategy::Together {
        return None;
    }
    let away = |n: &NodePlan| n.left_out || !is_up(looks.get(&n.name));
    let weighed = |n: &NodePlan| Weighed {
        weight: n.weight,
        // Those that are to go down count as up, whatever they are.
        down: !going.contains(&n.name) && away(n),
    };
    let all: Vec<Weighed> = plan.nodes.iter().map(weighed).collect();
    let leaving: Vec<Weighed> = plan
        .nodes
        .iter()
        .filter(|n| going.contains(&n.name))
        .map(weighed)
        .collect();
    let why = forbids(&plan.environment, &all, &leaving)?;
    let down: Vec<&str> = plan
        .nodes
        .iter()
        .filter(|n| !going.contains(&n.name) && away(n))
        .map(|n| n.name.as_str())
        .collect();
    Some(match down.is_empty() {
        true => why,
        false => format!("{why}; down, silent or left out: {}", down.join(", ")),
    })
}
