//! The pinned policy as the release's checks ask it: whose key counts for what, and when. Pure.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::attest::dsse::short;
use crate::keys::PublicKey;
use crate::log::{
    CosignerKey, Note, TlogProof, VerifiedCheckpoint, VerifierKey, WitnessEntry, WitnessPolicy,
    Witnessed,
};
use crate::release::attestations::Wanted;
use crate::trust::policy::{Environment, Pin, Policy, PolicyDocument, Purpose};
use crate::trust::schema::Root;
use crate::{Error, Result};

/// A policy that root pins, with its log keys ready for use.
#[derive(Clone, Debug)]
pub struct ReleasePolicy {
    policy: Policy,
    pin: Pin,
    log_keys: Vec<VerifierKey>,
    witnesses: WitnessPolicy,
}

impl ReleasePolicy {
    /// The file of a new policy. Whoever publishes one makes it with this: what
    /// [`ReleasePolicy::parse`] would refuse on every node is refused here first.
    ///
    /// # Errors
    /// As [`ReleasePolicy::parse`].
    pub fn to_bytes(document: &PolicyDocument) -> Result<Vec<u8>> {
        let bytes = document.to_bytes()?;
        Self::parse(&bytes, Pin::of(&bytes))?;
        Ok(bytes)
    }

    /// Reads the policy that `pin` names.
    ///
    /// # Errors
    /// Other bytes than pinned, a malformed policy, a log key that is no vkey, a malformed witness
    /// policy; a witness key with another purpose; a key for the purpose `witness` that is none of
    /// the witnesses'; soak or notice times that no witness could tell.
    pub fn parse(bytes: &[u8], pin: Pin) -> Result<Self> {
        let policy = Policy::parse_pinned(bytes, &pin)?;
        let vkeys = policy.document().log.vkeys.iter();
        let log_keys = vkeys
            .map(|v| VerifierKey::parse(v))
            .collect::<Result<Vec<_>>>()?;
        let witnesses = witnesses_of(&policy, &log_keys)
            .map_err(|e| e.under("policy's witnesses were refused"))?;
        Ok(ReleasePolicy {
            policy,
            pin,
            log_keys,
            witnesses,
        })
    }

    /// The policy itself.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What root says of it.
    pub fn pin(&self) -> &Pin {
        &self.pin
    }

    /// The log's keys, also those that have ended: what they signed before stays signed. Whether one
    /// may sign the newest checkpoint is asked by [`ReleasePolicy::witnessed`] and
    /// [`ReleasePolicy::check_head`].
    pub fn log_keys(&self) -> &[VerifierKey] {
        &self.log_keys
    }

    /// The log's keys that count at a time. One that is not in the policy's list of keys always does.
    pub fn log_keys_at(&self, at: Timestamp) -> Vec<VerifierKey> {
        let keys = self.log_keys.iter();
        keys.filter(|key| self.log_key_counts(key, at))
            .cloned()
            .collect()
    }

    fn log_key_counts(&self, key: &VerifierKey, at: Timestamp) -> bool {
        let listed = key.public().ok();
        let listed = listed.and_then(|public| self.policy.unchecked_key(&public.keyid()));
        listed.is_none_or(|key| key.entry.counts_for(&Purpose::Log, at))
    }

    /// Checks that a log key which counts at `at` has signed `checkpoint`.
    fn check_log_key(&self, checkpoint: &VerifiedCheckpoint, at: Timestamp) -> Result<()> {
        let mut signers = checkpoint.signers().iter();
        if signers.any(|key| self.log_key_counts(key, at)) {
            return Ok(());
        }
        let names = |keys: &[VerifierKey]| {
            let keys = keys.iter().map(ToString::to_string);
            keys.collect::<Vec<_>>().join(", ")
        };
        Err(Error::refused(format!(
            "checkpoint of size {} is signed by {}, policy names for the log at {at}: {}",
            checkpoint.head().size,
            names(checkpoint.signers()),
            names(&self.log_keys_at(at))
        ))
        .hint("the log's key was changed: the newest store is signed by the new one; compare this store with another"))
    }

