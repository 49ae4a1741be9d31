//! The TUF client over a real HTTP connection: what a status means, how names are asked for, and a
//! server that never ends.

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use ed25519_dalek::{Signer as _, SigningKey};
use jiff::Timestamp as Time;
use relman::io::store_http::HttpStore;
use relman::keys::{PublicKey, Signer};
use relman::store::Reader;
use relman::trust::edit::Unsigned;
use relman::trust::memory::Memory;
use relman::trust::refresh::{Refreshed, file_name, refresh};
use relman::trust::schema::Role;
use relman::trust::verify::Signers;
use relman::trust::{Clock, Expiry, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp};
use relman::{Kind, Result};

use crate::common::http_server::{Fault, Server};

/// One key that signs every role.
struct Key(SigningKey);

impl Signer for Key {
    fn public(&self) -> PublicKey {
        PublicKey::from_bytes(self.0.verifying_key().to_bytes()).unwrap()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64]> {
        Ok(self.0.sign(message).to_bytes())
    }
}

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

/// A repository on disk, behind a server.
struct Repository {
    dir: PathBuf,
    key: Key,
    root: Root,
}

impl Repository {
    fn new(name: &str) -> Self {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("tuf-http-{name}"));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let key = Key(SigningKey::from_bytes(&[7; 32]));
        let mut root = Root::new(1, at("2027-01-01T00:00:00Z"));
        for role in ["root", "timestamp", "snapshot", "targets"] {
            root.add_key(role, &key.public().into()).unwrap();
        }
        let repository = Repository { dir, key, root };
        repository.publish_root();
        repository
    }

    fn publish_root(&self) {
        let draft = Unsigned::new(&self.root).unwrap().sign(&self.key).unwrap();
        let bytes = draft.publish_root(None).unwrap();
        self.write(&format!("{}.root.json", self.root.version), &bytes);
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.dir.join(name), bytes).unwrap();
    }

    fn sign<T: Role>(&self, role: &str, signed: &T) -> Vec<u8> {
        let draft = Unsigned::new(signed).unwrap().sign(&self.key).unwrap();
        let keys = [(
            self.root.roles["root"].keyids[0].clone(),
            self.key.public().into(),
        )]
        .into();
        let signers = Signers {
            keys: &keys,
            keyids: &self.root.roles["root"].keyids,
            threshold: 1,
        };
        draft.publish(role, "the test", signers).unwrap()
    }

    /// Publishes `roles` at version 1, with snapshot and timestamp.
    fn publish(&self, roles: &[(&str, &Targets)]) {
        let mut snapshot = Snapshot::new(1, at("2027-01-01T00:00:00Z"));
        for (name, role) in roles {
            let bytes = self.sign(name, *role);
            self.write(&format!("1.{}", file_name(name)), &bytes);
            let meta = MetaFile::of(1, &bytes);
            snapshot.meta.insert(format!("{name}.json"), meta);
        }
        let bytes = self.sign("snapshot", &snapshot);
        self.write("1.snapshot.json", &bytes);
        let meta = MetaFile::of(1, &bytes);
        let timestamp = Timestamp::new(1, at("2027-01-01T00:00:00Z"), meta);
        self.write("timestamp.json", &self.sign("timestamp", &timestamp));
    }

    fn refresh<'a>(&self, store: &'a HttpStore, cache: &'a Memory) -> Result<Refreshed<'a>> {
        let root = fs::read(self.dir.join("1.root.json")).unwrap();
        let clock = Clock {
            now: at("2026-06-01T12:00:00Z"),
            expiry: Expiry::Enforce,
        };
        refresh(Some(&root), store, cache, clock)
    }
}

fn targets() -> Targets {
    Targets::new(1, at("2027-01-01T00:00:00Z"))
}

