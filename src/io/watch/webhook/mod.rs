//! Room `io`: takes an Alertmanager's messages (its webhook, on a loopback address), on a thread of its own. Whoever
//! connects gets little memory and little time; what a message says is decided by the pure
//! [`Board`].

mod answer;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

use self::answer::Desk;
use crate::error::Context;
use crate::fleet::config::FleetConfig;
use crate::io::clock;
use crate::io::probe::secret;
use crate::limits::{
    MAX_WEBHOOK_CONNECTIONS, MAX_WEBHOOK_HEAD_LEN, MAX_WEBHOOK_REFUSALS, MIN_WEBHOOK_TOKEN_LEN,
};
use crate::watch::alertmanager::{Board, Passed};
use crate::watch::sample::Alert;
use crate::{Error, Result};

/// How long the head of a request may take, and how long a connection may be idle.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);
/// How long one connection is kept, whatever goes on on it.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(120);
/// How long somebody who is turned away may take to hear it.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait where no connection can be taken, as without file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What is read of somebody who is turned away, in bytes.
const MAX_REFUSED_LEN: u64 = 65_536;
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Listens for an Alertmanager until it is dropped.
pub struct Receiver {
    address: SocketAddr,
    desk: Arc<Desk>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Listens on `address`, a loopback address and a port (0 is any that is free), for alerts of an environment of the
    /// fleet. The token, how long an alert counts, and the nodes' names are `fleet.toml`'s.
    ///
    /// # Errors
    /// Usage: no such address, or not a loopback one; no token is configured. Failed: it cannot be listened on; the token
    /// cannot be read, can be read by others, or is short.
    pub fn listen(address: &str, fleet: &FleetConfig, environment: &str) -> Result<Receiver> {
        let file = fleet.watch.alertmanager_token.as_deref().ok_or_else(|| {
            Error::usage("no token is configured that the Alertmanager has to show").hint(
                "name a file that nobody else can read: [watch] alertmanager_token_file in fleet.toml",
            )
        })?;
        let instances = fleet.nodes.iter();
        let instances = instances.map(|node| (node.instance().to_owned(), node.name.clone()));
        let stale = fleet.watch.alertmanager_stale;
        let board = Board::new(environment, instances.collect::<BTreeMap<_, _>>(), stale);
        Self::with(address, file, board)
    }

    /// The same for whoever has a board.
    ///
    /// # Errors
    /// As [`Receiver::listen`].
    pub fn with(address: &str, token_file: &Path, board: Board) -> Result<Receiver> {
        let address: SocketAddr = address.parse().or_usage(|| {
            format!("cannot listen on {address:?}, wanted a loopback address and a port, as 127.0.0.1:9095")
        })?;
        if !address.ip().is_loopback() {
            return Err(Error::usage(format!(
                "{address} can be reached from elsewhere, wanted a loopback address, as 127.0.0.1:{}",
                address.port()
            ))
            .hint("let the Alertmanager run beside it, or bring its messages by ssh -L"));
        }
        let token = secret::first_line(token_file).map_err(|why| {
            Error::failed("the Alertmanager's token cannot be used").caused_by(why)
        })?;
        if token.len() < MIN_WEBHOOK_TOKEN_LEN {
            return Err(Error::failed(format!(
                "the token in {} has {} characters, wanted at least {MIN_WEBHOOK_TOKEN_LEN}",
                token_file.display(),
                token.len()
            ))
            .hint(format!("openssl rand -hex 32 > {}", token_file.display())));
        }
        let cannot = || format!("cannot listen on {address}");
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .or_failed(cannot)?;
        let listener = runtime.block_on(TcpListener::bind(address)).map_err(|e| {
            Error::failed(cannot())
                .caused_by(e)
                .hint("does something else listen there? ss -ltnp")
        })?;
        let address = listener.local_addr().or_failed(cannot)?;
        let desk = Arc::new(Desk::new(&token, board));
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&desk);
        let thread = std::thread::Builder::new()
            .name("webhook".into())
            .spawn(move || serve(&runtime, &listener, &served, stopped))
            .or_failed(cannot)?;
        Ok(Receiver {
            address,
            desk,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What fires now.
    pub fn alerts(&self) -> Vec<Alert> {
        self.desk.board().firing(clock::elapsed())
    }

    /// How many alerts were passed over since it began.
    pub fn passed(&self) -> Passed {
        self.desk.board().passed()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    runtime: &Runtime,
    listener: &TcpListener,
    desk: &Arc<Desk>,
    mut stopped: oneshot::Receiver<()>,
) {
    let places = Arc::new(Semaphore::new(MAX_WEBHOOK_CONNECTIONS));
    let refusals = Arc::new(Semaphore::new(MAX_WEBHOOK_REFUSALS));
    runtime.block_on(async {
        loop {
            let accepted = tokio::select! {
                _ = &mut stopped => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => {
                    let desk = Arc::clone(desk);
                    tokio::spawn(async move {
                        // A client that went away or was too slow is no concern of the watch's.
                        let _ = timeout(CONNECTION_PATIENCE, talk(stream, desk)).await;
                        drop(place);
                    });
                }
                Err(_) => {
                    if let Ok(refusal) = Arc::clone(&refusals).try_acquire_owned() {
                        tokio::spawn(async move {
                            let _ = timeout(REFUSAL_PATIENCE, refuse(stream)).await;
                            drop(refusal);
                        });
                    }
                }
            }
        }
    });
}

async fn talk(stream: TcpStream, desk: Arc<Desk>) {
    let service = service_fn(move |request| Arc::clone(&desk).answer(request));
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(MAX_WEBHOOK_HEAD_LEN)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Says that all places are taken, and takes in what is sent meanwhile: else the answer might not arrive.
async fn refuse(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(BUSY).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(MAX_REFUSED_LEN);
    let mut chunk = [0; 4_096];
    while rest.read(&mut chunk).await? > 0 {}
    Ok(())
}
