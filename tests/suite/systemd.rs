//! A node under a real systemd: real units, `Type=notify`, crash loops, a daemon that does not end,
//! power cuts in the middle of a swap.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::machine::Machine;
use crate::common::relman::{NOW, Project, Run, SECOND, TAG};
use crate::common::timed;

/// Starts, and ends at once with an error.
const CRASHING: &str = "phase3-validation-1.0.0";
/// Runs, and is not ready within any deadline.
const SILENT: &str = "phase3-validation-1.0.1";
const UNIT: &str = "timed@testnet-1.service";

/// A machine with a store that has good and bad releases, and one configured node.
struct Node {
    machine: Machine,
    project: Project,
}

impl Node {
    fn new(name: &str) -> Node {
        let project = Project::uninitialised(name);
        let daemon = timed::binary().display();
        // A line behind the end of a program tells two builds apart and changes nothing.
        let build = format!(
            "mkdir -p out; case $(cat prog.sh) in *crash*) cp /bin/false out/timed;; *silent*) cp /bin/sleep out/timed;; \
             *) cp {daemon} out/timed;; esac; cat prog.sh >> out/timed"
        );
        project.configure(&build, "[tags]\nrequire_predecessor = false\n");
        project.relman(&["init", "--yes"]).exits(0);
        project.relman(&["cut", TAG]).exits(0);
        project.second();
        project.relman(&["cut", SECOND]).exits(0);
        for (text, tag) in [("# crash\n", CRASHING), ("# silent\n", SILENT)] {
            project.write("prog.sh", text);
            project.commit_and_tag("feat: a bad one", tag);
            project.relman(&["cut", tag]).exits(0);
        }
        let relman = Path::new(env!("CARGO_BIN_EXE_relman"));
        let machine = Machine::new(vec![
            (relman.to_owned(), "/usr/local/bin/relman"),
            (project.store(), "/srv/releases"),
            (project.path("keys"), "/srv/keys"),
        ]);
        machine.write("/etc/systemd/system/timed@.service", timed::UNIT);
        machine.write(
            "/etc/timed/testnet-1.conf",
            "network = regtest\nrpc_bind = 127.0.0.1:24101\ndatadir = /var/lib/timed\nblock_interval_ms = 100\n",
        );
        fs::create_dir_all(machine.path("/var/lib/timed")).expect("a directory");
        fs::write(machine.path("/usr/local/bin/relman"), "").expect("a place for relman");
        let mut node = Node { machine, project };
        node.machine.boot();
        node.relman(&[
            "node",
            "init",
            "--store",
            "/srv/releases",
            "--root",
            "/srv/keys/root.json",
            "--binary",
            "timed",
            "--unit",
            UNIT,
        ])
        .exits(0)
        .says(&["unit timed@testnet-1.service starts /usr/local/bin/timed"]);
        let path = node.machine.path("/etc/relman/node.toml");
        let text = fs::read_to_string(&path).expect("the configuration");
        let text = text
            .replace("stop_timeout_seconds = 30", "stop_timeout_seconds = 2")
            .replace("stable_seconds = 5", "stable_seconds = 1")
            .replace("timeout_seconds = 30", "timeout_seconds = 8");
        fs::write(path, text).expect("the configuration");
        node
    }

    fn relman(&self, arguments: &[&str]) -> Run {
        self.relman_with(&[], arguments)
    }

    fn relman_with(&self, env: &[(&str, &str)], arguments: &[&str]) -> Run {
        let mut argv = vec!["relman"];
        argv.extend(arguments);
        let mut all = vec![("RELMAN_INSECURE_NOW", NOW)];
        all.extend(env);
        self.machine.run_with(&all, &argv)
    }

    fn systemctl(&self, arguments: &[&str]) -> Run {
        let mut argv = vec!["systemctl"];
        argv.extend(arguments);
        self.machine.run(&argv)
    }

    fn property(&self, name: &str) -> String {
        let run = self.systemctl(&["show", "--value", "--property", name, UNIT]);
        run.exits(0).stdout.trim().to_owned()
    }

    fn released(&self, tag: &str) -> Vec<u8> {
        fs::read(self.project.store().join(tag).join("timed")).expect("a release")
    }

