//! Room `io`: files and directories, written so that a power cut leaves the old or the new bytes.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, OFlags};
use rustix::io::Errno;

use super::unsynced::Unsynced;
use crate::error::{Context, MAKE_ROOM};
use crate::{Error, Result};

/// Mode of published files.
pub const MODE_FILE: u32 = 0o644;
/// Mode of published programs.
pub const MODE_PROGRAM: u32 = 0o755;
/// Mode of secrets.
pub const MODE_SECRET: u32 = 0o600;
/// Mode of directories that only relman's user may enter.
pub const MODE_PRIVATE_DIR: u32 = 0o700;

/// Reads a whole file of at most `limit` bytes; `None` where there is none.
///
/// # Errors
/// Any other failure, and a file longer than `limit`.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let Some(file) = open_file(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| cannot("read", path, e))?;
    if bytes.len() as u64 > limit {
        return Err(Error::refused(format!(
            "{} is longer than {limit} bytes",
            path.display()
        )));
    }
    Ok(Some(bytes))
}

/// Opens a file for reading; `None` where there is none.
///
/// # Errors
/// Any other failure, and what is no regular file: a pipe would be waited for, and a device read,
/// for ever.
pub fn open_file(path: &Path) -> Result<Option<File>> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(path)
        .and_then(|file| Ok((file.metadata()?.is_file(), file)));
    match opened {
        Ok((true, file)) => Ok(Some(file)),
        Ok((false, _)) => Err(Error::refused(format!(
            "{} is not a regular file",
            path.display()
        ))),
        Err(e) if is_absent(&e) => Ok(None),
        Err(e) => Err(cannot("read", path, e)),
    }
}

/// As [`read_bounded`], where a missing file is an error.
pub fn read_required(path: &Path, limit: u64) -> Result<Vec<u8>> {
    read_bounded(path, limit)?
        .ok_or_else(|| Error::failed(format!("{} does not exist", path.display())))
}

/// Writes `path` by a temporary file beside it, fsync, rename, fsync of the directory.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let temp = temp_beside(path)?;
    let written = write_synced(&temp, bytes, mode)
        .and_then(|()| fs::rename(&temp, path).map_err(|e| cannot("write", path, e)));
    if written.is_err() {
        let _ = fs::remove_file(&temp);
    }
    written?;
    sync_dir(parent(path))
}

/// Creates `path` with `bytes`, durably. Where it is there already, the same bytes are fine and
/// other bytes are an error that leaves them as they are.
pub fn write_once(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    if let Some(same) = same_as(path, bytes)? {
        return same;
    }
    let temp = temp_beside(path)?;
    let linked = write_synced(&temp, bytes, mode).and_then(|()| link_new(&temp, path));
    let _ = fs::remove_file(&temp);
    match linked? {
        true => sync_dir(parent(path)),
        false => same_as(path, bytes)?
            .unwrap_or_else(|| Err(Error::failed(format!("{} vanished", path.display())))),
    }
}

/// Creates `path` with the bytes of `source`: a hard link where that works, else a copy. The same
/// contents being there already is fine. Whoever calls it holds a lock on the directory. Durable
/// when `unsynced` is, and the data of `source` is.
pub fn place_once_unsynced(path: &Path, source: &Path, unsynced: &mut Unsynced) -> Result<()> {
    create_dir_all_unsynced(parent(path), unsynced)?;
    match fs::hard_link(source, path) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => same_file(path, source)?,
        Err(_) if path.exists() => {
            same_file(path, source)?;
            // Left by a run that was killed right after it was linked.
            temp_under_lock(path)?;
        }
        Err(_) => {
            let temp = temp_under_lock(path)?;
            let copied = copy_synced(source, &temp).map_err(|e| cannot("copy to", path, e));
            let new = copied.and_then(|()| link_new(&temp, path));
            let _ = fs::remove_file(&temp);
            if !new? {
                same_file(path, source)?;
            }
        }
    }
    // Somebody who was killed may have put it there and not synced it.
    unsynced.add(path);
    unsynced.add(parent(path));
    Ok(())
}

