//! What a backup says of itself: `manifest.json`, and a line of `entries.jsonl` for each file. Pure.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text;
use crate::error::{Context, Error, Result};
use crate::hash::Sha256;
use crate::limits;
use crate::node::config::backup::Mode;
use crate::node::record::json;

const SCHEMA: u32 = 1;
/// The file whose digest a backup is named by.
pub const MANIFEST: &str = "manifest.json";
/// One entry a line, in the order of a walk.
pub const ENTRIES: &str = "entries.jsonl";
/// Hex digits of the manifest's digest in a backup's name: 64 bits, against accidents.
const DIGITS: usize = 16;

/// A backup's name: `<number>-<time>-<digest>`. The number grows by one with each backup of a node,
/// whatever the clock says; the digest is the beginning of the manifest's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupId(String);

impl BackupId {
    /// The name of the backup with this manifest.
    pub fn of(number: u64, made: &str, manifest: &[u8]) -> BackupId {
        let time: String = made.chars().filter(|c| !"-:".contains(*c)).collect();
        let digest = Sha256::of(manifest).hex();
        let digest = digest.get(..DIGITS).unwrap_or_default();
        BackupId(format!("{number:04}-{time}-{digest}"))
    }

    /// Reads a name; none where it is none.
    pub fn parse(text: &str) -> Option<BackupId> {
        let mut parts = text.split('-');
        let (number, time, digest) = (parts.next()?, parts.next()?, parts.next()?);
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let (date, rest) = time.split_once('T')?;
        let good = parts.next().is_none()
            && (4..=15).contains(&number.len())
            && digits(number)
            && date.len() == 8
            && digits(date)
            && rest.len() == 7
            && rest.strip_suffix('Z').is_some_and(digits)
            && digest.len() == DIGITS
            && digest
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        good.then(|| BackupId(text.into()))
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        let number = self.0.split('-').next().unwrap_or_default();
        number.parse().unwrap_or_default()
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for BackupId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for BackupId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        BackupId::parse(&text).ok_or_else(|| serde::de::Error::custom("no name of a backup"))
    }
}

/// What a part of a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// A binary of the daemon.
    Binary,
    /// A file or directory of its configuration.
    Configuration,
    /// Its data directory.
    Data,
}

impl Part {
    /// As in manifests and messages.
    pub fn name(self) -> &'static str {
        match self {
            Part::Binary => "binary",
            Part::Configuration => "configuration",
            Part::Data => "data",
        }
    }
}

/// A file or directory of the host that was backed up with all below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// What it is.
    pub part: Part,
    /// Where it was on the host, escaped.
    pub path: String,
    /// Its name in the backup.
    pub at: String,
}

/// What there is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// Another name of a file that has an entry before this one.
    Link,
}

/// How a file's contents got into the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// Blocks shared by the filesystem until one side writes.
    Reflink,
    /// The daemon's own file under a second name.
    Hardlink,
    /// A copy.
    Copy,
    /// In a snapshot of the filesystem.
    Snapshot,
}

/// One line of `entries.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Which root it belongs to, counted from 0.
    pub root: usize,
    /// Its path below the root, escaped; empty for the root itself.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Digest of a file's content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// Length in bytes of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Where a symbolic link leads, or the path of the entry whose file this is too; escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Permission bits, set-id and sticky bits included.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// When its content changed last, in seconds since 1970.
    pub mtime: i64,
    /// And in nanoseconds above that.
    pub mtime_ns: u32,
    /// Extended attributes, capabilities and ACLs among them; names escaped, values in base64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, String>,
    /// How a file's content got here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
}

impl Entry {
    /// As stored, with the end of the line.
    pub fn to_line(&self) -> Result<Vec<u8>> {
        let mut line =
            serde_json::to_vec(self).or_failed(|| "an entry cannot be written as JSON".into())?;
        line.push(b'\n');
        Ok(line)
    }

    /// Reads a line of a backup with `roots` roots.
    ///
    /// # Errors
    /// Kind failed: it is no entry, or one that no backup of relman has.
    pub fn from_line(line: &[u8], roots: usize) -> Result<Entry> {
        let entry: Entry =
            serde_json::from_slice(line).or_failed(|| format!("{ENTRIES} is malformed"))?;
        let file = matches!(entry.kind, Kind::File | Kind::Link);
        let pointing = matches!(entry.kind, Kind::Symlink | Kind::Link);
        let good = entry.root < roots
            && text::names(&entry.path).is_some_and(|n| n.len() <= limits::MAX_BACKUP_DEPTH)
            && entry.mode <= 0o7777
            && entry.mtime_ns < 1_000_000_000
            && file == (entry.sha256.is_some() && entry.length.is_some())
            && pointing == entry.target.is_some()
            && file == entry.way.is_some();
        if !good {
            return Err(Error::failed(format!(
                "{ENTRIES} has an entry that relman does not make: {:?}",
                entry.path
            )));
        }
        Ok(entry)
    }
}

