//! A directory held by its descriptor. Everything below it is opened without following links, and
//! every change is synced before the call returns.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir as Entries, FileType, Mode, OFlags, Stat, fchmod, fstat, fsync, mkdirat,
    openat, readlinkat, renameat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use crate::error::{Context, Error, Result};

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// Not blocking, so that a planted FIFO cannot make us wait.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);
const CREATE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// An open directory and the path to call it by.
pub(crate) struct Dir {
    pub(crate) fd: OwnedFd,
    pub(crate) path: PathBuf,
}

impl Dir {
    /// Opens `path`, whose last component may be no link; none where it does not exist.
    pub(crate) fn open(path: &Path) -> Result<Option<Dir>> {
        match openat(CWD, path, DIRECTORY, Mode::empty()) {
            Ok(fd) => Ok(Some(Dir {
                fd,
                path: path.into(),
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(cannot("open the directory", path, error)),
        }
    }

    /// As [`Dir::open`], where the path is the administrator's and may lead through links.
    pub(crate) fn open_through_links(path: &Path) -> Result<Option<Dir>> {
        match openat(
            CWD,
            path,
            DIRECTORY.difference(OFlags::NOFOLLOW),
            Mode::empty(),
        ) {
            Ok(fd) => Ok(Some(Dir {
                fd,
                path: path.into(),
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(cannot("open the directory", path, error)),
        }
    }

    /// Opens the directory `name` below; none where it does not exist.
    pub(crate) fn dir(&self, name: impl AsRef<Path>) -> Result<Option<Dir>> {
        let name = name.as_ref();
        let path = self.path.join(name);
        match openat(&self.fd, name, DIRECTORY, Mode::empty()) {
            Ok(fd) => Ok(Some(Dir { fd, path })),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => Err(Error::refused(format!(
                "{} is no directory, maybe a planted link",
                path.display()
            ))),
            Err(error) => Err(cannot("open the directory", &path, error)),
        }
    }

    /// As [`Dir::dir`], where it has to exist.
    pub(crate) fn existing_dir(&self, name: impl AsRef<Path>) -> Result<Dir> {
        let name = name.as_ref();
        self.dir(name)?.ok_or_else(|| {
            Error::failed(format!("{} does not exist", self.path.join(name).display()))
        })
    }

    /// Opens the directory `name`, or creates it with `mode`, whatever the umask.
    pub(crate) fn make_dir(&self, name: impl AsRef<Path>, mode: u32) -> Result<Dir> {
        let name = name.as_ref();
        match mkdirat(&self.fd, name, Mode::from_raw_mode(0o700)) {
            Ok(()) => {
                let dir = self.existing_dir(name)?;
                fchmod(&dir.fd, Mode::from_raw_mode(mode))
                    .map_err(|e| cannot("set the mode of", &dir.path, e))?;
                self.sync()?;
                Ok(dir)
            }
            Err(Errno::EXIST) => self.existing_dir(name),
            Err(error) => Err(cannot("create the directory", &self.path.join(name), error)),
        }
    }

    /// Creates the directory `name` with mode 0700; false where the name is taken.
    pub(crate) fn make_new_dir(&self, name: impl AsRef<Path>) -> Result<bool> {
        let name = name.as_ref();
        match mkdirat(&self.fd, name, Mode::from_raw_mode(0o700)) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(cannot("create the directory", &self.path.join(name), error)),
        }
    }

    /// What is at `name`, links not followed.
    pub(crate) fn stat(&self, name: impl AsRef<Path>) -> Result<Option<Stat>> {
        let name = name.as_ref();
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(cannot("look at", &self.path.join(name), error)),
        }
    }

    /// Opens the regular file `name` for reading; none where it does not exist.
    pub(crate) fn open_file(&self, name: impl AsRef<Path>) -> Result<Option<(File, Stat)>> {
        let name = name.as_ref();
        let path = self.path.join(name);
        let fd = match openat(&self.fd, name, READ, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => {
                return Err(Error::refused(format!(
                    "{} is a link, wanted a regular file",
                    path.display()
                )));
            }
            Err(error) => return Err(cannot("open", &path, error)),
        };
        let stat = fstat(&fd).map_err(|e| cannot("look at", &path, e))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::refused(format!(
                "{} is no regular file",
                path.display()
            )));
        }
        Ok(Some((File::from(fd), stat)))
    }

    /// The whole file `name`; none where it does not exist.
    pub(crate) fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some((file, _)) = self.open_file(name)? else {
            return Ok(None);
        };
        let path = self.path.join(name);
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .or_failed(|| format!("cannot read {}", path.display()))?;
        if bytes.len() as u64 > limit {
            return Err(Error::refused(format!(
                "{} has more than {limit} bytes",
                path.display()
            )));
        }
        Ok(Some(bytes))
    }

    /// Creates the file `name`, which must not exist, synced.
    pub(crate) fn create(&self, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let path = self.path.join(name);
        let fd = openat(&self.fd, name, CREATE, Mode::from_raw_mode(0o600))
            .map_err(|e| cannot("create", &path, e))?;
        fchmod(&fd, Mode::from_raw_mode(mode)).map_err(|e| cannot("set the mode of", &path, e))?;
        let mut file = File::from(fd);
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .or_failed(|| format!("cannot write {}", path.display()))
    }

    /// Creates the empty file `name`, which must not exist, mode 0600, for writing and reading.
    pub(crate) fn create_empty(&self, name: impl AsRef<Path>) -> Result<File> {
        let flags = CREATE.difference(OFlags::WRONLY).union(OFlags::RDWR);
        openat(&self.fd, name.as_ref(), flags, Mode::from_raw_mode(0o600))
            .map(File::from)
            .map_err(|e| cannot("create", &self.path.join(name), e))
    }

    /// Atomically creates or replaces the file `name`.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let temporary = format!(".{name}.new");
        self.remove(&temporary)?;
        self.create(&temporary, bytes, mode)?;
        self.rename(&temporary, name)
    }

