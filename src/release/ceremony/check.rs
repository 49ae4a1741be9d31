//! Holds a proposal against verified metadata: what nobody should sign and nothing may publish. Pure.

mod said;

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::base::After;
use super::{Base, Kind, Proposal, RoleDraft};
use crate::hash::Sha256;
use crate::release::config::safe_relative;
use crate::release::halt;
use crate::release::yank;
use crate::trust::schema::{Role, Targets};
use crate::trust::verify::Signers;
use crate::trust::{Unverified, Verified};
use crate::{Error, Result};

/// Versions that a role may leave out, where files of killed attempts have used them.
const MAX_SKIPPED: u64 = 1000;

impl Proposal {
    /// Every reason not to sign or publish this proposal over `base` at `now`; none if all is well.
    ///
    /// # Errors
    /// A proposal so malformed that it cannot be held against anything.
    pub fn check(&self, base: &Base, now: Timestamp) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        let project = &base.policy.policy().document().project;
        if self.project != *project {
            problems.push(format!(
                "it is for project {:?}, this is {project:?}",
                self.project
            ));
        }
        let stale = self.stale(base)?;
        if !stale.is_empty() {
            // What follows from that is no help to anybody.
            problems.extend(stale);
            return Ok(problems);
        }
        let after = base.after(self)?;
        for draft in &self.roles {
            let expires = match draft {
                RoleDraft::Root(draft) => draft.unverified_body()?.expires,
                RoleDraft::Targets { draft, .. } => draft.unverified_body()?.expires,
            };
            if !draft.is_plain()? {
                problems.push(format!(
                    "role {} is in a form that is not shown",
                    draft.name()
                ));
            }
            if expires <= now {
                problems.push(format!(
                    "role {} would expire at {expires}, it is now {now}",
                    draft.name()
                ));
            }
        }
        problems.extend(after.policy.check_root(&after.root));
        let policy = after.policy.policy();
        problems.extend(policy.check_delegations(&after.targets));
        for (name, role) in &after.roles {
            problems.extend(policy.check_delegated_role(name, role));
        }
        problems.extend(self.strange_roles(&after));
        problems.extend(yank::check(self, base, &after.targets)?);
        problems.extend(halt::check(self, base)?);
        problems.extend(self.left_behind(base, &after));
        problems.extend(self.strange_files()?);
        problems.extend(self.strange_proofs());
        problems.extend(self.strange_statements(base, now));
        problems.extend(self.strange_releases(base, &after));
        Ok(problems)
    }

    /// Roles that nobody knows, and a root that comes under another heading.
    fn strange_roles(&self, after: &After) -> Vec<String> {
        let mut problems = Vec::new();
        let changes_root = self.role("root").is_some() || self.policy.is_some();
        if changes_root != (self.kind == Kind::Root) {
            problems.push(format!(
                "it is for {:?} and {} root",
                self.kind,
                match changes_root {
                    true => "changes",
                    false => "leaves",
                }
            ));
        }
        let known = after.policy.policy().role_names();
        for name in self.roles.iter().map(RoleDraft::name) {
            if !["root", "targets"].contains(&name) && !known.iter().any(|known| known == name) {
                problems.push(format!("role {name:?} is not one that policy knows"));
            }
        }
        problems
    }

    /// Proofs that would not lie beside a release's own.
    fn strange_proofs(&self) -> Vec<String> {
        let strange = |path: &str| {
            let parts = path.split_once('/');
            !safe_relative(path)
                || !parts.is_some_and(|(dir, name)| {
                    !["metadata", "log", "targets"].contains(&dir)
                        && name.ends_with(".tlog-proof")
                        && !name.contains('/')
                })
        };
        let proofs = self.statements.iter().map(|statement| &statement.proof);
        let strange = proofs.filter(|path| strange(path));
        strange
            .map(|path| format!("proof {path:?} would lie where no proof belongs"))
            .collect()
    }

    /// Whether the store has moved on since this proposal was made, and where.
    ///
    /// # Errors
    /// As [`Proposal::check`].
    pub fn stale(&self, base: &Base) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        for draft in &self.roles {
            let (name, found) = (draft.name(), draft.version()?);
            let known = base.version(name);
            let follows = match name {
                "root" => found == known.saturating_add(1),
                _ => found > known && found - known <= MAX_SKIPPED,
            };
            if !follows && found > known {
                problems.push(format!(
                    "role {name} would have version {found}, the store has {known}, which is too far"
                ));
            } else if !follows {
                problems.push(format!(
                    "role {name} would have version {found}, the store has {known} already"
                ));
            }
            if !seen.insert(name) {
                problems.push(format!("role {name} is in it twice"));
            }
        }
        Ok(problems)
    }

    /// Roles that are not part of it and would no longer be signed by those who then must.
    fn left_behind(&self, base: &Base, after: &After) -> Vec<String> {
        let hold = |name: &str, role: &Verified<Targets>, signers: Result<Signers, _>| {
            let by = format!("role {name} as it is now");
            let verified = signers.and_then(|signers| {
                Unverified::<Targets>::parse(role.bytes())?.verify(name, &by, signers)
            });
            let error = verified.err()?;
            Some(format!(
                "role {name} would have to be signed anew and is not part of it: {error}"
            ))
        };
        let mut problems = Vec::new();
        if self.role("targets").is_none() {
            let signers = Signers::of_root(&after.root, "targets");
            problems.extend(hold("targets", &base.targets, signers));
        }
        for name in after.policy.policy().role_names() {
            if self.role(&name).is_some() {
                continue;
            }
            match base.roles.get(&name) {
                Some(role) => {
                    let signers = Signers::of_delegation(&after.targets, "targets", &name);
                    problems.extend(hold(&name, role, signers));
                }
                None => problems.push(format!("role {name} is new and not part of it")),
            }
        }
        problems
    }

    /// Files that no role in it lists under their digest.
    fn strange_files(&self) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        for (path, text) in &self.files {
            let digest = Sha256::of(text.as_bytes());
            let name = path
                .strip_prefix("targets/")
                .and_then(|rest| rest.strip_prefix(&format!("{digest}.")));
            let mut listed = false;
            for draft in &self.roles {
                if let (RoleDraft::Targets { draft, .. }, Some(name)) = (draft, name) {
                    let body = draft.unverified_body()?;
                    let target = body.targets.get(name);
                    listed |= target.is_some_and(|t| {
                        t.sha256() == Some(digest) && t.length == text.len() as u64
                    });
                }
            }
            if !listed || !safe_relative(path) {
                problems.push(format!("file {path:?} is listed by no role of it"));
            }
        }
        Ok(problems)
    }

    /// As [`Proposal::check`], with all that is wrong as one error.
    ///
    /// # Errors
    /// Refused, with every problem as a cause.
    pub fn require_sound(&self, base: &Base, now: Timestamp) -> Result<()> {
        let problems = self.check(base, now)?;
        if problems.is_empty() {
            return Ok(());
        }
        let stale = !self.stale(base)?.is_empty();
        let error = Error::refused(format!("proposal {} cannot be published", self.id));
        let error = problems.iter().fold(error, Error::caused_by);
        Err(match stale {
            true => error.hint(format!(
                "the store has moved on since: relman withdraw {}, then propose it again",
                self.id
            )),
            false => error.hint("do not sign it as it is: ask whoever proposed it"),
        })
    }
}

/// The expiry of a role, for messages.
pub(super) fn until<T: Role>(role: &T) -> String {
    role.expires().to_string()
}
