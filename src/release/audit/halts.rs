//! What the halts were: each of an agreement of its time, with its file, and none that was taken away but by a newer
//! agreement or by the root threshold. Pure.

use std::collections::BTreeSet;

use super::environments::read;
use super::versions::{Look, Versions};
use super::{Problem, problem};
use crate::hash::Sha256;
use crate::limits::MAX_CURRENT_LEN;
use crate::release::halt::{self, Halt};
use crate::store::Reader;
use crate::trust::schema::Targets;
use crate::{Error, Result as CrateResult};

/// What is to be said of halts.
#[derive(Default)]
pub struct Found {
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What the root threshold decided.
    pub notes: Vec<String>,
    /// Names of the files that they listed.
    pub files: BTreeSet<String>,
    /// How many there were.
    pub count: usize,
}

/// Checks all halts of all environments that there ever were.
pub fn check(store: &dyn Reader, look: &Look, versions: &Versions) -> Found {
    let mut found = Found::default();
    for (role, known) in &versions.roles {
        let Some(environment) = halt::environment_of(role) else {
            continue;
        };
        let mut walk = Walk {
            store,
            look,
            versions,
            environment,
            before: None,
        };
        for (version, index) in known {
            if let Err(e) = walk.version(role, (*version, *index), &mut found) {
                let path = format!("metadata/{version}.{role}.json");
                found.problems.extend(problem(path, &e));
            }
        }
    }
    found
}

struct Walk<'a> {
    store: &'a dyn Reader,
    look: &'a Look<'a>,
    versions: &'a Versions,
    environment: &'a str,
    /// The entry of the version before, and its halt.
    before: Option<(u64, Halt)>,
}

impl Walk<'_> {
    fn version(
        &mut self,
        name: &str,
        (version, index): (u64, u64),
        found: &mut Found,
    ) -> CrateResult<()> {
        let role = read(self.store, &format!("metadata/{version}.{name}.json"))?;
        // Also one that has ended and was only signed anew.
        let target = role.targets.get(&halt::target_name(self.environment));
        let listed = target.map(|target| Halt::of(self.environment, target));
        let listed = listed.transpose()?;
        if let Some(halt) = &listed {
            self.file(halt, found)?;
        }
        if index < self.look.logged.since {
            // Judged with the rest, earlier.
            self.before = listed.map(|halt| (index, halt));
            return Ok(());
        }
        let runs = self.versions.role_at(self.environment, index);
        let runs = runs
            .ok_or_else(|| Error::refused(format!("there was no {} to halt", self.environment)))?;
        let runs = read(
            self.store,
            &format!("metadata/{runs}.{}.json", self.environment),
        )?;
        let now = halt::in_force(self.environment, &role, &runs)?;
        let before = self.before.take();
        let is_new = listed.is_some() && before.as_ref().map(|(_, halt)| halt) != listed.as_ref();
        found.count += usize::from(is_new);
        if is_new && now.is_none() {
            return Err(Error::refused(
                "stops an agreement that a newer one had replaced already",
            ));
        }
        self.taken_away(
            name,
            (version, index),
            before,
            listed.as_ref(),
            &runs,
            found,
        );
        self.before = listed.map(|halt| (index, halt));
        Ok(())
    }

    /// Whoever may halt may not take it back: a newer agreement does, or whoever may change the keys.
    fn taken_away(
        &self,
        name: &str,
        (version, index): (u64, u64),
        before: Option<(u64, Halt)>,
        listed: Option<&Halt>,
        runs: &Targets,
        found: &mut Found,
    ) {
        let present = halt::agreed(self.environment, runs).map(|agreed| agreed.version);
        let Some((at, halt)) = before.filter(|(_, halt)| Some(halt.version) == present) else {
            return;
        };
        if listed.is_some_and(|listed| listed.version == halt.version) {
            return;
        }
        let root = |at| self.look.eras.at(at).map(|era| era.root.version);
        let message = format!(
            "takes away the halt of version {} of {}, which ran still",
            halt.version, self.environment
        );
        match root(at) == root(index) {
            true => found.problems.push(Problem::new(
                format!("metadata/{version}.{name}.json"),
                message,
            )),
            false => found.notes.push(format!(
                "{name} version {version} {message}, with a new root"
            )),
        }
    }

    fn file(&self, halt: &Halt, found: &mut Found) -> CrateResult<()> {
        let path = halt.path()?;
        let bytes = self.store.read(&path, MAX_CURRENT_LEN)?;
        let bytes = bytes.ok_or_else(|| Error::refused(format!("{path} is missing")))?;
        let wanted = Sha256::of(&halt.to_bytes()?);
        let is = Sha256::of(&bytes);
        if is != wanted {
            return Err(Error::refused(format!(
                "{path} hashes to {is}, wanted {wanted}"
            )));
        }
        let file = path.trim_start_matches("targets/");
        found.files.insert(file.to_owned());
        Ok(())
    }
}
