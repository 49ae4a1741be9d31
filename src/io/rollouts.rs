//! Room `io`: records of rollouts in a directory: that of a store, or the operator's own. Each is replaced by rename, under
//! a lock that only this takes, and only if it still is what was read.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::lock::Lock;
use super::{durable, fault};
use crate::fleet::record::RolloutId;
use crate::fleet::records::{DIR, Records, Revision, Saved, Stored};
use crate::hash::Sha256;
use crate::limits::MAX_ROLLOUT_LEN;
use crate::{Error, Result};

/// The lock of a store's records; like all names of relman's own in a store it begins with `.relman-`.
const STORE_LOCK: &str = ".relman-rollouts-lock";
/// How the operator's own records end.
const LOCAL_END: &str = ".json";

/// Records in a directory.
pub struct RecordDir {
    /// The store, which is never made here: one that is away, such as a disk that is not mounted, must not seem empty.
    store: Option<PathBuf>,
    dir: PathBuf,
    mode: u32,
    end: &'static str,
    lock: PathBuf,
}

impl RecordDir {
    /// Those of the store in the directory `store`.
    pub fn of_store(store: &Path) -> Self {
        RecordDir {
            store: Some(store.to_owned()),
            dir: store.join(DIR),
            mode: durable::MODE_FILE,
            end: "",
            lock: store.join(STORE_LOCK),
        }
    }

    /// The operator's own, below the project's `.relman`.
    pub fn local(work_dir: &Path) -> Self {
        RecordDir {
            store: None,
            dir: work_dir.join(DIR),
            // Who runs what is nobody else's business.
            mode: durable::MODE_SECRET,
            end: LOCAL_END,
            lock: work_dir.join("rollouts.lock"),
        }
    }

    /// Where a file of this name would be beside the records; names of records are taken.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn is_there(&self) -> Result<()> {
        match &self.store {
            Some(store) if !durable::is_dir(store) => Err(Error::failed(format!(
                "there is no store at {}",
                store.display()
            ))),
            _ => Ok(()),
        }
    }

    fn path(&self, id: &RolloutId) -> PathBuf {
        self.dir.join(format!("{id}{}", self.end))
    }
}

impl Records for RecordDir {
    fn load(&self, id: &RolloutId) -> Result<Option<Stored>> {
        self.is_there()?;
        let bytes = durable::read_bounded(&self.path(id), MAX_ROLLOUT_LEN)?;
        Ok(bytes.map(|bytes| Stored {
            revision: revision(&bytes),
            bytes,
        }))
    }

    fn save(&self, id: &RolloutId, bytes: &[u8], before: Option<&Revision>) -> Result<Saved> {
        let point = next_point();
        fault::point(&format!("rollout-write.{point}"));
        self.is_there()?;
        durable::create_dir_all(&self.dir)?;
        let _lock = Lock::wait(&self.lock)?;
        let found = self.load(id)?.map(|found| found.revision);
        if found.as_ref() != before {
            return Ok(Saved::Differs);
        }
        durable::write_atomic(&self.path(id), bytes, self.mode)?;
        fault::point(&format!("rollout-written.{point}"));
        Ok(Saved::Done(revision(bytes)))
    }

    fn list(&self) -> Result<Vec<RolloutId>> {
        self.is_there()?;
        let names = durable::list_dir(&self.dir)?.unwrap_or_default();
        Ok(ids(names.iter().filter_map(|n| n.strip_suffix(self.end))))
    }

    fn location(&self) -> String {
        self.dir.display().to_string()
    }
}

/// Names that are those of rollouts, oldest first.
pub fn ids<'n>(names: impl Iterator<Item = &'n str>) -> Vec<RolloutId> {
    let mut ids: Vec<RolloutId> = names.filter_map(|n| RolloutId::parse(n).ok()).collect();
    ids.sort();
    ids
}

fn revision(bytes: &[u8]) -> Revision {
    Revision(Sha256::of(bytes).to_string())
}

/// Writes of records are counted, so that tests can end a process at each of them.
fn next_point() -> u64 {
    static POINTS: AtomicU64 = AtomicU64::new(0);
    POINTS.fetch_add(1, Ordering::Relaxed) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> RolloutId {
        RolloutId::parse("20260201T000000Z-testnet-1f0c93ab").unwrap()
    }

    #[test]
    fn a_record_is_replaced_only_in_the_state_that_was_read() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (
            RecordDir::of_store(dir.path()),
            RecordDir::of_store(dir.path()),
        );
        assert_eq!(one.load(&id()).unwrap(), None);
        let Saved::Done(first) = one.save(&id(), b"1", None).unwrap() else {
            panic!("it was not there");
        };
        assert_eq!(other.save(&id(), b"2", None).unwrap(), Saved::Differs);
        let Saved::Done(second) = other.save(&id(), b"2", Some(&first)).unwrap() else {
            panic!("it was what was read");
        };
        assert_eq!(one.save(&id(), b"3", Some(&first)).unwrap(), Saved::Differs);
        let there = one.load(&id()).unwrap().unwrap();
        assert_eq!(
            (there.bytes.as_slice(), there.revision),
            (&b"2"[..], second)
        );
        assert_eq!(one.list().unwrap(), [id()]);
    }

    #[test]
    fn the_operators_own_have_an_end_and_other_files_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let own = RecordDir::local(dir.path());
        own.save(&id(), b"1", None).unwrap();
        std::fs::write(dir.path().join("rollouts/notes.json"), "x").unwrap();
        assert!(dir.path().join(format!("rollouts/{}.json", id())).is_file());
        assert_eq!(own.list().unwrap(), [id()]);
    }
}
