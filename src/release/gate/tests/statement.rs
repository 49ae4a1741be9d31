//! The signed form of a result.

use serde_json::{Value, json};

use super::super::{read, statement};
use super::{TAG, commit, failed, passed};
use crate::attest::Statement;
use crate::limits::MAX_LOG_ENTRY_LEN;

fn parsed(value: &Value) -> crate::Result<super::GateResult> {
    Statement::parse(value.to_string().as_bytes()).and_then(|statement| read(&statement))
}

fn good() -> Value {
    let bytes = statement(&passed()).unwrap().to_bytes().unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn a_result_is_read_back_as_it_was_given() {
    for result in [passed(), failed()] {
        let bytes = statement(&result).unwrap().to_bytes().unwrap();
        assert_eq!(read(&Statement::parse(&bytes).unwrap()).unwrap(), result);
    }
    let mut killed = failed();
    (killed.exit_status, killed.ended) = (None, Some("was ended by signal 9".into()));
    (killed.counts, killed.coverage, killed.number) = (None, None, None);
    let bytes = statement(&killed).unwrap().to_bytes().unwrap();
    assert_eq!(read(&Statement::parse(&bytes).unwrap()).unwrap(), killed);
}

#[test]
fn it_is_in_totos_test_result_with_one_member_more() {
    let good = good();
    assert_eq!(
        good["predicateType"],
        "https://in-toto.io/attestation/test-result/v0.1"
    );
    assert_eq!(
        good["subject"],
        json!([{ "name": TAG, "digest": { "gitCommit": commit() } }])
    );
    let predicate = &good["predicate"];
    assert_eq!(predicate["result"], "PASSED");
    assert_eq!(predicate["passedTests"], json!(["tests::adds"]));
    assert_eq!(predicate["failedTests"], json!([]));
    for resource in predicate["configuration"].as_array().unwrap() {
        let whole = ["uri", "digest", "content"]
            .iter()
            .any(|m| resource.get(m).is_some());
        assert!(whole, "{resource}");
    }
    let wanted = json!({
        "tag": TAG, "gate": "test", "command": ["cargo", "test"], "exitStatus": 0,
        "counts": { "passed": 60, "failed": 0, "ignored": 1 },
        "coverage": { "linesFound": 400, "linesHit": 365 },
        "number": "1200.5", "durationMs": 61234,
        "log": crate::hash::Sha256::of(b"log").hex(),
        "toolchain": { "cargo": "cargo 1.95.0", "rustc": "rustc 1.95.0", "host": "x86_64-unknown-linux-gnu" },
        "problems": [], "time": "2026-02-03T04:05:06Z",
    });
    assert_eq!(predicate["relman"], wanted);
}

#[test]
fn what_the_standard_may_get_later_is_passed_over_and_what_relman_does_not_know_is_not() {
    let mut later = good();
    later["predicate"]["url"] = "https://example.org/run/7".into();
    later["predicate"]["warnedTests"] = json!([]);
    later["predicate"]["another"] = json!({ "x": 1 });
    assert_eq!(parsed(&later).unwrap(), passed());
    let mut unknown = good();
    unknown["predicate"]["relman"]["waived"] = true.into();
    assert!(parsed(&unknown).is_err());
}

#[test]
fn a_result_that_contradicts_itself_is_refused_with_every_reason() {
    let bad: [fn(&mut Value); 15] = [
        |s| s["predicateType"] = "https://in-toto.io/attestation/test-result/v0.2".into(),
        |s| s["predicate"]["result"] = "FAILED".into(),
        |s| s["predicate"]["result"] = "WARNED".into(),
        |s| s["predicate"]["relman"]["problems"] = json!(["x"]),
        |s| s["predicate"]["relman"]["exitStatus"] = 1.into(),
        |s| s["predicate"]["relman"]["exitStatus"] = Value::Null,
        |s| s["predicate"]["relman"]["counts"]["failed"] = 1.into(),
        |s| s["predicate"]["relman"]["counts"]["passed"] = (-1).into(),
        |s| s["predicate"]["failedTests"] = json!(["a"]),
        |s| s["predicate"]["relman"]["coverage"]["linesHit"] = 401.into(),
        |s| s["predicate"]["relman"]["number"] = "nan".into(),
        |s| s["predicate"]["relman"]["gate"] = "Test!".into(),
        |s| s["predicate"]["relman"]["tag"] = "phase2-x-1.0.0".into(),
        |s| s["predicate"]["relman"]["time"] = "2026-02-03T04:05:06+00:00".into(),
        |s| s["subject"][0]["digest"] = json!({ "sha256": "0".repeat(64) }),
    ];
    for (n, change) in bad.iter().enumerate() {
        let mut value = good();
        change(&mut value);
        assert!(parsed(&value).is_err(), "change {n}");
    }
    let mut two = good();
    two["predicate"]["relman"]["exitStatus"] = 1.into();
    two["predicate"]["relman"]["counts"]["failed"] = 1.into();
    assert_eq!(parsed(&two).unwrap_err().causes().len(), 2);
    let mut result = passed();
    result.exit_status = Some(1);
    assert!(statement(&result).is_err());
}

#[test]
fn a_result_of_any_size_fits_into_a_log_entry() {
    let mut huge = failed();
    huge.command = vec!["\"\\".repeat(2_000)];
    huge.passed_tests = (0..10_000)
        .map(|n| format!("\"module\"::test_{n}"))
        .collect();
    huge.failed_tests = (0..500).map(|n| format!("\u{1b}\"{n}")).collect();
    huge.problems = (0..1_000)
        .map(|n| "\"\\\u{7}é".repeat(500) + &n.to_string())
        .collect();
    huge.toolchain.rustc = "\"".repeat(100_000);
    let made = statement(&huge).unwrap();
    let length = made.to_bytes().unwrap().len();
    assert!(length.div_ceil(3) * 4 + 500 < MAX_LOG_ENTRY_LEN, "{length}");
    let back = read(&made).unwrap();
    assert!(back.passed_tests.is_empty() && back.failed_tests.len() == 500);
    assert!(back.problems.last().unwrap().ends_with("more problems"));
    assert!(!back.has_passed());
}
