//! Approvals with the real binary: given on other machines, collected, logged, and asked for by everybody
//! who publishes, promotes, verifies and installs.

use std::fs;

use crate::common::relman::{Project, Run, SECOND, TAG, files, replace};
use crate::environment_node_cli::running;
use crate::node_cli::{BUILD, Node};

/// A project that has approvers bob and carol, with their keys beside it, and these rules for a cut.
fn ruled(project: Project, rules: &[&str]) -> Project {
    for name in ["bob", "carol"] {
        let public = approver(&project, name) + ".pub";
        let add = ["root", "add", "approver", &public, "--person", name];
        project.relman(&[&add[..], &["--draft"]].concat()).exits(0);
    }
    let set = [&["root", "set", "cut"][..], rules, &["--yes"]].concat();
    project.relman(&set).exits(0);
    project
}

/// A new key beside the project; its path.
fn approver(project: &Project, name: &str) -> String {
    project.add_key(&format!("approver.{name}"));
    let key = project.beside(name);
    for end in ["", ".pub"] {
        let from = project.secrets().join(format!("approver.{name}{end}"));
        fs::rename(from, project.beside(&format!("{name}{end}"))).unwrap();
    }
    key.to_str().unwrap().to_owned()
}

fn beside(project: &Project, name: &str) -> String {
    project.beside(name).to_str().unwrap().to_owned()
}

/// `who` approves `what` in a role, into a file.
#[track_caller]
fn approve(project: &Project, what: &str, who: &str, role: &str, more: &[&str]) -> String {
    let (key, out) = (
        beside(project, who),
        beside(project, &format!("{who}-{role}.jsonl")),
    );
    let command = [
        "approve", what, "--role", role, "--key", &key, "--out", &out, "--yes",
    ];
    project.relman(&[&command[..], more].concat()).exits(0);
    out
}

fn approved_here(project: &Project, tag: &str, who: &str, role: &str) -> Run {
    let key = beside(project, who);
    project.relman(&["approve", tag, "--role", role, "--key", &key, "--yes"])
}

fn waiting(name: &str, rules: &[&str]) -> Project {
    let project = Project::uninitialised(name);
    project.configure(BUILD, "");
    project.relman(&["init", "--yes"]).exits(0);
    ruled(project, rules)
}

