//! Who has to cosign a new checkpoint. Witnesses whose keys are at hand do so before anything of a
//! publication is staged; those elsewhere are tried then, and asked once it is staged: see
//! [`super::submission`]. Pure: keys, what witnesses remember and the way to others come in through traits.
//!
//! A witness whose key lies on the publisher's own machine attests nothing but that machine's
//! clock: whoever controls the machine makes it say any time, and any history. It is a way to begin
//! with soak and notice times, and a place for witnesses elsewhere.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Keys;
use crate::hash::Sha256;
use crate::keys::Signer;
use crate::log::{
    Asked, Cosigner, CosignerKey, Growth, Memory, Note, Signature, Transport, VerifiedCheckpoint,
    WitnessMemory, submit,
};
use crate::release::policy::ReleasePolicy;
use crate::store::cosign::Submission;
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

/// The policies whose quorums a checkpoint must have, and their witnesses: those whose keys are at
/// hand, and those that can be asked elsewhere.
#[derive(Default)]
pub struct Witnesses<'a> {
    policies: Vec<ReleasePolicy>,
    at_hand: Vec<Box<dyn Witness + 'a>>,
    elsewhere: Vec<Asked>,
    transport: Option<&'a dyn Transport>,
}

/// A checkpoint that can be shown to extend whatever a witness has seen.
pub struct Provable<'a> {
    /// It.
    pub checkpoint: VerifiedCheckpoint,
    /// Makes the consistency proof from a tree of that size to it.
    pub prove: &'a dyn Fn(u64) -> Result<Vec<Sha256>>,
}

impl<'a> Witnesses<'a> {
    /// Wants a policy's quorum, of those of its witnesses whose keys are at hand or whose addresses are
    /// known.
    ///
    /// # Errors
    /// Failed: they are no quorum, saying who is missing. Nobody was asked for anything yet.
    pub fn want(&mut self, policy: &ReleasePolicy, keys: &'a dyn Keys) -> Result<()> {
        self.ask(policy, keys)?;
        let elsewhere = self.elsewhere.iter().map(|asked| asked.key.clone());
        self.check_reachable(policy, elsewhere).map_err(|e| {
            let e = too_few(e);
            match keys.absent("witness") {
                Some(absent) => e.caused_by(absent),
                None => e,
            }
        })?;
        self.policies.push(policy.clone());
        Ok(())
    }

    fn check_reachable(
        &self,
        policy: &ReleasePolicy,
        elsewhere: impl Iterator<Item = CosignerKey>,
    ) -> Result<()> {
        let at_hand = self.at_hand.iter().map(|w| w.key().clone());
        let reached: BTreeSet<CosignerKey> = at_hand.chain(elsewhere).collect();
        policy.witnesses().check_reachable(&reached)
    }

    /// Asks those of a policy's witnesses that can be asked, without wanting a quorum.
    ///
    /// # Errors
    /// Keys that cannot be read.
    pub fn ask(&mut self, policy: &ReleasePolicy, keys: &'a dyn Keys) -> Result<()> {
        if policy.witnesses().is_none() {
            return Ok(());
        }
        self.ask_at_hand(policy, keys)?;
        let Some(transport) = keys.witness_transport() else {
            return Ok(());
        };
        self.transport = Some(transport);
        for entry in policy.witnesses().witnesses() {
            let is_known = self.at_hand.iter().any(|w| *w.key() == entry.key)
                || self.elsewhere.iter().any(|asked| asked.key == entry.key);
            if let (false, Some(url)) = (is_known, &entry.url) {
                self.elsewhere.push(Asked {
                    key: entry.key.clone(),
                    url: url.clone(),
                });
            }
        }
        Ok(())
    }

