//! Logs in memory, read again: damage of every kind is found, and named.

mod split;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Mutex;

use super::walk::{Walk, Walked};
use crate::hash::Sha256;
use crate::limits::MAX_ENTRY_BUNDLE_LEN;
use crate::log::{StoreTiles, Tile, TreeHead, entries, leaf_hash, plan_append, tiles_of};
use crate::store::Reader;
use crate::{Error, Result};

/// A store in memory that remembers what was read.
#[derive(Default)]
pub struct MemStore {
    pub files: BTreeMap<String, Vec<u8>>,
    reads: Mutex<Vec<String>>,
}

impl Reader for MemStore {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        self.reads.lock().unwrap().push(path.to_owned());
        match self.files.get(path) {
            Some(bytes) if bytes.len() as u64 > limit => Err(Error::refused("is too long")),
            found => Ok(found.cloned()),
        }
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>> {
        let bytes = self.read(path, u64::MAX)?;
        Ok(bytes.map(|bytes| Box::new(std::io::Cursor::new(bytes)) as Box<dyn Read + Send>))
    }

    fn location(&self) -> String {
        "memory".into()
    }

    fn list(&self, prefix: &str) -> Result<Option<Vec<String>>> {
        let below = format!("{prefix}/");
        let names = self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(&below));
        let names = names.filter(|name| !name.contains('/')).map(str::to_owned);
        Ok(Some(names.collect()))
    }
}

/// A log of entries `entry N`, or as `text` says, that had these sizes one after the other.
pub fn log(sizes: &[u64], text: impl Fn(u64) -> String) -> (MemStore, Vec<TreeHead>) {
    let mut store = MemStore::default();
    let mut heads = vec![TreeHead::empty()];
    for size in sizes {
        let head = *heads.last().unwrap();
        let new: Vec<String> = (head.size..*size).map(&text).collect();
        let plan = {
            let tiles = StoreTiles::new(&store, "log", head.size);
            plan_append(&head, &tiles, &new).unwrap()
        };
        let files = plan.files.into_iter();
        store
            .files
            .extend(files.map(|(path, bytes)| (format!("log/{path}"), bytes)));
        heads.push(plan.new);
    }
    (store, heads)
}

pub fn plain(number: u64) -> String {
    format!("entry {number}")
}

/// Enough for tiles of level 2, and for partial ones on every level.
const LARGE: u64 = 65_536 + 2 * 256 + 3;

fn walk(store: &MemStore, head: TreeHead, since: u64) -> (Walked, Vec<u64>) {
    let mut seen = Vec::new();
    let walked = Walk {
        store,
        head,
        since,
        threads: 3,
    }
    .run(
        |number, entry| (number, Sha256::of(entry)),
        |at, (number, digest)| {
            assert_eq!((at, digest), (number, Sha256::of(plain(at).as_bytes())));
            seen.push(at);
        },
    );
    (walked, seen)
}

fn subjects(walked: &Walked) -> Vec<&str> {
    walked.problems.iter().map(|p| p.subject.as_str()).collect()
}

#[test]
fn a_log_of_three_levels_is_whole_and_every_entry_comes_once_and_in_order() {
    let (store, heads) = log(&[5, 300, 65_536, LARGE], plain);
    for head in &heads {
        let (walked, seen) = walk(&store, *head, 0);
        assert!(walked.whole && walked.problems.is_empty(), "{walked:?}");
        assert!(seen.iter().copied().eq(0..head.size));
    }
}

