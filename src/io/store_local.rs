//! Room `io`: a store that is a directory.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::durable;
use crate::store::cosign::Cosigners;
use crate::store::{Reader, is_object_name};
use crate::{Error, Result};

/// A store in a local directory.
#[derive(Clone)]
pub struct LocalStore {
    root: PathBuf,
    cosigners: Option<Arc<dyn Cosigners>>,
}

impl LocalStore {
    /// The store at `root`, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        LocalStore {
            root: root.into(),
            cosigners: None,
        }
    }

    /// The same store, whose publications may wait for witnesses that `cosigners` asks.
    pub fn with_cosigners(mut self, cosigners: Arc<dyn Cosigners>) -> Self {
        self.cosigners = Some(cosigners);
        self
    }

    /// Whoever asks witnesses.
    pub fn cosigners(&self) -> Option<&dyn Cosigners> {
        self.cosigners.as_deref()
    }

    /// The directory of this store.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where an object lives. Object names come from metadata that others wrote, so a name that
    /// could leave the store is refused here and not only where it was parsed.
    pub fn path_of(&self, path: &str) -> Result<PathBuf> {
        if !is_object_name(path) {
            return Err(Error::refused(format!("{path:?} is no name of an object")));
        }
        Ok(self.root.join(path))
    }
}

impl Reader for LocalStore {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        durable::read_bounded(&self.path_of(path)?, limit)
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>> {
        let file = durable::open_file(&self.path_of(path)?)?;
        Ok(file.map(|file| Box::new(file) as Box<dyn Read + Send>))
    }

    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn list(&self, prefix: &str) -> Result<Option<Vec<String>>> {
        let dir = match prefix {
            "" => self.root.clone(),
            some => self.path_of(some.trim_end_matches('/'))?,
        };
        Ok(Some(durable::list_dir(&dir)?.unwrap_or_default()))
    }
}
