//! The hash tiles of a tree against what its entries lead to. Pure.

use super::finding::{Finding, Remake, State};
use crate::limits::MAX_HASH_TILE_LEN;
use crate::log::{Forest, Tile, tiles_of};
use crate::store::Reader;

const CHECK: &str = "tiles";

/// What a tile may be, by the store and by its copy.
pub fn candidates(store: &dyn Reader, from: Option<&dyn Reader>, tile: &Tile) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for reader in [Some(store), from].into_iter().flatten() {
        for path in [tile.path(), tile.full().path()] {
            let read = reader.read(&format!("log/{path}"), MAX_HASH_TILE_LEN);
            if let Ok(Some(mut bytes)) = read {
                bytes.truncate(tile.len());
                out.push(bytes);
            }
        }
    }
    out
}

/// Looks at every tile that the tree must have.
pub fn check(store: &dyn Reader, forest: &Forest, findings: &mut Vec<Finding>) {
    findings.extend(tiles_of(forest.size()).filter_map(|tile| one(store, forest, &tile)));
}

fn one(store: &dyn Reader, forest: &Forest, tile: &Tile) -> Option<Finding> {
    let path = format!("log/{}", tile.path());
    let finding = |state, message: &str| Some(Finding::new(CHECK, path.as_str(), state, message));
    let wanted = forest.tile(tile);
    let read = match store.read(&path, MAX_HASH_TILE_LEN) {
        Ok(read) => read,
        Err(e) => return finding(State::Unclear, &format!("cannot be read: {e}")),
    };
    match (read, wanted) {
        (Some(found), Some(wanted)) if found == wanted => None,
        (Some(_), Some(_)) => finding(State::Differs, "is not what the entries lead to"),
        (Some(_), None) => finding(
            State::Unclear,
            "cannot be told right from wrong: entries below it are lost",
        ),
        (None, Some(wanted)) => {
            let full = format!("log/{}", tile.full().path());
            let replaced = tile.is_partial()
                && matches!(store.read(&full, MAX_HASH_TILE_LEN),
                    Ok(Some(found)) if found.starts_with(&wanted));
            match replaced {
                true => None,
                false => Some(Finding::missing(
                    CHECK,
                    path.as_str(),
                    "from the entries",
                    Remake::Tile(*tile),
                )),
            }
        }
        (None, None) => finding(
            State::Missing,
            "is missing, and cannot be rebuilt: entries below it are lost",
        ),
    }
}
