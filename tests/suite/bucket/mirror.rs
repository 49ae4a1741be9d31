//! A store copied into an object store: whole, verified, once, and never over other bytes.

use std::fs;
use std::path::Path;

use object_store::{ObjectStoreExt, PutPayload};
use relman::io::store_local::LocalStore;
use relman::release::mirror::Mirror;
use relman::store::Reader;

use super::*;

fn example() -> (LocalStore, Vec<u8>) {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = fs::read(top.join("keys/root.json")).unwrap();
    (LocalStore::new(top.join("releases")), root)
}

#[test]
fn a_bucket_takes_a_whole_store_once_and_refuses_what_was_changed_in_it() {
    let (from, root) = example();
    let bucket = Bucket::new();
    let now = "2026-02-01T00:00:00Z".parse().unwrap();
    let mirror = Mirror {
        from: &from,
        root: &root,
        now,
    };
    let to = bucket.publisher("mirror", 0, Fault::None);
    let first = mirror.to(&to.store, &mut |_| ()).unwrap();
    assert!(first.added > 20 && first.heads == 2, "{first:?}");
    let names = from.list("metadata").unwrap().unwrap();
    for name in names {
        let path = format!("metadata/{name}");
        let ours = from.read(&path, 1 << 24).unwrap();
        assert_eq!(to.store.read(&path, 1 << 24).unwrap(), ours, "{path}");
    }
    let again = mirror.to(&to.store, &mut |_| ()).unwrap();
    assert_eq!((again.added, again.heads), (0, 0), "{again:?}");

    let key = "some/prefix/metadata/1.root.json".into();
    let other = PutPayload::from_static(b"{}");
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime
        .unwrap()
        .block_on(bucket.objects.put(&key, other))
        .unwrap();
    let error = mirror.to(&to.store, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("1.root.json"), "{error}");
}
