//! Making metadata: draft → signatures collected → published. Secret keys stay behind [`Signer`]; bytes
//! that lack a threshold leave only under a name that says so.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use jiff::Timestamp as Time;
use serde_json::{Value, json};

use super::envelope::{Signature, Unverified};
use super::error::TrustError;
use super::json;
use super::key::PublicKey;
use super::schema::{
    DelegatedRole, Delegations, Extra, MetaFile, Role, RoleKeys, Root, SPEC_VERSION, Snapshot,
    TOP_LEVEL, Targets, Timestamp,
};
use super::verify::{SignatureCount, Signers, verify_threshold};
use crate::hash::hex;
use crate::keys::Signer;
use crate::{Error, Result};

/// A role that nobody has signed yet.
#[derive(Clone, Debug)]
pub struct Unsigned<T> {
    value: Value,
    canonical: Vec<u8>,
    kind: PhantomData<T>,
}

/// A role with one signature or more, perhaps too few.
#[derive(Clone, Debug)]
pub struct Signed<T> {
    unsigned: Unsigned<T>,
    signatures: BTreeMap<String, String>,
}

impl<T: Role> Unsigned<T> {
    /// A draft of `signed`.
    ///
    /// # Errors
    /// What no client would read: version 0, threshold 0, keys under a foreign id, a float.
    pub fn new(signed: &T) -> Result<Self> {
        let malformed = |problem| TrustError::Schema {
            role: T::TYPE.into(),
            problem,
        };
        signed.check().map_err(malformed)?;
        for (id, key) in signed.keys().into_iter().flatten() {
            let own = key.id()?;
            if own != *id {
                return Err(Error::from(malformed(format!(
                    "key {id} has id {own} by its content"
                ))));
            }
        }
        let value = serde_json::to_value(signed).map_err(|e| malformed(e.to_string()))?;
        Ok(Unsigned {
            canonical: json::canonical(&value)?,
            value,
            kind: PhantomData,
        })
    }

    /// What a signature is over: the canonical form.
    pub fn message(&self) -> &[u8] {
        &self.canonical
    }

    /// Goes on to collect signatures, of which there are none yet.
    pub fn open(self) -> Signed<T> {
        Signed {
            unsigned: self,
            signatures: BTreeMap::new(),
        }
    }

    /// Adds the first signature.
    ///
    /// # Errors
    /// The key cannot be used, or what it gave is no signature of its own.
    pub fn sign(self, key: &dyn Signer) -> Result<Signed<T>> {
        self.open().sign(key)
    }
}

