//! The files of a version, hashed through descriptors, and the check that what was hashed is what
//! was put in place.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{FileType, Mode, RenameFlags, Stat, fchmod, fsync, renameat_with};
use rustix::io::Errno;

use super::node_dir::{Dir, cannot};
use super::node_dress::Wardrobe;
use crate::error::{Context, Error, Result};
use crate::hash::{Hasher, Sha256};
use crate::limits;
use crate::node::record::{FileRecord, differences};

const CHUNK: usize = 128 * 1024;

/// Whether the modes of kept files are made uniform.
#[derive(Clone, Copy)]
pub(crate) enum Modes<'a> {
    /// 0755 and 0644, whatever the umask or the archive said; binaries as the wardrobe has it.
    Uniform(&'a Wardrobe),
    /// As they are, set-id bits included.
    AsFound,
}

/// What tells a file from every other, and from itself after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    dev: u64,
    ino: u64,
    len: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<&Stat> for Identity {
    fn from(s: &Stat) -> Self {
        Identity {
            dev: s.st_dev,
            ino: s.st_ino,
            len: s.st_size,
            modified: (s.st_mtime, s.st_mtime_nsec as i64),
            changed: (s.st_ctime, s.st_ctime_nsec as i64),
        }
    }
}

/// A file below a tree, as found.
struct Seen {
    record: FileRecord,
    identity: Identity,
    /// Held open for executables, so that their inode cannot be given to another file.
    _held: Option<File>,
}

/// Every file below `root`, hashed.
pub(crate) fn hash_tree(root: &Dir) -> Result<Vec<FileRecord>> {
    let mut seen = Vec::new();
    walk(root, "", 0, None, &mut seen)?;
    Ok(seen.into_iter().map(|s| s.record).collect())
}

/// The digest and length of an open file.
pub(crate) fn hash_file(file: &mut File, name: &dyn Fn() -> String) -> Result<(Sha256, u64)> {
    let (mut hasher, mut len) = (Hasher::new(), 0u64);
    let mut buffer = vec![0u8; CHUNK];
    loop {
        let n = file
            .read(&mut buffer)
            .or_failed(|| format!("cannot read {}", name()))?;
        let Some(read) = buffer.get(..n).filter(|b| !b.is_empty()) else {
            return Ok((hasher.finish(), len));
        };
        len += read.len() as u64;
        if len > limits::MAX_UNPACKED_LEN {
            return Err(Error::refused(format!(
                "{} has more than {} bytes",
                name(),
                limits::MAX_UNPACKED_LEN
            )));
        }
        hasher.update(read);
    }
}

fn walk(
    dir: &Dir,
    prefix: &str,
    depth: usize,
    modes: Option<Modes<'_>>,
    seen: &mut Vec<Seen>,
) -> Result<()> {
    if depth > limits::MAX_TREE_DEPTH {
        return Err(Error::refused(format!(
            "{} is more than {} directories deep",
            dir.path.display(),
            limits::MAX_TREE_DEPTH
        )));
    }
    for name in dir.names()? {
        let at = dir.path.join(&name);
        let path = format!("{prefix}{name}");
        let Some(stat) = dir.stat(&name)? else {
            return Err(vanished(dir, &name));
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let below = dir.dir(&name)?.ok_or_else(|| vanished(dir, &name))?;
                walk(&below, &format!("{path}/"), depth + 1, modes, seen)?;
            }
            FileType::RegularFile => {
                if seen.len() >= limits::MAX_ARCHIVE_ENTRIES {
                    return Err(Error::refused(format!(
                        "{} is one file more than the {} of a release",
                        at.display(),
                        limits::MAX_ARCHIVE_ENTRIES
                    )));
                }
                seen.push(see(dir, &name, path, modes)?);
            }
            kind => {
                return Err(Error::refused(format!(
                    "{} is a {}, wanted regular files and directories only",
                    at.display(),
                    kind_name(kind)
                )));
            }
        }
    }
    if let Some(Modes::Uniform(_)) = modes {
        fchmod(&dir.fd, Mode::from_raw_mode(0o755))
            .map_err(|e| cannot("set the mode of", &dir.path, e))?;
    }
    if modes.is_some() {
        dir.sync()?;
    }
    Ok(())
}

fn see(dir: &Dir, name: &str, path: String, modes: Option<Modes<'_>>) -> Result<Seen> {
    let at = dir.path.join(name);
    let (mut file, stat) = dir.open_file(name)?.ok_or_else(|| vanished(dir, name))?;
    one_name(&at, &stat)?;
    let executable = stat.st_mode & 0o100 != 0;
    if let Some(modes) = modes {
        if let Modes::Uniform(wardrobe) = modes {
            let mode = if executable { 0o755 } else { 0o644 };
            match wardrobe.get(&path) {
                Some(dress) => dress.put_on(&file, &at)?,
                None => fchmod(&file, Mode::from_raw_mode(mode))
                    .map_err(|e| cannot("set the mode of", &at, e))?,
            }
        }
        fsync(&file).map_err(|e| cannot("sync", &at, e))?;
    }
    let (sha256, len) = hash_file(&mut file, &|| at.display().to_string())?;
    let stat = rustix::fs::fstat(&file).map_err(|e| cannot("look at", &at, e))?;
    Ok(Seen {
        record: FileRecord {
            path,
            sha256,
            len,
            executable,
        },
        identity: Identity::from(&stat),
        _held: executable.then_some(file),
    })
}

