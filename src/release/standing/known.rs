//! Every key that root and policy name: what for, whose, and whether it counts now. Pure.

use jiff::Timestamp;
use serde::Serialize;

use crate::Result;
use crate::keys::PublicKey;
use crate::release::ceremony::keyring_name;
use crate::release::policy::ReleasePolicy;
use crate::release::publish::PEOPLE_MEMBER;
use crate::trust::policy::{KeyEntry, Purpose};
use crate::trust::schema::Root;

/// Whether a key counts now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Validity {
    /// It counts.
    Counts,
    /// It will, later.
    NotYet,
    /// It did.
    Ended,
}

/// A key that the project knows.
#[derive(Clone, Debug, Serialize)]
pub struct KnownKey {
    /// The key.
    #[serde(skip)]
    pub public: PublicKey,
    /// What it is for, as it is typed: `targets`, `mainnet`, `log`.
    pub purpose: String,
    /// Who holds it, where somebody is named.
    pub person: Option<String>,
    /// First second of its validity; keys of TUF roles and logs have no times.
    pub not_before: Option<String>,
    /// First second after it.
    pub not_after: Option<String>,
    /// Whether it counts now.
    pub state: Validity,
    /// The name of a log's or a witness's key in notes.
    pub note_name: Option<String>,
}

impl KnownKey {
    fn timeless(public: PublicKey, purpose: &str) -> Self {
        KnownKey {
            public,
            purpose: purpose.to_owned(),
            person: None,
            not_before: None,
            not_after: None,
            state: Validity::Counts,
            note_name: None,
        }
    }

    fn of(entry: &KeyEntry, public: PublicKey, now: Timestamp) -> Self {
        let state = match (now < entry.not_before, now < entry.not_after) {
            (true, _) => Validity::NotYet,
            (false, true) => Validity::Counts,
            (false, false) => Validity::Ended,
        };
        KnownKey {
            person: Some(entry.person.clone()),
            not_before: Some(crate::trust::time::format(entry.not_before)),
            not_after: Some(crate::trust::time::format(entry.not_after)),
            state,
            ..Self::timeless(public, &keyring_name(&entry.purpose))
        }
    }
}

/// Every key of `root` and `policy`, a line for each purpose. Keys that are not Ed25519, which only
/// other programs use, are left out.
///
/// # Errors
/// None for a policy that was verified.
pub fn known_keys(root: &Root, policy: &ReleasePolicy, now: Timestamp) -> Result<Vec<KnownKey>> {
    let mut out = Vec::new();
    let people = root.extra.get(PEOPLE_MEMBER);
    for (role, keys) in &root.roles {
        for id in &keys.keyids {
            let bytes = root.keys.get(id).and_then(|key| key.ed25519_bytes());
            let Some(Ok(public)) = bytes.map(PublicKey::from_bytes) else {
                continue;
            };
            let person = people.and_then(|people| people.get(id)?.as_str());
            out.push(KnownKey {
                person: person.map(str::to_owned),
                ..KnownKey::timeless(public, role)
            });
        }
    }
    let entries = || policy.policy().document().keys.iter();
    let mut of_notes = Vec::new();
    for log in policy.log_keys() {
        of_notes.push((log.public()?, Purpose::Log, log.name()));
    }
    let witnesses = policy.witnesses().witnesses().iter();
    of_notes.extend(witnesses.map(|w| (*w.key.public(), Purpose::Witness, w.key.name())));
    for (public, purpose, name) in &of_notes {
        let listed = entries().find(|entry| entry.id == public.keyid());
        let known = match listed {
            Some(entry) => KnownKey::of(entry, *public, now),
            None => KnownKey::timeless(*public, &keyring_name(purpose)),
        };
        out.push(KnownKey {
            note_name: Some((*name).to_owned()),
            ..known
        });
    }
    let of_notes = |entry: &&KeyEntry| matches!(entry.purpose, Purpose::Log | Purpose::Witness);
    for entry in entries().filter(|entry| !of_notes(entry)) {
        let public = PublicKey::from_openssh(&entry.public)?;
        out.push(KnownKey::of(entry, public, now));
    }
    Ok(out)
}
