//! Probes: what a daemon says of itself, and what is made of it. Pure.
//!
//! A look is a function that is given a [`Wire`] and gives what it saw; `io` runs it on a thread of
//! its own. What was seen becomes a [`Sample`] here, and samples become a judgement in [`judge`].
//! No answer is never a good one.

pub mod expect;
pub mod judge;
pub mod lines;
pub mod look;
pub mod metrics;
pub mod path;
pub mod rounds;
pub mod rpc;

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::config::probe::Endpoint;

/// What one look says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// As wanted.
    Good,
    /// An answer, and not as wanted.
    Bad,
    /// No answer, or none that can be judged.
    Unknown,
}

/// One look, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Whether it was as wanted.
    pub mark: Mark,
    /// What was found; empty where there was no answer.
    pub value: String,
    /// Why it is not good; empty where it is.
    pub why: String,
    /// Nothing that comes later can make it good.
    pub is_final: bool,
    /// It takes more looks to tell.
    pub is_early: bool,
}

impl Sample {
    /// As wanted.
    pub fn good(value: impl Into<String>) -> Self {
        Self::new(Mark::Good, value.into(), String::new())
    }

    /// An answer, and not as wanted.
    pub fn bad(value: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Mark::Bad, value.into(), why.into())
    }

    /// No answer.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self::new(Mark::Unknown, String::new(), why.into())
    }

    /// The same, with what was found.
    pub fn with_value(mut self, value: impl Into<String>) -> Self {
        self.value = cut(&value.into(), crate::limits::MAX_SHOWN_VALUE);
        self
    }

    /// The same, for good.
    pub fn finally(mut self) -> Self {
        self.is_final = true;
        self
    }

    /// The same, of a first look that cannot tell yet.
    pub fn early(mut self) -> Self {
        self.is_early = true;
        self
    }

    fn new(mark: Mark, value: String, why: String) -> Self {
        let most = crate::limits::MAX_SHOWN_VALUE;
        Sample {
            mark,
            value: cut(&value, most),
            why: cut(&why, 2 * most),
            is_final: false,
            is_early: false,
        }
    }
}

/// The first `most` characters of a text, with a mark where some are missing.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What a look saw, not judged yet.
#[derive(Debug)]
pub enum Seen {
    /// The result of a call.
    Json(Value),
    /// A number, and how many series it is of.
    Number(expect::Number),
    /// New lines of a log.
    Lines(lines::LinesSeen),
    /// Something that needs no memory to be judged.
    Sample(Sample),
    /// All that a stage asks at once.
    Signals(Box<super::stage::signals::Signals>),
}

/// A look: given a wire, what was seen, or why nothing was.
pub type Look = Box<dyn FnOnce(&dyn Wire) -> Result<Seen, String> + Send>;

/// What a look may do. All of it ends by the look's deadline; errors are words for people without
/// secrets in them.
pub trait Wire {
    /// One request, a POST of JSON if there is a body. Redirects are not followed.
    ///
    /// # Errors
    /// No answer, or one longer than `limit` bytes.
    fn http(&self, to: &Endpoint, body: Option<&[u8]>, limit: u64) -> Result<Reply, String>;
    /// Connects to `host:port` and hangs up.
    ///
    /// # Errors
    /// Nobody takes the connection.
    fn connect(&self, address: &str) -> Result<(), String>;
    /// Runs a command in a directory.
    ///
    /// # Errors
    /// It does not start or does not end.
    fn run(&self, argv: &[String], dir: &Path) -> Result<Ran, String>;
    /// What a unit's journal has behind a cursor, as `journalctl --output=json` prints it; at most
    /// `limit` bytes of it, the last line perhaps cut.
    ///
    /// # Errors
    /// The journal cannot be read.
    fn journal(&self, unit: &UnitLog, after: Option<&str>, limit: u64) -> Result<Vec<u8>, String>;
    /// At most `limit` bytes of a file.
    ///
    /// # Errors
    /// It cannot be read.
    fn file(&self, path: &Path, from: FileFrom, limit: u64) -> Result<FilePart, String>;
}

/// An answer over HTTP.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit status; none where a signal ended it.
    pub code: Option<i32>,
    /// The beginning of what it printed.
    pub stdout: String,
    /// Its last words on stderr.
    pub stderr: String,
}

/// Where a daemon's log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// A unit's journal.
    Unit(UnitLog),
    /// A file, and the length that it had when the daemon started, where that is known.
    File {
        /// Its path.
        path: PathBuf,
        /// Bytes.
        from: Option<u64>,
    },
}

/// A unit's journal since one start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitLog {
    /// The unit's full name.
    pub unit: String,
    /// systemd's id of this start, where it tells one.
    pub invocation: Option<String>,
    /// Start of the daemon, in seconds since 1970.
    pub since: i64,
}

/// Where to read in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFrom {
    /// So many bytes before its end.
    End(u64),
    /// At this byte.
    Byte(u64),
}

/// A part of a file.
#[derive(Clone, Debug)]
pub struct FilePart {
    /// Tells this file from one that takes its place.
    pub inode: u64,
    /// Its length, in bytes.
    pub len: u64,
    /// Where the bytes begin.
    pub start: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Runs looks, each on a thread of its own.
pub trait Looks {
    /// Begins a look that is to end within `timeout`; its answer comes under `id`.
    fn begin(&self, id: u64, timeout: std::time::Duration, look: Look);
    /// The answers that have come since.
    fn answers(&self) -> Vec<(u64, Result<Seen, String>)>;
}
