//! Stories of stages: weeks that pass at once.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use super::items::{Stage, Verdict};
use super::report::StageReport;
use crate::node::config::NodeConfig;
use crate::node::fake::{CONFIG, Fake, Fault};
use crate::node::tests::health::Daemon;
use crate::node::tests::{ONE, TWO, install};

const ENDPOINTS: &str = "[health.rpc]\nurl = \"http://127.0.0.1:1/\"\n[health.metrics]\nurl = \"http://127.0.0.1:1/m\"\n";
const STAGES: &str = "[health.stages]\n";
const TRANSACTION: &str =
    "[health.stages.transaction]\nmethod = \"validatetransaction\"\nexpect = \"$.valid == true\"\n";

/// The fake's clock begins here, in seconds since 1970.
const EPOCH: u64 = 1_800_000_000;

/// A daemon on which everything is well, at a second: a block every ten minutes.
fn well(second: u64, method: &str, params: &Value) -> Value {
    let height = 100 + second / 600;
    match method {
        "getblockcount" => json!(height),
        "getblockhash" => json!(format!("hash {}", params[0])),
        "getblock" => json!({"phase": "Finalized"}),
        "getpeerinfo" => json!([{}, {}]),
        "getconsensusinfo" => {
            json!({"state": "producing", "forkedpeers": 0, "tiptime": EPOCH + second / 600 * 600})
        }
        "validatetransaction" => json!({"valid": true}),
        "log" => json!("INFO started\n"),
        "metrics" => json!(page(100_000_000, 0)),
        _ => Value::Null,
    }
}

fn page(memory: u64, critical: u64) -> String {
    format!(
        "errors_total{{severity=\"critical\"}} {critical}\npanics 0\nmemory_usage {memory}\ncpu_usage 3.5\nfinality_latency 0.2\nnetwork_latency 0.03\n"
    )
}

type Script = fn(u64, &str, &Value) -> Value;

fn run(
    fake: &Fake,
    stage: Stage,
    resume: bool,
    script: Script,
    more: &str,
) -> crate::Result<StageReport> {
    fake.0.borrow_mut().wire = Some(Rc::new(move |clock: Duration| {
        Box::new(Daemon(move |method: &str, params: &Value| {
            script(clock.as_secs(), method, params)
        }))
    }));
    // Fewer looks in the long ones: a week of them, one every half minute, is real work.
    let interval = match stage {
        Stage::Immediate | Stage::Hour => 30,
        Stage::Day => 120,
        Stage::Week => 3_600,
    };
    let more = match stage {
        Stage::Week => format!("immediate_seconds = 4000\nhour_seconds = 4000\n{more}"),
        _ => more.to_owned(),
    };
    let text = format!("{CONFIG}{ENDPOINTS}{STAGES}interval_seconds = {interval}\n{more}");
    let config =
        NodeConfig::parse(&text, Path::new("/etc/relman")).expect("the test's configuration");
    fake.with_config(&config, |n| n.run_stage(stage, resume))
}

fn verdict(report: &StageReport, key: &str) -> (Verdict, String) {
    let item = report.items.iter().find(|item| item.item == key);
    let item = item.unwrap_or_else(|| panic!("no item {key} in {report:#?}"));
    (item.verdict, item.values.clone())
}

fn installed() -> Fake {
    let fake = Fake::new();
    install(&fake, ONE);
    fake
}

#[test]
fn every_stage_of_a_daemon_that_is_well_passes_in_its_time() {
    let fake = installed();
    for (stage, least, most) in [
        (Stage::Immediate, 300, 330),
        (Stage::Hour, 3_600, 4_230),
        (Stage::Day, 86_400, 87_030),
        (Stage::Week, 604_800, 608_400),
    ] {
        let before = fake.0.borrow().clock;
        let report = run(&fake, stage, false, well, TRANSACTION).unwrap();
        let took = (fake.0.borrow().clock - before).as_secs();
        assert!(report.passed, "{:#?}", report.lines());
        assert!((least..=most).contains(&took), "{stage:?} took {took} s");
        assert!(fake.0.borrow().stages.is_empty());
        assert!(report.markdown().contains("| passed |"));
    }
}

