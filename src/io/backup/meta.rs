//! Room `io`: what a file has besides its contents: mode, owner, times, extended attributes.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use base64ct::{Base64, Encoding};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, Stat, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, chownat,
    fchmod, fchown, fgetxattr, flistxattr, fremovexattr, fsetxattr, futimens, utimensat,
};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::io::node_dir::{Dir, cannot};
use crate::limits;
use crate::node::backup::host::Identity;
use crate::node::backup::manifest::{Entry, Kind};
use crate::node::backup::text;

/// What tells one state of a file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    identity: Identity,
    len: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl State {
    pub(super) fn of(stat: &Stat) -> State {
        State {
            identity: identity(stat),
            len: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime, stat.st_ctime_nsec as i64),
        }
    }

    /// Whether only its names or its owner may have changed.
    pub(super) fn same_contents(&self, other: &State) -> bool {
        (self.identity, self.len, self.modified) == (other.identity, other.len, other.modified)
    }
}

pub(super) fn identity(stat: &Stat) -> Identity {
    Identity {
        dev: stat.st_dev,
        ino: stat.st_ino,
    }
}

pub(super) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// An entry with all that `stat` says, and nothing of its contents.
pub(super) fn entry(root: usize, path: &str, kind: Kind, stat: &Stat) -> Entry {
    Entry {
        root,
        path: path.into(),
        kind,
        sha256: None,
        length: None,
        target: None,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: stat.st_mtime,
        mtime_ns: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        xattrs: BTreeMap::new(),
        way: None,
    }
}

fn attribute_names(fd: BorrowedFd<'_>) -> rustix::io::Result<Vec<Vec<u8>>> {
    let mut buffer = vec![0u8; limits::MAX_XATTRS_LEN];
    let len = match flistxattr(fd, buffer.as_mut_slice()) {
        Ok(len) => len,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => 0,
        Err(error) => return Err(error),
    };
    let names = buffer.get(..len).unwrap_or_default();
    let names = names.split(|b| *b == 0).filter(|n| !n.is_empty());
    Ok(names.map(<[u8]>::to_vec).collect())
}

/// The extended attributes of an open file, as in an entry.
pub(super) fn attributes(fd: impl AsFd, path: &Path) -> Result<BTreeMap<String, String>> {
    let raw = raw_attributes(fd, path)?.into_iter();
    Ok(raw
        .map(|(name, value)| (text::escape(&name), Base64::encode_string(&value)))
        .collect())
}

/// Names and values of the extended attributes of an open file.
pub(in crate::io) fn raw_attributes(fd: impl AsFd, path: &Path) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let failed = |e| cannot("read the attributes of", path, e);
    let mut out = Vec::new();
    let mut total = 0usize;
    for name in attribute_names(fd.as_fd()).map_err(failed)? {
        let mut value = vec![0u8; limits::MAX_XATTRS_LEN];
        match fgetxattr(&fd, name.as_slice(), value.as_mut_slice()) {
            Ok(len) => value.truncate(len),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => continue,
            Err(error) => return Err(failed(error)),
        }
        total += name.len() + value.len();
        if total > limits::MAX_XATTRS_LEN {
            return Err(Error::failed(format!(
                "{} has more than {} bytes of extended attributes",
                path.display(),
                limits::MAX_XATTRS_LEN
            )));
        }
        out.push((name, value));
    }
    Ok(out)
}

/// Whether what cannot be set is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strictness {
    /// In a backup: the entry has it all, whatever this filesystem or user can set.
    AsFarAsPossible,
    /// In the place of the daemon's files.
    Exactly,
}

/// Gives an open file or directory what `entry` says.
pub(super) fn apply(fd: impl AsFd, entry: &Entry, path: &Path, how: Strictness) -> Result<()> {
    let lenient = how == Strictness::AsFarAsPossible;
    let pass = |what: &'static str, done: rustix::io::Result<()>| match done {
        Err(e) if !lenient => Err(cannot(what, path, e)),
        _ => Ok(()),
    };
    // The owner first: changing it takes set-id bits and capabilities away.
    pass(
        "set the owner of",
        fchown(&fd, owner(entry.uid), group(entry.gid)),
    )?;
    for name in attribute_names(fd.as_fd()).unwrap_or_default() {
        // Inherited from the directory above; some, such as labels, cannot be removed and need not.
        if !entry.xattrs.contains_key(&text::escape(&name)) {
            let _ = fremovexattr(&fd, name.as_slice());
        }
    }
    for (name, value) in &entry.xattrs {
        let (Some(name), Ok(value)) = (text::unescape(name), Base64::decode_vec(value)) else {
            return Err(Error::failed(format!(
                "{}: the attribute {name} of the backup is malformed",
                path.display()
            )));
        };
        let set = fsetxattr(&fd, name.as_slice(), &value, XattrFlags::empty());
        pass("set an extended attribute of", set)?;
    }
    pass(
        "set the mode of",
        fchmod(&fd, Mode::from_raw_mode(entry.mode)),
    )?;
    pass("set the time of", futimens(&fd, &times(entry)))
}

/// As [`apply`], of a symbolic link.
pub(super) fn apply_to_link(dir: &Dir, name: &Path, entry: &Entry, how: Strictness) -> Result<()> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let done = chownat(&dir.fd, name, owner(entry.uid), group(entry.gid), flags)
        .and_then(|()| utimensat(&dir.fd, name, &times(entry), flags));
    match done {
        Err(e) if how == Strictness::Exactly => {
            Err(cannot("set the owner or time of", &dir.path.join(name), e))
        }
        _ => Ok(()),
    }
}

fn owner(uid: u32) -> Option<Uid> {
    Some(Uid::from_raw(uid))
}

fn group(gid: u32) -> Option<Gid> {
    Some(Gid::from_raw(gid))
}

fn times(entry: &Entry) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: entry.mtime,
            tv_nsec: entry.mtime_ns.into(),
        },
    }
}
