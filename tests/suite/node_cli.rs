//! A node with the real `relman`, a real store and a real process: what may be installed, and what is
//! refused before anything is touched.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::common::http_server::Server;
use crate::common::relman::{Project, Run, SECOND, TAG, copy_tree, flip, snapshot};

/// The program of every release: `sleep`, told apart by a line behind its end.
pub const BUILD: &str = "mkdir -p out && cp /bin/sleep out/timed && cat prog.sh >> out/timed";

/// A project with two releases, and a node beside it.
pub struct Node {
    pub project: Project,
}

impl Node {
    pub fn new(name: &str) -> Node {
        let project = Project::uninitialised(name);
        project.configure(BUILD, "");
        project.relman(&["init", "--yes"]).exits(0);
        project.relman(&["cut", TAG]).exits(0);
        project.second();
        project.relman(&["cut", SECOND]).exits(0);
        Node::beside(project)
    }

    /// A node beside a project that has releases.
    pub fn beside(project: Project) -> Node {
        let node = Node { project };
        fs::create_dir_all(node.path("bin")).expect("a directory");
        node.configure("../repo/releases", "local");
        node
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.project.beside("node").join(path)
    }

    pub fn configure(&self, store: &str, environment: &str) {
        let text = format!(
            "name = \"n1\"\nenvironment = \"{environment}\"\nstore = \"{store}\"\nroot = \"../repo/keys/root.json\"\nstate = \"state\"\n\
             [[binary]]\nname = \"timed\"\npath = \"bin/timed\"\n\
             [service]\nstart = [\"bin/timed\", \"600\"]\n\
             [health]\nstable_seconds = 0\ntimeout_seconds = 10\n"
        );
        fs::write(self.path("node.toml"), text).expect("a file");
    }

    pub fn command(&self, words: &str) -> Command {
        let mut arguments: Vec<&str> = words.split(' ').collect();
        let config = self.path("node.toml");
        let config = config.to_string_lossy();
        arguments.extend(["--config", config.as_ref()]);
        self.project.command(&arguments)
    }

    #[track_caller]
    pub fn run_at(&self, now: &str, words: &str) -> Run {
        let mut command = self.command(words);
        command.env("RELMAN_INSECURE_NOW", now);
        Run::of(command.output().expect("relman runs"))
    }

    #[track_caller]
    pub fn run(&self, words: &str) -> Run {
        Run::of(self.command(words).output().expect("relman runs"))
    }

    pub fn installed(&self) -> Option<Vec<u8>> {
        fs::read(self.path("bin/timed")).ok()
    }

    /// The bytes that the daemon executes.
    pub fn running(&self) -> Option<Vec<u8>> {
        let pid = fs::read_to_string(self.path("state/service.pid")).ok()?;
        fs::read(format!("/proc/{}/exe", pid.trim())).ok()
    }

    /// Kills the daemon, if it runs.
    pub fn end_daemon(&self) {
        let text = fs::read_to_string(self.path("state/service.pid")).unwrap_or_default();
        let pid = text.trim().parse().ok();
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }

    /// Kills whatever runs one of this node's programs, and waits for its end.
    pub fn end_daemons(&self) {
        let Ok(top) = self.path("").canonicalize() else {
            return self.end_daemon();
        };
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let exe = fs::read_link(entry.path().join("exe"));
            let pid = name.parse().ok().and_then(rustix::process::Pid::from_raw);
            if let (Some(pid), true) = (pid, exe.is_ok_and(|exe| exe.starts_with(&top))) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                crate::common::wait_for_end(&name);
            }
        }
    }

    pub fn released(&self, tag: &str) -> Option<Vec<u8>> {
        fs::read(self.project.store().join(tag).join("timed")).ok()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end_daemon();
    }
}

#[test]
fn install_upgrade_and_a_rollback_that_needs_no_store() {
    let node = Node::new("node-way");
    node.run(&format!("install {TAG}"))
        .exits(0)
        .says(&["runs on n1"]);
    assert_eq!(node.installed(), node.released(TAG));
    node.run(&format!("install {TAG}"))
        .exits(0)
        .says(&["already installed"]);
    node.run(&format!("install {SECOND}")).exits(0);
    assert_eq!(node.installed(), node.released(SECOND));
    let first = node.released(TAG);
    fs::remove_dir_all(node.project.store()).expect("the store can go");
    node.run("rollback").exits(0).says(&[TAG]);
    assert_eq!(node.installed(), first);
    let status = node.run("status --json").exits(0).json();
    assert_eq!(status["data"]["current"]["tag"], TAG);
    assert_eq!(status["data"]["problems"], serde_json::json!([]));
}

