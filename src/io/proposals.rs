//! Room `io`: proposals that wait for signatures, one exchange file each, in `.relman/proposals`.

use std::path::{Path, PathBuf};

use super::durable::{self, MODE_FILE};
use crate::limits::MAX_EXCHANGE_LEN;
use crate::release::ceremony::{Exchange, is_id};
use crate::{Error, Result};

const SUFFIX: &str = ".json";

/// Proposals below one directory.
pub struct LocalProposals {
    dir: PathBuf,
}

impl LocalProposals {
    /// Proposals in `dir`, which need not exist.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        LocalProposals { dir: dir.into() }
    }

    /// The file of a proposal.
    pub fn path_of(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}{SUFFIX}"))
    }

    /// Ids of all proposals, sorted.
    ///
    /// # Errors
    /// I/O.
    pub fn ids(&self) -> Result<Vec<String>> {
        let names = durable::list_dir(&self.dir)?.unwrap_or_default();
        let ids = names.iter().filter_map(|name| name.strip_suffix(SUFFIX));
        Ok(ids.filter(|id| is_id(id)).map(str::to_owned).collect())
    }

    /// The proposal with this id; `None` where there is none.
    ///
    /// # Errors
    /// I/O; a file that is damaged, or that has another proposal.
    pub fn load(&self, id: &str) -> Result<Option<Exchange>> {
        let path = self.path_named(id)?;
        let hint = || format!("give it up: relman withdraw {id}");
        let Some(exchange) = read(&path).map_err(|e| e.hint(hint()))? else {
            return Ok(None);
        };
        let found = &exchange.proposal.id;
        match found == id {
            true => Ok(Some(exchange)),
            false => Err(
                Error::failed(format!("{} has proposal {found:?}", path.display())).hint(hint()),
            ),
        }
    }

    /// Writes a proposal, in place of an earlier copy of it.
    ///
    /// # Errors
    /// I/O.
    pub fn save(&self, exchange: &Exchange) -> Result<PathBuf> {
        let path = self.path_of(&exchange.proposal.id);
        durable::create_dir_all(&self.dir)?;
        durable::write_atomic(&path, &exchange.to_bytes()?, MODE_FILE)?;
        Ok(path)
    }

    /// Forgets a proposal; tells whether there was one.
    ///
    /// # Errors
    /// I/O.
    pub fn remove(&self, id: &str) -> Result<bool> {
        // A file that cannot be read can be given up.
        let path = self.path_named(id)?;
        let there = durable::is_file(&path);
        durable::remove_all(&path)?;
        Ok(there)
    }

    fn path_named(&self, id: &str) -> Result<PathBuf> {
        if !is_id(id) {
            return Err(Error::usage(format!("{id:?} is no proposal's name"))
                .hint("see which there are: relman sign"));
        }
        Ok(self.path_of(id))
    }
}

/// Reads one exchange file; `None` where there is no file.
///
/// # Errors
/// I/O; as [`Exchange::parse`].
pub fn read(path: &Path) -> Result<Option<Exchange>> {
    let bytes = durable::read_bounded(path, MAX_EXCHANGE_LEN)?;
    bytes
        .map(|bytes| Exchange::parse(&bytes).map_err(|e| e.under(path.display().to_string())))
        .transpose()
}

/// Writes one exchange file.
///
/// # Errors
/// I/O.
pub fn write(path: &Path, exchange: &Exchange) -> Result<()> {
    durable::write_atomic(path, &exchange.to_bytes()?, MODE_FILE)
}