impl<T: Role> Signed<T> {
    /// Goes on with a file that has some signatures, which are kept as they are.
    ///
    /// # Errors
    /// Metadata that is malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let unverified = Unverified::<T>::parse(bytes)?;
        let value = json::parse(bytes)?
            .get_mut("signed")
            .map(Value::take)
            .unwrap_or_default();
        Ok(Signed {
            unsigned: Unsigned {
                value,
                canonical: unverified.canonical,
                kind: PhantomData,
            },
            signatures: unverified
                .signatures
                .into_iter()
                .map(|s| (s.keyid, s.sig))
                .collect(),
        })
    }

    /// What a signature is over: the canonical form.
    pub fn message(&self) -> &[u8] {
        &self.unsigned.canonical
    }

    /// Adds a signature; an earlier one by the same key goes.
    ///
    /// # Errors
    /// The key cannot be used, or what it gave is no signature of its own.
    pub fn sign(mut self, key: &dyn Signer) -> Result<Self> {
        let public = PublicKey::from(key.public());
        let id = public.id()?;
        let signature = key.sign(&self.unsigned.canonical)?;
        let valid = public
            .verifier()
            .is_some_and(|public| public.verify(&self.unsigned.canonical, &signature));
        if !valid {
            return Err(Error::failed(format!(
                "key {id} gave a signature that is not valid for it"
            ))
            .hint("the signer holds another key than its public half says; check the key file or the agent"));
        }
        self.signatures.insert(id, hex(&signature));
        Ok(self)
    }

    /// What is to be signed, as a draft says it: nobody has vouched for it.
    ///
    /// # Errors
    /// None for what [`Unsigned::new`] and [`Signed::parse`] accept.
    pub fn unverified_body(&self) -> Result<T> {
        let body = T::deserialize(&self.unsigned.value);
        body.map_err(|e| Error::bug("a draft is no role any more").caused_by(e))
    }

    /// Takes over the signatures that another copy of the same draft has collected. They are
    /// counted like any others: when they are asked for.
    ///
    /// # Errors
    /// A draft of other contents.
    pub fn merge(&mut self, other: &Signed<T>) -> Result<()> {
        if self.unsigned.canonical != other.unsigned.canonical {
            return Err(Error::refused(format!(
                "the two drafts of {} differ: sha256 {} here, {} there",
                T::TYPE,
                crate::hash::Sha256::of(&self.unsigned.canonical),
                crate::hash::Sha256::of(&other.unsigned.canonical)
            )));
        }
        let theirs = other.signatures.iter();
        self.signatures
            .extend(theirs.map(|(id, sig)| (id.clone(), sig.clone())));
        Ok(())
    }

    /// Ids of the keys that claim to have signed.
    pub fn keyids(&self) -> impl Iterator<Item = &String> {
        self.signatures.keys()
    }

    /// Drops every signature but those of these keys.
    pub fn keep_signatures(&mut self, keyids: &[String]) {
        self.signatures.retain(|id, _| keyids.contains(id));
    }

    /// Counts the valid signatures of `signers`.
    pub fn count(&self, signers: Signers<'_>) -> SignatureCount {
        signers.count(&self.unsigned.canonical, &self.list())
    }

    /// Ids of the role's keys that have not signed, in the role's order.
    pub fn missing(&self, signers: Signers<'_>) -> Vec<String> {
        let have = self.count(signers).valid_keyids;
        signers
            .keyids
            .iter()
            .filter(|id| !have.contains(id))
            .cloned()
            .collect()
    }

    /// The file to hand to the next signer; not to be published.
    ///
    /// # Errors
    /// None for what [`Unsigned::new`] and [`Signed::parse`] accept.
    pub fn draft_bytes(&self) -> Result<Vec<u8>> {
        let signatures =
            serde_json::to_value(self.list()).map_err(|e| TrustError::Json(e.to_string()))?;
        let document = json!({"signatures": signatures, "signed": self.unsigned.value});
        Ok(json::pretty(&document)?)
    }

    /// The file to publish.
    ///
    /// # Errors
    /// [`TrustError::Threshold`]: too few signatures of `signers`, whom `by` lists.
    pub fn publish(&self, role: &str, by: &str, signers: Signers<'_>) -> Result<Vec<u8>> {
        verify_threshold(role, by, signers, &self.unsigned.canonical, &self.list())?;
        self.draft_bytes()
    }

    fn list(&self) -> Vec<Signature> {
        self.signatures
            .iter()
            .map(|(keyid, sig)| Signature {
                keyid: keyid.clone(),
                sig: sig.clone(),
            })
            .collect()
    }
}

impl Signed<Root> {
    /// The root to publish, signed by its own threshold and by that of `previous`.
    ///
    /// # Errors
    /// Too few signatures of either, or a version that does not follow.
    pub fn publish_root(&self, previous: Option<&Root>) -> Result<Vec<u8>> {
        let bytes = self.draft_bytes()?;
        let root = Unverified::<Root>::parse(&bytes)?.verify_self()?;
        if let Some(previous) = previous {
            let by = format!("root version {}", previous.version);
            let wanted = previous.version.saturating_add(1);
            if root.version != wanted {
                return Err(Error::from(TrustError::Version {
                    role: "root".into(),
                    found: root.version,
                    wanted,
                }));
            }
            self.publish("root", &by, Signers::of_root(previous, "root")?)?;
        }
        Ok(bytes)
    }
}