#[test]
fn one_flipped_bit_in_a_tile_of_any_level_is_found_and_the_hash_is_named() {
    let (store, heads) = log(&[LARGE], plain);
    let head = heads[1];
    let levels: Vec<u8> = tiles_of(LARGE).map(|tile| tile.level).collect();
    assert_eq!(levels.last(), Some(&2));
    let picked = tiles_of(LARGE).filter(|t| t.is_partial() || t.index == u64::from(t.level));
    for tile in picked {
        let path = format!("log/{}", tile.path());
        let mut damaged = MemStore {
            files: store.files.clone(),
            ..MemStore::default()
        };
        let bytes = damaged.files.get_mut(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let (walked, _) = walk(&damaged, head, 0);
        // The entries lead to the root all the same.
        assert!(walked.whole, "{walked:?}");
        assert_eq!(subjects(&walked), [path.as_str()]);
        let number = tile.index * 256 + middle as u64 / 32;
        let what = match tile.level {
            0 => format!("hash of log entry {number} is"),
            level => format!("hash {number} of level {level} is"),
        };
        assert!(walked.problems[0].message.contains(&what), "{walked:?}");
    }
}

#[test]
fn a_missing_tile_bundle_or_partial_is_named() {
    let (mut store, heads) = log(&[700], plain);
    let (walked, _) = walk(&store, heads[1], 0);
    assert!(walked.problems.is_empty(), "{walked:?}");
    for path in [
        "log/tile/0/001",
        "log/tile/0/002.p/188",
        "log/tile/1/000.p/2",
    ] {
        let bytes = store.files.remove(path).unwrap();
        let (walked, _) = walk(&store, heads[1], 0);
        assert!(walked.whole);
        assert_eq!(subjects(&walked), [path]);
        assert!(
            walked.problems[0].message.contains("is missing"),
            "{walked:?}"
        );
        store.files.insert(path.into(), bytes);
    }
    for path in ["log/tile/entries/001", "log/tile/entries/002.p/188"] {
        let bytes = store.files.remove(path).unwrap();
        let (walked, _) = walk(&store, heads[1], 0);
        assert!(!walked.whole);
        assert!(subjects(&walked).contains(&path), "{walked:?}");
        store.files.insert(path.into(), bytes);
    }
}

#[test]
fn earlier_partial_tiles_that_are_still_there_are_compared_too() {
    let (mut store, heads) = log(&[5, 7], plain);
    for path in ["log/tile/0/000.p/5", "log/tile/entries/000.p/5"] {
        store.files.get_mut(path).unwrap()[3] ^= 1;
        let (walked, _) = walk(&store, heads[2], 0);
        assert!(walked.whole);
        assert!(subjects(&walked).contains(&path), "{walked:?}");
        store.files.get_mut(path).unwrap()[3] ^= 1;
    }
    store.files.insert("log/tile/0/000.p/x".into(), Vec::new());
    let (walked, _) = walk(&store, heads[2], 0);
    assert_eq!(walked.problems[0].message, "is no tile");
}

/// The store with other entries in one bundle, and a leaf tile that fits them.
fn with_entries(store: &MemStore, change: impl Fn(&mut Vec<Vec<u8>>)) -> MemStore {
    let path = "log/tile/entries/000";
    let bundle = entries::decode(&store.files[path], 256).unwrap();
    let mut all: Vec<Vec<u8>> = bundle.into_iter().map(<[u8]>::to_vec).collect();
    change(&mut all);
    let mut files = store.files.clone();
    files.insert(path.into(), entries::encode(&all).unwrap());
    let leaves = all.iter().flat_map(|entry| leaf_hash(entry).0);
    let tile = Tile {
        level: 0,
        index: 0,
        width: 256,
    };
    files.insert(format!("log/{}", tile.path()), leaves.collect());
    MemStore {
        files,
        ..MemStore::default()
    }
}

#[test]
fn rewritten_dropped_and_reordered_leaves_lead_to_another_root_whatever_tiles_say() {
    let (store, heads) = log(&[700], plain);
    type Change = fn(&mut Vec<Vec<u8>>);
    let changes: [Change; 4] = [
        |all| all[9] = b"another entry".to_vec(),
        |all| all.swap(3, 4),
        |all| all[7].clear(),
        |all| all.rotate_left(1),
    ];
    for change in changes {
        let damaged = with_entries(&store, change);
        let walked = Walk {
            store: &damaged,
            head: heads[1],
            since: 0,
            threads: 2,
        }
        .run(|_, _| (), |_, ()| ());
        assert!(!walked.whole);
        let found = subjects(&walked);
        assert_eq!(
            found,
            ["log/tile/1/000.p/2", "log/checkpoint"],
            "{walked:?}"
        );
    }
}

#[test]
fn a_bundle_with_an_entry_less_or_a_byte_more_or_too_many_is_refused() {
    let (mut store, heads) = log(&[700], plain);
    let path = "log/tile/entries/001";
    let good = store.files[path].clone();
    let short = good[..good.len() - 9].to_vec();
    let long = [&good[..], b"x"].concat();
    let oversize = vec![0; MAX_ENTRY_BUNDLE_LEN as usize + 1];
    for (bytes, words) in [
        (short, "cut short"),
        (long, "bytes after"),
        (oversize, "too long"),
    ] {
        store.files.insert(path.into(), bytes);
        let (walked, seen) = walk(&store, heads[1], 0);
        assert!(!walked.whole);
        assert_eq!(walked.problems[0].subject, path);
        assert!(walked.problems[0].message.contains(words), "{walked:?}");
        // The others were read all the same.
        assert!(seen.contains(&0) && seen.contains(&699) && !seen.contains(&300));
    }
}

#[test]
fn a_log_that_lost_its_end_is_not_whole_under_its_newest_checkpoint() {
    let (mut store, heads) = log(&[300, 600], plain);
    let (walked, _) = walk(&store, heads[1], 0);
    assert!(walked.whole);
    store.files.retain(|path, _| !path.contains("/002"));
    let (walked, _) = walk(&store, heads[2], 0);
    assert!(!walked.whole);
    assert!(
        subjects(&walked).contains(&"log/tile/entries/002.p/88"),
        "{walked:?}"
    );
}

#[test]
fn what_was_audited_before_is_not_read_again() {
    let (store, heads) = log(&[LARGE - 300, LARGE], plain);
    let (old, new) = (heads[1], heads[2]);
    store.reads.lock().unwrap().clear();
    let (walked, seen) = walk(&store, new, old.size);
    assert!(walked.whole && walked.problems.is_empty(), "{walked:?}");
    assert!(seen.iter().copied().eq(old.size..new.size));
    let reads = store.reads.lock().unwrap();
    let bundles = reads.iter().filter(|path| path.contains("/entries/"));
    assert!(bundles.count() <= 4, "{reads:?}");
    assert!(reads.len() < 20, "{reads:?}");
    // And the old part is bound by the signed root: a hash of it that is wrong is found.
    drop(reads);
    let mut damaged = MemStore {
        files: store.files.clone(),
        ..MemStore::default()
    };
    let edge = damaged.files.get_mut("log/tile/1/001.p/2").unwrap();
    edge[0] ^= 1;
    let (walked, _) = walk(&damaged, new, old.size);
    assert!(!walked.whole);
}
