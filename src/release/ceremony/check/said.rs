//! What a proposal would put into the log and list as releases, held against who may say so, and when. Pure.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::super::base::After;
use super::super::{Base, Proposal};
use crate::attest::Statement;
use crate::limits::MAX_PROPOSAL_SKEW_SECONDS;
use crate::release::leaf::{METADATA, RELEASE};
use crate::release::state::Released;

impl Proposal {
    /// A proposal without anything to sign or from the future, statements that publishing makes by itself,
    /// that lie on one another, or whose signers count no more.
    pub(super) fn strange_statements(&self, base: &Base, now: Timestamp) -> Vec<String> {
        let mut problems = Vec::new();
        // What asks for no signature would be published by whoever brings it.
        if self.roles.is_empty() && self.statements.is_empty() {
            problems.push("nothing in it is to be signed".into());
        }
        let skew = SignedDuration::from_secs(MAX_PROPOSAL_SKEW_SECONDS);
        if self.time > now.saturating_add(skew).unwrap_or(now) {
            problems.push(format!("it is dated {}, it is now {now}", self.time));
        }
        let mut proofs = BTreeSet::new();
        for draft in &self.statements {
            if !proofs.insert(&draft.proof) {
                problems.push(format!("proof {:?} is in it twice", draft.proof));
            }
            let parsed = draft
                .statement
                .to_bytes()
                .and_then(|b| Statement::parse(&b));
            if let Err(e) = parsed {
                problems.push(format!("statement {:?} is malformed: {e}", draft.proof));
            }
            let kind = draft.statement.predicate_type.as_str();
            if [RELEASE, METADATA].contains(&kind) {
                problems.push(format!(
                    "statement {kind} comes into the log by itself when something is published"
                ));
            }
            // Signers count at the proposal's time, which is what its proposer says that it is.
            let then = base.policy.accepted(&draft.purpose, self.time);
            let today = base.policy.accepted(&draft.purpose, now);
            let signers = draft.signers(&then);
            if !then.is_empty() && !then.iter().any(|key| today.contains(key)) {
                problems.push(format!(
                    "no {} key of policy counts both at {}, when it was proposed, and now, at {now}",
                    draft.purpose, self.time
                ));
            } else if let Some(key) = signers.iter().find(|key| !today.contains(key)) {
                problems.push(format!(
                    "{} signed as {}, with a key that does not count at {now}",
                    base.policy.people(&BTreeSet::from([*key])),
                    draft.purpose
                ));
            }
        }
        problems
    }

    /// Releases that would be there without their files, or in the place of others.
    pub(super) fn strange_releases(&self, base: &Base, after: &After) -> Vec<String> {
        let mut problems = Vec::new();
        let read = |name: &String, file| Released::read(name, file).ok();
        for (name, file) in &after.targets.targets {
            let Some(new) = read(name, file) else {
                continue;
            };
            let old = base
                .targets
                .targets
                .get(name)
                .and_then(|old| read(name, old));
            match old {
                None if self.draft.as_ref() != Some(&new.tag) => problems.push(format!(
                    "release {} is new, and its files do not come with it",
                    new.tag
                )),
                Some(old) if whatever_yanked(&old) != whatever_yanked(&new) => {
                    problems.push(format!(
                        "release {} would be another than the one that is published",
                        new.tag
                    ))
                }
                _ => {}
            }
        }
        for (name, file) in &base.targets.targets {
            if let Some(old) = read(name, file)
                && !after.targets.targets.contains_key(name)
            {
                problems.push(format!(
                    "release {} would be gone, and the log has it for ever: yank it instead",
                    old.tag
                ));
            }
        }
        problems
    }
}

fn whatever_yanked(released: &Released) -> Released {
    Released {
        yanked: None,
        ..released.clone()
    }
}
