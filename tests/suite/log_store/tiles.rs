//! Tiles are written once: what differs is an alarm, and what full ones have replaced goes.

use relman::hash::Sha256;
use relman::io::mirror_local::LocalMirror;
use relman::log::{superseded, tiles_of};
use relman::store::Reader;
use relman::store::mirror::{Destination, NewObject};
use relman::store::stage::Authoritative;

use super::{CHECKPOINT, LIMIT, Sequencer, entries, local, numbered};
use crate::common::relman::files;

/// Grows a log to these sizes, a publication each.
fn grow(store: &dyn Authoritative, sizes: &[u64]) {
    let sequencer = Sequencer::new();
    let mut size = sequencer.head(store.reader()).size;
    for to in sizes {
        sequencer.append(store, &numbered(size..*to)).unwrap();
        size = *to;
    }
}

/// Publishing is refused and the tile, which it names, stays as somebody put it there.
#[track_caller]
fn is_an_alarm(store: &dyn Authoritative, path: &str) {
    let sequencer = Sequencer::new();
    let before = sequencer.head(store.reader());
    let e = sequencer.append(store, &numbered(3..5)).unwrap_err();
    assert_eq!(e.kind(), relman::Kind::Refused, "{e:?}");
    let told = e.to_string();
    assert!(told.contains(path), "{told}");
    assert!(
        told.contains("exists with other contents and is never overwritten"),
        "{told}"
    );
    let hint = e.hint_text().unwrap();
    assert!(
        hint.contains("find out who wrote it: relman audit"),
        "{hint}"
    );
    assert_eq!(sequencer.head(store.reader()), before);
    let there = store.reader().read(path, LIMIT).unwrap();
    assert_eq!(there.as_deref(), Some(&b"somebody's"[..]));
    assert_eq!(entries(store.reader(), &before), numbered(0..3));
}

#[test]
fn a_tile_or_bundle_that_differs_is_an_alarm_and_is_never_overwritten() {
    for path in ["log/tile/0/000.p/5", "log/tile/entries/000.p/5"] {
        let (_dir, store) = local();
        grow(&store, &[3]);
        std::fs::write(store.root().join(path), "somebody's").unwrap();
        is_an_alarm(&store, path);
    }
}

#[test]
fn partial_tiles_of_full_places_are_gone_after_the_publication_that_filled_them() {
    let (_dir, store) = local();
    grow(&store, &[3, 100, 255]);
    assert_eq!(tiles(&store).len(), 2 * 3);
    grow(&store, &[256]);
    let full = [
        "log/tile/0/000",
        "log/tile/1/000.p/1",
        "log/tile/entries/000",
    ];
    assert_eq!(tiles(&store), full);
    assert!(
        !store.root().join("log/tile/0/000.p").exists(),
        "an empty directory"
    );
    // A partial tile of a place that is not full is any reader's who has an older checkpoint.
    grow(&store, &[260, 300]);
    assert_eq!(tiles(&store).len(), 3 + 2 * 2);
    let head = Sequencer::new().head(&store);
    assert_eq!(entries(&store, &head), numbered(0..300));
}

#[test]
fn what_differs_is_not_collected() {
    let (_dir, store) = local();
    grow(&store, &[3, 100]);
    let changed = store.root().join("log/tile/0/000.p/3");
    std::fs::write(&changed, [7; 96]).unwrap();
    grow(&store, &[256]);
    assert!(changed.exists());
    assert!(!store.root().join("log/tile/0/000.p/100").exists());
}

#[test]
fn a_mirror_discards_what_its_own_full_tiles_have_replaced() {
    let (_dir, store) = local();
    let dir = crate::common::relman::quick_dir();
    let mirror = LocalMirror::new(dir.path().join("mirror"));
    let copy = || {
        let _lock = mirror.lock("mirror").unwrap();
        let paths: Vec<String> = files(store.root())
            .into_iter()
            .filter(|path| path.starts_with("log/tile/"))
            .collect();
        for path in &paths {
            let bytes = store.read(path, LIMIT).unwrap().unwrap();
            let object = NewObject {
                path: path.clone(),
                sha256: Sha256::of(&bytes),
                limit: LIMIT,
                executable: false,
            };
            mirror
                .add(&object, &|| {
                    Ok(Box::new(std::io::Cursor::new(bytes.clone())))
                })
                .unwrap();
        }
        let head = store.read(CHECKPOINT, LIMIT).unwrap().unwrap();
        mirror.set_head(CHECKPOINT, &head).unwrap();
        let published = paths.iter().map(String::as_str);
        for path in superseded("log", published, mirror.reader()).unwrap() {
            mirror.discard(&path);
        }
    };
    grow(&store, &[100]);
    copy();
    grow(&store, &[200, 256]);
    copy();
    let head = Sequencer::new().head(mirror.reader());
    assert_eq!(tiles_of(head.size).count() + 1, 3);
    assert_eq!(entries(mirror.reader(), &head), numbered(0..256));
    let left: Vec<String> = files(&dir.path().join("mirror"))
        .into_iter()
        .filter(|path| path.starts_with("log/tile/"))
        .collect();
    assert_eq!(left, tiles(&store));
}

/// What is below `log/tile`.
fn tiles(store: &relman::io::store_local::LocalStore) -> Vec<String> {
    let all = files(store.root()).into_iter();
    all.filter(|path| path.starts_with("log/tile/")).collect()
}

#[cfg(feature = "object-store")]
mod bucket {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use object_store::{ObjectStore, ObjectStoreExt};
    use relman::io::store_object::{BucketStore, Identity};

    use super::*;

    fn bucket() -> (Arc<InMemory>, BucketStore) {
        let objects = Arc::new(InMemory::new());
        let now: jiff::Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
        let identity = Identity {
            who: "ann".into(),
            machine: "here".into(),
            clock: Arc::new(move || now),
        };
        let store = BucketStore::over(Arc::clone(&objects) as Arc<dyn ObjectStore>, "p", identity);
        (objects, store.unwrap())
    }

    fn put(objects: &InMemory, path: &str, bytes: &'static [u8]) {
        let key = object_store::path::Path::from(format!("p/{path}"));
        futures_util::FutureExt::now_or_never(objects.put(&key, bytes.into()))
            .expect("memory does not wait")
            .unwrap();
    }

    #[test]
    fn in_an_object_store_a_tile_that_differs_is_an_alarm_and_is_never_overwritten() {
        for path in ["log/tile/0/000.p/5", "log/tile/entries/000.p/5"] {
            let (objects, store) = bucket();
            grow(&store, &[3]);
            put(&objects, path, b"somebody's");
            is_an_alarm(&store, path);
        }
    }

    #[test]
    fn in_an_object_store_too_partial_tiles_of_full_places_go() {
        let (_, store) = bucket();
        grow(&store, &[3, 100, 255, 256]);
        let list = |dir: &str| store.list(dir).unwrap().unwrap();
        assert_eq!(list("log/tile/0"), ["000"]);
        assert_eq!(list("log/tile/entries"), ["000"]);
        assert_eq!(list("log/tile/1"), ["000.p"]);
        grow(&store, &[300]);
        assert_eq!(list("log/tile/0/001.p"), ["44"]);
        let head = Sequencer::new().head(&store);
        assert_eq!(entries(&store, &head), numbered(0..300));
    }
}
