//! Root and policy with changes made to them. Whether the result holds together is asked afterwards,
//! once, so that several changes in a row may lean on each other. Pure.

mod threshold;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Change, End, KeyChoice, KeyRole};
use crate::attest::dsse::short;
use crate::keys::PublicKey;
use crate::limits::MAX_WITNESS_SKEW_SECONDS;
use crate::log::VerifierKey;
use crate::release::publish::PEOPLE_MEMBER;
use crate::trust::Root;
use crate::trust::policy::{KeyEntry, KeyGroup, PolicyDocument, Purpose};
use crate::{Error, Result};

/// When keys end that have no end: policy ends them by a newer policy.
const FOREVER: &str = "9999-12-30T00:00:00Z";

/// The second after `now`: what was signed within this one stays signed.
pub(super) fn next_second(now: Timestamp) -> Timestamp {
    now.saturating_add(SignedDuration::from_secs(1))
        .unwrap_or(now)
}

/// Root and policy being changed.
pub(super) struct Draft {
    pub root: Root,
    pub policy: PolicyDocument,
    pub now: Timestamp,
    /// An expiry that was asked for.
    pub until: Option<Timestamp>,
}

impl Draft {
    pub fn apply(&mut self, change: &Change) -> Result<()> {
        match change {
            Change::Add {
                role,
                key,
                person,
                not_after,
                threshold,
            } => {
                let before = self.count(role);
                self.add(role, key, person, *not_after, None)?;
                self.settle_threshold(role, before, *threshold)
            }
            Change::Remove {
                role,
                key,
                end,
                threshold,
            } => {
                let id = self.choose(role, key)?;
                let before = self.count(role);
                self.remove(role, &id, *end)?;
                self.settle_threshold(role, before, *threshold)
            }
            Change::Rotate {
                role,
                old,
                new,
                person,
                end,
            } => self.rotate(role, old, new, person.as_deref(), *end),
            Change::Threshold { role, threshold } => self.set_threshold(role, *threshold),
            Change::Environment {
                name,
                soak_hours,
                notice_hours,
                minimum,
                wants,
            } => {
                let known: Vec<&str> = self.policy.environments.iter().map(|e| &*e.name).collect();
                let unknown = Error::usage(format!(
                    "there is no environment {name:?}, wanted one of {}",
                    known.join(", ")
                ));
                let mut all = self.policy.environments.iter_mut();
                let environment = all.find(|e| e.name == *name).ok_or(unknown)?;
                if let Some(hours) = soak_hours {
                    environment.soak_hours = *hours;
                }
                if let Some(hours) = notice_hours {
                    environment.notice_hours = *hours;
                }
                if let Some(tag) = minimum {
                    environment.minimum = Some(tag.clone()).filter(|tag| !tag.is_empty());
                }
                if wants.gates.is_some() || wants.tag.is_some() {
                    return Err(Error::usage(format!(
                        "gates and tags are asked of every release, not by {name}"
                    ))
                    .hint("relman root set cut"));
                }
                set(&mut environment.approvals, wants.approvals.as_ref());
                set(&mut environment.rebuilders, wants.rebuilders.as_ref());
                Ok(())
            }
            Change::Cut(wants) => {
                let cut = &mut self.policy.cut;
                set(&mut cut.approvals, wants.approvals.as_ref());
                set(&mut cut.rebuilders, wants.rebuilders.as_ref());
                set(&mut cut.gates, wants.gates.as_ref());
                set(&mut cut.tag, wants.tag.as_ref());
                Ok(())
            }
            Change::Witnesses {
                policy,
                max_age_hours,
            } => {
                let log = &mut self.policy.log;
                set(&mut log.witnesses, policy.as_ref());
                let age = max_age_hours.map(|hours| (hours > 0).then_some(hours));
                set(&mut log.max_cosignature_age_hours, age.as_ref());
                if log.witnesses == "none" && max_age_hours.is_none() {
                    log.max_cosignature_age_hours = None;
                }
                Ok(())
            }
            Change::Watch { policy } => {
                self.policy.watch.clone_from(policy);
                Ok(())
            }
            Change::Renew { until } => {
                self.until = until.or(self.until);
                Ok(())
            }
        }
    }

    /// The key that is meant; one that has ended only where no other is.
    fn choose(&self, role: &KeyRole, choice: &KeyChoice) -> Result<String> {
        let chosen = choice.among(role, &self.keys(role, false));
        match chosen {
            Err(_) if self.keys(role, true).len() > self.keys(role, false).len() => {
                let all = choice.among(role, &self.keys(role, true));
                all.or(chosen)
            }
            chosen => chosen,
        }
    }