    /// The unit is up and its main process runs the bytes of `tag`.
    #[track_caller]
    fn runs(&self, tag: &str) {
        assert_eq!(self.property("ActiveState"), "active");
        let pid = self.property("MainPID");
        let run = self
            .machine
            .run(&["sha256sum", &format!("/proc/{pid}/exe")]);
        let wanted = relman::hash::Sha256::of(&self.released(tag)).to_string();
        assert_eq!(run.stdout.split(' ').next(), Some(wanted.as_str()), "{tag}");
    }

    fn write_data(&self, text: &str) {
        for name in ["marker", "signed"] {
            self.machine.write(&format!("/var/lib/timed/{name}"), text);
        }
    }

    fn data(&self, name: &str) -> String {
        let path = self.machine.path(&format!("/var/lib/timed/{name}"));
        fs::read_to_string(path).unwrap_or_default()
    }

    fn status(&self) -> Value {
        self.relman(&["status", "--json"]).json()
    }
}

#[test]
#[ignore = "wants root, systemd-nspawn and mmdebstrap"]
fn from_the_first_install_to_a_rollback_under_a_real_systemd() {
    let node = Node::new("systemd-way");
    // The configuration is checked against the host, and says what is missing.
    let run = node.relman(&["node", "check"]).exits(1);
    run.says(&[
        "does not wait for relman-recover.service",
        "relman node units --write",
    ]);
    node.relman(&["node", "units", "--write"]).exits(0);
    node.relman(&["node", "check"])
        .exits(0)
        .says(&["fits this host"]);

    node.relman(&["install", TAG])
        .exits(0)
        .says(&["runs on testnet-1"]);
    node.runs(TAG);
    // Nothing listens where nobody was told to listen, and the doctor says so.
    let path = node.machine.path("/etc/relman/node.toml");
    let mut text = fs::read_to_string(&path).expect("the configuration");
    text.push_str("\n[doctor]\nlisten = [\"127.0.0.1:24101\", \"127.0.0.1:24999\"]\nconfig_check = [\"/bin/sh\", \"-c\", \"echo line 7: what; exit 1\"]\n");
    fs::write(&path, text).expect("the configuration");
    let run = node.relman(&["doctor"]).exits(1);
    let run = run.says(&[
        "nobody listens on 127.0.0.1:24999",
        "line 7: what",
        "ss -tlnp",
    ]);
    assert!(!run.stdout.contains("24101"), "{run:?}");
    let page = node.relman(&["status", "--prometheus"]).exits(0).stdout;
    assert!(
        page.contains("relman_node_daemon_verified{node=\"testnet-1\"} 1"),
        "{page}"
    );
    node.relman(&["install", SECOND]).exits(0).says(&[
        "stopping timed@testnet-1.service",
        "starting timed@testnet-1.service",
    ]);
    node.runs(SECOND);
    let plan = node.relman(&["install", CRASHING, "--dry-run"]).exits(0);
    plan.says(&[
        "the last time it was away for",
        "on failure go back to phase2",
    ]);

    // A release that crashes again and again, and one that never says that it is ready.
    let run = node.relman(&["install", CRASHING]).exits(1);
    run.says(&["was rolled back to phase2", "log:"]);
    node.runs(SECOND);
    node.relman(&["install", SILENT])
        .exits(1)
        .says(&["could not be started", "was rolled back to phase2"]);
    node.runs(SECOND);

    // A daemon that does not end when it is asked to.
    let stubborn = "[Service]\nKillSignal=SIGCONT\nTimeoutStopSec=1h\n";
    node.machine.write(
        &format!("/etc/systemd/system/{UNIT}.d/20-stubborn.conf"),
        stubborn,
    );
    node.systemctl(&["daemon-reload"]).exits(0);
    node.relman(&["rollback"])
        .exits(0)
        .says(&["was killed", "runs on testnet-1"]);
    node.runs(TAG);
    assert_eq!(node.status()["data"]["problems"], serde_json::json!([]));

    // Data go with their release: a probe asks the daemon itself, a backup is made while it is stopped.
    let path = node.machine.path("/etc/relman/node.toml");
    let mut text = fs::read_to_string(&path).expect("the configuration");
    text.push_str(
        "\n[health.rpc]\nurl = \"http://127.0.0.1:24101/rpc\"\ncookie_file = \"/var/lib/timed/.cookie\"\n[[probe]]\nname = \"height\"\nkind = \"rpc\"\npreset = \"height-grows\"\ndeadline_seconds = 20\n\
         [[probe]]\nname = \"log\"\nkind = \"journal\"\nlevel = \"error\"\n\
         [data]\ndir = \"/var/lib/timed\"\nprotect = [\"signed\"]\n",
    );
    fs::write(&path, text).expect("the configuration");
    node.write_data("one");
    node.relman(&["install", SECOND])
        .exits(0)
        .says(&["backing up", "height"]);
    node.relman(&["health"]).exits(0);
    node.write_data("two");
    node.relman(&["backup", "verify"]).exits(0);
    node.relman(&["rollback", "--with-data"]).exits(0);
    node.runs(TAG);
    assert_eq!(node.data("marker"), "one");
    assert_eq!(node.data("signed"), "two", "what was signed stays known");
    node.relman(&["receipts", "verify"]).exits(0);

    // What the operator has stopped is not started behind his back.
    node.relman(&["rollback", "--to", SECOND, "--emergency"])
        .exits(0);
    fs::remove_file(
        node.machine
            .path(&format!("/etc/systemd/system/{UNIT}.d/20-stubborn.conf")),
    )
    .expect("it was there");
    node.systemctl(&["daemon-reload"]).exits(0);

    // What the daemon says goes through the real journal, as JSON: an error since its start is found, one
    // before that is not held against it.
    let conf = node.machine.path("/etc/timed/testnet-1.conf");
    let good = fs::read_to_string(&conf).expect("the daemon's configuration");
    fs::write(&conf, format!("{good}fail = error-lines=1\n")).expect("the daemon's configuration");
    node.systemctl(&["restart", UNIT]).exits(0);
    node.relman(&["health"]).exits(1).says(&["log", "error"]);
    fs::write(&conf, good).expect("the daemon's configuration");
    node.systemctl(&["restart", UNIT]).exits(0);
    node.relman(&["health"]).exits(0);

    node.systemctl(&["stop", UNIT]).exits(0);
    node.relman(&["install", TAG])
        .exits(1)
        .says(&["does not run now", "--force"]);
    node.relman(&["install", TAG, "--force"])
        .exits(0)
        .says(&["had been stopped before and is left so"]);
    assert_eq!(node.property("ActiveState"), "inactive");
    node.systemctl(&["start", UNIT]).exits(0);
    node.runs(TAG);

    // And the way out.
    node.relman(&["node", "release"]).exits(0);
    let path = node.machine.path("/usr/local/bin/timed");
    assert!(fs::symlink_metadata(&path).expect("a file").is_file());
    assert_eq!(fs::read(path).expect("a file"), node.released(TAG));
    node.systemctl(&["restart", UNIT]).exits(0);
    node.runs(TAG);
}

