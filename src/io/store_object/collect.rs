//! Room `io`: partial tiles leave an object store once full ones have replaced them. Whoever is late
//! with an earlier plan may write one again: the same bytes, which the next publication takes.

use super::objects::Objects;
use super::reader::Published;
use crate::io::fault;
use crate::log;

/// Removes what the tiles among `published`, paths in the store, have replaced. Nothing depends on it.
pub fn superseded<'p>(objects: &Objects, published: impl IntoIterator<Item = &'p str>) {
    let paths = log::superseded("log", published, &Published(objects)).unwrap_or_default();
    for (i, path) in paths.iter().enumerate() {
        fault::point(&format!("collect.{i}"));
        let _ = objects.remove(path);
    }
}