    /// The keys of a role, those that have ended if asked for: id and holder.
    fn keys(&self, role: &KeyRole, ended: bool) -> Vec<(String, Option<String>)> {
        match role {
            KeyRole::Tuf(name) => {
                let role = self.root.roles.get(name);
                let ids = role.map_or(&[][..], |role| &role.keyids);
                ids.iter().map(|id| (id.clone(), self.holder(id))).collect()
            }
            KeyRole::Log => {
                let keys = self.log_keys().into_iter();
                let keys = keys.filter_map(|(key, _)| {
                    let id = key.keyid();
                    let entry = self.policy.keys.iter().find(|entry| entry.id == id);
                    let counts = entry.is_none_or(|e| e.not_after > next_second(self.now));
                    (ended || counts).then(|| (id, entry.map(|e| e.person.clone())))
                });
                keys.collect()
            }
            KeyRole::Purpose(purpose) => self
                .policy
                .keys
                .iter()
                .filter(|key| {
                    key.purpose == *purpose && (ended || key.not_after > next_second(self.now))
                })
                .map(|key| (key.id.clone(), Some(key.person.clone())))
                .collect(),
        }
    }

    fn holder(&self, id: &str) -> Option<String> {
        let people = self.root.extra.get(PEOPLE_MEMBER)?;
        people.get(id)?.as_str().map(str::to_owned)
    }

    /// The log's keys with their vkeys.
    fn log_keys(&self) -> Vec<(PublicKey, String)> {
        let read = |vkey: &String| {
            let key = VerifierKey::parse(vkey).ok()?;
            Some((key.public().ok()?, vkey.clone()))
        };
        self.policy.log.vkeys.iter().filter_map(read).collect()
    }

    /// What a key is for already.
    fn use_of(&self, key: &PublicKey) -> Option<String> {
        let id = key.keyid();
        let of_root = self.root.roles.iter();
        let mut tuf = of_root.filter(|(_, role)| role.keyids.contains(&id));
        if let Some((name, _)) = tuf.next() {
            return Some(format!("signs role {name}"));
        }
        if self.log_keys().iter().any(|(log, _)| log == key) {
            return Some("signs the log".into());
        }
        let entry = self.policy.keys.iter().find(|entry| entry.id == id)?;
        Some(format!(
            "is the {} key of {}, valid until {}",
            entry.purpose, entry.person, entry.not_after
        ))
    }

    /// Adds a key, at `place` of the role's list where that matters.
    fn add(
        &mut self,
        role: &KeyRole,
        key: &PublicKey,
        person: &str,
        not_after: Option<Timestamp>,
        place: Option<usize>,
    ) -> Result<()> {
        if let Some(used) = self.use_of(key) {
            return Err(Error::refused(format!(
                "key {} {used}; it cannot be for {} too",
                short(&key.keyid()),
                role.name()
            ))
            .hint("one key, one purpose: ssh-keygen -t ed25519 -N '' -f KEYFILE"));
        }
        // Delegations know no times: a key of an environment counts for every TUF client while it is listed.
        let timed = match role {
            KeyRole::Purpose(Purpose::Environment(_) | Purpose::Halt(_)) => false,
            KeyRole::Purpose(_) | KeyRole::Log => true,
            KeyRole::Tuf(_) => false,
        };
        if not_after.is_some() && !timed {
            return Err(Error::usage(format!(
                "a {} key has no end of its own, it counts until it is removed",
                role.name()
            )));
        }
        match role {
            KeyRole::Tuf(name) => {
                let id = self.root.add_key(name, &(*key).into())?;
                if let (Some(place), Some(role)) = (place, self.root.roles.get_mut(name)) {
                    role.keyids.retain(|other| *other != id);
                    role.keyids.insert(place.min(role.keyids.len()), id.clone());
                }
                let people = self.root.extra.entry(PEOPLE_MEMBER.into());
                let people = people.or_insert_with(|| Value::Object(Default::default()));
                if let Some(people) = people.as_object_mut() {
                    people.insert(id, person.into());
                }
            }
            KeyRole::Log => {
                let vkey = VerifierKey::from_public(&self.policy.log.origin, key)?;
                self.policy.log.vkeys.insert(0, vkey.to_string());
                // Judged at witnessed time, and a witness's clock may be behind.
                let skew = SignedDuration::from_secs(MAX_WITNESS_SKEW_SECONDS);
                let begin = self.now.saturating_sub(skew).unwrap_or(self.now);
                let end = end_or_never(not_after)?;
                let entry = KeyEntry::new(&(*key).into(), person, Purpose::Log, begin, end)?;
                self.policy.keys.push(entry);
            }
            KeyRole::Purpose(purpose) => {
                let end = end_or_never(not_after)?;
                let entry = KeyEntry::new(&(*key).into(), person, purpose.clone(), self.now, end)?;
                if let Some(ids) = self.ids(purpose) {
                    let place = place.unwrap_or(ids.len()).min(ids.len());
                    ids.insert(place, entry.id.clone());
                }
                self.policy.keys.push(entry);
            }
        }
        Ok(())
    }

    /// The list of keys that sign together for a purpose, where there is one; an empty group is made.
    fn ids(&mut self, purpose: &Purpose) -> Option<&mut Vec<String>> {
        let (Purpose::Environment(name) | Purpose::Halt(name) | Purpose::Override(name)) = purpose
        else {
            return None;
        };
        let mut all = self.policy.environments.iter_mut();
        let environment = all.find(|e| e.name == *name)?;
        let empty = || KeyGroup {
            keys: Vec::new(),
            threshold: 1,
        };
        Some(match purpose {
            Purpose::Halt(_) => &mut environment.halt.get_or_insert_with(empty).keys,
            Purpose::Override(_) => &mut environment.overriders.get_or_insert_with(empty).keys,
            _ => &mut environment.keys,
        })
    }

