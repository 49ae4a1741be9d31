//! One change at a time on a node: an advisory lock with the holder's name in it.
//!
//! The kernel drops the lock with its holder, so there is no stale one.

use std::fs::File;
use std::io::Write;

use rustix::fs::{FlockOperation, Mode, OFlags, fchmod, flock, ftruncate, openat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::node_dir::{Dir, cannot};
use crate::error::{Context, Error, Result};

const NAME: &str = "lock";
const MAX_HOLDER_LEN: u64 = 4096;

/// Who holds the lock.
#[derive(Serialize, Deserialize)]
struct Holder {
    pid: u32,
    command: String,
    since: String,
}

/// The lock, held until it is dropped.
pub struct NodeLock {
    file: File,
}

impl NodeLock {
    /// Takes the lock in `state` for `command`, begun at `since` (RFC 3339).
    ///
    /// # Errors
    /// Kind failed: it is held; the error says by whom.
    pub(crate) fn take(state: &Dir, command: &str, since: &str) -> Result<NodeLock> {
        NodeLock::try_take(state, command, since)?
    }

    /// [`NodeLock::take`] for who has to tell a held lock from one that cannot be had.
    ///
    /// # Errors
    /// Kind failed: I/O; the inner one: it is held, and by whom.
    pub(crate) fn try_take(state: &Dir, command: &str, since: &str) -> Result<Result<NodeLock>> {
        let path = state.path.join(NAME);
        // Nobody else may open it: a reader could hold the lock as well as a writer.
        let fd = openat(
            &state.fd,
            NAME,
            OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::from_raw_mode(0o600),
        )
        .map_err(|e| cannot("open the lock", &path, e))?;
        match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(Err(held(state))),
            Err(error) => return Err(cannot("take the lock", &path, error)),
        }
        let holder = Holder {
            pid: std::process::id(),
            command: command.into(),
            since: since.into(),
        };
        fchmod(&fd, Mode::from_raw_mode(0o600)).map_err(|e| cannot("set the mode of", &path, e))?;
        ftruncate(&fd, 0).map_err(|e| cannot("write the lock", &path, e))?;
        let mut file = File::from(fd);
        serde_json::to_vec(&holder)
            .or_failed(|| "the lock's holder cannot be written as JSON".into())
            .and_then(|bytes| {
                file.write_all(&bytes)
                    .or_failed(|| format!("cannot write {}", path.display()))
            })?;
        Ok(Ok(NodeLock { file }))
    }
}

impl Drop for NodeLock {
    fn drop(&mut self) {
        // Closing alone would leave it to a child that has not yet closed its copy.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

fn held(state: &Dir) -> Error {
    let holder: Option<Holder> = state
        .read(NAME, MAX_HOLDER_LEN)
        .ok()
        .flatten()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let who = holder.as_ref().map_or("another process".into(), |h| {
        format!("process {} ({:?}, since {})", h.pid, h.command, h.since)
    });
    let hint = match holder {
        Some(h) => format!("wait until it ends, or look at it: ps -p {}", h.pid),
        None => "wait until it ends".into(),
    };
    Error::failed(format!(
        "the node's lock {} is held by {who}",
        state.path.join(NAME).display()
    ))
    .hint(hint)
}