/// What `entries.jsonl` has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntriesRecord {
    /// Digest.
    pub sha256: Sha256,
    /// Length in bytes.
    pub length: u64,
    /// Lines.
    pub count: u64,
}

/// Why a backup was made, and what was installed then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupAbout {
    /// The version that was about to be installed.
    pub tag: Option<String>,
    /// The version that was current: the data is as this one left it.
    pub previous: Option<String>,
    /// Why, for people.
    pub reason: String,
}

/// A snapshot of the filesystem that belongs to a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotRecord {
    /// Its name.
    pub name: String,
    /// Where the data directory's files are in it.
    pub path: String,
    /// The command that removes it.
    pub delete: Vec<String>,
}

/// Files and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    /// Files.
    pub files: u64,
    /// Their lengths, in bytes.
    pub bytes: u64,
}

impl Amount {
    /// One file more.
    pub fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    schema: u32,
    /// The backup's number on this node.
    pub number: u64,
    /// When it was begun, RFC 3339, UTC.
    pub made: String,
    /// Milliseconds that it took.
    pub took_ms: u64,
    /// Why, and what was installed.
    pub about: BackupAbout,
    /// When files were read.
    pub mode: Mode,
    /// What it holds.
    pub roots: Vec<Root>,
    /// What `entries.jsonl` has to be.
    pub entries: EntriesRecord,
    /// All files.
    pub total: Amount,
    /// Files by how they got here.
    pub ways: BTreeMap<Way, Amount>,
    /// Sockets, FIFOs and, in hot mode, files that went away: left out.
    pub skipped: Vec<String>,
    /// Files that went on changing while they were read, in hot mode.
    pub unsteady: Vec<String>,
    /// Where the data is if it is in a snapshot.
    pub snapshot: Option<SnapshotRecord>,
}

/// What [`Manifest::new`] is made of besides what was found.
pub struct Begun<'a> {
    /// When it was begun.
    pub made: Timestamp,
    /// Why.
    pub about: &'a BackupAbout,
    /// When files are read.
    pub mode: Mode,
}

impl Manifest {
    /// A manifest of what was begun and has nothing in it.
    pub fn new(number: u64, begun: &Begun<'_>, roots: Vec<Root>) -> Manifest {
        Manifest {
            schema: SCHEMA,
            number,
            made: crate::node::record::rfc3339(begun.made),
            took_ms: 0,
            about: begun.about.clone(),
            mode: begun.mode,
            roots,
            entries: EntriesRecord {
                sha256: Sha256::of(b""),
                length: 0,
                count: 0,
            },
            total: Amount::default(),
            ways: BTreeMap::new(),
            skipped: Vec::new(),
            unsteady: Vec::new(),
            snapshot: None,
        }
    }

    /// As stored.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        json(self)
    }

    /// Reads the manifest of the backup `id`.
    ///
    /// # Errors
    /// Kind failed: these are not the bytes that the backup is named by, or no manifest.
    pub fn from_bytes(bytes: &[u8], id: &BackupId) -> Result<Manifest> {
        let manifest: Manifest = serde_json::from_slice(bytes)
            .or_failed(|| format!("backup {id}: {MANIFEST} is malformed"))?;
        let own = BackupId::of(manifest.number, &manifest.made, bytes);
        if own != *id {
            return Err(Error::failed(format!(
                "backup {id}: {MANIFEST} was changed: its name would be {own}"
            ))
            .hint("relman backup list shows the others"));
        }
        if manifest.schema != SCHEMA {
            return Err(Error::failed(format!(
                "backup {id} has schema {}, this relman knows {SCHEMA}",
                manifest.schema
            )));
        }
        let flat = |root: &Root| text::names(&root.at).is_some_and(|names| names.len() == 1);
        if !manifest.roots.iter().all(flat) {
            return Err(Error::failed(format!(
                "backup {id}: a root has no flat name"
            )));
        }
        Ok(manifest)
    }

    /// The roots of a part, with their numbers.
    pub fn roots_of(&self, part: Part) -> impl Iterator<Item = (usize, &Root)> {
        self.roots
            .iter()
            .enumerate()
            .filter(move |(_, root)| root.part == part)
    }

    /// Whether it has the data as it was when `version` was current.
    pub fn has_data_of(&self, version: &str) -> bool {
        self.about.previous.as_deref() == Some(version)
            && self.roots_of(Part::Data).next().is_some()
    }
}
