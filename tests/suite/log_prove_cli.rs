//! `relman log prove`: proofs under the newest checkpoint, and fresher ones that readers, nodes, mirrors
//! and audits take where the first does not do any more.

use std::fs;

use relman::log::{TlogProof, VerifierKey};
use serde_json::{Value, json};

use super::environment_waits_cli::waiting;
use super::node_cli::{BUILD, Node};
use super::root_cli::run_at;
use crate::common::http_server::Server;
use crate::common::relman::{Project, SECOND, TAG, flip, replace, snapshot};

const LATER: &str = "2026-02-02T00:00:00Z";
const LATEST: &str = "2026-02-03T00:00:00Z";

#[test]
fn a_proof_of_any_entry_can_be_had_and_stands_by_itself() {
    let project = Project::published("prove-any");
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    let vkey = fs::read_to_string(project.path("keys/log.vkey")).unwrap();
    let key = VerifierKey::parse(vkey.trim()).unwrap();
    let origin = key.name().to_owned();
    let check = |text: &str, index: u64| {
        let proof = TlogProof::parse(text.as_bytes()).unwrap();
        let entry = proof.unverified_extra().to_vec();
        let included = proof
            .verify(&entry, std::slice::from_ref(&key), &origin)
            .unwrap();
        assert_eq!(
            (included.index(), included.checkpoint().head().size),
            (index, 5)
        );
    };
    check(&project.relman(&["log", "prove", TAG]).exits(0).stdout, 1);
    check(&project.relman(&["log", "prove", "4"]).exits(0).stdout, 4);
    project
        .relman(&["log", "prove", "0", "--out", "p.tlog-proof"])
        .exits(0);
    check(
        &fs::read_to_string(project.path("p.tlog-proof")).unwrap(),
        0,
    );
    let server = Server::start(project.store());
    let run = project.relman(&["log", "prove", SECOND, "--store", &server.url(), "--json"]);
    check(run.exits(0).json()["data"]["proof"].as_str().unwrap(), 3);
    // The release's own proof is no help any more, the log is.
    flip(&project.store().join(TAG).join("release.tlog-proof"));
    check(&project.relman(&["log", "prove", TAG]).exits(0).stdout, 1);

    project
        .relman(&["log", "prove", "5"])
        .exits(1)
        .says(&["there is no entry 5"]);
    project
        .relman(&["log", "prove", "phase9-none-1.0.0"])
        .exits(3);
    project.relman(&["log", "prove", "no tag"]).exits(2);
    project.relman(&["log", "prove", "1", "--refresh"]).exits(2);
    project
        .relman(&["log", "prove", TAG, "--refresh", "--out", "x"])
        .exits(2);
}

/// Since when witnesses know of a release, by `relman log show`.
fn witnessed(project: &Project, now: &str, tag: &str) -> Value {
    let show = [
        "log",
        "show",
        "--kind",
        "release",
        "--release",
        tag,
        "--json",
    ];
    let run = run_at(project, now, &show).exits(0);
    run.json()["data"]["entries"][0]["witnessed"].clone()
}

