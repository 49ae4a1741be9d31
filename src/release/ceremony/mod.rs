//! Ceremonies: a change to the store that several people sign, each on their own machine, before any
//! of it can be seen. draft → signatures collected → published. Pure.

mod base;
mod change_root;
mod check;
mod demand;
mod diff;
mod exchange;
mod role;
mod statement;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::limits::MAX_TARGETS_LEN;
use crate::store::Reader;
use crate::{Error, Result};

pub use base::Base;
pub use change_root::{Change, End, KeyChoice, KeyRole, Wants, root_id, voided};
pub use demand::{Demand, Holder, Signing, keyring_name};
pub use exchange::{EXCHANGE, Exchange, FilesInMemory};
pub use role::RoleDraft;
pub use statement::StatementDraft;

/// The format of [`Proposal`].
pub const FORMAT: u32 = 1;
/// Longest id of a proposal, in bytes.
const MAX_ID_LEN: usize = 160;

/// What a proposal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A new release is listed by top-level targets.
    Release,
    /// An environment moves to a release.
    Promotion,
    /// A release is marked as not to be used.
    Yank,
    /// Root, and with it perhaps policy, delegations and whatever must then be signed anew.
    Root,
    /// New installs in an environment are stopped.
    Halt,
}

/// A change that waits for signatures. Nothing in it is trusted: [`Proposal::check`] holds it
/// against a verified store, [`Proposal::demands`] counts who has signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// [`FORMAT`].
    pub format: u32,
    /// The project's name.
    pub project: String,
    /// Names it among all proposals, and its file: `promote-mainnet-3`.
    pub id: String,
    /// What it is for.
    pub kind: Kind,
    /// What it does, in one line.
    pub summary: String,
    /// When it was made, by the proposer's clock.
    #[serde(with = "crate::trust::time")]
    pub time: Timestamp,
    /// The new policy file, where policy changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The roles that are to be published, with the signatures so far.
    pub roles: Vec<RoleDraft>,
    /// Statements that go into the log with them, with the signatures so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<StatementDraft>,
    /// Small target files that the roles list: path in the store to contents.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// Tag of the draft whose files are published with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
}

impl Proposal {
    /// A proposal that changes nothing yet.
    pub fn new(project: &str, id: &str, kind: Kind, summary: &str, time: Timestamp) -> Self {
        Proposal {
            format: FORMAT,
            project: project.into(),
            id: id.into(),
            kind,
            summary: summary.into(),
            time,
            policy: None,
            roles: Vec::new(),
            statements: Vec::new(),
            files: BTreeMap::new(),
            draft: None,
        }
    }

    /// The draft of role `name`, if it has one.
    pub fn role(&self, name: &str) -> Option<&RoleDraft> {
        self.roles.iter().find(|role| role.name() == name)
    }

    /// Whether all that it proposes is in `store`: a killed publication was finished by somebody.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn is_published(&self, store: &dyn Reader) -> Result<bool> {
        for role in &self.roles {
            let path = format!("metadata/{}.{}.json", role.version()?, role.name());
            let published = store.read(&path, MAX_TARGETS_LEN)?;
            if !published.is_some_and(|bytes| role.has_contents_of(&bytes)) {
                return Ok(false);
            }
        }
        Ok(!self.roles.is_empty())
    }

    /// Takes over the signatures of another copy of this proposal that count for something; tells
    /// how many were new.
    ///
    /// # Errors
    /// A copy that differs in anything but signatures.
    pub fn merge(&mut self, other: &Proposal, base: &Base) -> Result<usize> {
        let differs = |what: &str| {
            Error::refused(format!(
                "there is another proposal {} here already, with {what} that differ",
                self.id
            ))
            .hint("ask both senders which one is meant, and remove the other: relman withdraw ID")
        };
        if self.bare()? != other.bare()? {
            return Err(differs("contents"));
        }
        let before = self.signatures();
        let mut other = other.clone();
        other.keep_what_counts(base)?;
        for (mine, theirs) in self.roles.iter_mut().zip(&other.roles) {
            mine.merge(theirs)?;
        }
        for (mine, theirs) in self.statements.iter_mut().zip(&other.statements) {
            mine.merge(theirs);
        }
        Ok(self.signatures().saturating_sub(before))
    }

    /// The proposal without its signatures.
    fn bare(&self) -> Result<serde_json::Value> {
        let mut bare = self.clone();
        for role in &mut bare.roles {
            role.keep_signatures(&[]);
        }
        for statement in &mut bare.statements {
            statement.keep_signatures(&[]);
        }
        serde_json::to_value(&bare).map_err(|e| Error::bug("a proposal has no JSON").caused_by(e))
    }

    fn signatures(&self) -> usize {
        let roles = self.roles.iter().map(RoleDraft::signatures);
        let statements = self.statements.iter().map(StatementDraft::signatures);
        roles.chain(statements).sum()
    }
}

/// Whether `id` can name a proposal and its file.
pub fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= MAX_ID_LEN
        && !id.starts_with('.')
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'+'))
}
