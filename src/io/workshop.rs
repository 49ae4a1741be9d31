//! The directory that builds happen in: private, locked, outside of every project. I/O room.
//!
//! Its path depends on the user and the project alone, so that what a build script writes into a
//! binary despite path remapping is at least the same on every cut. It is not below the home
//! directory or a project, where cargo would find other configuration in the directories above.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use crate::error::Context;
use crate::release::build_plan::Places;
use crate::{Error, Result};

/// A locked build directory; the lock goes when this is dropped or the process ends.
pub struct Workshop {
    dir: PathBuf,
    /// Removes what earlier builds left.
    sweeper: Option<JoinHandle<()>>,
    _lock: File,
}

impl Workshop {
    /// Opens the project's build directory below `base` (`/var/tmp` when absent) and locks it.
    /// With `clean`, nothing of earlier builds is kept: no target directory, no downloads.
    ///
    /// # Errors
    /// Another process holds it; the directory is somebody else's, or others may enter it; I/O.
    pub fn open(base: Option<&Path>, project: &str, clean: bool) -> Result<Self> {
        let (own, uid) = own_dir(base)?;
        Self::at(own.join(project), uid, project, "build", clean)
    }

    /// As [`Workshop::open`], the directory of the project's gates: a cut never sees it, and can be made
    /// while gates run for days.
    ///
    /// # Errors
    /// As [`Workshop::open`].
    pub fn open_for_gates(base: Option<&Path>, project: &str, clean: bool) -> Result<Self> {
        let (own, uid) = own_dir(base)?;
        // No project's name begins with a dot.
        let gates = own.join(".gates");
        private_dir(&gates, uid)?;
        Self::at(gates.join(project), uid, project, "run of gates", clean)
    }

    fn at(dir: PathBuf, uid: u32, project: &str, what: &str, clean: bool) -> Result<Self> {
        private_dir(&dir, uid)?;
        let lock = lock(&dir.join("lock"), project, what)?;
        let mut workshop = Workshop {
            dir,
            sweeper: None,
            _lock: lock,
        };
        let places = workshop.places();
        let mut old = vec![places.clone, places.home];
        if clean {
            old.extend([
                places.target,
                places.cargo_home,
                workshop.packed(),
                workshop.fetched(),
            ]);
        }
        workshop.sweep(&old)?;
        Ok(workshop)
    }

    /// The place where a project's releases are rebuilt, locked and empty. It is not the one that they
    /// are cut in: what a cut keeps stays, and what depends on the path comes out different.
    ///
    /// # Errors
    /// As [`Workshop::open`].
    pub fn for_rebuild(base: Option<&Path>, project: &str) -> Result<Self> {
        // No project has a `+` in its name.
        Self::open(base, &format!("{project}+rebuild"), true)
    }

    /// Removes all that was built; the log stays.
    ///
    /// # Errors
    /// I/O.
    pub fn clear(mut self) -> Result<()> {
        let places = self.places();
        let old = [
            places.clone,
            places.home,
            places.target,
            places.cargo_home,
            self.packed(),
            self.fetched(),
        ];
        self.await_sweeper();
        self.sweep(&old)
    }

    /// Where an archive that is only to be compared is put together.
    pub fn packed(&self) -> PathBuf {
        self.dir.join("packed")
    }

    /// Where a source is cloned to that is not on this machine.
    pub fn fetched(&self) -> PathBuf {
        self.dir.join("fetched.git")
    }

    fn await_sweeper(&mut self) {
        if let Some(sweeper) = self.sweeper.take() {
            let _ = sweeper.join();
        }
    }

    /// Moves directories out of the way and removes them meanwhile: removing a clone file by file
    /// takes longer than making the next one.
    fn sweep(&mut self, old: &[PathBuf]) -> Result<()> {
        let trash = self.dir.join("trash");
        for (i, dir) in old.iter().enumerate() {
            // A killed run may have left a name that is taken, or a place that is no directory.
            let _ = fs::create_dir(&trash);
            let away = trash.join(format!("{}-{i}", std::process::id()));
            if fs::rename(dir, away).is_err() {
                remove(dir)?;
            }
        }
        self.sweeper = Some(thread::spawn(move || {
            // What cannot be removed is in nobody's way; the next run tries again.
            let _ = fs::remove_dir_all(trash);
        }));
        Ok(())
    }

    /// The directories of a build; the clone is not there yet.
    pub fn places(&self) -> Places {
        Places {
            clone: self.dir.join("src"),
            target: self.dir.join("target"),
            cargo_home: self.dir.join("cargo"),
            home: self.dir.join("home"),
            log: self.dir.join("build.log"),
        }
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // Before the lock goes: the next holder has a trash of its own.
        self.await_sweeper();
    }
}

/// The user's own directory below `base`, and the user's number.
fn own_dir(base: Option<&Path>) -> Result<(PathBuf, u32)> {
    let base = base.unwrap_or(Path::new("/var/tmp"));
    let base = fs::canonicalize(base)
        .or_failed(|| format!("build directory {} cannot be used", base.display()))?;
    let uid = rustix::process::geteuid().as_raw();
    let own = base.join(format!("relman-{uid}"));
    private_dir(&own, uid)?;
    Ok((own, uid))
}

fn private_dir(path: &Path, uid: u32) -> Result<()> {
    let made = DirBuilder::new().mode(0o700).create(path);
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(e) => {
            made.or_failed(|| format!("build directory {} cannot be made", path.display()))?;
            return Err(Error::failed(format!(
                "build directory {} cannot be read",
                path.display()
            ))
            .caused_by(e));
        }
    };
    if !meta.is_dir() || meta.uid() != uid || meta.mode() & 0o077 != 0 {
        let found = format!("uid {}, mode {:o}", meta.uid(), meta.mode());
        return Err(Error::failed(format!(
            "build directory {} has {found}, wanted a directory of uid {uid} that nobody else may enter",
            path.display()
        ))
        .hint(format!("look who made it, then: rm -r {}", path.display())));
    }
    Ok(())
}

fn lock(path: &Path, project: &str, kind: &str) -> Result<File> {
    let what = || format!("lock {} cannot be taken", path.display());
    let mut file = OpenOptions::new()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .open(path)
        .or_failed(what)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(path).unwrap_or_default();
            let holder: String = holder
                .chars()
                .filter(char::is_ascii_digit)
                .take(10)
                .collect();
            return Err(Error::failed(format!(
                "another {kind} of {project} is running, process {holder}"
            ))
            .hint("wait until it has finished, then run this again"));
        }
        Err(TryLockError::Error(e)) => return Err(Error::failed(what()).caused_by(e)),
    }
    file.set_len(0).or_failed(what)?;
    writeln!(file, "{}", std::process::id()).or_failed(what)?;
    Ok(file)
}

/// Removes a directory tree that may not be there.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::failed(format!("{} cannot be removed", path.display())).caused_by(e)),
    }
}
