//! Room `io`: the data directory that is to be, made beside the present one: first the protected paths
//! as they are now, then all else from the backup, each file held against its digest.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rustix::fs::{AtFlags, FileType, Stat, fstat, linkat, symlinkat};
use rustix::io::Errno;

use super::batch::{Batch, Worker};
use super::copy::{self, Cloning};
use super::meta::{self, Strictness};
use super::store::Entries;
use super::tree::{Descent, Level};
use super::verify::{differs, name_of};
use super::walk::odd;
use crate::error::{Error, Result};
use crate::io::durable;
use crate::io::node_dir::{Dir, cannot};
use crate::limits;
use crate::node::backup::host::Protected;
use crate::node::backup::manifest::{Entry, Kind, Manifest, Way};
use crate::node::backup::text::{self, Patterns};

/// What staging needs to know.
pub(super) struct Staging<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) root: usize,
    pub(super) protect: &'a Patterns,
    pub(super) immutable: &'a Patterns,
    pub(super) cloning: &'a Cloning,
    pub(super) meter: &'a AtomicU64,
}

struct Job {
    from: Arc<Dir>,
    name: OsString,
    to: Arc<Dir>,
    as_name: OsString,
    entry: Entry,
}

enum Item {
    File(Job),
    Link(Job),
    Leave(Arc<Dir>, Box<Entry>),
}

/// The staged side of a level: the directory, and the entry that it is to be like.
type Own = (Arc<Dir>, Box<Entry>);

struct Run<'a> {
    staging: &'a Staging<'a>,
    worker: &'a Worker<'a>,
    staged: Arc<Dir>,
    items: Vec<Item>,
}

impl Staging<'_> {
    /// Fills the new directory `staged` from the backup's `root`, which is in `top`. What is in
    /// `staged` already is protected.
    pub(super) fn fill(
        &self,
        entries: &Entries,
        top: &Arc<Dir>,
        staged: &Arc<Dir>,
        worker: &Worker<'_>,
    ) -> Result<()> {
        let mut run = Run {
            staging: self,
            worker,
            staged: Arc::clone(staged),
            items: Vec::new(),
        };
        let mut way = Descent::<Own>::default();
        entries.each(&mut |entry| {
            if entry.root != self.root || self.protect.cover(&entry.path) {
                return Ok(());
            }
            for level in way.ended(Some(&entry)) {
                run.leave(level)?;
            }
            run.entry(entry, &mut way, top)
        })?;
        for level in way.ended(None) {
            run.leave(level)?;
        }
        run.flush()
    }

    fn restore(&self, job: &Job) -> Result<()> {
        let shown = name_of(self.manifest, &job.entry);
        let Some((file, stat)) = job.from.open_file(&job.name)? else {
            return Err(Error::failed(format!("{shown}: missing in the backup")));
        };
        let failed = |e| durable::cannot("restore", &job.to.path.join(&job.as_name), e);
        let linked = job.entry.way == Some(Way::Hardlink)
            && self.immutable.cover(&job.entry.path)
            && self.second_name(job, &stat)?;
        let (sha256, length) = if linked {
            copy::hash(&file, &stat, self.meter).map_err(failed)?
        } else {
            let to = job.to.create_empty(&job.as_name)?;
            let contents =
                copy::fill(&file, &stat, &to, self.cloning, self.meter).map_err(failed)?;
            let path = job.to.path.join(&job.as_name);
            meta::apply(&to, &job.entry, &path, Strictness::Exactly)?;
            (contents.sha256, contents.length)
        };
        match differs(&job.entry, sha256, length) {
            None => Ok(()),
            Some(what) => Err(Error::failed(format!("{shown}: {what}"))),
        }
    }

    fn second_name(&self, job: &Job, stat: &Stat) -> Result<bool> {
        match linkat(
            &job.from.fd,
            &job.name,
            &job.to.fd,
            &job.as_name,
            AtFlags::empty(),
        ) {
            Ok(()) => {}
            Err(Errno::XDEV | Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP) => return Ok(false),
            Err(e) => return Err(cannot("link", &job.to.path.join(&job.as_name), e)),
        }
        let linked = job.to.stat(&job.as_name)?;
        if linked.is_some_and(|l| meta::identity(&l) == meta::identity(stat)) {
            return Ok(true);
        }
        job.to.remove(&job.as_name)?;
        Ok(false)
    }
}