impl Root {
    /// A root without keys, consistent snapshots on, thresholds 1.
    pub fn new(version: u64, expires: Time) -> Self {
        let role = |name: &str| {
            let keys = RoleKeys {
                keyids: Vec::new(),
                threshold: 1,
                extra: Extra::new(),
            };
            (name.to_owned(), keys)
        };
        Root {
            kind: "root".into(),
            spec_version: SPEC_VERSION.into(),
            version,
            expires,
            consistent_snapshot: true,
            keys: BTreeMap::new(),
            roles: TOP_LEVEL.into_iter().map(role).collect(),
            extra: Extra::new(),
        }
    }

    /// Lets `key` sign top-level role `role`; returns the key's id. Harmless if it could already.
    ///
    /// # Errors
    /// A role that root does not have, or a key without canonical form.
    pub fn add_key(&mut self, role: &str, key: &PublicKey) -> Result<String> {
        let id = key.id()?;
        let keys = self
            .roles
            .get_mut(role)
            .ok_or_else(|| TrustError::Unlisted {
                role: role.into(),
                wanted_in: "root".into(),
            })?;
        if !keys.keyids.contains(&id) {
            keys.keyids.push(id.clone());
        }
        self.keys.insert(id.clone(), key.clone());
        Ok(id)
    }
}

impl Timestamp {
    /// A timestamp for the snapshot described by `snapshot`.
    pub fn new(version: u64, expires: Time, snapshot: MetaFile) -> Self {
        Timestamp {
            kind: "timestamp".into(),
            spec_version: SPEC_VERSION.into(),
            version,
            expires,
            meta: BTreeMap::from([("snapshot.json".into(), snapshot)]),
            extra: Extra::new(),
        }
    }
}

impl Snapshot {
    /// A snapshot that lists nothing yet.
    pub fn new(version: u64, expires: Time) -> Self {
        Snapshot {
            kind: "snapshot".into(),
            spec_version: SPEC_VERSION.into(),
            version,
            expires,
            meta: BTreeMap::new(),
            extra: Extra::new(),
        }
    }
}

impl Targets {
    /// A targets role that lists nothing yet.
    pub fn new(version: u64, expires: Time) -> Self {
        Targets {
            kind: "targets".into(),
            spec_version: SPEC_VERSION.into(),
            version,
            expires,
            targets: BTreeMap::new(),
            delegations: None,
            extra: Extra::new(),
        }
    }

    /// Delegates the paths that match `patterns` to `keys`, after the delegations that are there; one
    /// of the same name is replaced where it stands. Keys that no delegation uses any more go.
    ///
    /// # Errors
    /// A key without canonical form.
    pub fn delegate(
        &mut self,
        name: &str,
        keys: &[PublicKey],
        threshold: u64,
        terminating: bool,
        patterns: &[String],
    ) -> Result<()> {
        let keyids = keys
            .iter()
            .map(PublicKey::id)
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let role = DelegatedRole {
            name: name.into(),
            keyids: keyids.clone(),
            threshold,
            terminating,
            paths: Some(patterns.to_vec()),
            path_hash_prefixes: None,
            extra: Extra::new(),
        };
        let delegations = self.delegations.get_or_insert_with(|| Delegations {
            keys: BTreeMap::new(),
            roles: Some(Vec::new()),
            succinct_roles: None,
            extra: Extra::new(),
        });
        delegations
            .keys
            .extend(keyids.into_iter().zip(keys.iter().cloned()));
        let roles = delegations.roles.get_or_insert_default();
        match roles.iter_mut().find(|old| old.name == name) {
            Some(old) => *old = role,
            None => roles.push(role),
        }
        let used: Vec<&String> = roles.iter().flat_map(|role| &role.keyids).collect();
        delegations.keys.retain(|id, _| used.contains(&id));
        Ok(())
    }
}