    fn ask_at_hand(&mut self, policy: &ReleasePolicy, keys: &'a dyn Keys) -> Result<()> {
        let Some(memory) = keys.witness_memory() else {
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

    /// The checkpoint of `growth` with the cosignatures that the witnesses at hand give, and what
    /// those elsewhere are to be asked once it is staged. Whether these answer is tried with
    /// `published`, which they know or may know: what cannot reach its quorum is not staged.
    ///
    /// # Errors
    /// Refused: a witness has seen another history. Failed: no quorum for one of the policies.
    pub fn cosign(
        &self,
        growth: &Growth,
        published: Option<&Provable>,
        now: Timestamp,
    ) -> Result<(Note, Option<Submission>)> {
        let mut note = growth.new.note().clone();
        let mut failures = self.cosign_at_hand(growth, &mut note, now)?;
        let answered = match published {
            Some(published) => self.ask_elsewhere(published, &mut failures, now)?,
            None => Vec::new(),
        };
        let asked: Vec<&Asked> = answered.into_iter().map(|(asked, _)| asked).collect();
        for policy in &self.policies {
            let reached = match asked.is_empty() {
                true => policy
                    .checkpoint(&note)
                    .and_then(|checkpoint| policy.witnessed(&checkpoint))
                    .map(drop),
                false => self.check_reachable(policy, asked.iter().map(|a| a.key.clone())),
            };
            if let Err(e) = reached {
                return Err(too_few(failures.iter().fold(e, Error::caused_by)));
            }
        }
        if asked.is_empty() {
            return Ok((note, None));
        }
        let policies = self.policies.iter().map(policy_text);
        let submission = Submission {
            checkpoint: note.to_string(),
            old_size: growth.old.size,
            policies: policies.collect::<Result<_>>()?,
            witnesses: asked.iter().map(|asked| asked.key.to_string()).collect(),
        };
        Ok((note, Some(submission)))
    }

    /// Verifies a checkpoint under the policies that want one.
    ///
    /// # Errors
    /// Refused: none of them does.
    pub fn verify(&self, note: &Note) -> Result<VerifiedCheckpoint> {
        let mut refused = Error::bug("a checkpoint is to be verified for no policy");
        for policy in &self.policies {
            match policy.checkpoint(note) {
                Ok(checkpoint) => return Ok(checkpoint),
                Err(e) => refused = e,
            }
        }
        Err(refused)
    }

    /// Whether anybody elsewhere may be asked.
    pub fn are_elsewhere(&self) -> bool {
        !self.elsewhere.is_empty()
    }

    /// The published checkpoint with newer cosignatures in place of those that could be had anew.
    ///
    /// # Errors
    /// As [`Witnesses::cosign`].
    pub fn renew(&self, published: &Provable, now: Timestamp) -> Result<Note> {
        let checkpoint = &published.checkpoint;
        let growth = Growth {
            old: *checkpoint.head(),
            new: checkpoint,
            prove: published.prove,
        };
        let mut fresh = Note::parse(checkpoint.note().to_string().as_bytes())?;
        fresh.retain_signatures(|line| {
            let mut signers = checkpoint.signers().iter();
            signers.any(|key| key.name() == line.name() && key.id() == line.key_id())
        });
        let mut failures = self.cosign_at_hand(&growth, &mut fresh, now)?;
        for (asked, line) in self.ask_elsewhere(published, &mut failures, now)? {
            fresh.add_cosignature(&asked.key, &line)?;
        }
        // Whoever did not answer goes on standing by what it said.
        for old in checkpoint.note().unverified_signatures() {
            let mut new = fresh.unverified_signatures().iter();
            if !new.any(|line| line.name() == old.name() && line.key_id() == old.key_id()) {
                fresh.push_unverified(old.clone())?;
            }
        }
        for policy in &self.policies {
            let reached = policy.checkpoint(&fresh).and_then(|checkpoint| {
                let witnessed = policy.witnessed(&checkpoint)?;
                policy.check_head(&checkpoint, witnessed.as_ref(), now)
            });
            if let Err(e) = reached {
                return Err(failures
                    .iter()
                    .fold(e.with_kind(Kind::Failed), Error::caused_by));
            }
        }
        Ok(fresh)
    }

    fn cosign_at_hand(
        &self,
        growth: &Growth,
        note: &mut Note,
        now: Timestamp,
    ) -> Result<Vec<String>> {
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
        Ok(failures)
    }

    /// What those elsewhere say of what is published already: whoever cosigns it can be reached, and has
    /// seen no other history.
    fn ask_elsewhere(
        &self,
        published: &Provable,
        failures: &mut Vec<String>,
        now: Timestamp,
    ) -> Result<Vec<(&Asked, Signature)>> {
        let Some(transport) = self.transport else {
            return Ok(Vec::new());
        };
        let size = published.checkpoint.head().size;
        cosignatures((&self.elsewhere, size), published, transport, failures, now)
    }
}

/// Asks witnesses elsewhere, who have probably seen a size, to cosign a checkpoint; gives the cosignatures
/// that readers will take, and puts why there are no others into `failures`.
///
/// # Errors
/// Refused: a witness has seen another history, over which nothing may be published.
pub(super) fn cosignatures<'a>(
    (asked, seen): (&'a [Asked], u64),
    of: &Provable,
    transport: &dyn Transport,
    failures: &mut Vec<String>,
    now: Timestamp,
) -> Result<Vec<(&'a Asked, Signature)>> {
    let outcomes = submit(asked, &of.checkpoint, seen, of.prove, transport);
    let mut lines = Vec::new();
    for (asked, outcome) in asked.iter().zip(outcomes) {
        let checked = outcome.and_then(|cosigned| {
            cosigned.check_clock(now)?;
            Ok(cosigned.line().clone())
        });
        match checked {
            Ok(line) => lines.push((asked, line)),
            Err(e) if e.kind() == Kind::Refused => return Err(e),
            Err(e) => failures.push(e.to_string()),
        }
    }
    Ok(lines)
}

fn policy_text(policy: &ReleasePolicy) -> Result<String> {
    let bytes = policy.policy().document().to_bytes()?;
    String::from_utf8(bytes).map_err(|e| Error::bug("a policy that is not UTF-8").caused_by(e))
}

fn too_few(e: Error) -> Error {
    e.with_kind(Kind::Failed)
        .under("nothing was published: the witnesses that can be asked are no quorum")
        .hint(
            "start those that do not answer, and try again; a witness whose key is on this machine needs \
             its key file (witness, witness.NAME) in the directory of secret keys",
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
