//! Plans of what to publish: signed metadata, log entries, checkpoint, in the order in which
//! readers may see them (DESIGN, section 3, "Publishing"). Nothing is written here: a plan goes
//! through the store's stage. Whoever makes one holds the store's lock.

mod batch;
mod genesis;
mod signing;

use jiff::{SignedDuration, Timestamp};

use super::assemble::{PROOF, PROVENANCE, SUMS};
use super::config;
use super::draft::{Drafts, Record};
use super::state::Released;
use super::verify::signed_release;
use super::view::View;
use crate::keys::Signer;
use crate::store::Reader;
use crate::store::stage::Transaction;
use crate::trust::schema::{Snapshot, Targets};
use crate::trust::{MetaFile, time};
use crate::{Error, Result};

pub use genesis::{Founded, Genesis, PEOPLE_MEMBER};
pub use signing::Waiting;

use batch::Batch;
use signing::Signed;

/// Whoever has the secret keys.
pub trait Keys {
    /// All keys at hand for a purpose, perhaps none.
    fn all(&self, purpose: &str) -> Result<Vec<Box<dyn Signer>>>;

    /// The one key for a purpose that needs exactly one.
    fn one(&self, purpose: &str) -> Result<Box<dyn Signer>> {
        self.all(purpose)?.into_iter().next().ok_or_else(|| {
            Error::failed(format!("there is no {purpose} key here"))
                .hint("name the directory that has it: --secret-keys DIR")
        })
    }
}

/// A plan, or whose signatures it lacks.
#[derive(Debug)]
pub enum Planned {
    /// To be staged and carried out.
    Ready(Transaction),
    /// Too few keys at hand; nothing was published.
    Waiting(Waiting),
}

/// Makes plans for one store.
pub struct Publisher<'a> {
    /// The store.
    pub store: &'a dyn Reader,
    /// The keys.
    pub keys: &'a dyn Keys,
    /// How long signatures are valid.
    pub expiry: &'a config::Expiry,
    /// Now.
    pub now: Timestamp,
}

/// A snapshot with less life left than this many timestamps is signed anew with the next one.
const SNAPSHOT_SLACK: u32 = 2;

