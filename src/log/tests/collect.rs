//! Which partial tiles may go, what stays, and that readers of older checkpoints do not notice.

use std::collections::BTreeMap;

use super::{MemoryStore, NaiveTree, entries};
use crate::Kind;
use crate::limits::MAX_COLLECTED_TILES;
use crate::log::{
    StoreTiles, TileHashes, TileSource, TreeHead, bundles_of, plan_append, prove_inclusion,
    superseded, tiles_of,
};

/// A log that grew by these numbers of entries, and the files of its last append.
fn grown(by: &[u64]) -> (MemoryStore, TreeHead, BTreeMap<String, Vec<u8>>) {
    let mut store = MemoryStore::default();
    let (mut head, mut files) = (TreeHead::empty(), BTreeMap::new());
    for count in by {
        let tiles = StoreTiles::new(&store, "log", head.size);
        let new = entries(head.size..head.size + count);
        let append = plan_append(&head, &tiles, &new).unwrap();
        store.write(&append.files);
        (head, files) = (append.new, append.files);
    }
    (store, head, files)
}

/// What may go after an append wrote `files`.
fn collected(store: &MemoryStore, files: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let paths: Vec<String> = files.keys().map(|path| format!("log/{path}")).collect();
    superseded("log", paths.iter().map(String::as_str), store).unwrap()
}

fn remove(store: &mut MemoryStore, paths: &[String]) {
    for path in paths {
        store.0.remove(path).expect(path);
    }
}

#[test]
fn nothing_goes_before_a_place_is_full_and_then_all_partial_tiles_of_it() {
    let (store, _, files) = grown(&[100, 50, 105]);
    assert_eq!(collected(&store, &files), [""; 0]);
    let (mut store, head, files) = grown(&[100, 50, 105, 1]);
    let gone = collected(&store, &files);
    let places = ["tile/0/000", "tile/entries/000"];
    let widths = ["100", "150", "255"];
    let wanted = places.map(|place| widths.map(|width| format!("log/{place}.p/{width}")));
    assert_eq!(gone, wanted.as_flattened());
    remove(&mut store, &gone);
    // What stays is exactly the tree's, level 1 with its partial tile.
    let tiles = tiles_of(head.size).map(|tile| tile.path());
    let bundles = bundles_of(head.size).map(|bundle| bundle.path());
    let mut wanted: Vec<String> = tiles.chain(bundles).map(|p| format!("log/{p}")).collect();
    wanted.sort();
    assert_eq!(store.0.keys().cloned().collect::<Vec<_>>(), wanted);
}

#[test]
fn a_reader_of_any_older_checkpoint_proves_and_reads_from_the_full_tiles() {
    let by = [1, 99, 155, 1, 3, 300, 209, 40];
    let (mut store, head, files) = grown(&by);
    // As if no publication before the last had got so far.
    let mut gone = collected(&store, &files);
    remove(&mut store, &gone);
    for tile in tiles_of(head.size).filter(|tile| !tile.is_partial()) {
        let written = BTreeMap::from([(tile.path(), Vec::new())]);
        gone = collected(&store, &written);
        remove(&mut store, &gone);
    }
    let naive = NaiveTree::new(head.size);
    let mut size = 0;
    for count in by {
        size += count;
        let old = naive.head(size);
        let tiles = StoreTiles::new(&store, "log", size);
        let hashes = TileHashes::open(&tiles, &old).unwrap();
        for bundle in bundles_of(size) {
            let first = bundle.index * 256;
            let wanted = entries(first..first + u64::from(bundle.width));
            assert_eq!(hashes.entries(bundle.index).unwrap(), wanted);
        }
        assert_eq!(
            prove_inclusion(size / 2, size, &hashes).unwrap(),
            prove_inclusion(size / 2, size, &naive).unwrap()
        );
    }
}

#[test]
fn what_a_killed_publication_left_goes_with_a_later_one_of_the_same_thousand_places() {
    let (mut store, head, files) = grown(&[255, 1, 300]);
    let left = collected(&store, &files);
    assert_eq!(left, ["log/tile/0/000.p/255", "log/tile/entries/000.p/255"]);
    remove(&mut store, &left);
    assert_eq!(collected(&store, &files), [""; 0]);
    assert_eq!(head.size, 556);
}

