//! Whether a halt is in force: what its role says, held against what the environment has agreed on. Pure.

use super::document::{Halt, role_name, target_name};
use crate::release::environment::{self, MEMBER};
use crate::release::policy::ReleasePolicy;
use crate::release::state;
use crate::trust::policy::Purpose;
use crate::trust::{Targets, Verified};
use crate::{Error, Result};

/// What an environment has agreed on, as its role says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The release.
    pub tag: String,
    /// The version of the role with which that was agreed; a role that is only signed anew keeps it.
    pub version: u64,
}

/// What role `environment` has agreed on; none where nothing was promoted yet.
pub fn agreed(environment: &str, role: &Targets) -> Option<Agreed> {
    let target = role.targets.get(&environment::target_name(environment))?;
    let custom = target.custom.as_ref().and_then(|custom| custom.get(MEMBER));
    let said = custom.and_then(|custom| custom.get("version")?.as_u64());
    Some(Agreed {
        tag: state::current_tag(target)?,
        version: said.unwrap_or(role.version),
    })
}

/// The halt that is in force in `environment`: `halt` is the role that halts it, `role` its own. One that names an
/// earlier agreement than the present one has ended.
///
/// # Errors
/// Refused: a role that lists anything but one halt; a halt of what was never agreed. Nothing is to be installed then.
pub fn in_force(environment: &str, halt: &Targets, role: &Targets) -> Result<Option<Halt>> {
    let name = target_name(environment);
    if let Some(other) = halt.targets.keys().find(|path| **path != name) {
        return Err(Error::refused(format!(
            "role {} lists target {other:?}, wanted {name} alone",
            role_name(environment)
        )));
    }
    let Some(target) = halt.targets.get(&name) else {
        return Ok(None);
    };
    let halt = Halt::of(environment, target)?;
    let agreed = agreed(environment, role);
    let present = agreed.as_ref().map_or(0, |agreed| agreed.version);
    let wrong = |found: String| Err(Error::refused(format!("{name} {found}")));
    match agreed {
        Some(agreed) if halt.version == present && halt.tag == agreed.tag => Ok(Some(halt)),
        Some(agreed) if halt.version == present => wrong(format!(
            "stops {} of version {present}, which agreed on {}",
            halt.tag, agreed.tag
        )),
        _ if halt.version > present => wrong(format!(
            "stops version {} of {environment}, which is at version {present}",
            halt.version
        )),
        _ => Ok(None),
    }
}

/// Who signed the role that halts `environment`, as policy names them, each once.
pub fn people(environment: &str, halt: &Verified<Targets>, policy: &ReleasePolicy) -> Vec<String> {
    let purpose = Purpose::Halt(environment.to_owned());
    let signers = halt.signers().iter();
    let mut people: Vec<String> = signers
        .filter_map(|id| policy.policy().unchecked_key(id))
        .filter(|key| key.entry.purpose == purpose)
        .map(|key| key.entry.person.clone())
        .collect();
    people.sort();
    people.dedup();
    people
}
