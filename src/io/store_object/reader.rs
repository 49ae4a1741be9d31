//! Room `io`: reading an object store: small objects whole, large ones range by range of one state.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

use super::BucketStore;
use super::objects::{Meta, Objects};
use crate::limits::OBJECT_PART_LEN;
use crate::store::Reader;
use crate::{Error, Result};

impl Reader for BucketStore {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        Published(&self.objects).read(path, limit)
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>> {
        let Some(meta) = self.objects.look(path)? else {
            return Ok(None);
        };
        Ok(Some(Box::new(Ranges {
            objects: Arc::clone(&self.objects),
            path: path.to_owned(),
            meta,
            at: 0,
            part: VecDeque::new(),
        })))
    }

    fn location(&self) -> String {
        Published(&self.objects).location()
    }

    fn list(&self, prefix: &str) -> Result<Option<Vec<String>>> {
        Published(&self.objects).list(prefix)
    }
}

/// The published objects for whoever works on them by name; large ones are streamed by [`BucketStore`]
/// alone.
pub struct Published<'a>(pub &'a Objects);

impl Reader for Published<'_> {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        Ok(self.0.read(path, limit)?.map(|found| found.bytes))
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>> {
        Err(Error::bug(format!("{path} is streamed while publishing")))
    }

    fn location(&self) -> String {
        self.0.location().to_owned()
    }

    fn list(&self, prefix: &str) -> Result<Option<Vec<String>>> {
        self.0.list(prefix).map(Some)
    }
}

/// An object being read: the state that it had when it was opened, or an error.
struct Ranges {
    objects: Arc<Objects>,
    path: String,
    meta: Meta,
    at: u64,
    part: VecDeque<u8>,
}

impl Read for Ranges {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() && self.at < self.meta.length {
            let wanted = OBJECT_PART_LEN.min(self.meta.length - self.at);
            let part = self
                .objects
                .part(&self.path, self.meta.etag.as_deref(), self.at, wanted)
                .map_err(io::Error::other)?;
            if part.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("{} ended at byte {}", self.path, self.at),
                ));
            }
            self.at += part.len() as u64;
            self.part = part.into();
        }
        self.part.read(buffer)
    }
}
