//! A service without a service manager: started detached by relman, stopped by command or signal.
//!
//! A process id from a file is believed only if the process runs one of this node's binaries.

use std::cell::RefCell;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, openat};
use rustix::process::Signal;

use super::node_dir::{Dir, cannot};
use super::node_process::{Handle, exe_path, process};
use super::node_run::{run, spawn};
use super::service_systemd::{AT_ONCE, tail_file};
use crate::error::{Context, Error, Result};
use crate::limits;
use crate::node::config::{Control, NodeConfig, ServiceConfig};
use crate::node::host::{Service, ServiceState, Stop};
use crate::node::probe::LogSource;

const LOG: &str = "service.log";
const OLD_LOG: &str = "service.log.1";
/// Length of the log when the daemon was started.
const LOG_FROM: &str = "service.log-from";
const PID: &str = "service.pid";
const MAX_PID_FILE_LEN: u64 = 64;
const POLL: Duration = Duration::from_millis(20);
/// How long the kernel may take to end a killed process.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// One daemon.
pub(crate) struct CommandService {
    start: Vec<String>,
    stop: Option<Vec<String>>,
    pid_file: Option<PathBuf>,
    log_file: Option<PathBuf>,
    dir: PathBuf,
    state: PathBuf,
    binaries: Vec<PathBuf>,
    stop_timeout: Duration,
    spawned: RefCell<Spawned>,
}

#[derive(Default)]
struct Spawned {
    child: Option<Child>,
    /// Length of the log when it was started.
    log_from: u64,
}

impl CommandService {
    pub(crate) fn new(config: &NodeConfig, service: &ServiceConfig) -> Self {
        let (start, stop, pid_file) = match &service.control {
            Control::Command {
                start,
                stop,
                pid_file,
            } => (start.clone(), stop.clone(), pid_file.clone()),
            Control::Systemd { .. } => (Vec::new(), None, None),
        };
        CommandService {
            start,
            stop,
            pid_file,
            log_file: service.log_file.clone(),
            dir: config.dir.clone(),
            state: config.state.clone(),
            binaries: config.binaries.iter().map(|b| b.path.clone()).collect(),
            stop_timeout: service.stop_timeout,
            spawned: RefCell::default(),
        }
    }

    fn state_dir(&self) -> Result<Dir> {
        Dir::open(&self.state)?
            .ok_or_else(|| Error::failed(format!("{} does not exist", self.state.display())))
    }

    /// The daemon's process, and what was found instead of it.
    fn find(&self) -> (Option<u32>, String) {
        let own = self
            .state_dir()
            .and_then(|dir| dir.read(PID, MAX_PID_FILE_LEN));
        let theirs = self.pid_file.as_ref().map(|path| {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                return Ok(None);
            };
            match Dir::open(parent)? {
                Some(dir) => dir.read(&name.to_string_lossy(), MAX_PID_FILE_LEN),
                None => Ok(None),
            }
        });
        let mut detail = "no process id is recorded".to_string();
        // The daemon's own file first: it knows which of its processes is the main one.
        for source in theirs.into_iter().chain([own]) {
            let bytes = match source {
                Ok(Some(bytes)) => bytes,
                Ok(None) => continue,
                Err(error) => {
                    detail = error.to_string();
                    continue;
                }
            };
            let text = String::from_utf8_lossy(&bytes);
            let Ok(pid) = text.trim().parse::<u32>() else {
                detail = format!("the pid file says {:?}", text.trim());
                continue;
            };
            match process(pid) {
                Ok(Some(_)) => match exe_path(pid) {
                    Some(exe) if self.is_ours(&exe) => {
                        return (Some(pid), format!("process {pid} runs"));
                    }
                    Some(exe) => {
                        detail = format!(
                            "process {pid} runs {}, which is no binary of this node",
                            exe.display()
                        );
                    }
                    None => detail = format!("what process {pid} runs is unknown"),
                },
                Ok(None) => detail = format!("process {pid} ended"),
                Err(error) => detail = error.to_string(),
            }
        }
        (None, detail)
    }

    /// Whether a process with this program may be ours: a retained version's file, or the file
    /// that was at the path before it became a link.
    fn is_ours(&self, exe: &std::path::Path) -> bool {
        let below = |dir: PathBuf| std::fs::canonicalize(dir).is_ok_and(|d| exe.starts_with(d));
        below(self.state.join("versions"))
            || self.binaries.iter().any(|path| {
                let real = path
                    .parent()
                    .and_then(|p| std::fs::canonicalize(p).ok())
                    .and_then(|p| Some(p.join(path.file_name()?)));
                exe == path || Some(exe) == real.as_deref()
            })
    }

    /// Takes the exit of a child that ended off the kernel's hands.
    fn child_ended(&self) -> Option<std::process::ExitStatus> {
        let mut spawned = self.spawned.borrow_mut();
        spawned.child.as_mut()?.try_wait().ok().flatten()
    }

    fn wait_for_end(&self, pid: u32, timeout: Duration) -> Result<bool> {
        let deadline = Instant::now() + timeout;
        let Some(first) = process(pid)? else {
            return Ok(true);
        };
        loop {
            self.child_ended();
            if process(pid)? != Some(first.clone()) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            std::thread::sleep(POLL);
        }
    }

    fn signal(&self, pid: u32, signal: Signal) -> Result<()> {
        let Some(handle) = Handle::open(pid)? else {
            return Ok(());
        };
        // Looked at again with the handle open: from here on the id cannot be another process.
        match exe_path(pid) {
            Some(exe) if !self.is_ours(&exe) => Err(Error::failed(format!(
                "process {pid} runs {}, which is no binary of this node: it is not touched",
                exe.display()
            ))),
            _ => handle.signal(signal),
        }
    }
}

