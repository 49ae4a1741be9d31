//! Partial tiles and bundles whose place has a full one (tlog-tiles, "Partial Tiles"): readers of an
//! older checkpoint are served by the full one, so they may go. Pure; removing is the store's work.

use std::collections::{BTreeMap, BTreeSet};

use super::text;
use crate::limits::{MAX_COLLECTED_TILES, MAX_ENTRY_BUNDLE_LEN, TILE_WIDTH};
use crate::store::Reader;
use crate::{Error, Result};

/// The partial tiles that may go once a publication has written `published`, paths in the store,
/// and its checkpoint is durable: those beside the tiles that it wrote, whose place is full. Also
/// such as an earlier publication left. At most [`MAX_COLLECTED_TILES`]; the next one takes more.
///
/// A partial tile that is not the beginning of its full one stays: it is evidence, for an audit to
/// find. `prefix` is the log's (`log`). A store that cannot list has nothing to collect.
///
/// # Errors
/// Errors of the store. The publication is made; nothing depends on what is collected.
pub fn superseded<'p>(
    prefix: &str,
    published: impl IntoIterator<Item = &'p str>,
    store: &dyn Reader,
) -> Result<Vec<String>> {
    let tiles = format!("{prefix}/tile/");
    let published: BTreeSet<&str> = published
        .into_iter()
        .filter(|path| path.starts_with(&tiles))
        .collect();
    // The tree grows to the right: in each directory, what is left of a tile that was written is full.
    let mut edges: BTreeMap<&str, &str> = BTreeMap::new();
    for path in &published {
        if let Some((dir, name)) = place_of(path).rsplit_once('/') {
            let edge = edges.entry(dir).or_insert(name);
            *edge = name.max(*edge);
        }
    }
    let mut out = Vec::new();
    for (dir, edge) in edges {
        let names: BTreeSet<String> = store.list(dir)?.unwrap_or_default().into_iter().collect();
        let both = |name: &&String| is_number(name) && names.contains(&format!("{name}.p"));
        for name in names.iter().filter(both) {
            let full = format!("{dir}/{name}");
            if name.as_str() >= edge && !published.contains(full.as_str()) {
                continue;
            }
            collect_place(&full, store, &mut out)?;
            if out.len() >= MAX_COLLECTED_TILES {
                return Ok(out);
            }
        }
    }
    Ok(out)
}

/// The narrower tiles at the place of one full tile, as far as they are its beginning.
fn collect_place(full: &str, store: &dyn Reader, out: &mut Vec<String>) -> Result<()> {
    let dir = format!("{full}.p");
    let names = store.list(&dir)?.unwrap_or_default();
    let widths = names
        .into_iter()
        .filter(|name| name.parse().is_ok_and(|w| (1..TILE_WIDTH).contains(&w)));
    let mut whole = None;
    for name in widths {
        if out.len() >= MAX_COLLECTED_TILES {
            return Ok(());
        }
        let path = format!("{dir}/{name}");
        let Some(partial) = store.read(&path, MAX_ENTRY_BUNDLE_LEN)? else {
            continue;
        };
        if whole.is_none() {
            whole = store.read(full, MAX_ENTRY_BUNDLE_LEN)?;
        }
        let whole = whole.as_ref().ok_or_else(|| {
            let shown = text::quote(full);
            Error::failed(format!("{shown} was listed and cannot be read"))
        })?;
        if whole.len() > partial.len() && whole.starts_with(&partial) {
            out.push(path);
        }
    }
    Ok(())
}

/// Without the width of a partial tile.
fn place_of(path: &str) -> &str {
    path.split_once(".p/").map_or(path, |(place, _)| place)
}

/// The last part of a full tile's name: three digits.
fn is_number(name: &str) -> bool {
    name.len() == 3 && name.bytes().all(|b| b.is_ascii_digit())
}
