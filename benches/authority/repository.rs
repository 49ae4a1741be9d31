//! Bench `authority`: repositories of a given size, signed with fixed keys.

use std::fs;
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer as _, SigningKey};
use jiff::Timestamp as Time;
use relman::hash::Sha256;
use relman::keys::{PublicKey, Signer};
use relman::trust::policy::quorum;
use relman::trust::schema::{Root, Snapshot, TargetFile, Targets, Timestamp};
use relman::trust::verify::Signers;
use relman::trust::{MetaFile, Unsigned};

use crate::harness::Outcome;

const MEGABYTE: usize = 1_000_000;

/// How large a repository is.
pub struct Size {
    /// Targets of the top-level role.
    targets: usize,
    /// Bytes of each that are really there; none are with 0.
    target_len: usize,
    /// Keys of the delegated role, two thirds of which sign.
    keys: usize,
}

impl Size {
    /// A project after a few releases.
    pub fn small() -> Self {
        Size::of(10, 5)
    }

    /// So many releases and masternodes.
    pub fn of(targets: usize, keys: usize) -> Self {
        Size {
            targets,
            target_len: 0,
            keys,
        }
    }

    /// Targets that can be downloaded.
    pub fn fifty_of_a_megabyte() -> Self {
        Size {
            targets: 50,
            target_len: MEGABYTE,
            keys: 5,
        }
    }
}

/// A repository on disk, `metadata/` and `targets/`.
pub struct Repository {
    /// The trusted root.
    pub root: PathBuf,
    /// Names of the top-level role's targets.
    pub targets: Vec<String>,
    /// Bytes of all metadata.
    pub metadata_len: usize,
}

struct Key(SigningKey);

impl Key {
    fn new(number: usize) -> Self {
        let seed = Sha256::of(format!("bench key {number}").as_bytes());
        Key(SigningKey::from_bytes(&seed.0))
    }
}

impl Signer for Key {
    fn public(&self) -> PublicKey {
        let bytes = self.0.verifying_key().to_bytes();
        PublicKey::from_bytes(bytes).expect("a key that was just made is one")
    }

    fn sign(&self, message: &[u8]) -> relman::Result<[u8; 64]> {
        Ok(self.0.sign(message).to_bytes())
    }
}

impl Repository {
    /// Makes one below `dir`.
    pub fn make(dir: &Path, size: Size) -> Outcome<Repository> {
        let metadata = dir.join("metadata");
        fs::create_dir_all(&metadata)?;
        fs::create_dir_all(dir.join("targets"))?;
        let until: Time = "2125-01-01T00:00:00Z".parse()?;
        let key = Key::new(0);
        let mut root = Root::new(1, until);
        for role in ["root", "targets", "snapshot", "timestamp"] {
            root.add_key(role, &key.public().into())?;
        }
        let mut targets = Targets::new(1, until);
        let mut names = Vec::new();
        for number in 0..size.targets {
            let name = format!("phase1-feature-1.0.{number}.tar.gz");
            let target = match size.target_len {
                0 => TargetFile::new(12_000_000, Sha256::of(name.as_bytes())),
                len => made(dir, &name, number, len)?,
            };
            targets
                .targets
                .insert(name.clone(), described(target, number));
            names.push(name);
        }
        let masternodes: Vec<Key> = (1..=size.keys).map(Key::new).collect();
        let public: Vec<_> = masternodes.iter().map(|key| key.public().into()).collect();
        let threshold = quorum(size.keys);
        targets.delegate("mainnet", &public, threshold, true, &["mainnet.*".into()])?;
        let mut role = Targets::new(1, until);
        let current = TargetFile::new(500, Sha256::of(b"current"));
        role.targets.insert("mainnet.current.json".into(), current);
        let mut signed = Unsigned::new(&role)?.open();
        for key in masternodes.iter().take(threshold as usize) {
            signed = signed.sign(key)?;
        }
        let signers = Signers::of_delegation(&targets, "targets", "mainnet")?;
        let role = signed.publish("mainnet", "targets", signers)?;
        let whole = Unsigned::new(&targets)?.sign(&key)?.draft_bytes()?;
        let mut snapshot = Snapshot::new(1, until);
        for (name, bytes) in [("targets.json", &whole), ("mainnet.json", &role)] {
            snapshot.meta.insert(name.into(), MetaFile::of(1, bytes));
        }
        let snapshot = Unsigned::new(&snapshot)?.sign(&key)?.draft_bytes()?;
        let timestamp = Timestamp::new(1, until, MetaFile::of(1, &snapshot));
        let files = [
            (
                "1.root.json",
                Unsigned::new(&root)?.sign(&key)?.draft_bytes()?,
            ),
            ("1.targets.json", whole),
            ("1.mainnet.json", role),
            ("1.snapshot.json", snapshot),
            (
                "timestamp.json",
                Unsigned::new(&timestamp)?.sign(&key)?.draft_bytes()?,
            ),
        ];
        let mut metadata_len = 0;
        for (name, bytes) in &files {
            fs::write(metadata.join(name), bytes)?;
            metadata_len += bytes.len();
        }
        Ok(Repository {
            root: metadata.join("1.root.json"),
            targets: names,
            metadata_len,
        })
    }
}

/// A target whose bytes are there, and do not compress.
fn made(dir: &Path, name: &str, number: usize, len: usize) -> Outcome<TargetFile> {
    let mut bytes = Vec::with_capacity(len);
    let mut block = Sha256::of(&number.to_le_bytes());
    while bytes.len() < len {
        bytes.extend_from_slice(&block.0);
        block = Sha256::of(&block.0);
    }
    bytes.truncate(len);
    let target = TargetFile::of(&bytes);
    let file = target
        .consistent_name(name)
        .ok_or("a target without hash")?;
    fs::write(dir.join("targets").join(file), bytes)?;
    Ok(target)
}

/// As relman lists a release.
fn described(mut target: TargetFile, number: usize) -> TargetFile {
    target.custom = Some(serde_json::json!({ "relman": {
        "tag": format!("phase1-feature-1.0.{number}"),
        "commit": Sha256::of(&number.to_be_bytes()).hex()[..40],
        "tagObject": Sha256::of(&number.to_le_bytes()).hex()[..40],
        "repository": "https://git.example.org/timecoin/timed.git",
    }}));
    target
}
