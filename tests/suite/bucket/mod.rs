//! Publishing to an object store: whoever dies, waits or loses an answer at whatever call, the history
//! stays one line and nothing that was said to be published is missing.

mod binary;
mod cosigned;
mod faults;
mod kills;
mod mirror;
mod races;
mod records;
mod rules;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use relman::hash::Sha256;
use relman::io::store_object::{BucketStore, Identity};
use relman::store::Reader;
use relman::store::stage::{Authoritative, Lease, Transaction};
use relman::{Error, Result};

use faults::{Connection, Fault, objects};

const TIMESTAMP: &str = "metadata/timestamp.json";
const CHECKPOINT: &str = "log/checkpoint";
/// More than what travels inside a plan.
const LARGE: usize = 66_000;

/// A bucket, and a large file to publish.
struct Bucket {
    objects: Arc<dyn ObjectStore>,
    connect: Box<dyn Fn() -> Arc<dyn ObjectStore> + Sync>,
    dir: tempfile::TempDir,
}

/// Somebody with a machine of their own, a connection and a clock.
struct Publisher {
    name: &'static str,
    store: BucketStore,
    connection: Arc<Connection>,
    file: std::path::PathBuf,
}

impl Bucket {
    fn new() -> Self {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        Bucket::at(move || Arc::clone(&objects))
    }

    /// One that is reached so; each publisher has a connection of its own.
    fn at(connect: impl Fn() -> Arc<dyn ObjectStore> + Sync + 'static) -> Self {
        Bucket {
            objects: connect(),
            connect: Box::new(connect),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// A publisher whose clock is this many minutes ahead.
    fn publisher(&self, name: &'static str, ahead: i64, fault: Fault) -> Publisher {
        let connection = Connection::new(&(self.connect)(), fault);
        let now: Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
        let now = now + SignedDuration::from_mins(ahead);
        let identity = Identity {
            who: name.into(),
            machine: format!("the machine of {name}"),
            clock: Arc::new(move || now),
        };
        let store = BucketStore::over(Arc::clone(&connection) as _, "some/prefix", identity);
        let file = self.dir.path().join(name);
        fs::write(&file, large(name)).unwrap();
        Publisher {
            name,
            store: store.unwrap(),
            connection,
            file,
        }
    }

    /// A bucket in which ann has published once.
    fn begun() -> Self {
        let bucket = Bucket::new();
        bucket.publisher("ann", 0, Fault::None).publish().unwrap();
        bucket
    }

    fn get(&self, path: &str) -> Option<Vec<u8>> {
        objects(self.objects.as_ref()).remove(&format!("some/prefix/{path}"))
    }

    /// Who published what, as the log says; checks that all else agrees with it.
    #[track_caller]
    fn history(&self) -> Vec<String> {
        let mut found = objects(self.objects.as_ref());
        let mut all = |path: &str| found.remove(&format!("some/prefix/{path}"));
        let text = String::from_utf8(all(CHECKPOINT).unwrap_or_default()).unwrap();

        let history: Vec<String> = text.lines().map(str::to_owned).collect();
        let names: BTreeSet<&str> = history.iter().map(String::as_str).collect();
        let larges: BTreeMap<&str, Vec<u8>> =
            names.into_iter().map(|name| (name, large(name))).collect();
        let timestamp = all(TIMESTAMP).unwrap_or_default();
        if !timestamp.is_empty() {
            assert_eq!(timestamp, stamp(history.len() as u64));
        }
        for (n, name) in (1..).zip(&history) {
            assert_eq!(
                all(&format!("metadata/{n}.snapshot.json")).unwrap(),
                name.as_bytes()
            );
            for path in [format!("{n}/archive"), format!("targets/{n}.archive")] {
                assert!(
                    all(&path).unwrap() == larges[name.as_str()],
                    "{path} of {name}"
                );
            }
        }
        history
    }

    /// As [`Bucket::history`], when nobody is at work: nothing else is there but what keeps numbers
    /// from being used twice.
    #[track_caller]
    fn settled_history(&self) -> Vec<String> {
        let history = self.history();
        let mut left: Vec<String> = objects(self.objects.as_ref()).into_keys().collect();
        left.retain(|path| path.contains(".relman-stage/objects"));
        assert_eq!(left, [""; 0], "staged objects");
        // Each publication has five objects and a plan; beside them: heads, lease, probe.
        let others = objects(self.objects.as_ref()).len() - 4 * history.len();
        assert_eq!(others, 4, "{:?}", objects(self.objects.as_ref()).keys());
        history
    }
}

fn large(name: &str) -> Vec<u8> {
    name.bytes().cycle().take(LARGE).collect()
}

fn stamp(version: u64) -> Vec<u8> {
    format!("{{\"signed\":{{\"version\":{version}}}}}").into_bytes()
}

impl Publisher {
    fn lease(&self) -> Result<Box<dyn Lease>> {
        self.store.lease("publish")
    }

    /// What relman's own planner does: read the timestamp first, then the log, then plan on them.
    fn plan(&self) -> Result<Transaction> {
        let read = |path| self.store.read(path, 100_000);
        let timestamp = read(TIMESTAMP)?;
        let checkpoint = read(CHECKPOINT)?.unwrap_or_default();
        let mut history = String::from_utf8(checkpoint).unwrap();
        let version = match timestamp {
            None => 0,
            Some(bytes) => {
                let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                document["signed"]["version"].as_u64().unwrap()
            }
        };
        let n = version + 1;
        history.push_str(self.name);
        history.push('\n');
        let digest = Sha256::of(&large(self.name));
        let mut t = Transaction {
            sequence: n,
            ..Transaction::default()
        };
        t.new_file(format!("{n}/archive"), self.file.clone(), digest);
        t.new_file(format!("targets/{n}.archive"), self.file.clone(), digest);
        t.head(CHECKPOINT, history);
        t.new_object(format!("metadata/{n}.snapshot.json"), self.name);
        t.head(TIMESTAMP, stamp(n));
        Ok(t)
    }

    /// What every command that writes does.
    fn publish(&self) -> Result<()> {
        let lease = self.lease()?;
        lease.publish(&self.plan()?)
    }

    /// The number of calls of `work`.
    fn calls<T>(&self, work: impl FnOnce() -> T) -> (T, usize) {
        self.connection.recount();
        let value = work();
        (value, self.connection.calls())
    }
}

/// Whether an error is the one that tells to do the same again.
fn says_again(e: &Error) -> bool {
    let hint = e.hint_text().unwrap_or_default();
    e.kind() == relman::Kind::Failed && hint.contains("run the same command again")
}
