//! Room `io`: drafts in `.relman/drafts/<tag>`.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use super::durable::{self, MODE_FILE, MODE_PROGRAM};
use super::unsynced::Unsynced;
use super::{fault, hashing};
use crate::error::Context;
use crate::hash::Sha256;
use crate::limits::MAX_CONFIG_LEN;
use crate::release::draft::{DraftDir, Drafts, FORMAT, Record};
use crate::{Error, Result};

const RECORD: &str = ".draft.json";

/// Drafts below one directory.
pub struct LocalDrafts {
    root: PathBuf,
}

struct Dir {
    temp: PathBuf,
    target: PathBuf,
    /// Files that are on their way to the disk already, while others are still being made.
    syncing: RefCell<Vec<JoinHandle<Result<()>>>>,
}

/// A file of this many bytes is worth a thread that syncs it early.
const EARLY_SYNC_LEN: u64 = 1024 * 1024;
/// Most threads that do so.
const MAX_EARLY_SYNCS: usize = 8;

impl LocalDrafts {
    /// Drafts in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        LocalDrafts { root: root.into() }
    }
}

impl Drafts for LocalDrafts {
    fn load(&self, tag: &str) -> Result<Option<Record>> {
        let dir = self.root.join(tag);
        let Some(bytes) = durable::read_bounded(&dir.join(RECORD), MAX_CONFIG_LEN)? else {
            return Ok(None);
        };
        let damaged = || {
            Error::failed(format!("the draft in {} is damaged", dir.display()))
                .hint(format!("remove it and cut again: rm -r {}", dir.display()))
        };
        let record: Record = serde_json::from_slice(&bytes).map_err(|e| damaged().caused_by(e))?;
        if record.format != FORMAT || record.tag != tag {
            return Err(damaged().caused_by(format!(
                "it is format {} of {}, wanted format {FORMAT} of {tag}",
                record.format, record.tag
            )));
        }
        let paths: Vec<PathBuf> = record.files.keys().map(|name| dir.join(name)).collect();
        let found = hashing::files(&paths).map_err(|e| damaged().caused_by(e))?;
        for ((name, wanted), found) in record.files.iter().zip(found) {
            if found != *wanted {
                return Err(
                    damaged().caused_by(format!("{name} hashes to {found}, wanted {wanted}"))
                );
            }
        }
        Ok(Some(record))
    }

    fn tags(&self) -> Result<Vec<String>> {
        let names = durable::list_dir(&self.root)?.unwrap_or_default();
        Ok(names
            .into_iter()
            .filter(|name| !name.starts_with('.') && self.root.join(name).join(RECORD).is_file())
            .collect())
    }

    fn begin(&self, tag: &str) -> Result<Box<dyn DraftDir + '_>> {
        let temp = self.root.join(format!(".unfinished-{tag}"));
        durable::remove_all(&temp)?;
        durable::create_dir_all(&self.root)?;
        make_dirs(&temp)?;
        Ok(Box::new(Dir {
            temp,
            target: self.root.join(tag),
            syncing: RefCell::default(),
        }))
    }

    fn file(&self, tag: &str, name: &str) -> PathBuf {
        self.root.join(tag).join(name)
    }

    fn read(&self, tag: &str, name: &str, limit: u64) -> Result<Vec<u8>> {
        durable::read_required(&self.file(tag, name), limit)
    }

    fn remove(&self, tag: &str) -> Result<()> {
        durable::remove_all(&self.root.join(tag))
    }
}

impl DraftDir for Dir {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<Sha256> {
        let path = self.temp.join(name);
        make_dirs(durable::parent(&path))?;
        fs::write(&path, bytes).map_err(|e| durable::cannot("write", &path, e))?;
        durable::set_mode(&path, MODE_FILE)?;
        Ok(Sha256::of(bytes))
    }

    fn copy_in(&self, name: &str, from: &Path, executable: bool) -> Result<u64> {
        let path = self.temp.join(name);
        make_dirs(durable::parent(&path))?;
        let len = fs::copy(from, &path).map_err(|e| durable::cannot("copy", from, e))?;
        durable::set_mode(&path, if executable { MODE_PROGRAM } else { MODE_FILE })?;
        let mut syncing = self.syncing.borrow_mut();
        if len >= EARLY_SYNC_LEN && syncing.len() < MAX_EARLY_SYNCS {
            syncing.push(thread::spawn(move || durable::sync_file(&path)));
        }
        Ok(len)
    }

    fn create(&self, name: &str) -> Result<Box<dyn Write>> {
        let path = self.temp.join(name);
        let file = File::create_new(&path).map_err(|e| durable::cannot("create", &path, e))?;
        durable::set_mode(&path, MODE_FILE)?;
        Ok(Box::new(file))
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        let path = self.temp.join(name);
        let file = File::open(&path).map_err(|e| durable::cannot("read", &path, e))?;
        Ok(Box::new(file))
    }

    fn commit(self: Box<Self>, record: &Record) -> Result<()> {
        let bytes =
            serde_json::to_vec_pretty(record).or_failed(|| "cannot write the record".into())?;
        fault::point("draft.filled");
        let mut unsynced = Unsynced::default();
        for name in record.files.keys() {
            unsynced.add_below(&self.temp, &self.temp.join(name));
        }
        let path = self.temp.join(RECORD);
        durable::write_new_unsynced(&path, &bytes, MODE_FILE, &mut unsynced)?;
        for syncing in self.syncing.take() {
            // An error is reported to one sync alone, so this one's counts.
            syncing
                .join()
                .map_err(|_| Error::bug("a syncing thread is gone"))??;
        }
        unsynced.sync()?;
        durable::remove_all(&self.target)?;
        durable::rename(&self.temp, &self.target)?;
        fault::point("draft.committed");
        Ok(())
    }
}

/// Directories of a draft under way: synced when it is complete.
fn make_dirs(path: &Path) -> Result<()> {
    durable::create_dir_all_unsynced(path, &mut Unsynced::default())
}
