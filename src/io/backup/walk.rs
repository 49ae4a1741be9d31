//! Room `io`: the walk over a source that fills a backup. Directories are entered by descriptor and
//! no link is followed; files are copied in batches on all cores, entries come out in order.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rustix::fs::{AtFlags, FileType, Stat, fstat, linkat, symlinkat};

use super::batch::{Batch, Worker};
use super::copy::{Cloning, Contents};
use super::file_job::{FileDone, FileJob, changed};
use super::meta::{self, State, Strictness};
use crate::error::{Error, Result};
use crate::io::node_dir::{Dir, cannot};
use crate::limits;
use crate::node::backup::host::Identity;
use crate::node::backup::manifest::{Entry, Kind};
use crate::node::backup::text::{self, Patterns};
use crate::node::config::backup::Mode;

/// What a walk is to do.
pub(super) struct Walk<'a> {
    pub(super) root: usize,
    pub(super) mode: Mode,
    /// Files that get a second name instead of a copy, where no blocks can be shared.
    pub(super) immutable: &'a Patterns,
    /// Never linked.
    pub(super) protect: &'a Patterns,
    pub(super) cloning: &'a Cloning,
    /// Counts bytes.
    pub(super) meter: &'a AtomicU64,
}

/// Takes what a walk finds, in order.
pub(super) trait Sink {
    fn entry(&mut self, entry: &Entry) -> Result<()>;
    fn skipped(&mut self, path: &str, why: &str);
    fn unsteady(&mut self, path: &str);
}

enum Item {
    Ready(Entry),
    File(FileJob),
    /// Another name of the file with this inode.
    Link {
        to: Option<Arc<Dir>>,
        name: OsString,
        entry: Entry,
        inode: Identity,
    },
    /// The end of a directory.
    Leave {
        from: Arc<Dir>,
        to: Option<Arc<Dir>>,
        entry: Entry,
        state: State,
    },
}

struct Run<'a, 'b> {
    walk: &'a Walk<'b>,
    sink: &'a mut dyn Sink,
    worker: &'a Worker<'a>,
    /// The root's directory in the backup, in which paths of links begin.
    top: Option<Arc<Dir>>,
    items: Vec<Item>,
    files: usize,
    inodes: BTreeMap<(u64, u64), (String, Option<Contents>)>,
    dev: u64,
}

impl Walk<'_> {
    /// Backs up the file or directory `name` of `parent` as `at` of `backup`.
    pub(super) fn run(
        &self,
        parent: Dir,
        name: &OsStr,
        backup: Option<Dir>,
        at: &str,
        (sink, worker): (&mut dyn Sink, &Worker<'_>),
    ) -> Result<()> {
        let path = parent.path.join(name);
        let stat = parent
            .stat(name)?
            .ok_or_else(|| Error::failed(format!("{} does not exist", path.display())))?;
        // Nothing of a snapshot is copied: then there is no `backup`.
        let mut run = Run {
            walk: self,
            sink,
            worker,
            top: None,
            items: Vec::new(),
            files: 0,
            inodes: BTreeMap::new(),
            dev: stat.st_dev,
        };
        let (parent, backup) = (Arc::new(parent), backup.map(Arc::new));
        match meta::kind(&stat) {
            FileType::Directory => {
                let from = Arc::new(parent.existing_dir(name)?);
                let stat = fstat(&from.fd).map_err(|e| cannot("look at", &from.path, e))?;
                run.dev = stat.st_dev;
                let to = match &backup {
                    Some(backup) => Some(Arc::new(new_dir(backup, OsStr::new(at))?)),
                    None => None,
                };
                run.top = to.clone();
                run.directory(from, to, "", &stat, 0)?;
            }
            FileType::RegularFile => run.file(&parent, backup, name, OsStr::new(at), "", stat)?,
            _ => return Err(odd(&path, &stat)),
        }
        run.flush()
    }
}

