//! A node in a temporary directory, with copies of `sleep` as its daemon.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use relman::error::{Context, Error, Result};
use relman::hash::Sha256;
use relman::io::backup::BackupFs;
use relman::io::node_fs::NodeFs;
use relman::io::node_receipts::NodeReceipts;
use relman::io::service;
use relman::node::Node;
use relman::node::activate::{ChangeReport, Options};
use relman::node::config::{Control, NodeConfig};
use relman::node::host::Service;
use relman::node::receipt::Receipts;
use relman::node::release::{NodeKnows, Releases, VerifiedFile, VerifiedRelease};
use relman::node::status::Status;

pub const ONE: &str = "phase1-a-1.0.0";
pub const TWO: &str = "phase2-b-2.0.0";
pub const BAD: &str = "phase3-bad-1.0.0";

/// A node and everything around it; the daemon is stopped when it goes.
pub struct Bench {
    pub dir: PathBuf,
    pub config: NodeConfig,
    _temp: Option<tempfile::TempDir>,
}

impl Bench {
    pub fn new() -> Bench {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().canonicalize().unwrap();
        std::fs::create_dir(dir.join("bin")).unwrap();
        let text = format!(
            r#"
            name = "sleep"
            store = "store"
            root = "root.json"
            state = "state"
            [[binary]]
            name = "sleep"
            path = "bin/sleep"
            [service]
            start = ["{}", "600"]
            stop_timeout_seconds = 1
            [health]
            timeout_seconds = 20
            stable_seconds = 0
            "#,
            dir.join("bin/sleep").display()
        );
        std::fs::write(dir.join("node.toml"), text).unwrap();
        let mut bench = Bench::open(&dir);
        bench._temp = Some(temp);
        for tag in [ONE, TWO] {
            bench.release(tag, &bench.daemon(tag));
        }
        bench.release(BAD, b"#!/bin/sh\necho no genesis block >&2\nexit 1\n");
        bench
    }

    /// The same node, from another process.
    pub fn open(dir: &Path) -> Bench {
        let text = std::fs::read_to_string(dir.join("node.toml")).unwrap();
        Bench {
            config: NodeConfig::parse(&text, dir).unwrap(),
            dir: dir.into(),
            _temp: None,
        }
    }

    /// A `sleep` of its own: the loader does not mind what follows the program.
    pub fn daemon(&self, mark: &str) -> Vec<u8> {
        let mut bytes = std::fs::read("/bin/sleep").unwrap();
        bytes.extend(mark.as_bytes());
        bytes
    }

    pub fn release(&self, tag: &str, binary: &[u8]) {
        let dir = self.dir.join("store").join(tag);
        std::fs::create_dir_all(dir.join("docs")).unwrap();
        std::fs::write(dir.join("sleep"), binary).unwrap();
        std::fs::write(dir.join("docs/NOTES.md"), tag).unwrap();
    }

    pub fn released(&self, tag: &str) -> Vec<u8> {
        std::fs::read(self.dir.join("store").join(tag).join("sleep")).unwrap()
    }

    pub fn state(&self) -> PathBuf {
        self.config.state.clone()
    }

    pub fn path(&self) -> PathBuf {
        self.dir.join("bin/sleep")
    }

    pub fn at_path(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap()
    }

    pub fn set_start(&mut self, argv: Vec<String>) {
        if let Some(service) = &mut self.config.service
            && let Control::Command { start, .. } = &mut service.control
        {
            *start = argv;
        }
    }

    pub fn service(&self) -> Box<dyn Service> {
        service::from_config(&self.config).expect("a service")
    }

    pub fn pid(&self) -> u32 {
        self.service().state().unwrap().pid.expect("it runs")
    }

    /// The bytes that the daemon executes.
    pub fn running(&self) -> Vec<u8> {
        std::fs::read(format!("/proc/{}/exe", self.pid())).unwrap()
    }

    pub fn with_releases<T>(&self, releases: &dyn Releases, f: impl FnOnce(&Node) -> T) -> T {
        let host = NodeFs::new(&self.config);
        let service = service::from_config(&self.config);
        let backups = BackupFs::new(&self.config, &|_, _| {});
        let ledger = NodeReceipts::new(&self.config);
        f(&Node {
            receipts: Receipts::new(&ledger),
            config: &self.config,
            host: &host,
            service: service.as_deref(),
            backups: &backups,
            releases,
            say: &|_| {},
            at_once: false,
            booting: false,
        })
    }

