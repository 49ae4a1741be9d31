//! From changes to a whole proposal: the new root, the policy, and every role that then has to be
//! signed anew. Pure.

use super::edit::{Draft, next_second};
use super::voided::believes;
use super::{Change, KeyRole};
use crate::release::ceremony::{Base, Kind, Proposal, RoleDraft};
use crate::release::policy::ReleasePolicy;
use crate::release::publish::{Publisher, expires};
use crate::release::text;
use crate::release::view::View;
use crate::trust::policy::{Pin, Policy, Purpose};
use crate::trust::verify::Signers;
use crate::trust::{Targets, TrustError, Unverified, Verified};
use crate::{Error, Result};

/// Longest summary of a proposal, in characters.
const MAX_SUMMARY: usize = 200;

/// The id of the proposal that follows `base`.
pub fn root_id(base: &Base) -> String {
    format!("root-{}", base.root.version.saturating_add(1))
}

impl Publisher<'_> {
    /// Proposes a root with `changes` made to it, on top of those of a proposal that waits. What must
    /// follow is part of it: policy, delegations, and roles whose present signatures or log entries
    /// would no longer count.
    ///
    /// # Errors
    /// A change that cannot be made, a root or policy that contradicts itself.
    pub fn propose_root(
        &self,
        view: &mut View,
        pending: Option<&Proposal>,
        changes: &[Change],
    ) -> Result<Proposal> {
        let base = Base::of(view)?;
        let start = match pending {
            Some(pending) => Some(base.after(pending)?),
            None => None,
        };
        let old_policy = base.policy.policy().document();
        let mut draft = match &start {
            Some(after) => Draft {
                root: after.root.clone(),
                policy: after.policy.policy().document().clone(),
                now: self.now,
                until: Some(after.root.expires),
            },
            None => Draft {
                root: (*base.root).clone(),
                policy: old_policy.clone(),
                now: self.now,
                until: None,
            },
        };
        for change in changes {
            draft.apply(change)?;
        }
        let Draft {
            mut root,
            policy,
            until,
            ..
        } = draft;
        let mut publishers = policy.keys.iter();
        if !publishers.any(|key| key.counts_for(&Purpose::Publisher, next_second(self.now))) {
            return Err(Error::refused(
                "no publisher key would be left, and nothing could be published",
            )
            .hint("put another in its place: relman root rotate publisher OLD NEW.pub"));
        }
        root.version = base.root.version.saturating_add(1);
        root.expires = match until {
            Some(until) => until,
            None => expires(self.expiry, "root", self.now)?,
        };
        let bytes = ReleasePolicy::to_bytes(&policy)?;
        let pin = Pin::of(&bytes);
        let mut proposal = Proposal::new(
            &old_policy.project,
            &root_id(&base),
            Kind::Root,
            &summary(pending, changes),
            self.now,
        );
        if policy != *old_policy {
            pin.set(&mut root);
            let text = String::from_utf8(bytes.clone());
            proposal.policy = Some(text.map_err(|e| Error::bug("JSON is text").caused_by(e))?);
        } else {
            base.policy.pin().set(&mut root);
        }
        let policy = match &proposal.policy {
            Some(_) => ReleasePolicy::parse(&bytes, pin)?,
            None => base.policy.clone(),
        };
        if let Some(first) = policy.check_root(&root).first() {
            return Err(Error::refused(first.clone()));
        }
        proposal.roles.push(RoleDraft::root(&root)?);
        let counts = |name: &str,
                      role: &Verified<Targets>,
                      signers: Result<Signers, TrustError>| {
            let signed = signers.and_then(|signers| {
                Unverified::<Targets>::parse(role.bytes())?.verify(name, "the new root", signers)
            });
            let this = (name, role.version, role.bytes());
            Ok::<_, Error>(signed.is_ok() && believes(&policy, self.store, this)?)
        };

        let mut targets = Targets::clone(&base.targets);
        delegate(&mut targets, policy.policy())?;
        let same = targets.delegations == base.targets.delegations;
        let signers = Signers::of_root(&root, "targets");
        if !same || !counts("targets", &base.targets, signers)? {
            self.renew(&mut targets, "targets")?;
            let draft = RoleDraft::targets("targets", &targets)?;
            proposal.roles.push(draft);
        }
        for name in policy.policy().role_names() {
            let mut role = match base.roles.get(&name) {
                Some(role) => {
                    let signers = Signers::of_delegation(&targets, "targets", &name);
                    if counts(&name, role, signers)? {
                        continue;
                    }
                    Targets::clone(role)
                }
                None => Targets::new(0, self.now),
            };
            self.renew(&mut role, &name)?;
            proposal.roles.push(RoleDraft::targets(&name, &role)?);
        }
        Ok(proposal)
    }
}

/// Delegates to exactly the roles that policy knows.
fn delegate(targets: &mut Targets, policy: &Policy) -> Result<()> {
    let names = policy.role_names();
    for environment in &policy.document().environments {
        let name = environment.name.clone();
        let halt = environment.halt.as_ref();
        let groups = [
            Some((name.clone(), &environment.keys, environment.threshold)),
            halt.map(|halt| (format!("halt-{name}"), &halt.keys, halt.threshold)),
        ];
        for (name, ids, threshold) in groups.into_iter().flatten() {
            let keys = ids.iter().filter_map(|id| policy.unchecked_key(id));
            let keys: Vec<_> = keys.map(|key| key.key.clone()).collect();
            targets.delegate(&name, &keys, threshold, true, &[format!("{name}.*")])?;
        }
    }
    if let Some(delegations) = &mut targets.delegations
        && let Some(roles) = &mut delegations.roles
    {
        roles.retain(|role| names.contains(&role.name));
        let used: Vec<&String> = roles.iter().flat_map(|role| &role.keyids).collect();
        delegations.keys.retain(|id, _| used.contains(&id));
    }
    Ok(())
}

fn summary(pending: Option<&Proposal>, changes: &[Change]) -> String {
    let earlier = pending.map(|pending| pending.summary.clone());
    let new = changes.iter().map(Change::to_string);
    let all: Vec<String> = earlier.into_iter().chain(new).collect();
    text::cut(&all.join("; "), MAX_SUMMARY)
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |role: &KeyRole| role.name();
        match self {
            Change::Add { role, person, .. } => {
                write!(f, "add a {} key of {person}", name(role))
            }
            Change::Remove { role, .. } => write!(f, "remove a {} key", name(role)),
            Change::Rotate { role, .. } => write!(f, "replace a {} key", name(role)),
            Change::Threshold { role, threshold } => {
                write!(f, "{} threshold {threshold}", name(role))
            }
            Change::Environment { name, .. } => write!(f, "rules of {name}"),
            Change::Cut(_) => f.write_str("rules of every release"),
            Change::Witnesses { .. } => f.write_str("witnesses of the log"),
            Change::Watch { policy: Some(_) } => f.write_str("the watch policy"),
            Change::Watch { policy: None } => f.write_str("no watch policy"),
            Change::Renew { .. } => f.write_str("renew root"),
        }
    }
}
