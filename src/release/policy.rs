//! The pinned policy as the release's checks ask it: whose key counts for what, and when. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::attest::dsse::short;
use crate::keys::PublicKey;
use crate::log::VerifierKey;
use crate::trust::policy::{Environment, Pin, Policy, Purpose};
use crate::{Error, Result};

/// A policy that root pins, with its log keys ready for use.
#[derive(Clone, Debug)]
pub struct ReleasePolicy {
    policy: Policy,
    pin: Pin,
    log_keys: Vec<VerifierKey>,
}

impl ReleasePolicy {
    /// Reads the policy that `pin` names.
    ///
    /// # Errors
    /// Other bytes than pinned, a malformed policy, a log key that is no vkey.
    pub fn parse(bytes: &[u8], pin: Pin) -> Result<Self> {
        let policy = Policy::parse_pinned(bytes, &pin)?;
        let vkeys = policy.document().log.vkeys.iter();
        let log_keys = vkeys
            .map(|v| VerifierKey::parse(v))
            .collect::<Result<_>>()?;
        Ok(ReleasePolicy {
            policy,
            pin,
            log_keys,
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

    /// The log's keys.
    pub fn log_keys(&self) -> &[VerifierKey] {
        &self.log_keys
    }

    /// The log's origin line.
    pub fn log_origin(&self) -> &str {
        &self.policy.document().log.origin
    }

    /// Whether the policy asks for no witnesses.
    pub fn wants_no_witnesses(&self) -> bool {
        self.policy.document().log.witnesses == "none"
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

    /// The gates and approvals that every release needs.
    pub fn wanted_for_cut(&self) -> Vec<String> {
        let cut = &self.policy.document().cut;
        let gates = cut.gates.iter().map(|name| format!("gate {name}"));
        let approvals = cut.approvals.iter().map(|name| format!("approval {name}"));
        gates.chain(approvals).collect()
    }
}
