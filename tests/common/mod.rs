//! Helpers for the integration tests: waiting, a tiny HTTP client, cargo, the sample daemon.

pub mod fake_agent;
pub mod fleet_machines;
pub mod fleet_steps;
pub mod http;
pub mod http_script;
pub mod http_server;
pub mod machine;
pub mod network;
pub mod nginx;
pub mod power;
pub mod prometheus;
pub mod publication;
pub mod relman;
pub mod strace;
pub mod terminal;
pub mod timed;
pub mod tls;
pub mod tunnel;
pub mod witness;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a test waits for something that must come; long, since it only matters when a test fails.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Polls until `ready` gives a value; panics with `what` when patience ends.
pub fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until a killed process has ended (one that nobody waits for stays as a zombie): the kernel takes its
/// time, and meanwhile the process still shows as running.
pub fn wait_for_end(pid: &str) {
    wait_for("the end of a process", || {
        // proc_pid_stat(5): the name in parentheses may hold anything; the state follows it.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat
            .rsplit_once(')')
            .map_or("Z", |(_, rest)| rest.trim_start());
        state.starts_with(['Z', 'X']).then_some(())
    });
}

/// `cargo build --release --offline --locked` of the package in `dir`, untouched by the settings of the outer cargo.
pub fn cargo_build(dir: &Path, target: &Path) {
    let out = Command::new(env!("CARGO"))
        .args(["build", "--release", "--offline", "--locked", "--quiet"])
        .arg("--target-dir")
        .arg(target)
        .current_dir(dir)
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .output()
        .expect("cargo starts");
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "cargo build in {dir:?}: {stderr}");
}
