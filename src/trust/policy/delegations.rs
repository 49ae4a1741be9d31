//! Metadata against policy: what plain TUF would let a delegator change, and relman does not.

use std::collections::BTreeSet;

use super::Policy;
use crate::trust::schema::{DelegatedRole, Delegations, Root, Targets};

/// A delegated role that the policy knows.
struct Wanted<'a> {
    role: String,
    keys: &'a [String],
    threshold: u64,
}

impl Wanted<'_> {
    fn pattern(&self) -> String {
        format!("{}.*", self.role)
    }
}

impl Policy {
    /// Holds top-level targets against the policy; gives every problem, none if all is well.
    ///
    /// Each environment (and its halt role, if it has one) must be delegated once, terminating, for
    /// exactly `<name>.*`, to exactly the policy's keys and threshold; there must be no other
    /// delegation; and top-level targets must list none of those names.
    pub fn check_delegations(&self, targets: &Targets) -> Vec<String> {
        let mut problems = Vec::new();
        let wanted = self.wanted();
        for path in targets.targets.keys() {
            if let Some(role) = self.owner(path) {
                problems.push(format!(
                    "target {path:?} is listed by targets, wanted in role {role} alone"
                ));
            }
        }
        let none = Vec::new();
        let roles = match &targets.delegations {
            Some(delegations) => {
                if delegations.succinct_roles.is_some() {
                    problems.push(
                        "targets delegates by succinct_roles, which policy does not know".into(),
                    );
                }
                delegations.roles.as_ref().unwrap_or(&none)
            }
            None => &none,
        };
        for wanted in &wanted {
            let found: Vec<_> = roles.iter().filter(|r| r.name == wanted.role).collect();
            match (found.as_slice(), &targets.delegations) {
                ([role], Some(delegations)) => {
                    self.compare(wanted, role, delegations, &mut problems);
                }
                (found, _) => problems.push(format!(
                    "role {} is delegated {} times, wanted once",
                    wanted.role,
                    found.len()
                )),
            }
        }
        for role in roles {
            if !wanted.iter().any(|wanted| wanted.role == role.name) {
                problems.push(format!(
                    "role {:?} is delegated and policy does not know it",
                    role.name
                ));
            }
        }
        problems
    }

    /// Holds a delegated role against the policy: it lists only its own names and delegates to nobody.
    pub fn check_delegated_role(&self, name: &str, role: &Targets) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.wanted().iter().any(|wanted| wanted.role == name) {
            problems.push(format!("role {name:?} is not one that policy knows"));
        }
        for path in role.targets.keys().filter(|path| !reserved(name, path)) {
            problems.push(format!(
                "role {name} lists target {path:?}, wanted {name}.* alone"
            ));
        }
        if role.delegations.is_some() {
            problems.push(format!(
                "role {name} delegates further, wanted no delegations"
            ));
        }
        problems
    }

    /// Holds root against the policy: no key of a TUF role has a purpose besides.
    pub fn check_root(&self, root: &Root) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, role) in &root.roles {
            let keys = role.keyids.iter().filter_map(|id| root.keys.get(id));
            for bytes in keys.filter_map(|key| key.ed25519_bytes()) {
                for key in self.keys.values().filter(|key| key.bytes == bytes) {
                    problems.push(format!(
                        "key {} signs role {name} and is the {} key of {} too",
                        key.entry.id, key.entry.purpose, key.entry.person
                    ));
                }
            }
        }
        problems
    }

    /// Names of the delegated roles that policy knows: environments and their halt roles.
    pub fn role_names(&self) -> Vec<String> {
        self.wanted()
            .into_iter()
            .map(|wanted| wanted.role)
            .collect()
    }

    /// The environment or halt role, delegated or not, that alone may list `path`.
    fn owner(&self, path: &str) -> Option<String> {
        self.document
            .environments
            .iter()
            .flat_map(|e| [e.name.clone(), format!("halt-{}", e.name)])
            .find(|role| reserved(role, path))
    }

    fn wanted(&self) -> Vec<Wanted<'_>> {
        let mut out = Vec::new();
        for environment in &self.document.environments {
            out.push(Wanted {
                role: environment.name.clone(),
                keys: &environment.keys,
                threshold: environment.threshold,
            });
            if let Some(halt) = &environment.halt {
                out.push(Wanted {
                    role: format!("halt-{}", environment.name),
                    keys: &halt.keys,
                    threshold: halt.threshold,
                });
            }
        }
        out
    }

    fn compare(
        &self,
        wanted: &Wanted<'_>,
        found: &DelegatedRole,
        delegations: &Delegations,
        problems: &mut Vec<String>,
    ) {
        let name = &wanted.role;
        if found.threshold != wanted.threshold {
            problems.push(format!(
                "role {name} has threshold {}, policy wants {}",
                found.threshold, wanted.threshold
            ));
        }
        let have: BTreeSet<&String> = found.keyids.iter().collect();
        let want: BTreeSet<&String> = wanted.keys.iter().collect();
        for id in have.difference(&want) {
            problems.push(format!(
                "role {name} has key {id}, which policy does not give it"
            ));
        }
        for id in want.difference(&have) {
            problems.push(format!("role {name} lacks key {id}, which policy gives it"));
        }
        for id in have.intersection(&want) {
            let listed = delegations.keys.get(*id);
            if listed != self.keys.get(*id).map(|key| &key.key) {
                problems.push(format!(
                    "role {name} has another key under id {id} than policy"
                ));
            }
        }
        let pattern = wanted.pattern();
        if found.paths.as_deref() != Some(std::slice::from_ref(&pattern)) {
            problems.push(format!(
                "role {name} is delegated {:?}, wanted [{pattern:?}]",
                found.paths.as_deref().unwrap_or_default()
            ));
        }
        if !found.terminating {
            problems.push(format!(
                "role {name} is not terminating, wanted terminating"
            ));
        }
    }
}

/// Whether `path` is one of the names of `role`.
fn reserved(role: &str, path: &str) -> bool {
    path.strip_prefix(role)
        .is_some_and(|rest| rest.starts_with('.'))
}
