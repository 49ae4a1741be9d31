//! Room `io`: one file on its way into a backup: read, held against what it was before, read again in
//! hot mode.

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, Stat, fstat, linkat, statat};
use rustix::io::Errno;

use super::copy::{self, Contents};
use super::meta::{self, State, Strictness};
use super::walk::Walk;
use crate::error::{Error, Result};
use crate::io::node_dir::{Dir, cannot};
use crate::limits;
use crate::node::backup::manifest::{Entry, Kind, Way};
use crate::node::config::backup::Mode;

/// A file to be read, and where it goes.
pub(super) struct FileJob {
    pub(super) from: Arc<Dir>,
    pub(super) to: Option<Arc<Dir>>,
    pub(super) name: OsString,
    /// Its name there.
    pub(super) as_name: OsString,
    pub(super) entry: Entry,
    pub(super) stat: Stat,
    pub(super) link: bool,
}

/// What came of it.
pub(super) enum FileDone {
    Here {
        contents: Contents,
        entry: Box<Entry>,
        unsteady: bool,
    },
    Gone,
}

pub(super) fn changed(path: &Path, what: &str) -> Error {
    Error::failed(format!("{}: {what}", path.display()))
        .hint("stop whatever writes there, or back up with: relman backup create --hot")
}

impl Walk<'_> {
    pub(super) fn copy(&self, job: &FileJob) -> Result<FileDone> {
        let path = job.from.path.join(&job.name);
        for tries in 1.. {
            let Some((file, stat)) = job.from.open_file(&job.name)? else {
                return match self.mode {
                    Mode::Hot => Ok(FileDone::Gone),
                    _ => Err(changed(&path, "it went away while it was backed up")),
                };
            };
            let (contents, mut state) = self.contents(job, &file, &stat)?;
            if contents.way != Way::Hardlink {
                state = State::of(&stat);
            }
            let after = fstat(&file).map_err(|e| cannot("look at", &path, e))?;
            let named = job.from.stat(&job.name)?;
            let named = named.as_ref().map(State::of);
            let found = State::of(&job.stat);
            let same = match contents.way {
                Way::Hardlink => found.same_contents(&state),
                _ => found == state,
            } && State::of(&after) == state
                && named == Some(state);
            // A file that is another one than in the listing is no change of a hot one.
            let steady = same
                || (self.mode == Mode::Hot && State::of(&after) == state && named == Some(state));
            if !steady && self.mode != Mode::Hot {
                return Err(changed(&path, "it changed while it was backed up"));
            }
            if steady || tries >= limits::MAX_HOT_TRIES {
                return self.kept(job, &file, &stat, contents, !steady);
            }
            if let Some(to) = &job.to {
                to.remove(&job.as_name)?;
            }
        }
        Err(Error::bug("a file was read for ever"))
    }

    /// Gets the contents into the backup; the file's state is that after its second name.
    fn contents(&self, job: &FileJob, file: &File, stat: &Stat) -> Result<(Contents, State)> {
        let path = job.from.path.join(&job.name);
        let failed = |e| crate::io::durable::cannot("back up", &path, e);
        let meter = self.meter;
        let Some(to) = &job.to else {
            let (sha256, length) = copy::hash(file, stat, meter).map_err(failed)?;
            let way = Way::Snapshot;
            return Ok((
                Contents {
                    sha256,
                    length,
                    way,
                },
                State::of(stat),
            ));
        };
        if job.link && self.second_name(job, to, stat)? {
            let stat = fstat(file).map_err(|e| cannot("look at", &path, e))?;
            let (sha256, length) = copy::hash(file, &stat, meter).map_err(failed)?;
            let way = Way::Hardlink;
            return Ok((
                Contents {
                    sha256,
                    length,
                    way,
                },
                State::of(&stat),
            ));
        }
        let new = to.create_empty(&job.as_name)?;
        let contents = copy::fill(file, stat, &new, self.cloning, meter).map_err(failed)?;
        let mut entry = meta::entry(self.root, &job.entry.path, Kind::File, stat);
        entry.xattrs = meta::attributes(file, &path)?;
        let at = to.path.join(&job.as_name);
        meta::apply(&new, &entry, &at, Strictness::AsFarAsPossible)?;
        Ok((contents, State::of(stat)))
    }

    /// Links the file into the backup; false where the filesystem cannot.
    fn second_name(&self, job: &FileJob, to: &Dir, stat: &Stat) -> Result<bool> {
        match linkat(
            &job.from.fd,
            &job.name,
            &to.fd,
            &job.as_name,
            AtFlags::empty(),
        ) {
            Ok(()) => {}
            Err(Errno::XDEV | Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP) => return Ok(false),
            Err(e) => return Err(cannot("link", &to.path.join(&job.as_name), e)),
        }
        let linked = statat(&to.fd, &job.as_name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| cannot("look at", &to.path.join(&job.as_name), e))?;
        // Somebody may have put another file, or a link, there in between.
        if meta::identity(&linked) == meta::identity(stat) {
            return Ok(true);
        }
        to.remove(&job.as_name)?;
        Ok(false)
    }

    fn kept(
        &self,
        job: &FileJob,
        file: &File,
        stat: &Stat,
        contents: Contents,
        unsteady: bool,
    ) -> Result<FileDone> {
        let path = job.from.path.join(&job.name);
        let mut entry = meta::entry(self.root, &job.entry.path, Kind::File, stat);
        entry.xattrs = meta::attributes(file, &path)?;
        entry.sha256 = Some(contents.sha256);
        entry.length = Some(contents.length);
        entry.way = Some(contents.way);
        Ok(FileDone::Here {
            contents,
            entry: Box::new(entry),
            unsteady,
        })
    }
}
