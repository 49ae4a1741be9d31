//! `relman fleet halt`: any one on-call key stops new installs, every node honours it by itself, and only a newer agreement
//! ends it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::environment_cli::promote;
use super::environment_node_cli::{node_of, running};
use super::environment_waits_cli::WHY;
use super::root_cli::new_key;
use crate::common::relman::{Project, Run, SECOND, TAG, files};
use crate::node_cli::{BUILD, Node};

/// Lets dora halt mainnet.
pub fn on_call(project: &Project) -> PathBuf {
    let public = new_key(project, "halt-mainnet");
    let add = [
        "root",
        "add",
        "halt-mainnet",
        &public,
        "--person",
        "dora",
        "--yes",
    ];
    project.relman(&add).exits(0);
    project.secrets().join("halt-mainnet")
}

/// Mainnet runs the first release, and dora may halt it.
pub fn with_mainnet(name: &str) -> Project {
    let project = running(name);
    for environment in ["testnet", "mainnet"] {
        promote(&project, TAG, environment).exits(0);
    }
    on_call(&project);
    project
}

#[track_caller]
pub fn halt(project: &Project) -> Run {
    project.relman(&["fleet", "halt", "--env", "mainnet", "--reason", WHY])
}

/// Mainnet moves on to the second release.
pub fn move_on(project: &Project) {
    for environment in ["testnet", "mainnet"] {
        promote(project, SECOND, environment).exits(0);
    }
}

/// The same release is agreed on anew: it was a false alarm.
pub fn lift(project: &Project, tag: &str) -> Run {
    let reason = "a false alarm, the coins were never lost";
    project.relman(&["promote", tag, "--to", "mainnet", "--reason", reason])
}

/// A node beside a copy of the project, which has never asked any store.
pub fn fresh(project: &Project, environment: &str) -> Node {
    let copy = project.copy();
    fs::remove_dir_all(copy.beside("node")).expect("it can go");
    node_of(copy, environment)
}

#[track_caller]
fn is_stopped(node: &Node, tag: &str) {
    let before = node.installed();
    node.run(&format!("install {tag}")).exits(3).says(&[
        "was refused by check status",
        &format!("mainnet is halted: installs of {tag} (version"),
        "were stopped by dora at 2026-02-01T00:00:00Z",
        WHY,
    ]);
    assert_eq!(node.installed(), before);
}

#[test]
fn one_key_stops_new_installs_and_neither_daemons_nor_rollbacks() {
    let node = node_of(with_mainnet("halt-way"), "mainnet");
    let project = &node.project;
    node.run("install").exits(0);
    move_on(project);
    node.run("install").exits(0);
    let dry = project.relman(&[
        "fleet",
        "halt",
        "--env",
        "mainnet",
        "--reason",
        WHY,
        "--dry-run",
    ]);
    dry.exits(0).says(&[
        &format!("no node installs {SECOND} (version"),
        "daemons and rollbacks are not touched",
        "nothing was signed",
    ]);
    let run = project.relman(&[
        "fleet", "halt", "--env", "mainnet", "--reason", WHY, "--json",
    ]);
    let document = run.exits(0).json();
    assert_eq!(document["command"], "fleet halt");
    assert_eq!(document["data"]["state"], "published");
    halt(project).exits(0).says(&["mainnet is halted"]);

    // What runs goes on, the way back is open, the way forward is not.
    assert_eq!(node.running(), node.released(SECOND));
    node.run("rollback").exits(0);
    assert_eq!(node.running(), node.released(TAG));
    is_stopped(&node, SECOND);
    assert_eq!(node.running(), node.released(TAG));
    let status = node.run("status --json").exits(0).json();
    assert_eq!(status["data"]["halted"]["tag"], SECOND);
    assert_eq!(status["data"]["halted"]["reason"], WHY);
    node.run("status").says(&["warning   mainnet is halted"]);
    node.run("status --prometheus")
        .says(&["relman_node_halted{node=\"n1\"} 1"]);
    // Other networks are not touched.
    let other = fresh(project, "testnet");
    other.run("install").exits(0);

    // An agreement under the whole threshold ends it, of the same release as well.
    promote(project, SECOND, "mainnet")
        .exits(3)
        .says(&["reason"]);
    let review = lift(project, SECOND).exits(0);
    drop(review);
    node.run(&format!("install {SECOND}")).exits(0);
    assert_eq!(node.running(), node.released(SECOND));
    let status = node.run("status --json").exits(0).json();
    assert_eq!(status["data"]["halted"], Value::Null);
    project.relman(&["audit"]).exits(0).says(&["1 halts"]);
    lift(project, SECOND).exits(1).says(&["already"]);
}

