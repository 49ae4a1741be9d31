//! `relman log show`: what happened, by whom, whether it counts; all of it, a part, or one entry whole.

use relman::attest::{Envelope, Statement, Subject};
use relman::hash::Sha256;
use serde_json::{Value, json};

use super::environment_cli::promote;
use super::environment_waits_cli::waiting;
use super::root_attack_cli::Thief;
use super::root_cli::run_at;
use crate::common::http_server::Server;
use crate::common::publication::publish;
use crate::common::relman::{NOW, Project, Run, SECOND, TAG};

/// Has the log have statements, each signed with a key of the project, whatever it is for.
pub fn enter(project: &Project, statements: &[(&str, Statement, String)]) {
    let thief = Thief::at(project, project.store());
    let entries = statements.iter().map(|(purpose, statement, proof)| {
        let envelope = Envelope::sign(statement, &thief.key(purpose)).unwrap();
        (envelope.to_line().unwrap(), proof.clone())
    });
    publish(project, &thief.keys, |publisher, view| {
        publisher.enter(view, entries.collect())
    });
}

/// A statement about a release.
pub fn statement(kind: &str, predicate: Value) -> Statement {
    let subject = Subject::new(format!("{TAG}.tar.gz"), Sha256::of(b"any"));
    Statement::new(vec![subject], kind, predicate)
}

fn show(project: &Project, more: &[&str]) -> Run {
    project.relman(&[&["log", "show"][..], more].concat())
}

/// The entries' numbers.
#[track_caller]
fn indices(project: &Project, more: &[&str]) -> Vec<u64> {
    let run = show(project, &[more, &["--json-lines"]].concat()).exits(0);
    let lines = run.stdout.lines().map(|line| {
        let value: Value = serde_json::from_str(line).expect("a JSON object a line");
        value["index"].as_u64().expect("an index")
    });
    lines.collect()
}

#[test]
fn the_log_tells_what_happened_and_can_be_asked_for_a_part_of_it() {
    let project = Project::published("log-show");
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    let yank = [
        "yank",
        SECOND,
        "--level",
        "withdrawn",
        "--reason",
        "loses peers",
    ];
    project.relman(&yank).exits(0);
    promote(&project, TAG, "testnet").exits(0);
    show(&project, &[]).exits(0).says(&[
        "ENTRY  SIGNED                BY",
        "1.root.json",
        "is yanked (withdrawn): loses peers",
        &format!("testnet runs {TAG} since version 2"),
    ]);
    let all = show(&project, &["--json"]).exits(0).json();
    let all = all["data"]["entries"].as_array().unwrap().clone();
    let kinds: Vec<&str> = all.iter().map(|e| e["kind"].as_str().unwrap()).collect();
    let wanted = "metadata release metadata release metadata yank metadata metadata";
    assert_eq!(kinds.join(" "), wanted);
    assert!(all.iter().all(|e| e["counts"] == true && e["time"] == NOW));
    let person = all[0]["people"][0].as_str().unwrap();
    assert_eq!(all[7]["moves"][0]["release"], TAG);
    assert_eq!(all[7]["moves"][0]["agreed"][0], person);

    assert_eq!(indices(&project, &[]), (0..8).collect::<Vec<u64>>());
    assert_eq!(indices(&project, &["--kind", "release"]), [1, 3]);
    assert_eq!(
        indices(&project, &["--kind", "urn:relman:leaf:yank:v1"]),
        [5]
    );
    assert_eq!(indices(&project, &["--release", SECOND]), [3, 5]);
    // Of the metadata, that which moves a network to it.
    assert_eq!(indices(&project, &["--release", TAG]), [1, 7]);
    assert_eq!(indices(&project, &["--environment", "testnet"]), [0, 7]);
    assert_eq!(indices(&project, &["--person", person]).len(), 8);
    assert_eq!(indices(&project, &["--from", NOW]).len(), 8);
    assert!(indices(&project, &["--until", "2026-02-01"]).is_empty());
    assert_eq!(
        indices(&project, &["--from", "2026-02-01", "--until", "2026-02-02"]).len(),
        8
    );
    let both = [
        "--kind",
        "metadata",
        "--environment",
        "testnet",
        "--release",
        TAG,
    ];
    assert_eq!(indices(&project, &both), [7]);
    show(&project, &["--person", "nobody"])
        .exits(0)
        .says(&["no such entries"]);
    show(&project, &["--kind", "relaese"])
        .exits(2)
        .says(&["wanted one of release, metadata"]);
    show(&project, &["--from", "yesterday"])
        .exits(2)
        .says(&["YYYY-MM-DD"]);
    show(&project, &["--from", "2026-02-02", "--until", "2026-02-01"]).exits(2);
    show(&project, &["--json", "--json-lines"]).exits(2);
    show(&project, &["3", "--kind", "release"]).exits(2);

    let server = Server::start(project.store());
    let here = show(&project, &["--json-lines"]).stdout;
    let there = show(&project, &["--json-lines", "--store", &server.url()]);
    assert_eq!(there.exits(0).stdout, here);
}

