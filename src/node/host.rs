//! What the node's drivers ask of the host and of the service manager. Traits and values only;
//! `io` implements them on a real system, the tests in memory.

use std::any::Any;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::config::Binary;
use super::probe::{LogSource, Looks};
use super::record::{AdoptedFrom, FileRecord};
use crate::Result;
use crate::hash::Sha256;

/// A private place (0700) for one operation, on the filesystem of the versions.
#[derive(Clone, Debug)]
pub struct Staging {
    /// Its random name below `staging/`.
    pub id: String,
    /// An empty directory for the archive.
    pub archive: PathBuf,
    /// An empty directory to unpack into.
    pub tree: PathBuf,
}

/// A private directory outside the state, for looking without changing anything.
pub struct Scratch {
    /// The directory, 0700 and empty.
    pub path: PathBuf,
    /// Removes the directory when dropped.
    pub guard: Box<dyn Any>,
}

/// What is at a binary's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Missing,
    /// The link into this node's `current`.
    Ours,
    /// A regular file that somebody else put there.
    File {
        /// Digest of its content.
        sha256: Sha256,
        /// Length in bytes.
        len: u64,
        /// Permission bits, set-id bits included.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
}

/// A running process. The pair of id and start time is never reused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot.
    pub start_ticks: u64,
    /// Start time.
    pub started: Timestamp,
}

/// What the service manager says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceState {
    /// The main process, if there is one.
    pub pid: Option<u32>,
    /// The service ended and nobody will start it again.
    pub failed: bool,
    /// Somebody stopped it, and it ended as it should. Only a service manager can tell.
    pub stopped: bool,
    /// The manager does not know a service of this name.
    pub missing: bool,
    /// How often the manager started it anew by itself; none where nobody counts.
    pub restarts: Option<u64>,
    /// systemd's id of this start.
    pub invocation: Option<String>,
    /// The state in the manager's words.
    pub detail: String,
}

/// How a service was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It did not run.
    Idle,
    /// It ended by itself when it was asked to.
    Graceful,
    /// It did not end before its deadline and was killed; why, in words.
    Killed(String),
}

/// What a service manager has written down about a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceFacts {
    /// Paths of the programs that it starts.
    pub programs: Vec<String>,
    /// Services that it does not start without.
    pub requires: Vec<String>,
    /// Services that it starts after.
    pub after: Vec<String>,
}

/// Starts, stops and watches the daemon.
pub trait Service {
    /// The service's name, for people.
    fn name(&self) -> String;
    /// Starts it.
    ///
    /// # Errors
    /// Kind failed: it did not start.
    fn start(&self) -> Result<()>;
    /// Asks the manager to start it when it can, and does not wait: what has to run before the
    /// daemon cannot wait for it.
    ///
    /// # Errors
    /// Kind failed: it was not taken.
    fn start_later(&self) -> Result<()> {
        self.start()
    }
    /// Asks it to end, and kills it at its deadline; with `at_once` the deadline is short. One that
    /// does not run is no error.
    ///
    /// # Errors
    /// Kind failed: it still runs.
    fn stop(&self, at_once: bool) -> Result<Stop>;
    /// Its state now.
    ///
    /// # Errors
    /// Kind failed: nobody can tell.
    fn state(&self) -> Result<ServiceState>;
    /// What its manager has written down; none without a manager.
    ///
    /// # Errors
    /// Kind failed: nobody can tell.
    fn facts(&self) -> Result<Option<ServiceFacts>> {
        Ok(None)
    }
    /// The last `count` lines that it wrote, oldest first; empty where they cannot be had.
    fn last_lines(&self, count: usize) -> Vec<String>;
    /// Where the lines are that it has written since it started at `started`.
    fn log(&self, started: Timestamp) -> LogSource;
}

/// The state directory, the binaries' paths, processes and time.
///
/// Every change is durable (file and directory synced) when its call returns, and each of
/// [`Host::write_journal`], [`Host::write_floor`], [`Host::set_current`], [`Host::link`] is one atomic rename.
pub trait Host {
    /// The time of day.
    fn now(&self) -> Timestamp;
    /// A clock that never goes back.
    fn uptime(&self) -> Duration;
    /// Waits between two looks at a process.
    fn pause(&self, duration: Duration);
    /// A named place at which a test may kill the run.
    ///
    /// # Errors
    /// Only in tests.
    fn fault_point(&self, name: &str) -> Result<()>;

    /// Creates the state directory's layout and checks owner and mode.
    ///
    /// # Errors
    /// Kind failed: not writable; refused: somebody else could write to it.
    fn prepare(&self) -> Result<()>;
    /// Takes the node's lock for `command` until the value is dropped. The inner error, of kind
    /// failed, says who holds it.
    ///
    /// # Errors
    /// The lock can neither be had nor be held by anybody: I/O.
    fn try_lock(&self, command: &str) -> Result<Result<Box<dyn Any>>>;
    /// [`Host::try_lock`], where a held lock is an error like any other.
    ///
    /// # Errors
    /// As there.
    fn lock(&self, command: &str) -> Result<Box<dyn Any>> {
        self.try_lock(command)?
    }

