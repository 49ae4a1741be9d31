//! Names and shapes of tiles and entry bundles (tlog-tiles, "Merkle Tree"). Pure arithmetic.

use crate::limits::TILE_WIDTH;

/// Tree levels that one tile spans: a full tile is a perfect subtree of 256 hashes.
pub(super) const TILE_HEIGHT: u32 = TILE_WIDTH.ilog2();

/// A hash tile: `width` consecutive subtree hashes at tree level `8 * level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    /// Tile level; 0 holds leaf hashes.
    pub level: u8,
    /// Index of the tile within its level.
    pub index: u64,
    /// Hashes in the tile: 1 to 255 where it is partial, 256 where it is full.
    pub width: u16,
}

/// An entry bundle: `width` consecutive entries, those of the level 0 tile with this index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bundle {
    /// Index of the bundle.
    pub index: u64,
    /// Entries in the bundle: 1 to 255 where it is partial, 256 where it is full.
    pub width: u16,
}

impl Tile {
    /// The tile at this place in a tree of `size` leaves; `None` where the tree has none.
    pub fn in_tree(level: u8, index: u64, size: u64) -> Option<Tile> {
        let hashes = hashes_at(level, size);
        let left = hashes.checked_sub(index.checked_mul(TILE_WIDTH)?)?;
        let width = left.min(TILE_WIDTH) as u16;
        (width > 0).then_some(Tile {
            level,
            index,
            width,
        })
    }

    /// Whether this tile has less than 256 hashes (tlog-tiles, "Partial Tiles").
    pub fn is_partial(&self) -> bool {
        u64::from(self.width) < TILE_WIDTH
    }

    /// The full tile at this place.
    pub fn full(&self) -> Tile {
        Tile {
            width: TILE_WIDTH as u16,
            ..*self
        }
    }

    /// Length of the tile in bytes: 32 a hash.
    pub fn len(&self) -> usize {
        usize::from(self.width) * 32
    }

    /// Whether the tile has no hashes; no tile of a tree has none.
    pub fn is_empty(&self) -> bool {
        self.width == 0
    }

    /// Path below the log's prefix: `tile/<L>/<N>[.p/<W>]` (tlog-tiles, "Merkle Tree").
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, place_path(self.index, self.width))
    }
}

impl Bundle {
    /// The bundle with this index in a tree of `size` leaves; `None` where the tree has none.
    pub fn in_tree(index: u64, size: u64) -> Option<Bundle> {
        Tile::in_tree(0, index, size).map(Bundle::from)
    }

    /// Whether this bundle has less than 256 entries.
    pub fn is_partial(&self) -> bool {
        u64::from(self.width) < TILE_WIDTH
    }

    /// The full bundle at this place.
    pub fn full(&self) -> Bundle {
        Bundle {
            width: TILE_WIDTH as u16,
            ..*self
        }
    }

    /// The level 0 tile with the hashes of these entries.
    pub fn tile(&self) -> Tile {
        Tile {
            level: 0,
            index: self.index,
            width: self.width,
        }
    }

    /// Path below the log's prefix: `tile/entries/<N>[.p/<W>]` (tlog-tiles, "Log entries").
    pub fn path(&self) -> String {
        format!("tile/entries/{}", place_path(self.index, self.width))
    }
}

impl From<Tile> for Bundle {
    fn from(tile: Tile) -> Self {
        Bundle {
            index: tile.index,
            width: tile.width,
        }
    }
}

/// All hash tiles of a tree of `size` leaves, level by level, each from the left
/// (tlog-tiles, "Partial Tiles"). Lazy: a size read from a store may be huge.
pub fn tiles_of(size: u64) -> impl Iterator<Item = Tile> {
    (0..=u8::MAX)
        .take_while(move |level| hashes_at(*level, size) > 0)
        .flat_map(move |level| {
            (0..hashes_at(level, size).div_ceil(TILE_WIDTH))
                .filter_map(move |index| Tile::in_tree(level, index, size))
        })
}

/// All entry bundles of a tree of `size` leaves, from the left.
pub fn bundles_of(size: u64) -> impl Iterator<Item = Bundle> {
    (0..size.div_ceil(TILE_WIDTH)).filter_map(move |index| Bundle::in_tree(index, size))
}

/// Number of hashes at a tile level: `floor(size / 256^level)`.
pub(super) fn hashes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(level) * TILE_HEIGHT)
        .unwrap_or(0)
}

/// `<N>[.p/<W>]`: three digits a path element, all but the last behind an `x`.
fn place_path(index: u64, width: u16) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if u64::from(width) < TILE_WIDTH {
        path.push_str(&format!(".p/{width}"));
    }
    path
}
