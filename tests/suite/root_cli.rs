//! `relman root`: keys that come and go, with the real binary, and what readers with an old root see.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::relman::{Project, Run, SECOND, TAG, copy_tree, files, snapshot};

/// A day after everything else.
const LATER: &str = "2026-02-02T00:00:00Z";

/// Runs `relman` a day later.
#[track_caller]
pub fn later(project: &Project, arguments: &[&str]) -> Run {
    let output = project
        .command(arguments)
        .env("RELMAN_INSECURE_NOW", LATER)
        .output();
    let run = Run::of(output.expect("relman runs"));
    assert!(!matches!(run.code, Some(70 | 101)), "{run:#?}");
    run
}

/// Makes a key among the secret keys, and gives the path of its public half.
fn new_key(project: &Project, name: &str) -> String {
    project.add_key(name);
    let public = project.secrets().join(format!("{name}.pub"));
    public.to_str().unwrap().to_owned()
}

fn public(project: &Project, purpose: &str) -> String {
    let path = project.path(&format!("keys/{purpose}.pub"));
    path.to_str().unwrap().to_owned()
}

/// Verifies a tag from the trust root that a node got before any change.
#[track_caller]
fn verifies_from(project: &Project, root: &Path, tag: &str) {
    let store = project.store();
    let arguments = [
        "verify",
        tag,
        "--store",
        store.to_str().unwrap(),
        "--root",
        root.to_str().unwrap(),
    ];
    later(project, &arguments).exits(0).says(&["is verified"]);
}

/// The root that a node got when it was set up.
fn first_root(project: &Project) -> PathBuf {
    let copy = project.beside("first-root.json");
    copy_tree(&project.path("keys/root.json"), &copy);
    copy
}

#[test]
fn every_key_of_a_project_is_replaced_one_after_the_other_and_old_releases_stay_verified() {
    let project = Project::published("root-rotate");
    let node = first_root(&project);
    let purposes = [
        "root",
        "targets",
        "snapshot",
        "timestamp",
        "log",
        "builder",
        "publisher",
        "approver",
        "testnet",
        "mainnet",
    ];
    for (n, purpose) in purposes.into_iter().enumerate() {
        let new = new_key(&project, &format!("{purpose}.new"));
        let old = public(&project, purpose);
        let run = later(&project, &["root", "rotate", purpose, &old, &new, "--yes"]).exits(0);
        run.says(&[&format!("published root-{}", n + 2)]);
        // The retired key lies beside its successor in half of the cases, and is gone in the others.
        if n % 2 == 0 {
            fs::remove_file(project.secrets().join(purpose)).unwrap();
        }
        verifies_from(&project, &node, TAG);
        let copied = fs::read(project.path("keys/root.json")).unwrap();
        let name = format!("metadata/{}.root.json", n + 2);
        assert_eq!(copied, fs::read(project.store().join(name)).unwrap());
    }
    project.second();
    later(&project, &["cut", SECOND]).exits(0);
    later(&project, &["timestamp"]).exits(0);
    for tag in [TAG, SECOND] {
        verifies_from(&project, &node, tag);
    }
    later(&project, &["audit"]).exits(0);
    later(&project, &["root"])
        .exits(0)
        .says(&["root version 11", "environment mainnet"]);
}

/// The proposals that wait.
fn proposals(project: &Project) -> Vec<String> {
    let dir = project.path(".relman/proposals");
    match dir.exists() {
        true => files(&dir),
        false => Vec::new(),
    }
}

/// Keeps a change of three kinds of keys as one unsigned proposal, `root-2`.
fn three_at_once(project: &Project) {
    for (purpose, joined) in [("timestamp", false), ("mainnet", true), ("publisher", true)] {
        let new = new_key(project, &format!("{purpose}.new"));
        let old = public(project, purpose);
        let run = later(project, &["root", "rotate", purpose, &old, &new, "--draft"]).exits(0);
        assert_eq!(run.stderr.contains("joins it"), joined, "{run:#?}");
    }
}