#[test]
fn whoever_agrees_to_more_is_told_that_it_ends_a_halt() {
    let project = with_mainnet("halt-review");
    halt(&project).exits(0);
    // The mainnet's key is elsewhere, so that the promotion waits.
    let (here, there) = (project.secrets().join("mainnet"), project.beside("mainnet"));
    fs::rename(&here, &there).expect("it can be moved");
    let run = lift(&project, TAG).exits(0);
    let id = run
        .stdout
        .split_whitespace()
        .find(|w| w.starts_with("promote-mainnet"));
    let id = id.expect("a proposal").trim_end_matches(':').to_owned();
    let there = there.to_string_lossy().into_owned();
    project
        .relman(&["agree", &id, "--key", &there, "--dry-run"])
        .exits(0)
        .says(&["mainnet: ends the halt: mainnet is halted", WHY]);
    project
        .relman(&["agree", &id, "--key", &there, "--yes"])
        .exits(0)
        .says(&["published"]);
    node_of(project, "mainnet").run("install").exits(0);
}

#[test]
fn every_view_of_a_store_tells_of_a_halt() {
    let project = with_mainnet("halt-views");
    halt(&project).exits(0);
    let status = project
        .relman(&["repo", "status", "--json"])
        .exits(1)
        .json();
    let environments = status["data"]["environments"]
        .as_array()
        .expect("environments");
    let mainnet = environments
        .iter()
        .find(|e| e["name"] == "mainnet")
        .expect("mainnet");
    assert_eq!(mainnet["halted"]["tag"], TAG);
    assert_eq!(mainnet["halted"]["signed_by"], json!(["dora"]));
    project
        .relman(&["repo", "status"])
        .says(&["HALTED: no node installs it", "warning: mainnet is halted"]);
    project.relman(&["list"]).says(&["HALTED"]);
    project
        .relman(&["verify", TAG])
        .exits(0)
        .says(&["mainnet is halted"]);
    project
        .relman(&["log", "show", "--environment", "mainnet"])
        .exits(0)
        .says(&["mainnet is halted: installs of"]);
    let shown = project.relman(&["log", "show", "--json"]).exits(0).json();
    let entries = shown["data"]["entries"].as_array().expect("entries");
    let halts = entries.iter().filter_map(|e| e["halts"].get(0));
    let halts: Vec<_> = halts.map(|h| (&h["halt"]["by"], &h["signed"])).collect();
    assert_eq!(halts, [(&json!("dora"), &json!(["dora"]))]);
    project.relman(&["docs"]).exits(0);
    let page = fs::read_to_string(project.path("DEPLOYMENT_LOG.md")).expect("a page");
    let line = page.lines().find(|line| line.contains("| halted |"));
    let line = line.unwrap_or_else(|| panic!("{page}"));
    assert!(line.contains(WHY) && line.contains("dora"), "{line}");
    project.relman(&["audit"]).exits(0).says(&["1 halts"]);
    project.relman(&["log", "fsck"]).exits(0);

    // A copy has it, and its nodes honour it.
    let mirror = project.beside("mirror");
    let copy = mirror.to_string_lossy().into_owned();
    let store = project.store().to_string_lossy().into_owned();
    project.relman(&["mirror", &store, &copy]).exits(0);
    let targets = files(&mirror.join("targets"));
    assert!(
        targets
            .iter()
            .any(|f| f.ends_with(".halt-mainnet.current.json")),
        "{targets:?}"
    );
    let node = Node::beside(project);
    node.configure("../mirror", "mainnet");
    is_stopped(&node, TAG);
    // The audit goes on where an earlier one ended.
    let project = &node.project;
    let checkpoint = project.beside("checkpoint");
    fs::copy(project.store().join("log/checkpoint"), &checkpoint).expect("a copy");
    lift(project, TAG).exits(0);
    let since = checkpoint.to_string_lossy().into_owned();
    project.relman(&["audit", "--since", &since]).exits(0);
    project.relman(&["docs"]).exits(0);
    let page = fs::read_to_string(project.path("DEPLOYMENT_LOG.md")).expect("a page");
    assert!(page.contains("ends a halt"), "{page}");
}

#[test]
fn a_bundle_carries_what_halts_and_none_is_made_of_what_is_halted() {
    let project = with_mainnet("halt-bundle");
    let out = project.beside("release.bundle");
    let out = out.to_string_lossy().into_owned();
    let bundle = ["bundle", TAG, "--environment", "mainnet", "--out", &out];
    let before = project.copy();
    halt(&project).exits(0);
    project
        .relman(&bundle)
        .exits(3)
        .says(&["mainnet is halted"]);
    lift(&project, TAG).exits(0);
    project.relman(&bundle).exits(0);
    project.relman(&["verify", "--bundle", &out]).exits(0);
    let node = node_of(project, "mainnet");
    node.run(&format!("install --bundle {out}")).exits(0);

    // One that was made before the halt is refused by whoever has seen the halt.
    let old = before.beside("release.bundle");
    let old = old.to_string_lossy().into_owned();
    before
        .relman(&["bundle", TAG, "--environment", "mainnet", "--out", &old])
        .exits(0);
    let node = node_of(before, "mainnet");
    halt(&node.project).exits(0);
    is_stopped(&node, TAG);
    node.run(&format!("install --bundle {old}")).exits(3);
    assert_eq!(node.installed(), None);
}

