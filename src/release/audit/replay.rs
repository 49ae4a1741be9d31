//! The log from its entries up: every leaf hash, every tile, the root, every leaf's signature. Pure.

use super::{Event, Problem, problem};
use crate::Result;
use crate::hash::Sha256;
use crate::limits::{MAX_ENTRY_BUNDLE_LEN, MAX_HASH_TILE_LEN, TILE_WIDTH};
use crate::log::{TileHashes, bundles_of, leaf_hash, merkle, tiles_of};
use crate::release::leaf::Leaf;
use crate::release::policy::ReleasePolicy;
use crate::release::verify::signed_leaf;
use crate::release::view::View;
use crate::store::Reader;

/// The entries of a log whose signed root was computed again from them.
pub struct Replayed {
    /// All of them, in order.
    pub entries: Vec<Vec<u8>>,
    /// Objects beside them that are not what the entries lead to.
    pub problems: Vec<Problem>,
}

/// Reads all entries and computes the signed root again from them; compares every tile and bundle
/// in the store, also those that newer ones replaced, with what they must be.
///
/// # Errors
/// Entries that do not lead to the signed root.
pub fn entries(view: &View, store: &dyn Reader) -> Result<Replayed, Vec<Problem>> {
    let head = view.history.checkpoint.head();
    let tiles = view.history.tiles();
    let hashes = TileHashes::open(&tiles, head).map_err(|e| problem("log", &e))?;
    let mut entries = Vec::new();
    for bundle in bundles_of(head.size) {
        let more = hashes
            .entries(bundle.index)
            .map_err(|e| problem(format!("log/{}", bundle.path()), &e))?;
        entries.extend(more);
    }
    let leaves: Vec<Sha256> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let root = subtree(&leaves);
    if root != head.root || leaves.len() as u64 != head.size {
        return Err(vec![Problem::new(
            "log/checkpoint",
            format!(
                "is for {} entries with root {}, the entries are {} with root {root}",
                head.size,
                head.root,
                leaves.len()
            ),
        )]);
    }
    let mut problems = check_tiles(store, head.size, leaves);
    problems.extend(check_bundles(store, head.size, &entries));
    Ok(Replayed { entries, problems })
}

/// RFC 6962, section 2.1: the tree hash of a list of leaf hashes.
fn subtree(hashes: &[Sha256]) -> Sha256 {
    match hashes {
        [] => merkle::TreeHead::empty().root,
        [one] => *one,
        many => {
            let half = many.len().next_power_of_two() / 2;
            let (left, right) = many.split_at(half);
            merkle::node_hash(&subtree(left), &subtree(right))
        }
    }
}

fn check_tiles(store: &dyn Reader, size: u64, leaves: Vec<Sha256>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut level = 0u8;
    let mut hashes = leaves;
    for tile in tiles_of(size) {
        while level < tile.level {
            let full = hashes.chunks_exact(TILE_WIDTH as usize);
            hashes = full.map(subtree).collect();
            level += 1;
        }
        let first = usize::try_from(tile.index * TILE_WIDTH).unwrap_or(usize::MAX);
        let wanted: Vec<u8> = hashes
            .iter()
            .skip(first)
            .take(usize::from(tile.width))
            .flat_map(|hash| hash.0)
            .collect();
        let path = format!("log/{}", tile.path());
        let full = format!("log/{}", tile.full().path());
        problems.extend(same_object(store, &path, &full, &wanted, MAX_HASH_TILE_LEN));
    }
    problems
}

fn check_bundles(store: &dyn Reader, size: u64, entries: &[Vec<u8>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for bundle in bundles_of(size) {
        let first = usize::try_from(bundle.index * TILE_WIDTH).unwrap_or(usize::MAX);
        let mine = entries.iter().skip(first).take(usize::from(bundle.width));
        let wanted: Vec<u8> = mine
            .flat_map(|entry| {
                let len = u16::try_from(entry.len()).unwrap_or(u16::MAX);
                len.to_be_bytes().into_iter().chain(entry.iter().copied())
            })
            .collect();
        let path = format!("log/{}", bundle.path());
        let full = format!("log/{}", bundle.full().path());
        problems.extend(same_object(
            store,
            &path,
            &full,
            &wanted,
            MAX_ENTRY_BUNDLE_LEN,
        ));
    }
    problems
}

/// An object, or the full one that replaced it, must begin with these bytes; so must every
/// narrower one that is still there.
fn same_object(
    store: &dyn Reader,
    path: &str,
    full: &str,
    wanted: &[u8],
    limit: u64,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut strange = Vec::new();
    let mut compare = |path: &str, whole: bool| match store.read(path, limit) {
        Ok(Some(found)) => {
            let same = match whole {
                true => found.starts_with(wanted),
                false => wanted.starts_with(&found),
            };
            if !same {
                problems.push(Problem::new(path, "is not what the entries lead to"));
            }
            true
        }
        Ok(None) => false,
        Err(e) => {
            problems.extend(problem(path, &e));
            true
        }
    };
    if !compare(path, true) && (path == full || !compare(full, true)) {
        strange.push(Problem::new(path, "is missing"));
    }
    let dir = format!("{full}.p");
    if let Ok(Some(names)) = store.list(&dir) {
        for name in names {
            let older = format!("{dir}/{name}");
            if older != path {
                let width: Option<u16> = name.parse().ok().filter(|w| (1..256).contains(w));
                match width {
                    Some(_) => {
                        compare(&older, false);
                    }
                    None => strange.push(Problem::new(older, "is no tile")),
                }
            }
        }
    }
    problems.extend(strange);
    problems
}

/// A log entry as a line of history, its signature verified.
pub fn event(index: u64, entry: &[u8], policy: &ReleasePolicy) -> Result<(Event, Leaf)> {
    let (leaf, signers) = signed_leaf(entry, policy)?;
    let event = Event {
        index,
        time: leaf.time(),
        kind: leaf.kind(),
        what: leaf.what(),
        who: policy.people(&signers),
    };
    Ok((event, leaf))
}
