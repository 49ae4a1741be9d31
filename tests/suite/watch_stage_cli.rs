//! Reports about a release after its deployment, with the real program: from a recording to a signed result in the log.

use std::fmt::Write;
use std::fs;

use relman::hash::Sha256;
use relman::watch::policy::template;
use relman::watch::recording::{Header, Line, line};
use relman::watch::sample::{ChainSample, Look, NodeSample};
use serde_json::Value;

use crate::common::relman::{Project, Run, TAG};

/// When the recording begins: a few hours before the clock of the tests.
const EPOCH: i64 = 1_769_880_000;
const NODES: [&str; 3] = ["n1", "n2", "n3"];

fn node(second: i64) -> NodeSample {
    let height = 100 + second / 600;
    let mut sample = NodeSample {
        chain: ChainSample {
            network: Some("timed".into()),
            height: Some(height.unsigned_abs()),
            hash: Some((99, "hash".into())),
            tip_unix: Some(EPOCH + second / 600 * 600),
            is_final: Some(true),
            peers: Some(2),
        },
        ..NodeSample::default()
    };
    let policy = relman::watch::policy::Policy::parse(template()).unwrap();
    for signal in &policy.signals {
        sample.values.insert(signal.name.clone(), 0.0);
    }
    sample.values.insert("up".into(), 1.0);
    sample
}

/// A recording from one second to another, changed at each look.
fn recording(from: i64, to: i64, change: fn(i64, &mut Look)) -> String {
    let nodes = NODES.map(str::to_owned);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let mut out = text(line(&Header::new("testnet", &nodes)).unwrap());
    for second in (from..=to).step_by(15) {
        let mut look = Look {
            at_ms: (EPOCH + second) * 1_000,
            nodes: nodes.iter().map(|n| (n.clone(), node(second))).collect(),
            ..Look::default()
        };
        change(second, &mut look);
        out.push_str(&text(line(&Line::Look(look)).unwrap()));
    }
    out
}

fn deployed(name: &str) -> Project {
    let project = Project::published(name);
    project.write("watch.toml", template());
    project
}

fn stage(project: &Project, stage: &str, more: &[&str]) -> Run {
    let mut args = vec!["watch", "stage", stage, TAG, "--env", "testnet"];
    args.extend(["--recording", "looks.jsonl"]);
    args.extend(more);
    project.relman(&args)
}

fn report(project: &Project, name: &str) -> (Vec<u8>, Value) {
    let dir = project.repo().join(".relman/watch");
    let bytes = fs::read(dir.join(format!("{name}-{TAG}.report.json"))).unwrap();
    let value = serde_json::from_slice(&bytes).unwrap();
    (bytes, value)
}

#[test]
fn a_stage_that_passes_is_signed_and_in_the_log_beside_the_release() {
    let project = deployed("stage-passes");
    project.write("looks.jsonl", &recording(0, 4_300, |_, _| {}));
    let run = stage(&project, "hour", &[]).exits(0);
    let run = run.says(&[
        "stage hour of phase1-sig-verify-1.0.0 on testnet: passed",
        "it is in the log",
    ]);
    assert!(run.stdout.contains("blocks produced at the normal rate"));
    let (bytes, value) = report(&project, "stage-hour-testnet");
    assert_eq!(value["passed"], true);
    let page = fs::read_to_string(
        project
            .repo()
            .join(format!(".relman/watch/stage-hour-testnet-{TAG}.report.md")),
    );
    assert!(page.unwrap().contains("| no network partition | passed |"));
    project
        .relman(&["show", TAG])
        .exits(0)
        .says(&["stage-hour-testnet"]);
    let log = project.relman(&["--json", "log", "show", "--kind", "gate"]);
    let entry = log.exits(0).json()["data"]["entries"][0]["index"].to_string();
    let shown = project.relman(&["--json", "log", "show", &entry]).exits(0);
    let digest = Sha256::of(&bytes).hex();
    assert!(shown.stdout.contains(&digest), "{}", shown.stdout);
    project.relman(&["audit"]).exits(0);
    project.relman(&["verify", TAG]).exits(0);
    project.relman(&["docs"]).exits(0);
    let history = fs::read_to_string(project.repo().join("VERSION_HISTORY.md")).unwrap();
    assert!(history.contains("stage-hour-testnet"), "{history}");
}