/// Replaces `path` by the bytes of `source` in one step: a hard link where that works, else a
/// copy. Whoever calls it holds a lock on the directory. Durable when `unsynced` is, and the data of
/// `source` is.
pub fn replace_unsynced(path: &Path, source: &Path, unsynced: &mut Unsynced) -> Result<()> {
    let temp = temp_under_lock(path)?;
    let renamed = fs::hard_link(source, &temp)
        .or_else(|_| copy_synced(source, &temp))
        .and_then(|()| fs::rename(&temp, path))
        .map_err(|e| cannot("write", path, e));
    // A rename between two names of one file does nothing (rename(2)), so one may be left.
    let _ = fs::remove_file(&temp);
    renamed?;
    unsynced.add(parent(path));
    Ok(())
}

fn copy_synced(source: &Path, to: &Path) -> std::io::Result<()> {
    fs::copy(source, to)?;
    File::open(to)?.sync_all()
}

/// `Ok(false)` where `path` exists already.
fn link_new(temp: &Path, path: &Path) -> Result<bool> {
    match fs::hard_link(temp, path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        // Filesystems without hard links: relman's lock keeps other writers away.
        Err(_) => fs::rename(temp, path)
            .map(|()| true)
            .map_err(|e| cannot("write", path, e)),
    }
}

fn same_as(path: &Path, bytes: &[u8]) -> Result<Option<Result<()>>> {
    match read_bounded(path, bytes.len() as u64) {
        Ok(None) => Ok(None),
        Ok(Some(found)) if found == bytes => Ok(Some(Ok(()))),
        Err(e) if e.kind() == crate::Kind::Failed => Err(e),
        _ => Ok(Some(Err(differs(path)))),
    }
}

fn same_file(path: &Path, source: &Path) -> Result<()> {
    let (a, b) = (metadata(path)?, metadata(source)?);
    if (a.dev(), a.ino()) == (b.dev(), b.ino()) {
        return Ok(());
    }
    if a.len() == b.len() && super::hashing::file(path)? == super::hashing::file(source)? {
        return Ok(());
    }
    Err(differs(path))
}

fn differs(path: &Path) -> Error {
    Error::refused(format!(
        "{} exists with other contents and is never overwritten",
        path.display()
    ))
    .hint("find out who wrote it: relman audit")
}

/// Creates a directory and its parents (mode 0755 whatever the umask), durably.
pub fn create_dir_all(path: &Path) -> Result<()> {
    let mut unsynced = Unsynced::default();
    create_dir_all_unsynced(path, &mut unsynced)?;
    unsynced.sync()
}

/// As [`create_dir_all`], durable when `unsynced` is.
pub fn create_dir_all_unsynced(path: &Path, unsynced: &mut Unsynced) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(up) = path.parent()
        && !up.as_os_str().is_empty()
    {
        create_dir_all_unsynced(up, unsynced)?;
    }
    match fs::create_dir(path) {
        Ok(()) => {
            set_mode(path, MODE_PROGRAM)?;
            unsynced.add(parent(path));
            Ok(())
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(e) => Err(cannot("create directory", path, e)),
    }
}

/// Creates a directory that only this user may enter; an existing one is narrowed.
pub fn create_private_dir(path: &Path) -> Result<()> {
    create_dir_all(path)?;
    set_mode(path, MODE_PRIVATE_DIR)
}

/// Sets room for the first `len` bytes of a file aside, where the filesystem can: a full disk shows
/// before anything is written, and writing needs not look for room block by block.
pub fn reserve(file: &File, len: u64) -> std::io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, len) {
        Err(e) if matches!(e, Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Err(e.into()),
        _ => Ok(()),
    }
}

/// The length of a file in bytes.
pub fn file_len(path: &Path) -> Result<u64> {
    Ok(metadata(path)?.len())
}

/// fsync of a file's data.
pub fn sync_file(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|f| f.sync_all())
        .map_err(|e| cannot("sync", path, e))
}

/// fsync of a directory, so that names in it survive a power cut.
pub fn sync_dir(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|f| f.sync_all())
        .map_err(|e| cannot("sync directory", path, e))
}

/// Sets permission bits, so that the umask does not matter.
pub fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|e| cannot("set permissions of", path, e))
}

/// Removes a file or a whole directory, if it is there. Links are removed, not followed.
pub fn remove_all(path: &Path) -> Result<()> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(e) if is_absent(&e) => return Ok(()),
        Err(e) => return Err(cannot("remove", path, e)),
    };
    if meta.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
    .map_err(|e| cannot("remove", path, e))
}

