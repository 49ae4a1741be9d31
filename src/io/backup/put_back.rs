//! Room `io`: the daemon's configuration, put back file by file: each one is the old or the new one.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rustix::fs::{FileType, fsync, renameat, symlinkat};

use super::copy::{self, Cloning, Wanted};
use super::meta::{self, Strictness};
use super::store::Entries;
use super::tree::Descent;
use super::verify::{differs, name_of};
use crate::error::{Error, Result};
use crate::io::durable;
use crate::io::node_dir::{Dir, cannot};
use crate::node::backup::manifest::{Entry, Kind, Manifest, Part};
use crate::node::backup::text::{self, Patterns};

/// A file on its way; the same name in every run.
const NEW: &str = ".relman-restore.new";

/// Puts the configuration back; gives the paths that were written. Absolute paths that `protect`
/// covers stay.
pub(super) fn configuration(
    entries: &Entries,
    manifest: &Manifest,
    top: &Arc<Dir>,
    protect: &Patterns,
) -> Result<Vec<String>> {
    let mut written = Vec::new();
    let mut way = Descent::<Arc<Dir>>::default();
    let roots: Vec<usize> = manifest
        .roots_of(Part::Configuration)
        .map(|(at, _)| at)
        .collect();
    entries.each(&mut |entry| {
        for level in way.ended(Some(&entry)) {
            level.own.sync()?;
        }
        if !roots.contains(&entry.root) {
            return Ok(());
        }
        let shown = name_of(manifest, &entry);
        let (to, name) = match way.last() {
            Some(level) => {
                let name = text::names(&entry.path).and_then(|mut names| names.pop());
                (
                    Arc::clone(&level.own),
                    OsString::from_vec(name.unwrap_or_default()),
                )
            }
            None => host_place(manifest, entry.root)?,
        };
        let place = way.place(&entry, manifest, top)?;
        if entry.kind == Kind::Directory {
            let from = Arc::new(place.dir.existing_dir(&place.name)?);
            let made = to.make_new_dir(&name)?;
            let dir = Arc::new(to.existing_dir(&name)?);
            if made {
                meta::apply(&dir.fd, &entry, &dir.path, Strictness::Exactly)?;
            }
            to.sync()?;
            return way.enter(&entry, from, dir);
        }
        if protect.cover(&shown) {
            return Ok(());
        }
        one(&place.dir, &place.name, &to, &name, &entry)
            .map_err(|e| e.under(format!("{shown} could not be put back")))?;
        written.push(shown);
        Ok(())
    })?;
    for level in way.ended(None) {
        level.own.sync()?;
    }
    Ok(written)
}

/// The directory on the host that holds a root, and the root's name in it.
fn host_place(manifest: &Manifest, root: usize) -> Result<(Arc<Dir>, OsString)> {
    let path = manifest.roots.get(root).map(|root| root.path.as_str());
    let bytes = path.and_then(text::unescape).unwrap_or_default();
    let path = PathBuf::from(OsString::from_vec(bytes));
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::failed("a root of the backup has no path"));
    };
    let dir = Dir::open_through_links(above)?
        .ok_or_else(|| Error::failed(format!("{} does not exist", above.display())))?;
    Ok((Arc::new(dir), name.into()))
}

fn one(from: &Dir, at: &OsStr, to: &Dir, name: &OsStr, entry: &Entry) -> Result<()> {
    if let Some(stat) = to.stat(name)?
        && meta::kind(&stat) == FileType::Directory
    {
        return Err(Error::failed(format!(
            "{} is a directory now",
            to.path.join(name).display()
        )));
    }
    to.remove_tree(NEW)?;
    if entry.kind == Kind::Symlink {
        let target = entry.target.as_deref().and_then(text::unescape);
        let target = OsString::from_vec(target.unwrap_or_default());
        symlinkat(&target, &to.fd, NEW).map_err(|e| cannot("create", &to.path.join(NEW), e))?;
        meta::apply_to_link(to, Path::new(NEW), entry, Strictness::Exactly)?;
    } else {
        let (file, stat) = from
            .open_file(at)?
            .ok_or_else(|| Error::failed("it is missing in the backup"))?;
        let new = to.create_empty(NEW)?;
        let path = to.path.join(NEW);
        let cloning = Cloning::new(Wanted::Maybe);
        let contents = copy::fill(&file, &stat, &new, &cloning, &AtomicU64::new(0))
            .map_err(|e| durable::cannot("write", &path, e))?;
        if let Some(what) = differs(entry, contents.sha256, contents.length) {
            to.remove(NEW)?;
            return Err(Error::failed(what));
        }
        meta::apply(&new, entry, &path, Strictness::Exactly)?;
        fsync(&new).map_err(|e| cannot("sync", &path, e))?;
    }
    renameat(&to.fd, NEW, &to.fd, name).map_err(|e| cannot("replace", &to.path.join(name), e))?;
    to.sync()
}