#[test]
fn a_release_waits_for_approvals_that_come_from_other_machines() {
    let project = waiting(
        "approve-way",
        &["--approvals", "code-review:2,security:evidence"],
    );
    let run = project.relman(&["cut", TAG]).exits(0);
    run.says(&[
        "is a draft",
        "approval code-review has 0 of 2 people",
        "relman approve FILE",
    ]);
    assert!(!project.store().join(TAG).exists());
    let file = beside(&project, "release.json");
    project
        .relman(&["export", &format!("release-{TAG}"), "--out", &file])
        .exits(0);

    // Bob and Carol have a root, a key and the file, and no project.
    let elsewhere = Project::empty("approve-way-elsewhere");
    fs::create_dir_all(elsewhere.repo()).unwrap();
    let root = beside(&project, "root.json");
    fs::copy(project.path("keys/root.json"), &root).unwrap();
    let mut came = Vec::new();
    for (who, role, more) in [
        ("bob", "code-review", &["--comment", "read it whole"][..]),
        ("carol", "code-review", &[]),
        (
            "carol",
            "security",
            &["--evidence", &root, "--evidence", "https://example.org/7"],
        ),
    ] {
        let (key, out) = (
            beside(&project, who),
            beside(&project, &format!("{who}{role}")),
        );
        let command = [
            "approve", &file, "--root", &root, "--role", role, "--key", &key, "--out", &out,
            "--yes",
        ];
        elsewhere.relman(&[&command[..], more].concat()).exits(0);
        came.push(out);
    }
    project
        .relman(&["import", &came[0]])
        .exits(0)
        .says(&["1 new"]);
    project
        .relman(&["import", &came[0]])
        .exits(0)
        .says(&["0 new"]);
    let run = project.relman(&["publish", TAG]).exits(0);
    run.says(&["not published", "code-review has 1 of 2 people (bob)"]);
    project.relman(&["import", &came[1], &came[2]]).exits(0);
    project
        .relman(&["show", TAG])
        .exits(0)
        .says(&["draft", "bob", "read it whole"]);
    project
        .relman(&["publish", TAG])
        .exits(0)
        .says(&["published"]);

    let shown = project.relman(&["show", TAG, "--json"]).exits(0).json();
    let rows = shown["data"]["policy"]["attestations"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(rows.len(), 3, "{shown:#}");
    assert!(
        rows.iter()
            .all(|row| row["standing"] == "ok" && row["log_index"].is_u64())
    );
    assert_eq!(shown["data"]["policy"]["lacks"], serde_json::json!([]));
    project.is_verified(TAG);
    project.is_sound();
    let lines = fs::read(project.store().join(TAG).join("approvals.intoto.jsonl")).unwrap();
    assert_eq!(lines.iter().filter(|b| **b == b'\n').count(), 3);
    assert!(
        !project
            .path(".relman/attestations")
            .join(format!("{TAG}.intoto.jsonl"))
            .exists()
    );

    let node = Node::beside(project);
    node.run(&format!("install {TAG}")).exits(0);
    assert_eq!(node.installed(), node.released(TAG));
}

#[test]
fn nodes_refuse_what_lacks_an_approval_until_it_is_in_the_log_and_roll_back_offline_by_what_they_kept()
 {
    let project = ruled(running("approve-node"), &["--approvals", "qa"]);
    let node = Node::beside(project);
    let run = node.run(&format!("install {TAG}")).exits(3);
    run.says(&["approval qa has 0 of 1 people", "bob"]);
    assert_eq!(node.installed(), None);
    for tag in [TAG, SECOND] {
        let run = approved_here(&node.project, tag, "bob", "qa").exits(0);
        run.says(&["bob approves", "it is in the log"]);
        node.run(&format!("install {tag}")).exits(0);
    }
    node.project.is_sound();
    fs::remove_dir_all(node.project.store()).unwrap();
    node.run("rollback").exits(0).says(&[TAG]);
    // What was kept is looked at, not trusted.
    let proof = node.path(&format!("state/evidence/{SECOND}/approval-1.tlog-proof"));
    fs::remove_file(proof).unwrap();
    let run = node.run(&format!("rollback --to {SECOND}")).exits(3);
    run.says(&["other evidence than is stored beside it: approval-1.tlog-proof"]);
}

#[test]
fn the_author_of_a_signed_tag_cannot_approve_it_alone() {
    let project = waiting(
        "approve-author",
        &["--approvals", "code-review:not-author", "--tag", "signed"],
    );
    project
        .relman(&["cut", TAG])
        .exits(3)
        .says(&["is not signed by a tagger", "it is unsigned"]);
    let tagger = approver(&project, "tagger-bob");
    let public = format!("{tagger}.pub");
    project
        .relman(&["root", "add", "tagger", &public, "--person", "bob", "--yes"])
        .exits(0);
    let key = format!("user.signingkey={tagger}");
    project.git(&["tag", "-d", TAG]);
    project.git(&[
        "-c",
        "gpg.format=ssh",
        "-c",
        &key,
        "tag",
        "-s",
        "-m",
        "signed",
        TAG,
    ]);
    project.relman(&["cut", TAG]).exits(0).says(&["is a draft"]);
    let own = approve(&project, TAG, "bob", "code-review", &[]);
    project.relman(&["import", &own]).exits(0);
    let run = project.relman(&["publish", TAG]).exits(0);
    run.says(&["not published", "bob is the tag's author"]);
    let shown = project.relman(&["show", TAG]).exits(0);
    shown.says(&["tag made by  bob, signature verified"]);
    let other = approve(&project, TAG, "carol", "code-review", &[]);
    project.relman(&["import", &other]).exits(0);
    project
        .relman(&["publish", TAG])
        .exits(0)
        .says(&["published"]);
    project.is_verified(TAG);
}

#[test]
fn a_network_waits_for_its_own_approvals() {
    let project = ruled(running("approve-network"), &["--approvals", "none"]);
    let set = [
        "root",
        "set",
        "mainnet",
        "--approvals",
        "checklist",
        "--yes",
    ];
    project.relman(&set).exits(0);
    project
        .relman(&["promote", TAG, "--to", "testnet"])
        .exits(0);
    let run = project
        .relman(&["promote", TAG, "--to", "mainnet"])
        .exits(3);
    run.says(&[
        "approval external-audit",
        "approval on-call-assigned",
        "relman show",
    ]);
    for role in [
        "external-audit",
        "audit-findings-fixed",
        "penetration-test",
        "no-critical-issues",
        "runbook-tested",
        "monitoring-configured",
        "backups-tested",
        "on-call-assigned",
    ] {
        let report = ["--evidence", "https://example.org/report"];
        let file = approve(&project, TAG, "carol", role, &report);
        project
            .relman(&["import", &file])
            .exits(0)
            .says(&["it is in the log"]);
    }
    project
        .relman(&["promote", TAG, "--to", "mainnet"])
        .exits(0)
        .says(&["published"]);
    project.is_sound();
}

#[test]
fn what_does_not_count_is_not_taken_in() {
    let project = ruled(running("approve-bad"), &["--approvals", "none"]);
    let good = approve(&project, TAG, "bob", "qa", &[]);
    let text = fs::read_to_string(&good).unwrap();
    let bad = beside(&project, "bad.jsonl");
    let refuses = |text: &str, words: &[&str]| {
        fs::write(&bad, text).unwrap();
        project.relman(&["import", &bad]).exits(3).says(words);
    };
    let sig = text.split("\"sig\":\"").nth(1).unwrap();
    let other = if sig.starts_with('A') { "B" } else { "A" };
    let forged = text.replace(&sig[..4], &format!("{other}{}", &sig[1..4]));
    refuses(&forged, &["qa by bob does not count: bad signature"]);
    // Given for one release, it is not for another.
    let second = approve(&project, SECOND, "bob", "qa", &[]);
    refuses(
        &(text.clone() + &fs::read_to_string(&second).unwrap()),
        &["about several releases"],
    );
    // A key that policy does not name for it.
    let key = project.secrets().join("builder");
    let run = project.relman(&[
        "approve",
        TAG,
        "--role",
        "qa",
        "--key",
        key.to_str().unwrap(),
        "--yes",
    ]);
    run.exits(3).says(&["the approver key here is", "bob"]);
    project
        .relman(&["approve", TAG, "--role", "Quality Assurance", "--yes"])
        .exits(2)
        .says(&["is no name"]);
    project
        .relman(&["approve", "phase9-none-1.0.0", "--role", "qa", "--yes"])
        .exits(3)
        .says(&["there is no release phase9-none-1.0.0"]);
    // A key that was withdrawn as stolen since.
    let public = format!("{}.pub", beside(&project, "bob"));
    project
        .relman(&["root", "remove", "approver", &public, "--erase", "--yes"])
        .exits(0);
    refuses(&text, &["unknown key"]);
    project.is_sound();
}

#[test]
fn an_audit_misses_an_approval_that_was_taken_away_and_verify_one_that_was_put_beside() {
    let project = ruled(running("approve-audit"), &["--approvals", "none"]);
    approved_here(&project, TAG, "bob", "qa").exits(0);
    approved_here(&project, TAG, "carol", "qa").exits(0);
    project.is_sound();
    let thief = project.copy();
    let dir = thief.store().join(TAG);
    fs::remove_file(dir.join("approval-2.tlog-proof")).unwrap();
    let run = thief.relman(&["audit"]).exits(3);
    run.says(&["has 2 of kind approval in the log, 1 are proved beside it"]);

    let forger = project.copy();
    let dir = forger.store().join(TAG);
    let unlogged = approve(&project, TAG, "bob", "security", &[]);
    fs::copy(&unlogged, dir.join("approvals.intoto.jsonl")).unwrap();
    let run = forger.relman(&["verify", TAG]).exits(3);
    run.says(&["line 1 is not in the log beside this release"]);
    // A proof of something else under an approval's name.
    let proof = fs::read(dir.join("release.tlog-proof")).unwrap();
    replace(&dir.join("approval-1.tlog-proof"), &proof);
    forger.relman(&["audit"]).exits(3);
    assert!(files(&dir).contains(&"approval-1.tlog-proof".to_owned()));
}

#[test]
fn results_and_rebuilds_that_come_after_the_release_are_published_too() {
    let project = Project::empty("approve-late");
    fs::create_dir_all(project.repo()).unwrap();
    project.git(&["init", "-q", "-b", "main", "."]);
    project.configure(BUILD, "");
    project.write("prog.sh", "echo release one\n");
    project.git(&["add", "relman.toml"]);
    project.commit_and_tag("feat: begin", TAG);
    project.relman(&["init", "--yes"]).exits(0);
    project.second();
    for tag in [TAG, SECOND] {
        project.relman(&["cut", tag]).exits(0);
    }
    let public = approver(&project, "frank") + ".pub";
    let add = [
        "root",
        "add",
        "rebuilder",
        &public,
        "--person",
        "frank",
        "--yes",
    ];
    project.relman(&add).exits(0);
    let key = beside(&project, "frank");
    let run = project.relman(&["rebuild", TAG, "--key", &key]).exits(0);
    run.says(&["came out the same", &format!("next: relman publish {TAG}")]);
    let run = project.relman(&["publish", TAG]).exits(0);
    run.says(&["is published", "it is in the log"]);
    let run = project.relman(&["publish", TAG]).exits(0);
    run.says(&["is already cut"]);
    project
        .relman(&["show", TAG])
        .exits(0)
        .says(&["rebuild", "frank", "ok"]);
    // Nodes want it from then on, and the second release has none.
    let set = ["root", "set", "cut", "--rebuilders", "1", "--yes"];
    project.relman(&set).exits(0);
    let run = project.relman(&["root"]).exits(0);
    run.says(&["every release: gates none; approvals none; rebuilders 1"]);
    project.is_verified(TAG);
    let run = project.relman(&["verify", SECOND]).exits(3);
    run.says(&["0 of 1 independent rebuilders", "frank"]);
}

#[test]
fn killed_while_an_approval_is_logged_it_is_there_once_or_not_at_all_and_the_next_run_finishes() {
    let whole = ruled(running("approve-kill"), &["--approvals", "none"]);
    let file = approve(&whole, TAG, "bob", "qa", &[]);
    let proof = |project: &Project| project.store().join(TAG).join("approval-1.tlog-proof");
    let mut finished = false;
    for n in 0..40 {
        let project = whole.copy();
        let run = project.killed_at(&format!("publish.{n}"), &["import", &file]);
        if !run.was_killed() {
            finished = run.code == Some(0);
            break;
        }
        project.relman(&["import", &file]).exits(0);
        assert!(proof(&project).exists(), "publish.{n}");
        project.is_sound();
        let entries = project.relman(&["audit", "--json"]).exits(0).json();
        let history = entries["data"]["history"].as_array().unwrap().clone();
        let approvals = history.iter().filter(|e| e["kind"] == "approval");
        assert_eq!(approvals.count(), 1, "publish.{n}");
    }
    assert!(finished, "every step of the publication was tried");
}
