//! Runs a command with a deadline: no shell, no terminal, output bounded.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::{Context, Error, Result};
use crate::limits;

const POLL: Duration = Duration::from_millis(10);
/// How long a program file may be open for writing.
const BUSY: Duration = Duration::from_secs(2);
/// How long output may still come after the command ended: a child of it may hold the pipe.
const DRAIN: Duration = Duration::from_millis(500);

/// What a command said.
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Itself, if the command ended well.
    ///
    /// # Errors
    /// Kind failed, with `message` of how it ended, and what it said last.
    pub(crate) fn ended_well(self, message: impl FnOnce(ExitStatus) -> String) -> Result<Output> {
        if self.status.success() {
            return Ok(self);
        }
        let error = Error::failed(message(self.status));
        Err(self.tail().into_iter().fold(error, Error::caused_by))
    }

    /// The last lines of both streams, for an error.
    pub(crate) fn tail(&self) -> Vec<String> {
        let text = format!("{}{}", self.stdout, self.stderr);
        last_lines(&text, 5)
    }
}

/// Runs `argv` in `dir` until it ends or `timeout` is over; then its process group is killed.
pub(crate) fn run(argv: &[String], dir: Option<&Path>, timeout: Duration) -> Result<Output> {
    run_up_to(argv, dir, timeout, limits::MAX_COMMAND_OUTPUT_LEN)
}

/// As [`run`], with variables of its own.
pub(crate) fn run_told(
    argv: &[String],
    told: &[(&'static str, String)],
    timeout: Duration,
) -> Result<Output> {
    let limit = limits::MAX_COMMAND_OUTPUT_LEN;
    run_in(argv, None, told, None, timeout, limit)
}

/// As [`run`], with `fed` on its standard input; a command that does not read it is no error.
#[cfg(feature = "maintainer")]
pub(crate) fn run_fed(
    argv: &[String],
    dir: Option<&Path>,
    fed: Vec<u8>,
    timeout: Duration,
) -> Result<Output> {
    let limit = limits::MAX_COMMAND_OUTPUT_LEN;
    run_in(argv, dir, &[], Some(fed), timeout, limit)
}

/// As [`run`], keeping `limit` bytes of each stream.
pub(crate) fn run_up_to(
    argv: &[String],
    dir: Option<&Path>,
    timeout: Duration,
    limit: u64,
) -> Result<Output> {
    run_in(argv, dir, &[], None, timeout, limit)
}

fn run_in(
    argv: &[String],
    dir: Option<&Path>,
    told: &[(&'static str, String)],
    fed: Option<Vec<u8>>,
    timeout: Duration,
    limit: u64,
) -> Result<Output> {
    let shown = argv.join(" ");
    let Some((program, args)) = argv.split_first() else {
        return Err(Error::bug("an empty command was to be run"));
    };
    let mut command = Command::new(program);
    command
        .args(args)
        .env("LC_ALL", "C")
        .envs(told.iter().map(|(name, value)| (name, value)))
        .stdin(match fed {
            Some(_) => Stdio::piped(),
            None => Stdio::null(),
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    let deadline = Instant::now() + timeout;
    let mut child = spawn(&mut command).or_failed(|| format!("cannot run {shown}"))?;
    if let (Some(mut pipe), Some(fed)) = (child.stdin.take(), fed) {
        // One that does not read must not hold us up.
        std::thread::spawn(move || {
            let _ = pipe.write_all(&fed);
        });
    }
    let stdout = collect(child.stdout.take(), limit);
    let stderr = collect(child.stderr.take(), limit);
    let status = loop {
        match child
            .try_wait()
            .or_failed(|| format!("cannot wait for {shown}"))?
        {
            Some(status) => break status,
            None if Instant::now() >= deadline => {
                if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                let _ = child.wait();
                return Err(Error::failed(format!(
                    "{shown} did not end within {} s and was killed",
                    timeout.as_secs()
                )));
            }
            None => std::thread::sleep(POLL),
        }
    };
    let text = |receiver: mpsc::Receiver<Vec<u8>>| {
        let bytes = receiver.recv_timeout(DRAIN).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Ok(Output {
        status,
        stdout: text(stdout),
        stderr: text(stderr),
    })
}

/// Starts `command`; a program file that a child of ours is about to close is waited for.
pub(crate) fn spawn(command: &mut Command) -> std::io::Result<Child> {
    let deadline = Instant::now() + BUSY;
    loop {
        match command.spawn() {
            Err(error)
                if error.kind() == std::io::ErrorKind::ExecutableFileBusy
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(POLL);
            }
            result => return result,
        }
    }
}

/// Reads a pipe to its end in the background and keeps the beginning.
pub(crate) fn collect<R: Read + Send + 'static>(
    pipe: Option<R>,
    limit: u64,
) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = (&mut pipe).take(limit).read_to_end(&mut kept);
            // The rest is read too, so that the command never waits for us.
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
        let _ = sender.send(kept);
    });
    receiver
}

/// The last `count` lines of `text`, without what could steer a terminal, each at most 500
/// characters.
pub(crate) fn last_lines(text: &str, count: usize) -> Vec<String> {
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    let skip = lines.len().saturating_sub(count);
    lines
        .into_iter()
        .skip(skip)
        .map(|l| {
            l.chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .take(500)
                .collect()
        })
        .collect()
}
