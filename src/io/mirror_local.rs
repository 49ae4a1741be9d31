//! Room `io`: a mirror in a local directory. Objects come in below `.relman-incoming`, are hashed and
//! synced there, and appear at their path by one link.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::durable::{self, MODE_FILE, MODE_PROGRAM, MODE_SECRET};
use super::lock::Lock;
use super::store_local::LocalStore;
use super::unsynced::Unsynced;
use super::{collect, fault, hashing};
use crate::hash::{Hasher, Sha256};
use crate::store::Reader;
use crate::store::mirror::{Destination, NewObject, OpenObject};
use crate::{Error, Result};

/// Where objects come in.
const INCOMING: &str = ".relman-incoming";
/// Where somebody publishes.
const STAGE: &str = ".relman-stage";
/// Bytes moved at a time.
const BUFFER_LEN: usize = 256 * 1024;

/// A mirror in a directory.
pub struct LocalMirror {
    store: LocalStore,
    unsynced: RefCell<Unsynced>,
    /// What this run knows to be whole, to link instead of fetching twice.
    whole: RefCell<BTreeMap<(Sha256, bool), PathBuf>>,
    step: Cell<usize>,
}

impl LocalMirror {
    /// The mirror at `root`, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        LocalMirror {
            store: LocalStore::new(root),
            unsynced: RefCell::default(),
            whole: RefCell::default(),
            step: Cell::new(0),
        }
    }

    fn incoming(&self) -> PathBuf {
        self.store.root().join(INCOMING)
    }

    /// Each step is a point at which a test can kill the run.
    fn step(&self) {
        let step = self.step.get();
        fault::point(&format!("mirror.{step}"));
        self.step.set(step + 1);
    }

    /// Fetches into a private file, hashing on the way.
    fn fetch(&self, object: &NewObject, open: &OpenObject) -> Result<PathBuf> {
        let path = self.incoming().join("object");
        durable::remove_all(&path)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE_SECRET)
            .open(&path)
            .map_err(|e| durable::cannot("create", &path, e))?;
        let found = copy(open()?, &mut file, object, &path)?;
        if found != object.sha256 {
            return Err(Error::refused(format!(
                "{} hashes to {found}, wanted {}",
                object.path, object.sha256
            ))
            .hint("the store that is copied was changed: relman audit --store FROM"));
        }
        file.sync_all()
            .map_err(|e| durable::cannot("write", &path, e))?;
        durable::set_mode(
            &path,
            if object.executable {
                MODE_PROGRAM
            } else {
                MODE_FILE
            },
        )?;
        Ok(path)
    }
}

/// Copies an object into a file, at most as long as it may be, and gives its digest.
///
/// # Errors
/// It is longer; I/O.
pub fn copy(
    mut input: Box<dyn Read + Send>,
    file: &mut File,
    object: &NewObject,
    path: &Path,
) -> Result<Sha256> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0u8; BUFFER_LEN];
    let mut total = 0u64;
    loop {
        let n = match input.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => {
                return Err(Error::failed(format!("cannot read {}", object.path)).caused_by(e));
            }
        };
        total = total.saturating_add(n as u64);
        if total > object.limit {
            return Err(Error::refused(format!(
                "{} is longer than {} bytes",
                object.path, object.limit
            )));
        }
        let piece = buffer.get(..n).unwrap_or_default();
        hasher.update(piece);
        file.write_all(piece)
            .map_err(|e| durable::cannot("write", path, e))?;
    }
}

impl Destination for LocalMirror {
    fn reader(&self) -> &dyn Reader {
        &self.store
    }

    fn lock(&self, command: &str) -> Result<Box<dyn Any>> {
        let root = self.store.root();
        durable::create_dir_all(root)?;
        let lock = Lock::acquire(&Lock::of_store(root), command)?;
        if durable::is_dir(&root.join(STAGE)) {
            return Err(Error::failed(format!(
                "{} is a store that somebody publishes to, and a publication waits there",
                root.display()
            ))
            .hint("name another directory for the mirror"));
        }
        durable::remove_all(&self.incoming())?;
        durable::create_private_dir(&self.incoming())?;
        Ok(Box::new(Guard {
            incoming: self.incoming(),
            _lock: lock,
        }))
    }

    fn add(&self, object: &NewObject, open: &OpenObject) -> Result<bool> {
        self.step();
        let path = self.store.path_of(&object.path)?;
        let key = (object.sha256, object.executable);
        if durable::open_file(&path)?.is_some() {
            let found = hashing::file(&path)?;
            if found != object.sha256 {
                return Err(Error::refused(format!(
                    "{} is there with sha256 {found}, wanted {}, and is never overwritten",
                    path.display(),
                    object.sha256
                ))
                .hint(format!(
                    "find out who wrote it, then move it away: ls -l {}",
                    path.display()
                )));
            }
            // A run that was killed may have put it there and not synced it.
            self.unsynced
                .borrow_mut()
                .add_below(self.store.root(), &path);
            self.whole.borrow_mut().insert(key, path);
            return Ok(false);
        }
        let known = self.whole.borrow().get(&key).cloned();
        let source = match known {
            Some(known) => known,
            None => self.fetch(object, open)?,
        };
        let mut unsynced = self.unsynced.borrow_mut();
        durable::place_once_unsynced(&path, &source, &mut unsynced)?;
        unsynced.add_below(self.store.root(), &path);
        self.whole.borrow_mut().insert(key, path);
        Ok(true)
    }

    fn settle(&self) -> Result<()> {
        self.step();
        self.unsynced.borrow_mut().sync()
    }

    fn discard(&self, path: &str) {
        self.step();
        collect::discard(&self.store, path);
    }

    fn set_head(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.settle()?;
        let place = self.store.path_of(path)?;
        durable::create_dir_all(durable::parent(&place))?;
        let temp = self.incoming().join("head");
        durable::remove_all(&temp)?;
        let mut unsynced = Unsynced::default();
        durable::write_new_unsynced(&temp, bytes, MODE_FILE, &mut unsynced)?;
        unsynced.sync()?;
        self.step();
        durable::rename(&temp, &place)
    }
}

/// Clears what came in, then lets others in.
struct Guard {
    incoming: PathBuf,
    _lock: Lock,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Nothing in it is needed; what stays after a kill is cleared by the next run.
        let _ = durable::remove_all(&self.incoming);
    }
}
