//! in-toto Statement v1 (in-toto/attestation, spec/v1/statement.md). Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hash::Sha256;
use crate::trust::json;
use crate::{Error, Result};

/// The `_type` of every statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// The name of a git commit's id among digests (in-toto digest set).
const GIT_COMMIT: &str = "gitCommit";

/// Subjects looked at in one statement.
const MAX_SUBJECTS: usize = 8_192;

/// What is said (predicate) of which artifacts (subjects).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Statement {
    #[serde(rename = "_type")]
    type_: String,
    /// The artifacts.
    pub subject: Vec<Subject>,
    /// What the predicate means.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// The claim.
    #[serde(default)]
    pub predicate: Value,
}

/// An artifact by name and digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// A name that is unique within the statement.
    #[serde(default)]
    pub name: String,
    /// Algorithm to lower-case hex.
    pub digest: BTreeMap<String, String>,
    /// More about it (in-toto ResourceDescriptor).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, Value>,
}

impl Subject {
    /// A subject named by its sha256.
    pub fn new(name: impl Into<String>, sha256: Sha256) -> Self {
        Subject {
            name: name.into(),
            digest: BTreeMap::from([("sha256".into(), sha256.hex())]),
            annotations: BTreeMap::new(),
        }
    }

    /// A subject named by a git commit (in-toto digest set, `gitCommit`).
    pub fn of_commit(name: impl Into<String>, commit: &str) -> Self {
        Subject {
            name: name.into(),
            digest: BTreeMap::from([(GIT_COMMIT.into(), commit.into())]),
            annotations: BTreeMap::new(),
        }
    }

    /// Its git commit, hex, if it has a well-formed one (SHA-1 or SHA-256).
    pub fn git_commit(&self) -> Option<&str> {
        let is_hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        let commit = self.digest.get(GIT_COMMIT)?;
        (matches!(commit.len(), 40 | 64) && commit.bytes().all(is_hex)).then_some(commit)
    }

    /// Its sha256, if it has a well-formed one.
    pub fn sha256(&self) -> Option<Sha256> {
        self.digest
            .get("sha256")
            .and_then(|hex| Sha256::from_hex(hex))
    }
}

impl Statement {
    /// A statement over `subject`.
    pub fn new(subject: Vec<Subject>, predicate_type: &str, predicate: Value) -> Self {
        Statement {
            type_: STATEMENT_TYPE.into(),
            subject,
            predicate_type: predicate_type.into(),
            predicate,
        }
    }

    /// Parses a payload.
    ///
    /// # Errors
    /// Another `_type`, no or too many subjects, two subjects of one name, a subject with neither a
    /// sha256 nor a git commit.
    pub fn parse(payload: &[u8]) -> Result<Self> {
        let statement: Statement = serde_json::from_value(json::parse(payload)?)
            .map_err(|e| Error::refused("not an in-toto statement").caused_by(e))?;
        if statement.type_ != STATEMENT_TYPE {
            return Err(Error::refused(format!(
                "statement type {:?}, wanted {STATEMENT_TYPE:?}",
                statement.type_
            )));
        }
        if statement.subject.is_empty() || statement.subject.len() > MAX_SUBJECTS {
            return Err(Error::refused(format!(
                "a statement with {} subjects, wanted 1 to {MAX_SUBJECTS}",
                statement.subject.len()
            )));
        }
        let mut seen = BTreeSet::new();
        for subject in &statement.subject {
            if subject.sha256().is_none() && subject.git_commit().is_none() {
                return Err(Error::refused(format!(
                    "subject {:?} has no sha256 and no gitCommit",
                    subject.name
                )));
            }
            if !seen.insert(&subject.name) {
                return Err(Error::refused(format!(
                    "subject {:?} is there twice",
                    subject.name
                )));
            }
        }
        Ok(statement)
    }

    /// The payload bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::bug("a statement has no JSON").caused_by(e))
    }

    /// The sha256 of the subject called `name`.
    pub fn digest_of(&self, name: &str) -> Option<Sha256> {
        self.subject.iter().find(|s| s.name == name)?.sha256()
    }

    /// All subjects by name.
    pub fn digests(&self) -> BTreeMap<&str, Sha256> {
        self.subject
            .iter()
            .filter_map(|s| Some((s.name.as_str(), s.sha256()?)))
            .collect()
    }

    /// A string inside the predicate, by a path of member names.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        path.iter()
            .try_fold(&self.predicate, |value, name| value.get(name))?
            .as_str()
    }
}
