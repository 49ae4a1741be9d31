//! Room `io`: partial tiles leave a local store once full ones have replaced them. After a
//! publication, under its lease; nothing depends on it, and what a killed run left the next one takes.

use std::fs;

use super::durable::parent;
use super::fault;
use super::store_local::LocalStore;
use crate::log;

/// Removes what the tiles among `published`, paths in the store, have replaced.
pub fn superseded<'p>(store: &LocalStore, published: impl IntoIterator<Item = &'p str>) {
    let paths = log::superseded("log", published, store).unwrap_or_default();
    for (i, path) in paths.iter().enumerate() {
        fault::point(&format!("collect.{i}"));
        discard(store, path);
    }
}

/// Removes an object, and its directory if it was the last one there.
pub fn discard(store: &LocalStore, path: &str) {
    let Ok(path) = store.path_of(path) else {
        return;
    };
    // No sync: after a power cut it is there again, and again of no use.
    if fs::remove_file(&path).is_ok() {
        let _ = fs::remove_dir(parent(&path));
    }
}
