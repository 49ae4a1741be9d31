//! One object after another, from one store to the other, counted. Pure.

use std::io::{Cursor, Read};

use super::Mirrored;
use crate::hash::Sha256;
use crate::store::Reader;
use crate::store::mirror::{Destination, NewObject};
use crate::{Error, Result};

/// Both stores, and what was done so far.
pub struct Objects<'a> {
    /// The store that is copied.
    pub from: &'a dyn Reader,
    to: &'a dyn Destination,
    /// What was done.
    pub report: Mirrored,
}

impl<'a> Objects<'a> {
    /// Nothing was done yet.
    pub fn new(from: &'a dyn Reader, to: &'a dyn Destination) -> Self {
        Objects {
            from,
            to,
            report: Mirrored::default(),
        }
    }

    /// Reads a small object that must be there.
    ///
    /// # Errors
    /// It is missing, too long, or cannot be read.
    pub fn required(&self, path: &str, limit: u64) -> Result<Vec<u8>> {
        self.from
            .read(path, limit)?
            .ok_or_else(|| self.missing(path))
    }

    fn missing(&self, path: &str) -> Error {
        Error::refused(format!(
            "{path} is missing in the store at {}",
            self.from.location()
        ))
    }

    /// Adds bytes that were verified.
    ///
    /// # Errors
    /// As [`Destination::add`].
    pub fn bytes(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let object = NewObject {
            path: path.to_owned(),
            sha256: Sha256::of(bytes),
            limit: bytes.len() as u64,
            executable: false,
        };
        let owned = bytes.to_vec();
        let open = move || Ok(Box::new(Cursor::new(owned.clone())) as Box<dyn Read + Send>);
        let added = self.to.add(&object, &open)?;
        self.count(added);
        Ok(())
    }

    /// Adds an object by its digest.
    ///
    /// # Errors
    /// As [`Destination::add`]; one that is missing.
    pub fn stream(&mut self, object: &NewObject) -> Result<()> {
        let open = || {
            let found = self.from.open(&object.path)?;
            found.ok_or_else(|| self.missing(&object.path))
        };
        let added = self.to.add(object, &open)?;
        self.count(added);
        Ok(())
    }

    /// Moves a head, if it is not there yet.
    ///
    /// # Errors
    /// As [`Destination::set_head`].
    pub fn head(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        self.to.settle()?;
        if self
            .to
            .reader()
            .read(path, bytes.len() as u64)
            .ok()
            .flatten()
            .as_deref()
            != Some(bytes)
        {
            self.to.set_head(path, bytes)?;
            self.report.heads += 1;
        }
        Ok(())
    }

    fn count(&mut self, added: bool) {
        match added {
            true => self.report.added += 1,
            false => self.report.kept += 1,
        }
    }
}