impl Run<'_> {
    fn entry(&mut self, entry: Entry, way: &mut Descent<Own>, top: &Arc<Dir>) -> Result<()> {
        let manifest = self.staging.manifest;
        let to = match way.last() {
            Some(level) => Arc::clone(&level.own.0),
            None => Arc::clone(&self.staged),
        };
        let place = way.place(&entry, manifest, top)?;
        let name = place.name.clone();
        match entry.kind {
            Kind::Directory => {
                let from = Arc::new(place.dir.existing_dir(&place.name)?);
                let dir = match entry.path.as_str() {
                    "" => to,
                    // It may be there for what is protected below it.
                    _ => {
                        to.make_new_dir(&name)?;
                        Arc::new(
                            to.dir(&name)
                                .map_err(|e| in_the_way(&entry, e))?
                                .ok_or_else(|| {
                                    Error::failed(format!("{} went away", entry.path))
                                })?,
                        )
                    }
                };
                way.enter(&entry, from, (dir, Box::new(entry.clone())))?;
            }
            Kind::Symlink => {
                let target = entry.target.as_deref().and_then(text::unescape);
                let target = OsString::from_vec(target.unwrap_or_default());
                symlinkat(&target, &to.fd, &name)
                    .map_err(|e| in_the_way(&entry, cannot("create", &to.path.join(&name), e)))?;
                meta::apply_to_link(&to, Path::new(&name), &entry, Strictness::Exactly)?;
            }
            Kind::File | Kind::Link => {
                let kind = entry.kind;
                let job = Job {
                    from: place.dir,
                    name: place.name,
                    to,
                    as_name: name,
                    entry,
                };
                self.push(match kind {
                    Kind::Link => Item::Link(job),
                    _ => Item::File(job),
                })?;
            }
        }
        Ok(())
    }

    fn leave(&mut self, level: Level<Own>) -> Result<()> {
        let (dir, entry) = level.own;
        self.push(Item::Leave(dir, entry))
    }

    fn push(&mut self, item: Item) -> Result<()> {
        self.items.push(item);
        if self.items.len() >= limits::BACKUP_BATCH {
            return self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let items = std::mem::take(&mut self.items);
        let jobs: Vec<&Job> = items
            .iter()
            .filter_map(|item| match item {
                Item::File(job) => Some(job),
                _ => None,
            })
            .collect();
        Batch(&jobs).run(self.worker, |job| self.staging.restore(job))?;
        for item in &items {
            match item {
                Item::File(_) => {}
                Item::Link(job) => self.link(job)?,
                Item::Leave(dir, entry) => {
                    meta::apply(&dir.fd, entry, &dir.path, Strictness::Exactly)?;
                }
            }
        }
        Ok(())
    }

    /// Another name of a file that is there, or, where that one is protected and was left out, a
    /// file of its own.
    fn link(&self, job: &Job) -> Result<()> {
        let first = job.entry.target.clone().unwrap_or_default();
        let names = text::names(&first).unwrap_or_default();
        if names.is_empty() || self.staging.protect.cover(&first) {
            return self.staging.restore(job);
        }
        let first: PathBuf = names.iter().map(|n| OsStr::from_bytes(n)).collect();
        linkat(
            &self.staged.fd,
            &first,
            &job.to.fd,
            &job.as_name,
            AtFlags::empty(),
        )
        .map_err(|e| cannot("create the link", &job.to.path.join(&job.as_name), e))
    }
}

fn in_the_way(entry: &Entry, error: Error) -> Error {
    Error::refused(format!(
        "{:?} of the backup is where the present data has something that is protected",
        entry.path
    ))
    .caused_by(error)
}

/// Copies what is protected in `data`, as it is, to the empty `staged`.
pub(super) fn carry_over(
    data: &Dir,
    staged: &Dir,
    protect: &Patterns,
    copier: &Copier,
) -> Result<()> {
    carry(data, staged, "", false, (protect, copier))
}

/// How protected files are copied: whether blocks may be shared.
pub(super) struct Copier<'a> {
    pub(super) cloning: &'a Cloning,
    pub(super) meter: &'a AtomicU64,
}

