//! Room `io`: reading every byte of a backup, and saying all that is not as its entries have it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rustix::fs::FileType;

use super::batch::{Batch, Worker};
use super::store::Entries;
use super::tree::{Descent, Level};
use super::{copy, meta};
use crate::error::Result;
use crate::io::durable;
use crate::io::node_dir::Dir;
use crate::limits;
use crate::node::backup::manifest::{Entry, Kind, Manifest};
use crate::node::backup::text;

/// A file whose bytes are still to be read.
struct Job {
    dir: Arc<Dir>,
    name: OsString,
    entry: Entry,
}

struct Check<'a> {
    manifest: &'a Manifest,
    worker: &'a Worker<'a>,
    jobs: Vec<Job>,
    problems: Vec<String>,
}

/// All problems of the roots of a backup that are in `tops`: for each root the directory that holds it.
pub(super) fn verify(
    entries: &Entries,
    manifest: &Manifest,
    tops: &[Arc<Dir>],
    worker: &Worker<'_>,
) -> Result<Vec<String>> {
    let mut check = Check {
        manifest,
        worker,
        jobs: Vec::new(),
        problems: Vec::new(),
    };
    let mut way = Descent::<()>::default();
    entries.each(&mut |entry| {
        for level in way.ended(Some(&entry)) {
            check.leave(&level);
        }
        let top = tops.get(entry.root).ok_or_else(|| {
            crate::Error::bug("an entry has a root that the manifest does not have")
        })?;
        check.entry(entry, &mut way, top)
    })?;
    for level in way.ended(None) {
        check.leave(&level);
    }
    check.flush()?;
    let more = check
        .problems
        .len()
        .saturating_sub(limits::MAX_BACKUP_PROBLEMS);
    check.problems.truncate(limits::MAX_BACKUP_PROBLEMS);
    if more > 0 {
        check.problems.push(format!("and {more} more"));
    }
    Ok(check.problems)
}

impl Check<'_> {
    fn problem(&mut self, entry: &Entry, what: &str) {
        let problem = format!("{}: {what}", name_of(self.manifest, entry));
        self.problems.push(problem);
    }

    fn entry(&mut self, entry: Entry, way: &mut Descent<()>, top: &Arc<Dir>) -> Result<()> {
        let place = match way.place(&entry, self.manifest, top) {
            Ok(place) => place,
            // Where its directory is not there, that has been said.
            Err(error) => {
                if self.problems.is_empty() {
                    self.problem(&entry, &error.to_string());
                }
                return Ok(());
            }
        };
        let found = match place.dir.stat(&place.name) {
            Ok(Some(stat)) => meta::kind(&stat),
            Ok(None) => {
                self.problem(&entry, "missing");
                return Ok(());
            }
            Err(error) => {
                self.problem(&entry, &error.to_string());
                return Ok(());
            }
        };
        let wanted = match entry.kind {
            Kind::Directory => FileType::Directory,
            Kind::File | Kind::Link => FileType::RegularFile,
            Kind::Symlink => FileType::Symlink,
        };
        if found != wanted {
            self.problem(&entry, &format!("found a {found:?}, wanted a {wanted:?}"));
            return Ok(());
        }
        match entry.kind {
            Kind::Directory => match place.dir.existing_dir(&place.name) {
                Ok(dir) => way.enter(&entry, Arc::new(dir), ())?,
                Err(error) => self.problem(&entry, &error.to_string()),
            },
            Kind::Symlink => {
                let target = place.dir.read_link(&place.name)?;
                let target = target.map(|t| text::escape(t.as_os_str().as_bytes()));
                if target != entry.target {
                    let (found, wanted) = (target.unwrap_or_default(), entry.target.clone());
                    let wanted = wanted.unwrap_or_default();
                    self.problem(&entry, &format!("leads to {found}, wanted {wanted}"));
                }
            }
            Kind::File | Kind::Link => {
                self.jobs.push(Job {
                    dir: place.dir,
                    name: place.name,
                    entry,
                });
                if self.jobs.len() >= limits::BACKUP_BATCH {
                    self.flush()?;
                }
            }
        }
        Ok(())
    }

    fn leave(&mut self, level: &Level<()>) {
        for name in &level.unmentioned {
            let at = level.dir.path.join(name);
            // A snapshot has them; a backup leaves them out.
            let left_out =
                level.dir.stat(name).ok().flatten().is_some_and(|stat| {
                    matches!(meta::kind(&stat), FileType::Socket | FileType::Fifo)
                });
            if !(left_out && self.manifest.snapshot.is_some()) {
                let at = text::shown(&at);
                self.problems
                    .push(format!("{at}: found, but not in the backup's list"));
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        let jobs = std::mem::take(&mut self.jobs);
        let meter: &AtomicU64 = &self.worker.meter;
        let found = Batch(&jobs).run(self.worker, |job| Ok(look(job, meter)))?;
        for (job, found) in jobs.iter().zip(found) {
            if let Some(what) = found {
                self.problem(&job.entry, &what);
            }
        }
        Ok(())
    }
}

/// What is wrong with a file.
fn look(job: &Job, meter: &AtomicU64) -> Option<String> {
    let opened = match job.dir.open_file(&job.name) {
        Ok(Some(opened)) => opened,
        Ok(None) => return Some("missing".into()),
        Err(error) => return Some(error.to_string()),
    };
    let (file, stat) = opened;
    match copy::hash(&file, &stat, meter) {
        Ok((sha256, length)) => differs(&job.entry, sha256, length),
        Err(error) => {
            Some(durable::cannot("read", &job.dir.path.join(&job.name), error).to_string())
        }
    }
}

/// How a file's contents differ from its entry.
pub(super) fn differs(entry: &Entry, sha256: crate::hash::Sha256, length: u64) -> Option<String> {
    let (Some(digest), Some(len)) = (entry.sha256, entry.length) else {
        return Some("the entry has no digest".into());
    };
    (sha256 != digest || length != len)
        .then(|| format!("found sha256 {sha256} ({length} bytes), wanted {digest} ({len} bytes)"))
}

/// What an entry is called in messages.
pub(super) fn name_of(manifest: &Manifest, entry: &Entry) -> String {
    let root = manifest.roots.get(entry.root).map_or("", |root| &root.path);
    match entry.path.as_str() {
        "" => root.to_owned(),
        path => format!("{}/{path}", Path::new(root).display()),
    }
}