impl Service for CommandService {
    fn name(&self) -> String {
        self.start.first().cloned().unwrap_or_default()
    }

    fn start(&self) -> Result<()> {
        if let (Some(pid), _) = self.find() {
            return Err(Error::failed(format!("process {pid} runs already")));
        }
        let Some((program, args)) = self.start.split_first() else {
            return Err(Error::bug("a service without a start command"));
        };
        let dir = self.state_dir()?;
        let (log, from) = open_log(&dir)?;
        let log_again = log
            .try_clone()
            .or_failed(|| format!("cannot write {}", dir.path.join(LOG).display()))?;
        // Its own process group: no signal meant for relman's terminal reaches it.
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_again)
            .process_group(0);
        let child =
            spawn(&mut command).or_failed(|| format!("cannot start {}", self.start.join(" ")))?;
        let pid = child.id();
        dir.replace(LOG_FROM, format!("{from}\n").as_bytes(), 0o644)?;
        *self.spawned.borrow_mut() = Spawned {
            child: Some(child),
            log_from: from,
        };
        dir.replace(PID, format!("{pid}\n").as_bytes(), 0o644)
    }

    fn stop(&self, at_once: bool) -> Result<Stop> {
        let (Some(pid), _) = self.find() else {
            return Ok(Stop::Idle);
        };
        let deadline = match at_once {
            true => AT_ONCE.min(self.stop_timeout),
            false => self.stop_timeout,
        };
        match &self.stop {
            Some(argv) => {
                // A failing stop command is followed by signals; only what still runs counts.
                let _ = run(argv, Some(&self.dir), deadline);
            }
            None => self.signal(pid, Signal::TERM)?,
        }
        if self.wait_for_end(pid, deadline)? {
            return Ok(Stop::Graceful);
        }
        self.signal(pid, Signal::KILL)?;
        if self.wait_for_end(pid, KILL_TIMEOUT)? {
            return Ok(Stop::Killed(format!(
                "process {pid} did not end within {} s",
                deadline.as_secs()
            )));
        }
        Err(Error::failed(format!(
            "process {pid} still runs {} s after SIGKILL",
            KILL_TIMEOUT.as_secs()
        ))
        .hint(format!("ps -p {pid} -o pid,stat,wchan,args")))
    }

    fn state(&self) -> Result<ServiceState> {
        let ended = self.child_ended();
        let (pid, mut detail) = self.find();
        // Ended well with a pid file to come: it may have put itself into the background.
        let failed = pid.is_none()
            && ended.is_some_and(|status| !status.success() || self.pid_file.is_none());
        if let (true, Some(status)) = (failed, ended) {
            detail = format!("{} ended with {status}", self.start.join(" "));
        }
        Ok(ServiceState {
            pid,
            failed,
            detail,
            ..ServiceState::default()
        })
    }

    fn last_lines(&self, count: usize) -> Vec<String> {
        match &self.log_file {
            Some(log) => tail_file(log, count, 0),
            None => tail_file(&self.state.join(LOG), count, self.spawned.borrow().log_from),
        }
    }

    fn log(&self, _: jiff::Timestamp) -> LogSource {
        let from = || {
            let bytes = self
                .state_dir()
                .ok()?
                .read(LOG_FROM, MAX_PID_FILE_LEN)
                .ok()??;
            String::from_utf8(bytes).ok()?.trim().parse().ok()
        };
        match &self.log_file {
            Some(path) => LogSource::File {
                path: path.clone(),
                from: None,
            },
            None => LogSource::File {
                path: self.state.join(LOG),
                from: from(),
            },
        }
    }
}

/// The log for appending, and its length; one that has grown too long is put aside.
fn open_log(dir: &Dir) -> Result<(std::fs::File, u64)> {
    let path = dir.path.join(LOG);
    let length = |dir: &Dir| {
        dir.stat(LOG)
            .map(|s| s.map_or(0, |s| u64::try_from(s.st_size).unwrap_or(0)))
    };
    let mut from = length(dir)?;
    if from > limits::MAX_SERVICE_LOG_LEN {
        rustix::fs::renameat(&dir.fd, LOG, &dir.fd, OLD_LOG)
            .map_err(|e| cannot("put aside", &path, e))?;
        from = 0;
    }
    let fd = openat(
        &dir.fd,
        LOG,
        OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::from_raw_mode(0o640),
    )
    .map_err(|e| cannot("open", &path, e))?;
    Ok((std::fs::File::from(fd), from))
}
