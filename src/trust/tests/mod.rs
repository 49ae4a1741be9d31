//! Tests of the trust core, by subject, and the small repository in memory that they attack.
//! Keys from fixed seeds, one fixed clock; no files, no network.

use std::collections::BTreeMap;

use ed25519_dalek::{Signer as _, SigningKey};
use jiff::Timestamp as Time;
use serde_json::{Value, json};

use super::key::PublicKey;
use super::memory::Memory;
use super::refresh::{Refreshed, file_name, refresh};
use super::schema::{MetaFile, Role, Root, Snapshot, TargetFile, Targets, Timestamp};
use super::state::{Clock, Expiry};
use super::time;
use crate::Result;
use crate::hash::hex;
use crate::keys::Signer;

mod attacks;
mod clock;
mod delegations;
mod edit;
mod holes;
mod keys;
mod parsing;
mod policy;
mod roots;
mod stages;
mod workflow;

/// The time of all tests.
fn now() -> Time {
    at("2026-06-01T12:00:00Z")
}

fn at(text: &str) -> Time {
    time::parse(text).unwrap()
}

/// Far enough away.
fn later() -> Time {
    at("2027-01-01T00:00:00Z")
}

fn clock() -> Clock {
    Clock {
        now: now(),
        expiry: Expiry::Enforce,
    }
}

/// The key that grows from a seed of 32 times `seed`.
struct Key(SigningKey);

fn key(seed: u8) -> Key {
    Key(SigningKey::from_bytes(&[seed; 32]))
}

fn public(seed: u8) -> PublicKey {
    key(seed).public().into()
}

fn id(seed: u8) -> String {
    public(seed).id().unwrap()
}

impl Signer for Key {
    fn public(&self) -> crate::keys::PublicKey {
        crate::keys::PublicKey::from_bytes(self.0.verifying_key().to_bytes()).unwrap()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64]> {
        Ok(self.0.sign(message).to_bytes())
    }
}

/// A metadata file over `signed` as it stands, however wrong, signed by keys under their own ids.
fn envelope(signed: &Value, seeds: &[u8]) -> Vec<u8> {
    let named: Vec<_> = seeds.iter().map(|seed| (id(*seed), *seed)).collect();
    envelope_as(signed, &named)
}

/// As [`envelope`], with the key ids to claim.
fn envelope_as(signed: &Value, keys: &[(String, u8)]) -> Vec<u8> {
    let message = super::json::canonical(signed).unwrap();
    let signatures: Vec<Value> = keys
        .iter()
        .map(|(id, seed)| {
            let sig = hex(&key(*seed).sign(&message).unwrap());
            json!({"keyid": id, "sig": sig})
        })
        .collect();
    serde_json::to_vec(&json!({"signatures": signatures, "signed": signed})).unwrap()
}

fn value<T: Role>(signed: &T) -> Value {
    serde_json::to_value(signed).unwrap()
}

const ROOT: u8 = 1;
const TIMESTAMP: u8 = 2;
const SNAPSHOT: u8 = 3;
const TARGETS: u8 = 4;

/// A repository under our control, honest until a test says otherwise.
struct Repo {
    store: Memory,
    first_root: Vec<u8>,
    root: Root,
    timestamp: Timestamp,
    snapshot: Snapshot,
    targets: Targets,
    delegated: BTreeMap<String, Targets>,
    signers: BTreeMap<String, Vec<u8>>,
    list_hashes: bool,
}

impl Repo {
    fn new() -> Self {
        let mut root = Root::new(1, later());
        let mut signers = BTreeMap::new();
        for (role, seed) in [
            ("root", ROOT),
            ("timestamp", TIMESTAMP),
            ("snapshot", SNAPSHOT),
            ("targets", TARGETS),
        ] {
            root.add_key(role, &public(seed)).unwrap();
            signers.insert(role.to_owned(), vec![seed]);
        }
        let mut targets = Targets::new(1, later());
        targets
            .targets
            .insert("timed.tar.gz".into(), TargetFile::of(b"timed"));
        let mut repo = Repo {
            store: Memory::new(),
            first_root: Vec::new(),
            root,
            timestamp: Timestamp::new(0, later(), MetaFile::of(1, b"")),
            snapshot: Snapshot::new(0, later()),
            targets,
            delegated: BTreeMap::new(),
            signers,
            list_hashes: true,
        };
        repo.publish_root();
        repo.first_root = repo.store.get("1.root.json").unwrap();
        repo.publish();
        repo
    }