#[test]
fn one_entry_is_shown_whole() {
    let project = Project::published("log-one");
    let run = show(&project, &["1"]).exits(0);
    run.says(&[
        "kind        release",
        "leaf hash",
        "signer",
        ", builder",
        &format!("{TAG}/release.tlog-proof"),
        "\"predicateType\": \"urn:relman:leaf:release:v1\"",
    ]);
    let data = show(&project, &["1", "--json"]).exits(0).json()["data"].clone();
    assert_eq!(data["statement"]["predicate"]["tag"], TAG);
    assert_eq!(
        data["proofs"],
        json!([{ "path": format!("{TAG}/release.tlog-proof"), "there": true }])
    );
    assert_eq!(data["signers"][0]["purpose"], "builder");
    show(&project, &["3"])
        .exits(1)
        .says(&["there is no entry 3", "has 3"]);
    show(&project, &["-1"]).exits(2);
}

#[test]
fn a_type_that_is_not_known_is_shown_with_its_type_and_kept() {
    let project = Project::published("log-unknown");
    let (kind, proof) = (
        "urn:relman:leaf:weather:v1",
        format!("{TAG}/weather-1.tlog-proof"),
    );
    let weather = statement(kind, json!({ "tag": TAG, "time": NOW, "rain": true }));
    enter(&project, &[("publisher", weather, proof.clone())]);
    show(&project, &[])
        .exits(0)
        .says(&["unknown urn:relman:leaf:weather:v1"]);
    assert_eq!(indices(&project, &["--kind", "unknown"]), [3]);
    assert_eq!(indices(&project, &["--kind", kind]), [3]);
    let run = show(&project, &["3"]).exits(0);
    run.says(&["\"rain\": true", &proof, "counts      yes"]);
    project.relman(&["log", "fsck"]).exits(0);
    project.is_sound();
}

#[test]
fn an_entry_whose_signature_does_not_count_is_shown_and_marked() {
    let project = Project::published("log-uncounted");
    let proof = format!("{TAG}/yank-1.tlog-proof");
    let yank = statement(
        "urn:relman:leaf:yank:v1",
        json!({ "tag": TAG, "level": "dangerous", "reason": "says an approver", "time": NOW }),
    );
    let timeless = statement("urn:relman:leaf:weather:v1", json!({ "tag": TAG }));
    let other = format!("{TAG}/weather-1.tlog-proof");
    enter(
        &project,
        &[("approver", yank, proof), ("publisher", timeless, other)],
    );
    show(&project, &[]).exits(3).says(&[
        " NO ",
        "says an approver",
        "entry 3 does not count: no valid signature by an accepted key",
        "entry 4 does not count: a log leaf has no well-formed time",
    ]);
    show(&project, &["--kind", "release"]).exits(0);
    let one = show(&project, &["3", "--json"]).exits(3).json()["data"].clone();
    assert_eq!(
        (&one["counts"], &one["signers"][0]["purpose"]),
        (&json!(false), &json!("approver"))
    );
    let lines = show(&project, &["--json-lines"]).exits(3).stdout;
    assert_eq!(
        lines
            .lines()
            .filter(|line| line.contains("\"counts\":false"))
            .count(),
        2
    );
}

#[test]
fn what_others_wrote_cannot_drive_the_terminal() {
    let project = Project::published("log-hostile");
    let yank = statement(
        "urn:relman:leaf:yank:v1",
        json!({ "tag": TAG, "level": "x\u{1b}[2J", "reason": "a\u{202e}b\n| c", "time": NOW }),
    );
    enter(
        &project,
        &[("publisher", yank, format!("{TAG}/yank-1.tlog-proof"))],
    );
    for arguments in [
        &[][..],
        &["3"],
        &["--json"],
        &["--json-lines"],
        &["3", "--json"],
    ] {
        let shown = show(&project, arguments).exits(0).stdout;
        assert!(!shown.contains(['\u{1b}']), "{shown}");
        if !arguments.contains(&"--json") && !arguments.contains(&"--json-lines") {
            assert!(!shown.contains('\u{202e}'), "{shown}");
        }
    }
}

#[test]
fn where_there_are_witnesses_each_entry_has_their_time() {
    let project = waiting("log-witnessed", &["--soak-hours", "1"]);
    project.second();
    let later = "2026-02-01T05:00:00Z";
    run_at(&project, later, &["cut", SECOND]).exits(0);
    let run = run_at(
        &project,
        later,
        &["log", "show", "--kind", "release", "--json"],
    )
    .exits(0);
    let entries = run.json()["data"]["entries"].clone();
    // The first release is from before there were witnesses: they know of it since now.
    assert_eq!(
        (&entries[0]["time"], &entries[0]["witnessed"]),
        (&json!(NOW), &json!(later))
    );
    assert_eq!(entries[1]["witnessed"], later);
    let table = run_at(&project, later, &["log", "show"]).exits(0);
    table.says(&["WITNESSED"]);
}
