//! Room `io`: the ssh-agent at `SSH_AUTH_SOCK`. It is believed nothing: its answers are bounded in size
//! and time, and a signature counts only once it verified under the key that was asked for.

mod wire;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt,
};

use crate::attest::dsse::short;
use crate::keys::PublicKey;
use crate::limits::MAX_AGENT_MESSAGE_LEN;
use crate::{Error, Result};

/// The variable that says where the agent is.
pub const SOCKET: &str = "SSH_AUTH_SOCK";
/// How long an agent may think before it lists its keys.
const LIST_PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to sign: it may ask a person first (`ssh-add -c`).
const SIGN_PATIENCE: Duration = Duration::from_secs(90);

/// Where an agent is, and how long it is waited for.
#[derive(Clone, Debug)]
pub struct Agent {
    path: PathBuf,
    list_patience: Duration,
    sign_patience: Duration,
}

/// A key in an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its type, as `ssh-ed25519`.
    pub kind: String,
    /// The key, where it is plain Ed25519.
    pub public: Option<PublicKey>,
    /// Its comment.
    pub comment: String,
}

impl Agent {
    /// The agent of this session.
    ///
    /// # Errors
    /// There is none.
    pub fn from_env() -> Result<Self> {
        match std::env::var_os(SOCKET) {
            Some(path) if !path.is_empty() => Ok(Agent {
                path: path.into(),
                list_patience: LIST_PATIENCE,
                sign_patience: SIGN_PATIENCE,
            }),
            _ => Err(
                Error::failed(format!("there is no ssh-agent: {SOCKET} is not set")).hint(
                    "start one and give it the key: eval \"$(ssh-agent)\" && ssh-add KEYFILE",
                ),
            ),
        }
    }

    /// The agent whose socket is `path`, which is waited for so long and no longer.
    pub fn at(path: &Path, patience: Duration) -> Self {
        Agent {
            path: path.to_owned(),
            list_patience: patience,
            sign_patience: patience,
        }
    }

    /// The keys that it has; none where it is locked.
    ///
    /// # Errors
    /// It cannot be reached, refuses, or gives an answer that is none.
    pub fn keys(&self) -> Result<Vec<Identity>> {
        let answer = self.ask(&wire::list_request(), self.list_patience)?;
        let listed = wire::listed(&answer)?.into_iter();
        let keys = listed.map(|key| Identity {
            kind: key.kind,
            // A point of small order is no key of anybody's.
            public: key
                .ed25519
                .and_then(|bytes| PublicKey::from_bytes(bytes).ok()),
            comment: key.comment,
        });
        Ok(keys.collect())
    }

    /// Checks that it has `key`, which `name` stands for in messages.
    ///
    /// # Errors
    /// As [`Agent::keys`]; it does not have it.
    pub fn require(&self, key: &PublicKey, name: &str) -> Result<()> {
        require_among(&self.keys()?, key, name)
    }

    /// Has `key` sign `message`. The signature was verified.
    ///
    /// # Errors
    /// As [`Agent::keys`]; a message that is too long for agents; it refuses; what it gave is no
    /// signature of this key over this message.
    pub fn sign(&self, key: &PublicKey, message: &[u8]) -> Result<[u8; 64]> {
        let request = wire::sign_request(key.bytes(), message)?;
        if request.len() > MAX_AGENT_MESSAGE_LEN {
            return Err(Error::failed(format!(
                "what is to be signed has {} bytes, more than fit into a message to an ssh-agent \
                 ({MAX_AGENT_MESSAGE_LEN} bytes)",
                message.len()
            ))
            .hint("sign it with the key's file, which may have a passphrase"));
        }
        let answer = self.ask(&request, self.sign_patience)?;
        let id = key.keyid();
        let signature = wire::unverified_signature(&answer)?.ok_or_else(|| {
            Error::failed(format!("the ssh-agent refuses to sign with key {}", short(&id)))
                .hint("is it there, not locked, and did you confirm? look: ssh-add -l; unlock: ssh-add -X")
        })?;
        match key.verify(message, &signature) {
            true => Ok(signature),
            false => Err(Error::refused(format!(
                "the ssh-agent gave a signature that is none of key {}",
                short(&id)
            ))
            .hint("do not use this agent: give the key to another one, or sign with its file")),
        }
    }

