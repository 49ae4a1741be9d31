//! Room `io`: the exchange of the data directory by one rename of two names, or, where the filesystem
//! has none, by two renames of one. Every step can be looked at afterwards and finished.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rustix::fs::{RenameFlags, renameat_with};
use rustix::io::Errno;

use super::meta;
use crate::error::{Error, Result};
use crate::io::fault;
use crate::io::node_dir::{Dir, cannot};
use crate::node::backup::host::{Identity, Swapped};
use crate::node::backup::plan::DataRestore;

/// The directory that holds the data directory, and the names in it.
pub(super) struct Beside {
    pub(super) parent: Dir,
    pub(super) data: OsString,
}

impl Beside {
    pub(super) fn open(data: &Path) -> Result<Beside> {
        let (Some(above), Some(name)) = (data.parent(), data.file_name()) else {
            return Err(Error::usage(format!("{} has no name", data.display())));
        };
        let parent = Dir::open_through_links(above)?
            .ok_or_else(|| Error::failed(format!("{} does not exist", above.display())))?;
        Ok(Beside {
            parent,
            data: name.into(),
        })
    }

    /// The name under which the restored directory is made. It is the same in every run, so that the
    /// next one finds it.
    pub(super) fn staged(&self) -> OsString {
        let mut name = OsString::from(".");
        name.push(&self.data);
        name.push(".relman-restore");
        name
    }

    pub(super) fn identity(&self, name: &OsStr) -> Result<Option<Identity>> {
        Ok(self.parent.stat(name)?.map(|stat| meta::identity(&stat)))
    }

    fn rename(&self, from: &OsStr, to: &OsStr, flags: RenameFlags) -> rustix::io::Result<()> {
        renameat_with(&self.parent.fd, from, &self.parent.fd, to, flags)
    }

    fn moved(&self, from: &OsStr, to: &OsStr) -> Result<()> {
        self.rename(from, to, RenameFlags::NOREPLACE)
            .map_err(|e| cannot("rename to", &self.parent.path.join(to), e))?;
        self.parent.sync()
    }

    /// Puts the staged directory in place. `exchange` is false to do without the one rename.
    pub(super) fn swap(&self, plan: &DataRestore, staged: Identity, exchange: bool) -> Result<()> {
        let (name, before) = (self.staged(), before_name(plan)?);
        let exchanged = match plan.present {
            None => Err(Errno::NOENT),
            Some(_) if !exchange => Err(Errno::INVAL),
            Some(_) => self.rename(&name, &self.data, RenameFlags::EXCHANGE),
        };
        match exchanged {
            Ok(()) => {
                fault::point("restore-exchanged");
                self.parent.sync()?;
            }
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                self.moved(&self.data, &before)?;
                fault::point("restore-between");
                self.moved(&name, &self.data)?;
            }
            Err(Errno::NOENT) if plan.present.is_none() => self.moved(&name, &self.data)?,
            Err(Errno::BUSY) => {
                return Err(Error::refused(format!(
                    "{} is a mount point, which cannot be exchanged",
                    plan.dir.display()
                ))
                .hint("keep the data in a directory below the mount point"));
            }
            Err(e) => return Err(cannot("exchange", &plan.dir, e)),
        }
        self.finish(plan, staged)
    }

    pub(super) fn swapped(&self, plan: &DataRestore, staged: Identity) -> Result<Swapped> {
        let now = self.identity(&self.data)?;
        if now == Some(staged) {
            return Ok(Swapped::Yes);
        }
        let before = self.identity(&before_name(plan)?)?;
        let aside = plan.present.is_some() && before == plan.present;
        match (now, self.identity(&self.staged())?) {
            (None, Some(waiting)) if waiting == staged && aside => Ok(Swapped::Between),
            (Some(_), _) if aside => Err(Error::failed(format!(
                "{} was made anew while its restore was under way; the old one is {}",
                plan.dir.display(),
                plan.before.display()
            ))
            .hint(format!(
                "stop the daemon, move the new {} away, and run the command again",
                plan.dir.display()
            ))),
            _ => Ok(Swapped::No),
        }
    }

    /// Does what is left to do after the exchange began.
    pub(super) fn finish(&self, plan: &DataRestore, staged: Identity) -> Result<()> {
        let (name, before) = (self.staged(), before_name(plan)?);
        if self.identity(&self.data)?.is_none() {
            self.moved(&name, &self.data)?;
        }
        // A rename goes by name: what is there now must be what was made.
        if self.identity(&self.data)? != Some(staged) {
            return Err(Error::refused(format!(
                "{} is not the directory that was restored: something else moves names there",
                plan.dir.display()
            )));
        }
        if plan.present.is_some() && self.identity(&name)? == plan.present {
            self.moved(&name, &before)?;
        }
        self.parent.sync()
    }

    /// A free name for the present directory.
    pub(super) fn free_name(&self, id: &str) -> Result<PathBuf> {
        for number in 1..1_000u32 {
            let mut name = self.data.clone();
            name.push(format!(".before-{id}"));
            if number > 1 {
                name.push(format!(".{number}"));
            }
            if self.parent.stat(&name)?.is_none() {
                return Ok(self.parent.path.join(name));
            }
        }
        Err(Error::failed(format!(
            "every name for what is in {} now is taken",
            self.parent.path.display()
        ))
        .hint("relman backup prune"))
    }
}

fn before_name(plan: &DataRestore) -> Result<OsString> {
    let name = plan.before.file_name().map(OsString::from);
    name.ok_or_else(|| Error::bug("the plan of a restore has no name for the present data"))
}