    pub fn with<T>(&self, f: impl FnOnce(&Node) -> T) -> T {
        self.with_releases(&Shelf(self.dir.join("store")), f)
    }

    pub fn install(&self, tag: &str) -> Result<ChangeReport> {
        self.with(|n| n.install(tag, &Options::default()))
    }

    /// Whatever the daemon does now.
    pub fn install_by_force(&self, tag: &str) -> Result<ChangeReport> {
        let options = Options {
            force: true,
            ..Options::default()
        };
        self.with(|n| n.install(tag, &options))
    }

    pub fn rollback(&self, to: Option<&str>) -> Result<ChangeReport> {
        self.with(|n| n.rollback(to, &Options::default()))
    }

    pub fn status(&self) -> Status {
        self.with(|n| n.status()).unwrap()
    }

    /// Does `action` in a process of its own, with `env`.
    pub fn child(&self, action: &str, tag: &str, env: &[(&str, &str)]) -> ExitStatus {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "node::kill::child", "--ignored"])
            .env("NODE_TEST_DIR", &self.dir)
            .env("NODE_TEST_ACTION", action)
            .env("NODE_TEST_TAG", tag)
            .envs(env.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
    }

    /// As [`Bench::child`], killed at the point.
    pub fn child_killed_at(&self, action: &str, tag: &str, point: &str) -> ExitStatus {
        self.child(action, tag, &[("RELMAN_INSECURE_KILL_AT", point)])
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if self._temp.is_some()
            && let Some(service) = service::from_config(&self.config)
        {
            let _ = service.stop(false);
        }
    }
}

/// A store that is believed: directories of files.
pub struct Shelf(pub PathBuf);

impl Shelf {
    fn files(&self, tag: &str) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut files = BTreeMap::new();
        for path in ["sleep", "docs/NOTES.md"] {
            let bytes = std::fs::read(self.0.join(tag).join(path))
                .or_refused(|| format!("{tag} is not in the store"))?;
            files.insert(path.to_string(), bytes);
        }
        Ok(files)
    }
}

fn verified(tag: &str, sums: &BTreeMap<String, (Sha256, u64)>) -> VerifiedRelease {
    VerifiedRelease {
        tag: tag.into(),
        archive_sha256: Sha256::of(tag.as_bytes()),
        archive_len: 0,
        files: sums
            .iter()
            .map(|(path, (sha256, len))| VerifiedFile {
                path: path.clone(),
                sha256: *sha256,
                len: *len,
                executable: path == "sleep",
            })
            .collect(),
        edges: Default::default(),
        minimum: None,
        evidence: vec![("sums.json".into(), serde_json::to_vec(sums).unwrap())],
        warnings: Vec::new(),
    }
}

impl Releases for Shelf {
    fn verify(&self, tag: &str, staging: &Path) -> Result<VerifiedRelease> {
        let mode = staging.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700, "staging is not private");
        let sums = self
            .files(tag)?
            .into_iter()
            .map(|(path, bytes)| (path, (Sha256::of(&bytes), bytes.len() as u64)))
            .collect();
        Ok(verified(tag, &sums))
    }

    fn look(&self) -> Result<()> {
        Ok(())
    }

    fn unpack(&self, release: &VerifiedRelease, _: &Path, dir: &Path) -> Result<()> {
        for (path, bytes) in self.files(&release.tag)? {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        Ok(())
    }

    fn verify_retained(
        &self,
        tag: &str,
        evidence: &[(String, Vec<u8>)],
        _: jiff::Timestamp,
    ) -> Result<VerifiedRelease> {
        match evidence {
            [(name, bytes)] if name == "sums.json" => {
                let sums = serde_json::from_slice(bytes).or_refused(|| "bad sums".into())?;
                Ok(verified(tag, &sums))
            }
            _ => Err(Error::refused("no sums")),
        }
    }

    fn known(&self, _: jiff::Timestamp) -> Result<Option<NodeKnows>> {
        Ok(None)
    }
}