#[test]
#[ignore = "wants root, systemd-nspawn and mmdebstrap"]
#[cfg(debug_assertions)]
fn power_that_is_cut_in_the_middle_of_a_swap_brings_the_daemon_up_on_whole_bytes() {
    let mut node = Node::new("systemd-power");
    node.relman(&["node", "units", "--write"]).exits(0);
    node.relman(&["install", TAG]).exits(0);
    node.systemctl(&["enable", UNIT]).exits(0);
    for (point, arguments, wanted) in [
        ("install-stop-done", vec!["install", SECOND], TAG),
        ("install-swap-done", vec!["install", SECOND], TAG),
        ("install-start-done", vec!["install", SECOND], TAG),
        ("install-commit", vec!["install", SECOND], SECOND),
        ("rollback-swap-done", vec!["rollback"], TAG),
    ] {
        let run = node.relman_with(&[("RELMAN_INSECURE_KILL_AT", point)], &arguments);
        // What kills it is killed by a signal, which a shell and nsenter tell as such.
        assert!(
            run.was_killed() || run.code == Some(137),
            "{point}: {run:?}"
        );
        node.machine.cut_power();
        node.machine.boot();
        node.runs(wanted);
        let status = node.status();
        assert_eq!(status["data"]["unfinished"], Value::Null, "{point}");
        assert_eq!(status["data"]["problems"], serde_json::json!([]), "{point}");
    }
    // Killed, and nobody noticed: whoever starts the daemon next has it recovered first.
    let run = node.relman_with(
        &[("RELMAN_INSECURE_KILL_AT", "install-swap-done")],
        &["install", SECOND],
    );
    assert!(run.was_killed() || run.code == Some(137), "{run:?}");
    assert_eq!(node.property("ActiveState"), "inactive");
    node.systemctl(&["start", UNIT]).exits(0);
    node.runs(TAG);
    assert_eq!(node.status()["data"]["unfinished"], Value::Null);
}