impl Publisher<'_> {
    /// Plans the publication of a draft.
    ///
    /// # Errors
    /// A store that does not verify, a draft that lacks files, keys that cannot sign.
    pub fn release(
        &self,
        view: &mut View,
        record: &Record,
        drafts: &dyn Drafts,
    ) -> Result<Planned> {
        let released = Released {
            tag: record.tag.clone(),
            commit: record.commit.clone(),
            tag_object: record.tag_object.clone(),
            repository: record.repository.clone(),
            sha256: record.archive,
            length: record.archive_len,
            yanked: None,
        };
        check_leaf(view, record, &released)?;
        let mut targets: Targets = Targets::clone(view.refreshed.targets());
        targets.version = self.free_version("targets", targets.version)?;
        targets.expires = self.until("targets")?;
        targets
            .targets
            .insert(released.archive_name(), released.target()?);
        let targets_file = match signing::sign(&targets, "targets", view, self.keys)? {
            Signed::Whole(bytes) => bytes,
            Signed::Waiting(waiting) => return Ok(Planned::Waiting(waiting)),
        };
        let mut snapshot = Snapshot::clone(view.refreshed.snapshot());
        snapshot.meta.insert(
            "targets.json".into(),
            MetaFile::of(targets.version, &targets_file),
        );
        let mut batch = Batch::new(self, view)?;
        for (name, digest) in &record.files {
            let path = drafts.file(&record.tag, name);
            batch.file(format!("{}/{name}", record.tag), path, *digest);
        }
        let archive = drafts.file(&record.tag, &released.archive_name());
        batch.file(released.archive_path(), archive, record.archive);
        batch.entry(
            record.leaf.clone().into_bytes(),
            format!("{}/{PROOF}", record.tag),
        );
        batch.role("targets", targets.version, targets_file);
        self.sealed(view, batch, snapshot)
    }

    /// Plans fresh signatures over the same contents.
    ///
    /// # Errors
    /// As [`Publisher::release`].
    pub fn freshness(&self, view: &mut View) -> Result<Planned> {
        let slack = SignedDuration::from_hours(
            24 * i64::from(self.expiry.timestamp) * i64::from(SNAPSHOT_SLACK),
        );
        let snapshot = Snapshot::clone(view.refreshed.snapshot());
        let batch = Batch::starting(self.store, None, self.now);
        if snapshot.expires <= self.now.saturating_add(slack).unwrap_or(self.now) {
            return self.sealed(view, batch, snapshot);
        }
        let meta = MetaFile::of(snapshot.version, view.refreshed.snapshot().bytes());
        self.stamped(view, batch, meta)
    }

    /// Signs a new snapshot, and a timestamp over it.
    fn sealed(&self, view: &View, mut batch: Batch, mut snapshot: Snapshot) -> Result<Planned> {
        snapshot.version = self.free_version("snapshot", snapshot.version)?;
        snapshot.expires = self.until("snapshot")?;
        let bytes = match signing::sign(&snapshot, "snapshot", view, self.keys)? {
            Signed::Whole(bytes) => bytes,
            Signed::Waiting(waiting) => return Ok(Planned::Waiting(waiting)),
        };
        let meta = MetaFile::of(snapshot.version, &bytes);
        batch.snapshot(snapshot.version, bytes);
        self.stamped(view, batch, meta)
    }

    fn stamped(&self, view: &View, mut batch: Batch, snapshot: MetaFile) -> Result<Planned> {
        let mut timestamp = crate::trust::Timestamp::clone(view.refreshed.timestamp());
        timestamp.version += 1;
        timestamp.expires = self.until("timestamp")?;
        timestamp.meta.insert("snapshot.json".into(), snapshot);
        match signing::sign(&timestamp, "timestamp", view, self.keys)? {
            Signed::Whole(bytes) => batch.timestamp(timestamp.version, bytes),
            Signed::Waiting(waiting) => return Ok(Planned::Waiting(waiting)),
        }
        batch.transaction().map(Planned::Ready)
    }

    /// The next version that no file has: one once used by an orphan is skipped.
    fn free_version(&self, role: &str, current: u64) -> Result<u64> {
        let mut version = current + 1;
        while self
            .store
            .open(&format!("metadata/{version}.{role}.json"))?
            .is_some()
        {
            version += 1;
        }
        Ok(version)
    }

    fn until(&self, role: &str) -> Result<Timestamp> {
        expires(self.expiry, role, self.now)
    }
}

/// What goes into the log stays there: a leaf that readers would refuse is refused here.
fn check_leaf(view: &View, record: &Record, released: &Released) -> Result<()> {
    let wrong = |e: Error| {
        e.under(format!("the draft of {} cannot be published", record.tag))
            .hint(format!(
                "remove the draft and cut it again with the builder's key: rm -r .relman/drafts/{}",
                record.tag
            ))
    };
    let leaf = signed_release(record.leaf.as_bytes(), &view.policy).map_err(wrong)?;
    let mut differences = released.differences(&leaf);
    for (name, digest) in [(SUMS, leaf.sums), (PROVENANCE, leaf.provenance)] {
        if record.files.get(name) != Some(&digest) {
            differences.push(format!("the leaf is about another {name}"));
        }
    }
    match differences.first() {
        None => Ok(()),
        Some(first) => Err(wrong(Error::refused(first.clone()))),
    }
}

/// When a signature of `role` made at `now` ends to be valid.
pub fn expires(expiry: &config::Expiry, role: &str, now: Timestamp) -> Result<Timestamp> {
    if let Some(fixed) = &expiry.fixed {
        return time::parse(fixed)
            .ok_or_else(|| Error::usage(format!("expiry.fixed is {fixed:?}, wanted a time")));
    }
    let days = match role {
        "root" => expiry.root,
        "targets" => expiry.targets,
        "snapshot" => expiry.snapshot,
        "timestamp" => expiry.timestamp,
        _ => expiry.environment,
    };
    now.checked_add(SignedDuration::from_hours(24 * i64::from(days)))
        .map_err(|e| Error::usage(format!("expiry of {role} is {days} days")).caused_by(e))
}
