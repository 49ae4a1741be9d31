//! A tree that grows by whole leaf tiles, of which only the right edge is kept: a log of any size is
//! hashed again in a few kilobytes. Pure.

use super::hashes::HashSource;
use super::merkle::{TreeHead, fold, fold_peaks, peaks};
use super::tile::{TILE_HEIGHT, Tile};
use crate::hash::Sha256;
use crate::limits::TILE_WIDTH;
use crate::{Error, Result};

/// A tile above the leaves, with the hashes that it must have.
pub type Expected = (Tile, Vec<Sha256>);

/// The hash over the 256 hashes of a full tile, or over all of a smaller list (RFC 6962, section
/// 2.1); of none, the hash of nothing.
pub fn hash_over(hashes: &[Sha256]) -> Sha256 {
    fold(hashes).unwrap_or(TreeHead::empty().root)
}

/// The right edge of a growing tree.
#[derive(Default)]
pub struct Growing {
    /// Leaf tiles so far, all of them full.
    tiles: u64,
    /// The hashes of the tiles that are not full yet, from tile level 1 up.
    edge: Vec<Vec<Sha256>>,
}

impl Growing {
    /// The edge of a tree of `size` leaves, whose hashes `source` vouches for.
    ///
    /// # Errors
    /// A size that ends within a leaf tile; errors of the source.
    pub fn resume(size: u64, source: &dyn HashSource) -> Result<Self> {
        if !size.is_multiple_of(TILE_WIDTH) {
            return Err(Error::bug(format!("size {size} ends within a tile")));
        }
        let tiles = size / TILE_WIDTH;
        let mut edge = Vec::new();
        let mut count = tiles;
        while count > 0 {
            let level = TILE_HEIGHT as u8 * (edge.len() as u8 + 1);
            let first = count - count % TILE_WIDTH;
            let row = (first..count).map(|at| source.node(level, at));
            edge.push(row.collect::<Result<_>>()?);
            count /= TILE_WIDTH;
        }
        Ok(Growing { tiles, edge })
    }

    /// Adds the hash over the next full leaf tile; gives the tiles that this fills.
    pub fn add(&mut self, hash: Sha256) -> Vec<Expected> {
        self.tiles += 1;
        let mut filled = Vec::new();
        let mut carried = Some(hash);
        let mut hashes_here = self.tiles;
        for level in 1..=u8::MAX {
            let Some(hash) = carried.take() else { break };
            let at = usize::from(level) - 1;
            if self.edge.len() == at {
                self.edge.push(Vec::new());
            }
            let Some(row) = self.edge.get_mut(at) else {
                break;
            };
            row.push(hash);
            if row.len() as u64 == TILE_WIDTH {
                let tile = Tile {
                    level,
                    index: hashes_here / TILE_WIDTH - 1,
                    width: TILE_WIDTH as u16,
                };
                let row = std::mem::take(row);
                carried = Some(hash_over(&row));
                filled.push((tile, row));
            }
            hashes_here /= TILE_WIDTH;
        }
        filled
    }

    /// The root of the tree with the leaf hashes `rest` of its last, partial tile, and the partial
    /// tiles above the leaves.
    pub fn end(self, rest: &[Sha256]) -> (Sha256, Vec<Expected>) {
        let levels = self.edge.iter().rev().map(Vec::as_slice).chain([rest]);
        let all: Vec<Sha256> = levels.flat_map(peaks).collect();
        let root = fold_peaks(&all).unwrap_or(TreeHead::empty().root);
        let mut hashes_here = self.tiles;
        let mut partial = Vec::new();
        for (level, row) in (1..).zip(self.edge) {
            if !row.is_empty() {
                let tile = Tile {
                    level,
                    index: hashes_here / TILE_WIDTH,
                    width: row.len() as u16,
                };
                partial.push((tile, row));
            }
            hashes_here /= TILE_WIDTH;
        }
        (root, partial)
    }
}