    fn sign<T: Role>(&self, role: &str, signed: &T) -> Vec<u8> {
        envelope(&value(signed), &self.signers[role])
    }

    fn publish_root(&mut self) {
        let name = format!("{}.root.json", self.root.version);
        self.store.put(&name, &self.sign("root", &self.root));
    }

    /// The next root version: `change` it, then publish it signed by `seeds`.
    fn next_root(&mut self, seeds: &[u8], change: impl FnOnce(&mut Root)) {
        self.root.version += 1;
        change(&mut self.root);
        self.signers.insert("root".into(), seeds.to_vec());
        self.publish_root();
    }

    /// Publishes all targets roles at their versions, then new versions of snapshot and timestamp.
    fn publish(&mut self) {
        let roles: Vec<(String, Targets)> =
            std::iter::once(("targets".into(), self.targets.clone()))
                .chain(self.delegated.clone())
                .collect();
        for (name, role) in roles {
            let bytes = self.sign(&name, &role);
            self.put(&name, role.version, &bytes);
            let meta = self.meta(role.version, &bytes);
            self.snapshot.meta.insert(format!("{name}.json"), meta);
        }
        self.snapshot.version += 1;
        self.publish_snapshot();
    }

    /// Publishes snapshot as it stands, and a new timestamp for it.
    fn publish_snapshot(&mut self) {
        let bytes = self.sign("snapshot", &self.snapshot);
        self.put("snapshot", self.snapshot.version, &bytes);
        let meta = self.meta(self.snapshot.version, &bytes);
        self.timestamp.meta.insert("snapshot.json".into(), meta);
        self.timestamp.version += 1;
        self.publish_timestamp();
    }

    fn publish_timestamp(&self) {
        let bytes = self.sign("timestamp", &self.timestamp);
        self.store.put("timestamp.json", &bytes);
    }

    fn put(&self, role: &str, version: u64, bytes: &[u8]) {
        let file = file_name(role);
        match self.root.consistent_snapshot {
            true => self.store.put(&format!("{version}.{file}"), bytes),
            false => self.store.put(&file, bytes),
        }
    }

    fn meta(&self, version: u64, bytes: &[u8]) -> MetaFile {
        let mut meta = MetaFile::of(version, bytes);
        if !self.list_hashes {
            (meta.length, meta.hashes) = (None, None);
        }
        meta
    }

    /// Delegates `pattern` to the key of `seed` from top-level targets.
    fn delegate(&mut self, name: &str, seed: u8, terminating: bool, pattern: &str) {
        self.targets
            .delegate(name, &[public(seed)], 1, terminating, &[pattern.into()])
            .unwrap();
        self.signers.insert(name.into(), vec![seed]);
        self.delegated.insert(name.into(), Targets::new(1, later()));
    }

    /// Delegates from a delegated role.
    fn delegate_below(&mut self, parent: &str, name: &str, seed: u8, pattern: &str) {
        self.delegated
            .get_mut(parent)
            .unwrap()
            .delegate(name, &[public(seed)], 1, false, &[pattern.into()])
            .unwrap();
        self.signers.insert(name.into(), vec![seed]);
        self.delegated
            .entry(name.into())
            .or_insert_with(|| Targets::new(1, later()));
    }

    fn list(&mut self, role: &str, path: &str) {
        self.delegated
            .get_mut(role)
            .unwrap()
            .targets
            .insert(path.into(), TargetFile::of(role.as_bytes()));
    }

    fn refresh<'a>(&'a self, cache: &'a Memory) -> Result<Refreshed<'a>> {
        refresh(Some(&self.first_root), &self.store, cache, clock())
    }

    /// Refreshes, and wants a refusal that says `words`.
    fn refuses(&self, cache: &Memory, words: &str) {
        refused(self.refresh(cache), words);
    }
}

/// Wants a refusal that says `words`.
#[track_caller]
fn refused<T>(result: Result<T>, words: &str) {
    let error = result
        .err()
        .expect("accepted, and should have been refused");
    assert_eq!(error.kind(), crate::Kind::Refused, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}
