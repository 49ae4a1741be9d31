//! What one role says about a file: version, length, hashes. Compares; fetches nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::TrustError;
use crate::hash::{Hasher, Sha256, Sha512Hasher};

/// Hashes by algorithm name, in hex.
pub type Hashes = BTreeMap<String, String>;

/// What timestamp says of snapshot, and snapshot of every targets role (METAFILES).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaFile {
    /// Version of the file, at least 1.
    pub version: u64,
    /// Exact length in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Every one listed must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashes: Option<Hashes>,
    /// Members that the specification does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl MetaFile {
    /// The entry for `bytes`, with their length and SHA-256.
    pub fn of(version: u64, bytes: &[u8]) -> Self {
        MetaFile {
            version,
            length: Some(bytes.len() as u64),
            hashes: Some(sha256(Sha256::of(bytes))),
            extra: BTreeMap::new(),
        }
    }

    /// Holds `bytes` against length and hashes, as far as they are listed.
    ///
    /// # Errors
    /// [`TrustError::Digest`] on the first difference, and for a hash that cannot be computed.
    pub fn check(&self, name: &str, bytes: &[u8]) -> Result<(), TrustError> {
        let mut check = Check::new(name, self.length, self.hashes.as_ref())?;
        check.update(bytes)?;
        check.finish()
    }
}

/// A target (TARGETS): what its bytes must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetFile {
    /// Exact length in bytes.
    pub length: u64,
    /// At least one; every one listed must match.
    pub hashes: Hashes,
    /// The application's own data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<Value>,
    /// Members that the specification does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl TargetFile {
    /// A target of `length` bytes with this SHA-256.
    pub fn new(length: u64, digest: Sha256) -> Self {
        TargetFile {
            length,
            hashes: sha256(digest),
            custom: None,
            extra: BTreeMap::new(),
        }
    }

    /// The target with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::new(bytes.len() as u64, Sha256::of(bytes))
    }

    /// The listed SHA-256; `None` where another hash is listed alone.
    pub fn sha256(&self) -> Option<Sha256> {
        Sha256::from_hex(self.hashes.get("sha256")?)
    }

    /// Starts checking the bytes of target `name` as they arrive.
    ///
    /// # Errors
    /// A listed hash that cannot be computed.
    pub fn checker(&self, name: &str) -> Result<Check, TrustError> {
        Check::new(name, Some(self.length), Some(&self.hashes))
    }

    /// Holds `bytes` against length and every listed hash.
    ///
    /// # Errors
    /// [`TrustError::TooLong`] or [`TrustError::Digest`].
    pub fn check(&self, name: &str, bytes: &[u8]) -> Result<(), TrustError> {
        let mut check = self.checker(name)?;
        check.update(bytes)?;
        check.finish()
    }

    /// The name to fetch target `path` by where consistent snapshots are used: the hash goes before
    /// the last path component. SHA-256 where it is listed.
    pub fn consistent_name(&self, path: &str) -> Option<String> {
        let hash = self
            .hashes
            .get("sha256")
            .or_else(|| self.hashes.values().next())?;
        Some(match path.rsplit_once('/') {
            Some((directory, name)) => format!("{directory}/{hash}.{name}"),
            None => format!("{hash}.{path}"),
        })
    }
}

fn sha256(digest: Sha256) -> Hashes {
    Hashes::from([("sha256".into(), digest.hex())])
}

/// A check of length and hashes in progress, over bytes that arrive in pieces.
pub struct Check {
    name: String,
    seen: u64,
    length: Option<u64>,
    sha256: Option<(Hasher, String)>,
    sha512: Option<(Sha512Hasher, String)>,
}

impl Check {
    fn new(name: &str, length: Option<u64>, hashes: Option<&Hashes>) -> Result<Self, TrustError> {
        let mut check = Check {
            name: name.to_owned(),
            seen: 0,
            length,
            sha256: None,
            sha512: None,
        };
        for (algorithm, wanted) in hashes.into_iter().flatten() {
            let wanted = wanted.to_ascii_lowercase();
            match algorithm.as_str() {
                "sha256" => check.sha256 = Some((Hasher::new(), wanted)),
                "sha512" => check.sha512 = Some((Sha512Hasher::new(), wanted)),
                other => {
                    return Err(TrustError::Unsupported {
                        role: check.name,
                        what: format!("hash algorithm {other:?}"),
                    });
                }
            }
        }
        Ok(check)
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// More bytes than listed: stop reading.
    pub fn update(&mut self, bytes: &[u8]) -> Result<(), TrustError> {
        self.seen = self.seen.saturating_add(bytes.len() as u64);
        if let Some(limit) = self.length
            && self.seen > limit
        {
            return Err(TrustError::TooLong {
                name: self.name.clone(),
                found: self.seen,
                limit,
            });
        }
        if let Some((hasher, _)) = &mut self.sha256 {
            hasher.update(bytes);
        }
        if let Some((hasher, _)) = &mut self.sha512 {
            hasher.update(bytes);
        }
        Ok(())
    }

    /// Ends the check.
    ///
    /// # Errors
    /// Fewer bytes than listed, or other ones.
    pub fn finish(self) -> Result<(), TrustError> {
        let name = self.name;
        let differ = |what: &str, found: String, wanted: String| {
            if found == wanted {
                return Ok(());
            }
            Err(TrustError::Digest {
                name: name.clone(),
                what: what.into(),
                found,
                wanted,
            })
        };
        if let Some(length) = self.length {
            differ("length", self.seen.to_string(), length.to_string())?;
        }
        if let Some((hasher, wanted)) = self.sha256 {
            differ("sha256", hasher.finish().hex(), wanted)?;
        }
        if let Some((hasher, wanted)) = self.sha512 {
            differ("sha512", hasher.finish_hex(), wanted)?;
        }
        Ok(())
    }
}