    fn remove(&mut self, role: &KeyRole, id: &str, end: End) -> Result<()> {
        match role {
            KeyRole::Tuf(name) => {
                if end != End::Now {
                    return Err(Error::usage(format!(
                        "a {name} key has no times: once removed, nothing that it signs counts"
                    )));
                }
                if let Some(role) = self.root.roles.get_mut(name) {
                    role.keyids.retain(|other| other != id);
                }
                let mut roles = self.root.roles.values();
                if !roles.any(|role| role.keyids.iter().any(|other| other == id)) {
                    self.root.keys.remove(id);
                    let people = self.root.extra.get_mut(PEOPLE_MEMBER);
                    if let Some(people) = people.and_then(Value::as_object_mut) {
                        people.remove(id);
                    }
                }
            }
            KeyRole::Log if end != End::Erase => self.end_log_key(id, end)?,
            KeyRole::Log => {
                self.policy.keys.retain(|key| key.id != id);
                let keys = self.log_keys().into_iter();
                let kept = keys.filter(|(key, _)| key.keyid() != id);
                self.policy.log.vkeys = kept.map(|(_, vkey)| vkey).collect();
                if self.policy.log.vkeys.is_empty() {
                    return Err(Error::refused("the log would have no key")
                        .hint("add the new one first: relman root add log NEW.pub --draft"));
                }
            }
            KeyRole::Purpose(purpose) => self.end_key(purpose, id, end)?,
        }
        Ok(())
    }

    /// Ends a log key. It stays among the vkeys, since what it signed before stays signed.
    fn end_log_key(&mut self, id: &str, end: End) -> Result<()> {
        if !self.policy.keys.iter().any(|key| key.id == id) {
            let mut keys = self.log_keys().into_iter();
            let Some((key, _)) = keys.find(|(key, _)| key.keyid() == id) else {
                return Err(Error::bug(format!("log key {id} is chosen and not there")));
            };
            let begin = Timestamp::UNIX_EPOCH;
            let end = end_or_never(None)?;
            let entry = KeyEntry::new(&key.into(), "log", Purpose::Log, begin, end)?;
            self.policy.keys.push(entry);
        }
        self.end_key(&Purpose::Log, id, end)?;
        if self.keys(&KeyRole::Log, false).is_empty() {
            return Err(Error::refused("the log would have no key that counts")
                .hint("let another one sign from then on: relman root rotate log OLD NEW.pub"));
        }
        Ok(())
    }

    fn end_key(&mut self, purpose: &Purpose, id: &str, end: End) -> Result<()> {
        if let Some(ids) = self.ids(purpose) {
            ids.retain(|other| other != id);
        }
        self.drop_empty_groups();
        let end = match end {
            End::Now => next_second(self.now),
            End::Since(time) => time,
            End::Erase => {
                self.policy.keys.retain(|key| key.id != id);
                return Ok(());
            }
        };
        let Some(entry) = self.policy.keys.iter_mut().find(|key| key.id == id) else {
            return Ok(());
        };
        if end <= entry.not_before {
            return Err(Error::refused(format!(
                "key {} is valid from {}, so it cannot end at {end}",
                short(id),
                entry.not_before
            ))
            .hint("if nothing that it ever signed is to count: --erase"));
        }
        entry.not_after = end;
        entry.revoked = true;
        Ok(())
    }

    fn drop_empty_groups(&mut self) {
        for environment in &mut self.policy.environments {
            let is_empty = |group: &Option<KeyGroup>| {
                group.as_ref().is_some_and(|group| group.keys.is_empty())
            };
            if is_empty(&environment.halt) {
                environment.halt = None;
            }
            if is_empty(&environment.overriders) {
                environment.overriders = None;
            }
        }
    }

    fn rotate(
        &mut self,
        role: &KeyRole,
        old: &KeyChoice,
        new: &PublicKey,
        person: Option<&str>,
        end: End,
    ) -> Result<()> {
        let keys = self.keys(role, true);
        let id = self.choose(role, old)?;
        let before = keys.iter().find(|(other, _)| *other == id);
        let person = person.map(str::to_owned);
        let person = person.or_else(|| before.and_then(|(_, person)| person.clone()));
        let person = person.unwrap_or_else(|| "somebody unknown".into());
        let place = match role {
            KeyRole::Tuf(_) => keys.iter().position(|(other, _)| *other == id),
            _ => None,
        };
        self.add(role, new, &person, None, place)?;
        self.remove(role, &id, end)
    }
}

fn end_or_never(end: Option<Timestamp>) -> Result<Timestamp> {
    match end {
        Some(end) => Ok(end),
        None => FOREVER
            .parse()
            .map_err(|e| Error::bug("the end of time is no time").caused_by(e)),
    }
}

/// What is not named stays.
fn set<T: Clone>(to: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        to.clone_from(value);
    }
}
