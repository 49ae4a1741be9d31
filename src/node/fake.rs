//! A host, a service and a store in memory, with a fault at any point that a test names.

mod looks;
mod service;
mod store;

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use super::Node;
use super::backup::fake::NoBackups;
use super::config::{Binary, NodeConfig};
use super::host::{Found, Host, Process, Scratch, Staging};
use super::probe::Looks;
use super::receipt::Receipts;
use super::record::{AdoptedFrom, FileRecord, differences};
use crate::error::{Error, Result};
use crate::hash::Sha256;
use crate::release::edges::Edges;

type Files = BTreeMap<String, Vec<u8>>;

/// What happens when a run comes to the point of the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// One call fails, all later ones work: a disk that was full for a moment.
    Error,
    /// Nothing works any more until [`World::reboot`]: the process was killed.
    Kill,
}

/// Everything that outlives a process.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub journal: Option<Vec<u8>>,
    pub history: Vec<u8>,
    pub floor: Option<Vec<u8>>,
    /// What the policy asks for at least.
    pub minimum: Option<String>,
    /// What releases declare.
    pub edges: BTreeMap<String, Edges>,
    pub receipts: Vec<u8>,
    pub versions: BTreeMap<String, Files>,
    pub evidence: BTreeMap<String, Vec<(String, Vec<u8>)>>,
    pub current: Option<String>,
    /// At the binaries' paths: a file, or (none) our link.
    pub paths: BTreeMap<String, Option<Vec<u8>>>,
    pub staging: BTreeMap<PathBuf, Files>,
    /// What the running daemon executes.
    pub running: Option<Vec<u8>>,
    pub starts: u64,
    pub store: BTreeMap<String, Files>,
    /// Programs that end as soon as they are started.
    pub crashing: BTreeSet<Vec<u8>>,
    /// The daemon is started anew each time somebody looks.
    pub flapping: bool,
    /// Somebody stopped the daemon.
    pub stopped: bool,
    /// It does not end when it is asked to.
    pub hung: bool,
    /// Nor when it is killed.
    pub unstoppable: bool,
    /// There is no such unit.
    pub no_unit: bool,
    /// The manager was asked to start the daemon when it can.
    pub queued: bool,
    /// Stops that gave it little time.
    pub stops_at_once: u64,
    /// What hooks were told.
    pub hooks: Vec<String>,
    /// Why the host cannot be changed.
    pub lacking: Vec<String>,
    pub clock: Duration,
    pub locked: bool,
    /// What the manager counts.
    pub restarts: Option<u64>,
    pub stages: BTreeMap<String, Vec<u8>>,
    /// What looks see, given the time.
    pub wire: Option<looks::Scripted>,
    pub free: u64,
    pub mutations: usize,
    pub points: Vec<String>,
    pub fault: Option<(String, Fault)>,
    /// The mutation that fails, counted from zero.
    pub fault_at: Option<(usize, Fault)>,
    pub dead: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Fake(pub Rc<RefCell<World>>);

pub(crate) const CONFIG: &str = r#"
name = "timed"
store = "releases"
root = "root.json"
state = "/state"
[[binary]]
name = "timed"
path = "/bin/timed"
[[binary]]
name = "timectl"
path = "/bin/timectl"
[service]
start = ["/bin/timed"]
[health]
timeout_seconds = 3
stable_seconds = 1
"#;

impl Fake {
    pub(crate) fn new() -> Fake {
        let fake = Fake::default();
        {
            let mut world = fake.0.borrow_mut();
            world.free = 1 << 40;
            for tag in ["phase1-a-1.0.0", "phase2-b-1.0.0", "phase3-c-1.0.0"] {
                let file = |name: &str| (name.to_string(), format!("{name} {tag}").into_bytes());
                world.store.insert(
                    tag.into(),
                    [file("timed"), file("timectl"), file("NOTES.md")].into(),
                );
            }
        }
        fake
    }

