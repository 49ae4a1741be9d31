//! Room `io`: a witness behind HTTP. Whoever connects gets little memory, little time, and no way to
//! hold up the others; what is answered is decided by the pure [`Notary`].

mod answer;

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use self::answer::Desk;
use crate::error::Context as _;
use crate::limits::{MAX_WITNESS_CONNECTIONS, MAX_WITNESS_HEAD_LEN};
use crate::log::add_checkpoint::Notary;
use crate::{Error, Result};

/// How long the head of a request may take, and how long a connection may be idle.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How long the body of a request may take.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// How long one connection is kept, whatever goes on on it.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(300);
/// How long requests under way may take once the witness is told to end.
const END_PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait where no connection can be taken, as without file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Requests that are decided at the same time; each waits for the disk.
const DECIDING: usize = 16;

/// Says one line of the access log; `true` for one that tells of trouble of the witness's own.
pub type Say = dyn Fn(&str, bool) + Send + Sync;

/// A witness that listens and does not answer yet.
pub struct WitnessServer {
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
    stop: Stop,
}

impl WitnessServer {
    /// Listens on `address`, an IP address and a port; port 0 is any that is free. From here on SIGTERM
    /// and SIGINT end the server, not the process.
    ///
    /// # Errors
    /// Usage: no such address. Failed: it cannot be listened on.
    pub fn bind(address: &str) -> Result<Self> {
        let address: SocketAddr = address.parse().or_usage(|| {
            format!(
                "cannot listen on {address:?}, wanted an IP address and a port, as 127.0.0.1:24110"
            )
        })?;
        let cannot = || format!("cannot listen on {address}");
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(DECIDING)
            .build()
            .or_failed(cannot)?;
        let inside = runtime.enter();
        let stop = Stop::new()?;
        let listener = runtime.block_on(TcpListener::bind(address)).map_err(|e| {
            Error::failed(cannot()).caused_by(e).hint(
                "does something else listen there? ss -ltnp; or take another: --listen ADDR:PORT",
            )
        })?;
        let address = listener.local_addr().or_failed(cannot)?;
        drop(inside);
        Ok(WitnessServer {
            runtime,
            listener,
            address,
            stop,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the process is told to end, and then what is under way.
    pub fn run(self, notary: Notary, say: Box<Say>) {
        let WitnessServer {
            runtime,
            listener,
            mut stop,
            ..
        } = self;
        let desk = Arc::new(Desk::new(notary, say, BODY_PATIENCE));
        runtime.block_on(serve(listener, &mut stop, &desk));
    }
}

async fn serve(listener: TcpListener, stop: &mut Stop, desk: &Arc<Desk>) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_WITNESS_CONNECTIONS));
    // The semaphore is never closed.
    while let Some(Ok(place)) = stop.before(Arc::clone(&places).acquire_owned()).await {
        let (stream, peer) = match stop.before(listener.accept()).await {
            None => break,
            Some(Ok(accepted)) => accepted,
            Some(Err(e)) => {
                desk.trouble(&format!("cannot take a connection: {e}"));
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let desk = Arc::clone(desk);
        let service = service_fn(move |request| Arc::clone(&desk).answer(request, peer));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .max_buf_size(MAX_WITNESS_HEAD_LEN)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that went away or was too slow is no concern of the witness's.
            let _ = timeout(CONNECTION_PATIENCE, connection).await;
            drop(place);
        });
    }
    drop(listener);
    let _ = timeout(END_PATIENCE, graceful.shutdown()).await;
}

/// Whether the process was told to end.
struct Stop([Signal; 2]);

impl Stop {
    fn new() -> Result<Self> {
        let on = |kind| signal(kind).or_failed(|| "cannot wait for signals".into());
        Ok(Stop([
            on(SignalKind::terminate())?,
            on(SignalKind::interrupt())?,
        ]))
    }

    /// The output of `work`; `None` where the process is told to end before.
    async fn before<F: Future>(&mut self, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        poll_fn(|context| match self.poll(context) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => work.as_mut().poll(context).map(Some),
        })
        .await
    }

    fn poll(&mut self, context: &mut Context) -> Poll<()> {
        let told = |signal: &mut Signal| signal.poll_recv(context).is_ready();
        match self.0.iter_mut().any(told) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}
