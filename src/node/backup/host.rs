//! What the drivers of backups ask of the host. A trait and values; `io` implements it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::journal::BackupJournal;
use super::manifest::{Amount, BackupId, Begun, Manifest, Part};
use super::plan::RestorePlan;
use crate::Result;
use crate::hash::Sha256;

/// Something on the host that is to be backed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What it is.
    pub part: Part,
    /// Where it is.
    pub path: PathBuf,
    /// The path that people know it by.
    pub known_as: PathBuf,
    /// Its name in the backup.
    pub at: String,
}

/// What is at a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Nothing is there.
    pub missing: bool,
    /// All files.
    pub total: Amount,
    /// Those that would share their blocks with the backup.
    pub cloned: Amount,
    /// Those that would get a second name.
    pub linked: Amount,
    /// Bytes on the disk of those that would be copied, holes not counted.
    pub copied_blocks: u64,
    /// What stands in the way.
    pub problems: Vec<String>,
    /// What has to be said.
    pub warnings: Vec<String>,
}

/// What was seen before a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// In the order of the sources.
    pub seen: Vec<Seen>,
    /// Free bytes where backups are.
    pub free: u64,
}

/// A directory among the backups, and what it says of itself.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name.
    pub id: BackupId,
    /// What it holds, or why nobody can tell.
    pub manifest: Result<Manifest>,
}

/// What tells a directory from every other one beside it. Two are the same if their inodes are: numbers of
/// devices are given out anew at each start of the host, and a restore may be finished after one.
#[derive(Clone, Copy, Debug, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Number of the device.
    pub dev: u64,
    /// Number of the inode.
    pub ino: u64,
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.ino == other.ino
    }
}

/// A protected path: in the present data, or in a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// Its path below the data directory, escaped.
    pub path: String,
    /// Digest of a file; none of what is no file.
    pub sha256: Option<Sha256>,
}

/// What was seen before a restore.
#[derive(Clone, Debug, Default)]
pub struct RestoreSurvey {
    /// The data directory as it is; none where there is none.
    pub present: Option<Identity>,
    /// A free name beside it for what is there now.
    pub before: PathBuf,
    /// Files of the data that would be put back.
    pub total: Amount,
    /// Bytes that would be written.
    pub needed: u64,
    /// Free bytes on the data's filesystem.
    pub free: u64,
    /// Protected paths that are there now.
    pub now: Vec<Protected>,
    /// Protected paths in the backup.
    pub then: Vec<Protected>,
    /// What makes it impossible.
    pub conflicts: Vec<String>,
}

/// Where a killed exchange of the data directory stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// The data directory is the old one.
    No,
    /// The old one has its other name, and the new one not yet its own.
    Between,
    /// The data directory is the restored one.
    Yes,
}

/// The directory of backups, the daemon's files, and what is under way with them.
///
/// Every change is durable when its call returns. Nothing follows a link below a root.
pub trait BackupHost {
    /// The journal, if something is unfinished.
    fn read_journal(&self) -> Result<Option<BackupJournal>>;
    /// Writes the journal.
    fn write_journal(&self, journal: &BackupJournal) -> Result<()>;
    /// Removes the journal; none is no error.
    fn remove_journal(&self) -> Result<()>;

    /// Looks at what would be backed up, and at what the filesystems can do.
    fn survey(&self, sources: &[Source]) -> Result<Survey>;
    /// Makes a backup. It appears under its name when it is whole and durable.
    ///
    /// # Errors
    /// Kind failed: nothing of it is left but what [`BackupHost::clean`] removes.
    fn make(&self, sources: &[Source], begun: &Begun<'_>) -> Result<BackupId>;
    /// Removes what killed runs left.
    ///
    /// # Errors
    /// Kind failed: a snapshot could not be removed; it is tried again next time.
    fn clean(&self) -> Result<()>;
    /// All backups, oldest first.
    fn list(&self) -> Result<Vec<Listed>>;
    /// A backup's manifest, after a look at its list of entries.
    ///
    /// # Errors
    /// Kind failed: there is no such backup, or these are not the bytes that it was made with.
    fn manifest(&self, id: &BackupId) -> Result<Manifest>;
    /// Reads every byte of a backup; gives all problems.
    fn verify(&self, id: &BackupId) -> Result<Vec<String>>;
    /// Removes a backup: from then on it is no backup any more, whatever happens.
    fn remove(&self, id: &BackupId) -> Result<()>;

    /// Looks at what a restore of the data would do.
    fn look(&self, id: &BackupId) -> Result<RestoreSurvey>;
    /// Makes the data directory that is to be, beside the present one, with the present one's
    /// protected paths; every byte of the backup is held against its digest.
    ///
    /// # Errors
    /// Kind failed or refused: what it began is removed.
    fn stage(&self, id: &BackupId) -> Result<Identity>;
    /// Removes what [`BackupHost::stage`] made.
    fn unstage(&self) -> Result<()>;
    /// Puts the staged directory in the data directory's place, and keeps that as `plan` says, after
    /// a last look at the protected paths.
    fn swap(&self, plan: &RestorePlan, staged: Identity) -> Result<()>;
    /// How far a killed [`BackupHost::swap`] came.
    fn swapped(&self, plan: &RestorePlan, staged: Identity) -> Result<Swapped>;
    /// Does what a killed [`BackupHost::swap`] has left undone.
    fn finish_swap(&self, plan: &RestorePlan, staged: Identity) -> Result<()>;
    /// The directory that is kept under this name; none where there is none.
    fn identity(&self, path: &std::path::Path) -> Result<Option<Identity>>;
    /// Puts the configuration back, file by file; gives the paths.
    fn restore_configuration(&self, id: &BackupId) -> Result<Vec<String>>;
    /// Data directories that restores have put aside, oldest first.
    fn put_aside(&self) -> Result<Vec<PathBuf>>;
    /// Removes one of them.
    fn remove_aside(&self, path: &std::path::Path) -> Result<()>;
}