    pub(crate) fn config() -> NodeConfig {
        NodeConfig::parse(CONFIG, Path::new("/etc/relman")).expect("the test's configuration")
    }

    /// Runs `f` with a node of this world.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&Node) -> T) -> T {
        self.run(false, f)
    }

    /// Runs `f` before the daemon's turn in the boot.
    pub(crate) fn booting<T>(&self, f: impl FnOnce(&Node) -> T) -> T {
        self.run(true, f)
    }

    /// Runs `f` with a node of this world and a configuration of its own.
    pub(crate) fn with_config<T>(&self, config: &NodeConfig, f: impl FnOnce(&Node) -> T) -> T {
        self.node(config, false, f)
    }

    fn run<T>(&self, booting: bool, f: impl FnOnce(&Node) -> T) -> T {
        self.node(&Fake::config(), booting, f)
    }

    fn node<T>(&self, config: &NodeConfig, booting: bool, f: impl FnOnce(&Node) -> T) -> T {
        f(&Node {
            config,
            host: self,
            service: Some(self),
            backups: &NoBackups,
            releases: self,
            receipts: Receipts::new(self),
            say: &|_| {},
            at_once: false,
            booting,
        })
    }

    /// After a kill: the lock is gone, what was written is there, and the daemon still runs.
    pub(crate) fn reboot(&self) {
        let mut world = self.0.borrow_mut();
        (world.dead, world.locked) = (false, false);
        (world.fault, world.fault_at) = (None, None);
    }

    /// What a caller of a binary's path gets.
    pub(crate) fn at_path(&self, name: &str) -> Option<Vec<u8>> {
        let world = self.0.borrow();
        match world.paths.get(name)? {
            Some(bytes) => Some(bytes.clone()),
            None => world
                .versions
                .get(world.current.as_ref()?)?
                .get(name)
                .cloned(),
        }
    }

    pub(crate) fn mutate<T>(&self, f: impl FnOnce(&mut World) -> Result<T>) -> Result<T> {
        let mut world = self.0.borrow_mut();
        world.alive()?;
        let this = world.mutations;
        world.mutations += 1;
        if let Some((at, fault)) = world.fault_at
            && at == this
        {
            return Err(world.strike(fault, "this call"));
        }
        f(&mut world)
    }

    pub(crate) fn read<T>(&self, f: impl FnOnce(&World) -> T) -> Result<T> {
        let world = self.0.borrow();
        world.alive()?;
        Ok(f(&world))
    }
}

impl World {
    fn alive(&self) -> Result<()> {
        if self.dead {
            return Err(Error::failed("the process was killed"));
        }
        Ok(())
    }

    fn strike(&mut self, fault: Fault, at: &str) -> Error {
        self.dead = fault == Fault::Kill;
        (self.fault, self.fault_at) = (None, None);
        Error::failed(format!("a fault at {at}"))
    }

    /// What the path of the daemon's binary leads to.
    fn program(&self) -> Option<Vec<u8>> {
        match self.paths.get("timed")? {
            Some(bytes) => Some(bytes.clone()),
            None => self
                .versions
                .get(self.current.as_ref()?)?
                .get("timed")
                .cloned(),
        }
    }
}

fn record(path: &str, bytes: &[u8]) -> FileRecord {
    FileRecord {
        path: path.into(),
        sha256: Sha256::of(bytes),
        len: bytes.len() as u64,
        executable: path != "NOTES.md",
    }
}

fn records(files: &Files) -> Vec<FileRecord> {
    files.iter().map(|(p, b)| record(p, b)).collect()
}

