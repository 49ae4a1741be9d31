//! Room `io`: a local file on its way into an object store, in parts, hashed while it is read. Nothing
//! appears before the last part is there and the digest is right.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};

use super::objects::Objects;
use crate::hash::{Hasher, Sha256};
use crate::io::durable::cannot;
use crate::limits::OBJECT_PART_LEN;
use crate::{Error, Result};

impl Objects {
    /// Writes a file to `path`, whatever is there, if its bytes are those of `sha256`.
    ///
    /// # Errors
    /// The file has other bytes: then nothing was written. The store failed: then perhaps it was.
    pub fn upload(&self, path: &str, file: &Path, sha256: &Sha256) -> Result<()> {
        let key = self.key(path)?;
        let mut input = File::open(file).map_err(|e| cannot("read", file, e))?;
        let first = next_part(&mut input, file)?;
        if (first.len() as u64) < OBJECT_PART_LEN {
            is_the_same(path, Sha256::of(&first), sha256)?;
            return self
                .wait(self.store.put(&key, PutPayload::from(first)))
                .map(|_| ())
                .map_err(|e| self.told("write", path, &e));
        }
        let mut upload = self
            .wait(self.store.put_multipart(&key))
            .map_err(|e| self.told("write", path, &e))?;
        let sent = self
            .send((path, first), (&mut input, file), upload.as_mut())
            .and_then(|found| is_the_same(path, found, sha256));
        if let Err(e) = sent {
            // What stays of it costs money and nothing else; buckets can be told to clean up.
            let _ = self.wait(upload.abort());
            return Err(e);
        }
        self.wait(upload.complete())
            .map(|_| ())
            .map_err(|e| self.told("write", path, &e))
    }

    /// Writes `bytes` to `path`, whatever is there.
    ///
    /// # Errors
    /// The store failed; perhaps it was written.
    pub fn overwrite(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let key = self.key(path)?;
        self.wait(self.store.put(&key, PutPayload::from(bytes.to_vec())))
            .map(|_| ())
            .map_err(|e| self.told("write", path, &e))
    }

    fn send(
        &self,
        (path, mut part): (&str, Vec<u8>),
        (input, file): (&mut File, &Path),
        upload: &mut dyn MultipartUpload,
    ) -> Result<Sha256> {
        let mut hasher = Hasher::new();
        while !part.is_empty() {
            hasher.update(&part);
            self.wait(upload.put_part(PutPayload::from(part)))
                .map_err(|e| self.told("write", path, &e))?;
            part = next_part(input, file)?;
        }
        Ok(hasher.finish())
    }
}

fn next_part(input: &mut File, file: &Path) -> Result<Vec<u8>> {
    let mut part = Vec::new();
    input
        .take(OBJECT_PART_LEN)
        .read_to_end(&mut part)
        .map_err(|e| cannot("read", file, e))?;
    Ok(part)
}

/// Checks that what was read is what was planned.
pub(super) fn is_the_same(path: &str, found: Sha256, wanted: &Sha256) -> Result<()> {
    if found == *wanted {
        return Ok(());
    }
    Err(
        Error::failed(format!("staged {path} hashes to {found}, wanted {wanted}"))
            .hint("the disk or another program changed it; cut again after looking at both"),
    )
}