    /// One request, one answer, on a connection of its own.
    fn ask(&self, request: &[u8], patience: Duration) -> Result<Vec<u8>> {
        let until = Instant::now() + patience;
        let mut stream = self.connect(until)?;
        let len = u32::try_from(request.len())
            .map_err(|e| Error::bug("a request without bounds").caused_by(e))?;
        let framed = [&len.to_be_bytes(), request].concat();
        self.send(&mut stream, &framed, until)?;
        let mut len = [0; 4];
        self.receive(&mut stream, &mut len, until)?;
        let len = u32::from_be_bytes(len) as usize;
        if len == 0 || len > MAX_AGENT_MESSAGE_LEN {
            return Err(wire::malformed(format!(
                "it is to have {len} bytes, wanted 1 to {MAX_AGENT_MESSAGE_LEN}"
            )));
        }
        let mut answer = vec![0; len];
        self.receive(&mut stream, &mut answer, until)?;
        Ok(answer)
    }

    /// Connects by `until`: a socket whose queue is full would be waited for without end.
    fn connect(&self, until: Instant) -> Result<UnixStream> {
        let connected = || -> std::io::Result<UnixStream> {
            let address = SocketAddrUnix::new(&self.path)?;
            let flags = SocketFlags::CLOEXEC;
            let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            let patience = Some(left(until)?);
            sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, patience)?;
            connect(&socket, &address)?;
            Ok(UnixStream::from(socket))
        };
        connected().map_err(|e| self.lost("reached", &e))
    }

    fn send(&self, stream: &mut UnixStream, mut bytes: &[u8], until: Instant) -> Result<()> {
        while !bytes.is_empty() {
            let sent = left(until)
                .and_then(|left| stream.set_write_timeout(Some(left)))
                .and_then(|()| stream.write(bytes));
            match sent {
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.lost("asked", &e)),
            }
        }
        Ok(())
    }

    fn receive(
        &self,
        stream: &mut UnixStream,
        mut buffer: &mut [u8],
        until: Instant,
    ) -> Result<()> {
        while !buffer.is_empty() {
            let got = left(until)
                .and_then(|left| stream.set_read_timeout(Some(left)))
                .and_then(|()| stream.read(buffer));
            match got {
                Ok(0) => {
                    let left = buffer.len();
                    return Err(wire::malformed(format!(
                        "it ends where {left} bytes are missing"
                    )));
                }
                Ok(n) => buffer = buffer.get_mut(n..).unwrap_or_default(),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.lost("read", &e)),
            }
        }
        Ok(())
    }

    fn lost(&self, what: &str, e: &std::io::Error) -> Error {
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        let path = self.path.display();
        match e.kind() {
            TimedOut | WouldBlock => Error::failed(format!("the ssh-agent at {path} does not answer"))
                .hint("does it wait for a confirmation? look: ssh-add -l; or start another one"),
            _ => Error::failed(format!("the ssh-agent at {path} cannot be {what}"))
                .caused_by(e)
                .hint(format!(
                    "start one and give it the key: eval \"$(ssh-agent)\" && ssh-add KEYFILE; {SOCKET} says where it is"
                )),
        }
    }
}

/// Checks that `key`, which `name` stands for in messages, is among an agent's keys.
///
/// # Errors
/// It is not, or the agent has none at all.
pub fn require_among(keys: &[Identity], key: &PublicKey, name: &str) -> Result<()> {
    if keys.iter().any(|known| known.public == Some(*key)) {
        return Ok(());
    }
    let file = name.strip_suffix(".pub").unwrap_or(name);
    Err(match keys.is_empty() {
        true => Error::failed(format!(
            "the ssh-agent has no keys, or is locked; wanted that of {name}"
        ))
        .hint(format!(
            "unlock it: ssh-add -X; or give it the key: ssh-add {file}"
        )),
        false => Error::failed(format!(
            "the ssh-agent does not have the key of {name} (key {}); it has {}",
            short(&key.keyid()),
            summary(keys)
        ))
        .hint(format!(
            "give it the key: ssh-add {file}; or remove {name}, if it is not yours to sign with"
        )),
    })
}

/// Which keys an agent has, for messages.
pub fn summary(keys: &[Identity]) -> String {
    let named = keys.iter().map(|key| match &key.public {
        Some(public) => format!("{} (key {})", key.comment, short(&public.keyid())),
        None => format!("{} ({})", key.comment, key.kind),
    });
    let named: Vec<String> = named.collect();
    match named.is_empty() {
        true => "none".into(),
        false => named.join(", "),
    }
}

/// The time that is left, never zero, which would mean for ever.
fn left(until: Instant) -> std::io::Result<Duration> {
    match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(std::io::ErrorKind::TimedOut.into()),
        left => Ok(left.max(Duration::from_millis(1))),
    }
}
