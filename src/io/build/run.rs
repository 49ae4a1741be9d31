//! Runs one command and reads what it says. I/O room.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::error::Context;
use crate::hash::{Hasher, Sha256};
use crate::io::build::kill::{kill_strays, kill_tree};
use crate::limits::{BUILD_ERROR_LINES, MAX_BUILD_LINE_LEN, MAX_BUILD_LOG_LEN};
use crate::release::text::plain_line;

/// How often the process is looked at when it says nothing.
const TICK: Duration = Duration::from_millis(100);
/// How soon after it has closed its output; twice as long after each look, up to [`TICK`].
const FIRST_LOOK: Duration = Duration::from_micros(200);
/// How long the last lines may take after the process has ended: a daemon that it left behind
/// holds the pipes open for ever.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// The same where whatever it left behind was ended, each time that something came.
const LAST_WORDS_OF_ALL: Duration = Duration::from_secs(5);

/// A command that is to be run.
pub(in crate::io) struct Spec<'a> {
    /// Program and arguments.
    pub argv: &'a [String],
    /// Where.
    pub dir: &'a Path,
    /// The whole environment.
    pub env: &'a BTreeMap<String, String>,
    /// The file that its output is written to, readable by its owner alone.
    pub log: &'a Path,
    /// When it is stopped.
    pub timeout: Duration,
    /// Whether all processes that descend from this one are ended after it: nothing else may run any.
    pub sweep: bool,
}

/// What a finished command said.
pub(in crate::io) struct Output {
    pub end: End,
    pub log_sha256: Sha256,
    /// Its last lines, for errors.
    pub last: String,
    /// Processes that it left behind, which were ended; always none unless [`Spec::sweep`].
    #[cfg_attr(
        not(feature = "maintainer"),
        expect(dead_code, reason = "gates alone ask")
    )]
    pub strays: usize,
}

/// How a command ended.
pub(in crate::io) enum End {
    Status(ExitStatus),
    TooLong,
}

/// Runs a command to its end. `hear` gets each line with whether it came on stdout, and says whether the
/// line is text for people: then it is in the log.
///
/// # Errors
/// It cannot be started; the log cannot be written.
pub(in crate::io) fn run(
    spec: &Spec,
    hear: &mut dyn FnMut(&[u8], bool) -> Result<bool>,
) -> Result<Output> {
    let mut talk = Talk::new(spec, hear)?;
    talk.write(format!("$ {}\n", spec.argv.join(" ")).as_bytes())?;
    // The shell sets the umask, which nothing else can set for a child alone.
    let mut child = Command::new("/bin/sh")
        .args(["-c", "umask 022; exec \"$@\"", "sh"])
        .args(spec.argv)
        .current_dir(spec.dir)
        .env_clear()
        .envs(spec.env)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .or_failed(|| format!("`{}` cannot be started", spec.argv.join(" ")))?;
    let lines = listen(&mut child);
    let end = follow(&mut child, &lines, &mut talk);
    if end.is_err() {
        kill_tree(child.id());
        let _ = child.wait();
        if spec.sweep {
            kill_strays();
        }
    }
    let (end, strays) = end?;
    Ok(Output {
        end,
        strays,
        last: talk.last_lines(),
        log_sha256: talk.finish(),
    })
}

fn follow(
    child: &mut Child,
    lines: &Receiver<(bool, Vec<u8>)>,
    talk: &mut Talk<'_>,
) -> Result<(End, usize)> {
    let deadline = Instant::now() + talk.spec.timeout;
    let mut pause = FIRST_LOOK;
    let end = loop {
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
            .or_failed(|| "the command cannot be waited for".into())?
        {
            break End::Status(status);
        }
        if Instant::now() >= deadline {
            kill_tree(child.id());
            let _ = child.wait();
            break End::TooLong;
        }
    };
    let strays = if talk.spec.sweep { kill_strays() } else { 0 };
    drain(lines, talk)?;
    Ok((end, strays))
}

fn drain(lines: &Receiver<(bool, Vec<u8>)>, talk: &mut Talk<'_>) -> Result<()> {
    let mut until = Instant::now() + LAST_WORDS;
    loop {
        if talk.spec.sweep {
            until = Instant::now() + LAST_WORDS_OF_ALL;
        }
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

// Where lines go: the listener, the log, the last lines.
struct Talk<'a> {
    spec: &'a Spec<'a>,
    hear: &'a mut dyn FnMut(&[u8], bool) -> Result<bool>,
    log: File,
    written: u64,
    hasher: Hasher,
    last: VecDeque<String>,
}

impl<'a> Talk<'a> {
    fn new(
        spec: &'a Spec<'a>,
        hear: &'a mut dyn FnMut(&[u8], bool) -> Result<bool>,
    ) -> Result<Self> {
        let log = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(spec.log)
            .or_failed(|| format!("log {} cannot be made", spec.log.display()))?;
        Ok(Talk {
            spec,
            hear,
            log,
            written: 0,
            hasher: Hasher::new(),
            last: VecDeque::new(),
        })
    }

    fn line(&mut self, line: &[u8], stdout: bool) -> Result<()> {
        if !(self.hear)(line, stdout)? {
            return Ok(());
        }
        self.write(line)?;
        let plain = plain_line(String::from_utf8_lossy(line).trim_end());
        if self.last.len() == BUILD_ERROR_LINES {
            self.last.pop_front();
        }
        self.last.push_back(crate::release::text::cut(&plain, 400));
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> Result<()> {
        let room = MAX_BUILD_LOG_LEN.saturating_sub(self.written);
        if line.len() as u64 <= room {
            self.log
                .write_all(line)
                .or_failed(|| format!("log {} cannot be written", self.spec.log.display()))?;
            self.hasher.update(line);
            self.written += line.len() as u64;
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

    /// Not synced: the log is for people who look now.
    fn finish(self) -> Sha256 {
        self.hasher.finish()
    }
}
