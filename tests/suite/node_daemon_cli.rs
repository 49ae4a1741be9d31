//! A node's daemon on an operator's order: `relman node stop`, `start`, `chain` and `journal`, and receipts on stdout.

use std::fs;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::health_cli::{node as with_timed, run as run_now};
use super::node_cli::Node;
use crate::common::relman::{Run, SECOND, TAG, flip};
use crate::common::wait_for;

fn data(run: &Run) -> Value {
    run.json()["data"].clone()
}

fn begin(node: &Node, words: &str) -> Child {
    let mut command = node.command(words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("relman runs")
}

fn end(child: Child) -> Run {
    Run::of(child.wait_with_output().expect("it ends"))
}

fn add(node: &Node, lines: &str) {
    let path = node.path("node.toml");
    let text = fs::read_to_string(&path).expect("node.toml");
    fs::write(path, text + lines).expect("a file");
}

#[test]
fn a_daemon_is_stopped_whatever_else_is_broken_and_started_only_as_what_was_verified() {
    let node = Node::new("daemon-stop");
    // Nothing is installed: nothing to stop, and nothing that may be started.
    let stopped = node.run("node stop --json").exits(0);
    assert_eq!(stopped.json()["outcome"], "unchanged");
    assert_eq!(data(&stopped)["how"], "idle");
    node.run("node start")
        .exits(1)
        .says(&["nothing is installed", "relman install"]);

    node.run(&format!("install {TAG}")).exits(0);
    let pid = fs::read_to_string(node.path("state/service.pid")).expect("a process");
    let stopped = node.run("node stop --json").exits(0).json();
    assert_eq!(
        (&stopped["command"], &stopped["outcome"]),
        (&json!("node stop"), &json!("done"))
    );
    let told = &stopped["data"];
    assert_eq!(told["pid"].to_string(), pid.trim());
    assert_eq!(
        (&told["node"], &told["how"], &told["why"]),
        (&json!("n1"), &json!("graceful"), &Value::Null)
    );
    assert_eq!(node.running(), None);

    // Neither store nor trust root are asked for a stop; a start wants the root, and no store.
    let started = node.run("node start --json").exits(0);
    assert_eq!(started.json()["outcome"], "done");
    let told = data(&started);
    assert_eq!(
        (&told["tag"], &told["started"]),
        (&json!(TAG), &json!(true))
    );
    assert!(told["health"]["pid"].is_u64(), "{told:#}");
    assert_eq!(node.running(), node.released(TAG));
    node.run("node start").exits(0).says(&["runs already"]);
    let root = node.project.path("keys/root.json");
    let good = fs::read(&root).expect("a root");
    fs::write(&root, "{").expect("a file");
    fs::rename(node.project.store(), node.project.beside("away")).expect("it can be moved");
    node.run("node stop --at-once")
        .exits(0)
        .says(&["it ended by itself"]);
    assert_eq!(node.running(), None);
    node.run("node start").exits(3);
    fs::write(&root, good).expect("a file");
    node.run("node start").exits(0).says(&["was started on n1"]);

    // What is not what was verified is never started; settings of a store are nothing to a stop.
    node.configure("https://127.0.0.1:1", "local");
    add(&node, "[http]\nca = \"missing.pem\"\n");
    node.run("node stop").exits(0);
    flip(&node.path(&format!("state/versions/{TAG}/timed")));
    node.run("node start")
        .exits(3)
        .says(&["are not the verified ones"]);
    assert_eq!(node.running(), None);
}

#[test]
fn a_daemon_that_does_not_end_is_killed_and_that_is_said() {
    let node = Node::new("daemon-stubborn");
    let path = node.path("node.toml");
    let text = fs::read_to_string(&path).expect("node.toml");
    // Its parent ignores SIGTERM for it.
    let text = text.replace(
        "start = [\"bin/timed\", \"600\"]",
        "start = [\"/bin/sh\", \"-c\", \"trap '' TERM; exec bin/timed 600\"]\nstop_timeout_seconds = 1",
    );
    fs::write(path, text).expect("a file");
    node.run(&format!("install {TAG}")).exits(0);
    let told = data(&node.run("node stop --json").exits(0));
    assert_eq!(told["how"], "killed");
    assert!(
        told["why"]
            .as_str()
            .is_some_and(|why| why.contains("did not end within 1 s"))
    );
    assert_eq!(node.running(), None);
}

#[test]
fn a_stop_in_the_middle_of_an_install_is_at_once_and_outlasts_it() {
    let node = Node::new("daemon-install");
    node.run(&format!("install {TAG}")).exits(0);
    let (entered, go) = (node.path("entered"), node.path("go"));
    add(
        &node,
        &format!(
            "[hooks]\nbefore = [\"sh\", \"-c\", \"touch {}; until [ -e {} ]; do sleep 0.02; done\"]\n",
            entered.display(),
            go.display()
        ),
    );
    let install = begin(&node, &format!("install {SECOND}"));
    wait_for("the install", || entered.exists().then_some(()));
    let mut stop = begin(&node, "node stop --json");
    wait_for("the daemon's end", || {
        node.running().is_none().then_some(())
    });
    let still = stop.try_wait().expect("a child can be asked");
    assert_eq!(still, None, "the install is under way");
    fs::write(&go, "").expect("a file");
    // Whether the new release was healthy before it was stopped is nobody's concern.
    end(install);
    let stopped = end(stop).exits(0);
    let told = data(&stopped);
    // On a busy machine the install may have ended before anybody could wait for it.
    let waited = told["waited_for"].as_str();
    assert!(
        waited.is_none_or(|w| w.contains(&format!("install {SECOND}"))),
        "{waited:?}"
    );
    assert_eq!(node.running(), None);
    let status = node.run("status --json").json();
    assert_eq!(status["data"]["unfinished"], Value::Null);
    node.run("node start").exits(0);
}

#[test]
fn what_a_killed_install_left_is_mended_before_the_daemon_is_started() {
    let node = Node::new("daemon-killed");
    node.run(&format!("install {TAG}")).exits(0);
    let mut command = node.command(&format!("install {SECOND}"));
    command.env("RELMAN_INSECURE_KILL_AT", "install-swap-done");
    let run = Run::of(command.output().expect("relman runs"));
    assert!(run.was_killed(), "{run:?}");
    // A stop leaves it as it is: mending might start something.
    node.run("node stop").exits(0);
    let status = node.run("status --json").json();
    assert_eq!(status["data"]["unfinished"]["tag"], SECOND);
    node.run("node start")
        .exits(0)
        .says(&["was found at step swap", &format!("{TAG} is current again")]);
    assert_eq!(node.running(), node.released(TAG));
}

#[test]
fn a_node_without_a_service_or_an_rpc_says_how_to_get_one() {
    let node = Node::new("daemon-none");
    node.run("node chain")
        .exits(2)
        .says(&["no [health.rpc]", "hint:"]);
    let path = node.path("node.toml");
    let text = fs::read_to_string(&path).expect("node.toml");
    let text = text.replace("[service]\nstart = [\"bin/timed\", \"600\"]\n", "");
    fs::write(path, text).expect("a file");
    for words in [
        "node stop",
        "node start",
        "node journal --since 2026-01-01T00:00:00Z",
    ] {
        node.run(words).exits(2).says(&["no [service]", "hint:"]);
    }
}

#[test]
fn the_chain_of_the_sample_daemon_is_told_and_what_is_not_known_is_a_problem() {
    let node = with_timed("daemon-chain");
    let down = data(&run_now(&node, "node chain --json").exits(0));
    assert_eq!(down["height"], Value::Null);
    let problems = |data: &Value| data["problems"].as_array().map_or(0, Vec::len);
    assert_eq!(problems(&down), 4, "{down:#}");

    node.run(&format!("install {TAG}")).exits(0);
    let chain = data(&run_now(&node, "node chain --at 1 --json").exits(0));
    assert_eq!(
        (&chain["network"], &chain["finality"], &chain["peers"]),
        (&json!("regtest"), &json!(true), &json!(0)),
        "{chain:#}"
    );
    assert_eq!(problems(&chain), 0, "{chain:#}");
    assert!(chain["height"].as_u64() > Some(1), "{chain:#}");
    assert!(chain["newest_unix"].as_i64() > Some(1_700_000_000));
    let hash = chain["hash_at"].as_str().expect("a hash");
    assert_eq!(hash, hash.to_ascii_lowercase());
    let again = data(&run_now(&node, "node chain --at 1 --json").exits(0));
    assert_eq!(again["hash_at"], hash);
    // As the fleet reads it.
    let look: relman::fleet::look::ChainLook = serde_json::from_value(chain).expect("a look");
    assert_eq!(look.network.as_deref(), Some("regtest"));

    let far = data(&run_now(&node, "node chain --at 9007199254740991 --json").exits(0));
    assert_eq!((&far["hash_at"], problems(&far)), (&Value::Null, 1));
    run_now(&node, "node chain")
        .exits(0)
        .says(&["network: regtest", "the block before is final: true"]);
}

#[test]
fn a_daemon_that_calls_things_otherwise_is_asked_by_its_own_names() {
    let node = with_timed("daemon-names");
    add(
        &node,
        "[health.names]\nnetwork_info = \"getconsensusinfo\"\nnetwork = \"$.state\"\npeers = \"getblockcount\"\nblock_hash = \"nonsense\"\n",
    );
    node.run(&format!("install {TAG}")).exits(0);
    let chain = data(&run_now(&node, "node chain --at 1 --json").exits(0));
    assert_eq!(chain["network"], "producing");
    assert!(chain["peers"].is_u64(), "{chain:#}");
    assert_eq!(chain["hash_at"], Value::Null);
    assert!(
        chain["problems"][0]
            .as_str()
            .is_some_and(|p| p.contains("hash at 1: nonsense"))
    );
}

#[test]
fn the_daemons_lines_are_printed_from_a_time_on_and_cannot_steer_a_terminal() {
    let node = with_timed("daemon-journal");
    node.run(&format!("install {TAG}")).exits(0);
    let all = node
        .run("node journal --since 2020-01-01T00:00:00Z")
        .exits(0);
    assert!(all.stdout.contains("regtest"), "{all:?}");
    let none = node
        .run("node journal --since 2200-01-01T00:00:00Z")
        .exits(0);
    assert_eq!(none.stdout, "");
    node.run("node journal --since 2020-01-01T00:00:00Z --json")
        .exits(2);
    node.run("node journal --since yesterday").exits(2);

    // A log file that anybody may write into.
    let log = node.path("own.log");
    let path = node.path("node.toml");
    let text = fs::read_to_string(&path).expect("node.toml");
    let line = format!("[service]\nlog_file = \"{}\"", log.display());
    fs::write(path, text.replace("[service]", &line)).expect("a file");
    fs::write(
        &log,
        "2026-01-05T08:00:00Z INFO old\n  of the old one\n2026-01-05T09:00:00Z INFO new \x1b[2J\n  of the new one\u{202e}\nlast",
    )
    .expect("a file");
    let run = node
        .run("node journal --since 2026-01-05T09:00:00Z")
        .exits(0);
    assert_eq!(
        run.stdout,
        "2026-01-05T09:00:00Z INFO new \\u{1b}[2J\n  of the new one\\u{202e}\nlast\n"
    );
    fs::remove_file(log).expect("it can go");
    node.run("node journal --since 2026-01-05T09:00:00Z")
        .exits(1)
        .says(&["there is no log at"]);
}

#[test]
fn receipts_go_to_stdout_as_they_would_to_a_file() {
    let node = Node::new("daemon-receipts");
    node.run(&format!("install {TAG}")).exits(0);
    let file = node.path("batch.jsonl");
    node.run(&format!("receipts export --out {}", file.display()))
        .exits(0);
    let run = node.run("receipts export --out -").exits(0);
    assert_eq!(run.stdout, fs::read_to_string(&file).expect("receipts"));
    // Nothing new is no error for whoever asks again and again.
    let none = node.run("receipts export --since 9 --out -").exits(0);
    assert_eq!(none.stdout, "");
    node.run("receipts export --out - --json").exits(2);
    flip(&node.path("state/receipts/receipts.jsonl"));
    let run = node.run("receipts export --out -").exits(3);
    assert_eq!(run.stdout, "");
}