#[test]
fn http_500_is_not_the_end_of_the_root_chain_but_403_and_404_are() {
    let mut repository = Repository::new("statuses");
    repository.publish(&[("targets", &targets())]);
    repository.root.version = 2;
    repository.publish_root();
    let server = Server::start(repository.dir.clone());
    let store = HttpStore::new(&server.url()).unwrap();
    for status in ["404 Not Found", "403 Forbidden"] {
        server.only_fault("2.root.json", Fault::Status(status));
        let cache = Memory::new();
        let view = repository.refresh(&store, &cache).unwrap();
        assert_eq!(view.root().version, 1, "{status}");
        server.only_fault("3.root.json", Fault::Status(status));
        let cache = Memory::new();
        let view = repository.refresh(&store, &cache).unwrap();
        assert_eq!(view.root().version, 2, "{status}");
    }
    for status in [
        "500 Internal Server Error",
        "502 Bad Gateway",
        "401 Unauthorized",
        "204 No Content",
    ] {
        server.only_fault("2.root.json", Fault::Status(status));
        let cache = Memory::new();
        let error = repository.refresh(&store, &cache).err().unwrap();
        assert_eq!(error.kind(), Kind::Failed, "{status}: {error}");
        let text = error.to_string();
        assert!(
            text.contains("2.root.json") && text.contains(status),
            "{text}"
        );
        assert_eq!(cache.names(), ["root.json"], "nothing newer is believed");
    }
}

#[test]
fn role_names_are_quoted_and_cannot_leave_the_metadata_directory() {
    let odd = "a/../../b ?#%c";
    let quoted = "1.a%2F..%2F..%2Fb%20%3F%23%25c.json";
    let repository = Repository::new("roles");
    let mut top = targets();
    let key = repository.key.public().into();
    top.delegate(odd, &[key], 1, false, &["*".into()]).unwrap();
    let mut role = targets();
    role.targets.insert("x".into(), TargetFile::of(b"x"));
    repository.publish(&[("targets", &top), (odd, &role)]);
    let server = Server::start(repository.dir.clone());
    let store = HttpStore::new(&server.url()).unwrap();
    let cache = Memory::new();
    let mut view = repository.refresh(&store, &cache).unwrap();
    assert_eq!(view.target("x").unwrap().unwrap().role, odd);
    let asked = server.asked();
    assert_eq!(asked.last().unwrap(), &format!("/{quoted}"), "{asked:?}");
    assert!(cache.names().contains(&quoted[2..].to_owned()));
}

#[test]
fn target_names_are_quoted_but_for_their_slashes() {
    let repository = Repository::new("targets");
    let server = Server::start(repository.dir.clone());
    let store = HttpStore::new(&server.url()).unwrap();
    let name = TargetFile::of(b"x")
        .consistent_name("d e/f?g#h%i.gz")
        .unwrap();
    assert!(store.open(&name).unwrap().is_none());
    let digest = relman::hash::Sha256::of(b"x");
    assert_eq!(
        server.asked(),
        [format!("/d%20e/{digest}.f%3Fg%23h%25i.gz")]
    );
}

#[test]
fn endless_metadata_over_http_stops_at_the_limit_of_its_role() {
    let repository = Repository::new("endless");
    repository.publish(&[("targets", &targets())]);
    let listed = |name: &str| fs::read(repository.dir.join(name)).unwrap().len() as u64;
    let server = Server::start(repository.dir.clone());
    let store = HttpStore::new(&server.url()).unwrap();
    for (name, limit) in [
        ("2.root.json", 512_000),
        ("timestamp.json", 16_384),
        ("1.snapshot.json", listed("1.snapshot.json")),
        ("1.targets.json", listed("1.targets.json")),
    ] {
        server.only_fault(name, Fault::Endless);
        let cache = Memory::new();
        let error = repository.refresh(&store, &cache).err().unwrap();
        assert_eq!(error.kind(), Kind::Refused, "{error}");
        let text = error.to_string();
        assert!(
            text.contains(name) && text.contains(&format!("longer than {limit} bytes")),
            "{text}"
        );
    }
}

#[test]
fn an_endless_target_over_http_stops_at_its_listed_length() {
    let repository = Repository::new("endless-target");
    let server = Server::start(repository.dir.clone());
    server.only_fault("x", Fault::Endless);
    let store = HttpStore::new(&server.url()).unwrap();
    let target = TargetFile::of(&[b'x'; 100_000]);
    let mut body = store.open("x").unwrap().unwrap();
    let mut check = target.checker("x").unwrap();
    let mut block = [0; 4_096];
    let mut taken = 0;
    let error = loop {
        let count = body.read(&mut block).unwrap();
        taken += count;
        if let Err(error) = check.update(&block[..count]) {
            break error.to_string();
        }
    };
    assert!(taken <= 100_000 + block.len(), "{taken}");
    assert!(error.contains("at most 100000 are accepted"), "{error}");
}
