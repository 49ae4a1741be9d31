//! Room `io`: partial tiles leave an object store once full ones have replaced them. Whoever is late
//! with an earlier plan may write one again: the same bytes, which the next publication takes.

use std::io::Read;

use super::objects::Objects;
use crate::io::fault;
use crate::store::Reader;
use crate::{Error, Result, log};

/// Removes what the tiles among `published`, paths in the store, have replaced. Nothing depends on it.
pub fn superseded<'p>(objects: &Objects, published: impl IntoIterator<Item = &'p str>) {
    let paths = log::superseded("log", published, &Listed(objects)).unwrap_or_default();
    for (i, path) in paths.iter().enumerate() {
        fault::point(&format!("collect.{i}"));
        let _ = objects.remove(path);
    }
}

/// The store of whoever publishes, to list and to read whole objects of.
struct Listed<'a>(&'a Objects);

impl Reader for Listed<'_> {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        Ok(self.0.read(path, limit)?.map(|found| found.bytes))
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>> {
        Err(Error::bug(format!(
            "{path} is streamed where tiles are collected"
        )))
    }

    fn location(&self) -> String {
        self.0.location().to_owned()
    }

    fn list(&self, prefix: &str) -> Result<Option<Vec<String>>> {
        self.0.list(prefix).map(Some)
    }
}