fn carry(
    data: &Dir,
    staged: &Dir,
    path: &str,
    covered: bool,
    (protect, copier): (&Patterns, &Copier<'_>),
) -> Result<()> {
    for name in data.raw_names()? {
        let below = text::join(path, &text::escape(name.as_bytes()));
        let Some(stat) = data.stat(&name)? else {
            return Err(unsteady(&data.path.join(&name)));
        };
        let covered = covered || protect.cover(&below);
        let kind = meta::kind(&stat);
        if kind == FileType::Directory {
            let from = data.existing_dir(&name)?;
            if !covered && !holds_any(&from, &below, protect)? {
                continue;
            }
            staged.make_new_dir(&name)?;
            let to = staged.existing_dir(&name)?;
            carry(&from, &to, &below, covered, (protect, copier))?;
            let mut entry = meta::entry(0, &below, Kind::Directory, &stat);
            entry.xattrs = meta::attributes(&from.fd, &from.path)?;
            meta::apply(&to.fd, &entry, &to.path, Strictness::Exactly)?;
        } else if covered {
            carry_one(data, staged, &name, &stat, copier)?;
        }
    }
    Ok(())
}

fn carry_one(data: &Dir, staged: &Dir, name: &OsStr, stat: &Stat, copier: &Copier) -> Result<()> {
    let path = data.path.join(name);
    match meta::kind(stat) {
        FileType::RegularFile => {
            let (file, stat) = data.open_file(name)?.ok_or_else(|| unsteady(&path))?;
            let to = staged.create_empty(name)?;
            copy::fill(&file, &stat, &to, copier.cloning, copier.meter)
                .map_err(|e| durable::cannot("copy", &path, e))?;
            let after = fstat(&file).map_err(|e| cannot("look at", &path, e))?;
            if meta::State::of(&after) != meta::State::of(&stat) {
                return Err(unsteady(&path));
            }
            let mut entry = meta::entry(0, "", Kind::File, &stat);
            entry.xattrs = meta::attributes(&file, &path)?;
            meta::apply(&to, &entry, &staged.path.join(name), Strictness::Exactly)
        }
        FileType::Symlink => {
            let target = data.read_link(name)?.ok_or_else(|| unsteady(&path))?;
            symlinkat(&target, &staged.fd, name)
                .map_err(|e| cannot("create the link", &staged.path.join(name), e))?;
            let entry = meta::entry(0, "", Kind::Symlink, stat);
            meta::apply_to_link(staged, Path::new(name), &entry, Strictness::Exactly)
        }
        _ => Err(odd(&path, stat)),
    }
}

fn unsteady(path: &Path) -> Error {
    Error::refused(format!(
        "{} is protected and changes: whatever writes there has to be stopped first",
        path.display()
    ))
}

fn holds_any(dir: &Dir, path: &str, protect: &Patterns) -> Result<bool> {
    let mut look = Look::new(protect, 1);
    look.below(dir, path, None)?;
    Ok(!look.found.is_empty() || !look.odd.is_empty())
}

/// A look at what is protected in a data directory.
pub(super) struct Look<'a> {
    protect: &'a Patterns,
    limit: usize,
    /// The protected paths, at most `limit` of them.
    pub(super) found: Vec<Protected>,
    /// What cannot be carried over to another directory.
    pub(super) odd: Vec<String>,
}

impl<'a> Look<'a> {
    pub(super) fn new(protect: &'a Patterns, limit: usize) -> Self {
        Look {
            protect,
            limit,
            found: Vec::new(),
            odd: Vec::new(),
        }
    }

    /// Looks below `dir`, which is on the device `dev`, if that matters.
    pub(super) fn below(&mut self, dir: &Dir, path: &str, dev: Option<u64>) -> Result<()> {
        for name in dir.raw_names()? {
            if self.found.len() + self.odd.len() >= self.limit {
                return Ok(());
            }
            let below = text::join(path, &text::escape(name.as_bytes()));
            let Some(stat) = dir.stat(&name)? else {
                continue;
            };
            let covered = self.protect.cover(&below);
            let mut sha256 = None;
            match meta::kind(&stat) {
                FileType::Directory => {
                    if dev.is_some_and(|dev| dev != stat.st_dev) {
                        self.odd.push(format!(
                            "{below} is a mount point, which would stay with the old directory"
                        ));
                    }
                    if let Some(dir) = dir.dir(&name)? {
                        self.below(&dir, &below, dev)?;
                    }
                }
                FileType::RegularFile if covered => {
                    if let Some((file, stat)) = dir.open_file(&name)? {
                        let hashed = copy::hash(&file, &stat, &AtomicU64::new(0));
                        let failed = |e| durable::cannot("read", &dir.path.join(&name), e);
                        sha256 = Some(hashed.map_err(failed)?.0);
                    }
                }
                FileType::Symlink => {}
                _ if covered => {
                    self.odd.push(format!(
                        "{below} is protected and neither file, directory nor link, so it cannot be kept"
                    ));
                    continue;
                }
                _ => {}
            }
            if covered {
                let path = below;
                self.found.push(Protected { path, sha256 });
            }
        }
        Ok(())
    }
}
