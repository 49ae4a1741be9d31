//! A store as it was when its log had a smaller size: what came later is not there. Pure.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Mutex;

use crate::Result;
use crate::limits::MAX_TLOG_PROOF_LEN;
use crate::log::TlogProof;
use crate::release::leaf::PROOF_SUFFIX;
use crate::store::Reader;

/// The store at a size of its log.
///
/// A proof is there if its entry was; a version of logged metadata, if its proof is. Everything else
/// has names that only such files lead to. What proofs say of their places is checked elsewhere.
pub struct Then<'a> {
    store: &'a dyn Reader,
    size: u64,
    hidden: Mutex<BTreeMap<String, bool>>,
}

impl<'a> Then<'a> {
    /// `store` when its log had `size` entries.
    pub fn new(store: &'a dyn Reader, size: u64) -> Self {
        Then {
            store,
            size,
            hidden: Mutex::default(),
        }
    }

    fn is_hidden(&self, path: &str) -> Result<bool> {
        let proof = match path.strip_suffix(".json") {
            Some(file) if path.starts_with("metadata/") => format!("{file}{PROOF_SUFFIX}"),
            _ if path.ends_with(PROOF_SUFFIX) => path.to_owned(),
            _ => return Ok(false),
        };
        let known = |hidden: &BTreeMap<String, bool>| hidden.get(&proof).copied();
        // Nothing panics while it holds the lock, so what it guards is whole.
        let lock = || self.hidden.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(hidden) = known(&lock()) {
            return Ok(hidden);
        }
        let bytes = self.store.read(&proof, MAX_TLOG_PROOF_LEN)?;
        let index = bytes.and_then(|bytes| Some(TlogProof::parse(&bytes).ok()?.unverified_index()));
        let hidden = index.is_some_and(|index| index >= self.size);
        lock().insert(proof, hidden);
        Ok(hidden)
    }
}

impl Reader for Then<'_> {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        match self.is_hidden(path)? {
            true => Ok(None),
            false => self.store.read(path, limit),
        }
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>> {
        match self.is_hidden(path)? {
            true => Ok(None),
            false => self.store.open(path),
        }
    }

    fn location(&self) -> String {
        self.store.location()
    }

    fn list(&self, prefix: &str) -> Result<Option<Vec<String>>> {
        let Some(names) = self.store.list(prefix)? else {
            return Ok(None);
        };
        let mut there = Vec::new();
        for name in names {
            if !self.is_hidden(&format!("{prefix}/{name}"))? {
                there.push(name);
            }
        }
        Ok(Some(there))
    }
}
