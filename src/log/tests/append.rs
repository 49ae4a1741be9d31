//! Planned appends against a log built from scratch.

use super::{Lcg, MemoryStore, NaiveTree, entries, entry, naive_root};
use crate::hash::Sha256;
use crate::log::entries::encode;
use crate::log::{
    Append, StoreTiles, TileHashes, TreeHead, bundles_of, check_consistency, check_inclusion,
    leaf_hash, plan_append, prove_consistency, prove_inclusion, tiles_of,
};
use crate::{Kind, Result};

struct Log {
    store: MemoryStore,
    head: TreeHead,
}

impl Log {
    fn new() -> Self {
        Log {
            store: MemoryStore::default(),
            head: TreeHead::empty(),
        }
    }

    fn plan(&self, count: u64) -> Result<Append> {
        let tiles = StoreTiles::new(&self.store, "log", self.head.size);
        let new = entries(self.head.size..self.head.size + count);
        plan_append(&self.head, &tiles, &new)
    }

    fn append(&mut self, count: u64) {
        let append = self.plan(count).unwrap();
        self.store.write(&append.files);
        self.head = append.new;
    }

    /// Every file of the tree by the definition of tlog-tiles, hash by hash.
    fn check_files(&self) {
        let size = self.head.size;
        let leaves: Vec<Sha256> = (0..size).map(|n| leaf_hash(&entry(n))).collect();
        assert_eq!(self.head.root, naive_root(&leaves), "size {size}");
        for tile in tiles_of(size) {
            let span = 256usize.pow(u32::from(tile.level));
            let first = tile.index as usize * 256;
            let want: Vec<u8> = (first..first + usize::from(tile.width))
                .flat_map(|i| naive_root(&leaves[i * span..(i + 1) * span]).0)
                .collect();
            let path = format!("log/{}", tile.path());
            assert!(self.store.0[&path] == want, "{path} at size {size}");
        }
        for bundle in bundles_of(size) {
            let first = bundle.index * 256;
            let want = encode(&entries(first..first + u64::from(bundle.width))).unwrap();
            let path = format!("log/{}", bundle.path());
            assert!(self.store.0[&path] == want, "{path} at size {size}");
        }
    }
}

#[test]
fn random_batches_make_the_files_of_a_log_built_at_once() {
    let mut random = Lcg(6_962);
    let mut log = Log::new();
    while log.head.size < 2_000 {
        let most = [2, 40, 600][random.below(3) as usize];
        log.append(random.below(most));
        log.check_files();
    }
}

#[test]
fn single_appends_cross_the_first_full_tile() {
    for start in [250, 506] {
        let mut log = Log::new();
        log.append(start);
        for _ in 0..10 {
            log.append(1);
            log.check_files();
        }
    }
}

#[test]
fn appends_cross_65536_where_level_1_fills_and_level_2_begins() {
    let mut log = Log::new();
    log.append(65_279);
    for count in [255, 1, 1, 0, 1, 255, 300] {
        let old = log.head;
        log.append(count);
        let tiles = StoreTiles::new(&log.store, "log", log.head.size);
        let hashes = TileHashes::open(&tiles, &log.head).unwrap();
        let proof = prove_consistency(old.size, log.head.size, &hashes).unwrap();
        check_consistency(&old, &log.head, &proof).unwrap();
    }
    assert_eq!(log.head.size, 66_092);
    assert!(log.store.0.contains_key("log/tile/1/000"));
    assert!(log.store.0.contains_key("log/tile/2/000.p/1"));
    log.check_files();
}

#[test]
fn a_plan_lists_new_files_only_and_none_for_no_entries() {
    let mut log = Log::new();
    log.append(512);
    assert!(log.plan(0).unwrap().files.is_empty());
    assert_eq!(log.plan(0).unwrap().new, log.head);
    let append = log.plan(1).unwrap();
    let paths: Vec<&str> = append.files.keys().map(String::as_str).collect();
    assert_eq!(paths, ["tile/0/002.p/1", "tile/entries/002.p/1"]);
    assert_eq!((append.old.size, append.new.size), (512, 513));
}

#[test]
fn a_proof_of_a_new_entry_can_be_made_before_anything_is_written() {
    let mut log = Log::new();
    log.append(700);
    let append = log.plan(100).unwrap();
    let base = StoreTiles::new(&log.store, "log", log.head.size);
    let planned = append.over(&base);
    let hashes = TileHashes::open(&planned, &append.new).unwrap();
    for index in [0, 699, 700, 799] {
        let proof = prove_inclusion(index, 800, &hashes).unwrap();
        check_inclusion(index, &leaf_hash(&entry(index)), &proof, &append.new).unwrap();
    }
    assert_eq!(hashes.entries(3).unwrap(), entries(768..800));
    let proof = prove_consistency(700, 800, &hashes).unwrap();
    check_consistency(&log.head, &append.new, &proof).unwrap();
}

#[test]
fn nothing_is_appended_to_a_log_whose_right_edge_was_changed() {
    for path in ["tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/002.p/88"] {
        let mut log = Log::new();
        log.append(600);
        *log.store.file(&format!("log/{path}")).last_mut().unwrap() ^= 1;
        assert_eq!(log.plan(1).unwrap_err().kind(), Kind::Refused, "{path}");
    }
}

#[test]
fn nothing_is_appended_to_another_head_than_the_tiles_have() {
    let mut log = Log::new();
    log.append(10);
    log.head = NaiveTree::new(9).head(9);
    assert!(
        log.plan(1).is_err(),
        "the partial tile of size 9 was never written"
    );
    log.head = TreeHead {
        size: 10,
        root: Sha256::of(b"fork"),
    };
    assert_eq!(log.plan(1).unwrap_err().kind(), Kind::Refused);
}

#[test]
fn entries_of_65535_bytes_go_in_and_longer_ones_do_not() {
    let store = MemoryStore::default();
    let tiles = StoreTiles::new(&store, "log", 0);
    let plan = |length| plan_append(&TreeHead::empty(), &tiles, &[vec![7u8; length]]);
    assert!(plan(65_535).is_ok());
    let error = plan(65_536).unwrap_err();
    assert!(
        error.message().contains("65536 bytes, want at most 65535"),
        "{error}"
    );
}