    /// The journal, if an operation is unfinished.
    fn read_journal(&self) -> Result<Option<Vec<u8>>>;
    /// Writes the journal.
    fn write_journal(&self, bytes: &[u8]) -> Result<()>;
    /// Removes the journal; none is no error.
    fn remove_journal(&self) -> Result<()>;
    /// The stored security floor, if there is one.
    fn read_floor(&self) -> Result<Option<Vec<u8>>>;
    /// Writes the security floor.
    fn write_floor(&self, bytes: &[u8]) -> Result<()>;
    /// The history, or the end of a very long one.
    fn read_history(&self) -> Result<Vec<u8>>;
    /// Appends a line to the history, in place of a torn one.
    fn append_history(&self, line: &[u8]) -> Result<()>;

    /// A private directory that is no part of the state.
    fn scratch(&self) -> Result<Scratch>;
    /// Creates a private place in the state.
    fn create_staging(&self) -> Result<Staging>;
    /// Removes everything in staging and half-made links.
    fn clean(&self, binaries: &[Binary]) -> Result<()>;
    /// Free bytes on the state's filesystem.
    fn free_space(&self) -> Result<u64>;
    /// Why the state or a binary's directory could not be changed by whoever runs this; empty where
    /// all can. Changes nothing.
    fn lacking_permissions(&self, binaries: &[Binary]) -> Vec<String>;

    /// Stores `files` (flat names) as the evidence of `version`, replacing what is there.
    fn keep_evidence(
        &self,
        staging: &Staging,
        version: &str,
        files: &[(String, Vec<u8>)],
    ) -> Result<()>;
    /// Checks the unpacked tree in `staging` against `files` through descriptors, sets modes and
    /// moves it to `versions/<version>`, which must not exist.
    ///
    /// # Errors
    /// Kind refused: the tree is not exactly `files`, or changed while it was looked at.
    fn keep_version(&self, staging: &Staging, version: &str, files: &[FileRecord]) -> Result<()>;
    /// Copies what is at the binaries' paths (or, for those that are links already, in the
    /// current version) to `versions/<version>`, modes and owners kept.
    ///
    /// # Errors
    /// Kind refused: a file is not what `files` says any more.
    fn adopt(
        &self,
        staging: &Staging,
        version: &str,
        binaries: &[Binary],
        files: &[FileRecord],
    ) -> Result<()>;

    /// Names of all retained versions, sorted.
    fn versions(&self) -> Result<Vec<String>>;
    /// Every file of a version, hashed through descriptors; none where it is not retained.
    ///
    /// # Errors
    /// Kind refused: links, devices or anything else that is no file of a release.
    fn files(&self, version: &str) -> Result<Option<Vec<FileRecord>>>;
    /// The evidence files of a version; empty where there is none.
    fn evidence(&self, version: &str) -> Result<Vec<(String, Vec<u8>)>>;
    /// Removes a version and its evidence.
    fn remove_version(&self, version: &str) -> Result<()>;

    /// The version that `current` points to.
    fn current(&self) -> Result<Option<String>>;
    /// Points `current` at a version, or removes it.
    fn set_current(&self, version: Option<&str>) -> Result<()>;
    /// What is at a binary's path.
    ///
    /// # Errors
    /// Kind refused: a directory, a foreign link, or a path that anybody may write to.
    fn inspect(&self, binary: &Binary) -> Result<Found>;
    /// Puts the link at a binary's path, in place of whatever file is there.
    fn link(&self, binary: &Binary) -> Result<()>;
    /// Puts a copy of the version's file in place of the link at a binary's path, checked against
    /// `wanted`; with mode and owner of `from`, where the file was found on this host once.
    ///
    /// # Errors
    /// Kind refused: the file is not `wanted`.
    fn put_file(
        &self,
        binary: &Binary,
        version: &str,
        wanted: &FileRecord,
        from: Option<&AdoptedFrom>,
    ) -> Result<()>;
    /// Removes the link at a binary's path; anything else stays.
    fn unlink(&self, binary: &Binary) -> Result<()>;

    /// The process, or none where it ended.
    fn process(&self, pid: u32) -> Result<Option<Process>>;
    /// Digest of the file that the process runs; none where it ended.
    fn exe_digest(&self, pid: u32) -> Result<Option<Sha256>>;
    /// Runs the operator's command `argv` with variables of its own, at most `timeout` long.
    ///
    /// # Errors
    /// Kind failed: it cannot be run, or did not end well; the causes are what it said last.
    fn run_hook(
        &self,
        argv: &[String],
        told: &[(&'static str, String)],
        timeout: Duration,
    ) -> Result<()>;
    /// What a version's binary prints when run with `args`, at most `timeout` long.
    fn run_version(
        &self,
        version: &str,
        binary: &str,
        args: &[String],
        timeout: Duration,
    ) -> Result<String>;

    /// Runs the looks of probes at the same time as everything else.
    fn looks(&self) -> Box<dyn Looks + '_>;
    /// Takes the lock of a health stage until the value is dropped.
    ///
    /// # Errors
    /// Kind failed: another process holds it; the error names it.
    fn lock_stage(&self, stage: &str) -> Result<Box<dyn Any>>;
    /// What an unfinished health stage remembers.
    fn read_stage(&self, stage: &str) -> Result<Option<Vec<u8>>>;
    /// Keeps what a stage remembers, or, with none, forgets it.
    fn write_stage(&self, stage: &str, bytes: Option<&[u8]>) -> Result<()>;
}
