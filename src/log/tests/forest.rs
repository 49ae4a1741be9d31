//! Trees from the leaves up, and what a damaged log's tiles still prove.

use super::{MemoryStore, NaiveTree, entries};
use crate::hash::Sha256;
use crate::log::forest::Forest;
use crate::log::hashes::root;
use crate::log::{StoreTiles, Tile, TileSource, TreeHead, leaf_hash, plan_append, tiles_of};

/// A log of `size` entries in a store, and its head.
fn log(size: u64) -> (MemoryStore, TreeHead) {
    let mut store = MemoryStore::default();
    let empty = MemoryStore::default();
    let tiles = StoreTiles::new(&empty, "log", 0);
    let append = plan_append(&TreeHead::empty(), &tiles, &entries(0..size)).unwrap();
    store.write(&append.files);
    (store, append.new)
}

fn leaves(size: u64) -> Vec<Option<Sha256>> {
    let entries = entries(0..size);
    entries.iter().map(|entry| Some(leaf_hash(entry))).collect()
}

fn there(store: &MemoryStore, head: &TreeHead) -> impl Fn(&Tile) -> Vec<Vec<u8>> {
    let size = head.size;
    move |tile| {
        let tiles = StoreTiles::new(store, "log", size);
        tiles.tile(tile).into_iter().collect()
    }
}

#[test]
fn every_tile_and_the_root_come_out_of_the_leaves_alone() {
    for size in [0, 1, 5, 255, 256, 257, 700, 65_536, 66_000] {
        let (store, head) = log(size);
        let forest = Forest::new(leaves(size)).unwrap();
        assert_eq!(forest.root(), Some(head.root), "{size}");
        for tile in tiles_of(size) {
            let path = format!("log/{}", tile.path());
            assert_eq!(forest.tile(&tile).as_ref(), store.0.get(&path), "{path}");
        }
        assert_eq!(root(size, &forest).unwrap(), head.root);
    }
    let forest = Forest::new(leaves(700)).unwrap();
    for size in [1, 2, 255, 256, 300, 699] {
        let naive = NaiveTree::new(700).head(size);
        assert_eq!(root(size, &forest).unwrap(), naive.root, "{size}");
    }
}

#[test]
fn without_all_leaves_there_is_no_root_but_what_lies_beside_the_gap() {
    let mut some = leaves(700);
    some[300] = None;
    let forest = Forest::new(some).unwrap();
    assert_eq!(forest.root(), None);
    let full = |index| Tile {
        level: 0,
        index,
        width: 256,
    };
    assert!(forest.tile(&full(0)).is_some() && forest.tile(&full(1)).is_none());
    assert!(root(700, &forest).is_err() && root(256, &forest).is_ok());
}

#[test]
fn intact_tiles_tell_the_hash_of_an_entry_that_is_gone_or_was_changed() {
    let (store, head) = log(66_000);
    for changed in [None, Some(leaf_hash(b"another"))] {
        let mut some = leaves(66_000);
        some[300] = changed;
        some[65_999] = changed;
        let forest = Forest::new(some).unwrap();
        assert_ne!(forest.root(), Some(head.root));
        let proved = forest.proved(&head, &there(&store, &head));
        assert_eq!(proved.root(), Some(head.root));
        for (index, want) in (0..66_000).zip(leaves(66_000)) {
            assert_eq!(proved.leaf(index), want, "{index}");
        }
    }
}

#[test]
fn a_damaged_tile_hides_what_is_below_it_only_where_the_entries_do_not_help() {
    let (mut store, head) = log(700);
    store.file("log/tile/0/001")[0] ^= 1;
    let mut some = leaves(700);
    some[10] = None;
    let forest = Forest::new(some.clone()).unwrap();
    // The tile is computed from its own entries, of which none is missing.
    let proved = forest.proved(&head, &there(&store, &head));
    assert_eq!(proved.root(), Some(head.root));
    some[300] = None;
    let forest = Forest::new(some).unwrap();
    let proved = forest.proved(&head, &there(&store, &head));
    assert_eq!(proved.leaf(10), leaves(700)[10]);
    assert_eq!(proved.leaf(256), None);
    assert_eq!(proved.leaf(699), leaves(700)[699]);
}

#[test]
fn a_root_that_nothing_leads_to_proves_nothing() {
    let (store, mut head) = log(700);
    head.root = Sha256::of(b"another");
    let forest = Forest::new(leaves(700)).unwrap();
    let proved = forest.proved(&head, &there(&store, &head));
    assert!((0..700).all(|index| proved.leaf(index).is_none()));
}
