//! The policy file: every key but TUF's own, bound to person, purpose and validity; the environments;
//! what a cut wants. Pinned by root, so only the root threshold changes it. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp as Time;
use serde::{Deserialize, Serialize};

use super::json;
use super::key::PublicKey;
use super::schema::{POLICY_MEMBER, Root};
use crate::error::Context;
use crate::hash::Sha256;
use crate::limits::MAX_POLICY_LEN;
use crate::{Error, Result};

mod delegations;
mod document;
mod rules;

pub use document::{Cut, Environment, KeyEntry, KeyGroup, Log, PolicyDocument, Purpose};
pub use rules::{ApprovalRule, GateRule, TagRule, is_rule_name};

/// What root says of the policy file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Digest of the file.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub length: u64,
}

impl Pin {
    /// The pin of a policy file.
    pub fn of(bytes: &[u8]) -> Self {
        Pin {
            sha256: Sha256::of(bytes),
            length: bytes.len() as u64,
        }
    }

    /// The pin that `root` carries.
    ///
    /// # Errors
    /// None, or a malformed one.
    pub fn from_root(root: &Root) -> Result<Self> {
        let member = root.extra.get(POLICY_MEMBER).ok_or_else(|| {
            Error::refused(format!(
                "root version {} has no member {POLICY_MEMBER}",
                root.version
            ))
            .hint("this is a plain TUF repository; relman needs one that `relman init` made")
        })?;
        Pin::deserialize(member)
            .or_refused(|| format!("{POLICY_MEMBER} of root version {}", root.version))
    }

    /// Puts the pin into `root`, in place of an earlier one.
    pub fn set(&self, root: &mut Root) {
        let value = serde_json::json!({"sha256": self.sha256.hex(), "length": self.length});
        root.extra.insert(POLICY_MEMBER.into(), value);
    }

    /// The file's name in the store, below `metadata/`.
    pub fn file_name(&self) -> String {
        format!("{}.policy.json", self.sha256)
    }
}

/// One key of the policy, ready for use.
#[derive(Clone, Debug)]
pub struct PolicyKey {
    /// The entry as written.
    pub entry: KeyEntry,
    /// The key.
    pub key: PublicKey,
    /// Its 32 bytes.
    pub bytes: [u8; 32],
}

/// A policy whose bytes are the ones that root pins.
#[derive(Clone, Debug)]
pub struct Policy {
    document: PolicyDocument,
    keys: BTreeMap<String, PolicyKey>,
}

impl Policy {
    /// Reads the policy that `pin` names. Length and digest are checked before anything is parsed.
    ///
    /// # Errors
    /// Other bytes than pinned; a policy that is malformed, contradicts itself, or wants something
    /// that this version does not know.
    pub fn parse_pinned(bytes: &[u8], pin: &Pin) -> Result<Self> {
        if pin.length > MAX_POLICY_LEN {
            return Err(Error::refused(format!(
                "root pins a policy of {} bytes, at most {MAX_POLICY_LEN} are accepted",
                pin.length
            )));
        }
        let found = Pin::of(bytes);
        if found != *pin {
            return Err(Error::refused(format!(
                "policy has {} bytes and sha256 {}, root pins {} bytes and sha256 {}",
                found.length, found.sha256, pin.length, pin.sha256
            ))
            .hint("the file was changed or is an old one; fetch metadata again"));
        }
        let value = json::parse(bytes).map_err(|e| Error::from(e).under("policy was refused"))?;
        let document = PolicyDocument::deserialize(&value)
            .or_refused(|| "policy was refused".into())
            .map_err(|e| {
                e.hint("a newer relman may have written it: `relman --version` on both machines")
            })?;
        let keys = document.check()?;
        Ok(Policy { document, keys })
    }

    /// The policy as written.
    pub fn document(&self) -> &PolicyDocument {
        &self.document
    }

    /// The key with this TUF key id, if it has `purpose` and is valid at `at`.
    pub fn key(&self, purpose: &Purpose, keyid: &str, at: Time) -> Option<&PolicyKey> {
        self.keys
            .get(keyid)
            .filter(|key| key.entry.counts_for(purpose, at))
    }

    /// As [`Policy::key`], by the key's 32 bytes: for formats that know no TUF key id.
    pub fn key_by_bytes(
        &self,
        purpose: &Purpose,
        public: &[u8; 32],
        at: Time,
    ) -> Option<&PolicyKey> {
        self.keys
            .values()
            .find(|key| key.bytes == *public && key.entry.counts_for(purpose, at))
    }

    /// All keys with `purpose` that are valid at `at`, by id.
    pub fn keys_for<'a>(
        &'a self,
        purpose: &'a Purpose,
        at: Time,
    ) -> impl Iterator<Item = &'a PolicyKey> {
        self.keys
            .values()
            .filter(move |key| key.entry.counts_for(purpose, at))
    }

    /// The key with this id, whatever its purpose and validity: for messages, never for decisions.
    pub fn unchecked_key(&self, keyid: &str) -> Option<&PolicyKey> {
        self.keys.get(keyid)
    }

    /// The environment called `name`.
    pub fn environment(&self, name: &str) -> Option<&Environment> {
        self.document.environments.iter().find(|e| e.name == name)
    }
}

/// The quorum of `keys` keys: two thirds, rounded up.
pub fn quorum(keys: usize) -> u64 {
    (keys as u64).saturating_mul(2).div_ceil(3)
}
