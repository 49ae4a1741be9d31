//! A cache and a store of metadata in memory: for audits, which keep nothing, and for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::refresh::{Cache, Fetch};
use crate::{Error, Result};

/// Files by name, in memory.
#[derive(Debug, Default)]
pub struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

impl Memory {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        self.files().insert(name.to_owned(), bytes.to_vec());
    }

    /// The file `name`.
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.files().get(name).cloned()
    }

    /// Removes the file `name` and gives it back.
    pub fn take(&self, name: &str) -> Option<Vec<u8>> {
        self.files().remove(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<String> {
        self.files().keys().cloned().collect()
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache for Memory {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.get(name))
    }

    fn save(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.put(name, bytes);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.take(name);
        Ok(())
    }
}

impl Fetch for Memory {
    fn fetch(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        match self.get(name) {
            Some(bytes) if bytes.len() as u64 > limit => Err(Error::refused(format!(
                "{name} is {} bytes, at most {limit} are accepted",
                bytes.len()
            ))),
            found => Ok(found),
        }
    }
}
