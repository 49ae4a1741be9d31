//! Room `io`: the tree of a backup, walked by its entries. Directories are entered by descriptor,
//! no link is followed, and an entry whose directory did not come before it is refused.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::io::node_dir::Dir;
use crate::node::backup::manifest::{Entry, Manifest};
use crate::node::backup::text;

/// A directory on the way, with something of the walker's own.
pub(super) struct Level<T> {
    pub(super) root: usize,
    pub(super) path: String,
    pub(super) dir: Arc<Dir>,
    /// Names in it that no entry has mentioned yet.
    pub(super) unmentioned: BTreeSet<OsString>,
    pub(super) own: T,
}

/// The directories above the entry under way.
pub(super) struct Descent<T>(Vec<Level<T>>);

/// Where an entry is.
pub(super) struct Place {
    /// Its directory.
    pub(super) dir: Arc<Dir>,
    /// Its name there.
    pub(super) name: OsString,
}

impl<T> Default for Descent<T> {
    fn default() -> Self {
        Descent(Vec::new())
    }
}

impl<T> Descent<T> {
    /// The levels that end before `entry`, deepest first.
    pub(super) fn ended(&mut self, entry: Option<&Entry>) -> Vec<Level<T>> {
        let above = |level: &Level<T>| {
            entry.is_some_and(|entry| {
                let rest = match level.path.as_str() {
                    "" => Some(entry.path.as_str()),
                    path => entry
                        .path
                        .strip_prefix(path)
                        .and_then(|rest| rest.strip_prefix('/')),
                };
                level.root == entry.root && rest.is_some_and(|rest| !rest.is_empty())
            })
        };
        let keep = self.0.iter().take_while(|level| above(level)).count();
        let mut ended = self.0.split_off(keep);
        ended.reverse();
        ended
    }

    /// The deepest directory on the way.
    pub(super) fn last(&mut self) -> Option<&mut Level<T>> {
        self.0.last_mut()
    }

    pub(super) fn enter(&mut self, entry: &Entry, dir: Arc<Dir>, own: T) -> Result<()> {
        let unmentioned = dir.raw_names()?.into_iter().collect();
        self.0.push(Level {
            root: entry.root,
            path: entry.path.clone(),
            dir,
            unmentioned,
            own,
        });
        Ok(())
    }

    /// Where `entry` is, below `top`, the directory that holds its root.
    pub(super) fn place(
        &mut self,
        entry: &Entry,
        manifest: &Manifest,
        top: &Arc<Dir>,
    ) -> Result<Place> {
        let mut names = text::names(&entry.path).unwrap_or_default();
        let Some(last) = names.pop() else {
            let at = manifest.roots.get(entry.root).map(|root| root.at.clone());
            return Ok(Place {
                dir: Arc::clone(top),
                name: at.unwrap_or_default().into(),
            });
        };
        let parent = entry.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        match self.0.last_mut() {
            Some(level) if level.path == parent && level.root == entry.root => {
                let name = OsString::from_vec(last);
                level.unmentioned.remove(OsStr::new(&name));
                Ok(Place {
                    dir: Arc::clone(&level.dir),
                    name,
                })
            }
            _ => Err(Error::failed(format!(
                "the list of entries has {:?} outside of its directory",
                entry.path
            ))),
        }
    }
}
