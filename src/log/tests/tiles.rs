//! Names and numbers of tiles, entry bundles, and reading them from a store that lies.

use super::{MemoryStore, NaiveTree, entries};
use crate::Kind;
use crate::log::entries::{decode, encode};
use crate::log::tile::{Bundle, Tile, bundles_of, tiles_of};
use crate::log::{HashSource, StoreTiles, TileHashes, TileSource, TreeHead, plan_append};

fn tile(level: u8, index: u64, width: u16) -> Tile {
    Tile {
        level,
        index,
        width,
    }
}

#[test]
fn paths_are_those_of_the_specification() {
    assert_eq!(tile(0, 1_234_067, 256).path(), "tile/0/x001/x234/067");
    assert_eq!(tile(2, 0, 1).path(), "tile/2/000.p/1");
    assert_eq!(tile(0, 1_234, 17).path(), "tile/0/x001/234.p/17");
    let bundle = |index, width| Bundle { index, width };
    assert_eq!(bundle(999, 256).path(), "tile/entries/999");
    assert_eq!(bundle(1_000, 255).path(), "tile/entries/x001/000.p/255");
}

#[test]
fn a_log_of_70000_has_the_tiles_of_the_specifications_example() {
    let all: Vec<Tile> = tiles_of(70_000).collect();
    let at = |level| all.iter().filter(move |tile| tile.level == level);
    assert_eq!(at(0).filter(|tile| !tile.is_partial()).count(), 273);
    assert_eq!(at(0).next_back(), Some(&tile(0, 273, 112)));
    let level_1: Vec<&Tile> = at(1).collect();
    assert_eq!(level_1, [&tile(1, 0, 256), &tile(1, 1, 17)]);
    let level_2: Vec<&Tile> = at(2).collect();
    assert_eq!(level_2, [&tile(2, 0, 1)]);
    assert_eq!(all.len(), 274 + 2 + 1);
    assert_eq!(bundles_of(70_000).count(), 274);
}

#[test]
fn logs_of_0_1_and_256_have_no_empty_tiles() {
    assert_eq!(tiles_of(0).count() + bundles_of(0).count(), 0);
    assert_eq!(tiles_of(1).collect::<Vec<_>>(), [tile(0, 0, 1)]);
    let full: Vec<Tile> = tiles_of(256).collect();
    assert_eq!(full, [tile(0, 0, 256), tile(1, 0, 1)]);
    assert_eq!(Tile::in_tree(0, u64::MAX, u64::MAX), None);
    assert_eq!(Tile::in_tree(255, 0, u64::MAX), None);
}

#[test]
fn bundles_round_trip_and_are_read_strictly() {
    let two = encode(&[b"ab".to_vec(), Vec::new()]).unwrap();
    assert_eq!(two, [0, 2, b'a', b'b', 0, 0]);
    assert_eq!(decode(&two, 2).unwrap(), [&b"ab"[..], b""]);
    for (bytes, width) in [
        (&two[..], 1),
        (&two[..], 3),
        (&two[..5], 2),
        (&two[..3], 1),
        (b"\xff\xff", 1),
        (b"", 1),
        (b"x", 0),
    ] {
        assert_eq!(decode(bytes, width).unwrap_err().kind(), Kind::Refused);
    }
    assert!(encode(&[vec![0; 65_536]]).is_err());
    assert!(encode(&[vec![0; 65_535]]).is_ok());
    assert!(encode::<Vec<u8>>(&[]).is_err());
    assert!(encode(&vec![b"x"; 257]).is_err());
}

/// A log of `size` entries, appended at once.
fn log_of(size: u64) -> (MemoryStore, TreeHead) {
    let mut store = MemoryStore::default();
    let tiles = StoreTiles::new(&store, "log", 0);
    let append = plan_append(&TreeHead::empty(), &tiles, &entries(0..size)).unwrap();
    store.write(&append.files);
    (store, append.new)
}

