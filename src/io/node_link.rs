//! The binaries' paths on the host: what is there, the link that takes its place, and the copy
//! that is kept of it.

use std::io::Write;
use std::path::Path;

use rustix::fs::{
    CWD, FileType, Gid, Mode, OFlags, Uid, fchmod, fchown, fstat, fsync, openat, renameat,
};

use super::node_dir::{Dir, cannot};
use super::node_tree::{hash_file, kind_name};
use crate::error::{Context, Error, Result};
use crate::node::config::Binary;
use crate::node::host::Found;
use crate::node::record::{AdoptedFrom, FileRecord};

/// The directory of a binary's path, opened and checked, and the file's name in it.
///
/// Its parents are the administrator's business and may be links; it may not be world-writable.
pub(crate) fn parent(binary: &Binary) -> Result<(Dir, &str)> {
    let path = &binary.path;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
    else {
        return Err(Error::usage(format!(
            "{} is no path of a file",
            path.display()
        )));
    };
    let fd = openat(
        CWD,
        parent,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|e| cannot("open the directory", parent, e))?;
    let stat = fstat(&fd).map_err(|e| cannot("look at", parent, e))?;
    if stat.st_mode & 0o002 != 0 {
        return Err(Error::refused(format!(
            "{} has mode {:o}: anybody could replace {name}",
            parent.display(),
            stat.st_mode & 0o7777
        ))
        .hint(format!("chmod o-w {}", parent.display())));
    }
    let dir = Dir {
        fd,
        path: parent.into(),
    };
    Ok((dir, name))
}

/// What is at the binary's path; `target` is where our link points.
pub(crate) fn inspect(binary: &Binary, target: &Path) -> Result<Found> {
    let (dir, name) = parent(binary)?;
    let Some(stat) = dir.stat(name)? else {
        return Ok(Found::Missing);
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => {
            let found = dir.read_link(name)?.unwrap_or_default();
            if found == target {
                return Ok(Found::Ours);
            }
            Err(Error::refused(format!(
                "{} is a link to {}, wanted a regular file, nothing, or the link to {}",
                binary.path.display(),
                found.display(),
                target.display()
            ))
            .hint(format!(
                "name the real file as path in node.toml, or: rm {}",
                binary.path.display()
            )))
        }
        FileType::RegularFile => {
            let Some((mut file, stat)) = dir.open_file(name)? else {
                return Ok(Found::Missing);
            };
            let (sha256, len) = hash_file(&mut file, &|| binary.path.display().to_string())?;
            Ok(Found::File {
                sha256,
                len,
                mode: stat.st_mode & 0o7777,
                uid: stat.st_uid,
                gid: stat.st_gid,
            })
        }
        kind => Err(Error::refused(format!(
            "{} is a {}, wanted a regular file or nothing",
            binary.path.display(),
            kind_name(kind)
        ))),
    }
}

/// The name of the link before it is renamed into place.
fn temporary(name: &str) -> String {
    format!(".{name}.relman-new")
}

/// Puts the link in place of whatever file is at the path.
pub(crate) fn link(binary: &Binary, target: &Path) -> Result<()> {
    let (dir, name) = parent(binary)?;
    dir.replace_link(target, name, &temporary(name))
}

/// Removes the link, if it is ours.
pub(crate) fn unlink(binary: &Binary, target: &Path) -> Result<()> {
    let (dir, name) = parent(binary)?;
    match dir.stat(name)? {
        Some(stat)
            if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
                && dir.read_link(name)?.as_deref() == Some(target) =>
        {
            dir.remove(name)
        }
        _ => Ok(()),
    }
}

/// Removes a link or file that was not yet in place.
pub(crate) fn clean(binary: &Binary) -> Result<()> {
    let (dir, name) = parent(binary)?;
    let temporary = temporary(name);
    match dir.stat(&temporary)? {
        Some(s)
            if matches!(
                FileType::from_raw_mode(s.st_mode),
                FileType::Symlink | FileType::RegularFile
            ) =>
        {
            dir.remove(&temporary)
        }
        _ => Ok(()),
    }
}

/// Puts a copy of `versions/<version>/<name>` in place of the link at the path, if it is `wanted`.
pub(crate) fn put_file(
    binary: &Binary,
    version: &Dir,
    wanted: &FileRecord,
    from: Option<&AdoptedFrom>,
) -> Result<()> {
    let (dir, name) = parent(binary)?;
    let temporary = temporary(name);
    let staged = dir.path.join(&temporary);
    dir.remove(&temporary)?;
    copy(version, &binary.name, &dir, &temporary)?;
    let Some((mut file, stat)) = dir.open_file(&temporary)? else {
        return Err(Error::refused(format!("{} vanished", staged.display())));
    };
    if let Some(from) = from {
        fchown(
            &file,
            Some(Uid::from_raw(from.uid)),
            Some(Gid::from_raw(from.gid)),
        )
        .map_err(|e| cannot("set the owner of", &staged, e))?;
        fchmod(&file, Mode::from_raw_mode(from.mode))
            .map_err(|e| cannot("set the mode of", &staged, e))?;
        fsync(&file).map_err(|e| cannot("sync", &staged, e))?;
    }
    let (sha256, len) = hash_file(&mut file, &|| staged.display().to_string())?;
    if (sha256, len) != (wanted.sha256, wanted.len) {
        dir.remove(&temporary)?;
        return Err(Error::refused(format!(
            "the copy of {} has sha256 {sha256}, wanted {}",
            version.path.join(&binary.name).display(),
            wanted.sha256
        )));
    }
    renameat(&dir.fd, temporary.as_str(), &dir.fd, name)
        .map_err(|e| cannot("rename to", &binary.path, e))?;
    let now = dir.stat(name)?;
    if now.is_none_or(|now| (now.st_dev, now.st_ino) != (stat.st_dev, stat.st_ino)) {
        return Err(Error::refused(format!(
            "{} changed while it was put in place",
            binary.path.display()
        )));
    }
    dir.sync()
}

/// Copies `from/name` to `to/as_name`, bytes, mode and owner, synced.
pub(crate) fn copy(from: &Dir, name: &str, to: &Dir, as_name: &str) -> Result<()> {
    let (source, to_path) = (from.path.join(name), to.path.join(as_name));
    let Some((mut file, stat)) = from.open_file(name)? else {
        return Err(Error::refused(format!(
            "{} vanished while it was looked at",
            source.display()
        )));
    };
    to.create(as_name, b"", 0o600)?;
    let fd = openat(
        &to.fd,
        as_name,
        OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|e| cannot("open", &to_path, e))?;
    let mut copy = std::fs::File::from(fd);
    std::io::copy(&mut file, &mut copy)
        .and_then(|_| copy.flush())
        .or_failed(|| format!("cannot copy {} to {}", source.display(), to_path.display()))?;
    let new = fstat(&copy).map_err(|e| cannot("look at", &to_path, e))?;
    if (new.st_uid, new.st_gid) != (stat.st_uid, stat.st_gid) {
        fchown(
            &copy,
            Some(Uid::from_raw(stat.st_uid)),
            Some(Gid::from_raw(stat.st_gid)),
        )
        .map_err(|e| cannot("keep the owner in", &to_path, e))?;
    }
    // After the owner: a change of owner clears the set-id bits.
    fchmod(&copy, Mode::from_raw_mode(stat.st_mode & 0o7777))
        .map_err(|e| cannot("set the mode of", &to_path, e))?;
    copy.sync_all()
        .or_failed(|| format!("cannot sync {}", to_path.display()))
}