#[test]
fn a_node_installs_over_http() {
    let node = Node::new("node-http");
    let server = Server::start(node.project.store());
    node.configure(&server.url(), "local");
    node.run(&format!("install {SECOND}")).exits(0);
    assert_eq!(node.installed(), node.released(SECOND));
}

#[test]
fn a_dry_run_verifies_everything_and_changes_nothing() {
    let node = Node::new("node-dry");
    let before = snapshot(&node.path(""));
    node.run(&format!("install {TAG} --dry-run"))
        .exits(0)
        .says(&["stop ", "start ", "nothing was changed"]);
    assert_eq!(snapshot(&node.path("")), before);
    flip_archive(&node, TAG);
    node.run(&format!("install {TAG} --dry-run")).exits(3);
}

fn flip_archive(node: &Node, tag: &str) {
    let targets = node.project.store().join("targets");
    for entry in fs::read_dir(targets).expect("targets/") {
        let path = entry.expect("an entry").path();
        if path.to_string_lossy().contains(tag) {
            flip(&path);
        }
    }
}

#[test]
fn a_store_that_serves_other_bytes_is_refused_and_the_old_release_runs_on() {
    let node = Node::new("node-flip");
    node.run(&format!("install {TAG}")).exits(0);
    flip_archive(&node, SECOND);
    node.run(&format!("install {SECOND}"))
        .exits(3)
        .says(&["check archive", "hashes to"]);
    assert_eq!(node.installed(), node.released(TAG));
    node.run("status")
        .exits(0)
        .says(&["runs the verified bytes"]);
}

#[test]
fn a_release_that_dies_at_once_is_rolled_back_by_itself() {
    let node = Node::new("node-dies");
    node.run(&format!("install {TAG}")).exits(0);
    let bad = "phase2-finality-fork-1.0.1";
    let build = "mkdir -p out && cp /bin/false out/timed";
    node.project.configure(build, "");
    node.project.write("prog.sh", "echo dies\n");
    node.project.commit_and_tag("fix: nothing", bad);
    node.project.relman(&["cut", bad]).exits(0);
    let config = fs::read_to_string(node.path("node.toml")).expect("node.toml");
    let patient = config.replace("stable_seconds = 0", "stable_seconds = 1");
    fs::write(node.path("node.toml"), patient).expect("node.toml");
    node.run(&format!("install {bad}"))
        .exits(1)
        .says(&[&format!("was rolled back to {TAG}")]);
    assert_eq!(node.installed(), node.released(TAG));
    node.run("status")
        .exits(0)
        .says(&[TAG, "runs the verified bytes"]);
}

#[test]
fn a_network_that_has_agreed_on_nothing_installs_nothing() {
    let node = Node::new("node-testnet");
    node.configure("../repo/releases", "testnet");
    node.run(&format!("install {TAG}"))
        .exits(3)
        .says(&["no release has been promoted to testnet"]);
    assert_eq!(node.installed(), None);
}

#[test]
fn a_store_put_back_to_an_older_state_is_refused() {
    let node = Node::new("node-rollback");
    let project = &node.project;
    let old = project.beside("old");
    copy_tree(&project.store(), &old);
    project.write("prog.sh", "echo three\n");
    project.commit_and_tag("feat: three", "phase3-validation-1.0.0");
    project.relman(&["cut", "phase3-validation-1.0.0"]).exits(0);
    node.run("install phase3-validation-1.0.0").exits(0);
    node.configure("../old", "local");
    let before = node.installed();
    node.run(&format!("install {SECOND}"))
        .exits(3)
        .says(&["timestamp"]);
    assert_eq!(node.installed(), before);
}

#[test]
fn a_second_history_under_the_same_keys_is_refused_with_both_signed_heads() {
    let node = Node::new("node-fork");
    let project = &node.project;
    // The same keys, another history: what a stolen log key could sign.
    let fork = project.copy();
    project.write("prog.sh", "echo three\n");
    project.commit_and_tag("feat: three", "phase3-validation-1.0.0");
    project.relman(&["cut", "phase3-validation-1.0.0"]).exits(0);
    node.run("install phase3-validation-1.0.0").exits(0);
    fork.write("prog.sh", "echo another three\n");
    fork.commit_and_tag("feat: another three", "phase3-validation-1.0.0");
    fork.relman(&["cut", "phase3-validation-1.0.0"]).exits(0);
    // Ahead in every version, so that only the log can tell.
    fork.relman(&["timestamp"]).exits(0);
    let store = fork.store();
    node.configure(&store.to_string_lossy(), "local");
    node.run(&format!("install {SECOND}")).exits(3).says(&[
        "does not extend what was seen",
        "older checkpoint",
        "newer checkpoint",
    ]);
}

