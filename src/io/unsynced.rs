//! Room `io`: what was written and is to be on disk before the next step.
//!
//! Each fsync alone waits for a commit of the filesystem's journal. Those that wait at the same
//! time share one, so what belongs to one step is collected and synced together.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{durable, parallel};
use crate::Result;

/// How many syncs wait at the same time; they wait for the disk, not for a core.
const SYNCS: usize = 16;

/// Files and directories that are not known to be on disk.
#[derive(Debug, Default)]
pub struct Unsynced {
    paths: BTreeSet<PathBuf>,
}

impl Unsynced {
    /// Adds a file, or a directory in which names changed.
    pub fn add(&mut self, path: impl Into<PathBuf>) {
        self.paths.insert(path.into());
    }

    /// Adds a file and every directory from its own up to `top`.
    pub fn add_below(&mut self, top: &Path, file: &Path) {
        let inside = |up: &&Path| up.starts_with(top);
        let paths = file.ancestors().take_while(inside);
        self.paths.extend(paths.map(Path::to_owned));
    }

    /// Makes all of it durable; when this returns without an error, nothing is left to sync.
    ///
    /// # Errors
    /// The first path that cannot be synced; nothing may be built on any of them then.
    pub fn sync(&mut self) -> Result<()> {
        let paths: Vec<&PathBuf> = self.paths.iter().collect();
        parallel::map(&paths, SYNCS, |path| durable::sync_file(path))
            .into_iter()
            .collect::<Result<()>>()?;
        self.paths.clear();
        Ok(())
    }
}
