//! Records of rollouts on disk, seen and wished upon through the command line; stores that have them are as sound as before.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use jiff::Timestamp;
use relman::fleet::config::FleetConfig;
use relman::fleet::plan::{Expected, NodePlan, Plan, Wave};
use relman::fleet::record::{Record, RolloutId, Step, Work};
use relman::fleet::records::{Records, Saved};
use relman::io::rollouts::RecordDir;
use relman::store::lease::Holder;

use crate::common::relman::{NOW, Project, SECOND, TAG};

/// Three nodes that nobody reaches: nothing listens there.
const FLEET: &str = r#"
[ssh]
config = "ssh_config"

[[environment]]
name = "testnet"

[[node]]
name = "t1"
ssh = "t1"
environment = "testnet"

[[node]]
name = "t2"
ssh = "t2"
environment = "testnet"

[[node]]
name = "t3"
ssh = "t3"
environment = "testnet"
"#;

fn project(name: &str) -> Project {
    let project = Project::published(name);
    project.write("fleet.toml", FLEET);
    project.write("ssh_config", "Host *\nHostName 127.0.0.1\nPort 1\n");
    project
}

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

/// An upgrade that somebody drives on another machine, in the middle of its first node.
fn record(project: &Project) -> Record {
    record_of(project, |_| {})
}

/// The same, and more.
fn record_of(project: &Project, more: impl FnOnce(&mut Record)) -> Record {
    let config = FleetConfig::parse(FLEET, &project.repo()).expect("a fleet");
    let names: Vec<String> = config.nodes.iter().map(|n| n.name.clone()).collect();
    let nodes = names.iter().map(|name| NodePlan {
        name: name.clone(),
        from: Some(TAG.into()),
        back_to: None,
        weight: 1,
        downtime_seconds: 30,
        measured: false,
        already: false,
        left_out: false,
    });
    let plan = Plan {
        tag: SECOND.into(),
        environment: config.environments[0].clone(),
        made_at: now(),
        waves: vec![Wave {
            nodes: names.clone(),
            watch_seconds: 0,
            pause_seconds: 0,
        }],
        nodes: nodes.collect(),
        expected: Expected::default(),
        refusals: Vec::new(),
        notes: Vec::new(),
    };
    let holder = Holder {
        who: "ann at elsewhere".into(),
        machine: "another one".into(),
        process: 1,
        attempt: "x".into(),
    };
    let id = RolloutId::new(now(), "testnet", "1f0c93ab").expect("a name");
    let work = Work::Upgrade {
        plan: Box::new(plan),
    };
    let mut record = Record::new(id, work, &names, holder, now());
    record.enter("t1", Step::Failed, now(), Some("failed its health check"));
    more(&mut record);
    let bytes = record.to_bytes().expect("bytes");
    let saved = RecordDir::of_store(&project.store())
        .save(&record.id, &bytes, None)
        .expect("a write");
    assert!(matches!(saved, Saved::Done(_)));
    record
}

fn stored(project: &Project, record: &Record) -> Record {
    let path = project.store().join("rollouts").join(record.id.as_str());
    Record::parse(&fs::read(path).expect("it can be read")).expect("a record")
}

#[test]
fn a_rollout_of_somebody_else_is_shown_explained_and_wished_upon() {
    let project = project("rollout-seen");
    project
        .relman(&["fleet", "status"])
        .exits(0)
        .says(&["there is no rollout yet"]);
    let record = record(&project);
    let id = record.id.as_str();
    project.relman(&["fleet", "status"]).exits(0).says(&[
        id,
        "upgrade to phase2-finality-fork-1.0.0 on testnet: running, driven by ann at elsewhere",
        "failed its health check",
    ]);
    let shown = project
        .relman(&["--json", "fleet", "status", id])
        .exits(0)
        .json();
    assert_eq!(shown["data"]["record"]["nodes"][0]["step"], "failed");
    assert_eq!(shown["data"]["rollouts"][0]["id"], id);
    project.relman(&["fleet", "explain", "t1"]).exits(0).says(&[
        "t1 is failed since",
        "now it does not answer",
        "next: relman fleet status",
    ]);
    let asked = project
        .relman(&["--json", "fleet", "pause"])
        .exits(0)
        .json();
    assert_eq!(asked["outcome"], "asked");
    assert_eq!(stored(&project, &record).wishes.len(), 1);
    assert_eq!(
        stored(&project, &record).lease.epoch,
        1,
        "who drives it still does"
    );
    project.relman(&["fleet", "resume", id]).exits(1).says(&[
        "is driven by somebody else: ann at elsewhere",
        "--take-over",
    ]);
}

