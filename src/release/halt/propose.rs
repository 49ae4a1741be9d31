//! Asking for a halt. Pure.

use super::document::{Halt, role_name, target_name};
use super::standing::{agreed, in_force};
use crate::keys::PublicKey;
use crate::release::ceremony::{Kind, Proposal, RoleDraft};
use crate::release::environment::check_reason;
use crate::release::publish::Publisher;
use crate::release::view::View;
use crate::trust::Targets;
use crate::trust::policy::Purpose;
use crate::{Error, Result};

/// What is asked for.
pub struct Stop<'a> {
    /// The environment whose installs are to stop.
    pub environment: &'a str,
    /// Why.
    pub reason: &'a str,
}

/// What came of asking.
pub enum Asked {
    /// The proposal, for its signature.
    Proposed(Box<Proposal>),
    /// It is halted already.
    Already(Halt),
}

impl Stop<'_> {
    /// Proposes it, for whoever holds one of the keys `at_hand`.
    ///
    /// # Errors
    /// No such environment, nobody who may halt it, nothing that it runs; a reason that is none; none of the keys may.
    pub fn propose(
        &self,
        publisher: &Publisher,
        view: &mut View,
        at_hand: &[PublicKey],
    ) -> Result<Asked> {
        let name = self.environment;
        check_reason(self.reason)?;
        let environment = view.policy.environment(name).ok_or_else(|| {
            Error::usage(format!(
                "policy has no environment {name:?}, wanted one of {}",
                view.policy.environment_names().join(", ")
            ))
        })?;
        let role = role_name(name);
        let Some(group) = environment.halt.clone() else {
            return Err(Error::failed(format!(
                "policy lets nobody halt {name}: it has no role {role}"
            ))
            .hint(format!(
                "the root keys decide who may: relman root add {role} KEY.pub"
            )));
        };
        let purpose = Purpose::Halt(name.to_owned());
        let policy = view.policy.policy();
        let holders = at_hand.iter().map(PublicKey::keyid);
        let holders = holders.filter(|id| group.keys.contains(id));
        let mut holders = holders.filter_map(|id| policy.key(&purpose, &id, publisher.now));
        let by = holders.next().map(|key| key.entry.person.clone());
        let by = by.ok_or_else(|| {
            let who = group.keys.iter().filter_map(|id| policy.unchecked_key(id));
            let who: Vec<&str> = who.map(|key| key.entry.person.as_str()).collect();
            Error::failed(format!(
                "no {role} key is here; it could be signed by {}",
                who.join(", ")
            ))
            .hint("name the key: --key FILE")
        })?;
        let runs = view.refreshed.role(name)?;
        let present = view.refreshed.role_whenever(&role)?;
        let Some(agreed) = agreed(name, &runs) else {
            return Err(Error::failed(format!(
                "{name} runs nothing yet, so there is nothing to stop"
            )));
        };
        if let Ok(Some(halt)) = in_force(name, &present, &runs) {
            return Ok(Asked::Already(halt));
        }
        let halt = Halt {
            environment: name.to_owned(),
            version: agreed.version,
            tag: agreed.tag,
            reason: self.reason.to_owned(),
            by,
            time: publisher.now,
        };
        let mut targets: Targets = Targets::clone(&present);
        publisher.renew(&mut targets, &role)?;
        targets.targets.clear();
        targets.targets.insert(target_name(name), halt.target()?);
        let mut proposal = Proposal::new(
            &view.policy.policy().document().project,
            &format!("{role}-{}", targets.version),
            Kind::Halt,
            &format!("stop installs of {} in {name}: {}", halt.tag, halt.reason),
            publisher.now,
        );
        proposal.roles.push(RoleDraft::targets(&role, &targets)?);
        let text = String::from_utf8(halt.to_bytes()?)
            .map_err(|e| Error::bug("JSON is not UTF-8").caused_by(e))?;
        proposal.files.insert(halt.path()?, text);
        Ok(Asked::Proposed(Box::new(proposal)))
    }
}
