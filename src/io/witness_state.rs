//! Room `io`: what a running witness remembers: a directory with the newest cosigned checkpoint of each
//! log, a signed note in a file named after the SHA-256 of the log's origin.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::durable::{self, MODE_FILE};
use super::fault;
use super::lock::Lock;
use crate::error::Context;
use crate::hash::Sha256;
use crate::limits::MAX_CHECKPOINT_LEN;
use crate::log::CosignerKey;
use crate::log::add_checkpoint::{Record, Shelf};
use crate::{Error, Result};

/// What ends the name of a record.
const SUFFIX: &str = ".checkpoint";

/// The records of one witness. One process holds them at a time.
pub struct WitnessState {
    dir: PathBuf,
    _lock: Lock,
}

impl WitnessState {
    /// Takes the directory, which is made where there is none, and checks every record in it, also those
    /// of logs that are no longer watched.
    ///
    /// # Errors
    /// Refused: a record that is none, or another witness's. Failed: another process has the directory,
    /// or it cannot be read or written.
    pub fn open(dir: &Path, key: &CosignerKey) -> Result<Self> {
        prepare(dir)?;
        let state = WitnessState {
            _lock: Lock::acquire(&dir.join("lock"), "witness")?,
            dir: dir.to_owned(),
        };
        for name in durable::list_dir(dir)?.unwrap_or_default() {
            // Those of a write that was killed begin with a dot.
            if let (Some(stem), false) = (name.strip_suffix(SUFFIX), name.starts_with('.')) {
                let path = dir.join(&name);
                state.check(stem, &path, key).map_err(|e| {
                    e.under(format!("{} is damaged, or another witness's", path.display()))
                        .hint("restore it from where it was newest; with an older one, or none, this witness could sign two histories")
                })?;
            }
        }
        Ok(state)
    }

    fn check(&self, stem: &str, path: &Path, key: &CosignerKey) -> Result<()> {
        let bytes = durable::read_required(path, MAX_CHECKPOINT_LEN)?;
        let text = std::str::from_utf8(&bytes).or_refused(|| "it is not UTF-8".to_owned())?;
        let origin = text.split('\n').next().unwrap_or_default();
        Record::parse(&bytes, key, origin)?;
        match Sha256::of(origin.as_bytes()).hex() == stem {
            true => Ok(()),
            false => Err(Error::refused(format!(
                "it is of log {origin:?}, whose record has another name"
            ))),
        }
    }

    fn path_of(&self, origin: &str) -> PathBuf {
        let name = format!("{}{SUFFIX}", Sha256::of(origin.as_bytes()));
        self.dir.join(name)
    }
}

/// Makes the directory where there is none. One that is there keeps its mode: it may be anything that a
/// slip of the hand has named.
fn prepare(dir: &Path) -> Result<()> {
    if !durable::is_there(dir) {
        return durable::create_private_dir(dir);
    }
    let meta = fs::metadata(dir).map_err(|e| durable::cannot("look at", dir, e))?;
    let mode = meta.mode() & 0o7777;
    if !meta.is_dir() || mode & 0o022 != 0 {
        return Err(Error::refused(format!(
            "{} is no directory that only its owner writes to: mode {mode:04o}",
            dir.display()
        ))
        .hint(format!(
            "name one of the witness's own; if it is: chmod go-w {}",
            dir.display()
        )));
    }
    Ok(())
}

impl Shelf for WitnessState {
    fn load(&self, origin: &str) -> Result<Option<Vec<u8>>> {
        durable::read_bounded(&self.path_of(origin), MAX_CHECKPOINT_LEN)
    }

    fn save(&self, origin: &str, record: &[u8]) -> Result<()> {
        durable::write_atomic(&self.path_of(origin), record, MODE_FILE)?;
        fault::point("witness.persisted");
        Ok(())
    }
}