#[test]
fn a_stage_that_does_not_pass_is_signed_as_failed_and_names_the_node() {
    let project = deployed("stage-fails");
    let crash = |second: i64, look: &mut Look| {
        if second == 1_800
            && let Some(node) = look.nodes.get_mut("n2")
        {
            node.values.insert("log-signatures".into(), 1.0);
        }
    };
    project.write("looks.jsonl", &recording(0, 4_300, crash));
    let run = stage(&project, "hour", &["--json"]).exits(1);
    let data = &run.json()["data"];
    assert_eq!(
        (data["passed"].as_bool(), data["state"].as_str()),
        (Some(false), Some("published"))
    );
    let items = data["items"].as_array().unwrap();
    let item = items.iter().find(|i| i["item"] == "signatures").unwrap();
    assert_eq!(item["verdict"], "failed");
    assert!(
        item["values"].as_str().unwrap().starts_with("n2: "),
        "{item}"
    );
    project
        .relman(&["show", TAG])
        .exits(0)
        .says(&["stage-hour-testnet", "failed"]);
}

#[test]
fn looks_that_end_early_are_kept_and_gone_on_with() {
    let project = deployed("stage-resumes");
    let whole = recording(0, 4_300, |_, _| {});
    // Killed in the middle of a line.
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let mut first = lines[..100].concat();
    first.push_str(&lines[100][..lines[100].len() / 2]);
    project.write("looks.jsonl", &first);
    let early = stage(&project, "hour", &[]).exits(1);
    early.says(&["the looks end at second 1470 of 3600", "--resume"]);
    stage(&project, "hour", &[])
        .exits(1)
        .says(&["is unfinished", "hint: go on with it: --resume"]);
    project.write("looks.jsonl", &whole);
    let done = stage(&project, "hour", &["--resume"]).exits(0);
    done.says(&["0 s without"]);
    let course = &report(&project, "stage-hour-testnet").1["course"];
    assert_eq!(course["gaps"], serde_json::json!([]));
    assert_eq!(
        course["looks"].as_u64().unwrap(),
        course["elapsed_seconds"].as_u64().unwrap() / 15 + 1
    );
    let name = format!(".relman/watch/stage-hour-testnet-{TAG}.json");
    assert!(!project.repo().join(&name).exists());
    // A memory that somebody spoilt is refused, and the way out is named.
    project.write(&name, "{}");
    stage(&project, "hour", &["--resume"])
        .exits(1)
        .says(&["malformed", "hint: rm "]);
}

#[test]
fn what_is_wrong_is_said_before_anything_is_looked_at() {
    let project = deployed("stage-refused");
    let recorded = recording(0, 300, |_, _| {});
    project.write("looks.jsonl", &recorded);
    let other = [
        "watch",
        "stage",
        "hour",
        TAG,
        "--env",
        "mainnet",
        "--recording",
        "looks.jsonl",
    ];
    project
        .relman(&other)
        .exits(2)
        .says(&["the recording is of testnet, wanted mainnet"]);
    let unknown = [
        "watch",
        "stage",
        "hour",
        "phase9-none-1.0.0",
        "--env",
        "testnet",
    ];
    let mut args = unknown.to_vec();
    args.extend(["--recording", "looks.jsonl"]);
    let run = project.relman(&args);
    assert!(matches!(run.code, Some(1 | 3)), "{run:#?}");
    project.relman(&unknown).exits(2).says(&["fleet.toml"]);
    stage(&project, "hour", &["--skip", "all"])
        .exits(2)
        .says(&["is no item of any stage"]);
    project.write("looks.jsonl", &recorded.replacen("height", "heigth", 1));
    stage(&project, "hour", &[])
        .exits(2)
        .says(&["line 2 of the recording is malformed"]);
    project.write("looks.jsonl", "");
    stage(&project, "hour", &[]).exits(2);
    // The key of another purpose signs no result.
    project.write("looks.jsonl", &recorded);
    let secrets = project.secrets();
    fs::rename(secrets.join("gate"), project.repo().join("away")).unwrap();
    let refused = stage(&project, "immediate", &[]);
    assert!(!matches!(refused.code, Some(0)), "{refused:#?}");
    let written = format!(".relman/watch/stage-immediate-testnet-{TAG}.report.md");
    assert!(!project.repo().join(written).exists());
    // Without a signature it needs no key.
    stage(&project, "immediate", &["--no-sign"])
        .exits(0)
        .says(&["passed"]);
}

