//! How many keys of a role sign together, and how many must, when keys come and go. Pure.

use super::{Draft, KeyRole};
use crate::trust::policy::{KeyGroup, Purpose, quorum};
use crate::{Error, Result};

impl Draft {
    /// How many keys sign together, and how many must; none where any one will do.
    pub(super) fn count(&self, role: &KeyRole) -> Option<(usize, u64)> {
        let group = |g: &Option<KeyGroup>| g.as_ref().map(|g| (g.keys.len(), g.threshold));
        let environment = |name: &str| self.policy.environments.iter().find(|e| e.name == *name);
        match role {
            KeyRole::Tuf(name) => {
                let role = self.root.roles.get(name)?;
                Some((role.keyids.len(), role.threshold))
            }
            KeyRole::Purpose(Purpose::Environment(name)) => {
                environment(name).map(|e| (e.keys.len(), e.threshold))
            }
            KeyRole::Purpose(Purpose::Halt(name)) => environment(name).and_then(|e| group(&e.halt)),
            KeyRole::Purpose(Purpose::Override(name)) => {
                environment(name).and_then(|e| group(&e.overriders))
            }
            KeyRole::Log | KeyRole::Purpose(_) => None,
        }
    }

    /// The threshold after the number of keys changed: the one asked for, or for an environment its
    /// quorum, or the one that it had.
    pub(super) fn settle_threshold(
        &mut self,
        role: &KeyRole,
        before: Option<(usize, u64)>,
        wanted: Option<u64>,
    ) -> Result<()> {
        let Some((keys, threshold)) = self.count(role) else {
            return match wanted {
                Some(_) => self.set_threshold(role, 0),
                None => Ok(()),
            };
        };
        let wanted = wanted.unwrap_or(match (role, before) {
            (KeyRole::Purpose(Purpose::Environment(_)), Some((had, was))) => {
                let quorum = quorum(keys);
                match was == self::quorum(had) {
                    true => quorum,
                    // A team that wanted more than the quorum goes on to want it.
                    false => was.min(keys as u64).max(quorum),
                }
            }
            _ => threshold,
        });
        self.set_threshold(role, wanted)
    }

    pub(super) fn set_threshold(&mut self, role: &KeyRole, threshold: u64) -> Result<()> {
        let name = role.name();
        let Some((keys, _)) = self.count(role) else {
            return Err(Error::usage(format!(
                "any one {name} key will do, there is no threshold to set"
            )));
        };
        let least = match role {
            KeyRole::Purpose(Purpose::Environment(_)) => quorum(keys),
            _ => 1,
        };
        if keys == 0 {
            return Err(
                Error::refused(format!("{name} would have no key left")).hint(format!(
                    "put another in its place: relman root rotate {name} OLD NEW.pub"
                )),
            );
        }
        if threshold > keys as u64 {
            return Err(Error::refused(format!(
                "{name} would have threshold {threshold} of {keys} keys"
            ))
            .hint(format!(
                "lower it with the same command: --threshold N; or add a key first: relman root add {name} KEY.pub"
            )));
        }
        if threshold < least.max(1) {
            return Err(Error::refused(format!(
                "{name} would have threshold {threshold} of {keys} keys, wanted {} to {keys}",
                least.max(1)
            ))
            .hint("give it with the same command: --threshold N"));
        }
        match role {
            KeyRole::Tuf(name) => {
                if let Some(role) = self.root.roles.get_mut(name) {
                    role.threshold = threshold;
                }
            }
            KeyRole::Purpose(purpose) => {
                let (Purpose::Environment(name) | Purpose::Halt(name) | Purpose::Override(name)) =
                    purpose
                else {
                    return Ok(());
                };
                let mut all = self.policy.environments.iter_mut();
                let Some(environment) = all.find(|e| e.name == *name) else {
                    return Ok(());
                };
                let group = match purpose {
                    Purpose::Halt(_) => environment.halt.as_mut(),
                    Purpose::Override(_) => environment.overriders.as_mut(),
                    _ => {
                        environment.threshold = threshold;
                        None
                    }
                };
                if let Some(group) = group {
                    group.threshold = threshold;
                }
            }
            KeyRole::Log => {}
        }
        Ok(())
    }
}