#[test]
#[ignore = "wants root, systemd-nspawn and mmdebstrap"]
fn a_unit_that_was_stopped_stays_stopped_even_if_it_had_crashed_and_starts_when_told() {
    let node = Node::new("systemd-stop");
    let path = node.machine.path("/etc/relman/node.toml");
    let mut text = fs::read_to_string(&path).expect("the configuration");
    text.push_str("\n[health.rpc]\nurl = \"http://127.0.0.1:24101/rpc\"\ncookie_file = \"/var/lib/timed/.cookie\"\n");
    fs::write(&path, text).expect("the configuration");
    node.relman(&["install", TAG]).exits(0);
    let chain = node.relman(&["node", "chain", "--at", "0", "--json"]);
    let chain = chain.exits(0).json();
    assert_eq!(chain["data"]["network"], "regtest", "{chain:#}");
    assert_eq!(
        chain["data"]["problems"],
        serde_json::json!([]),
        "{chain:#}"
    );
    let since = "2020-01-01T00:00:00Z";
    let lines = node.relman(&["node", "journal", "--since", since]).exits(0);
    assert!(lines.stdout.contains("timed["), "{lines:?}");

    let stopped = node.relman(&["node", "stop", "--json"]).exits(0).json();
    assert_eq!(stopped["data"]["how"], "graceful", "{stopped:#}");
    assert_eq!(node.property("ActiveState"), "inactive");
    // An operator's stop outlasts the next upgrade.
    node.relman(&["install", SECOND, "--force"])
        .exits(0)
        .says(&["is left so"]);
    assert_eq!(node.property("ActiveState"), "inactive");
    node.relman(&["node", "start"]).exits(0);
    node.runs(SECOND);

    // A unit that failed for good is stopped as well: the next upgrade does not start it.
    let dropin = "/etc/systemd/system/timed@testnet-1.service.d/once.conf";
    let dir = node
        .machine
        .path("/etc/systemd/system/timed@testnet-1.service.d");
    fs::create_dir_all(dir).expect("a directory");
    node.machine.write(dropin, "[Service]\nRestart=no\n");
    node.systemctl(&["daemon-reload"]).exits(0);
    node.systemctl(&["kill", "--signal=SIGKILL", UNIT]).exits(0);
    crate::common::wait_for("the unit's failure", || {
        (node.property("ActiveState") == "failed").then_some(())
    });
    let stopped = node.relman(&["node", "stop", "--json"]).exits(0).json();
    assert_eq!(stopped["data"]["how"], "idle", "{stopped:#}");
    assert_eq!(node.property("ActiveState"), "inactive");
    node.relman(&["rollback"]).exits(0).says(&["is left so"]);
    assert_eq!(node.property("ActiveState"), "inactive");

    // A name that no unit has is no daemon that does not run.
    let text = fs::read_to_string(&path).expect("the configuration");
    fs::write(&path, text.replace(UNIT, "timed@nowhere-1.service")).expect("the configuration");
    node.machine
        .run(&["rm", "-rf", "/etc/systemd/system/timed@.service"]);
    node.systemctl(&["daemon-reload"]).exits(0);
    node.relman(&["node", "stop"])
        .exits(1)
        .says(&["does not exist"]);
}
