//! The tree over leaves of which some may be unknown: what can be computed again from entries, and, where
//! that is not all, which hashes a damaged log's tiles still prove. No I/O: tiles come in as candidates.
//!
//! Unlike [`TileHashes`](super::TileHashes), which refuses a log whose right edge is damaged, this works
//! from the leaves up. It holds 33 bytes a leaf.

use super::hashes::HashSource;
use super::merkle::{TreeHead, check_size, fold};
use super::tile::{TILE_HEIGHT, Tile, hashes_at};
use super::tile_hashes::RightEdge;
use crate::hash::Sha256;
use crate::limits::TILE_WIDTH;
use crate::{Error, Result};

/// Combinations of candidates for the right edge that are tried.
const MAX_TRIED_EDGES: usize = 65_536;

/// Gives what a tile may be, unverified, each as long as the tile is.
pub type Candidates<'a> = dyn Fn(&Tile) -> Vec<Vec<u8>> + 'a;

/// Hashes by tile level, as far as they are known.
#[derive(Clone, Debug)]
pub struct Forest {
    size: u64,
    levels: Vec<Vec<Option<Sha256>>>,
}

impl Forest {
    /// The tree over these leaf hashes.
    ///
    /// # Errors
    /// Refused: a size above the limit.
    pub fn new(leaves: Vec<Option<Sha256>>) -> Result<Self> {
        let size = leaves.len() as u64;
        check_size(size)?;
        let mut levels = vec![leaves];
        for level in 1..=u8::MAX {
            if hashes_at(level, size) == 0 {
                break;
            }
            let below = levels.last().map(Vec::as_slice).unwrap_or_default();
            let full = below.chunks_exact(TILE_WIDTH as usize);
            levels.push(full.map(fold_all).collect());
        }
        Ok(Forest { size, levels })
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root; none where leaves are unknown.
    pub fn root(&self) -> Option<Sha256> {
        if self.size == 0 {
            return Some(TreeHead::empty().root);
        }
        let edge: Option<Vec<Vec<Sha256>>> = (0..self.levels.len())
            .map(|level| match self.edge(level as u8) {
                Some(tile) => self.hashes(&tile),
                None => Some(Vec::new()),
            })
            .collect();
        edge.map(|levels| RightEdge(levels).root())
    }

    /// The leaf hash of entry `index`, if it is known.
    pub fn leaf(&self, index: u64) -> Option<Sha256> {
        self.at(0, index)
    }

    /// The bytes of a tile of this tree, if all its hashes are known.
    pub fn tile(&self, tile: &Tile) -> Option<Vec<u8>> {
        let hashes = self.hashes(tile)?;
        Some(hashes.into_iter().flat_map(|hash| hash.0).collect())
    }

    /// The hashes that `head` proves, from its root down: of each tile the first candidate that leads to
    /// it, or what is known here. What nothing leads to stays unknown.
    pub fn proved(&self, head: &TreeHead, candidates: &Candidates) -> Forest {
        let levels = self.levels.iter();
        let mut out = Forest {
            size: self.size,
            levels: levels.map(|level| vec![None; level.len()]).collect(),
        };
        if head.size != self.size {
            return out;
        }
        let Some(edge) = self.proved_edge(head, candidates) else {
            return out;
        };
        for (level, hashes) in (0u8..).zip(&edge) {
            if let Some(tile) = self.edge(level) {
                out.set(&tile, hashes);
            }
        }
        for level in (1..self.levels.len()).rev() {
            let known = out.levels.get(level).cloned().unwrap_or_default();
            for (index, want) in (0u64..).zip(known) {
                let Some(want) = want else { continue };
                let tile = Tile {
                    level: level as u8 - 1,
                    index,
                    width: TILE_WIDTH as u16,
                };
                let found = self.choices(&tile, candidates);
                let right = found.into_iter().find(|hashes| fold(hashes) == Some(want));
                if let Some(hashes) = right {
                    out.set(&tile, &hashes);
                }
            }
        }
        out
    }

    /// The partial tile at which a level ends; none where it ends with a full one.
    fn edge(&self, level: u8) -> Option<Tile> {
        Tile::in_tree(level, hashes_at(level, self.size) / TILE_WIDTH, self.size)
    }

    fn proved_edge(&self, head: &TreeHead, candidates: &Candidates) -> Option<Vec<Vec<Sha256>>> {
        let mut choices: Vec<Vec<Vec<Sha256>>> = Vec::new();
        for level in 0..self.levels.len() {
            choices.push(match self.edge(level as u8) {
                Some(tile) => self.choices(&tile, candidates),
                None => vec![Vec::new()],
            });
        }
        let total = choices
            .iter()
            .try_fold(1usize, |n, choice| n.checked_mul(choice.len()))?;
        for n in 0..total.min(MAX_TRIED_EDGES) {
            let mut rest = n;
            let mut edge = Vec::new();
            for choice in &choices {
                edge.push(choice.get(rest % choice.len())?.clone());
                rest /= choice.len();
            }
            let edge = RightEdge(edge);
            if edge.root() == head.root {
                return Some(edge.0);
            }
        }
        None
    }

    /// What a tile may be: what is known here, then the candidates.
    fn choices(&self, tile: &Tile, candidates: &Candidates) -> Vec<Vec<Sha256>> {
        let mut out: Vec<Vec<Sha256>> = self.hashes(tile).into_iter().collect();
        for bytes in candidates(tile) {
            let (hashes, rest) = bytes.as_chunks::<32>();
            if hashes.len() != usize::from(tile.width) || !rest.is_empty() {
                continue;
            }
            let hashes: Vec<Sha256> = hashes.iter().copied().map(Sha256).collect();
            if !out.contains(&hashes) {
                out.push(hashes);
            }
        }
        out
    }

    fn at(&self, level: u8, index: u64) -> Option<Sha256> {
        let place = usize::try_from(index).ok()?;
        *self.levels.get(usize::from(level))?.get(place)?
    }

    fn hashes(&self, tile: &Tile) -> Option<Vec<Sha256>> {
        let first = tile.index.checked_mul(TILE_WIDTH)?;
        let places = first..first + u64::from(tile.width);
        places.map(|place| self.at(tile.level, place)).collect()
    }

    fn set(&mut self, tile: &Tile, hashes: &[Sha256]) {
        let first = usize::try_from(tile.index * TILE_WIDTH).unwrap_or(usize::MAX);
        let level = self.levels.get_mut(usize::from(tile.level));
        let places = level.into_iter().flatten().skip(first);
        for (place, hash) in places.zip(hashes) {
            *place = Some(*hash);
        }
    }
}

fn fold_all(hashes: &[Option<Sha256>]) -> Option<Sha256> {
    let known: Option<Vec<Sha256>> = hashes.iter().copied().collect();
    fold(&known?)
}

impl HashSource for Forest {
    fn node(&self, level: u8, index: u64) -> Result<Sha256> {
        let height = u32::from(level) % TILE_HEIGHT;
        let tile_level = level / TILE_HEIGHT as u8;
        let unknown = || {
            Error::refused(format!(
                "hash {index} of tree level {level} cannot be computed from the entries that there are"
            ))
        };
        let start = index.checked_mul(1 << height).ok_or_else(unknown)?;
        let end = start.checked_add(1 << height).ok_or_else(unknown)?;
        let hashes: Option<Vec<Sha256>> = (start..end)
            .map(|place| self.at(tile_level, place))
            .collect();
        hashes.and_then(|hashes| fold(&hashes)).ok_or_else(unknown)
    }
}
