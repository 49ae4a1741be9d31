//! Processes by `/proc`: when they started, what they run, and a signal that cannot hit another.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use jiff::Timestamp;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::node_tree::hash_file;
use crate::error::{Error, Result};
use crate::hash::Sha256;
use crate::node::host::Process;

const MAX_PROC_LEN: u64 = 65_536;

fn read_proc(path: &str) -> std::io::Result<String> {
    let mut text = Vec::new();
    File::open(path)?
        .take(MAX_PROC_LEN)
        .read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn gone(error: &std::io::Error) -> bool {
    // ESRCH: it ended while its file was open.
    error.kind() == std::io::ErrorKind::NotFound || error.raw_os_error() == Some(3)
}

/// The process, or none where it ended; one that only waits to be reaped has ended.
pub(crate) fn process(pid: u32) -> Result<Option<Process>> {
    let path = format!("/proc/{pid}/stat");
    let text = match read_proc(&path) {
        Ok(text) => text,
        Err(error) if gone(&error) => return Ok(None),
        Err(error) => return Err(Error::failed(format!("cannot read {path}")).caused_by(error)),
    };
    // The name in parentheses may hold anything, parentheses too.
    let fields: Vec<&str> = match text.rsplit_once(')') {
        Some((_, rest)) => rest.split_whitespace().collect(),
        None => Vec::new(),
    };
    let (Some(state), Some(Ok(start_ticks))) =
        (fields.first(), fields.get(19).map(|t| t.parse::<u64>()))
    else {
        return Err(Error::failed(format!("{path} cannot be read: {text:?}")));
    };
    if matches!(*state, "Z" | "X" | "x") {
        return Ok(None);
    }
    let hertz = rustix::param::clock_ticks_per_second().max(1);
    let boot = boot_time().unwrap_or(0);
    Ok(Some(Process {
        pid,
        start_ticks,
        started: Timestamp::from_second(boot.saturating_add_unsigned(start_ticks / hertz))
            .unwrap_or_default(),
    }))
}

fn boot_time() -> Option<i64> {
    let text = read_proc("/proc/stat").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

/// Digest of the file that the process runs, replaced on disk or not.
pub(crate) fn exe_digest(pid: u32) -> Result<Option<Sha256>> {
    let path = format!("/proc/{pid}/exe");
    match File::open(&path) {
        Ok(mut file) => Ok(Some(hash_file(&mut file, &|| path.clone())?.0)),
        Err(error) if gone(&error) => Ok(None),
        Err(error) => Err(
            Error::failed(format!("cannot read {path}, so what it runs is unknown"))
                .caused_by(error)
                .hint("run as the daemon's user or as root"),
        ),
    }
}

/// The path of the file that the process runs, without the mark of a removed one.
pub(crate) fn exe_path(pid: u32) -> Option<PathBuf> {
    let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    match path.to_str().and_then(|p| p.strip_suffix(" (deleted)")) {
        Some(shorter) => Some(shorter.into()),
        None => Some(path),
    }
}

/// A descriptor of a process: a signal through it never reaches a later one with the same id.
pub(crate) struct Handle(std::os::fd::OwnedFd, u32);

impl Handle {
    /// None where the process ended.
    pub(crate) fn open(pid: u32) -> Result<Option<Handle>> {
        let Some(id) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
            return Ok(None);
        };
        match pidfd_open(id, PidfdFlags::empty()) {
            Ok(fd) => Ok(Some(Handle(fd, pid))),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => {
                Err(Error::failed(format!("cannot watch process {pid}")).caused_by(error))
            }
        }
    }

    /// Sends a signal; an ended process is no error.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        match pidfd_send_signal(&self.0, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => {
                Err(Error::failed(format!("cannot signal process {}", self.1)).caused_by(error))
            }
        }
    }
}
