//! Room `io`: a look at what would be backed up, and at what the filesystems can do. Changes nothing.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, Stat, ioctl_ficlone, openat};

use super::meta;
use crate::error::Result;
use crate::io::node_dir::Dir;
use crate::limits;
use crate::node::backup::host::{Seen, Source};
use crate::node::backup::manifest::Part;
use crate::node::backup::text::{self, Patterns};
use crate::node::config::backup::Strategy;

/// How the survey of a source goes.
pub(super) struct Surveyor<'a> {
    pub(super) strategy: Strategy,
    pub(super) immutable: &'a Patterns,
    pub(super) protect: &'a Patterns,
    /// The directory of backups, or the nearest one above it that there is.
    pub(super) backups: &'a Dir,
    pub(super) backups_dev: u64,
}

/// What is found on the way.
struct Tour<'a> {
    surveyor: &'a Surveyor<'a>,
    part: Part,
    dev: u64,
    /// Whether blocks can be shared; none until a file was tried.
    clones: Option<bool>,
    seen: Seen,
}

impl Surveyor<'_> {
    /// Looks at one source.
    pub(super) fn look(&self, source: &Source) -> Result<Seen> {
        let mut seen = Seen::default();
        let parent = source
            .path
            .parent()
            .map(Dir::open_through_links)
            .transpose()?
            .flatten();
        let found = match (&parent, source.path.file_name()) {
            (Some(dir), Some(name)) => dir.stat(name)?.map(|stat| (dir, name, stat)),
            _ => None,
        };
        let Some((dir, name, stat)) = found else {
            seen.missing = true;
            return Ok(seen);
        };
        let mut tour = Tour {
            surveyor: self,
            part: source.part,
            dev: stat.st_dev,
            clones: None,
            seen,
        };
        match meta::kind(&stat) {
            FileType::Directory => tour.directory(&dir.existing_dir(name)?, "", 0)?,
            FileType::RegularFile if source.part != Part::Data => {
                tour.file(dir, Path::new(name), "", &stat)?;
            }
            _ => tour.seen.problems.push(format!(
                "{} {} is a {:?}, wanted {}",
                source.part.name(),
                text::shown(&source.path),
                meta::kind(&stat),
                match source.part {
                    Part::Data => "a directory",
                    _ => "a file or directory",
                }
            )),
        }
        let wanted = self.strategy == Strategy::Reflink && source.part == Part::Data;
        if wanted && tour.clones == Some(false) {
            tour.seen.problems.push(format!(
                "backup.strategy is \"reflink\", and {} and {} cannot share blocks",
                text::shown(&source.path),
                text::shown(&self.backups.path)
            ));
        }
        Ok(tour.seen)
    }
}

impl Tour<'_> {
    fn directory(&mut self, dir: &Dir, path: &str, depth: usize) -> Result<()> {
        if depth >= limits::MAX_BACKUP_DEPTH {
            self.seen.problems.push(format!(
                "{} is more than {} directories deep",
                text::shown(&dir.path),
                limits::MAX_BACKUP_DEPTH
            ));
            return Ok(());
        }
        for name in dir.raw_names()? {
            let below = text::join(path, &text::escape(name.as_encoded_bytes()));
            let Some(stat) = dir.stat(&name)? else {
                continue;
            };
            match meta::kind(&stat) {
                FileType::Directory if stat.st_dev != self.dev => self.problem(
                    dir,
                    &name,
                    "is a mount point: what is below would not come back by a restore",
                ),
                FileType::Directory => {
                    if let Some(dir) = dir.dir(&name)? {
                        self.directory(&dir, &below, depth + 1)?;
                    }
                }
                FileType::RegularFile => self.file(dir, Path::new(&name), &below, &stat)?,
                FileType::Symlink => {}
                FileType::Socket | FileType::Fifo => self.seen.warnings.push(format!(
                    "{} is a socket or FIFO and is left out",
                    text::shown(&dir.path.join(&name))
                )),
                _ => self.problem(dir, &name, "is a device, which a backup cannot hold"),
            }
        }
        Ok(())
    }

    fn problem(&mut self, dir: &Dir, name: &std::ffi::OsStr, what: &str) {
        if self.seen.problems.len() < limits::MAX_NAMED {
            let path = text::shown(&dir.path.join(name));
            self.seen.problems.push(format!("{path} {what}"));
        }
    }

    fn file(&mut self, dir: &Dir, name: &Path, path: &str, stat: &Stat) -> Result<()> {
        let bytes = u64::try_from(stat.st_size).unwrap_or(0);
        self.seen.total.add(bytes);
        let strategy = self.surveyor.strategy;
        if strategy == Strategy::Snapshot && self.part == Part::Data {
            return Ok(());
        }
        let link = self.surveyor.immutable.cover(path) && !self.surveyor.protect.cover(path);
        let links = link && self.part == Part::Data && self.dev == self.surveyor.backups_dev;
        match strategy {
            Strategy::Copy => {}
            Strategy::Hardlink if links => {
                self.seen.linked.add(bytes);
                return Ok(());
            }
            Strategy::Hardlink => {}
            _ if bytes > 0 && self.can_clone(dir, name)? => {
                self.seen.cloned.add(bytes);
                return Ok(());
            }
            Strategy::Auto if links => {
                self.seen.linked.add(bytes);
                return Ok(());
            }
            _ => {}
        }
        let blocks = u64::try_from(stat.st_blocks)
            .unwrap_or(0)
            .saturating_mul(512);
        self.seen.copied_blocks = self.seen.copied_blocks.saturating_add(blocks);
        Ok(())
    }

    /// Tries it once, with a file without a name.
    fn can_clone(&mut self, dir: &Dir, name: &Path) -> Result<bool> {
        if let Some(known) = self.clones {
            return Ok(known);
        }
        let Some((from, _)) = dir.open_file(name)? else {
            return Ok(false);
        };
        let works = clones(&from, self.surveyor.backups);
        self.clones = Some(works);
        Ok(works)
    }
}

/// Whether files below `dir` can share their blocks with new ones in `to`, by the first that has any.
pub(super) fn probe(dir: &Dir, to: &Dir) -> Result<Option<bool>> {
    for name in dir.raw_names()? {
        let Some(stat) = dir.stat(&name)? else {
            continue;
        };
        let found = match meta::kind(&stat) {
            FileType::Directory => match dir.dir(&name)? {
                Some(below) => probe(&below, to)?,
                None => None,
            },
            FileType::RegularFile if stat.st_size > 0 => {
                let opened = dir.open_file(&name)?;
                opened.map(|(from, _)| clones(&from, to))
            }
            _ => None,
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Whether a new file in `dir` can share the blocks of `from`.
pub(super) fn clones(from: &File, dir: &Dir) -> bool {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let nameless = openat(&dir.fd, ".", flags, Mode::from_raw_mode(0o600));
    nameless.is_ok_and(|to| ioctl_ficlone(&to, from).is_ok())
}
