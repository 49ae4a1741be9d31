//! Room `io`: the looks of probes, each on a thread of its own, and the wire that they get.

mod http;
mod log;
mod pin;
pub(super) mod secret;

use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use self::http::Clients;
use super::node_run;
use crate::node::config::probe::Endpoint;
use crate::node::probe::{FileFrom, FilePart, Look, Looks, Ran, Reply, Seen, UnitLog, Wire};

pub(super) use self::log::is_blind;

type Answer = (u64, Result<Seen, String>);

/// Threads that look.
pub(crate) struct Threads {
    clients: Arc<Clients>,
    sender: Sender<Answer>,
    receiver: Receiver<Answer>,
}

impl Threads {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = channel();
        Threads {
            clients: Arc::default(),
            sender,
            receiver,
        }
    }
}

impl Looks for Threads {
    fn begin(&self, id: u64, timeout: Duration, look: Look) {
        let sender = self.sender.clone();
        let wire = RealWire {
            clients: Arc::clone(&self.clients),
            deadline: Instant::now() + timeout,
        };
        let begun = std::thread::Builder::new()
            .name("probe".into())
            .spawn(move || {
                // Whoever waited may be gone; then nobody needs the answer.
                let _ = sender.send((id, look(&wire)));
            });
        if let Err(error) = begun {
            let _ = self
                .sender
                .send((id, Err(format!("cannot begin a look: {error}"))));
        }
    }

    fn answers(&self) -> Vec<Answer> {
        self.receiver.try_iter().collect()
    }
}

/// Wires for who looks from another machine.
#[cfg(feature = "maintainer")]
#[derive(Clone, Default)]
pub(super) struct Wires(Arc<Clients>);

#[cfg(feature = "maintainer")]
impl Wires {
    /// One on which nothing lasts longer than until then.
    pub(super) fn until(&self, deadline: Instant) -> impl Wire + use<> {
        RealWire {
            clients: Arc::clone(&self.0),
            deadline,
        }
    }
}

/// The machine's wire for one look.
struct RealWire {
    clients: Arc<Clients>,
    deadline: Instant,
}

impl RealWire {
    /// Time that the look still has.
    fn left(&self) -> Result<Duration, String> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err("the look's time is over".into()),
            false => Ok(left),
        }
    }
}

impl Wire for RealWire {
    fn http(&self, to: &Endpoint, body: Option<&[u8]>, limit: u64) -> Result<Reply, String> {
        self.left()?;
        self.clients.exchange(to, body, limit, self.deadline)
    }

    fn connect(&self, address: &str) -> Result<(), String> {
        let found = address
            .to_socket_addrs()
            .map_err(|e| format!("{address} has no address: {e}"))?;
        let mut last = format!("{address} has no address");
        for socket in found {
            match TcpStream::connect_timeout(&socket, self.left()?) {
                Ok(_) => return Ok(()),
                Err(error) => last = format!("{address} takes no connection: {error}"),
            }
        }
        Err(last)
    }

    fn run(&self, argv: &[String], dir: &Path) -> Result<Ran, String> {
        let output = node_run::run(argv, Some(dir), self.left()?).map_err(|e| e.to_string())?;
        Ok(Ran {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }

    fn journal(&self, unit: &UnitLog, after: Option<&str>, limit: u64) -> Result<Vec<u8>, String> {
        log::journal(unit, after, limit, self.left()?)
    }

    fn file(&self, path: &Path, from: FileFrom, limit: u64) -> Result<FilePart, String> {
        log::file(path, from, limit)
    }
}