#[test]
fn the_numbers_of_the_lists_are_counted() {
    let fake = installed();
    let (verdict_of, values) = verdict(&run(&fake, Stage::Day, false, well, "").unwrap(), "blocks");
    assert_eq!(verdict_of, Verdict::Passed);
    assert!(values.contains("of 144 blocks"), "{values}");
    let slow: Script = |second, method, params| match method {
        "getblockcount" => json!(100 + second / 800),
        _ => well(second, method, params),
    };
    let report = run(&fake, Stage::Hour, false, slow, "").unwrap();
    let (verdict_of, values) = verdict(&report, "blocks");
    assert_eq!(verdict_of, Verdict::Failed, "{values}");
    assert!(values.contains("of 6 blocks"), "{values}");
    assert!(!report.passed);
}

#[test]
fn each_thing_that_goes_wrong_fails_its_item() {
    let stalls: Script = |second, method, params| match method {
        "getconsensusinfo" => json!({"state": "stalled", "forkedpeers": 0, "tiptime": 0}),
        _ => well(second, method, params),
    };
    let pending: Script = |second, method, params| match method {
        "getblock" => json!({"phase": "Proposed"}),
        _ => well(second, method, params),
    };
    let signature: Script = |second, method, params| match method {
        "log" if second > 900 => json!("INFO started\nWARN an input's signature does not match\n"),
        _ => well(second, method, params),
    };
    let apart: Script = |second, method, params| match method {
        "getpeerinfo" if (600..1_200).contains(&second) => json!([]),
        _ => well(second, method, params),
    };
    let leak: Script = |second, method, params| match method {
        "metrics" => json!(page(100_000_000 + second * 1_000, 0)),
        _ => well(second, method, params),
    };
    let critical: Script = |second, method, params| match method {
        "metrics" => json!(page(1, u64::from(second > 9_000))),
        _ => well(second, method, params),
    };
    let rewritten: Script = |second, method, params| match method {
        "getblockhash" if second > 90_000 => json!("other"),
        _ => well(second, method, params),
    };
    for (stage, script, item) in [
        (Stage::Immediate, stalls, "producing"),
        (Stage::Immediate, pending, "finality"),
        (Stage::Hour, pending, "finalized"),
        (Stage::Hour, signature, "signatures"),
        (Stage::Hour, apart, "partition"),
        (Stage::Day, leak, "memory"),
        (Stage::Day, critical, "critical-errors"),
        (Stage::Week, rewritten, "corruption"),
    ] {
        let report = run(&installed(), stage, false, script, TRANSACTION).unwrap();
        let (found, values) = verdict(&report, item);
        assert_eq!(found, Verdict::Failed, "{item}: {values}");
        assert!(!report.passed);
    }
}

#[test]
fn a_short_partition_is_told_and_forgiven() {
    let script: Script = |second, method, params| match method {
        "getpeerinfo" if (600..780).contains(&second) => json!([]),
        _ => well(second, method, params),
    };
    let report = run(&installed(), Stage::Hour, false, script, "").unwrap();
    let (found, values) = verdict(&report, "partition");
    assert_eq!(found, Verdict::Passed, "{values}");
    assert!(values.contains("peers 0 to 2"), "{values}");
}

#[test]
fn no_answer_is_unknown_and_never_a_pass() {
    let silent: Script = |_, _, _| Value::Null;
    for stage in [Stage::Immediate, Stage::Hour, Stage::Day, Stage::Week] {
        let report = run(&installed(), stage, false, silent, "").unwrap();
        assert!(!report.passed);
        let seen = |item: &&super::report::ItemReport| item.verdict == Verdict::Passed;
        let passed: Vec<&str> = report
            .items
            .iter()
            .filter(seen)
            .map(|item| item.item)
            .collect();
        // The process is seen without the daemon's help.
        let expected: &[&str] = match stage {
            Stage::Immediate => &["started"],
            Stage::Week => &["restarts"],
            _ => &[],
        };
        assert_eq!(passed, expected, "{stage:?}");
    }
    let half: Script = |second, method, params| match method {
        "metrics" if second.is_multiple_of(2) => Value::Null,
        "metrics" => json!(page(1, 0).replace("panics 0", "panics NaN")),
        _ => well(second, method, params),
    };
    let report = run(&installed(), Stage::Hour, false, half, "").unwrap();
    assert_eq!(verdict(&report, "metrics").0, Verdict::Unknown);
}

