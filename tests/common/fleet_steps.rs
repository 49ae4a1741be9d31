//! What stories of fleets do again and again: rollouts that are quick, nodes that wait in the middle of something, drivers
//! in the background, and the look at the end: each node runs a verified release, and the record tells the truth.

use std::fs;
use std::process::{Child, Stdio};

use serde_json::Value;

use super::fleet_machines::{Fleet, Setup};
use super::relman::Run;
use super::wait_for;

/// No waits but those that a story is about.
pub const QUICK: &str = "\
first_watch_seconds = 0
pause_seconds = 0
last_watch_seconds = 0
verify_backups = false
[environment.network]
height_within = 20
timeout_seconds = 60
interval_seconds = 1
";

/// One node after another; further lines of the environment.
pub fn rolling(more: &str) -> Setup {
    Setup {
        rules: format!("strategy = \"rolling\"\n{more}{QUICK}"),
        ..Setup::default()
    }
}

/// What waits on a node until it is let go.
const WAIT: &str = "touch /var/begun; until [ -e /var/go ]; do sleep 0.1; done";
const HOOKS: &str = "[hooks]\n";
const DROP_IN: &str = "/etc/systemd/system/timed@.service.d/held.conf";

impl Fleet {
    /// An upgrade of the nodes, which are local ones.
    pub fn upgrade(&self, tag: &str) -> Run {
        self.relman(&["fleet", "upgrade", tag, "--env", "local", "--yes", "--json"])
    }

    /// What each node is, as its disk says.
    pub fn current(&self) -> Vec<Option<String>> {
        self.nodes().iter().map(|node| node.current()).collect()
    }

    /// A driver in the background.
    pub fn driver(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("relman runs")
    }

    /// The next change on this node begins, and waits until it is let go.
    pub fn hold(&self, i: usize) {
        let machine = &self.node(i).machine;
        for mark in ["/var/begun", "/var/go"] {
            let _ = fs::remove_file(machine.path(mark));
        }
        let config = machine.path("/etc/relman/node.toml");
        let text = fs::read_to_string(&config).expect("a configuration");
        if !text.contains(HOOKS) {
            let hook =
                format!("{HOOKS}before = [\"sh\", \"-c\", \"{WAIT}\"]\ntimeout_seconds = 600\n");
            fs::write(&config, text + &hook).expect("a configuration");
        }
    }

    /// The daemon of this node, when it is next told to start or to stop (`ExecStartPre`, `ExecStop`), waits until it is
    /// let go.
    pub fn hold_daemon(&self, i: usize, when: &str) {
        let machine = &self.node(i).machine;
        for mark in ["/var/begun", "/var/go"] {
            let _ = fs::remove_file(machine.path(mark));
        }
        machine.write(
            DROP_IN,
            &format!("[Service]\nTimeoutSec=120\n{when}=/bin/sh -c '{WAIT}'\n"),
        );
        machine.run(&["systemctl", "daemon-reload"]).exits(0);
    }

    /// What [`Fleet::hold`] or [`Fleet::hold_daemon`] waits for has come.
    pub fn has_begun(&self, i: usize) {
        let begun = self.node(i).machine.path("/var/begun");
        wait_for("a change to begin", || begun.exists().then_some(()));
    }

    /// The opposite of holding.
    pub fn let_go(&self, i: usize) {
        let machine = &self.node(i).machine;
        machine.write("/var/go", "");
        let _ = fs::remove_file(machine.path(DROP_IN));
    }

    /// Waits until a machine that was booted takes visitors.
    pub fn takes_visitors(&self, i: usize) {
        let machine = &self.node(i).machine;
        wait_for("sshd", || {
            let run = machine.run(&["systemctl", "is-active", "ssh"]);
            (run.stdout.trim() == "active").then_some(())
        });
    }

    /// How the newest rollout stands, or the one that is not over.
    pub fn state(&self) -> Value {
        let document = self.relman(&["fleet", "status", "--json"]).exits(0).json();
        document["data"]["record"]["state"].clone()
    }

    /// Each node runs the verified bytes of a release, this one if one is named, and the record of the rollout to it
    /// says of each what it is.
    #[track_caller]
    pub fn tells_the_truth(&self, wanted: Option<&str>) {
        let document = self.relman(&["fleet", "status", "--json"]).exits(0).json();
        // Clocks stand still, so none is newer than another; one that gave way to another, or went back, says no more.
        let rollouts = document["data"]["rollouts"].as_array().expect("rollouts");
        let found = rollouts
            .iter()
            .filter(|r| match wanted {
                Some(tag) => r["tag"] == tag || (r["kind"] == "rollback" && r["tag"].is_null()),
                None => true,
            })
            .min_by_key(|r| r["state"] == "aborted" || r["state"] == "rolled-back");
        let id = found.or(rollouts.first()).expect("a rollout")["id"]
            .as_str()
            .expect("an id");
        let document = self
            .relman(&["fleet", "status", id, "--json"])
            .exits(0)
            .json();
        let record = &document["data"]["record"];
        for node in self.nodes() {
            let status = node.relman(&["status", "--json"]).json();
            let (data, name) = (&status["data"], &node.name);
            let tag = data["current"]["tag"].as_str().expect("a release");
            if let Some(wanted) = wanted {
                assert_eq!(tag, wanted, "{name}: {record:#}");
            }
            assert_eq!(data["current"]["whole"], true, "{name}: {data:#}");
            assert_eq!(
                data["service"]["exe_sha256"], data["service"]["verified_sha256"],
                "{name}: {data:#}"
            );
            assert!(data["service"]["exe_sha256"].is_string(), "{name} is down");
            let nodes = record["nodes"].as_array().expect("nodes");
            let said = nodes.iter().find(|row| row["name"] == name.as_str());
            assert_eq!(said.expect("a row")["runs"], tag, "{name}: {record:#}");
        }
    }
}
