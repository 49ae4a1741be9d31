//! Room `io`: lines that nobody may see, from a terminal without echo or from a descriptor.

use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use crate::error::Context;
use crate::{Error, Result};

/// How long a line is waited for: whoever asks may hold a store's lease.
const PATIENCE: Duration = Duration::from_secs(300);

/// A line as bytes, without its end.
pub type Line = Zeroizing<Vec<u8>>;

/// A terminal whose echo is off; it is as it was before when this is dropped.
struct Quiet<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> Quiet<'a> {
    /// Keys arrive one by one, also those that else are signals: a run that is killed by Ctrl-C must
    /// not leave a terminal that shows nothing.
    fn begin(terminal: BorrowedFd<'a>) -> Result<Self> {
        let wrong = || "cannot turn the terminal's echo off".to_owned();
        let before = tcgetattr(terminal).or_failed(wrong)?;
        let mut quiet = before.clone();
        let off = LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        quiet.local_modes.remove(off | LocalModes::IEXTEN);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        // What was typed before the question was not meant for it.
        tcsetattr(terminal, OptionalActions::Flush, &quiet).or_failed(wrong)?;
        Ok(Quiet { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
        say("");
    }
}

/// Says a line on the terminal.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Asks on stderr and reads a line of at most `limit` bytes from stdin without showing it. Both are
/// terminals.
///
/// # Errors
/// No answer in five minutes, the end of the input, a longer line. Ctrl-C ends the process as it
/// always does.
pub fn hidden_line(question: &str, limit: usize) -> Result<Line> {
    let stdin = rustix::stdio::stdin();
    let quiet = Quiet::begin(stdin)?;
    let _ = write!(std::io::stderr(), "{question}");
    let _ = std::io::stderr().flush();
    let typed = typed(stdin, &quiet.before, limit);
    drop(quiet);
    match typed? {
        Typed::Line(line) => Ok(line),
        Typed::Interrupted => {
            let _ = kill_process(getpid(), Signal::INT);
            Err(Error::failed("interrupted"))
        }
    }
}

enum Typed {
    Line(Line),
    Interrupted,
}

/// Reads what is typed up to the line's end, with the keys that correct it.
fn typed(terminal: BorrowedFd<'_>, before: &Termios, limit: usize) -> Result<Typed> {
    let key = |index| before.special_codes[index];
    let mut line = empty(limit);
    let until = Instant::now() + PATIENCE;
    loop {
        let Some(byte) = next_byte(terminal, until)? else {
            return Err(Error::failed(
                "the terminal was closed before a passphrase was typed",
            ));
        };
        match byte {
            b'\n' | b'\r' => return Ok(Typed::Line(line)),
            // Nothing is a key where the terminal says 0.
            0 => {}
            b if b == key(SpecialCodeIndex::VINTR) || b == key(SpecialCodeIndex::VQUIT) => {
                return Ok(Typed::Interrupted);
            }
            b if b == key(SpecialCodeIndex::VEOF) => {
                return Err(Error::failed("no passphrase was given"));
            }
            b if b == key(SpecialCodeIndex::VKILL) => line = empty(limit),
            b if b == key(SpecialCodeIndex::VERASE) || b == 0x08 || b == 0x7f => erase(&mut line),
            b if line.len() < limit => line.push(b),
            _ => return Err(too_long(limit)),
        }
    }
}

/// Takes the last character away, which may have several bytes (UTF-8).
fn erase(line: &mut Line) {
    while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

/// Reads one line of at most `limit` bytes from the descriptor `number` of this process.
///
/// # Errors
/// No such descriptor, one that nothing can be read from, a terminal, which would show the line; no
/// line within five minutes, an empty or a longer one.
pub fn line_of_descriptor(number: u32, limit: usize) -> Result<Line> {
    let wrong = |e: std::io::Error| {
        Error::usage(format!("descriptor {number} cannot be read"))
            .caused_by(e)
            .hint("give a file or a pipe: --passphrase-fd 3 3<FILE")
    };
    let shown = || {
        Error::usage(format!(
            "descriptor {number} is a terminal, which shows what is typed"
        ))
        .hint("leave --passphrase-fd out, and be asked for it unseen")
    };
    // What is written to would wait for itself.
    if number == 1 || number == 2 {
        return Err(Error::usage(format!("descriptor {number} is for output"))
            .hint("give a file or a pipe: --passphrase-fd 3 3<FILE"));
    }
    if number == 0 {
        if std::io::stdin().is_terminal() {
            return Err(shown());
        }
        return line_of(rustix::stdio::stdin(), number, limit);
    }
    // Opened anew, since a number alone is nothing that could be read from safely. Not blocking: a pipe
    // with a name would be waited for here already.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(format!("/proc/self/fd/{number}"))
        .map_err(wrong)?;
    match file.is_terminal() {
        true => Err(shown()),
        false => line_of(file.as_fd(), number, limit),
    }
}

fn line_of(from: BorrowedFd<'_>, number: u32, limit: usize) -> Result<Line> {
    let mut line = empty(limit);
    let until = Instant::now() + PATIENCE;
    loop {
        match next_byte(from, until)? {
            None | Some(b'\n') => break,
            Some(byte) if line.len() < limit => line.push(byte),
            Some(_) => return Err(too_long(limit)),
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    match line.is_empty() {
        true => Err(Error::failed(format!(
            "there is no passphrase on descriptor {number}: its first line is empty"
        ))
        .hint("give a file or a pipe with one line: --passphrase-fd 3 3<FILE")),
        false => Ok(line),
    }
}

/// Room for a whole line, so that it is never moved and no copy stays behind.
fn empty(limit: usize) -> Line {
    Zeroizing::new(Vec::with_capacity(limit + 1))
}

fn too_long(limit: usize) -> Error {
    Error::usage(format!("a passphrase of more than {limit} bytes"))
}

/// One byte, and no more: what follows the line is for somebody else. `None` at the end.
fn next_byte(from: BorrowedFd<'_>, until: Instant) -> Result<Option<u8>> {
    let wrong = |e: Errno| Error::failed("cannot read a passphrase").caused_by(e);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left)
            .map_err(|e| Error::bug("a time that is no time").caused_by(e))?;
        match poll(&mut [PollFd::new(&from, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => {
                return Err(Error::failed(format!(
                    "no passphrase was given within {} seconds",
                    PATIENCE.as_secs()
                )));
            }
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(e) => return Err(wrong(e)),
        }
        let mut byte = Zeroizing::new([0; 1]);
        match rustix::io::read(from, byte.as_mut_slice()) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte[0])),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(e) => return Err(wrong(e)),
        }
    }
}
