//! What nodes tell of their signals, and what they may not make anybody believe.

use serde_json::{Value, json};

use super::*;
use crate::fleet::config::FleetConfig;
use crate::fleet::host::{Document, Request};
use crate::watch::policy::template;

fn reply(data: Value) -> Reply {
    Reply::Answer(Document {
        outcome: "done".into(),
        data,
        error: None,
    })
}

fn policy() -> Policy {
    Policy::parse(template()).unwrap()
}

#[test]
fn what_a_node_tells_is_found_under_the_policys_names() {
    let look = SignalsLook::of(reply(json!({
        "chain": {"network": "regtest", "height": 7, "hash_at": "AB12", "finality": true, "peers": 2, "newest_unix": 5},
        "metrics": {"memory_usage": 1.5, "errors_total{severity=\"critical\"}": 2.0, "panics": null},
        "values": {"up": 1, "restarts": 0, "log-corruption": 3, "log-signatures": null},
        "unknown": {"panics": "there is no metric panics", "log-signatures": "the journal cannot be read"},
        "log": {"cursor": "{\"journal\":\"s=1\"}", "behind": false, "lost": null},
    })))
    .unwrap();
    let sample = look.sample(&policy(), Some(6));
    assert_eq!(sample.chain.hash, Some((6, "ab12".into())));
    assert_eq!(sample.chain.height, Some(7));
    for (signal, wanted) in [
        ("memory", 1.5),
        ("critical-errors", 2.0),
        ("up", 1.0),
        ("restarts", 0.0),
        ("log-corruption", 3.0),
    ] {
        assert_eq!(sample.values.get(signal), Some(&wanted), "{signal}");
    }
    assert_eq!(sample.unknown["panics"], "there is no metric panics");
    assert_eq!(
        sample.unknown["log-signatures"],
        "the journal cannot be read"
    );
    assert_eq!(sample.unknown["cpu"], "it did not tell");
    assert!(!sample.values.contains_key("cpu"), "unknown is not 0");
}

#[test]
fn attack_a_node_that_tells_of_other_signals_and_endless_words_is_cut_short() {
    let long = "x".repeat(100_000);
    let look = SignalsLook::of(reply(json!({
        "chain": {"network": long, "height": 1, "hash_at": "<script>", "problems": [long]},
        "metrics": {"vulnerability": 1.0},
        "values": {"vulnerability": 1, "blocks-overdue": 9999, "partition": 1},
        "unknown": {"up": long},
        "log": {"cursor": long},
    })))
    .unwrap();
    let sample = look.sample(&policy(), Some(1));
    assert!(sample.values.is_empty(), "{:?}", sample.values);
    assert_eq!((sample.chain.hash, look.log.cursor), (None, None));
    assert!(sample.chain.network.unwrap().len() < 100);
    assert!(sample.unknown.values().all(|why| why.len() <= 400));
}

#[test]
fn lines_that_are_gone_before_they_were_read_are_not_none() {
    let look = SignalsLook::of(reply(json!({
        "values": {"log-corruption": 0, "up": 1},
        "log": {"lost": "the log was put aside"},
    })))
    .unwrap();
    let sample = look.sample(&policy(), None);
    assert_eq!(sample.unknown["log-corruption"], "the log was put aside");
    assert_eq!(sample.values["up"], 1.0);
}

#[test]
fn why_a_chain_is_unknown_is_told_and_so_is_a_relman_that_does_not_know_the_question() {
    let look =
        SignalsLook::of(reply(json!({"chain": {"problems": ["height: no answer"]}}))).unwrap();
    let sample = look.sample(&policy(), None);
    assert_eq!(sample.unknown["finality"], "height: no answer");
    assert_eq!(sample.unknown["peers-missing"], "height: no answer");
    let older = Reply::Foreign("its relman is 0.0.9".into());
    assert_eq!(SignalsLook::of(older).unwrap_err(), "its relman is 0.0.9");
    let odd = SignalsLook::of(reply(json!({"values": {"up": -1}})));
    assert!(odd.unwrap_err().contains("malformed"));
}

#[test]
fn each_metric_is_asked_for_once() {
    let metrics = metrics_of(&policy());
    assert!(metrics.contains(&"memory_usage".into()));
    assert!(metrics.windows(2).all(|pair| pair[0] < pair[1]));
    // What relman finds out by itself is no question for a page.
    assert!(!metrics.contains(&"active_peers".into()), "{metrics:?}");
}

#[test]
fn the_question_is_put_in_words_that_the_nodes_relman_understands() {
    let text = "[[environment]]\nname = \"local\"\n[[node]]\nname = \"n1\"\nssh = \"n1\"\nenvironment = \"local\"\n";
    let config = FleetConfig::parse(text, std::path::Path::new("/")).unwrap();
    let request = Request::Signals {
        at: Some(7),
        metrics: vec!["a{b=\"c d\"}".into()],
        since: "2026-01-05T09:00:00Z".parse().unwrap(),
        cursor: Some("{\"journal\":\"s=1\"}".into()),
    };
    assert!(!request.changes());
    assert_eq!(
        request.arguments(&config.nodes[0]),
        [
            "--json",
            "--quiet",
            "node",
            "signals",
            "--at",
            "7",
            "--metric",
            "a{b=\"c d\"}",
            "--since",
            "2026-01-05T09:00:00Z",
            "--since-cursor",
            "{\"journal\":\"s=1\"}",
            "--config",
            "/etc/relman/node.toml",
        ]
    );
}