pub(super) fn new_dir(parent: &Dir, name: &OsStr) -> Result<Dir> {
    if !parent.make_new_dir(name)? {
        return Err(Error::failed(format!(
            "{} is there already",
            parent.path.join(name).display()
        )));
    }
    parent.existing_dir(name)
}

pub(super) fn odd(path: &Path, stat: &Stat) -> Error {
    let what = match meta::kind(stat) {
        FileType::Symlink => "a link: name what it leads to",
        FileType::BlockDevice | FileType::CharacterDevice => "a device",
        _ => "no file or directory",
    };
    Error::refused(format!("{} is {what}", path.display()))
}

impl Run<'_, '_> {
    fn directory(
        &mut self,
        from: Arc<Dir>,
        to: Option<Arc<Dir>>,
        path: &str,
        stat: &Stat,
        depth: usize,
    ) -> Result<()> {
        if depth >= limits::MAX_BACKUP_DEPTH {
            return Err(Error::failed(format!(
                "{} is more than {} directories deep",
                from.path.display(),
                limits::MAX_BACKUP_DEPTH
            )));
        }
        if stat.st_dev != self.dev {
            return Err(Error::refused(format!(
                "{} is a mount point: what is below would not come back by a restore",
                from.path.display()
            )));
        }
        let mut entry = meta::entry(self.walk.root, path, Kind::Directory, stat);
        entry.xattrs = meta::attributes(&from.fd, &from.path)?;
        self.push(Item::Ready(entry.clone()))?;
        for name in from.raw_names()? {
            let below = text::join(path, &text::escape(name.as_bytes()));
            let shown = from.path.join(&name);
            let Some(stat) = from.stat(&name)? else {
                self.vanished(&shown, &below)?;
                continue;
            };
            match meta::kind(&stat) {
                FileType::Directory => {
                    let Some(dir) = from.dir(&name)? else {
                        self.vanished(&shown, &below)?;
                        continue;
                    };
                    let stat = fstat(&dir.fd).map_err(|e| cannot("look at", &shown, e))?;
                    let to = match &to {
                        Some(to) => Some(Arc::new(new_dir(to, &name)?)),
                        None => None,
                    };
                    self.directory(Arc::new(dir), to, &below, &stat, depth + 1)?;
                }
                FileType::RegularFile => {
                    self.file(&from, to.clone(), &name, &name, &below, stat)?;
                }
                FileType::Symlink => self.symlink(&from, to.as_deref(), &name, &below, &stat)?,
                FileType::Socket => self.sink.skipped(&below, "a socket"),
                FileType::Fifo => self.sink.skipped(&below, "a FIFO"),
                _ => return Err(odd(&shown, &stat)),
            }
        }
        self.push(Item::Leave {
            state: State::of(stat),
            from,
            to,
            entry,
        })
    }

    fn vanished(&mut self, shown: &Path, path: &str) -> Result<()> {
        if self.walk.mode != Mode::Hot {
            return Err(changed(shown, "it went away while it was backed up"));
        }
        self.sink.skipped(path, "it went away");
        Ok(())
    }

    fn file(
        &mut self,
        from: &Arc<Dir>,
        to: Option<Arc<Dir>>,
        name: &OsStr,
        as_name: &OsStr,
        path: &str,
        stat: Stat,
    ) -> Result<()> {
        let entry = meta::entry(self.walk.root, path, Kind::File, &stat);
        let inode = meta::identity(&stat);
        if stat.st_nlink > 1 {
            if self.inodes.contains_key(&(inode.dev, inode.ino)) {
                return self.push(Item::Link {
                    to,
                    name: as_name.into(),
                    entry,
                    inode,
                });
            }
            self.inodes
                .insert((inode.dev, inode.ino), (path.into(), None));
        }
        self.files += 1;
        self.push(Item::File(FileJob {
            from: Arc::clone(from),
            to,
            name: name.into(),
            as_name: as_name.into(),
            link: self.walk.immutable.cover(path) && !self.walk.protect.cover(path),
            entry,
            stat,
        }))
    }

