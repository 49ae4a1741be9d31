//! Which entries somebody asked for. Pure.

use jiff::Timestamp;

use super::{MALFORMED, Told};
use crate::release::leaf::{KINDS, Leaf, UNKNOWN};
use crate::{Error, Result};

/// What an entry must be; what is none is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// About this release, or moves an environment to it.
    pub release: Option<String>,
    /// A word for a kind, or a predicate type.
    pub kind: Option<String>,
    /// Signed by this person.
    pub person: Option<String>,
    /// About this environment.
    pub environment: Option<String>,
    /// Signed then or later.
    pub from: Option<Timestamp>,
    /// Signed before that.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// Checks what somebody typed.
    ///
    /// # Errors
    /// Usage: no kind that there is; an end that is not after the beginning.
    pub fn check(&self) -> Result<()> {
        if let Some(kind) = &self.kind {
            let words = KINDS.iter().chain([&UNKNOWN, &MALFORMED]);
            if !kind.contains(':') && !words.clone().any(|word| word == kind) {
                let words: Vec<&str> = words.copied().collect();
                return Err(Error::usage(format!(
                    "kind {kind:?}, wanted one of {}, or a predicate type",
                    words.join(", ")
                )));
            }
        }
        match (self.from, self.until) {
            (Some(from), Some(until)) if until <= from => Err(Error::usage(format!(
                "entries from {from} until {until}, wanted an end after the beginning"
            ))),
            _ => Ok(()),
        }
    }

    /// Whether an entry is asked for. `runs` gives the releases to which a metadata entry moves
    /// environments; it is asked last.
    ///
    /// # Errors
    /// What `runs` says.
    pub fn admits(&self, told: &Told, runs: &dyn Fn() -> Result<Vec<String>>) -> Result<bool> {
        let leaf = told.leaf.as_ref();
        let fits = self.kind.as_ref().is_none_or(|kind| has_kind(told, kind))
            && self.person.as_deref().is_none_or(|person| told.people().contains(&person))
            && self.environment.as_ref().is_none_or(|environment| {
                leaf.is_some_and(|leaf| leaf.is_about_environment(environment))
            })
            // What does not say when is in no span of time.
            && self.from.is_none_or(|from| told.time().is_some_and(|time| time >= from))
            && self.until.is_none_or(|until| told.time().is_some_and(|time| time < until));
        let Some(tag) = self.release.as_ref().filter(|_| fits) else {
            return Ok(fits);
        };
        match leaf {
            Some(Leaf::Metadata(_)) => Ok(runs()?.contains(tag)),
            leaf => Ok(leaf.and_then(Leaf::tag) == Some(tag)),
        }
    }
}

fn has_kind(told: &Told, kind: &str) -> bool {
    let found = told.kind();
    let statement = told.statement.as_ref();
    found == kind
        || found.split(' ').next() == Some(kind)
        || statement.is_some_and(|s| s.predicate_type == kind)
}
