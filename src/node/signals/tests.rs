//! Signals of a node in memory.

use std::path::Path;
use std::rc::Rc;

use super::*;
use crate::node::config::NodeConfig;
use crate::node::fake::{CONFIG, Fake};
use crate::node::tests::health::Daemon;
use crate::node::tests::{ONE, install};

const ENDPOINTS: &str = "[health.rpc]\nurl = \"http://127.0.0.1:1/\"\n[health.metrics]\nurl = \"http://127.0.0.1:1/m\"\n";

/// A daemon on which everything is well.
fn well(method: &str, params: &Value) -> Value {
    match method {
        "getblockcount" => json!(100),
        "getblockhash" => json!(format!("{:016x}", params[0].as_u64().unwrap())),
        "getblock" => json!({"phase": "Finalized"}),
        "getpeerinfo" => json!([{}, {}]),
        "getnetworkinfo" => json!({"network": "regtest"}),
        "getconsensusinfo" => json!({"tiptime": 1_800_000_000}),
        "log" => json!("2026-01-05T08:00:00Z ERROR old\n2026-01-05T09:00:00Z CRITICAL new\n"),
        "metrics" => json!("memory_usage 1.5\nerrors_total{severity=\"critical\"} 2\nbad NaN\n"),
        _ => Value::Null,
    }
}

fn asked() -> Asked {
    let metrics = [
        "memory_usage",
        "errors_total{severity=\"critical\"}",
        "bad",
        "gone",
    ];
    Asked {
        at: Some(99),
        metrics: metrics
            .map(|m| (m.to_owned(), Selector::parse(m).unwrap()))
            .into(),
        since: Some("2026-01-05T09:00:00Z".parse().unwrap()),
        cursor: None,
    }
}

fn signals(
    fake: &Fake,
    config: &str,
    asked: &Asked,
    daemon: impl Fn(&str, &Value) -> Value + 'static,
) -> NodeSignals {
    let daemon = Rc::new(daemon);
    fake.0.borrow_mut().wire = Some(Rc::new(move |_| {
        let daemon = Rc::clone(&daemon);
        Box::new(Daemon(move |method: &str, params: &Value| {
            daemon(method, params)
        }))
    }));
    let config = NodeConfig::parse(config, Path::new("/etc/relman")).unwrap();
    fake.with_config(&config, |node| node.signals(asked))
        .unwrap()
}

fn installed() -> Fake {
    let fake = Fake::new();
    install(&fake, ONE);
    fake.0.borrow_mut().restarts = Some(3);
    fake
}

fn whole() -> String {
    format!("{CONFIG}{ENDPOINTS}")
}

#[test]
fn a_daemon_that_is_well_tells_all_of_it_at_one_look() {
    let told = signals(&installed(), &whole(), &asked(), well);
    assert_eq!(told.chain.height, Some(100));
    assert_eq!(told.chain.hash_at.as_deref(), Some("0000000000000063"));
    assert_eq!(told.chain.problems, [""; 0]);
    assert_eq!(told.metrics["memory_usage"], Some(1.5));
    assert_eq!(
        told.metrics["errors_total{severity=\"critical\"}"],
        Some(2.0)
    );
    assert_eq!(
        (told.values["up"], told.values["restarts"]),
        (Some(1), Some(3))
    );
    // The old error was before the time that lines count from.
    assert_eq!(told.values["log-errors"], Some(1));
    assert_eq!(told.values["log-critical"], Some(1));
    assert_eq!(told.values["log-corruption"], Some(0));
    assert_eq!(told.metrics["gone"], None);
    assert_eq!(told.unknown["gone"], "there is no metric gone");
    assert!(told.unknown["bad"].contains("NaN"));
}

#[test]
fn a_second_look_counts_what_was_written_since_the_first() {
    let fake = installed();
    let first = signals(&fake, &whole(), &asked(), well);
    let cursor = first.log.cursor.as_deref().unwrap();
    let again = Asked {
        cursor: Some(parse_cursor(cursor).unwrap()),
        ..asked()
    };
    let told = signals(&fake, &whole(), &again, well);
    assert_eq!(told.values["log-critical"], Some(0));
    let more = |method: &str, params: &Value| match (method, well(method, params)) {
        ("log", Value::String(log)) => json!(log + "CRITICAL without a time\n"),
        (_, other) => other,
    };
    let told = signals(&fake, &whole(), &again, more);
    assert_eq!(told.values["log-critical"], Some(1));
    // A log that was put aside has lost nobody knows what.
    let short = |method: &str, params: &Value| match method {
        "log" => json!("INFO\n"),
        _ => well(method, params),
    };
    let told = signals(&fake, &whole(), &again, short);
    assert!(told.log.lost.is_some());
}

#[test]
fn old_lines_without_a_time_are_not_taken_for_new_ones() {
    let old = |method: &str, params: &Value| match method {
        "log" => json!("ERROR checksum mismatch\n".repeat(100)),
        _ => well(method, params),
    };
    let told = signals(&installed(), &whole(), &asked(), old);
    assert_eq!(told.values["log-errors"], Some(0));
}

#[test]
fn what_got_no_answer_is_null_and_says_why() {
    let told = signals(&installed(), &whole(), &asked(), |_, _| Value::Null);
    assert_eq!(told.chain.height, None);
    assert!(!told.chain.problems.is_empty());
    for name in ["memory_usage", "gone"] {
        assert_eq!(told.metrics[name], None);
        assert_eq!(told.unknown[name], "no answer in time");
    }
    assert_eq!(told.values["log-errors"], None);
    assert_eq!(told.unknown["log-errors"], "no log");
    assert_eq!(told.values["up"], Some(1));
    // Nothing is asked where nothing is configured.
    let told = signals(&installed(), CONFIG, &asked(), well);
    assert_eq!(told.chain.problems, ["no [health.rpc] is configured"]);
    assert_eq!(told.unknown["gone"], "no [health.metrics] is configured");
    let nobody = Asked::default();
    let told = signals(&installed(), &whole(), &nobody, well);
    assert!(told.metrics.is_empty());
    assert!(told.unknown["log-errors"].contains("no time was given"));
}

#[test]
fn a_daemon_that_does_not_run_is_down_and_a_unit_that_is_not_there_is_unknown() {
    let fake = installed();
    fake.0.borrow_mut().running = None;
    fake.0.borrow_mut().restarts = None;
    let told = signals(&fake, &whole(), &asked(), well);
    assert_eq!(
        (told.values["up"], told.values["restarts"]),
        (Some(0), None)
    );
    fake.0.borrow_mut().no_unit = true;
    let told = signals(&fake, &whole(), &asked(), well);
    assert_eq!((told.values["up"], told.values["log-errors"]), (None, None));
    assert!(told.unknown["up"].contains("no such service"));
}

#[test]
fn a_cursor_that_is_none_is_refused() {
    for text in ["", "x", "{}", "{\"journal\":1}", "[]", &"\"".repeat(2_000)] {
        assert!(parse_cursor(text).is_err(), "{text}");
    }
    assert!(parse_cursor("{\"journal\":\"s=1;i=2\"}").is_ok());
}
