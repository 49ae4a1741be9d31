//! The sample daemon in tests: built once a process, started with a configuration, killed when dropped.

use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::{cargo_build, http, wait_for};

/// A unit for each of several on a machine, `timed@<name>.service`, whose configurations are in /etc/timed.
pub const UNIT: &str = "\
[Unit]
Description=TIME Coin daemon, %i
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
ExecStart=/usr/local/bin/timed --config /etc/timed/%i.conf
Restart=on-failure
RestartSec=200ms
TimeoutStartSec=5s

[Install]
WantedBy=multi-user.target
";

/// Where the daemon's sources are.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/timed")
}

/// The daemon as its sources stand (phase 3), built when first asked for and kept below the target directory.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("timed");
        cargo_build(&sources(), &target);
        target.join("release/timed")
    })
}

/// A configuration: regtest on a free port, a block a day, so that heights stand still unless a test wants more.
pub struct Settings(String);

impl Settings {
    /// With its data in `dir`.
    pub fn new(dir: &Path) -> Settings {
        let settings = Settings(String::new())
            .set("network", "regtest")
            .set("rpc_bind", "127.0.0.1:0")
            .set("block_interval_ms", 86_400_000);
        settings.set("datadir", dir.join("data").display())
    }

    /// Adds a line; a later line of the same key counts.
    pub fn set(mut self, key: &str, value: impl std::fmt::Display) -> Settings {
        writeln!(self.0, "{key} = {value}").expect("strings take everything");
        self
    }
}

/// A running daemon.
pub struct Daemon {
    child: Child,
    dir: PathBuf,
    /// The port that it listens on.
    pub port: u16,
}

impl Daemon {
    /// Starts [`binary`] in `dir` and waits until it listens.
    pub fn start(dir: &Path, settings: Settings) -> Daemon {
        Self::start_binary(binary(), dir, settings, &[])
    }

    /// Starts any build of the daemon, with further environment variables, and waits until it listens.
    pub fn start_binary(
        binary: &Path,
        dir: &Path,
        settings: Settings,
        env: &[(&str, &str)],
    ) -> Daemon {
        let mut daemon = Self::spawn(binary, dir, settings, env);
        let file = dir.join("data/rpc.port");
        daemon.port = wait_for("the daemon's port", || {
            if let Some(status) = daemon.child.try_wait().expect("a child can be asked") {
                panic!("the daemon ended, {status}: {}", daemon.log());
            }
            fs::read_to_string(&file).ok()?.trim().parse().ok()
        });
        daemon
    }

    /// Starts the daemon without waiting; its port is 0 until then.
    pub fn spawn(binary: &Path, dir: &Path, settings: Settings, env: &[(&str, &str)]) -> Daemon {
        let config = dir.join("timed.conf");
        fs::write(&config, settings.0).expect("the configuration can be written");
        // The port of an earlier run would be taken for this one's.
        let _ = fs::remove_file(dir.join("data/rpc.port"));
        let log = File::create(dir.join("timed.log")).expect("the log can be written");
        let child = Command::new(binary)
            .arg("--config")
            .arg(&config)
            .env_remove("NOTIFY_SOCKET")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the daemon starts");
        Daemon {
            child,
            dir: dir.to_owned(),
            port: 0,
        }
    }

    /// Waits until the daemon ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for("the daemon's end", || {
            self.child.try_wait().expect("a child can be asked")
        })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("timed.log")).unwrap_or_default()
    }

    /// `user:password` of the cookie.
    pub fn cookie(&self) -> String {
        fs::read_to_string(self.dir.join("data/.cookie")).expect("the daemon wrote a cookie")
    }

    /// The whole answer to a call, let in by the cookie.
    pub fn call(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = http::post(self.port, "/rpc", Some(&self.cookie()), &body.to_string())
            .unwrap_or_else(|e| panic!("{method}: {e}: {}", self.log()));
        assert_eq!(answer.status, 200, "{method}: {}", answer.body);
        serde_json::from_str(&answer.body).expect("the daemon answers in JSON")
    }

    /// The result of a call that must succeed.
    pub fn result(&self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params);
        assert_eq!(answer.get("error"), None, "{method}");
        answer["result"].clone()
    }

    /// The value of one sample on the metrics page, `None` if it is not there.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let page = http::get(self.port, "/metrics").expect("the daemon has metrics");
        let mut samples = page.body.lines().filter_map(|line| line.rsplit_once(' '));
        samples.find(|(n, _)| *n == name)?.1.parse().ok()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
