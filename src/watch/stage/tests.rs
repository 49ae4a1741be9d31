//! Stories of a release's stages: weeks that pass at once, over three nodes.

use std::collections::BTreeMap;

use super::{About, Next, Run};
use crate::limits::MAX_FLEET_NODES;
use crate::node::stage::items::{Stage, Verdict};
use crate::watch::policy::{Policy, template};
use crate::watch::report::Report;
use crate::watch::sample::{ChainSample, Look, NodeSample};

const TAG: &str = "phase1-sig-verify-1.0.0";
const NODES: [&str; 3] = ["n1", "n2", "n3"];
/// The first second of every story.
const EPOCH: i64 = 1_800_000_000;

type Change = fn(i64, &str, &mut NodeSample);

fn policy() -> Policy {
    let mut policy = Policy::parse(template()).unwrap();
    // Fewer looks: a week of them, four a minute, is real work.
    policy.interval_seconds = 60;
    policy
}

fn about(stage: Stage) -> About {
    About {
        stage: stage.name().into(),
        tag: TAG.into(),
        environment: "mainnet".into(),
        nodes: NODES.map(str::to_owned).into(),
        skip: Vec::new(),
    }
}

/// A node on which everything is well: a block every ten minutes, each final at once.
fn well(second: i64) -> NodeSample {
    let height = 100 + second / 600;
    let values = [
        ("up", 1.0),
        ("restarts", 0.0),
        ("log-errors", 0.0),
        ("log-critical", 0.0),
        ("log-signatures", 0.0),
        ("log-corruption", 0.0),
        ("consensus-timeouts", 0.0),
        ("critical-errors", 0.0),
        ("errors", 0.0),
        ("warnings", 0.0),
        ("panics", 0.0),
        ("finality-latency", 0.2),
        ("network-latency", 0.03),
        ("memory", 100_000_000.0),
        ("cpu", 3.5),
        ("transactions", 1.0),
    ];
    NodeSample {
        chain: ChainSample {
            network: Some("timed".into()),
            height: Some(height.unsigned_abs()),
            hash: Some((height.unsigned_abs() - 1, format!("hash {}", height - 1))),
            tip_unix: Some(EPOCH + second / 600 * 600),
            is_final: Some(true),
            peers: Some(2),
        },
        values: values.map(|(name, value)| (name.to_owned(), value)).into(),
        unknown: BTreeMap::new(),
    }
}

fn look(second: i64, change: Change) -> Look {
    let nodes = NODES.map(|name| {
        let mut sample = well(second);
        change(second, name, &mut sample);
        (name.to_owned(), sample)
    });
    Look {
        at_ms: (EPOCH + second) * 1_000,
        nodes: nodes.into(),
        ..Look::default()
    }
}

/// Looks from a second on until the stage is over, or `until`; the second of the last one.
fn go_on(run: &mut Run, from: i64, until: i64, change: Change) -> i64 {
    let mut second = from;
    loop {
        let Next::Look(ms) = run.saw(&look(second, change)) else {
            return second;
        };
        let next = second + i64::try_from(ms.div_ceil(1_000)).unwrap();
        if next > until {
            return second;
        }
        second = next;
    }
}

fn story(stage: Stage, change: Change) -> Report {
    let mut run = Run::begin(&policy(), stage, about(stage)).unwrap();
    go_on(&mut run, 0, i64::MAX, change);
    run.report()
}

fn verdict(report: &Report, key: &str) -> (Verdict, String) {
    let found = report.items.iter().find(|item| item.item == key);
    let found = found.unwrap_or_else(|| panic!("no {key} in {:?}", report.lines()));
    (found.verdict, found.values.clone())
}

const STAGES: [Stage; 4] = [Stage::Immediate, Stage::Hour, Stage::Day, Stage::Week];

#[test]
fn every_stage_of_a_network_that_is_well_passes() {
    for stage in STAGES {
        let report = story(stage, |_, _, _| {});
        assert!(report.passed, "{:#?}", report.lines());
        assert_eq!(report.gate(), format!("stage-{}-mainnet", stage.name()));
        assert!(report.markdown().contains("| passed |"));
    }
    let day = story(Stage::Day, |_, _, _| {});
    assert!(verdict(&day, "blocks").1.contains("of 144 blocks"));
    let first = story(Stage::Immediate, |_, _, _| {});
    assert_eq!(first.items[0].title, "all nodes started successfully");
}

