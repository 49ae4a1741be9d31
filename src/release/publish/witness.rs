//! Cosignatures for a new checkpoint, asked for before anything of a publication is staged. Pure:
//! keys and what witnesses remember come in through traits.
//!
//! A witness whose key lies on the publisher's own machine attests nothing but that machine's
//! clock: whoever controls the machine makes it say any time, and any history. It is a way to begin
//! with soak and notice times, and a place for witnesses elsewhere.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Keys;
use crate::keys::Signer;
use crate::log::{
    Cosigner, CosignerKey, Growth, Memory, Note, Signature, VerifiedCheckpoint, WitnessMemory,
};
use crate::release::policy::ReleasePolicy;
use crate::{Error, Kind, Result};

/// Somebody who may cosign.
pub trait Witness {
    /// The key that policy knows.
    fn key(&self) -> &CosignerKey;

    /// Cosigns `growth` at `now`: signature lines, of which those by [`Witness::key`] are taken.
    ///
    /// # Errors
    /// Refused where the log does not extend what this witness has seen, which stops the
    /// publication. Any other failure only leaves this witness out.
    fn cosign(&self, growth: &Growth, now: Timestamp) -> Result<Vec<Signature>>;
}

/// A witness whose key is at hand.
struct KeyAtHand<'a> {
    key: CosignerKey,
    signer: Box<dyn Signer>,
    memory: &'a dyn WitnessMemory,
}

impl Witness for KeyAtHand<'_> {
    fn key(&self) -> &CosignerKey {
        &self.key
    }

    fn cosign(&self, growth: &Growth, now: Timestamp) -> Result<Vec<Signature>> {
        let (public, origin) = (self.key.public(), growth.new.origin());
        let memory = Memory::extended(self.memory.load(public, origin)?, growth)?;
        // Written down first: a witness must never forget what it has signed.
        self.memory.save(public, origin, &memory)?;
        let cosigner = Cosigner::new(self.key.name(), self.signer.as_ref())?;
        Ok(vec![cosigner.cosign(growth.new, now)?])
    }
}

/// The policies whose quorums a checkpoint must have, and the witnesses at hand for them.
#[derive(Default)]
pub struct Witnesses<'a> {
    policies: Vec<ReleasePolicy>,
    at_hand: Vec<Box<dyn Witness + 'a>>,
}

impl<'a> Witnesses<'a> {
    /// Wants a policy's quorum, of those of its witnesses whose keys are at hand.
    ///
    /// # Errors
    /// Failed: they are no quorum, saying who is missing. Nobody was asked for anything yet.
    pub fn want(&mut self, policy: &ReleasePolicy, keys: &'a dyn Keys) -> Result<()> {
        self.ask(policy, keys)?;
        let at_hand: BTreeSet<CosignerKey> = self.at_hand.iter().map(|w| w.key().clone()).collect();
        policy.witnesses().check_reachable(&at_hand).map_err(|e| {
            let e = too_few(e.with_kind(Kind::Failed));
            match keys.absent("witness") {
                Some(absent) => e.caused_by(absent),
                None => e,
            }
        })?;
        self.policies.push(policy.clone());
        Ok(())
    }

    /// Asks those of a policy's witnesses whose keys are at hand, without wanting a quorum.
    ///
    /// # Errors
    /// Keys that cannot be read.
    pub fn ask(&mut self, policy: &ReleasePolicy, keys: &'a dyn Keys) -> Result<()> {
        let (false, Some(memory)) = (policy.witnesses().is_none(), keys.witness_memory()) else {
            return Ok(());
        };
        for signer in keys.all("witness")? {
            let public = signer.public();
            let mut known = policy.witnesses().witnesses().iter();
            let Some(entry) = known.find(|w| *w.key.public() == public) else {
                continue;
            };
            if !self.at_hand.iter().any(|w| *w.key() == entry.key) {
                self.at_hand.push(Box::new(KeyAtHand {
                    key: entry.key.clone(),
                    signer,
                    memory,
                }));
            }
        }
        Ok(())
    }

    /// The checkpoint of `growth` with all cosignatures that the witnesses at hand give.
    ///
    /// # Errors
    /// Refused: a witness has seen another history. Failed: no quorum for one of the policies.
    pub fn cosign(&self, growth: &Growth, now: Timestamp) -> Result<Note> {
        let mut note = growth.new.note().clone();
        let mut failures = Vec::new();
        for witness in &self.at_hand {
            let key = witness.key();
            match witness.cosign(growth, now) {
                Ok(lines) => {
                    for line in lines.iter().filter(|line| key.is_claimed_by(line)) {
                        note.add_cosignature(key, line)?;
                    }
                }
                Err(e) if e.kind() == Kind::Refused => return Err(e),
                Err(e) => failures.push(format!("{}: {e}", key.name())),
            }
        }
        for policy in &self.policies {
            let reached = VerifiedCheckpoint::verify(&note, policy.log_keys(), policy.log_origin())
                .and_then(|checkpoint| policy.witnessed(&checkpoint));
            if let Err(e) = reached {
                let e = failures.iter().fold(e, Error::caused_by);
                return Err(too_few(e.with_kind(Kind::Failed)));
            }
        }
        Ok(note)
    }
}

fn too_few(e: Error) -> Error {
    e.under("nothing was published: the witnesses at hand are no quorum")
        .hint(
            "put the missing witness keys (files witness, witness.NAME) into the directory of \
             secret keys; witnesses on other machines come with a later version",
        )
}

/// Lets the witnesses at hand hold to what they cosigned for a publication: called once it is in the
/// store. Where a run was killed before, they learn of it from the store at the next publication.
///
/// # Errors
/// The witnesses' memory cannot be written; the publication is made.
pub fn published(keys: &dyn Keys) -> Result<()> {
    keys.witness_memory()
        .map_or(Ok(()), WitnessMemory::confirm)
        .map_err(|e| e.under("it is published, but the witnesses here could not write it down"))
}