#[test]
fn an_on_call_key_far_from_the_store_makes_a_file_that_the_sequencer_imports() {
    let project = with_mainnet("halt-file");
    let key = project.beside("on-call");
    fs::rename(project.secrets().join("halt-mainnet"), &key).expect("it can be moved");
    let away = project.beside("laptop");
    fs::create_dir(&away).expect("a directory");
    let path = |path: PathBuf| path.to_string_lossy().into_owned();
    let (store, root, key) = (
        path(project.store()),
        path(project.path("keys/root.json")),
        path(key),
    );
    let away = path(away);
    let words = [
        "-C", &away, "fleet", "halt", "--env", "mainnet", "--reason", WHY, "--key", &key,
        "--store", &store, "--root", &root,
    ];
    let run = project.relman(&words).exits(0);
    run.says(&["signed", "NOTHING IS STOPPED YET", "relman import FILE"]);
    let file = project.beside("laptop/halt-mainnet-2.json");
    let status = project
        .relman(&["repo", "status", "--json"])
        .exits(0)
        .json();
    assert_eq!(status["data"]["environments"][1]["halted"], Value::Null);
    project
        .relman(&["import", &path(file)])
        .exits(0)
        .says(&["no node installs", "published"]);
    is_stopped(&node_of(project, "mainnet"), TAG);
}

#[test]
fn where_the_stores_keys_are_elsewhere_the_signed_halt_waits_for_them() {
    let project = with_mainnet("halt-waits");
    let snapshot = project.secrets().join("snapshot");
    let elsewhere = project.beside("snapshot");
    fs::rename(&snapshot, &elsewhere).expect("it can be moved");
    let out = project.beside("halt.json");
    let out = out.to_string_lossy().into_owned();
    let words = [
        "fleet", "halt", "--env", "mainnet", "--reason", WHY, "--out", &out, "--json",
    ];
    let document = project.relman(&words).exits(0).json();
    assert_eq!(document["outcome"], "waiting");
    assert_eq!(document["data"]["file"], out);
    assert_eq!(document["data"]["missing"], json!(["snapshot"]));
    // Whoever is on call has that key and no other.
    let own = project.beside("own");
    fs::create_dir(&own).expect("a directory");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o700)).expect("a mode");
    fs::copy(
        project.secrets().join("halt-mainnet"),
        own.join("halt-mainnet"),
    )
    .expect("a copy");
    let own = own.to_string_lossy().into_owned();
    let mut words = words.to_vec();
    words.extend(["--secret-keys", &own]);
    let document = project.relman(&words).exits(0).json();
    let missing = json!(["publisher", "log", "snapshot", "timestamp"]);
    assert_eq!(document["data"]["missing"], missing);
    fs::rename(&elsewhere, &snapshot).expect("it can be moved");
    project
        .relman(&["import", &out])
        .exits(0)
        .says(&["published"]);
    is_stopped(&node_of(project, "mainnet"), TAG);
}

#[test]
fn a_halt_does_not_end_because_its_role_has_expired_and_an_old_role_without_one_stops_nobody() {
    let project = running("halt-expiry");
    for environment in ["testnet", "mainnet"] {
        promote(&project, TAG, environment).exits(0);
    }
    project.configure(BUILD, "[expiry]\nenvironment = 1\n");
    on_call(&project);
    let later = "2026-02-05T00:00:00Z";
    let free = node_of(project.copy(), "mainnet");
    free.run_at(later, "install").exits(0);
    halt(&project).exits(0);
    let node = node_of(project, "mainnet");
    let run = node.run_at(later, "install").exits(3);
    run.says(&["mainnet is halted", WHY]);
    assert_eq!(node.installed(), None);
}

#[test]
fn a_halt_that_cannot_be_is_not_made() {
    let project = running("halt-none");
    let stop = |project: &Project, env: &str, reason: &str| {
        project.relman(&["fleet", "halt", "--env", env, "--reason", reason])
    };
    stop(&project, "mainnet", "why not")
        .exits(2)
        .says(&["--reason"]);
    stop(&project, "moonnet", WHY)
        .exits(2)
        .says(&["testnet, mainnet"]);
    stop(&project, "mainnet", WHY).exits(1).says(&[
        "policy lets nobody halt mainnet",
        "relman root add halt-mainnet",
    ]);
    let key = on_call(&project);
    stop(&project, "mainnet", WHY)
        .exits(1)
        .says(&["runs nothing yet"]);
    for environment in ["testnet", "mainnet"] {
        promote(&project, TAG, environment).exits(0);
    }
    fs::remove_file(key).expect("it can go");
    stop(&project, "mainnet", WHY)
        .exits(1)
        .says(&["no halt-mainnet key is here", "dora", "--key"]);
}