#[test]
fn hashes_read_from_tiles_equal_the_naive_tree() {
    let (store, head) = log_of(1_000);
    let naive = NaiveTree::new(1_000);
    let tiles = StoreTiles::new(&store, "log", head.size);
    let hashes = TileHashes::open(&tiles, &head).unwrap();
    for level in 0..=9u8 {
        let count = 1_000 >> level;
        for index in 0..count {
            let want = naive.node(level, index).unwrap();
            assert_eq!(hashes.node(level, index).unwrap(), want, "{level} {index}");
        }
        assert!(hashes.node(level, count).is_err());
    }
    for (level, index) in [(10, 0), (63, 0), (255, 0), (0, u64::MAX), (7, u64::MAX)] {
        assert!(hashes.node(level, index).is_err());
    }
    assert_eq!(hashes.entries(3).unwrap(), entries(768..1_000));
    assert!(hashes.entries(4).is_err());
}

#[test]
fn a_partial_tile_that_is_gone_is_cut_from_the_full_one() {
    let (mut store, new) = log_of(600);
    let old = NaiveTree::new(600).head(300);
    let tiles = StoreTiles::new(&store, "log", old.size);
    assert!(
        TileHashes::open(&tiles, &old).is_err(),
        "level 1 is not full, so nothing replaces it"
    );
    let level_1 = store.0["log/tile/1/000.p/2"][..32].to_vec();
    store.0.insert("log/tile/1/000.p/1".to_owned(), level_1);

    let tiles = StoreTiles::new(&store, "log", old.size);
    let hashes = TileHashes::open(&tiles, &old).unwrap();
    assert_eq!(hashes.entries(1).unwrap(), entries(256..300));
    let beyond = StoreTiles::new(&store, "log", old.size).tile(&tile(0, 1, 45));
    assert!(beyond.unwrap_err().message().contains("size 300"));
    let tiles = StoreTiles::new(&store, "log", new.size);
    TileHashes::open(&tiles, &new).unwrap();
}

#[test]
fn a_flipped_cut_or_missing_tile_is_refused_wherever_it_is() {
    let paths: Vec<String> = log_of(600).0.0.into_keys().collect();
    assert_eq!(paths.len(), 3 + 3 + 1);
    for path in paths {
        for fault in ["flip first", "flip last", "cut", "grow", "remove"] {
            let (mut store, head) = log_of(600);
            let file = store.file(&path);
            let last = file.len() - 1;
            match fault {
                "flip first" => file[0] ^= 1,
                "flip last" => file[last] ^= 1,
                "cut" => file.truncate(last),
                "grow" => file.push(0),
                _ => drop(store.0.remove(&path)),
            }
            let tiles = StoreTiles::new(&store, "log", head.size);
            let all = TileHashes::open(&tiles, &head)
                .and_then(|hashes| (0..3).try_for_each(|n| hashes.entries(n).map(drop)));
            assert!(all.is_err(), "{fault} of {path} went unnoticed");
        }
    }
}

#[test]
fn tiles_of_another_log_do_not_pass_for_this_one() {
    let (store, head) = log_of(600);
    let foreign = TreeHead {
        size: 600,
        root: NaiveTree::new(599).head(599).root,
    };
    let tiles = StoreTiles::new(&store, "log", head.size);
    let error = TileHashes::open(&tiles, &foreign).err().unwrap();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.message().contains(&head.root.hex()), "{error}");
}

#[test]
fn an_old_entry_replaced_together_with_its_leaf_hash_is_refused() {
    let (mut store, head) = log_of(600);
    let mut rewritten = entries(0..256);
    rewritten[7] = b"seven".to_vec();
    let leaf = crate::log::leaf_hash(b"seven");
    *store.file("log/tile/entries/000") = encode(&rewritten).unwrap();
    store.file("log/tile/0/000")[7 * 32..8 * 32].copy_from_slice(&leaf.0);
    let tiles = StoreTiles::new(&store, "log", head.size);
    let hashes = TileHashes::open(&tiles, &head).unwrap();
    for error in [
        hashes.entries(0).unwrap_err(),
        hashes.node(0, 7).unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::Refused);
        assert!(
            error.message().contains("tile/0/000 does not hash to"),
            "{error}"
        );
    }
    assert_eq!(hashes.entries(1).unwrap(), entries(256..512));
}