#[test]
fn a_release_from_before_there_were_witnesses_gets_a_time_that_stays() {
    let project = waiting("prove-fresh", &["--soak-hours", "1"]);
    run_at(
        &project,
        LATER,
        &["yank", TAG, "--level", "withdrawn", "--reason", "x"],
    )
    .exits(0);
    run_at(
        &project,
        LATER,
        &["yank", TAG, "--level", "none", "--reason", "y"],
    )
    .exits(0);
    assert_eq!(witnessed(&project, LATER, TAG), LATER);
    let before = snapshot(&project.store());
    let refresh = ["log", "prove", TAG, "--refresh"];
    // The last yank's proof is under the newest checkpoint already.
    let run = run_at(&project, LATER, &[&refresh[..], &["--json"]].concat()).exits(0);
    let made = [
        format!("{TAG}/release.fresh-1.tlog-proof"),
        format!("{TAG}/yank-1.fresh-1.tlog-proof"),
    ];
    assert_eq!(run.json()["data"]["proofs"], json!(made));
    // Nothing that was published has changed, but for the head that says so.
    let after = snapshot(&project.store());
    let changed = before
        .iter()
        .filter(|old| !after.contains(old) && old.0.is_file());
    let changed: Vec<_> = changed
        .map(|(path, ..)| path.file_name().unwrap())
        .collect();
    assert_eq!(changed, ["timestamp.json"]);
    run_at(&project, LATER, &refresh)
        .exits(0)
        .says(&["every proof"]);
    run_at(
        &project,
        LATER,
        &["log", "prove", "phase9-none-1.0.0", "--refresh"],
    )
    .exits(3);

    project.second();
    run_at(&project, LATEST, &["cut", SECOND]).exits(0);
    assert_eq!(witnessed(&project, LATEST, TAG), LATER);
    assert_eq!(witnessed(&project, LATEST, SECOND), LATEST);
    run_at(&project, LATEST, &["verify", TAG]).exits(0);
    run_at(&project, LATEST, &["audit"]).exits(0);
    run_at(&project, LATEST, &["log", "fsck"]).exits(0);

    // Copies have them, from a directory and from where nothing can be listed.
    let server = Server::start(project.store());
    let store = project.store();
    for (from, to) in [(store.to_str().unwrap(), "one"), (&server.url(), "two")] {
        let to = project.beside(to);
        let to = to.to_str().unwrap();
        run_at(&project, LATEST, &["mirror", from, to]).exits(0);
        for path in &made {
            let (old, new) = (store.join(path), project.beside(to).join(path));
            assert_eq!(fs::read(old).unwrap(), fs::read(new).unwrap());
        }
        run_at(&project, LATEST, &["audit", "--store", to]).exits(0);
    }

    // The first one is damaged: the fresher one does, and whoever looks at the log is told.
    flip(&project.store().join(TAG).join("release.tlog-proof"));
    run_at(&project, LATEST, &["verify", TAG]).exits(0);
    run_at(&project, LATEST, &["show", TAG]).exits(0);
    let fsck = run_at(&project, LATEST, &["log", "fsck"]).exits(3);
    fsck.says(&["release.tlog-proof: proves nothing of this log"]);
    // A fresher one that is about something else is none.
    let dir = project.store().join(TAG);
    fs::copy(
        dir.join("yank-1.tlog-proof"),
        dir.join("release.fresh-1.tlog-proof"),
    )
    .unwrap();
    run_at(&project, LATEST, &["verify", TAG]).exits(3);
}

#[test]
fn a_node_keeps_the_fresher_proof_and_rolls_back_on_it_offline() {
    let project = waiting("prove-node", &["--soak-hours", "1"]);
    project.configure(BUILD, "");
    let third = "phase1-sig-verify-1.0.1";
    project.write("prog.sh", "echo again\n");
    project.commit_and_tag("fix: again", third);
    run_at(&project, LATER, &["cut", third]).exits(0);
    run_at(&project, LATEST, &["log", "prove", third, "--refresh"]).exits(0);
    project.second();
    run_at(&project, LATEST, &["cut", SECOND]).exits(0);
    run_at(&project, LATEST, &["log", "prove", third, "--refresh"])
        .exits(0)
        .says(&["fresh-1"]);
    // As if it were from before there were witnesses.
    let proof = project.store().join(third).join("release.tlog-proof");
    let text = fs::read_to_string(&proof).unwrap();
    let kept = text
        .lines()
        .filter(|line| !line.starts_with("\u{2014} w.example/1 "));
    let kept: String = kept.map(|line| format!("{line}\n")).collect();
    assert_ne!(kept, text);
    replace(&proof, kept.as_bytes());
    let fresh = fs::read(
        project
            .store()
            .join(third)
            .join("release.fresh-1.tlog-proof"),
    )
    .unwrap();

    let node = Node::beside(project);
    node.run_at(LATEST, &format!("install {third}")).exits(0);
    let evidence = node
        .path("state/evidence")
        .join(third)
        .join("release.tlog-proof");
    assert_eq!(fs::read(evidence).unwrap(), fresh);
    node.run_at(LATEST, &format!("install {SECOND}")).exits(0);
    fs::remove_dir_all(node.project.store()).unwrap();
    node.run_at(LATEST, "rollback").exits(0).says(&[third]);
}

#[test]
fn killed_anywhere_a_refresh_is_finished_by_the_next_command() {
    let project = Project::published("prove-kill");
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    let refresh = ["log", "prove", TAG, "--refresh"];
    for point in [
        "stage.0",
        "stage.written",
        "publish.0",
        "publish.1",
        "publish.done",
    ] {
        let copy = project.copy();
        assert!(copy.killed_at(point, &refresh).was_killed(), "{point}");
        copy.is_verified(TAG);
        copy.relman(&refresh).exits(0);
        copy.is_sound();
        copy.relman(&["log", "fsck"]).exits(0);
        let fresh = copy.store().join(TAG).join("release.fresh-1.tlog-proof");
        assert!(fresh.exists(), "{point}");
    }
}
