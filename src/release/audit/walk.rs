//! The log from its entries up, piece by piece: every leaf hash, every tile, the root. Of the tree only
//! the right edge is kept. Pure.

use super::crew;
use super::{Problem, problem};
use crate::Result;
use crate::hash::Sha256;
use crate::limits::{MAX_ENTRY_BUNDLE_LEN, MAX_HASH_TILE_LEN, TILE_WIDTH};
use crate::log::growing::hash_over;
use crate::log::{
    Bundle, Growing, StoreTiles, Tile, TileHashes, TileSource, TreeHead, entries, leaf_hash,
};
use crate::store::Reader;

/// What is under `log/`.
const LOG: &str = "log";

/// A log that is to be read again.
pub struct Walk<'a> {
    /// The store.
    pub store: &'a dyn Reader,
    /// What the log has signed.
    pub head: TreeHead,
    /// Entries before this one are not looked at again; they were, when the log had this size.
    pub since: u64,
    /// Threads that read and hash.
    pub threads: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Walked {
    /// Whether the entries lead to the signed root. Where they do not, nothing that they say counts.
    pub whole: bool,
    /// Everything that is not what the entries lead to.
    pub problems: Vec<Problem>,
}

/// One bundle, read and hashed on a thread of its own.
struct Piece<R> {
    leaves: Vec<Sha256>,
    full: Option<Sha256>,
    made: Vec<R>,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    /// Reads everything. `make` is called for every entry with its number, on any thread; `take` gets
    /// what it made, in the log's order, on this one. Nothing of that is to be believed unless the
    /// log turns out to be whole.
    pub fn run<R: Send>(
        &self,
        make: impl Fn(u64, &[u8]) -> R + Sync,
        mut take: impl FnMut(u64, R),
    ) -> Walked {
        let mut walked = Walked::default();
        let tiles = StoreTiles::new(self.store, LOG, self.head.size);
        let first = self.since.min(self.head.size) / TILE_WIDTH;
        let begun = match first {
            0 => Ok(Growing::default()),
            _ => TileHashes::open(&tiles, &self.head)
                .and_then(|hashes| Growing::resume(first * TILE_WIDTH, &hashes)),
        };
        let mut tree = match begun {
            Ok(tree) => tree,
            Err(e) => {
                walked.problems.extend(problem(LOG, &e));
                return walked;
            }
        };
        let mut rest = Vec::new();
        let end = self.head.size.div_ceil(TILE_WIDTH);
        let mut readable = true;
        let piece = |at| self.piece(&tiles, at, &make);
        crew::in_order(first, end, self.threads, piece, |at, piece: Piece<R>| {
            readable &= !piece.leaves.is_empty();
            walked.problems.extend(piece.problems);
            let numbers = (at * TILE_WIDTH).max(self.since)..;
            for (number, made) in numbers.zip(piece.made) {
                take(number, made);
            }
            match piece.full {
                Some(hash) => {
                    for (tile, hashes) in tree.add(hash) {
                        walked.problems.extend(self.tile(&tile, &hashes));
                    }
                }
                None => rest = piece.leaves,
            }
            true
        });
        let (root, partial) = tree.end(&rest);
        for (tile, hashes) in partial {
            walked.problems.extend(self.tile(&tile, &hashes));
        }
        walked.whole = readable && root == self.head.root;
        if root != self.head.root {
            walked.problems.push(Problem::new(
                "log/checkpoint",
                format!(
                    "is for {} entries with root {}, the entries lead to root {root}",
                    self.head.size, self.head.root
                ),
            ));
        }
        walked
    }

    fn piece<R>(
        &self,
        tiles: &StoreTiles,
        index: u64,
        make: &(impl Fn(u64, &[u8]) -> R + Sync),
    ) -> Piece<R> {
        let mut piece = Piece {
            leaves: Vec::new(),
            full: None,
            made: Vec::new(),
            problems: Vec::new(),
        };
        let Some(bundle) = Bundle::in_tree(index, self.head.size) else {
            return piece;
        };
        match self.entries(tiles, &bundle, &mut piece, make) {
            Ok(()) => piece
                .problems
                .extend(self.tile(&bundle.tile(), &piece.leaves)),
            Err(e) => {
                let path = format!("{LOG}/{}", bundle.path());
                piece.problems.extend(problem(path, &e));
                // So that what is above it, and after it, can be looked at all the same.
                piece.leaves.clear();
            }
        }
        if !bundle.is_partial() {
            piece.full = Some(hash_over(&piece.leaves));
        }
        piece
    }

