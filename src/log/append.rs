//! Appending to a log, as a plan: which files to write, with which bytes, and the root they lead
//! to. Pure; writing them, and signing the root only afterwards, is the driver's work.

use std::collections::BTreeMap;

use super::entries;
use super::merkle::{TreeHead, check_size, fold, leaf_hash};
use super::source::TileSource;
use super::tile::{Bundle, Tile, hashes_at};
use super::tile_hashes::TileHashes;
use crate::hash::Sha256;
use crate::limits::TILE_WIDTH;
use crate::{Error, Result};

/// A planned append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The tree as it was; its size is the index of the first new entry.
    pub old: TreeHead,
    /// The tree with the new entries.
    pub new: TreeHead,
    /// Path below the log's prefix, and bytes: every tile and bundle of the new tree that the old
    /// one did not have. All must be durable before a checkpoint of the new tree is signed.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Plans the append of `new` entries to the tree `old`, whose tiles `source` reads.
///
/// The old tree's right edge is checked against `old.root` before anything is built on it, so a
/// damaged tile stops the append instead of being signed for. No entries make an empty plan.
///
/// # Errors
/// Failed: an entry of more than 65,535 bytes. Refused: old tiles or entries that do not hash to
/// the old root, a size above the limit. Errors of the source.
pub fn plan_append<E: AsRef<[u8]>>(
    old: &TreeHead,
    source: &dyn TileSource,
    new: &[E],
) -> Result<Append> {
    let size = old.size.saturating_add(new.len() as u64);
    check_size(size)?;
    let hashes = TileHashes::open(source, old)?;
    let mut files = BTreeMap::new();
    if new.is_empty() {
        return Ok(Append {
            old: *old,
            new: *old,
            files,
        });
    }

    let first_bundle = old.size / TILE_WIDTH;
    let kept = match old.size % TILE_WIDTH {
        0 => Vec::new(),
        _ => hashes.entries(first_bundle)?,
    };
    let all: Vec<&[u8]> = kept
        .iter()
        .map(Vec::as_slice)
        .chain(new.iter().map(AsRef::as_ref))
        .collect();
    for (index, chunk) in (first_bundle..).zip(all.chunks(TILE_WIDTH as usize)) {
        let width = chunk.len() as u16;
        files.insert(Bundle { index, width }.path(), entries::encode(chunk)?);
    }

    let mut edge = hashes.into_edge();
    let mut fresh: Vec<Sha256> = new.iter().map(|e| leaf_hash(e.as_ref())).collect();
    for level in 0..=u8::MAX {
        if fresh.is_empty() {
            break;
        }
        if edge.0.len() == usize::from(level) {
            edge.0.push(Vec::new());
        }
        let row = edge.0.get_mut(usize::from(level)).ok_or_else(|| {
            Error::bug(format!("tile level {level} of the right edge is missing"))
        })?;
        row.append(&mut fresh);
        let first_tile = hashes_at(level, old.size) / TILE_WIDTH;
        for (index, chunk) in (first_tile..).zip(row.chunks(TILE_WIDTH as usize)) {
            let tile = Tile {
                level,
                index,
                width: chunk.len() as u16,
            };
            files.insert(tile.path(), chunk.iter().flat_map(|hash| hash.0).collect());
            if !tile.is_partial() {
                fresh.extend(fold(chunk));
            }
        }
        row.drain(..fresh.len() * TILE_WIDTH as usize);
    }
    Ok(Append {
        old: *old,
        new: TreeHead {
            size,
            root: edge.root(),
        },
        files,
    })
}

impl Append {
    /// The tiles of the new tree as they will be once the plan's files are written over `base`,
    /// for making proofs beforehand.
    pub fn over<'a>(&'a self, base: &'a dyn TileSource) -> impl TileSource + 'a {
        Planned { append: self, base }
    }
}

struct Planned<'a> {
    append: &'a Append,
    base: &'a dyn TileSource,
}

impl TileSource for Planned<'_> {
    fn tile(&self, tile: &Tile) -> Result<Vec<u8>> {
        match self.append.files.get(&tile.path()) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.base.tile(tile),
        }
    }

    fn entries(&self, bundle: &Bundle) -> Result<Vec<u8>> {
        match self.append.files.get(&bundle.path()) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.base.entries(bundle),
        }
    }
}
