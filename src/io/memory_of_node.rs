//! Room `io`: what a node has seen and trusts since: TUF metadata, the log's newest checkpoint, the time.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::Timestamp;

use super::durable::{self, MODE_FILE};
use crate::limits::{MAX_CHECKPOINT_LEN, MAX_LAST_SEEN_LEN, MAX_LISTED_METADATA_LEN};
use crate::release::verify::Seen;
use crate::trust::memory::Memory;
use crate::trust::refresh::Cache;
use crate::trust::{clock, time};
use crate::{Error, Result};

/// TUF metadata in a directory, byte for byte as received.
pub struct DirCache {
    dir: PathBuf,
}

impl DirCache {
    /// The cache in `dir`, which need not exist.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        DirCache { dir: dir.into() }
    }
}

impl Cache for DirCache {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>> {
        durable::read_bounded(&self.dir.join(name), MAX_LISTED_METADATA_LEN)
    }

    fn save(&self, name: &str, bytes: &[u8]) -> Result<()> {
        durable::write_atomic(&self.dir.join(name), bytes, MODE_FILE)
    }

    fn remove(&self, name: &str) -> Result<()> {
        durable::remove_all(&self.dir.join(name))
    }
}

/// The newest checkpoint in a file.
pub struct SeenFile {
    path: PathBuf,
}

impl SeenFile {
    /// The checkpoint at `path`, if there is one.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        SeenFile { path: path.into() }
    }
}

impl Seen for SeenFile {
    fn load(&self) -> Result<Option<Vec<u8>>> {
        durable::read_bounded(&self.path, MAX_CHECKPOINT_LEN)
    }

    fn save(&self, note: &[u8]) -> Result<()> {
        durable::write_atomic(&self.path, note, MODE_FILE)
    }
}

/// The newest time that this node knows to have passed: `YYYY-MM-DDTHH:MM:SSZ` in a file.
pub struct LastSeen {
    path: PathBuf,
}

impl LastSeen {
    /// The time at `path`, if there is one.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        LastSeen { path: path.into() }
    }

    /// Holds `now` against it; the hint says how a node recovers whose clock was once ahead.
    ///
    /// # Errors
    /// Kind refused: a clock that is behind, or a file that holds no time. I/O.
    pub fn check(&self, now: Timestamp) -> Result<()> {
        let path = self.path.display();
        clock::check(now, self.load()?).map_err(|e| {
            e.hint(format!(
                "set the clock: timedatectl set-ntp true; if it is right now, and was ahead then: rm {path}"
            ))
        })
    }

    /// Moves it forward to `at`, never back. `at` is a reading of this machine's own clock under
    /// which metadata was fresh, or a witnessed time that was verified.
    ///
    /// # Errors
    /// I/O.
    pub fn advance(&self, at: Timestamp) -> Result<()> {
        if self.load()?.is_some_and(|seen| seen >= at) {
            return Ok(());
        }
        let line = format!("{}\n", time::format(at));
        durable::write_atomic(&self.path, line.as_bytes(), MODE_FILE)
    }

    fn load(&self) -> Result<Option<Timestamp>> {
        let Some(bytes) = durable::read_bounded(&self.path, MAX_LAST_SEEN_LEN)? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&bytes);
        match time::parse(text.trim_end()) {
            Some(at) => Ok(Some(at)),
            None => Err(Error::refused(format!(
                "{} says {text:?}, wanted a time as 2026-02-01T00:00:00Z",
                self.path.display()
            ))
            .hint(format!("if the clock is right: rm {}", self.path.display()))),
        }
    }
}

/// A cache that is read and never changed: what a look takes in is forgotten with it.
pub struct Overlay<'a> {
    below: &'a dyn Cache,
    above: Memory,
    removed: RefCell<BTreeSet<String>>,
}

impl<'a> Overlay<'a> {
    /// Reads `below`, writes nowhere.
    pub fn new(below: &'a dyn Cache) -> Self {
        Overlay {
            below,
            above: Memory::new(),
            removed: RefCell::default(),
        }
    }
}

impl Cache for Overlay<'_> {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self.above.get(name) {
            None if !self.removed.borrow().contains(name) => self.below.load(name),
            found => Ok(found),
        }
    }

    fn save(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.above.put(name, bytes);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.above.take(name);
        self.removed.borrow_mut().insert(name.to_owned());
        Ok(())
    }
}
