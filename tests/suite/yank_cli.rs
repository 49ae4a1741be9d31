//! Releases that must not be used: who refuses them, who is told, and what cannot be done in silence.

use std::fs;

use serde_json::Value;

use crate::common::relman::{BUILD, Project, Run, SECOND, TAG, snapshot};
use crate::node_cli::Node;

fn yank(project: &Project, tag: &str, level: &str, reason: &str) -> Run {
    project.relman(&["yank", tag, "--level", level, "--reason", reason])
}

#[test]
fn a_yank_is_told_everywhere_and_taken_back_only_in_public() {
    let project = Project::published("yank-told");
    yank(&project, TAG, "withdrawn", "loses peers")
        .exits(0)
        .says(&["published"]);
    project
        .relman(&["list"])
        .exits(0)
        .says(&["yanked (withdrawn)"]);
    let show = project.relman(&["show", TAG]).exits(0);
    show.says(&["withdrawn", "loses peers", "by "]);
    project
        .relman(&["verify", TAG])
        .exits(3)
        .says(&["is yanked (withdrawn): loses peers, by "]);
    project.is_sound();

    yank(&project, TAG, "withdrawn", "loses peers")
        .exits(0)
        .says(&["already"]);
    yank(&project, TAG, "dangerous", "loses coins").exits(0);
    yank(&project, TAG, "none", "was another release").exits(0);
    project.is_verified(TAG);
    project.relman(&["audit"]).exits(0).says(&[
        "is yanked (withdrawn): loses peers",
        "is yanked (dangerous): loses coins",
        "is yanked no more: was another release",
    ]);
    let show = project.relman(&["show", TAG, "--json"]).exits(0).json();
    let yanks = show["data"]["yanks"].as_array().expect("yanks");
    assert_eq!(yanks.len(), 3, "{show:#}");
    assert_eq!(show["data"]["yanked"], Value::Null);
}

#[test]
fn a_yank_names_a_release_a_level_and_a_visible_reason() {
    let project = Project::published("yank-words");
    let before = snapshot(&project.store());
    yank(&project, TAG, "broken", "x").exits(2);
    yank(&project, TAG, "dangerous", " ").exits(2);
    yank(&project, TAG, "dangerous", &"x".repeat(501)).exits(2);
    yank(&project, TAG, "dangerous", "all fine\u{1b}[2K").exits(2);
    yank(&project, SECOND, "dangerous", "x")
        .exits(3)
        .says(&["there is no release"]);
    yank(&project, TAG, "none", "x")
        .exits(0)
        .says(&["is not yanked"]);
    assert_eq!(snapshot(&project.store()), before);
}

#[test]
fn a_dangerous_release_is_neither_installed_nor_put_back_once_the_node_knows() {
    let node = Node::new("yank-node");
    node.run(&format!("install {TAG}")).exits(0);
    node.run(&format!("install {SECOND}")).exits(0);
    yank(&node.project, TAG, "dangerous", "loses coins").exits(0);
    // Offline, nobody can know yet.
    node.run("rollback --dry-run")
        .exits(0)
        .says(&["nothing was changed"]);
    node.run(&format!("install {TAG}"))
        .exits(3)
        .says(&["dangerous", "loses coins"]);
    // That run has stored what it saw; from now on it counts, store or no store.
    let moved = node.project.beside("moved");
    fs::rename(node.project.store(), &moved).expect("the store can go");
    node.run("rollback")
        .exits(3)
        .says(&["dangerous", "loses coins"]);
    node.run(&format!("rollback --to {TAG}")).exits(3);
    node.run("status")
        .exits(1)
        .says(&["rollback has no way", "last refreshed"]);
    fs::rename(&moved, node.project.store()).expect("the store comes back");

    yank(&node.project, TAG, "withdrawn", "loses peers").exits(0);
    node.run(&format!("install {TAG}"))
        .exits(3)
        .says(&["withdrawn"]);
    node.run("status").exits(0).says(&["withdrawn"]);
    node.run("rollback")
        .exits(0)
        .says(&["warning: ", "withdrawn", "loses peers"]);
    node.run("status")
        .exits(1)
        .says(&["runs here and is yanked"]);
}

/// A project whose targets role wants two keys, the second of which is on another machine.
fn with_two_signers(name: &str) -> Project {
    let project = Project::uninitialised(name);
    project.configure(BUILD, "");
    project.add_key("targets.bob");
    project.relman(&["init", "--yes"]).exits(0);
    project.relman(&["cut", TAG]).exits(0);
    let bob = project.secrets().join("targets.bob");
    fs::rename(bob, project.beside("bob")).expect("the key can be moved");
    project
}

#[test]
fn a_yank_waits_for_the_threshold_and_a_changed_one_is_not_signed() {
    let project = with_two_signers("yank-two");
    let before = snapshot(&project.store());
    yank(&project, TAG, "dangerous", "loses coins")
        .exits(0)
        .says(&["1 of 2 signatures"]);
    assert_eq!(snapshot(&project.store()), before);
    let id = format!("yank-{TAG}");
    let file = project.beside("exchange.json");
    let name = file.to_str().expect("a path");
    project.relman(&["export", &id, "--out", name]).exits(0);

    let bob = project.beside("bob");
    let bob = bob.to_str().expect("a path");
    let good = fs::read_to_string(&file).expect("the file");
    let mut without: Value = serde_json::from_str(&good).expect("JSON");
    without["proposal"]
        .as_object_mut()
        .expect("a proposal")
        .remove("statements");
    fs::write(&file, without.to_string()).expect("the file");
    project
        .relman(&["sign", name, "--key", bob, "--yes"])
        .exits(3)
        .says(&["its statements for the log say nothing of it"]);
    let softer = good.replace("\"level\": \"dangerous\"", "\"level\": \"withdrawn\"");
    let softer = softer.replacen("\"level\": \"withdrawn\"", "\"level\": \"dangerous\"", 1);
    fs::write(&file, softer).expect("the file");
    project
        .relman(&["sign", name, "--key", bob, "--yes"])
        .exits(3)
        .says(&["its statements for the log say"]);

    fs::write(&file, good).expect("the file");
    project
        .relman(&["sign", name, "--key", bob, "--yes"])
        .exits(0)
        .says(&["2 of 2 signatures"]);
    project
        .relman(&["import", name])
        .exits(0)
        .says(&["published"]);
    project
        .relman(&["verify", TAG])
        .exits(3)
        .says(&["dangerous"]);
    project.is_sound();
}

#[test]
fn a_yank_whose_proof_is_gone_or_of_another_release_is_found() {
    let project = Project::published("yank-proof");
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    yank(&project, TAG, "dangerous", "loses coins").exits(0);
    let proof = project.store().join(TAG).join("yank-1.tlog-proof");
    let other = project.store().join(SECOND).join("yank-1.tlog-proof");
    fs::copy(&proof, &other).expect("a copy");
    project
        .relman(&["verify", SECOND])
        .exits(3)
        .says(&["is not about a yank of"]);
    project.relman(&["audit"]).exits(3).says(&[SECOND]);
    fs::remove_file(&other).expect("it can go");
    project.is_sound();
    fs::remove_file(&proof).expect("it can go");
    project
        .relman(&["audit"])
        .exits(3)
        .says(&["not yanked by the log"]);
}