/// Checks that `staged/<name>` is exactly `wanted` and moves it to `versions/<version>`, so that
/// the bytes that were hashed are the bytes in place.
pub(crate) fn keep_tree(
    staged: &Dir,
    name: &str,
    versions: &Dir,
    version: &str,
    wanted: &[FileRecord],
    modes: Modes<'_>,
) -> Result<()> {
    let tree = staged.existing_dir(name)?;
    if let Modes::Uniform(_) = modes {
        set_executable(&tree, wanted)?;
    }
    let mut seen = Vec::new();
    walk(&tree, "", 0, Some(modes), &mut seen)?;
    if let Modes::AsFound = modes {
        fchmod(&tree.fd, Mode::from_raw_mode(0o755))
            .map_err(|e| cannot("set the mode of", &tree.path, e))?;
        tree.sync()?;
    }
    let found: Vec<FileRecord> = seen.iter().map(|s| s.record.clone()).collect();
    let lines = differences(wanted, &found);
    if !lines.is_empty() {
        let error = Error::refused(format!(
            "what was unpacked for {version} is not the release"
        ));
        return Err(lines.into_iter().fold(error, Error::caused_by));
    }
    super::fault::point("staged-checked");
    match renameat_with(
        &staged.fd,
        name,
        &versions.fd,
        version,
        RenameFlags::NOREPLACE,
    ) {
        Ok(()) => {}
        Err(Errno::EXIST) => {
            return Err(Error::failed(format!(
                "{} appeared while {version} was being unpacked",
                versions.path.join(version).display()
            )));
        }
        Err(error) => {
            return Err(cannot(
                "move the unpacked files to",
                &versions.path.join(version),
                error,
            ));
        }
    }
    super::fault::point("version-renamed");
    if let Err(error) = same_tree(&tree, &seen, versions, version) {
        // Not under this name: it is not what was hashed.
        let aside = format!("{name}.refused");
        let _ = renameat_with(
            &versions.fd,
            version,
            &staged.fd,
            aside.as_str(),
            RenameFlags::NOREPLACE,
        );
        return Err(error);
    }
    versions.sync()?;
    staged.sync()
}

/// Refuses a file that can be reached from elsewhere.
fn one_name(at: &Path, stat: &Stat) -> Result<()> {
    if stat.st_nlink == 1 {
        return Ok(());
    }
    Err(Error::refused(format!(
        "{} has {} names, wanted 1: it could be written to by another",
        at.display(),
        stat.st_nlink
    )))
}

/// Archives say which files are executable only through their mode; the verified list decides.
fn set_executable(tree: &Dir, wanted: &[FileRecord]) -> Result<()> {
    for file in wanted {
        let (parent, name) = parent_of(tree, &file.path)?;
        let dir = parent.as_ref().unwrap_or(tree);
        // A file that is not there is reported by the comparison.
        if let Some((open, stat)) = dir.open_file(name)? {
            one_name(&dir.path.join(name), &stat)?;
            let mode = if file.executable { 0o755 } else { 0o644 };
            fchmod(&open, Mode::from_raw_mode(mode))
                .map_err(|e| cannot("set the mode of", &dir.path.join(name), e))?;
        }
    }
    Ok(())
}

/// The directory of `path` below `root` (none: `root` itself) and the last component.
fn parent_of<'p>(root: &Dir, path: &'p str) -> Result<(Option<Dir>, &'p str)> {
    let mut dir: Option<Dir> = None;
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        if part.is_empty() || part == "." || part == ".." {
            break;
        }
        if parts.peek().is_none() {
            return Ok((dir, part));
        }
        dir = Some(dir.as_ref().unwrap_or(root).existing_dir(part)?);
    }
    Err(Error::refused(format!(
        "{path:?} is no path inside a release"
    )))
}

fn same_tree(tree: &Dir, seen: &[Seen], versions: &Dir, version: &str) -> Result<()> {
    let moved = |what: &str| {
        Error::refused(format!(
            "{what} changed between check and move: somebody else writes to the state directory"
        ))
    };
    let place = versions.existing_dir(version)?;
    let look = |dir: &Dir| rustix::fs::fstat(&dir.fd).map_err(|e| cannot("look at", &dir.path, e));
    let (checked, now) = (look(tree)?, look(&place)?);
    if (checked.st_dev, checked.st_ino) != (now.st_dev, now.st_ino) {
        return Err(moved(&place.path.display().to_string()));
    }
    for file in seen {
        let (parent, name) = parent_of(&place, &file.record.path)?;
        let dir = parent.as_ref().unwrap_or(&place);
        let stat = dir.stat(name)?.ok_or_else(|| vanished(dir, name))?;
        if Identity::from(&stat) != file.identity {
            return Err(moved(&dir.path.join(name).display().to_string()));
        }
    }
    let mut names = 0usize;
    count(&place, &mut names)?;
    if names != seen.len() {
        return Err(moved(&place.path.display().to_string()));
    }
    Ok(())
}

fn count(dir: &Dir, files: &mut usize) -> Result<()> {
    for name in dir.names()? {
        match dir.stat(&name)? {
            Some(s) if FileType::from_raw_mode(s.st_mode) == FileType::Directory => {
                count(&dir.existing_dir(&name)?, files)?;
            }
            _ => *files += 1,
        }
    }
    Ok(())
}

fn vanished(dir: &Dir, name: &str) -> Error {
    Error::refused(format!(
        "{} vanished while it was looked at",
        dir.path.join(name).display()
    ))
}

/// The word for a file type.
pub(crate) fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "directory",
        FileType::RegularFile => "regular file",
        FileType::Symlink => "link",
        FileType::Fifo => "pipe",
        FileType::Socket => "socket",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        _ => "thing of unknown type",
    }
}