impl Host for Fake {
    fn now(&self) -> Timestamp {
        let seconds = self.0.borrow().clock.as_secs() as i64;
        Timestamp::from_second(1_800_000_000 + seconds).expect("a time in range")
    }
    fn uptime(&self) -> Duration {
        self.0.borrow().clock
    }
    fn pause(&self, duration: Duration) {
        self.0.borrow_mut().clock += duration;
    }
    fn fault_point(&self, name: &str) -> Result<()> {
        let mut world = self.0.borrow_mut();
        world.alive()?;
        world.points.push(name.into());
        match world.fault.clone() {
            Some((at, fault)) if at == name => Err(world.strike(fault, name)),
            _ => Ok(()),
        }
    }
    fn prepare(&self) -> Result<()> {
        self.read(|_| ())
    }
    fn try_lock(&self, _: &str) -> Result<Result<Box<dyn Any>>> {
        struct Guard(Fake);
        impl Drop for Guard {
            fn drop(&mut self) {
                self.0.0.borrow_mut().locked = false;
            }
        }
        if std::mem::replace(&mut self.0.borrow_mut().locked, true) {
            return Ok(Err(Error::failed("held")));
        }
        Ok(Ok(Box::new(Guard(self.clone()))))
    }
    fn read_journal(&self) -> Result<Option<Vec<u8>>> {
        self.read(|w| w.journal.clone())
    }
    fn write_journal(&self, bytes: &[u8]) -> Result<()> {
        self.mutate(|w| {
            w.journal = Some(bytes.to_vec());
            Ok(())
        })
    }
    fn remove_journal(&self) -> Result<()> {
        self.mutate(|w| {
            w.journal = None;
            Ok(())
        })
    }
    fn read_floor(&self) -> Result<Option<Vec<u8>>> {
        self.read(|w| w.floor.clone())
    }
    fn write_floor(&self, bytes: &[u8]) -> Result<()> {
        self.mutate(|w| {
            w.floor = Some(bytes.to_vec());
            Ok(())
        })
    }
    fn read_history(&self) -> Result<Vec<u8>> {
        self.read(|w| w.history.clone())
    }
    fn append_history(&self, line: &[u8]) -> Result<()> {
        self.mutate(|w| {
            w.history.extend(line);
            Ok(())
        })
    }
    fn scratch(&self) -> Result<Scratch> {
        Ok(Scratch {
            path: "/scratch".into(),
            guard: Box::new(()),
        })
    }
    fn create_staging(&self) -> Result<Staging> {
        let staging = Staging {
            id: "s".into(),
            archive: "/state/staging/s/archive".into(),
            tree: "/state/staging/s/tree".into(),
        };
        self.mutate(|w| {
            w.staging.insert(staging.tree.clone(), Files::new());
            Ok(staging)
        })
    }
    fn clean(&self, _: &[Binary]) -> Result<()> {
        self.mutate(|w| {
            w.staging.clear();
            Ok(())
        })
    }
    fn free_space(&self) -> Result<u64> {
        self.read(|w| w.free)
    }
    fn lacking_permissions(&self, _: &[Binary]) -> Vec<String> {
        self.0.borrow().lacking.clone()
    }
    fn keep_evidence(&self, _: &Staging, version: &str, files: &[(String, Vec<u8>)]) -> Result<()> {
        self.mutate(|w| {
            w.evidence.insert(version.into(), files.to_vec());
            Ok(())
        })
    }
    fn keep_version(&self, s: &Staging, version: &str, files: &[FileRecord]) -> Result<()> {
        self.mutate(|w| {
            let tree = w.staging.remove(&s.tree).unwrap_or_default();
            let lines = differences(files, &records(&tree));
            if !lines.is_empty() || w.versions.contains_key(version) {
                return Err(Error::refused(lines.join("; ")));
            }
            w.versions.insert(version.into(), tree);
            Ok(())
        })
    }
    fn adopt(
        &self,
        _: &Staging,
        version: &str,
        binaries: &[Binary],
        files: &[FileRecord],
    ) -> Result<()> {
        let tree: Files = binaries
            .iter()
            .filter_map(|b| Some((b.name.clone(), self.at_path(&b.name)?)))
            .collect();
        assert_eq!(differences(files, &records(&tree)), Vec::<String>::new());
        self.mutate(|w| {
            w.versions.insert(version.into(), tree);
            Ok(())
        })
    }
    fn versions(&self) -> Result<Vec<String>> {
        self.read(|w| w.versions.keys().cloned().collect())
    }
    fn files(&self, version: &str) -> Result<Option<Vec<FileRecord>>> {
        self.read(|w| w.versions.get(version).map(records))
    }
    fn evidence(&self, version: &str) -> Result<Vec<(String, Vec<u8>)>> {
        self.read(|w| w.evidence.get(version).cloned().unwrap_or_default())
    }
    fn remove_version(&self, version: &str) -> Result<()> {
        self.mutate(|w| {
            w.versions.remove(version);
            w.evidence.remove(version);
            Ok(())
        })
    }
    fn current(&self) -> Result<Option<String>> {
        self.read(|w| w.current.clone())
    }
    fn set_current(&self, version: Option<&str>) -> Result<()> {
        self.mutate(|w| {
            w.current = version.map(String::from);
            Ok(())
        })
    }
    fn inspect(&self, binary: &Binary) -> Result<Found> {
        self.read(|w| match w.paths.get(&binary.name) {
            None => Found::Missing,
            Some(None) => Found::Ours,
            Some(Some(bytes)) => Found::File {
                sha256: Sha256::of(bytes),
                len: bytes.len() as u64,
                mode: 0o755,
                uid: 0,
                gid: 0,
            },
        })
    }
    fn link(&self, binary: &Binary) -> Result<()> {
        self.mutate(|w| {
            w.paths.insert(binary.name.clone(), None);
            Ok(())
        })
    }
    fn put_file(
        &self,
        binary: &Binary,
        version: &str,
        wanted: &FileRecord,
        _: Option<&AdoptedFrom>,
    ) -> Result<()> {
        self.mutate(|w| {
            let bytes = w.versions.get(version).and_then(|v| v.get(&binary.name));
            let bytes = bytes.expect("a file of the version").clone();
            assert_eq!(Sha256::of(&bytes), wanted.sha256);
            w.paths.insert(binary.name.clone(), Some(bytes));
            Ok(())
        })
    }
    fn unlink(&self, binary: &Binary) -> Result<()> {
        self.mutate(|w| {
            if w.paths.get(&binary.name) == Some(&None) {
                w.paths.remove(&binary.name);
            }
            Ok(())
        })
    }
    fn process(&self, pid: u32) -> Result<Option<Process>> {
        self.read(|w| {
            w.running.as_ref().map(|_| Process {
                pid,
                start_ticks: w.starts,
                started: Timestamp::UNIX_EPOCH,
            })
        })
    }
    fn exe_digest(&self, _: u32) -> Result<Option<Sha256>> {
        self.read(|w| w.running.as_deref().map(Sha256::of))
    }
    fn run_hook(
        &self,
        argv: &[String],
        told: &[(&'static str, String)],
        _: Duration,
    ) -> Result<()> {
        let mut world = self.0.borrow_mut();
        world.alive()?;
        let told = told.iter().map(|(name, value)| format!("{name}={value}"));
        world.hooks.push(told.collect::<Vec<_>>().join(" "));
        match argv {
            [name] if name == "false" => Err(Error::failed("it said no")),
            _ => Ok(()),
        }
    }
    fn run_version(&self, version: &str, _: &str, _: &[String], _: Duration) -> Result<String> {
        Ok(format!("timed {version}"))
    }
    fn looks(&self) -> Box<dyn Looks + '_> {
        Box::new(looks::FakeLooks::of(self))
    }
    fn lock_stage(&self, _: &str) -> Result<Box<dyn Any>> {
        Ok(Box::new(()))
    }
    fn read_stage(&self, stage: &str) -> Result<Option<Vec<u8>>> {
        self.read(|w| w.stages.get(stage).cloned())
    }
    fn write_stage(&self, stage: &str, bytes: Option<&[u8]>) -> Result<()> {
        self.mutate(|w| {
            w.stages.remove(stage);
            w.stages
                .extend(bytes.map(|bytes| (stage.to_owned(), bytes.to_vec())));
            Ok(())
        })
    }
}
