//! A role of the metadata on its way: its body and the signatures so far. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::keys::Signer;
use crate::trust::verify::{SignatureCount, Signers};
use crate::trust::{Root, Signed, Targets, Unsigned, json};
use crate::{Error, Result};

/// A draft of root, of top-level targets or of a delegated role.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum RoleDraft {
    /// Root.
    Root(Box<Signed<Root>>),
    /// `targets` or a role below it.
    Targets {
        /// The role's name.
        name: String,
        /// The draft.
        draft: Box<Signed<Targets>>,
    },
}

/// A draft as it stands in a file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    role: String,
    metadata: Value,
}

impl TryFrom<Written> for RoleDraft {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        let bytes = json::pretty(&written.metadata)?;
        Ok(match written.role.as_str() {
            "root" => RoleDraft::Root(Box::new(Signed::parse(&bytes)?)),
            _ => RoleDraft::Targets {
                name: written.role,
                draft: Box::new(Signed::parse(&bytes)?),
            },
        })
    }
}

impl From<RoleDraft> for Written {
    fn from(role: RoleDraft) -> Self {
        // What a draft was made of or parsed from has a JSON form.
        let metadata = role.bytes().ok().and_then(|b| json::parse(&b).ok());
        Written {
            role: role.name().to_owned(),
            metadata: metadata.unwrap_or_default(),
        }
    }
}

impl RoleDraft {
    /// A draft of a new root.
    ///
    /// # Errors
    /// As [`Unsigned::new`].
    pub fn root(root: &Root) -> Result<Self> {
        Ok(RoleDraft::Root(Box::new(Unsigned::new(root)?.open())))
    }

    /// A draft of `targets` or of a delegated role.
    ///
    /// # Errors
    /// As [`Unsigned::new`].
    pub fn targets(name: &str, targets: &Targets) -> Result<Self> {
        Ok(RoleDraft::Targets {
            name: name.to_owned(),
            draft: Box::new(Unsigned::new(targets)?.open()),
        })
    }

    /// The role's name.
    pub fn name(&self) -> &str {
        match self {
            RoleDraft::Root(_) => "root",
            RoleDraft::Targets { name, .. } => name,
        }
    }

    /// The version that it is to have.
    ///
    /// # Errors
    /// None for a draft that was parsed or made here.
    pub fn version(&self) -> Result<u64> {
        Ok(match self {
            RoleDraft::Root(draft) => draft.unverified_body()?.version,
            RoleDraft::Targets { draft, .. } => draft.unverified_body()?.version,
        })
    }

    /// The file, with the signatures so far.
    ///
    /// # Errors
    /// None for a draft that was parsed or made here.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        match self {
            RoleDraft::Root(draft) => draft.draft_bytes(),
            RoleDraft::Targets { draft, .. } => draft.draft_bytes(),
        }
    }

    /// Whether a file says the same, whoever signed it.
    pub(super) fn has_contents_of(&self, bytes: &[u8]) -> bool {
        match self {
            RoleDraft::Root(draft) => {
                Signed::<Root>::parse(bytes).is_ok_and(|file| file.message() == draft.message())
            }
            RoleDraft::Targets { draft, .. } => {
                Signed::<Targets>::parse(bytes).is_ok_and(|file| file.message() == draft.message())
            }
        }
    }

    /// Whether all that a signature covers is in the body, in the form that relman writes: what a review
    /// shows is then what is signed.
    ///
    /// # Errors
    /// None for a draft that was parsed or made here.
    pub fn is_plain(&self) -> Result<bool> {
        Ok(match self {
            RoleDraft::Root(draft) => {
                Unsigned::new(&draft.unverified_body()?)?.message() == draft.message()
            }
            RoleDraft::Targets { draft, .. } => {
                Unsigned::new(&draft.unverified_body()?)?.message() == draft.message()
            }
        })
    }

    /// How many signatures it has, valid or not.
    pub fn signatures(&self) -> usize {
        match self {
            RoleDraft::Root(draft) => draft.keyids().count(),
            RoleDraft::Targets { draft, .. } => draft.keyids().count(),
        }
    }

    pub(super) fn count(&self, signers: Signers<'_>) -> SignatureCount {
        match self {
            RoleDraft::Root(draft) => draft.count(signers),
            RoleDraft::Targets { draft, .. } => draft.count(signers),
        }
    }

    pub(super) fn sign(&mut self, key: &dyn Signer) -> Result<()> {
        match self {
            RoleDraft::Root(draft) => **draft = draft.as_ref().clone().sign(key)?,
            RoleDraft::Targets { draft, .. } => **draft = draft.as_ref().clone().sign(key)?,
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, other: &RoleDraft) -> Result<()> {
        match (self, other) {
            (RoleDraft::Root(mine), RoleDraft::Root(theirs)) => mine.merge(theirs),
            (RoleDraft::Targets { draft: mine, .. }, RoleDraft::Targets { draft: theirs, .. }) => {
                mine.merge(theirs)
            }
            (mine, theirs) => Err(Error::refused(format!(
                "the draft of role {} is one of {} there",
                mine.name(),
                theirs.name()
            ))),
        }
    }

    /// Drops every signature but those of these keys.
    pub(super) fn keep_signatures(&mut self, keyids: &[String]) {
        match self {
            RoleDraft::Root(draft) => draft.keep_signatures(keyids),
            RoleDraft::Targets { draft, .. } => draft.keep_signatures(keyids),
        }
    }
}
