//! Room `io`: nodes over the operator's own ssh. One connection a destination, made by the program `ssh` with the user's
//! configuration, agent, jump hosts and known hosts, kept as its control master and asked over its socket.

mod answer;
mod connect;
mod place;
mod probe;
mod run;
mod words;

use std::collections::BTreeMap;
use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::clock;
use crate::Result;
use crate::error::Context;
use crate::fleet::config::{FleetConfig, NodeEntry, SshConfig};
use crate::fleet::host::{Ask, Hosts, Reply, Request, Stream};
use crate::limits::MAX_NODE_ANSWER_LEN;

use connect::Slot;
pub use place::{Placed, Placing};
use run::{Input, Order, Ran};

/// How long a node may send what it was asked to stream.
const STREAM_PATIENCE: Duration = Duration::from_secs(4 * 3_600);

/// The nodes of a fleet. Connections are made when they are first needed, and closed when this is dropped.
pub struct SshHosts {
    hands: Arc<Hands>,
    runtime: Runtime,
}

/// What tasks share.
struct Hands {
    ssh: SshConfig,
    /// Below it, each connection has its socket in a directory of its own.
    sockets: PathBuf,
    /// The file that nodes without a way to the store are sent, and its length in bytes.
    bundle: Option<(PathBuf, u64)>,
    /// By destination.
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
}

impl SshHosts {
    /// Connects with nothing yet. `bundle` is what `relman bundle` wrote, for nodes with `bundle = true`.
    ///
    /// # Errors
    /// Failed: no such bundle; no resources.
    pub fn new(config: &FleetConfig, bundle: Option<PathBuf>) -> Result<SshHosts> {
        let bundle = match bundle {
            Some(path) => {
                let length = super::durable::file_len(&path)?;
                Some((path, length))
            }
            None => None,
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .or_failed(|| "cannot wait for several nodes at once".into())?;
        Ok(SshHosts {
            hands: Arc::new(Hands {
                ssh: config.ssh.clone(),
                sockets: connect::socket_dir(),
                bundle,
                slots: Mutex::default(),
            }),
            runtime,
        })
    }

    /// Does all of it at the same time, as many as may be at once, and calls `done` as each ends.
    fn each<T: Send + 'static>(
        &self,
        works: Vec<impl Future<Output = T> + Send + 'static>,
        done: &mut dyn FnMut(usize, T),
    ) {
        self.runtime.block_on(async {
            let places = Arc::new(Semaphore::new(self.hands.ssh.parallel));
            let mut all = JoinSet::new();
            for (i, work) in works.into_iter().enumerate() {
                let places = Arc::clone(&places);
                all.spawn(async move {
                    // The semaphore is never closed.
                    let _place = places.acquire_owned().await;
                    (i, work.await)
                });
            }
            while let Some(ended) = all.join_next().await {
                match ended {
                    Ok((i, value)) => done(i, value),
                    Err(e) => {
                        if let Ok(panic) = e.try_into_panic() {
                            std::panic::resume_unwind(panic);
                        }
                    }
                }
            }
        });
    }
}

impl Hosts for SshHosts {
    fn ask_all(&self, asks: &[Ask<'_>], done: &mut dyn FnMut(usize, Reply)) {
        let works = asks
            .iter()
            .map(|ask| {
                let hands = Arc::clone(&self.hands);
                let (node, request) = (ask.node.clone(), ask.request.clone());
                async move { hands.ask(&node, &request).await }
            })
            .collect();
        self.each(works, done);
    }

    fn stream(
        &self,
        node: &NodeEntry,
        what: Stream,
        limit: u64,
        to: &mut dyn Write,
    ) -> Result<u64, String> {
        let command = words::command(node, &what.arguments(node));
        let order = Order {
            limit,
            ..Order::new(command, STREAM_PATIENCE)
        };
        let mut length = 0;
        let mut take = |bytes: &[u8]| {
            length += bytes.len() as u64;
            to.write_all(bytes)
                .map_err(|e| format!("cannot write what it sent: {e}"))
        };
        let ran = self
            .runtime
            .block_on(self.hands.run(&node.ssh, &order, &mut take));
        match ran {
            Ran::Ended { code: 0, .. } => Ok(length),
            Ran::Ended { code, talk } => Err(words::failed(code, &talk)),
            Ran::TooLong => Err(format!("it sent more than {limit} bytes")),
            Ran::Unsent(why) => Err(format!("not reached: {why}")),
            Ran::Lost(why) => Err(format!("the stream broke after {length} bytes: {why}")),
            Ran::Refused(why) => Err(why),
        }
    }

    fn now(&self) -> Timestamp {
        clock::now()
    }

    fn uptime(&self) -> Duration {
        clock::elapsed()
    }

    fn pause(&self, duration: Duration) {
        // Real nodes need real time, whatever a test says that the clock is.
        std::thread::sleep(duration);
    }
}

impl Hands {
    /// Asks one node.
    async fn ask(&self, node: &NodeEntry, request: &Request) -> Reply {
        let order = match self.order(node, request) {
            Ok(order) => order,
            Err(why) => return Reply::Unreachable(why),
        };
        let mut answer = Vec::new();
        let mut take = |bytes: &[u8]| {
            answer.extend_from_slice(bytes);
            Ok(())
        };
        let ran = self.run(&node.ssh, &order, &mut take).await;
        match answer::read(node, ran, &answer) {
            answer::Said::Reply(reply) => reply,
            answer::Said::Unknown(what) => {
                let version = self.version(node).await;
                Reply::Foreign(words::older(node, &what, version.as_deref()))
            }
        }
    }

    /// What is run on the node, and what it is given to read.
    fn order(&self, node: &NodeEntry, request: &Request) -> Result<Order, String> {
        let arguments = request.arguments(node);
        let installs = matches!(request, Request::Install { .. } | Request::Preview { .. });
        if !node.bundle || !installs {
            return Ok(Order {
                limit: MAX_NODE_ANSWER_LEN,
                ..Order::new(words::command(node, &arguments), request.deadline())
            });
        }
        let Some((path, length)) = &self.bundle else {
            return Err(format!(
                "it has no way to the store (bundle = true), and no bundle was given; \
                 hint: relman bundle TAG --environment {} --out FILE",
                node.environment
            ));
        };
        Ok(Order {
            limit: MAX_NODE_ANSWER_LEN,
            input: Input::File(path.clone(), *length),
            ..Order::new(
                words::with_bundle(node, &arguments, *length),
                request.deadline(),
            )
        })
    }

    /// Runs something at a destination. A connection that had died before anything was sent is made anew, once.
    async fn run(
        &self,
        destination: &str,
        order: &Order,
        take: &mut impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Ran {
        let slot = self.slot(destination);
        let kept = slot.kept().await;
        let was_kept = kept.is_some();
        let open = match kept {
            Some(open) => open,
            None => match slot.connect(self).await {
                Ok(open) => open,
                Err(why) => return Ran::Unsent(why),
            },
        };
        let first = order.run(&open, take).await;
        if !matches!(first, Ran::Unsent(_) | Ran::Lost(_)) {
            return first;
        }
        slot.forget(&open).await;
        if !was_kept || matches!(first, Ran::Lost(_)) {
            return first;
        }
        match slot.connect(self).await {
            Ok(open) => order.run(&open, take).await,
            Err(why) => Ran::Unsent(why),
        }
    }

    fn slot(&self, destination: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(
            slots
                .entry(destination.to_owned())
                .or_insert_with(|| Arc::new(Slot::new(destination))),
        )
    }
}