#[test]
fn a_rollout_is_ended_over_the_head_of_its_driver() {
    let project = project("rollout-ended");
    let record = record(&project);
    let id = record.id.as_str();
    project
        .relman(&["fleet", "abort", id, "--take-over"])
        .exits(0)
        .says(&["aborted by"]);
    let ended = stored(&project, &record);
    assert_eq!(ended.lease.epoch, 2);
    assert!(ended.lease.holder.is_none() && ended.is_over());
    let own = project.path(&format!(".relman/rollouts/{id}.json"));
    assert_eq!(Record::parse(&fs::read(own).unwrap()).unwrap(), ended);
    project
        .relman(&["fleet", "resume", id])
        .exits(1)
        .says(&["is over: it is aborted"]);
}

#[test]
fn a_store_with_records_is_sound_and_mirrors_do_not_copy_them() {
    let project = project("rollout-sound");
    let record = record(&project);
    project.is_sound();
    project.is_verified(TAG);
    project.relman(&["log", "fsck"]).exits(0);
    let mirror = project.beside("mirror");
    project
        .relman(&[
            "mirror",
            project.store().to_str().unwrap(),
            mirror.to_str().unwrap(),
        ])
        .exits(0);
    assert!(!mirror.join("rollouts").exists());
    assert!(mirror.join("metadata").is_dir());
    // One that is damaged is told, and the others are shown.
    let path = project.store().join("rollouts").join(record.id.as_str());
    fs::write(path, "{").unwrap();
    project
        .relman(&["fleet", "status", record.id.as_str()])
        .exits(1)
        .says(&["the record of rollout", "is damaged"]);
    project.is_sound();
}

#[test]
fn what_cannot_be_a_rollout_is_told() {
    let project = project("rollout-wrong");
    project
        .relman(&["fleet", "status", "../x"])
        .exits(2)
        .says(&["is no name of a rollout"]);
    project
        .relman(&["fleet", "resume"])
        .exits(2)
        .says(&["no rollout is under way"]);
    project
        .relman(&["fleet", "stop", "--env", "mainnet"])
        .exits(2)
        .says(&["the fleet has no environment"]);
    project
        .relman(&["fleet", "rollback", "--env", "testnet", "--node", "t9"])
        .exits(2)
        .says(&["no node and no group \"t9\""]);
    project
        .relman(&["--json", "fleet", "status", "--watch"])
        .exits(2);
    project
        .relman(&["fleet", "explain", "t9"])
        .exits(2)
        .says(&["the fleet has no node"]);
}

#[test]
fn a_store_behind_http_keeps_no_records_and_that_is_said() {
    let project = project("rollout-http");
    project
        .relman(&["fleet", "status", "--store", "https://store.example"])
        .exits(0)
        .says(&["cannot be written"]);
}

#[test]
fn what_comes_after_a_rollout_fails_without_changing_how_it_ended_and_can_be_done_again() {
    let project = project("rollout-after");
    let moved = |record: &mut Record| record.nodes[0].attempts = 1;
    let record = record_of(&project, moved);
    let id = record.id.as_str();
    let run = project.relman(&["fleet", "abort", id, "--take-over", "--json"]);
    let document = run.exits(0).json();
    assert_eq!(document["outcome"], "done", "{document:#}");
    let after = &document["data"]["after"];
    let file = project.path(&format!(".relman/rollouts/{id}.journals.tar.gz"));
    assert_eq!(after["file"], file.to_str().unwrap());
    let problems = after["problems"].to_string();
    assert!(problems.contains("t3: no journal"), "{problems}");
    let mode = fs::metadata(&file)
        .expect("an archive")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(stored(&project, &record).is_over());

    // By hand it is told as what it is; its time is that of the rollout.
    let out = project.beside("again.tar.gz");
    let words = ["fleet", "collect", "--env", "testnet", "--out"];
    let words = [&words[..], &[out.to_str().unwrap(), "--json"]].concat();
    let document = project.relman(&words).exits(4).json();
    assert_eq!(document["data"]["since"], NOW);
    assert!(out.is_file());
    // What is there is somebody's evidence.
    project
        .relman(&words)
        .exits(1)
        .says(&["cannot write", "--out FILE"]);
}

#[test]
fn an_end_without_the_archive_says_how_to_get_it() {
    let project = project("rollout-uncollected");
    project
        .relman(&["fleet", "collect", "--env", "testnet"])
        .exits(2)
        .says(&["no rollout of testnet is over", "--since"]);
    let record = record_of(&project, |record| record.nodes[0].attempts = 1);
    let id = record.id.as_str();
    let words = ["fleet", "abort", id, "--take-over", "--no-collect"];
    project
        .relman(&words)
        .exits(0)
        .says(&["next: receipts and journals of all nodes: relman fleet collect --env testnet"]);
    let file = project.path(&format!(".relman/rollouts/{id}.journals.tar.gz"));
    assert!(!file.exists());
}