    /// Checks the newest checkpoint of a store as a reader has to at `now`: a log key that counts has
    /// signed it, at witnessed time where there are witnesses, which then have to be young enough.
    ///
    /// # Errors
    /// Refused: signed by keys that have ended or do not count yet; cosignatures older than policy
    /// allows.
    pub fn check_head(
        &self,
        checkpoint: &VerifiedCheckpoint,
        witnessed: Option<&Witnessed>,
        now: Timestamp,
    ) -> Result<()> {
        let Some(witnessed) = witnessed else {
            return self.check_log_key(checkpoint, now);
        };
        match self.policy.document().log.max_cosignature_age_hours {
            Some(hours) => witnessed.check_age(hours, now),
            None => Ok(()),
        }
    }

    /// Verifies a checkpoint of this policy's log. Its witnesses are not looked at.
    ///
    /// # Errors
    /// As [`VerifiedCheckpoint::verify`].
    pub fn checkpoint(&self, note: &Note) -> Result<VerifiedCheckpoint> {
        VerifiedCheckpoint::verify(note, self.log_keys(), self.log_origin())
    }

    /// The log's origin line.
    pub fn log_origin(&self) -> &str {
        &self.policy.document().log.origin
    }

    /// Who must have cosigned a checkpoint.
    pub fn witnesses(&self) -> &WitnessPolicy {
        &self.witnesses
    }

    /// The witnessed time of a checkpoint; `None` where policy asks for no witnesses. A witness
    /// whose key is also in the policy's list counts only within the validity given there, judged
    /// at the time of its cosignature; a log key, within its own at the witnessed time.
    ///
    /// # Errors
    /// Refused: no quorum, saying who is missing; a cosignature of a known witness that does not
    /// verify; no log key that counted then.
    pub fn witnessed(&self, checkpoint: &VerifiedCheckpoint) -> Result<Option<Witnessed>> {
        let counts = |witness: &WitnessEntry, at: Timestamp| {
            let listed = self.policy.unchecked_key(&witness.key.public().keyid());
            listed.is_none_or(|key| key.entry.counts_for(&Purpose::Witness, at))
        };
        let witnessed = self.witnesses.witnessed(checkpoint, &counts)?;
        if let Some(witnessed) = &witnessed {
            self.check_log_key(checkpoint, witnessed.time())?;
        }
        Ok(witnessed)
    }

    /// The witnessed time by which the entry that `proof` carries is known to have been in the log:
    /// that of the proof's own checkpoint. `None` where policy asks for no witnesses.
    ///
    /// This is what soak and notice times begin at. It says nothing of whether the entry is in the
    /// log that the store shows now: [`super::verify::History::included`] does both.
    ///
    /// # Errors
    /// Refused: the entry is not in the tree of the proof's checkpoint, or no quorum cosigned that.
    pub fn witnessed_by_proof(&self, proof: &TlogProof) -> Result<Option<Timestamp>> {
        let entry = proof.unverified_extra();
        let included = proof.verify(entry, self.log_keys(), self.log_origin())?;
        let witnessed = self.witnessed(included.checkpoint())?;
        Ok(witnessed.map(|witnessed| witnessed.time()))
    }

    /// Checks that root is for this policy: [`Policy::check_root`], and no witness and no log key signs a role.
    pub fn check_root(&self, root: &Root) -> Vec<String> {
        let mut problems = self.policy.check_root(root);
        for log in &self.log_keys {
            let bytes = log.public_key().to_bytes();
            if root
                .keys
                .values()
                .any(|key| key.ed25519_bytes() == Some(bytes))
            {
                problems.push(format!(
                    "log key {log} signs a role, want one purpose for each key"
                ));
            }
        }
        for witness in self.witnesses.witnesses() {
            let public = witness.key.public();
            let also = root.keys.values().any(|key| {
                key.ed25519_bytes()
                    .is_some_and(|bytes| bytes == *public.bytes())
            });
            if also {
                problems.push(format!(
                    "key {} signs a role and is the key of witness {:?}, want one purpose for each key",
                    short(&public.keyid()),
                    witness.name
                ));
            }
        }
        problems
    }

    /// The public keys that count for `purpose` at a time.
    pub fn accepted(&self, purpose: &Purpose, at: Timestamp) -> Vec<PublicKey> {
        self.policy
            .keys_for(purpose, at)
            .filter_map(|key| PublicKey::from_bytes(key.bytes).ok())
            .collect()
    }

