//! Everything below `log/`: narrower tiles that newer ones replaced must be their beginnings, wider ones
//! are of a log that was never signed for, and the rest is nobody's. Pure.

use super::finding::{Finding, State};
use crate::limits::{MAX_ENTRY_BUNDLE_LEN, TILE_WIDTH};
use crate::log::{Forest, Tile, entries, leaf_hash};
use crate::store::Reader;

const CHECK: &str = "strays";
/// Elements of a tile's path: 2^53 entries need six of three digits.
const MAX_DEPTH: usize = 8;

/// Looks below `log/`; `false` where the store cannot be listed.
pub fn check(store: &dyn Reader, forest: &Forest, findings: &mut Vec<Finding>) -> bool {
    let mut walk = Walk {
        store,
        forest,
        findings,
    };
    walk.top()
}

struct Walk<'a> {
    store: &'a dyn Reader,
    forest: &'a Forest,
    findings: &'a mut Vec<Finding>,
}

/// What a directory of tiles holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Entries,
    Level(u8),
}

impl Walk<'_> {
    fn top(&mut self) -> bool {
        let Some(names) = self.list("log") else {
            return false;
        };
        for name in names
            .iter()
            .filter(|name| !["checkpoint", "tile"].contains(&name.as_str()))
        {
            self.stray(&format!("log/{name}"));
        }
        for name in self.list("log/tile").unwrap_or_default() {
            let path = format!("log/tile/{name}");
            match name.parse::<u8>() {
                _ if name == "entries" => self.dir(&path, Kind::Entries, 0, 0),
                Ok(level) if level.to_string() == name && level < 64 => {
                    self.dir(&path, Kind::Level(level), 0, 0);
                }
                _ => self.stray(&path),
            }
        }
        true
    }

    fn list(&mut self, dir: &str) -> Option<Vec<String>> {
        match self.store.list(dir) {
            Ok(names) => names,
            Err(e) => {
                let message = format!("cannot be listed: {e}");
                self.findings
                    .push(Finding::new(CHECK, dir, State::Unclear, message));
                Some(Vec::new())
            }
        }
    }

    fn stray(&mut self, path: &str) {
        let message = "is here, and nothing says that it should be";
        self.findings
            .push(Finding::new(CHECK, path, State::Stray, message));
    }

    fn dir(&mut self, dir: &str, kind: Kind, above: u64, depth: usize) {
        for name in self.list(dir).unwrap_or_default() {
            let path = format!("{dir}/{name}");
            let digits = |text: &str| match text.len() == 3 {
                true => text.parse::<u64>().ok(),
                false => None,
            };
            let at = |n: u64| above.checked_mul(1000)?.checked_add(n);
            let below = name.strip_prefix('x').and_then(digits).and_then(at);
            let partial = name.strip_suffix(".p").and_then(digits).and_then(at);
            let full = digits(&name).and_then(at);
            match (below, partial, full) {
                (Some(index), ..) if depth < MAX_DEPTH => self.dir(&path, kind, index, depth + 1),
                (_, Some(index), _) => self.partials(&path, kind, index),
                (.., Some(index)) => self.file(&path, kind, index, TILE_WIDTH as u16),
                _ => self.stray(&path),
            }
        }
    }

    fn partials(&mut self, dir: &str, kind: Kind, index: u64) {
        for name in self.list(dir).unwrap_or_default() {
            let path = format!("{dir}/{name}");
            match name.parse::<u16>() {
                Ok(width) if (1..256).contains(&width) && width.to_string() == name => {
                    self.file(&path, kind, index, width);
                }
                _ => self.stray(&path),
            }
        }
    }

    /// A tile or bundle that is not the tree's own: those were looked at.
    fn file(&mut self, path: &str, kind: Kind, index: u64, width: u16) {
        let level = match kind {
            Kind::Entries => 0,
            Kind::Level(level) => level,
        };
        let own = Tile::in_tree(level, index, self.forest.size());
        let own_width = own.map_or(0, |tile| tile.width);
        if own_width == width {
            return;
        }
        let both = Tile {
            level,
            index,
            width: width.min(own_width),
        };
        let same = self.begins(path, kind, &both);
        let beyond = width > own_width;
        let (state, message) = match (same, beyond) {
            (Some(true), false) => return,
            (Some(true), true) => (
                State::LeftOver,
                "is of a larger log than the checkpoint is for: a publication was begun and not ended",
            ),
            (Some(false), _) => (State::Differs, "is not what the entries lead to"),
            (None, _) => (
                State::Unclear,
                "cannot be read, or told right from wrong: entries below it are lost",
            ),
        };
        self.findings
            .push(Finding::new(CHECK, path, state, message));
    }

    /// Whether a file begins as the tree does there; none where that cannot be told.
    fn begins(&self, path: &str, kind: Kind, both: &Tile) -> Option<bool> {
        let bytes = self.store.read(path, MAX_ENTRY_BUNDLE_LEN).ok().flatten()?;
        if both.is_empty() {
            return Some(true);
        }
        let wanted = self.forest.tile(both)?;
        if kind != Kind::Entries {
            return Some(bytes.starts_with(&wanted));
        }
        let mut hashes = Vec::new();
        let mut rest = bytes.as_slice();
        for _ in 0..both.width {
            let Some((entry, tail)) = entries::first(rest) else {
                return Some(false);
            };
            hashes.extend(leaf_hash(entry).0);
            rest = tail;
        }
        Some(hashes == wanted)
    }
}
