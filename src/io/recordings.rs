//! Room `io`: recordings of a watch: lines that are appended while it goes on, and read again; what people declare. Bounded
//! in what is read and what is kept.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::durable;
use crate::error::Context;
use crate::limits::{MAX_WATCH_LINE_LEN, MAX_WATCH_RECORDING_LEN};
use crate::{Error, Result};

/// A recording that is being written.
pub struct Recorder {
    path: PathBuf,
    file: File,
    written: u64,
}

impl Recorder {
    /// A new file of that name, which only this user may read: it names nodes.
    ///
    /// # Errors
    /// It is there already, or cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        durable::create_dir_all(durable::parent(path))?;
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(durable::MODE_SECRET)
            .open(path)
            .or_failed(|| format!("cannot record to {}", path.display()))?;
        Ok(Recorder {
            path: path.to_owned(),
            file,
            written: 0,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line; `synced`, it is on the disk afterwards.
    ///
    /// # Errors
    /// It cannot be written, or the recording is as long as one may be.
    pub fn append(&mut self, line: &[u8], synced: bool) -> Result<()> {
        let what = || format!("cannot record to {}", self.path.display());
        let after = self.written.saturating_add(line.len() as u64);
        if after > MAX_WATCH_RECORDING_LEN {
            return Err(Error::failed(format!(
                "the recording {} has {MAX_WATCH_RECORDING_LEN} bytes, and is as long as it may be",
                self.path.display()
            )));
        }
        self.file.write_all(line).or_failed(what)?;
        if synced {
            self.file.sync_data().or_failed(what)?;
        }
        self.written = after;
        Ok(())
    }
}

/// The lines of a recording, with their numbers from 1 on. A last line without an end was cut off by a kill, and is left
/// out.
///
/// # Errors
/// There is none.
pub fn read(path: &Path) -> Result<impl Iterator<Item = Result<(u64, Vec<u8>)>> + use<>> {
    let file = durable::open_file(path)?
        .ok_or_else(|| Error::usage(format!("there is no recording at {}", path.display())))?;
    let mut reader = BufReader::new(file.take(MAX_WATCH_RECORDING_LEN));
    let name = path.display().to_string();
    let mut number = 0;
    let mut over = false;
    Ok(std::iter::from_fn(move || {
        if over {
            return None;
        }
        number += 1;
        let mut line = Vec::new();
        let limit = MAX_WATCH_LINE_LEN + 1;
        let read = reader
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut line)
            .or_failed(|| format!("cannot read {name}"));
        match read {
            Err(e) => {
                over = true;
                Some(Err(e))
            }
            Ok(_) if line.ends_with(b"\n") => Some(Ok((number, line))),
            Ok(found) if found as u64 == limit => {
                over = true;
                Some(Err(Error::usage(format!(
                    "line {number} of {name} is longer than {MAX_WATCH_LINE_LEN} bytes"
                ))))
            }
            Ok(_) => {
                over = true;
                None
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_is_read_and_a_line_that_a_kill_cut_off_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.jsonl");
        let mut recorder = Recorder::create(&path).unwrap();
        recorder.append(b"one\n", true).unwrap();
        recorder.append(b"two\n", false).unwrap();
        recorder.append(b"thr", false).unwrap();
        let lines: Vec<_> = read(&path).unwrap().map(Result::unwrap).collect();
        assert_eq!(lines, [(1, b"one\n".to_vec()), (2, b"two\n".to_vec())]);
        assert!(Recorder::create(&path).is_err(), "nothing is overwritten");
        assert!(read(&dir.path().join("none")).is_err());
    }

    #[test]
    fn a_line_without_end_is_refused_in_bounded_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long");
        std::fs::write(&path, vec![b'x'; MAX_WATCH_LINE_LEN as usize + 10]).unwrap();
        let lines: Vec<_> = read(&path).unwrap().collect();
        assert!(lines.len() == 1 && lines[0].is_err());
    }
}
