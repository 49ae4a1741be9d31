//! How far a node may go back from a release, as the release itself declares it. Pure.

use serde::{Deserialize, Serialize};

use super::tag::Tag;
use crate::{Error, Result};

/// Declared in `[release]` of the tag's `relman.toml`, signed with the release in `targets.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Edges {
    /// The oldest release that a node may go back to from this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_to: Option<String>,
    /// The schema of the data directory that this release writes, and the newest that it reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_schema: Option<u32>,
    /// The oldest schema whose releases can read what this one writes; its own where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_readable_from: Option<u32>,
}

/// Why a node may not go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Barrier {
    /// Whatever is done with the data.
    Release(String),
    /// Unless the data of that time are put back as well.
    Data(String),
}

impl Edges {
    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        *self == Edges::default()
    }

    /// Checks what a configuration declares.
    ///
    /// # Errors
    /// Usage: a tag that is none; a schema that contradicts the other.
    pub fn check(&self) -> Result<()> {
        if let Some(tag) = &self.rollback_to {
            Tag::parse_any(tag)?;
        }
        match (self.data_schema, self.data_readable_from) {
            (None, Some(from)) => Err(Error::usage(format!(
                "data_readable_from is {from}, but data_schema is missing"
            ))),
            (Some(schema), Some(from)) if from > schema => Err(Error::usage(format!(
                "data_readable_from is {from}, wanted at most data_schema, which is {schema}"
            ))),
            _ => Ok(()),
        }
    }

    /// Why a node that ran the release `from`, which declares this, may not go back to `to`, which
    /// declares `other`. A `to` that is no release (it was found on the host) declares nothing.
    pub fn barrier(&self, from: &str, to: &str, other: &Edges) -> Option<Barrier> {
        if let Some(oldest) = &self.rollback_to {
            let within = Tag::parse_any(oldest)
                .and_then(|oldest| Tag::parse_any(to).map(|to| to >= oldest))
                .unwrap_or(false);
            if !within {
                return Some(Barrier::Release(format!(
                    "{from} declares that it can be rolled back as far as {oldest}, and {to} is before that"
                )));
            }
        }
        let written = self.data_schema?;
        let needed = self.data_readable_from.unwrap_or(written);
        match other.data_schema {
            Some(reads) if reads >= needed => None,
            Some(reads) => Some(Barrier::Data(format!(
                "{from} writes data of schema {written}, readable by releases of schema {needed} and later; {to} has schema {reads}"
            ))),
            None => Some(Barrier::Data(format!(
                "{from} writes data of schema {written}, readable by releases of schema {needed} and later; {to} does not say which it reads"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "phase1-a-1.0.0";
    const NEW: &str = "phase2-b-1.0.0";

    fn edges(to: Option<&str>, schema: Option<u32>, from: Option<u32>) -> Edges {
        Edges {
            rollback_to: to.map(str::to_owned),
            data_schema: schema,
            data_readable_from: from,
        }
    }

    #[test]
    fn a_release_that_declares_nothing_lets_a_node_go_anywhere() {
        assert_eq!(Edges::default().barrier(NEW, OLD, &Edges::default()), None);
        assert!(Edges::default().is_empty());
    }

    #[test]
    fn a_node_goes_back_as_far_as_the_release_says_and_no_further() {
        let declared = edges(Some("phase1-a-1.0.1"), None, None);
        for (to, passes) in [
            ("phase1-a-1.0.1", true),
            ("phase1-a-1.0.2", true),
            (OLD, false),
            ("adopted-0123456789abcdef", false),
        ] {
            let barrier = declared.barrier(NEW, to, &Edges::default());
            assert_eq!(barrier.is_none(), passes, "{to}: {barrier:?}");
            assert!(!matches!(barrier, Some(Barrier::Data(_))), "{to}");
        }
    }

    #[test]
    fn data_that_the_older_release_cannot_read_have_to_go_back_with_it() {
        let new = edges(None, Some(3), None);
        let data = |to: &Edges| matches!(new.barrier(NEW, OLD, to), Some(Barrier::Data(_)));
        assert!(data(&edges(None, Some(2), None)));
        assert!(data(&Edges::default()));
        assert!(!data(&edges(None, Some(3), None)));
        let lenient = edges(None, Some(3), Some(2));
        assert_eq!(lenient.barrier(NEW, OLD, &edges(None, Some(2), None)), None);
    }

    #[test]
    fn declarations_that_cannot_be_meant_are_usage_errors() {
        assert!(edges(Some("HEAD"), None, None).check().is_err());
        assert!(edges(None, None, Some(1)).check().is_err());
        assert!(edges(None, Some(1), Some(2)).check().is_err());
        assert!(edges(Some(OLD), Some(2), Some(1)).check().is_ok());
    }
}
