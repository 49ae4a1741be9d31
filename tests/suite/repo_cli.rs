//! How a store stands: what `repo status` tells, and when it asks for a hand.

use std::fs;

use crate::common::http_server::Server;
use crate::common::relman::{BUILD, Project, Run, TAG, snapshot};

fn at(project: &Project, now: &str, arguments: &[&str]) -> Run {
    let mut command = project.command(arguments);
    command.env("RELMAN_INSECURE_NOW", now);
    Run::of(command.output().expect("relman runs"))
}

#[test]
fn a_fresh_store_needs_no_hand_and_a_view_from_outside_agrees() {
    let project = Project::published("repo-fresh");
    let before = snapshot(&project.store());
    let status = project
        .relman(&["repo", "status", "--json"])
        .exits(0)
        .json();
    let data = &status["data"];
    let roles: Vec<&str> = data["roles"]
        .as_array()
        .expect("roles")
        .iter()
        .filter_map(|r| r["role"].as_str())
        .collect();
    assert_eq!(
        roles,
        [
            "root",
            "targets",
            "snapshot",
            "timestamp",
            "mainnet",
            "testnet"
        ]
    );
    assert_eq!(data["log"]["size"], 3, "{data:#}");
    assert_eq!(data["releases"], 1);
    let server = Server::start(project.store());
    let elsewhere = Project::empty("repo-elsewhere");
    let root = project.path("keys/root.json");
    let root = root.to_str().expect("a path");
    elsewhere
        .relman(&["repo", "status", "--store", &server.url(), "--root", root])
        .exits(0)
        .says(&["nothing needs a hand", "1 of 1", "runs nothing yet"]);
    assert_eq!(snapshot(&project.store()), before);
}

#[test]
fn what_expires_soon_or_has_expired_is_told_with_exit_1() {
    let project = Project::published("repo-late");
    let status = |now| at(&project, now, &["repo", "status"]);
    status("2026-02-05T00:00:00Z")
        .exits(0)
        .says(&["nothing needs a hand"]);
    status("2026-02-06T00:00:00Z")
        .exits(1)
        .says(&["timestamp.json version 2 expires in 48 hours"]);
    status("2026-02-09T00:00:00Z")
        .exits(1)
        .says(&["timestamp.json version 2 expired at 2026-02-08"]);
}

#[test]
fn a_proposal_is_told_with_who_is_missing_and_once_overtaken_as_stale() {
    let project = Project::uninitialised("repo-waits");
    project.configure(BUILD, "");
    let bob = project.add_key("targets.bob");
    project.relman(&["init", "--yes"]).exits(0);
    fs::rename(&bob, project.beside("bob")).expect("the key can be moved");
    project.relman(&["cut", TAG]).exits(0);
    project.relman(&["repo", "status"]).exits(1).says(&[
        "waits release-",
        "1 of 2 signatures",
        "missing: ",
        &format!("draft {TAG}"),
    ]);

    // The same release from another working copy, where both keys are.
    let other = project.copy();
    fs::copy(project.beside("bob"), other.secrets().join("targets.bob")).expect("a copy");
    let id = format!("release-{TAG}");
    other.relman(&["sign", &id, "--yes"]).exits(0);
    fs::remove_dir_all(project.store()).expect("it can go");
    crate::common::relman::copy_tree(&other.store(), &project.store());
    project
        .relman(&["repo", "status"])
        .exits(1)
        .says(&["cannot be published", "the store has 2 already"]);
}

#[test]
fn a_timer_signs_freshness_when_it_is_due_and_not_before() {
    let project = Project::published("repo-timer");
    let renew = ["timestamp", "--renew-before", "72"];
    let before = snapshot(&project.store());
    let early = at(&project, "2026-02-04T00:00:00Z", &renew).exits(0);
    assert!(early.stdout.contains("timestamp 2"), "{early:?}");
    assert_eq!(snapshot(&project.store()), before);
    at(&project, "2026-02-05T00:00:00Z", &renew)
        .exits(0)
        .says(&["timestamp 3 is valid until 2026-02-12"]);
    at(&project, "2026-02-05T00:00:00Z", &renew)
        .exits(0)
        .says(&["timestamp 3"]);
    let lock = project.store().join(".relman-lock");
    let held = fs::File::options().write(true).open(&lock).expect("a lock");
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).expect("it is free");
    at(&project, "2026-02-05T00:00:00Z", &renew)
        .exits(1)
        .says(&["another relman is at work here"]);
}

#[test]
fn a_mirror_that_is_behind_late_or_forked_is_told() {
    let project = Project::published("repo-mirrors");
    let (to, fork) = (project.beside("to"), project.copy());
    let to = to.to_str().expect("a path");
    project.relman(&["mirror", "releases", to]).exits(0);
    let status = ["repo", "status", "--mirror", to];
    project
        .relman(&status)
        .exits(0)
        .says(&["up to date", "nothing needs a hand"]);
    at(&project, "2026-02-07T00:00:00Z", &["timestamp"]).exits(0);
    at(&project, "2026-02-07T00:00:00Z", &status)
        .exits(1)
        .says(&[
            "behind by 0 log entries and 1 timestamps",
            "expires in 24 hours",
        ]);
    let yank = ["yank", TAG, "--level", "withdrawn", "--reason", "a fork"];
    fork.relman(&yank).exits(0);
    let yank = ["yank", TAG, "--level", "dangerous", "--reason", "the truth"];
    project.relman(&yank).exits(0);
    let fork = fork.store();
    let fork = fork.to_str().expect("a path");
    project
        .relman(&["repo", "status", "--mirror", fork, "--mirror", "nowhere"])
        .exits(1)
        .says(&["has diverged", "there is no store at"]);
}
