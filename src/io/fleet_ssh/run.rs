//! Room `io`: one command over a connection that is there, with all that may become of it. Whether the node was asked is
//! never guessed: ssh tells when it has passed the command on, and a bundle runs nothing before it is whole.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openssh::{Error, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::connect::Open;
use super::words;
use crate::limits::MAX_NODE_TALK_LEN;

/// How long the node may take to open a session on a connection that is there.
const OPEN_PATIENCE: Duration = Duration::from_secs(30);
/// How long a part of the input may wait before it is taken.
const PART_PATIENCE: Duration = Duration::from_secs(60);
const PART_LEN: usize = 65_536;

/// What the command reads.
pub(super) enum Input {
    Nothing,
    /// A file of that length in bytes.
    File(PathBuf, u64),
    Bytes(Arc<[u8]>),
}

/// One command.
pub(super) struct Order {
    /// Quoted for a shell.
    pub(super) command: String,
    pub(super) input: Input,
    /// Bytes of its output that are taken.
    pub(super) limit: u64,
    /// How long it may take once it has its input.
    pub(super) deadline: Duration,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Ran {
    /// The node was not asked.
    Unsent(String),
    /// It was, and nobody knows more.
    Lost(String),
    /// It ended by itself, after saying this on stderr.
    Ended { code: i32, talk: String },
    /// It said more than was wanted.
    TooLong,
    /// Its output was not taken on this side.
    Refused(String),
}

/// Why reading stopped before the end.
enum Stop {
    TooLong,
    Refused(String),
    Broken(std::io::Error),
}

impl Order {
    pub(super) fn new(command: String, deadline: Duration) -> Order {
        Order {
            command,
            input: Input::Nothing,
            limit: MAX_NODE_TALK_LEN,
            deadline,
        }
    }

    /// Runs it, and gives what it prints to `take` as it comes.
    pub(super) async fn run(
        &self,
        open: &Open,
        take: &mut impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Ran {
        let mut command = open.session.raw_command(&self.command);
        command.stdin(match self.input {
            Input::Nothing => Stdio::null(),
            _ => Stdio::piped(),
        });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match timeout(OPEN_PATIENCE, command.spawn()).await {
            Ok(Ok(child)) => child,
            Ok(Err(e)) => return Ran::Unsent(reason(open, &e)),
            Err(_) => {
                return Ran::Unsent(format!("no session within {} s", OPEN_PATIENCE.as_secs()));
            }
        };
        let (input, output, errors) = (
            child.stdin().take(),
            child.stdout().take(),
            child.stderr().take(),
        );
        let fed = AtomicBool::new(false);
        let feeding = async {
            if let Some(input) = input {
                fed.store(self.feed(input).await, Ordering::SeqCst);
            } else {
                fed.store(true, Ordering::SeqCst);
            }
            Ok(())
        };
        let working = async {
            let (_, (), talk) =
                tokio::try_join!(feeding, self.take_all(output, take), listen(errors))?;
            Ok::<_, Stop>((talk, child.wait().await))
        };
        let ended = timeout(self.deadline + self.feeding_time(), working).await;
        let unknown = |why: String| match fed.load(Ordering::SeqCst) {
            true => Ran::Lost(why),
            // What reads the input runs nothing before it has all of it.
            false => Ran::Unsent(why),
        };
        match ended {
            Err(_) => unknown(format!("no answer within {} s", self.deadline.as_secs())),
            Ok(Err(Stop::TooLong)) => Ran::TooLong,
            Ok(Err(Stop::Refused(why))) => Ran::Refused(why),
            Ok(Err(Stop::Broken(e))) => unknown(format!("its output broke: {e}")),
            Ok(Ok((talk, waited))) => match status(waited) {
                Some(code) => Ran::Ended { code, talk },
                None => unknown(match open.last_words() {
                    Some(why) => why,
                    None => "the connection ended, or a signal ended the command".into(),
                }),
            },
        }
    }

    /// The longest that input may take: slower is as good as stuck.
    fn feeding_time(&self) -> Duration {
        let length = match &self.input {
            Input::Nothing => return Duration::ZERO,
            Input::File(_, length) => *length,
            Input::Bytes(bytes) => bytes.len() as u64,
        };
        PART_PATIENCE + Duration::from_secs(length / crate::limits::MIN_TRANSFER_RATE)
    }

    /// Whether all of the input was taken.
    async fn feed(&self, mut to: impl AsyncWrite + Unpin) -> bool {
        let mut part = vec![0; PART_LEN];
        let (mut file, mut bytes, mut left) = match &self.input {
            Input::Nothing => return true,
            Input::Bytes(bytes) => (None, &bytes[..], bytes.len() as u64),
            Input::File(path, length) => match std::fs::File::open(path) {
                Ok(file) => (Some(file), &[][..], *length),
                Err(_) => return false,
            },
        };
        while left > 0 {
            let wanted = part.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let source: &mut dyn std::io::Read = match &mut file {
                Some(file) => file,
                None => &mut bytes,
            };
            let Ok(length @ 1..) = source.read(&mut part[..wanted]) else {
                return false;
            };
            let written = timeout(PART_PATIENCE, to.write_all(&part[..length])).await;
            if !matches!(written, Ok(Ok(()))) {
                return false;
            }
            left -= length as u64;
        }
        matches!(timeout(PART_PATIENCE, to.shutdown()).await, Ok(Ok(())))
    }

    async fn take_all(
        &self,
        output: Option<impl AsyncRead + Unpin>,
        take: &mut impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), Stop> {
        let Some(mut output) = output else {
            return Ok(());
        };
        let mut part = vec![0; PART_LEN];
        let mut taken = 0;
        loop {
            let length = output.read(&mut part).await.map_err(Stop::Broken)?;
            if length == 0 {
                return Ok(());
            }
            taken += length as u64;
            if taken > self.limit {
                return Err(Stop::TooLong);
            }
            take(&part[..length]).map_err(Stop::Refused)?;
        }
    }
}

/// Reads to the end, so that nobody has to wait for us, and keeps the beginning.
async fn listen(errors: Option<impl AsyncRead + Unpin>) -> Result<String, Stop> {
    let Some(mut errors) = errors else {
        return Ok(String::new());
    };
    let mut part = vec![0; PART_LEN];
    let mut kept = Vec::new();
    loop {
        let length = errors.read(&mut part).await.map_err(Stop::Broken)?;
        if length == 0 {
            return Ok(String::from_utf8_lossy(&kept).into_owned());
        }
        let room = (MAX_NODE_TALK_LEN as usize).saturating_sub(kept.len());
        kept.extend_from_slice(&part[..length.min(room)]);
    }
}

/// The exit status; none where a signal or the end of the connection took it away.
fn status(waited: Result<ExitStatus, Error>) -> Option<i32> {
    match waited {
        Ok(status) => status.code(),
        // What openssh makes of 127.
        Err(Error::Remote(_)) => Some(127),
        Err(_) => None,
    }
}

fn reason(open: &Open, error: &Error) -> String {
    let mut why = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        why = cause.to_string();
        source = cause.source();
    }
    match open.last_words() {
        Some(words) => format!("{}; {words}", words::shown(&why)),
        None => words::shown(&why),
    }
}
