//! Room `io`: private files without a name, gone with the process that made them.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;

use super::durable;
use crate::Result;
use crate::release::verify::{Scratch, ScratchFile};

/// Private files in a directory; the system's temporary one by default.
pub struct PrivateFiles {
    dir: PathBuf,
}

impl PrivateFiles {
    /// Files on the filesystem of `dir`.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        PrivateFiles { dir: dir.into() }
    }
}

impl Default for PrivateFiles {
    fn default() -> Self {
        Self::in_dir(std::env::temp_dir())
    }
}

struct Private(File);

impl Scratch for PrivateFiles {
    fn file(&self, len: u64) -> Result<Box<dyn ScratchFile>> {
        // Never linked under any name, so no other user can open it, nor a later run find it.
        let file = tempfile::tempfile_in(&self.dir)
            .map_err(|e| durable::cannot("make a private file in", &self.dir, e))?;
        durable::reserve(&file, len).map_err(|e| durable::cannot("make room in", &self.dir, e))?;
        Ok(Box::new(Private(file)))
    }
}

impl Read for Private {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Private {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl ScratchFile for Private {
    fn rewind(&mut self) -> Result<()> {
        Seek::rewind(&mut self.0)
            .map_err(|e| crate::Error::failed("cannot read a private file again").caused_by(e))
    }
}
