//! Which role speaks for a target: pre-order depth-first search of delegations (TUF 1.0, section
//! 5.6.7). Roles are loaded by a callback; nothing is fetched here.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::TrustError;
use super::schema::{TargetFile, Targets};
use super::verify::Verified;
use crate::limits::MAX_DELEGATIONS;

/// A target, and the role that lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The role that was believed.
    pub role: String,
    /// What the bytes must be.
    pub target: TargetFile,
}

/// Searches target `path`; `load` gets a role's name and its delegator's.
///
/// `None` where every role that could speak for the path was asked and does not list it.
///
/// # Errors
/// What `load` says; [`TrustError::TooManyDelegations`] where roles are left unvisited after
/// [`MAX_DELEGATIONS`]; `succinct_roles` in a role that does not list the target itself.
pub fn search<E, F>(path: &str, mut load: F) -> Result<Option<Found>, E>
where
    E: From<TrustError>,
    F: FnMut(&str, &str) -> Result<Arc<Verified<Targets>>, E>,
{
    let mut stack = vec![("targets".to_owned(), "root".to_owned())];
    let mut visited = BTreeSet::new();
    while let Some((role, delegator)) = stack.pop() {
        if visited.contains(&role) {
            continue;
        }
        // The top-level role is no delegation, hence not ">=".
        if visited.len() > MAX_DELEGATIONS {
            return Err(E::from(TrustError::TooManyDelegations {
                target: path.into(),
                limit: MAX_DELEGATIONS,
            }));
        }
        let targets = load(&role, &delegator)?;
        if let Some(target) = targets.targets.get(path) {
            return Ok(Some(Found {
                target: target.clone(),
                role,
            }));
        }
        if let Some(delegations) = &targets.delegations {
            if delegations.succinct_roles.is_some() {
                return Err(E::from(TrustError::Unsupported {
                    role,
                    what: "succinct_roles (TAP 15)".into(),
                }));
            }
            let mut children = Vec::new();
            for child in delegations.roles().iter().filter(|c| c.matches(path)) {
                children.push((child.name.clone(), role.clone()));
                if child.terminating {
                    stack.clear();
                    break;
                }
            }
            stack.extend(children.into_iter().rev());
        }
        visited.insert(role);
    }
    Ok(None)
}

/// Whether shell pattern `pattern` matches all of `path`. `*` and `?` never match `/`; every other
/// character, `[` too, stands for itself. Takes time in the product of the lengths at most.
pub fn glob(pattern: &str, path: &str) -> bool {
    let mut patterns = pattern.split('/');
    let mut parts = path.split('/');
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if component(pattern, part) => {}
            _ => return false,
        }
    }
}

fn component(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Where to go on if the text does not fit: after the last star, one character further.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let (mut next_pattern, mut next_text) = (pattern.clone(), text.clone());
        let fits = match (next_pattern.next(), next_text.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                pattern = next_pattern.clone();
                retry = Some((next_pattern, text.clone()));
                continue;
            }
            (Some('?'), Some(_)) => true,
            (Some(wanted), Some(found)) => wanted == found,
            _ => false,
        };
        if fits {
            (pattern, text) = (next_pattern, next_text);
            continue;
        }
        let Some((after_star, mut rest)) = retry.take() else {
            return false;
        };
        if rest.next().is_none() {
            return false;
        }
        (pattern, text) = (after_star.clone(), rest.clone());
        retry = Some((after_star, rest));
    }
}