#[test]
fn changes_in_a_row_are_one_proposal_and_one_signature() {
    let project = Project::published("root-row");
    let node = first_root(&project);
    let before = snapshot(&project.store());
    three_at_once(&project);
    assert_eq!(snapshot(&project.store()), before, "a draft is visible");
    later(&project, &["root"]).exits(0).says(&[
        "waiting",
        "root-2",
        "0 of 1 signatures",
        "timestamp: + ",
        "role mainnet: version 1 → 2",
    ]);
    let run = later(&project, &["sign", "root-2", "--yes"]).exits(0);
    run.says(&[
        "published root-2",
        "signed root version 2",
        "signed mainnet version 2",
    ]);
    assert_eq!(proposals(&project), [""; 0]);
    verifies_from(&project, &node, TAG);
    later(&project, &["root"])
        .exits(0)
        .says(&["root version 2"]);
}

#[test]
fn killed_at_every_step_of_a_change_readers_refuse_or_verify_and_the_next_command_finishes_it() {
    let prepared = Project::published("root-kill");
    let node = first_root(&prepared);
    three_at_once(&prepared);
    let mut visited = 0;
    let groups = ["stage", "publish"].map(|group| (0..).map(move |n| format!("{group}.{n}")));
    for points in groups {
        for point in points {
            let project = prepared.copy();
            let mut command = project.command(&["sign", "root-2", "--yes"]);
            command.env("RELMAN_INSECURE_NOW", LATER);
            command.env("RELMAN_INSECURE_KILL_AT", &point);
            let run = Run::of(command.output().expect("relman runs"));
            if !run.was_killed() {
                run.exits(0);
                break;
            }
            visited += 1;
            recovers(&project, &node, &point);
        }
    }
    assert!(visited > 20, "{visited} points");
    for point in [
        "stage.written",
        "publish.done",
        "public.policy.json",
        "public.timestamp.pub",
        "public.root.json",
    ] {
        let project = prepared.copy();
        let mut command = project.command(&["sign", "root-2", "--yes"]);
        command.env("RELMAN_INSECURE_NOW", LATER);
        command.env("RELMAN_INSECURE_KILL_AT", point);
        let run = Run::of(command.output().expect("relman runs"));
        assert!(run.was_killed(), "{point}: {run:#?}");
        recovers(&project, &node, point);
    }
}

/// What a reader with the first root sees is refused or verified; after the next command it is verified.
#[track_caller]
fn recovers(project: &Project, node: &Path, point: &str) {
    let store = project.store();
    let (store, root) = (store.to_str().unwrap(), node.to_str().unwrap());
    let run = later(project, &["verify", TAG, "--store", store, "--root", root]);
    assert!(matches!(run.code, Some(0 | 3)), "{point}: {run:#?}");
    later(project, &["timestamp"]).exits(0);
    if store_root(project) == 1 {
        later(project, &["sign", "root-2", "--yes"]).exits(0);
    }
    assert_eq!(store_root(project), 2, "{point}");
    assert_eq!(proposals(project), [""; 0], "{point}");
    verifies_from(project, node, TAG);
    let copied = fs::read(project.path("keys/root.json")).unwrap();
    let published = fs::read(project.store().join("metadata/2.root.json")).unwrap();
    assert_eq!(copied, published, "{point}");
    let copied = fs::read(project.path("keys/timestamp.pub")).unwrap();
    let key = fs::read_to_string(project.secrets().join("timestamp.new.pub")).unwrap();
    let key = key.split(' ').nth(1).unwrap();
    assert!(String::from_utf8_lossy(&copied).contains(key), "{point}");
    later(project, &["audit"]).exits(0);
}

fn store_root(project: &Project) -> u64 {
    let metadata = project.store().join("metadata");
    (1..)
        .find(|n| !metadata.join(format!("{}.root.json", n + 1)).exists())
        .unwrap()
}