    fn entries<R>(
        &self,
        tiles: &StoreTiles,
        bundle: &Bundle,
        piece: &mut Piece<R>,
        make: &(impl Fn(u64, &[u8]) -> R + Sync),
    ) -> Result<()> {
        let bytes = tiles.entries(bundle)?;
        let first = bundle.index * TILE_WIDTH;
        for (number, entry) in (first..).zip(entries::decode(&bytes, bundle.width)?) {
            piece.leaves.push(leaf_hash(entry));
            if number >= self.since {
                piece.made.push(make(number, entry));
            }
        }
        let full = format!("{LOG}/{}", bundle.full().path());
        let (own, limit) = (bundle.path(), MAX_ENTRY_BUNDLE_LEN);
        let older = self.older(&format!("{LOG}/{own}"), &full, &bytes, limit);
        piece.problems.extend(older);
        Ok(())
    }

    /// A tile, or the full one that replaced it, has these hashes.
    fn tile(&self, tile: &Tile, hashes: &[Sha256]) -> Vec<Problem> {
        let wanted: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
        let path = format!("{LOG}/{}", tile.path());
        let full = format!("{LOG}/{}", tile.full().path());
        let mut problems = Vec::new();
        let mut found = false;
        for place in [&path, &full] {
            match self.store.read(place, MAX_HASH_TILE_LEN) {
                Ok(None) => continue,
                Ok(Some(bytes)) => {
                    let same = match place == &full {
                        true => bytes.starts_with(&wanted),
                        false => bytes == wanted,
                    };
                    if !same {
                        problems.push(Problem::new(place, wrong(&bytes, hashes, tile)));
                    }
                }
                Err(e) => problems.extend(problem(place, &e)),
            }
            found = true;
            break;
        }
        if !found {
            problems.push(Problem::new(&path, "is missing"));
        }
        problems.extend(self.older(&path, &full, &wanted, MAX_HASH_TILE_LEN));
        problems
    }

    /// Narrower partial objects that newer ones replaced: still there perhaps, and then beginnings.
    fn older(&self, path: &str, full: &str, wanted: &[u8], limit: u64) -> Vec<Problem> {
        let mut problems = Vec::new();
        let dir = format!("{full}.p");
        let Ok(Some(names)) = self.store.list(&dir) else {
            return problems;
        };
        for name in names {
            let older = format!("{dir}/{name}");
            if older == path {
                continue;
            }
            let width: Option<u64> = name.parse().ok();
            if width.is_none_or(|width| width == 0 || width >= TILE_WIDTH) {
                problems.push(Problem::new(older, "is no tile"));
                continue;
            }
            match self.store.read(&older, limit) {
                Ok(Some(found)) if found.len() > wanted.len() && found.starts_with(wanted) => {
                    let message = "has more than the signed checkpoint: that is older than this store, or somebody publishes right now";
                    problems.push(Problem::new(older, message));
                }
                Ok(Some(found)) if !wanted.starts_with(&found) => {
                    problems.push(Problem::new(older, "is not what the entries lead to"));
                }
                Ok(_) => {}
                Err(e) => problems.extend(problem(older, &e)),
            }
        }
        problems
    }
}

/// Where a tile differs from what the entries lead to.
fn wrong(found: &[u8], wanted: &[Sha256], tile: &Tile) -> String {
    if found.len() < wanted.len() * 32 {
        let (found, wanted) = (found.len(), tile.len());
        return format!("is not what the entries lead to: it has {found} bytes, wanted {wanted}");
    }
    let (found, _) = found.as_chunks::<32>();
    let first = found.iter().zip(wanted).position(|(f, w)| *f != w.0);
    let Some((at, (found, wanted))) = first.and_then(|at| {
        let found = found.get(at)?;
        Some((at, (Sha256(*found), wanted.get(at)?)))
    }) else {
        return "is not what the entries lead to: it goes on after them".into();
    };
    let number = tile.index * TILE_WIDTH + at as u64;
    let what = match tile.level {
        0 => format!("of log entry {number}"),
        level => format!("{number} of level {level}"),
    };
    format!("is not what the entries lead to: hash {what} is {found}, wanted {wanted}")
}
