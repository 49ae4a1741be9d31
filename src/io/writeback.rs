//! Room `io`: sends what was written of a large file on its way to the disk while the rest is still being made, so that the
//! fsync at the end finds little left to wait for.

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

/// Bytes after which a part is sent on its way.
const PART: u64 = 4 * 1024 * 1024;

/// Syncs behind the writer's back; nothing is durable because of it.
#[derive(Debug, Default)]
pub(super) struct Writeback {
    written: u64,
    behind: Option<(SyncSender<File>, JoinHandle<io::Result<()>>)>,
}

impl Writeback {
    /// Notes that `len` more bytes were written to `file`.
    ///
    /// # Errors
    /// I/O: no second descriptor can be had. What the syncs meet comes with [`Writeback::finish`].
    pub(super) fn wrote(&mut self, file: &File, len: usize) -> io::Result<()> {
        self.written += len as u64;
        if self.written < PART {
            return Ok(());
        }
        self.written = 0;
        let (send, _) = self.behind.get_or_insert_with(|| {
            let (send, receive) = sync_channel::<File>(1);
            let thread = thread::spawn(move || {
                // The kernel tells an error of a write once, so it must not be lost here.
                receive.iter().try_for_each(|file| file.sync_data())
            });
            (send, thread)
        });
        match send.try_send(file.try_clone()?) {
            // Busy with an earlier part, which the next sync takes up; or ended, which finish tells.
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Ok(()),
        }
    }

    /// Waits for what is under way.
    ///
    /// # Errors
    /// What a sync met: something that was written is not going to be on the disk.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.written = 0;
        let Some((send, thread)) = self.behind.take() else {
            return Ok(());
        };
        drop(send);
        thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("a thread that syncs files has died")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_behind_the_writers_back_is_told_at_the_end() {
        let mut writeback = Writeback::default();
        // Nothing can be synced to a pipe's end.
        let (_read, write) = io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(write));
        writeback.wrote(&file, PART as usize).unwrap();
        writeback.finish().unwrap_err();
        writeback.finish().unwrap();
    }

    #[test]
    fn small_files_wait_for_their_fsync() {
        let mut writeback = Writeback::default();
        let file = tempfile::tempfile().unwrap();
        writeback.wrote(&file, PART as usize - 1).unwrap();
        assert!(writeback.behind.is_none());
        writeback.wrote(&file, 1).unwrap();
        assert!(writeback.behind.is_some());
        writeback.finish().unwrap();
    }
}