#[test]
fn one_publication_takes_a_bounded_number_and_the_next_ones_the_rest() {
    let (mut store, _, files) = grown(&[1; 256]);
    let mut rounds = 0;
    loop {
        let gone = collected(&store, &files);
        assert!(gone.len() <= MAX_COLLECTED_TILES);
        if gone.is_empty() {
            break;
        }
        remove(&mut store, &gone);
        rounds += 1;
    }
    assert_eq!(rounds, (2 * 255usize).div_ceil(MAX_COLLECTED_TILES));
    assert!(!store.0.keys().any(|path| path.contains("000.p/2")));
}

#[test]
fn places_beyond_the_thousandth_are_found_under_their_own_directory() {
    let (store, _, files) = grown(&[255_990, 20]);
    let gone = collected(&store, &files);
    assert_eq!(gone, ["log/tile/0/999.p/246", "log/tile/entries/999.p/246"]);
    let (store, _, files) = grown(&[256_001, 300]);
    let gone = collected(&store, &files);
    let dirs = ["log/tile/0/x001/000.p/1", "log/tile/entries/x001/000.p/1"];
    assert_eq!(gone, dirs);
}

#[test]
fn a_partial_tile_that_differs_from_its_full_one_stays_as_evidence() {
    let (mut store, _, files) = grown(&[100, 156]);
    store.file("log/tile/0/000.p/100")[5] ^= 1;
    assert_eq!(collected(&store, &files), ["log/tile/entries/000.p/100"]);
}

#[test]
fn what_somebody_put_in_the_place_of_a_full_tile_replaces_nothing() {
    let (mut store, _, files) = grown(&[100, 100]);
    for place in ["log/tile/0/000", "log/tile/entries/000"] {
        let bytes = store.0[&format!("{place}.p/200")].clone();
        store.0.insert(place.to_owned(), bytes);
    }
    assert_eq!(collected(&store, &files), [""; 0]);
}

#[test]
fn names_that_are_no_tiles_and_objects_elsewhere_are_left_alone() {
    let (mut store, _, files) = grown(&[100, 156]);
    let whole = store.0["log/tile/0/000"].clone();
    let strange = [
        "log/tile/0/000.p/0",
        "log/tile/0/000.p/256",
        "log/tile/0/000.p/x",
        "log/tile/0/0000.p/5",
        "v1.0.0/tile/0/000.p/5",
        "log/other/000.p/5",
    ];
    for path in strange {
        store.0.insert(path.to_owned(), whole[..32].to_vec());
        let full = path.split_once(".p/").unwrap().0;
        store.0.entry(full.to_owned()).or_insert(whole.clone());
    }
    let mut published = files.clone();
    published.insert("other/000".to_owned(), Vec::new());
    let gone = collected(&store, &published);
    assert_eq!(gone, ["log/tile/0/000.p/100", "log/tile/entries/000.p/100"]);
    let elsewhere = [
        "v1.0.0/tile/0/000",
        "log/other/000",
        "tile/0/000",
        "log/tile",
    ];
    assert_eq!(superseded("log", elsewhere, &store).unwrap(), [""; 0]);
}

#[test]
fn missing_partial_tiles_are_cut_from_the_full_one_or_named_where_that_is_missing_too() {
    let (mut store, head, _) = grown(&[100, 156]);
    let old = NaiveTree::new(100).head(100);
    let gone = ["log/tile/0/000.p/100", "log/tile/entries/000.p/100"];
    remove(&mut store, &gone.map(str::to_owned));
    let tiles = StoreTiles::new(&store, "log", old.size);
    let hashes = TileHashes::open(&tiles, &old).unwrap();
    assert_eq!(hashes.entries(0).unwrap(), entries(0..100));

    let full = ["log/tile/0/000", "log/tile/entries/000"];
    let (tile, bundle) = (
        tiles_of(old.size).next().unwrap(),
        bundles_of(old.size).next().unwrap(),
    );
    remove(&mut store, &full.map(str::to_owned));
    let tiles = StoreTiles::new(&store, "log", old.size);
    let errors = [
        tiles.tile(&tile).unwrap_err(),
        tiles.entries(&bundle).unwrap_err(),
    ];
    for (error, path) in errors
        .iter()
        .zip(["tile/0/000.p/100", "tile/entries/000.p/100"])
    {
        assert_eq!(error.kind(), Kind::Refused);
        let told = error.to_string();
        assert!(told.contains(&format!("{path} is missing")), "{told}");
        assert!(told.contains("size 100"), "{told}");
    }
    // A full tile is cut from nothing.
    let tiles = StoreTiles::new(&store, "log", head.size);
    let error = tiles
        .tile(&tiles_of(head.size).next().unwrap())
        .unwrap_err();
    assert!(
        error.to_string().contains("tile/0/000 is missing"),
        "{error}"
    );
}
