//! "Do not roll back if": what holds a row back. Pure.

use super::judge::Judged;
use super::{Engine, ms};
use crate::watch::policy::{Action, Row, When};
use crate::watch::sample::Look;

impl Engine {
    /// What a row may lead to at most, and the exceptions that say so, in the guide's words.
    pub(super) fn after_exceptions(
        &self,
        row: &Row,
        wanted: Action,
        found: &Judged,
        look: &Look,
    ) -> (Option<Action>, Vec<String>) {
        let mut action = wanted;
        let mut said = Vec::new();
        for exception in &self.policy.exceptions {
            if !exception.rows.contains(&row.name) || exception.action >= wanted {
                continue;
            }
            let holds = match &exception.when {
                When::SingleNode => found.concerned == 1 && self.nodes.len() > 1,
                When::Row { row, under_seconds } => {
                    self.held(row).is_some_and(|held| held < ms(*under_seconds))
                }
                When::Declared { signal } => look.declared.contains_key(signal),
            };
            if holds {
                action = action.min(exception.action);
                said.push(exception.says.clone());
            }
        }
        (Some(action), said)
    }

    /// For how long a row has held, in milliseconds.
    fn held(&self, name: &str) -> Option<i64> {
        let place = self.policy.rows.iter().position(|r| r.name == name)?;
        self.rows.get(place)?.held_ms()
    }
}