/// Renames within one filesystem and makes both directories durable.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|e| cannot("rename", from, e))?;
    sync_dir(parent(to))?;
    if parent(from) != parent(to) {
        sync_dir(parent(from))?;
    }
    Ok(())
}

/// When a file was written last; `None` where there is none.
pub fn modified(path: &Path) -> Result<Option<jiff::Timestamp>> {
    let time = match fs::metadata(path).and_then(|meta| meta.modified()) {
        Ok(time) => time,
        Err(e) if is_absent(&e) => return Ok(None),
        Err(e) => return Err(cannot("look at", path, e)),
    };
    let time = jiff::Timestamp::try_from(time).ok();
    Ok(time.and_then(|time| time.round(jiff::Unit::Second).ok()))
}

/// Names in a directory, sorted; `None` where there is no such directory.
pub fn list_dir(path: &Path) -> Result<Option<Vec<String>>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) if is_absent(&e) => return Ok(None),
        Err(e) => return Err(cannot("list", path, e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| cannot("list", path, e))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(Some(names))
}

fn metadata(path: &Path) -> Result<fs::Metadata> {
    fs::metadata(path).map_err(|e| cannot("look at", path, e))
}

fn write_synced(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    write_new(path, bytes, mode)?
        .sync_all()
        .map_err(|e| cannot("write", path, e))
}

/// Creates `path`, which must not exist, with `bytes`; durable when `unsynced` is.
pub fn write_new_unsynced(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    unsynced: &mut Unsynced,
) -> Result<()> {
    write_new(path, bytes, mode)?;
    unsynced.add(path);
    unsynced.add(parent(path));
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|e| cannot("create", path, e))?;
    file.write_all(bytes)
        .and_then(|()| file.set_permissions(fs::Permissions::from_mode(mode)))
        .map_err(|e| cannot("write", path, e))?;
    Ok(file)
}

fn temp_beside(path: &Path) -> Result<PathBuf> {
    free_beside(path, &format!(".tmp-{}-", std::process::id()))
}

/// The same name in every run, so that whoever finishes what a killed one began removes its file.
fn temp_under_lock(path: &Path) -> Result<PathBuf> {
    free_beside(path, ".tmp-")
}

fn free_beside(path: &Path, prefix: &str) -> Result<PathBuf> {
    create_dir_all(parent(path))?;
    let name = path
        .file_name()
        .or_failed_none(|| format!("{} has no file name", path.display()))?;
    let temp = parent(path).join(format!("{prefix}{}", name.to_string_lossy()));
    let _ = fs::remove_file(&temp);
    Ok(temp)
}

/// A path without links, as far as it exists.
pub fn resolve(path: &Path) -> PathBuf {
    for existing in path.ancestors() {
        if let Ok(real) = existing.canonicalize() {
            let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
            return real.join(rest);
        }
    }
    path.to_owned()
}

/// The one name of what is at `path`: absolute and without links.
///
/// # Errors
/// There is nothing there, or it cannot be reached.
pub fn canonical(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|e| cannot("open", path, e))
}

/// Whether a directory is there, perhaps through links.
pub fn is_dir(path: &Path) -> bool {
    path.is_dir()
}

/// Whether there is anything at `path`, be it a link that leads nowhere.
pub fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Whether there is a file at `path`.
pub fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// The directory that holds `path`.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(up) if !up.as_os_str().is_empty() => up,
        _ => Path::new("."),
    }
}

fn is_absent(e: &std::io::Error) -> bool {
    // A file where a directory was asked for means the same to a reader: nothing is there.
    matches!(
        e.kind(),
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
    )
}

pub(crate) fn cannot(what: &str, path: &Path, e: std::io::Error) -> Error {
    let error = Error::failed(format!("cannot {what} {}", path.display())).caused_by(&e);
    match e.kind() {
        std::io::ErrorKind::StorageFull => error.hint(MAKE_ROOM),
        std::io::ErrorKind::PermissionDenied => error.hint(format!(
            "look at the owner and mode: ls -ld {}",
            parent(path).display()
        )),
        std::io::ErrorKind::ReadOnlyFilesystem => error.hint("the filesystem is mounted read-only"),
        _ => error,
    }
}

trait OptionContext<T> {
    fn or_failed_none(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T> OptionContext<T> for Option<T> {
    fn or_failed_none(self, message: impl FnOnce() -> String) -> Result<T> {
        self.ok_or("no such part").or_failed(message)
    }
}
