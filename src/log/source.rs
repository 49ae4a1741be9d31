//! Reading tiles that somebody else wrote. Nothing here does I/O itself: the store does, through
//! its trait. Lengths are checked here, hashes are not: that is [`TileHashes`](super::TileHashes).

use super::tile::{Bundle, Tile};
use super::{entries, text};
use crate::limits::{MAX_ENTRY_BUNDLE_LEN, MAX_HASH_TILE_LEN};
use crate::store::Reader;
use crate::{Error, Result};

/// Gives the bytes of tiles and entry bundles of one log, unverified.
pub trait TileSource {
    /// The hashes of `tile`, exactly [`Tile::len`] bytes.
    ///
    /// # Errors
    /// The tile is not there, has another length, or cannot be read.
    fn tile(&self, tile: &Tile) -> Result<Vec<u8>>;

    /// The entry bundle, with exactly as many entries as its width says.
    ///
    /// # Errors
    /// The bundle is not there, is malformed, or cannot be read.
    fn entries(&self, bundle: &Bundle) -> Result<Vec<u8>>;
}

/// The tiles of a log of known size in a store.
///
/// Only tiles of a tree of that size are asked for (tlog-tiles, "Partial Tiles": no partial tile
/// without a verified checkpoint that requires it). A partial tile that is gone is cut from the
/// full one that replaced it.
pub struct StoreTiles<'a> {
    store: &'a dyn Reader,
    prefix: String,
    size: u64,
}

impl<'a> StoreTiles<'a> {
    /// Tiles below `prefix` (`log`; empty for the store's top) of a log with `size` leaves.
    pub fn new(store: &'a dyn Reader, prefix: &str, size: u64) -> Self {
        StoreTiles {
            store,
            prefix: prefix.trim_end_matches('/').to_owned(),
            size,
        }
    }

    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        if self.prefix.is_empty() {
            return self.store.read(path, limit);
        }
        self.store.read(&format!("{}/{path}", self.prefix), limit)
    }

    fn missing(&self, path: &str) -> Error {
        Error::refused(format!(
            "{path} is missing in the log at {}, which must have it at size {}",
            text::quote(&self.store.location()),
            self.size
        ))
    }

    fn check_in_tree(&self, tile: &Tile, path: &str) -> Result<()> {
        if Tile::in_tree(tile.level, tile.index, self.size) != Some(*tile) {
            return Err(Error::refused(format!(
                "{path} was asked for, want only tiles of a log of size {}",
                self.size
            )));
        }
        Ok(())
    }

    fn read_tile(&self, tile: &Tile) -> Result<Option<Vec<u8>>> {
        let Some(bytes) = self.read(&tile.path(), MAX_HASH_TILE_LEN)? else {
            return Ok(None);
        };
        if bytes.len() != tile.len() {
            return Err(Error::refused(format!(
                "{} has {} bytes, want {}",
                tile.path(),
                bytes.len(),
                tile.len()
            )));
        }
        Ok(Some(bytes))
    }

    fn read_bundle(&self, bundle: &Bundle, wanted: u16) -> Result<Option<Vec<u8>>> {
        let Some(mut bytes) = self.read(&bundle.path(), MAX_ENTRY_BUNDLE_LEN)? else {
            return Ok(None);
        };
        let entries = entries::decode(&bytes, bundle.width).map_err(|e| e.under(bundle.path()))?;
        let length = entries
            .iter()
            .take(usize::from(wanted))
            .map(|entry| 2 + entry.len())
            .sum();
        bytes.truncate(length);
        Ok(Some(bytes))
    }
}

impl TileSource for StoreTiles<'_> {
    fn tile(&self, tile: &Tile) -> Result<Vec<u8>> {
        self.check_in_tree(tile, &tile.path())?;
        if let Some(bytes) = self.read_tile(tile)? {
            return Ok(bytes);
        }
        if tile.is_partial()
            && let Some(mut bytes) = self.read_tile(&tile.full())?
        {
            bytes.truncate(tile.len());
            return Ok(bytes);
        }
        Err(self.missing(&tile.path()))
    }

    fn entries(&self, bundle: &Bundle) -> Result<Vec<u8>> {
        self.check_in_tree(&bundle.tile(), &bundle.path())?;
        if let Some(bytes) = self.read_bundle(bundle, bundle.width)? {
            return Ok(bytes);
        }
        if bundle.is_partial()
            && let Some(bytes) = self.read_bundle(&bundle.full(), bundle.width)?
        {
            return Ok(bytes);
        }
        Err(self.missing(&bundle.path()))
    }
}
