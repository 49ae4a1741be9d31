//! Room `io`: where the members of a release are unpacked to.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::durable;
use super::writeback::Writeback;
use crate::hash::Sha256;
use crate::release::archive::{MemberPath, Sink};
use crate::{Error, Result};

/// Writes members below a private directory; each file is new, and no link is followed. Nothing is durable yet.
pub(super) struct DirSink {
    dir: PathBuf,
    open: Option<(File, PathBuf)>,
    behind: Writeback,
}

impl DirSink {
    pub(super) fn new(dir: &Path) -> Self {
        DirSink {
            dir: dir.to_owned(),
            open: None,
            behind: Writeback::default(),
        }
    }
}

impl Sink for DirSink {
    fn begin(&mut self, path: &MemberPath, _executable: bool, len: u64) -> Result<()> {
        let path = self.dir.join(path.as_str());
        if let Some(up) = path.parent() {
            durable::create_dir_all(up)?;
        }
        // Modes are set by the installer, on the descriptor that it has hashed.
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(durable::MODE_SECRET)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
            .open(&path)
            .map_err(|e| durable::cannot("create", &path, e))?;
        durable::reserve(&file, len).map_err(|e| durable::cannot("make room for", &path, e))?;
        self.open = Some((file, path));
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<()> {
        let Some((file, path)) = &mut self.open else {
            return Err(Error::bug("data without a file"));
        };
        file.write_all(bytes)
            .and_then(|()| self.behind.wrote(file, bytes.len()))
            .map_err(|e| durable::cannot("write", path, e))
    }

    fn end(&mut self, _sha256: Sha256) -> Result<()> {
        match self.open.take() {
            // The installer opens the file anew, once its last writer is gone.
            Some((_, path)) => self
                .behind
                .finish()
                .map_err(|e| durable::cannot("write", &path, e)),
            None => Ok(()),
        }
    }
}
