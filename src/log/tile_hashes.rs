//! Hashes and entries out of untrusted tiles, each checked against a tree head before it is used.
//! No I/O: tiles come in through [`TileSource`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::entries;
use super::hashes::HashSource;
use super::merkle::{TreeHead, check_size, fold, fold_peaks, leaf_hash, peaks};
use super::source::TileSource;
use super::tile::{Bundle, TILE_HEIGHT, Tile, hashes_at};
use crate::hash::Sha256;
use crate::limits::{MAX_CACHED_TILES, TILE_WIDTH};
use crate::{Error, Result};

/// The hashes in the partial tiles on a tree's right edge, level 0 first; empty where a level
/// ends with a full tile. Together they determine the root.
pub(super) struct RightEdge(pub(super) Vec<Vec<Sha256>>);

impl RightEdge {
    /// Reads the edge and checks that it hashes to `head`.
    fn load(source: &dyn TileSource, head: &TreeHead) -> Result<Self> {
        check_size(head.size)?;
        let mut levels = Vec::new();
        for level in 0..=u8::MAX {
            let hashes = hashes_at(level, head.size);
            if hashes == 0 {
                break;
            }
            let tile = Tile::in_tree(level, hashes / TILE_WIDTH, head.size);
            levels.push(match tile {
                Some(tile) => read_hashes(source, &tile)?,
                None => Vec::new(),
            });
        }
        let edge = RightEdge(levels);
        let found = edge.root();
        if found != head.root {
            return Err(Error::refused(format!(
                "log tiles hash to root {found} at size {}, want {}",
                head.size, head.root
            )));
        }
        Ok(edge)
    }

    /// The root of the tree that has this edge.
    pub(super) fn root(&self) -> Sha256 {
        let peaks: Vec<Sha256> = self.0.iter().rev().flat_map(|level| peaks(level)).collect();
        fold_peaks(&peaks).unwrap_or(TreeHead::empty().root)
    }
}

fn read_hashes(source: &dyn TileSource, tile: &Tile) -> Result<Vec<Sha256>> {
    let bytes = source.tile(tile)?;
    let (hashes, rest) = bytes.as_chunks::<32>();
    if hashes.len() != usize::from(tile.width) || !rest.is_empty() {
        return Err(Error::refused(format!(
            "{} has {} bytes, want {}",
            tile.path(),
            bytes.len(),
            tile.len()
        )));
    }
    Ok(hashes.iter().copied().map(Sha256).collect())
}

/// Checked full tiles by level and index.
type Cache = BTreeMap<(u8, u64), Rc<[Sha256]>>;

/// Hashes and entries of a log, read from untrusted tiles and checked against a tree head.
///
/// The partial tiles on the right edge are checked against the root when this is made, every full
/// tile against its hash in the tile above before it is used, every entry against its leaf hash.
/// What comes out is therefore as trustworthy as the head: pass one from a
/// [`VerifiedCheckpoint`](super::VerifiedCheckpoint). Proofs made for *another* head still need
/// its `check_…` function.
pub struct TileHashes<'a> {
    source: &'a dyn TileSource,
    head: TreeHead,
    edge: RightEdge,
    cache: RefCell<Cache>,
}

impl<'a> TileHashes<'a> {
    /// Reads the right edge of the tree `head` and checks it against the root.
    ///
    /// # Errors
    /// Refused: the tiles hash to another root, the size is above the limit; errors of the source.
    pub fn open(source: &'a dyn TileSource, head: &TreeHead) -> Result<Self> {
        Ok(TileHashes {
            source,
            head: *head,
            edge: RightEdge::load(source, head)?,
            cache: RefCell::new(BTreeMap::new()),
        })
    }

    /// The tree head that everything is checked against.
    pub fn head(&self) -> &TreeHead {
        &self.head
    }

    /// The entries of the bundle with this index, each checked against its leaf hash.
    ///
    /// # Errors
    /// Refused: the log has no such bundle, it is malformed, or an entry is not the one logged;
    /// errors of the source.
    pub fn entries(&self, index: u64) -> Result<Vec<Vec<u8>>> {
        let bundle = Bundle::in_tree(index, self.head.size)
            .ok_or_else(|| self.outside(&format!("entry bundle {index}")))?;
        let bytes = self.source.entries(&bundle)?;
        let entries = entries::decode(&bytes, bundle.width).map_err(|e| e.under(bundle.path()))?;
        let leaves = self.hashes(0, index)?;
        for (number, (entry, want)) in (index * TILE_WIDTH..).zip(entries.iter().zip(&*leaves)) {
            let found = leaf_hash(entry);
            if found != *want {
                return Err(Error::refused(format!(
                    "log entry {number} has leaf hash {found}, want {want}"
                )));
            }
        }
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }

    pub(super) fn into_edge(self) -> RightEdge {
        self.edge
    }

    fn outside(&self, what: &str) -> Error {
        Error::refused(format!(
            "{what} was asked for, want one within the log's {} entries",
            self.head.size
        ))
    }

    /// The checked hashes of the tile at this place.
    fn hashes(&self, level: u8, index: u64) -> Result<Rc<[Sha256]>> {
        let tile = Tile::in_tree(level, index, self.head.size)
            .ok_or_else(|| self.outside(&format!("tile {index} of level {level}")))?;
        if tile.is_partial() {
            let edge = self.edge.0.get(usize::from(level));
            return edge
                .map(|hashes| Rc::from(hashes.as_slice()))
                .ok_or_else(|| Error::bug(format!("{} is not on the edge", tile.path())));
        }
        if let Some(hashes) = self.cache.borrow().get(&(level, index)) {
            return Ok(Rc::clone(hashes));
        }
        let want = self.in_tile(level + 1, index, 1)?;
        let hashes: Rc<[Sha256]> = read_hashes(self.source, &tile)?.into();
        if fold(&hashes) != Some(want) {
            return Err(Error::refused(format!(
                "{} does not hash to {want}, its hash in the tile above",
                tile.path()
            )));
        }
        let mut cache = self.cache.borrow_mut();
        if cache.len() >= MAX_CACHED_TILES {
            cache.clear();
        }
        cache.insert((level, index), Rc::clone(&hashes));
        Ok(hashes)
    }

    /// The hash over `count` (a power of two up to 256) hashes of a tile level from `start` on.
    fn in_tile(&self, level: u8, start: u64, count: u64) -> Result<Sha256> {
        let hashes = self.hashes(level, start / TILE_WIDTH)?;
        let first = (start % TILE_WIDTH) as usize;
        hashes
            .get(first..first + count as usize)
            .and_then(fold)
            .ok_or_else(|| self.outside(&format!("hash {start} of tile level {level}")))
    }
}

impl HashSource for TileHashes<'_> {
    fn node(&self, level: u8, index: u64) -> Result<Sha256> {
        let height = u32::from(level) % TILE_HEIGHT;
        let start = index
            .checked_mul(1 << height)
            .filter(|start| *start < self.head.size)
            .ok_or_else(|| self.outside(&format!("hash {index} of tree level {level}")))?;
        self.in_tile(level / TILE_HEIGHT as u8, start, 1 << height)
    }
}