#[test]
fn what_goes_wrong_at_one_node_fails_its_item_and_names_the_node() {
    let cases: [(Stage, &str, Change); 10] = [
        (Stage::Immediate, "started", |s, n, sample| {
            if n == "n2" && s == 120 {
                sample.values.insert("up".into(), 0.0);
            }
        }),
        (Stage::Immediate, "startup-errors", |s, n, sample| {
            if n == "n2" && s >= 120 {
                sample.values.insert("log-errors".into(), 1.0);
            }
        }),
        (Stage::Immediate, "connecting", |_, n, sample| {
            if n == "n2" {
                sample.chain.peers = Some(1);
            }
        }),
        (Stage::Immediate, "finality", |s, n, sample| {
            if n == "n2" && s > 60 {
                sample.chain.is_final = Some(false);
            }
        }),
        (Stage::Hour, "signatures", |s, n, sample| {
            if n == "n2" && s >= 1_800 {
                sample.values.insert("log-signatures".into(), 1.0);
            }
        }),
        (Stage::Day, "critical-errors", |s, n, sample| {
            if n == "n2" && s >= 7_200 {
                sample.values.insert("critical-errors".into(), 1.0);
            }
        }),
        (Stage::Day, "memory", |s, n, sample| {
            if n == "n2" {
                let bytes = 100_000_000.0 + 1_000.0 * s as f64;
                sample.values.insert("memory".into(), bytes);
            }
        }),
        (Stage::Week, "restarts", |s, n, sample| {
            if n == "n2" && s >= 7_200 {
                sample.values.insert("restarts".into(), 1.0);
            }
        }),
        (Stage::Week, "performance", |_, n, sample| {
            if n == "n2" {
                sample.values.insert("network-latency".into(), 0.2);
            }
        }),
        (Stage::Week, "corruption", |s, n, sample| {
            if n == "n2" && s >= 7_200 {
                sample.chain.hash = sample
                    .chain
                    .hash
                    .clone()
                    .map(|(at, _)| (at, "other".into()));
            }
        }),
    ];
    for (stage, item, change) in cases {
        let report = story(stage, change);
        let (found, values) = verdict(&report, item);
        assert_eq!(found, Verdict::Failed, "{item}: {values}");
        assert!(values.starts_with("n2: "), "{item}: {values}");
        assert!(!report.passed);
    }
}

#[test]
fn what_the_network_as_a_whole_does_wrong_fails_its_item() {
    let stalled: Change = |_, _, sample| {
        sample.chain.tip_unix = Some(EPOCH - 2_000);
        sample.chain.height = Some(100);
    };
    let slow: Change = |s, _, sample| sample.chain.height = Some(100 + s.unsigned_abs() / 800);
    let parted: Change = |s, n, sample| {
        if n == "n2" && (600..1_200).contains(&s) {
            sample.chain.height = sample.chain.height.map(|h| h + 10);
        }
    };
    for (stage, item, change) in [
        (Stage::Immediate, "producing", stalled),
        (Stage::Hour, "blocks", slow),
        (Stage::Hour, "partition", parted),
        (Stage::Day, "forks", parted),
    ] {
        let report = story(stage, change);
        let (found, values) = verdict(&report, item);
        assert_eq!(found, Verdict::Failed, "{item}: {values}");
    }
}

#[test]
fn a_short_partition_is_forgiven_as_the_guide_has_it() {
    let report = story(Stage::Hour, |s, n, sample| {
        if n == "n2" && (600..780).contains(&s) {
            sample.chain.peers = Some(0);
        }
    });
    let (found, values) = verdict(&report, "partition");
    assert_eq!(found, Verdict::Passed, "{values}");
    assert!(values.contains("peers 0 to 2"), "{values}");
}

#[test]
fn a_network_that_says_nothing_passes_nothing() {
    for stage in STAGES {
        let report = story(stage, |_, _, sample| *sample = NodeSample::default());
        assert!(!report.passed);
        for item in &report.items {
            assert_eq!(item.verdict, Verdict::Unknown, "{item:?}");
        }
    }
    // One node of three is enough to make an item unknown.
    let report = story(Stage::Hour, |_, n, sample| {
        if n == "n3" {
            *sample = NodeSample::default();
        }
    });
    let (found, values) = verdict(&report, "signatures");
    assert_eq!(found, Verdict::Unknown);
    assert!(values.starts_with("n3: "), "{values}");
    // The blocks that two of three tell of came.
    assert_eq!(verdict(&report, "blocks").0, Verdict::Passed);
}

