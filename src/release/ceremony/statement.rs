//! A statement for the log on its way: what it says, who must sign it, and who has. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::attest::{Envelope, Statement};
use crate::keys::{PublicKey, Signer};
use crate::trust::policy::Purpose;
use crate::{Error, Result};

/// A statement that several people sign.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementDraft {
    /// The purpose of the keys that sign it.
    pub purpose: Purpose,
    /// Path in the store of its proof, once it is in the log.
    pub proof: String,
    /// What it says.
    pub statement: Statement,
    /// The envelope with the signatures so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<Envelope>,
}

impl StatementDraft {
    /// A statement that nobody has signed.
    pub fn new(purpose: Purpose, proof: &str, statement: Statement) -> Self {
        StatementDraft {
            purpose,
            proof: proof.into(),
            statement,
            envelope: None,
        }
    }

    /// The entry for the log.
    ///
    /// # Errors
    /// Nobody has signed; an envelope about another statement.
    pub fn entry(&self) -> Result<Vec<u8>> {
        match &self.envelope {
            Some(envelope) => envelope.to_line(),
            None => Err(Error::bug("a statement without signatures for the log")),
        }
    }

    /// The keys among `accepted` whose signature over exactly this statement is valid.
    pub fn signers(&self, accepted: &[PublicKey]) -> BTreeSet<PublicKey> {
        let verified = self.envelope.as_ref().and_then(|envelope| {
            let same = envelope.is_over(&self.statement);
            same.then(|| envelope.verify(accepted).ok()).flatten()
        });
        let mut signers =
            verified.map_or_else(BTreeSet::new, |verified| verified.signers().clone());
        // Signatures are carried by the ids of their keys: one under another's id would get lost.
        let named: BTreeSet<&str> = self.envelope.iter().flat_map(Envelope::keyids).collect();
        signers.retain(|key| named.contains(key.keyid().as_str()));
        signers
    }

    pub(super) fn sign(&mut self, key: &dyn Signer) -> Result<()> {
        match &mut self.envelope {
            Some(envelope) if envelope.is_over(&self.statement) => envelope.add_signature(key),
            // What lies below another statement than the one that was shown is nobody's signature here.
            other => {
                *other = Some(Envelope::sign(&self.statement, key)?);
                Ok(())
            }
        }
    }

    pub(super) fn merge(&mut self, other: &StatementDraft) {
        match (&mut self.envelope, &other.envelope) {
            (Some(mine), Some(theirs)) => mine.merge(theirs),
            (none @ None, Some(theirs)) => *none = Some(theirs.clone()),
            (_, None) => {}
        }
    }

    pub(super) fn signatures(&self) -> usize {
        self.envelope.as_ref().map_or(0, |e| e.keyids().count())
    }

    pub(super) fn keep_signatures(&mut self, keyids: &[String]) {
        let left = self
            .envelope
            .as_mut()
            .is_some_and(|envelope| envelope.keep_signatures(keyids));
        if !left {
            self.envelope = None;
        }
    }
}
