//! Runs one build and reads what it says. I/O room.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Context;
use crate::hash::{Hasher, Sha256};
use crate::io::build::kill::kill_tree;
use crate::limits::{BUILD_ERROR_LINES, MAX_BUILD_LINE_LEN, MAX_BUILD_LOG_LEN};
use crate::release::build_plan::{BuildPlan, Wanted};
use crate::release::cargo_message::{Line, read_line};
use crate::release::source::BuiltBinary;
use crate::release::text::plain_line;
use crate::{Error, Result};

/// How often the process is looked at when it says nothing.
const TICK: Duration = Duration::from_millis(100);
/// How soon after it has closed its output; twice as long after each look, up to [`TICK`].
const FIRST_LOOK: Duration = Duration::from_micros(200);
/// How long the last lines may take after the process has ended: a daemon that it left behind
/// holds the pipes open for ever.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What a finished build said.
pub(super) struct Output {
    pub binaries: Vec<BuiltBinary>,
    pub log_sha256: Sha256,
}

enum End {
    Status(ExitStatus),
    TooLong,
}

/// Runs the plan's command to its end.
///
/// # Errors
/// It cannot be started, fails, or runs too long; the log cannot be written.
pub(super) fn run(plan: &BuildPlan, on_line: &mut dyn FnMut(&str)) -> Result<Output> {
    let mut talk = Talk::new(plan, on_line)?;
    talk.text(format!("$ {}\n", plan.argv.join(" ")).as_bytes(), false)?;
    // The shell sets the umask, which nothing else can set for a child alone.
    let mut child = Command::new("/bin/sh")
        .args(["-c", "umask 022; exec \"$@\"", "sh"])
        .args(&plan.argv)
        .current_dir(&plan.places.clone)
        .env_clear()
        .envs(&plan.env)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .or_failed(|| format!("`{}` cannot be started", plan.argv.join(" ")))?;
    let lines = listen(&mut child);
    let end = follow(&mut child, &lines, plan.timeout, &mut talk);
    if end.is_err() {
        kill_tree(child.id());
        let _ = child.wait();
    }
    let end = end?;
    let last = talk.last_lines();
    let binaries = std::mem::take(&mut talk.binaries);
    let log_sha256 = talk.finish();
    let message = match end {
        End::Status(status) if status.success() => {
            return Ok(Output {
                binaries,
                log_sha256,
            });
        }
        End::Status(status) => format!("the build failed: {status}"),
        End::TooLong => format!(
            "the build was stopped after {} minutes",
            plan.timeout.as_secs().div_ceil(60)
        ),
    };
    Err(Error::failed(message)
        .caused_by(last)
        .hint(format!("less {}", plan.places.log.display())))
}

fn follow(
    child: &mut Child,
    lines: &Receiver<(bool, Vec<u8>)>,
    timeout: Duration,
    talk: &mut Talk<'_>,
) -> Result<End> {
    let deadline = Instant::now() + timeout;
    let mut pause = FIRST_LOOK;
    loop {
        match lines.recv_timeout(TICK) {
            Ok((stdout, line)) => talk.line(&line, stdout)?,
            Err(RecvTimeoutError::Timeout) => {}
            // Both pipes are closed and the process is about to end.
            Err(RecvTimeoutError::Disconnected) => {
                thread::sleep(pause);
                pause = TICK.min(2 * pause);
            }
        }
        if let Some(status) = child
            .try_wait()
            .or_failed(|| "the build cannot be waited for".into())?
        {
            drain(lines, talk)?;
            return Ok(End::Status(status));
        }
        if Instant::now() >= deadline {
            kill_tree(child.id());
            let _ = child.wait();
            drain(lines, talk)?;
            return Ok(End::TooLong);
        }
    }
}

fn drain(lines: &Receiver<(bool, Vec<u8>)>, talk: &mut Talk<'_>) -> Result<()> {
    let until = Instant::now() + LAST_WORDS;
    loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok((stdout, line)) => talk.line(&line, stdout)?,
            Err(_) => return Ok(()),
        }
    }
}

fn listen(child: &mut Child) -> Receiver<(bool, Vec<u8>)> {
    let (sender, receiver) = sync_channel(256);
    if let Some(stdout) = child.stdout.take() {
        let sender = sender.clone();
        thread::spawn(move || read_lines(stdout, true, &sender));
    }
    if let Some(stderr) = child.stderr.take() {
        thread::spawn(move || read_lines(stderr, false, &sender));
    }
    receiver
}

fn read_lines(stream: impl Read, stdout: bool, sender: &SyncSender<(bool, Vec<u8>)>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        let read = (&mut reader)
            .take(MAX_BUILD_LINE_LEN as u64)
            .read_until(b'\n', &mut line);
        if !matches!(read, Ok(n) if n > 0) {
            return;
        }
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
            if line.len() > MAX_BUILD_LINE_LEN && skip_line(&mut reader).is_err() {
                return;
            }
        }
        if sender.send((stdout, line)).is_err() {
            return;
        }
    }
}

fn skip_line(reader: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let (used, done) = match buffer.iter().position(|b| *b == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(used);
        if done {
            return Ok(());
        }
    }
}

// Where lines go: the log, the listener, the last lines, or the list of binaries.
struct Talk<'a> {
    plan: &'a BuildPlan,
    on_line: &'a mut dyn FnMut(&str),
    log: File,
    written: u64,
    hasher: Hasher,
    last: VecDeque<String>,
    binaries: Vec<BuiltBinary>,
}

impl<'a> Talk<'a> {
    fn new(plan: &'a BuildPlan, on_line: &'a mut dyn FnMut(&str)) -> Result<Self> {
        let path = &plan.places.log;
        let log =
            File::create(path).or_failed(|| format!("log {} cannot be made", path.display()))?;
        Ok(Talk {
            plan,
            on_line,
            log,
            written: 0,
            hasher: Hasher::new(),
            last: VecDeque::new(),
            binaries: Vec::new(),
        })
    }

    fn line(&mut self, line: &[u8], stdout: bool) -> Result<()> {
        if stdout && matches!(self.plan.wanted, Wanted::Reported(_)) {
            // Cargo's messages are for us; people read what they are about on stderr.
            match read_line(String::from_utf8_lossy(line).trim_end()) {
                Line::Binary(binary) => {
                    self.binaries.push(binary);
                    return Ok(());
                }
                Line::Other => return Ok(()),
                Line::Text => {}
            }
        }
        self.text(line, true)
    }

    fn text(&mut self, line: &[u8], tell: bool) -> Result<()> {
        let room = MAX_BUILD_LOG_LEN.saturating_sub(self.written);
        if line.len() as u64 <= room {
            self.log.write_all(line).or_failed(|| {
                format!("log {} cannot be written", self.plan.places.log.display())
            })?;
            self.hasher.update(line);
            self.written += line.len() as u64;
        }
        if tell {
            let plain = plain_line(String::from_utf8_lossy(line).trim_end());
            if self.last.len() == BUILD_ERROR_LINES {
                self.last.pop_front();
            }
            (self.on_line)(&plain);
            self.last.push_back(crate::release::text::cut(&plain, 400));
        }
        Ok(())
    }

    fn last_lines(&self) -> String {
        if self.last.is_empty() {
            return "it printed nothing".into();
        }
        let lines: Vec<&str> = self.last.iter().map(String::as_str).collect();
        format!("its last lines were\n{}", lines.join("\n"))
    }

    /// Not synced: the log is for people who look now, and the next build replaces it.
    fn finish(self) -> Sha256 {
        self.hasher.finish()
    }
}