#[test]
fn transactions_that_nobody_tries_are_unknown_unless_they_are_left_out() {
    let silent: Change = |_, _, sample| {
        sample.values.remove("transactions");
    };
    let report = story(Stage::Week, silent);
    assert_eq!(verdict(&report, "transactions").0, Verdict::Unknown);
    let mut about = about(Stage::Week);
    about.skip.push("transactions".into());
    let mut run = Run::begin(&policy(), Stage::Week, about.clone()).unwrap();
    go_on(&mut run, 0, i64::MAX, silent);
    let report = run.report();
    assert!(report.passed, "{:#?}", report.lines());
    assert!(report.lines().iter().any(|l| l.contains("left out")));
    about.skip.push("everything".into());
    assert!(Run::begin(&policy(), Stage::Week, about).is_err());
}

#[test]
fn a_killed_stage_goes_on_from_its_bytes_and_a_gap_is_told() {
    let policy = policy();
    let mut run = Run::begin(&policy, Stage::Day, about(Stage::Day)).unwrap();
    let last = go_on(&mut run, 0, 40_000, |_, _, _| {});
    let bytes = run.bytes().unwrap();
    // A moment later: nothing is lost.
    let mut at_once = Run::resume(&policy, Stage::Day, &about(Stage::Day), &bytes).unwrap();
    go_on(&mut at_once, last + 60, i64::MAX, |_, _, _| {});
    assert!(at_once.report().passed, "{:#?}", at_once.report().lines());
    // Two hours later: what counts from one end to the other is known, what has to be seen is not.
    let mut later = Run::resume(&policy, Stage::Day, &about(Stage::Day), &bytes).unwrap();
    go_on(&mut later, last + 7_200, i64::MAX, |_, _, _| {});
    let report = later.report();
    assert_eq!(verdict(&report, "blocks").0, Verdict::Passed);
    assert_eq!(verdict(&report, "peers").0, Verdict::Unknown);
    assert_eq!(report.course.as_ref().unwrap().gaps.len(), 1);
    assert!(
        report
            .lines()
            .iter()
            .any(|l| l.contains("nothing is known of that time"))
    );
}

#[test]
fn the_memory_of_another_run_or_of_nobody_is_refused_with_every_difference() {
    let policy = policy();
    let mut run = Run::begin(&policy, Stage::Hour, about(Stage::Hour)).unwrap();
    run.saw(&look(0, |_, _, _| {}));
    let bytes = run.bytes().unwrap();
    let mut other = about(Stage::Day);
    other.tag = "phase2-finality-fork-1.0.0".into();
    other.nodes.pop();
    let error = Run::resume(&policy, Stage::Day, &other, &bytes).unwrap_err();
    let causes = error.causes().join("\n");
    for what in ["stage is hour", "release is ", "nodes is n1, n2, n3"] {
        assert!(causes.contains(what), "{causes}");
    }
    for bad in [&b""[..], b"{}", b"null"] {
        assert!(Run::resume(&policy, Stage::Hour, &about(Stage::Hour), bad).is_err());
    }
}

#[test]
fn a_clock_that_was_set_back_makes_the_stage_no_longer() {
    let mut run = Run::begin(&policy(), Stage::Hour, about(Stage::Hour)).unwrap();
    go_on(&mut run, 0, 1_800, |_, _, _| {});
    let before = run.course().elapsed_seconds;
    run.saw(&look(-5_000, |_, _, _| {}));
    assert_eq!(run.course().elapsed_seconds, before);
}

#[test]
fn what_is_remembered_of_the_largest_fleet_fits() {
    let mut about = about(Stage::Week);
    about.nodes = (0..MAX_FLEET_NODES).map(|n| format!("node-{n}")).collect();
    let nodes = about.nodes.iter().map(|name| (name.clone(), well(0)));
    let look = Look {
        at_ms: EPOCH * 1_000,
        nodes: nodes.collect(),
        ..Look::default()
    };
    let mut run = Run::begin(&policy(), Stage::Week, about).unwrap();
    run.saw(&look);
    run.saw(&look);
    assert!(run.bytes().is_ok());
}

#[test]
fn the_result_that_is_signed_says_what_the_report_says() {
    let report = story(Stage::Hour, |_, n, sample| {
        if n == "n2" {
            *sample = NodeSample::default();
        }
    });
    let now = "2026-02-01T00:00:00Z".parse().unwrap();
    let result = report.result(&"a".repeat(40), now).unwrap();
    assert!(!result.has_passed());
    assert_eq!(result.log, crate::hash::Sha256::of(&report.json().unwrap()));
    let statement = crate::release::gate::statement(&result).unwrap();
    assert_eq!(
        crate::release::gate::read(&statement).unwrap().gate,
        "stage-hour-mainnet"
    );
}
