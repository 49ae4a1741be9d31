//! Attestations as leaves: the signed statement itself is the log entry, whatever standard its predicate
//! follows. Pure.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::{Leaf, missing};
use crate::attest::rebuild::Rebuild;
use crate::attest::{Statement, approval};
use crate::trust::policy::Purpose;
use crate::trust::time;
use crate::{Error, Result};

/// The predicate type of a gate's result (in-toto attestation, predicate "test-result").
pub const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// What is said of a release besides its provenance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttestationKind {
    /// The result of a gate.
    Gate,
    /// Somebody approves.
    Approval,
    /// Somebody built the same archive again.
    Rebuild,
}

impl AttestationKind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [AttestationKind; 3] = [Self::Gate, Self::Approval, Self::Rebuild];

    /// Its word, also in the names of proofs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Approval => "approval",
            Self::Rebuild => "rebuild",
        }
    }

    /// The purpose of the keys that may sign it.
    pub fn purpose(self) -> Purpose {
        match self {
            Self::Gate => Purpose::Gate,
            Self::Approval => Purpose::Approver,
            Self::Rebuild => Purpose::Rebuilder,
        }
    }

    /// The kind of a statement, by its predicate type; none for one of no such kind.
    pub fn of(statement: &Statement) -> Option<Self> {
        match statement.predicate_type.as_str() {
            TEST_RESULT => Some(Self::Gate),
            approval::PREDICATE_TYPE => Some(Self::Approval),
            _ if Rebuild::is_one(statement) => Some(Self::Rebuild),
            _ => None,
        }
    }

    /// Where the `n`th proof of this kind lies beside a release, counted from 1.
    pub fn proof_path(self, tag: &str, n: u64) -> String {
        format!("{tag}/{}-{n}.tlog-proof", self.word())
    }
}

impl fmt::Display for AttestationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What is common to all attestations; what each says is read where it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestationLeaf {
    /// Its kind.
    pub kind: AttestationKind,
    /// The release's tag.
    pub tag: String,
    /// The gate, the role, or the builder's id.
    pub what: String,
    /// When it was signed, by the signer's clock.
    pub time: Timestamp,
}

impl AttestationLeaf {
    /// Reads what is common to them.
    ///
    /// # Errors
    /// Refused: a type that is no attestation's, or a statement without tag, name or time.
    pub fn read(statement: &Statement) -> Result<Self> {
        let kind = AttestationKind::of(statement).ok_or_else(|| {
            Error::refused(format!(
                "predicate type {:?} is no attestation's",
                statement.predicate_type
            ))
        })?;
        let (tag, what, at): (&[&str], &[&str], &[&str]) = match kind {
            AttestationKind::Gate => (&["relman", "tag"], &["relman", "gate"], &["relman", "time"]),
            AttestationKind::Approval => (&["tag"], &["role"], &["time"]),
            AttestationKind::Rebuild => (
                &["buildDefinition", "externalParameters", "tag"],
                &["runDetails", "builder", "id"],
                &["runDetails", "metadata", "finishedOn"],
            ),
        };
        let text = |path: &[&str]| {
            let found = statement.text(path).map(str::to_owned);
            found.ok_or_else(|| missing(path.last().unwrap_or(&"member")))
        };
        Ok(AttestationLeaf {
            kind,
            tag: text(tag)?,
            what: text(what)?,
            time: time::parse(&text(at)?).ok_or_else(|| missing("time"))?,
        })
    }

    pub(super) fn leaf(statement: &Statement) -> Result<Leaf> {
        Self::read(statement).map(Leaf::Attestation)
    }

    /// `approval code-review of phase1-x-1.0.0`.
    pub fn line(&self) -> String {
        match self.kind {
            AttestationKind::Rebuild => format!("{} gave the same bytes again", self.tag),
            kind => format!("{kind} {} of {}", self.what, self.tag),
        }
    }
}
