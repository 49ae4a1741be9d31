//! Counting signatures, and the only place where a [`Verified`] is made.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use super::envelope::{Signature, Unverified};
use super::error::TrustError;
use super::key::PublicKey;
use super::schema::{Role, Root, Targets};
use crate::hash::from_hex;

/// Reasons shown for keys that did not count, at most.
const MAX_NOTES: usize = 4;

/// Metadata that a threshold of its delegator's keys has signed, with its bytes as received.
#[derive(Clone, Debug)]
pub struct Verified<T> {
    signed: T,
    bytes: Vec<u8>,
    signers: Vec<String>,
}

impl<T> Verified<T> {
    /// The file, byte for byte as received.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Ids of the keys whose signatures counted.
    pub fn signers(&self) -> &[String] {
        &self.signers
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.signed
    }
}

/// Who may sign a role, according to whom.
#[derive(Clone, Copy, Debug)]
pub struct Signers<'a> {
    /// Keys by id.
    pub keys: &'a BTreeMap<String, PublicKey>,
    /// Ids of the role's keys.
    pub keyids: &'a [String],
    /// Distinct keys needed.
    pub threshold: u64,
}

/// Valid signatures of distinct keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureCount {
    /// Ids of the keys that counted, sorted.
    pub valid_keyids: Vec<String>,
    /// Keys of the role that could not count, with the reason.
    pub notes: Vec<String>,
}

impl<'a> Signers<'a> {
    /// The signers of a top-level role.
    ///
    /// # Errors
    /// A role that root does not have.
    pub fn of_root(root: &'a Root, role: &str) -> Result<Self, TrustError> {
        let keys = root.roles.get(role).ok_or_else(|| TrustError::Unlisted {
            role: role.into(),
            wanted_in: format!("root version {}", root.version),
        })?;
        Ok(Signers {
            keys: &root.keys,
            keyids: &keys.keyids,
            threshold: keys.threshold,
        })
    }

    /// The signers of a role that `delegator` delegates to.
    ///
    /// # Errors
    /// No such delegation.
    pub fn of_delegation(
        delegator: &'a Targets,
        delegator_name: &str,
        role: &str,
    ) -> Result<Self, TrustError> {
        let (delegations, role) =
            delegator
                .delegation(role)
                .ok_or_else(|| TrustError::Unlisted {
                    role: role.into(),
                    wanted_in: format!("the delegations of {delegator_name}"),
                })?;
        Ok(Signers {
            keys: &delegations.keys,
            keyids: &role.keyids,
            threshold: role.threshold,
        })
    }

    /// Counts the valid signatures over `message` by distinct keys of the role.
    ///
    /// A key counts when its id is the hash of the key and no other id with the same public value
    /// counted before it; a signature that is not valid, or not by a key of the role, is passed by.
    pub fn count(&self, message: &[u8], signatures: &[Signature]) -> SignatureCount {
        let wanted: BTreeSet<&str> = self.keyids.iter().map(String::as_str).collect();
        let mut identities = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut count = SignatureCount {
            valid_keyids: Vec::new(),
            notes: Vec::new(),
        };
        for Signature { keyid, sig } in signatures {
            if !wanted.contains(keyid.as_str()) || !seen.insert(keyid.as_str()) {
                continue;
            }
            let identity = match self.check_one(message, keyid, sig) {
                Ok(identity) => identity,
                Err(note) => {
                    count.notes.push(note);
                    continue;
                }
            };
            match identities.insert(identity, keyid) {
                None => count.valid_keyids.push(keyid.clone()),
                Some(other) => count
                    .notes
                    .push(format!("key {keyid} is key {other} under another id")),
            }
        }
        count.valid_keyids.sort_unstable();
        count.notes.truncate(MAX_NOTES);
        count
    }

    fn check_one(
        &self,
        message: &[u8],
        keyid: &str,
        sig: &str,
    ) -> Result<super::key::Identity, String> {
        let key = self
            .keys
            .get(keyid)
            .ok_or_else(|| format!("key {keyid} is named and not listed"))?;
        let id = key.id().map_err(|e| format!("key {keyid}: {e}"))?;
        if id != keyid {
            return Err(format!("key {keyid} has id {id} by its content"));
        }
        let verifier = key.verifier().ok_or_else(|| {
            format!(
                "key {keyid} is of type {:?} with scheme {:?}, or malformed, and cannot count",
                key.keytype, key.scheme
            )
        })?;
        let valid = from_hex(sig).is_some_and(|sig| verifier.verify(message, &sig));
        if !valid {
            return Err(format!("the signature by key {keyid} is not valid"));
        }
        Ok(verifier.identity())
    }
}

/// Holds `signatures` over `message` against the threshold.
///
/// # Errors
/// [`TrustError::Threshold`]; a threshold of 0 is never reached. `role` is what was signed, `by`
/// whose list of keys this is.
pub fn verify_threshold(
    role: &str,
    by: &str,
    signers: Signers<'_>,
    message: &[u8],
    signatures: &[Signature],
) -> Result<SignatureCount, TrustError> {
    let count = signers.count(message, signatures);
    let found = count.valid_keyids.len() as u64;
    if signers.threshold == 0 || found < signers.threshold {
        return Err(TrustError::Threshold {
            role: role.into(),
            by: by.into(),
            found,
            wanted: signers.threshold.max(1),
            notes: count.notes,
        });
    }
    Ok(count)
}

impl<T: Role> Unverified<T> {
    /// Verifies the file as `role` by `signers`.
    ///
    /// # Errors
    /// [`TrustError::Threshold`].
    pub fn verify(
        self,
        role: &str,
        by: &str,
        signers: Signers<'_>,
    ) -> Result<Verified<T>, TrustError> {
        let count = verify_threshold(role, by, signers, &self.canonical, &self.signatures)?;
        Ok(Verified {
            signed: self.signed,
            bytes: self.bytes,
            signers: count.valid_keyids,
        })
    }
}

impl Unverified<Root> {
    /// Verifies a root by its own keys: proves that it is whole, not that it is ours. The caller
    /// has it from a place that is trusted, or goes on with [`Verified::verify_next`].
    ///
    /// # Errors
    /// [`TrustError::Threshold`].
    pub fn verify_self(self) -> Result<Verified<Root>, TrustError> {
        let by = format!("root version {}", self.signed.version);
        let signers = Signers::of_root(&self.signed, "root")?;
        let count = verify_threshold("root", &by, signers, &self.canonical, &self.signatures)?;
        Ok(Verified {
            signed: self.signed,
            bytes: self.bytes,
            signers: count.valid_keyids,
        })
    }
}

impl Verified<Root> {
    /// Verifies `next` as the successor of this root: signed by a threshold of both, version one
    /// higher (TUF 1.0, sections 5.3.4 and 5.3.5).
    ///
    /// # Errors
    /// [`TrustError::Threshold`] or [`TrustError::Version`].
    pub fn verify_next(&self, next: Unverified<Root>) -> Result<Verified<Root>, TrustError> {
        let by = format!("root version {}", self.version);
        let signers = Signers::of_root(self, "root")?;
        verify_threshold("root", &by, signers, &next.canonical, &next.signatures)?;
        let wanted = self.version.saturating_add(1);
        if next.signed.version != wanted {
            return Err(TrustError::Version {
                role: "root".into(),
                found: next.signed.version,
                wanted,
            });
        }
        next.verify_self()
    }
}
