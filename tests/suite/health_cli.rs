//! `relman health` and the gate of `install`, with the sample daemon as the release.

use std::fs;

use serde_json::Value;

use super::node_cli::Node;
use crate::common::relman::{Project, Run, SECOND, TAG};
use crate::common::timed;

const PROBES: &str = "\
[health]\nstable_seconds = 0\ntimeout_seconds = 30\n\
[health.rpc]\nurl = \"http://127.0.0.1:PORT/rpc\"\ncookie_file = \"data/.cookie\"\n\
[health.metrics]\nurl = \"http://127.0.0.1:PORT/metrics\"\n\
[health.stages]\nimmediate_seconds = 2\nhour_seconds = 600\ninterval_ms = 200\nblock_interval_ms = 1000\npeers = 0\n\
[[probe]]\nname = \"height\"\nkind = \"rpc\"\npreset = \"height-grows\"\ninterval_ms = 50\nwithin_seconds = 3\ndeadline_seconds = 60\nsuccesses = 3\n\
[[probe]]\nname = \"log\"\nkind = \"journal\"\nlevel = \"error\"\ninterval_ms = 200\nsamples = 5\n";

/// A node whose daemon is `timed`, a block every 100 ms, and which is not started yet.
pub fn node(name: &str) -> Node {
    let project = Project::uninitialised(name);
    let build = format!(
        "mkdir -p out && cp {} out/timed && cat prog.sh >> out/timed",
        timed::binary().display()
    );
    project.configure(&build, "");
    project.relman(&["init", "--yes"]).exits(0);
    project.relman(&["cut", TAG]).exits(0);
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    let node = Node::beside(project);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("an address").port();
    let text = fs::read_to_string(node.path("node.toml")).expect("node.toml");
    let (before, _) = text.split_once("[health]").expect("[health]");
    let text = before.replace("\"600\"", "\"--config\", \"timed.conf\"");
    fs::write(
        node.path("node.toml"),
        format!("{text}{}", PROBES.replace("PORT", &port.to_string())),
    )
    .expect("a file");
    daemon(&node, port, "none");
    node
}

fn daemon(node: &Node, port: u16, fail: &str) {
    let data = node.path("data");
    let text = format!(
        "network = regtest\nrpc_bind = 127.0.0.1:{port}\ndatadir = {}\nblock_interval_ms = 100\nfail = {fail}\n",
        data.display()
    );
    fs::write(node.path("timed.conf"), text).expect("a file");
}

fn fails(node: &Node, fail: &str) {
    let text = fs::read_to_string(node.path("timed.conf")).expect("timed.conf");
    let port = text
        .split_once("127.0.0.1:")
        .and_then(|(_, rest)| rest.split_once('\n'));
    daemon(node, port.expect("a port").0.parse().expect("a port"), fail);
}

/// The clock is the real one: looks and log lines have times.
pub fn run(node: &Node, words: &str) -> Run {
    node.run_at("", words)
}

fn states(data: &Value) -> Vec<(String, String)> {
    let probes = data["probes"].as_array().expect("probes");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    probes
        .iter()
        .map(|probe| (text(&probe["name"]), text(&probe["state"])))
        .collect()
}

#[test]
fn the_gate_lets_a_daemon_in_that_produces_blocks_and_puts_back_one_that_does_not() {
    let node = node("health-gate");
    node.run(&format!("install {TAG}"))
        .exits(0)
        .says(&["2 probe(s) healthy", "probe height: healthy"]);
    let look = run(&node, "health --json").exits(0).json();
    assert_eq!(look["data"]["healthy"], true);
    let healthy = |name: &str| (name.to_owned(), "healthy".to_owned());
    assert_eq!(
        states(&look["data"]),
        ["systemd", "binary", "height", "log"].map(healthy)
    );
    // The next one logs critical errors; the one before did not.
    fails(&node, "error-lines=1");
    node.run(&format!("install {SECOND}")).exits(1).says(&[
        "probe log",
        "asks for an error",
        "rolled back",
    ]);
    run(&node, "health")
        .exits(1)
        .says(&["log (journal): unhealthy", "is not healthy on n1"]);
}

#[test]
fn a_stage_is_gone_through_killed_and_gone_on_with() {
    let node = node("health-stage");
    node.run(&format!("install {TAG}")).exits(0);
    let out = node.path("report.md");
    let words = format!("health --stage immediate --out {} --json", out.display());
    let report = run(&node, &words).exits(0).json();
    assert_eq!(report["data"]["passed"], true, "{report:#}");
    assert_eq!(report["data"]["items"].as_array().map(Vec::len), Some(5));
    let page = fs::read_to_string(&out).expect("the report");
    assert!(
        page.contains("| consensus producing blocks | passed |"),
        "{page}"
    );

    let mut killed = node
        .command("health --stage hour")
        .env("RELMAN_INSECURE_NOW", "")
        .spawn()
        .expect("relman runs");
    let memory = node.path("state/health/hour.json");
    crate::common::wait_for("a look", || memory.exists().then_some(()));
    run(&node, "health --stage hour --resume")
        .exits(1)
        .says(&["health --stage hour"]);
    killed.kill().expect("a child can be killed");
    killed.wait().expect("it ends");
    run(&node, "health --stage hour")
        .exits(1)
        .says(&["unfinished", "relman health --stage hour --resume"]);
    let text = fs::read_to_string(node.path("node.toml")).expect("node.toml");
    let shorter = text.replace("hour_seconds = 600", "hour_seconds = 1");
    fs::write(node.path("node.toml"), shorter).expect("node.toml");
    let report = run(&node, "health --stage hour --resume --json")
        .exits(0)
        .json();
    assert_eq!(report["data"]["passed"], true, "{report:#}");
    assert!(!memory.exists());
}

#[test]
fn without_a_release_there_is_nothing_to_look_at() {
    let node = node("health-nothing");
    run(&node, "health")
        .exits(1)
        .says(&["nothing is installed"]);
    run(&node, "health --stage day")
        .exits(1)
        .says(&["nothing is installed"]);
    run(&node, "health --resume").exits(2);
    run(&node, "health --stage month").exits(2);
}
