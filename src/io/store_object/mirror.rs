//! Room `io`: a mirror in an object store. An object appears at its path whole and hashed, by one put; a
//! head moves only from the bytes that were read before.

use std::any::Any;

use super::BucketStore;
use super::objects::Written;
use crate::error::Context;
use crate::hash::Sha256;
use crate::io::durable;
use crate::io::mirror_local::copy;
use crate::limits::{MAX_CHECKPOINT_LEN, OBJECT_PART_LEN};
use crate::store::Reader;
use crate::store::mirror::{Destination, NewObject, OpenObject};
use crate::store::plan::Before;
use crate::store::stage::Authoritative;
use crate::{Error, Result};

impl Destination for BucketStore {
    fn reader(&self) -> &dyn Reader {
        self
    }

    fn lock(&self, command: &str) -> Result<Box<dyn Any>> {
        let lease = self.lease(command)?;
        match lease.finished_earlier() {
            true => Err(Error::failed(format!(
                "{} is a store that somebody publishes to; a publication was finished there",
                self.location()
            ))
            .hint("name another place for the mirror")),
            false => Ok(Box::new(lease)),
        }
    }

    fn add(&self, object: &NewObject, open: &OpenObject) -> Result<bool> {
        let differs = || {
            Error::refused(format!(
                "{} is in the mirror with other bytes than {}",
                object.path, object.sha256
            ))
            .hint("nothing is overwritten; find out who changed it, or begin with an empty place")
        };
        if let Some((found, _)) = self.objects.digest(&object.path)? {
            return match found == object.sha256 {
                true => Ok(false),
                false => Err(differs()),
            };
        }
        // Nobody else may look at it, and it is removed with this value.
        let mut file = tempfile::NamedTempFile::new()
            .or_failed(|| "cannot make a file for what is copied".into())?;
        let path = file.path().to_owned();
        let found = copy(open()?, file.as_file_mut(), object, &path)?;
        if found != object.sha256 {
            return Err(Error::refused(format!(
                "{} hashes to {found}, wanted {}",
                object.path, object.sha256
            ))
            .hint("the store that is copied was changed: relman audit --store FROM"));
        }
        let length = file.as_file().metadata();
        let length = length.or_failed(|| "cannot look at what is copied".into())?;
        if length.len() >= OBJECT_PART_LEN {
            self.objects.upload(&object.path, &path, &object.sha256)?;
            return Ok(true);
        }
        let bytes = durable::read_required(&path, OBJECT_PART_LEN)?;
        match self.objects.create(&object.path, &bytes)? {
            Written::Done => Ok(true),
            Written::Differs => Err(differs()),
        }
    }

    fn settle(&self) -> Result<()> {
        // What a put has answered is durable.
        Ok(())
    }

    fn discard(&self, path: &str) {
        let _ = self.objects.remove(path);
    }

    fn set_head(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let before = match self.objects.read(path, MAX_CHECKPOINT_LEN)? {
            Some(found) => Before::Object(Sha256::of(&found.bytes)),
            None => Before::Nothing,
        };
        match self
            .objects
            .replace(path, bytes, before, MAX_CHECKPOINT_LEN)?
        {
            Written::Done => Ok(()),
            Written::Differs => Err(Error::failed(format!(
                "{path} of {} has changed meanwhile",
                self.location()
            ))
            .hint("another copy is at work; run the same command again")),
        }
    }
}