    fn symlink(
        &mut self,
        from: &Dir,
        to: Option<&Dir>,
        name: &OsStr,
        path: &str,
        stat: &Stat,
    ) -> Result<()> {
        let Some(target) = from.read_link(name)? else {
            return self.vanished(&from.path.join(name), path);
        };
        let mut entry = meta::entry(self.walk.root, path, Kind::Symlink, stat);
        entry.target = Some(text::escape(target.as_os_str().as_bytes()));
        if let Some(to) = to {
            symlinkat(&target, &to.fd, name)
                .map_err(|e| cannot("create the link", &to.path.join(name), e))?;
            meta::apply_to_link(to, Path::new(name), &entry, Strictness::AsFarAsPossible)?;
        }
        self.push(Item::Ready(entry))
    }

    fn push(&mut self, item: Item) -> Result<()> {
        self.items.push(item);
        if self.files >= limits::BACKUP_BATCH || self.items.len() >= 2 * limits::BACKUP_BATCH {
            return self.flush();
        }
        Ok(())
    }

    /// Does all that waits, and tells it in order.
    fn flush(&mut self) -> Result<()> {
        self.files = 0;
        let items = std::mem::take(&mut self.items);
        let jobs: Vec<&FileJob> = items
            .iter()
            .filter_map(|item| match item {
                Item::File(job) => Some(job),
                _ => None,
            })
            .collect();
        let walk = self.walk;
        let done = Batch(&jobs).run(self.worker, |job| walk.copy(job))?;
        let mut done = done.into_iter();
        for item in &items {
            match item {
                Item::Ready(entry) => self.sink.entry(entry)?,
                Item::File(job) => match done.next() {
                    Some(FileDone::Here {
                        contents,
                        entry,
                        unsteady,
                    }) => {
                        let inode = meta::identity(&job.stat);
                        if let Some(first) = self.inodes.get_mut(&(inode.dev, inode.ino)) {
                            first.1 = Some(contents);
                        }
                        if unsteady {
                            self.sink.unsteady(&entry.path);
                        }
                        self.sink.entry(&entry)?;
                    }
                    Some(FileDone::Gone) => self.sink.skipped(&job.entry.path, "it went away"),
                    None => return Err(Error::bug("a file of a batch was not done")),
                },
                Item::Link {
                    to,
                    name,
                    entry,
                    inode,
                } => self.link(to.as_deref(), name, entry, *inode)?,
                Item::Leave {
                    from,
                    to,
                    entry,
                    state,
                } => {
                    let stat = fstat(&from.fd).map_err(|e| cannot("look at", &from.path, e))?;
                    if self.walk.mode != Mode::Hot && State::of(&stat) != *state {
                        return Err(changed(&from.path, "it changed while it was backed up"));
                    }
                    if let Some(to) = to {
                        meta::apply(&to.fd, entry, &to.path, Strictness::AsFarAsPossible)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn link(
        &mut self,
        to: Option<&Dir>,
        name: &OsStr,
        entry: &Entry,
        inode: Identity,
    ) -> Result<()> {
        let Some((first, Some(contents))) = self.inodes.get(&(inode.dev, inode.ino)) else {
            self.sink
                .skipped(&entry.path, "the file that it is another name of went away");
            return Ok(());
        };
        let mut entry = entry.clone();
        (entry.kind, entry.target) = (Kind::Link, Some(first.clone()));
        (entry.sha256, entry.length) = (Some(contents.sha256), Some(contents.length));
        entry.way = Some(contents.way);
        if let (Some(to), Some(top)) = (to, &self.top) {
            let first = text::unescape(first).unwrap_or_default();
            let first = PathBuf::from(OsStr::from_bytes(&first));
            linkat(&top.fd, &first, &to.fd, name, AtFlags::empty())
                .map_err(|e| cannot("create the link", &to.path.join(name), e))?;
        }
        self.sink.entry(&entry)
    }
}
