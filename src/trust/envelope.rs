//! A metadata file as it arrives: signed part, signatures, bytes. Nothing in it is trusted yet.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::TrustError;
use super::json;
use super::schema::Role;
use crate::limits::MAX_SIGNATURES;

/// One signature by one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Id of the key, as its role lists it.
    pub keyid: String,
    /// Hex; anything else does not count.
    pub sig: String,
}

/// Metadata that was read and not verified. [`super::verify`] makes [`super::Verified`] of it.
#[derive(Clone, Debug)]
pub struct Unverified<T> {
    pub(super) signed: T,
    pub(super) canonical: Vec<u8>,
    pub(super) signatures: Vec<Signature>,
    pub(super) bytes: Vec<u8>,
}

impl<T: Role> Unverified<T> {
    /// Reads `bytes` as metadata of kind `T`.
    ///
    /// # Errors
    /// JSON that is refused, another `_type`, members missing or out of range, one key id signing
    /// twice, more than [`MAX_SIGNATURES`] signatures.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustError> {
        // Without this a damaged file would go without a name, and a store has many.
        let document = json::parse(bytes).map_err(|e| match e {
            TrustError::Json(problem) => TrustError::Json(format!("{}.json: {problem}", T::TYPE)),
            other => other,
        })?;
        let signed = member::<T>(&document, "signed")?;
        let signatures: Vec<Signature> = Vec::deserialize(member::<T>(&document, "signatures")?)
            .map_err(|e| malformed::<T>(format!("signatures: {e}")))?;
        check_signatures(&signatures).map_err(malformed::<T>)?;
        let canonical = json::canonical(signed)?;
        let signed = T::deserialize(signed).map_err(|e| malformed::<T>(e.to_string()))?;
        signed.check().map_err(malformed::<T>)?;
        Ok(Unverified {
            signed,
            canonical,
            signatures,
            bytes: bytes.to_vec(),
        })
    }

    /// What the file says, which nobody has vouched for.
    pub fn unverified_signed(&self) -> &T {
        &self.signed
    }

    /// The signatures, in the file's order.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }
}

fn member<'a, T: Role>(document: &'a Value, name: &str) -> Result<&'a Value, TrustError> {
    document
        .get(name)
        .ok_or_else(|| malformed::<T>(format!("member {name:?} is missing")))
}

fn malformed<T: Role>(problem: String) -> TrustError {
    TrustError::Schema {
        role: T::TYPE.into(),
        problem,
    }
}

/// Bounded, and each key id once (TUF 1.0, section 4.2: `keyid` is unique in `signatures`).
pub(super) fn check_signatures(signatures: &[Signature]) -> Result<(), String> {
    if signatures.len() > MAX_SIGNATURES {
        return Err(format!(
            "{} signatures, at most {MAX_SIGNATURES} are looked at",
            signatures.len()
        ));
    }
    let mut seen = BTreeSet::new();
    match signatures.iter().find(|s| !seen.insert(s.keyid.as_str())) {
        Some(twice) => Err(format!("key {} has signed twice", twice.keyid)),
        None => Ok(()),
    }
}
