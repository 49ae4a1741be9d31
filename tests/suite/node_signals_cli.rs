//! `relman node signals` against the sample daemon.

use std::fs;

use relman::fleet::host::{Document, Reply};
use relman::fleet::look::SignalsLook;
use relman::watch::policy::{Policy, template};
use serde_json::{Value, json};

use super::health_cli::{node as with_timed, run};
use super::node_cli::Node;
use crate::common::relman::TAG;

const LONG_AGO: &str = "--since 2020-01-01T00:00:00Z";

fn signals(node: &Node, words: &str) -> Value {
    let run = run(node, &format!("node signals --json {words}")).exits(0);
    run.json()["data"].clone()
}

#[test]
fn one_document_tells_all_and_a_watch_finds_its_signals_in_it() {
    let node = with_timed("signals");
    let asked = format!("--at 1 --metric memory_usage --metric consensus_rounds_v9 {LONG_AGO}");
    // Nothing is installed, and nothing runs: that is an answer too.
    let down = signals(&node, &asked);
    assert_eq!(
        (&down["values"]["up"], &down["chain"]["height"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(down["metrics"]["memory_usage"], Value::Null);
    assert!(down["unknown"]["memory_usage"].is_string(), "{down:#}");
    assert_eq!(down["values"]["log-errors"], Value::Null);

    node.run(&format!("install {TAG}")).exits(0);
    let told = signals(&node, &asked);
    assert_eq!(told["node"], "n1");
    assert_eq!(told["values"]["up"], 1, "{told:#}");
    assert_eq!(told["chain"]["network"], "regtest");
    assert!(told["chain"]["height"].as_u64() > Some(1), "{told:#}");
    assert!(told["chain"]["hash_at"].is_string(), "{told:#}");
    assert!(
        told["metrics"]["memory_usage"].as_f64() > Some(100_000.0),
        "{told:#}"
    );
    assert_eq!(told["metrics"]["consensus_rounds_v9"], Value::Null);
    assert_eq!(
        told["unknown"]["consensus_rounds_v9"],
        "there is no metric consensus_rounds_v9"
    );
    // Nobody counts the starts of a daemon that is no unit.
    assert_eq!(told["values"]["restarts"], Value::Null);
    assert!(told["unknown"]["restarts"].is_string());
    assert_eq!(told["values"]["log-corruption"], 0);

    let document: Document =
        serde_json::from_value(json!({"outcome": "done", "data": told, "error": null}))
            .expect("a document");
    let look = SignalsLook::of(Reply::Answer(document)).expect("a look");
    let policy = Policy::parse(template()).expect("the default");
    let sample = look.sample(&policy, Some(1));
    assert_eq!(sample.values["up"], 1.0);
    assert!(sample.values["memory"] > 100_000.0);
    assert!(sample.chain.hash.is_some_and(|(at, _)| at == 1));

    run(&node, &format!("node signals --metric panics {LONG_AGO}"))
        .exits(0)
        .says(&[
            "up: 1",
            "panics: 0",
            "unknown: restarts",
            "network: regtest",
        ]);
}

#[test]
fn lines_are_counted_once_by_whoever_goes_on_where_it_ended() {
    let node = with_timed("signals-log");
    let log = node.path("own.log");
    let path = node.path("node.toml");
    let text = fs::read_to_string(&path).expect("node.toml");
    let line = format!("[service]\nlog_file = \"{}\"", log.display());
    fs::write(path, text.replace("[service]", &line)).expect("a file");
    let old = "2026-01-05T08:00:00Z ERROR block checksum mismatch\n";
    let new = "2026-01-05T09:00:01Z ERROR block checksum mismatch\n";
    fs::write(&log, format!("{old}{new}")).expect("a file");
    let since = "--since 2026-01-05T09:00:00Z";
    let first = signals(&node, since);
    assert_eq!(first["values"]["log-errors"], 1, "{first:#}");
    let cursor = first["log"]["cursor"]
        .as_str()
        .expect("a cursor")
        .to_owned();
    let again = |cursor: &str| signals(&node, &format!("{since} --since-cursor {cursor}"));
    assert_eq!(again(&cursor)["values"]["log-errors"], 0);
    fs::write(&log, format!("{old}{new}{new}CRITICAL no time\n")).expect("a file");
    let more = again(&cursor);
    assert_eq!(
        (
            &more["values"]["log-errors"],
            &more["values"]["log-critical"]
        ),
        (&json!(2), &json!(1))
    );
    fs::write(&log, "").expect("a file");
    assert!(again(&cursor)["log"]["lost"].is_string());
}

#[test]
fn what_makes_no_sense_is_a_usage_error_before_anything_is_asked() {
    let node = Node::new("signals-usage");
    for (words, wanted) in [
        ("node signals --metric a{", "is no metric"),
        ("node signals --since yesterday", "--since"),
        ("node signals --since-cursor x", "--since"),
        (
            "node signals --since 2026-01-05T09:00:00Z --since-cursor x",
            "no cursor",
        ),
        ("node signals --at -1", "-1"),
    ] {
        node.run(words).exits(2).says(&[wanted]);
    }
    let many = " --metric m".repeat(129);
    node.run(&format!("node signals{many}"))
        .exits(2)
        .says(&["at most 128"]);
    // Without anything to ask, all is unknown, and that is said.
    let told = node.run("node signals --json").exits(0).json();
    assert_eq!(
        told["data"]["chain"]["problems"][0],
        "no [health.rpc] is configured"
    );
}