#[test]
fn a_checklist_is_ticked_item_by_item_and_signed_when_nothing_is_open() {
    let project = deployed("checklist");
    let list = |more: &[&str]| {
        let mut args = vec!["watch", "checklist", "handoff", TAG];
        args.extend(more);
        project.relman(&args)
    };
    list(&["--show"])
        .exits(1)
        .says(&["nobody has ticked rollback"]);
    list(&["--tick", "rollback"]).exits(2).says(&["--by"]);
    list(&["--tick", "on-call", "--by", "dora"])
        .exits(2)
        .says(&["is no item of handoff"]);
    list(&[
        "--tick",
        "rollback",
        "--by",
        "dora",
        "--evidence",
        "none.txt",
    ])
    .exits(1);
    project.write("drill.txt", "went back in 9 s\n");
    let digest = Sha256::of(b"went back in 9 s\n").hex();
    let items = [
        "deployment",
        "runbooks",
        "dashboards",
        "alerts",
        "communication",
        "escalation",
    ];
    for item in items {
        list(&["--tick", item, "--by", "dora"])
            .exits(0)
            .says(&["nobody has ticked rollback"]);
    }
    let last = list(&[
        "--tick",
        "rollback",
        "--by",
        "erin",
        "--evidence",
        "drill.txt",
    ])
    .exits(0);
    last.says(&[
        "checklist handoff of",
        "passed",
        &digest,
        "it is in the log",
    ]);
    project
        .relman(&["show", TAG])
        .exits(0)
        .says(&["checklist-handoff"]);
    list(&["--show"]).exits(0).says(&["by erin"]);
    project.relman(&["audit"]).exits(0);
}

#[test]
fn a_result_that_is_signed_elsewhere_is_imported_and_not_once_a_byte_is_flipped() {
    let project = deployed("stage-elsewhere");
    project.write("looks.jsonl", &recording(0, 330, |_, _| {}));
    stage(&project, "immediate", &["--out", "result.jsonl"])
        .exits(0)
        .says(&["relman import result.jsonl"]);
    let path = project.repo().join("result.jsonl");
    let good = fs::read_to_string(&path).unwrap();
    let mut envelope: Value = serde_json::from_str(&good).unwrap();
    let payload = envelope["payload"].as_str().unwrap().to_owned();
    let mut flipped = String::new();
    // The last letter but two is of the statement's end, whatever it says.
    let at = payload.len() / 2;
    for (n, c) in payload.chars().enumerate() {
        let other = if c == 'A' { 'B' } else { 'A' };
        let _ = write!(flipped, "{}", if n == at { other } else { c });
    }
    envelope["payload"] = flipped.into();
    fs::write(&path, format!("{envelope}\n")).unwrap();
    let refused = project.relman(&["import", "result.jsonl"]);
    assert!(matches!(refused.code, Some(2 | 3)), "{refused:#?}");
    fs::write(&path, good).unwrap();
    project.relman(&["import", "result.jsonl"]).exits(0);
    project
        .relman(&["show", TAG])
        .exits(0)
        .says(&["stage-immediate-testnet"]);
}
