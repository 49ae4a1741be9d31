//! Room `io`: one command at a time. The kernel drops the lock with its holder, so none is stale.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::{clock, durable};
use crate::{Error, Result};

/// Longest holder line that is shown.
const MAX_HOLDER_LEN: u64 = 512;

/// An exclusive lock on a file, held until dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock at `path` for something that takes no time, once whoever holds it has ended.
    ///
    /// # Errors
    /// The file cannot be opened or locked.
    pub fn wait(path: &Path) -> Result<Self> {
        let file = Self::open(path)?;
        flock(&file, FlockOperation::LockExclusive)
            .map_err(|e| durable::cannot("lock", path, e.into()))?;
        Ok(Lock { file })
    }

    fn open(path: &Path) -> Result<File> {
        durable::create_dir_all(durable::parent(path))?;
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(durable::MODE_SECRET)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
            .open(path)
            .map_err(|e| durable::cannot("open the lock", path, e))
    }

    /// Takes the lock at `path` for `command`.
    ///
    /// # Errors
    /// Where somebody holds it: says who (process, command, since when).
    pub fn acquire(path: &Path, command: &str) -> Result<Self> {
        let mut file = Self::open(path)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            let _ = (&mut file).take(MAX_HOLDER_LEN).read_to_string(&mut holder);
            let holder: String = holder.chars().filter(|c| !c.is_control()).collect();
            return Err(Error::failed(format!(
                "another relman is at work here: {}",
                if holder.is_empty() {
                    "it has not said who it is"
                } else {
                    &holder
                }
            ))
            .hint("wait for it to end, then run the same command again"));
        }
        let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| {
            writeln!(
                file,
                "process {}, relman {command}, since {}",
                std::process::id(),
                clock::now()
            )
        });
        written.map_err(|e| durable::cannot("write the lock", path, e))?;
        Ok(Lock { file })
    }

    /// The lock file of a store.
    pub fn of_store(store: &Path) -> PathBuf {
        store.join(".relman-lock")
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Nobody holds it from here on; the name of the last holder would only mislead.
        let _ = self.file.set_len(0);
        // Closing is not enough: a program that another thread is starting just now has a copy of the
        // descriptor until it runs, and flock(2) counts them as one.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}
