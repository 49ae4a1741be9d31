//! What a watch does by itself, where it is told to: pauses a rollout, or has everything go back. Each once, however long it
//! is called for.

use super::words::Watched;
use crate::Result;
use crate::cli::fleet::ended::{answer, asked};
use crate::cli::fleet::wiring::{Wiring, chance};
use crate::fleet::notice::{Notice, Occasion, tell_all};
use crate::fleet::record::RolloutId;
use crate::fleet::rollout::{self, Machine, Orders};
use crate::io::clock;
use crate::ui::{Answer, Progress};
use crate::watch::decision::{Decision, RowState, words};
use crate::watch::policy::Action;

/// What was done so far.
pub(super) struct Actor {
    may: bool,
    told: Option<Action>,
    paused: bool,
    is_going_back: bool,
}

impl Actor {
    /// One that may act, or only tells people.
    pub fn new(may: bool) -> Self {
        Actor {
            may,
            told: None,
            paused: false,
            is_going_back: false,
        }
    }

    /// Does what a decision calls for, if it was not done; gives what became of it.
    ///
    /// # Errors
    /// It could not be done; it is tried again at the next look.
    pub fn act(
        &mut self,
        decision: &Decision,
        wiring: &Wiring,
        watched: &Watched,
        progress: &mut Progress,
    ) -> Result<Option<(Action, Answer)>> {
        let Some(row) = decision.strongest().filter(|_| self.may) else {
            return Ok(None);
        };
        let Some(action) = row.action.filter(|a| *a >= Action::Page) else {
            return Ok(None);
        };
        let env = watched.environment.as_str();
        let is_new = self.told < Some(action);
        let tell = |m: &Machine<'_>| {
            if is_new {
                tell_all(m.herald, m.notify, &notice(row, action, m, watched));
            }
        };
        let id = watched
            .rollout
            .as_deref()
            .map(RolloutId::parse)
            .transpose()?;
        let done = match (action, &id) {
            (Action::RollBack, _) if self.is_going_back => return Ok(None),
            (Action::RollBack, Some(id)) if is_upgrade_under_way(wiring, id) => {
                let done = wiring.drive("watch", env, progress, |m| {
                    tell(m);
                    rollout::abort(m, id, true, false)
                })?;
                self.is_going_back = true;
                asked(&done)
            }
            (Action::RollBack, _) => {
                let environment = wiring.config.environment(env)?.clone();
                let names: Vec<String> = wiring.nodes_of(env).into_iter().map(|n| n.name).collect();
                let orders = Orders {
                    to: None,
                    with_data: false,
                };
                let chance = chance()?;
                let ended = wiring.drive("watch", env, progress, |m| {
                    tell(m);
                    rollout::rollback(m, &environment, &names, &orders, &chance)
                })?;
                self.is_going_back = true;
                answer(&ended, false)
            }
            (_, Some(id)) if !self.paused && is_upgrade_under_way(wiring, id) => {
                let done = wiring.drive("watch", env, progress, |m| {
                    tell(m);
                    rollout::pause(m, id)
                })?;
                self.paused = true;
                asked(&done)
            }
            _ if is_new => {
                wiring.drive("watch", env, progress, |m| {
                    tell(m);
                    Ok(())
                })?;
                Answer::done(serde_json::Value::Null, "people were told\n")
            }
            _ => return Ok(None),
        };
        self.told = self.told.max(Some(action));
        Ok(Some((action, done)))
    }
}

/// Whether it can be paused or aborted; otherwise going back is an emergency of its own.
fn is_upgrade_under_way(wiring: &Wiring, id: &RolloutId) -> bool {
    let record = wiring.record(id);
    record.is_ok_and(|r| r.plan().is_some() && !r.is_over())
}

fn notice(row: &RowState, action: Action, m: &Machine<'_>, watched: &Watched) -> Notice {
    let mut details = vec![
        format!("{}: {}", row.severity.word(), row.wanted),
        words(&row.evidence),
    ];
    details.extend(watched.command(row).map(|c| format!("run: {c}")));
    details.push(format!("read: {}#{}", watched.runbook, row.row));
    Notice {
        occasion: Occasion::Alarm,
        environment: watched.environment.clone(),
        tag: None,
        rollout: watched.rollout.clone(),
        by: m.holder.who.clone(),
        at: clock::now(),
        summary: format!(
            "{}: {} on {}",
            action.word(),
            row.symptom,
            watched.environment
        ),
        details,
    }
}