#[test]
fn kept_evidence_that_was_changed_stops_a_rollback() {
    let node = Node::new("node-evidence");
    node.run(&format!("install {TAG}")).exits(0);
    node.run(&format!("install {SECOND}")).exits(0);
    let evidence = node.path("state/evidence").join(TAG);
    for name in [
        "provenance.intoto.jsonl",
        "targets.json",
        "release.tlog-proof",
        "policy.json",
    ] {
        let path = evidence.join(name);
        let before = fs::read(&path).expect("evidence");
        flip(&path);
        node.run("rollback").exits(3);
        assert_eq!(node.installed(), node.released(SECOND), "{name}");
        fs::write(&path, before).expect("it can be put back");
    }
    node.run("rollback").exits(0);
}

#[test]
fn a_kept_binary_that_was_changed_stops_a_rollback() {
    let node = Node::new("node-kept");
    node.run(&format!("install {TAG}")).exits(0);
    node.run(&format!("install {SECOND}")).exits(0);
    flip(&node.path("state/versions").join(TAG).join("timed"));
    node.run("rollback").exits(3);
    assert_eq!(node.installed(), node.released(SECOND));
    node.run("status").exits(1).says(&[TAG]);
}

#[test]
fn an_expired_store_installs_nothing_new_but_rolls_back() {
    let node = Node::new("node-expired");
    node.run(&format!("install {TAG}")).exits(0);
    node.run(&format!("install {SECOND}")).exits(0);
    let later = "2031-01-01T00:00:00Z";
    node.run_at(later, &format!("install {TAG}"))
        .exits(3)
        .says(&["expired"]);
    node.run_at(later, "rollback")
        .exits(0)
        .says(&["expired", TAG]);
}

#[test]
fn a_clock_that_was_turned_back_installs_nothing_new_but_rolls_back() {
    let node = Node::new("node-clock-back");
    node.run(&format!("install {TAG}")).exits(0);
    node.run_at("2026-02-03T00:00:00Z", &format!("install {SECOND}"))
        .exits(0);
    let memory = node.path("state/trust/last-seen");
    let seen = || fs::read_to_string(&memory).expect("the time that was seen");
    assert_eq!(seen(), "2026-02-03T00:00:00Z\n");
    for words in [
        &format!("install {TAG}"),
        &format!("install {TAG} --dry-run"),
    ] {
        node.run_at("2026-02-02T23:54:59Z", words).exits(3).says(&[
            "clock is behind",
            "it says 2026-02-02T23:54:59Z",
            "2026-02-03T00:00:00Z already",
            "timedatectl",
            &format!("rm {}", memory.display()),
        ]);
    }
    assert_eq!(node.installed(), node.released(SECOND));
    node.run_at("2026-02-01T00:00:00Z", "rollback")
        .exits(0)
        .says(&["clock is behind", TAG]);
    assert_eq!(seen(), "2026-02-03T00:00:00Z\n");
    node.run_at("2026-02-02T23:55:00Z", &format!("install {SECOND}"))
        .exits(0);
    assert_eq!(seen(), "2026-02-03T00:00:00Z\n");
}

#[test]
fn a_clock_that_was_once_far_ahead_does_not_stop_a_node_for_ever() {
    let node = Node::new("node-clock-ahead");
    node.run_at("2031-01-01T00:00:00Z", &format!("install {TAG}"))
        .exits(3)
        .says(&["expired"]);
    node.run(&format!("install {TAG}")).exits(0);
    // Within the timestamp's life the wrong time is believed; then one file is the way out.
    node.run_at("2026-02-05T00:00:00Z", &format!("install {SECOND}"))
        .exits(0);
    node.run(&format!("install {TAG}")).exits(3).says(&["rm "]);
    fs::write(node.path("state/trust/last-seen"), "soon\n").expect("a file");
    node.run(&format!("install {TAG}"))
        .exits(3)
        .says(&["wanted a time", "rm "]);
    fs::remove_file(node.path("state/trust/last-seen")).expect("it is there");
    node.run(&format!("install {TAG}")).exits(0);
}

#[test]
fn no_store_moves_the_time_that_a_node_has_seen() {
    let node = Node::new("node-clock-store");
    // A publisher far ahead of everybody: its metadata is of the future, and expires later still.
    node.project
        .command(&["timestamp"])
        .env("RELMAN_INSECURE_NOW", "2026-02-06T00:00:00Z")
        .output()
        .expect("relman runs");
    node.run(&format!("install {TAG}")).exits(0);
    let seen = fs::read_to_string(node.path("state/trust/last-seen")).expect("a time");
    assert_eq!(seen, "2026-02-01T00:00:00Z\n");
}
