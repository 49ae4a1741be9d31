//! Room `io`: attestations that wait to be published, one file a release, in `.relman/attestations`.

use std::path::PathBuf;

use super::durable::{self, MODE_FILE};
use crate::attest::Envelope;
use crate::limits::MAX_ATTESTATION_LEN;
use crate::release::attestations::Drawer;
use crate::{Error, Result};

const SUFFIX: &str = ".intoto.jsonl";

/// Attestations below one directory.
pub struct LocalDrawer {
    dir: PathBuf,
}

impl LocalDrawer {
    /// Attestations in `dir`, which need not exist.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        LocalDrawer { dir: dir.into() }
    }

    /// The file of a release's; `tag` was parsed as one.
    pub fn path_of(&self, tag: &str) -> PathBuf {
        self.dir.join(format!("{tag}{SUFFIX}"))
    }
}

impl Drawer for LocalDrawer {
    fn load(&self, tag: &str) -> Result<Vec<Envelope>> {
        let path = self.path_of(tag);
        let bytes = durable::read_bounded(&path, MAX_ATTESTATION_LEN)?.unwrap_or_default();
        let lines = bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty());
        lines
            .map(|line| Envelope::parse(line).map_err(|e| e.under(path.display().to_string())))
            .collect()
    }

    fn add(&self, tag: &str, envelope: &Envelope) -> Result<bool> {
        let path = self.path_of(tag);
        let mut bytes = durable::read_bounded(&path, MAX_ATTESTATION_LEN)?.unwrap_or_default();
        let line = envelope.to_line()?;
        if bytes.split(|b| *b == b'\n').any(|old| old == line) {
            return Ok(false);
        }
        bytes.extend_from_slice(&line);
        bytes.push(b'\n');
        if bytes.len() as u64 > MAX_ATTESTATION_LEN {
            return Err(Error::failed(format!(
                "{} would have {} bytes, the limit is {MAX_ATTESTATION_LEN}",
                path.display(),
                bytes.len()
            )));
        }
        durable::create_dir_all(&self.dir)?;
        durable::write_atomic(&path, &bytes, MODE_FILE)?;
        Ok(true)
    }

    fn remove(&self, tag: &str) -> Result<()> {
        durable::remove_all(&self.path_of(tag))
    }
}