#[test]
fn a_killed_stage_goes_on_and_its_gap_is_unknown() {
    let fake = installed();
    // Killed at the hundredth thing that it writes.
    let at = fake.0.borrow().mutations + 100;
    fake.0.borrow_mut().fault_at = Some((at, Fault::Kill));
    assert!(run(&fake, Stage::Day, false, well, "").is_err());
    fake.reboot();
    let error = run(&fake, Stage::Day, false, well, "").unwrap_err();
    assert_eq!(
        error.hint_text(),
        Some("relman health --stage day --resume")
    );
    // Two hours pass until somebody starts it again.
    fake.0.borrow_mut().clock += Duration::from_secs(7_200);
    let before = fake.0.borrow().clock.as_secs();
    let report = run(&fake, Stage::Day, true, well, "").unwrap();
    let took = fake.0.borrow().clock.as_secs() - before;
    assert!(took < 86_400 - 7_200, "it began anew: {took} s");
    assert_eq!(report.gaps.len(), 1, "{report:#?}");
    assert!(
        (7_200..7_500).contains(&report.gap_seconds),
        "{}",
        report.gap_seconds
    );
    // What counts from one end to the other is known; what was seen only while somebody looked is not.
    assert_eq!(verdict(&report, "blocks").0, Verdict::Passed);
    assert_eq!(verdict(&report, "peers").0, Verdict::Unknown);
    assert!(!report.passed);
    assert!(
        report
            .lines()
            .iter()
            .any(|line| line.contains("nothing is known of that time"))
    );
}

#[test]
fn a_stage_killed_for_a_moment_loses_nothing() {
    let fake = installed();
    let at = fake.0.borrow().mutations + 40;
    fake.0.borrow_mut().fault_at = Some((at, Fault::Kill));
    assert!(run(&fake, Stage::Hour, false, well, "").is_err());
    fake.reboot();
    let report = run(&fake, Stage::Hour, true, well, "").unwrap();
    assert!(report.passed, "{:#?}", report.lines());
    assert!(report.looks > 110 && report.gaps.is_empty());
}

#[test]
fn a_restart_in_the_week_is_seen_even_across_a_gap() {
    let fake = installed();
    let at = fake.0.borrow().mutations + 50;
    fake.0.borrow_mut().fault_at = Some((at, Fault::Kill));
    assert!(run(&fake, Stage::Week, false, well, TRANSACTION).is_err());
    fake.reboot();
    fake.0.borrow_mut().starts += 1;
    let report = run(&fake, Stage::Week, true, well, TRANSACTION).unwrap();
    assert_eq!(verdict(&report, "restarts").0, Verdict::Failed);
}

#[test]
fn the_memory_of_another_release_or_of_another_version_is_not_gone_on_with() {
    let fake = installed();
    let at = fake.0.borrow().mutations + 3;
    fake.0.borrow_mut().fault_at = Some((at, Fault::Kill));
    assert!(run(&fake, Stage::Immediate, false, well, "").is_err());
    fake.reboot();
    install(&fake, TWO);
    let report = run(&fake, Stage::Immediate, true, well, "").unwrap();
    assert_eq!((report.tag.as_str(), report.looks), (TWO, 11));
    fake.0
        .borrow_mut()
        .stages
        .insert("hour".into(), b"{}".to_vec());
    let error = run(&fake, Stage::Hour, true, well, "").unwrap_err();
    assert!(error.to_string().contains("malformed"), "{error}");
}

#[test]
fn an_item_that_is_left_out_is_told_and_what_is_not_configured_is_unknown() {
    let report = run(&installed(), Stage::Week, false, well, "").unwrap();
    assert_eq!(verdict(&report, "transactions").0, Verdict::Unknown);
    let skip = "skip = [\"transactions\"]\n";
    let report = run(&installed(), Stage::Week, false, well, skip).unwrap();
    assert_eq!(verdict(&report, "transactions").0, Verdict::LeftOut);
    assert!(report.passed, "{:#?}", report.lines());
}

#[test]
fn foreign_text_cannot_become_markdown() {
    let script: Script = |second, method, params| match method {
        "log" => json!("ERROR | <script> `x` | passed |\n"),
        _ => well(second, method, params),
    };
    let page = run(&installed(), Stage::Immediate, false, script, "")
        .unwrap()
        .markdown();
    assert!(page.contains("\\| \\<script\\> \\`x\\`"), "{page}");
}
