//! `relman root`: keys that come and go, with the real binary, and what readers with an old root see.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::relman::{Project, Run, SECOND, TAG, copy_tree};

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