    /// Checks that `key` counts for `purpose` at a time: what another key signs, nobody accepts.
    ///
    /// # Errors
    /// Refused, naming the keys that policy has for it.
    pub fn check_signer(&self, purpose: &Purpose, key: &PublicKey, at: Timestamp) -> Result<()> {
        let accepted = self.accepted(purpose, at);
        if accepted.contains(key) {
            return Ok(());
        }
        let named = |key: &PublicKey| {
            let person = self.people(&BTreeSet::from([*key]));
            format!("{person} (key {})", short(&key.keyid()))
        };
        let wanted: Vec<String> = accepted.iter().map(named).collect();
        let wanted = match wanted.is_empty() {
            true => "nobody".into(),
            false => wanted.join(", "),
        };
        Err(Error::refused(format!(
            "the {purpose} key here is {}, policy names for {purpose} at {at}: {wanted}",
            short(&key.keyid())
        ))
        .hint("are these the secret keys of this project? name the right ones: --secret-keys DIR"))
    }

    /// Whose keys these are, for messages.
    pub fn people(&self, keys: &BTreeSet<PublicKey>) -> String {
        let names: BTreeSet<String> = keys
            .iter()
            .map(|key| match self.policy.unchecked_key(&key.keyid()) {
                Some(known) => known.entry.person.clone(),
                None => "somebody unknown".into(),
            })
            .collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    }

    /// The environment called `name`.
    pub fn environment(&self, name: &str) -> Option<&Environment> {
        self.policy.environment(name)
    }

    /// All environments' names, in the order that releases move through them.
    pub fn environment_names(&self) -> Vec<&str> {
        let environments = self.policy.document().environments.iter();
        environments.map(|e| e.name.as_str()).collect()
    }

    /// The gates, approvals and rebuilds that every release needs.
    pub fn wanted_for_cut(&self) -> Wanted<'_> {
        let cut = &self.policy.document().cut;
        Wanted {
            gates: &cut.gates,
            approvals: &cut.approvals,
            rebuilders: cut.rebuilders,
        }
    }
}

/// The witness policy, held against everything else that the policy says (the witness text is the
/// truth of who is a witness; the list of keys may add whose a key is and how long it counts).
fn witnesses_of(policy: &Policy, log_keys: &[VerifierKey]) -> Result<WitnessPolicy> {
    let document = policy.document();
    let witnesses = WitnessPolicy::parse(&document.log.witnesses)?;
    check_logs(witnesses.logs(), log_keys)?;
    let by_id: BTreeMap<String, &CosignerKey> = witnesses
        .witnesses()
        .iter()
        .map(|witness| (witness.key.public().keyid(), &witness.key))
        .collect();
    for key in by_id.values() {
        let is_log = |log: &&VerifierKey| log.public_key().as_bytes() == key.public().bytes();
        if let Some(log) = log_keys.iter().find(is_log) {
            return Err(Error::refused(format!(
                "witness {key} has the same public key as log {log}, want one purpose for each key"
            )));
        }
    }
    for entry in &document.keys {
        match (by_id.get(&entry.id), &entry.purpose) {
            (Some(_), Purpose::Witness) => {}
            (Some(key), other) => {
                return Err(Error::refused(format!(
                    "the {other} key of {} is also the key of witness {key}, want one purpose for \
                     each key",
                    entry.person
                )));
            }
            (None, Purpose::Witness) => {
                return Err(Error::refused(format!(
                    "the witness key of {} (key {}) is none of those in log.witnesses",
                    entry.person,
                    short(&entry.id)
                ))
                .hint("name it there: witness NAME VKEY"));
            }
            (None, _) => {}
        }
    }
    let waits = |e: &&Environment| e.soak_hours > 0 || e.notice_hours > 0;
    match document.environments.iter().find(waits) {
        Some(environment) if witnesses.is_none() => Err(Error::refused(format!(
            "{} wants {} hours of soak and {} of notice, and the quorum is none: nobody could tell \
             the time",
            environment.name, environment.soak_hours, environment.notice_hours
        ))
        .hint("name witnesses in the policy's log, or set soak_hours and notice_hours to 0")),
        _ => Ok(witnesses),
    }
}

/// The witness text may name the logs, for other programs that read it: then the same ones.
fn check_logs(named: &[VerifierKey], log_keys: &[VerifierKey]) -> Result<()> {
    let same = named.iter().all(|key| log_keys.contains(key))
        && log_keys.iter().all(|key| named.contains(key));
    if named.is_empty() || same {
        return Ok(());
    }
    let spelled = |keys: &[VerifierKey]| {
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        keys.join(" ")
    };
    Err(Error::refused(format!(
        "log.witnesses names logs {}, log.vkeys {}, want the same or none",
        spelled(named),
        spelled(log_keys)
    )))
}
