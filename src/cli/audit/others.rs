//! What others have seen of a log: files, directories and URLs, read and not believed.

use std::path::Path;

use super::super::project::open_store;
use crate::io::durable;
use crate::io::store_local::LocalStore;
use crate::limits::MAX_CHECKPOINT_LEN;
use crate::release::audit::against::Other;
use crate::store::Reader;
use crate::store::http::HttpOptions;
use crate::{Error, Result};

/// A head, and the directory of a log's tiles.
const CHECKPOINT: &str = "checkpoint";
const TILES: &str = "tile";

/// A signed checkpoint in a file.
pub fn note_in(path: &Path) -> Other {
    let note = durable::read_required(path, MAX_CHECKPOINT_LEN);
    let dir = path.parent().filter(|dir| {
        path.file_name().is_some_and(|name| name == CHECKPOINT) && durable::is_dir(&dir.join(TILES))
    });
    Other {
        place: path.display().to_string(),
        note,
        store: dir.map(|dir| (boxed(dir), String::new())),
    }
}

/// Whatever `place` is: a checkpoint, or a store, by path or URL.
pub fn other(start: &Path, place: &str, options: &HttpOptions) -> Other {
    if place.contains("://") {
        let found = behind(place, options);
        let (note, store) = match found {
            Ok((note, store)) => (Ok(note), store),
            Err(e) => (Err(e), None),
        };
        return Other {
            place: place.to_owned(),
            note,
            store,
        };
    }
    let path = start.join(place);
    if !durable::is_dir(&path) {
        return note_in(&path);
    }
    // A store, or the state of a node: both have it in the same place.
    let mut found = note_in(&path.join("log").join(CHECKPOINT));
    if matches!(&found.note, Err(e) if e.kind() == crate::Kind::Failed) {
        found = note_in(&path.join(CHECKPOINT));
    }
    Other {
        place: path.display().to_string(),
        ..found
    }
}

fn boxed(dir: &Path) -> Box<dyn Reader> {
    Box::new(LocalStore::new(dir))
}

type Found = (Vec<u8>, Option<(Box<dyn Reader>, String)>);

/// A store's address, or that of a checkpoint.
fn behind(url: &str, options: &HttpOptions) -> Result<Found> {
    let url = url.trim_end_matches('/');
    if let Some(log) = url.strip_suffix("/checkpoint") {
        let store = open_store(log, options)?;
        let note = store.read(CHECKPOINT, MAX_CHECKPOINT_LEN)?;
        let note = note.ok_or_else(|| nothing(url))?;
        return Ok((note, Some((store, String::new()))));
    }
    let store = open_store(url, options)?;
    if let Some(note) = store.read("log/checkpoint", MAX_CHECKPOINT_LEN)? {
        return Ok((note, Some((store, "log".into()))));
    }
    let (base, name) = url.rsplit_once('/').ok_or_else(|| nothing(url))?;
    let note = open_store(base, options)?.read(name, MAX_CHECKPOINT_LEN)?;
    Ok((note.ok_or_else(|| nothing(url))?, None))
}

fn nothing(url: &str) -> Error {
    Error::failed(format!("there is no checkpoint at {url}"))
}