    /// Atomically creates or replaces the link `name`.
    pub(crate) fn replace_link(&self, target: &Path, name: &str, temporary: &str) -> Result<()> {
        if let Some(stat) = self.stat(temporary)? {
            if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
                return Err(Error::refused(format!(
                    "{} is in the way and is no link of relman's",
                    self.path.join(temporary).display()
                )));
            }
            self.remove(temporary)?;
        }
        symlinkat(target, &self.fd, temporary)
            .map_err(|e| cannot("create the link", &self.path.join(temporary), e))?;
        super::fault::point("temporary-link-made");
        self.rename(temporary, name)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        renameat(&self.fd, from, &self.fd, to)
            .map_err(|e| cannot("replace", &self.path.join(to), e))?;
        self.sync()
    }

    /// Where the link `name` points; none where there is nothing.
    pub(crate) fn read_link(&self, name: impl AsRef<Path>) -> Result<Option<PathBuf>> {
        let name = name.as_ref();
        match readlinkat(&self.fd, name, Vec::new()) {
            Ok(target) => Ok(Some(OsString::from_vec(target.into_bytes()).into())),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::INVAL) => Err(Error::refused(format!(
                "{} is no link, wanted one that relman made",
                self.path.join(name).display()
            ))),
            Err(error) => Err(cannot("read the link", &self.path.join(name), error)),
        }
    }

    /// Removes the file or link `name`; none is no error.
    pub(crate) fn remove(&self, name: impl AsRef<Path>) -> Result<()> {
        let name = name.as_ref();
        match unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => self.sync(),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(cannot("remove", &self.path.join(name), error)),
        }
    }

    /// Removes `name` and all below it, following no link; none is no error.
    pub(crate) fn remove_tree(&self, name: impl AsRef<Path>) -> Result<()> {
        let name = name.as_ref();
        let Some(stat) = self.stat(name)? else {
            return Ok(());
        };
        self.remove_below(name, FileType::from_raw_mode(stat.st_mode))?;
        self.sync()
    }

    /// Syncs nothing: until the name at the top is gone, it does not matter what is left below.
    fn remove_below(&self, name: &Path, kind: FileType) -> Result<()> {
        let mut flags = AtFlags::empty();
        if kind == FileType::Directory {
            flags = AtFlags::REMOVEDIR;
            if let Some(dir) = self.dir(name)? {
                // A release's directories may have lost their write bit.
                let _ = fchmod(&dir.fd, Mode::from_raw_mode(0o700));
                for below in dir.raw_names()? {
                    if let Some(stat) = dir.stat(&below)? {
                        let kind = FileType::from_raw_mode(stat.st_mode);
                        dir.remove_below(Path::new(&below), kind)?;
                    }
                }
            }
        }
        match unlinkat(&self.fd, name, flags) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(cannot("remove", &self.path.join(name), error)),
        }
    }

    /// The names in this directory, sorted.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let names = self.raw_names()?.into_iter().map(|name| {
            name.into_string().map_err(|name| {
                Error::refused(format!(
                    "{} has a name that is no UTF-8: {:?}",
                    self.path.display(),
                    name.to_string_lossy()
                ))
            })
        });
        names.collect()
    }

    /// As [`Dir::names`], where they may be any bytes.
    pub(crate) fn raw_names(&self) -> Result<Vec<OsString>> {
        let read = |e| cannot("list", &self.path, e);
        let mut names = Vec::new();
        for entry in Entries::read_from(&self.fd).map_err(read)? {
            let entry = entry.map_err(read)?;
            match entry.file_name().to_bytes() {
                b"." | b".." => {}
                name => names.push(OsString::from_vec(name.to_vec())),
            }
        }
        names.sort();
        Ok(names)
    }

    /// Makes the names in this directory durable.
    pub(crate) fn sync(&self) -> Result<()> {
        fsync(&self.fd).map_err(|e| cannot("sync", &self.path, e))
    }
}

/// "cannot WHAT PATH", with a hint where the reason is a lack of rights.
pub(crate) fn cannot(what: &str, path: &Path, errno: Errno) -> Error {
    let error = Error::failed(format!("cannot {what} {}", path.display())).caused_by(errno);
    match errno {
        Errno::ACCESS | Errno::PERM => {
            error.hint("run as the owner of the state directory, or as root: sudo relman …")
        }
        Errno::ROFS => error.hint(format!("findmnt --target {}", path.display())),
        Errno::NOSPC | Errno::DQUOT => error.hint(format!("df {}", path.display())),
        _ => error,
    }
}
