//! A network's nodes look at every rule by themselves: what was agreed is installed, and what a store
//! serves in breach of a rule is refused, whoever signed and published it.

use std::fs;
use std::path::PathBuf;

use relman::hash::Sha256;
use relman::release::environment::target_name;
use relman::trust::TargetFile;

use super::environment_cli::{promote, two_releases};
use super::environment_waits_cli::{WHY, overriders, promote_at, waiting};
use super::root_attack_cli::Thief;
use super::root_cli::run_at;
use crate::common::relman::{NOW, Project, Run, SECOND, TAG, copy_tree, files, flip, replace};
use crate::node_cli::{BUILD, Node};

/// A node of `environment` beside a project.
pub fn node_of(project: Project, environment: &str) -> Node {
    let node = Node::beside(project);
    node.configure("../repo/releases", environment);
    node
}

/// A project with two releases of a program that runs.
pub fn running(name: &str) -> Project {
    let project = Project::uninitialised(name);
    project.configure(BUILD, "");
    project.relman(&["init", "--yes"]).exits(0);
    project.relman(&["cut", TAG]).exits(0);
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    project
}

fn current_files(project: &Project, environment: &str) -> Vec<PathBuf> {
    let dir = project.store().join("targets");
    let all = files(&dir).into_iter();
    let all = all.filter(|name| name.ends_with(&target_name(environment)));
    all.map(|name| dir.join(name)).collect()
}

/// A node refuses what its network is said to run, and says `words`.
#[track_caller]
pub fn refuses(node: &Node, words: &[&str]) -> Run {
    let run = node.run("install").exits(3).says(words);
    assert_eq!(node.installed(), None);
    run
}

#[test]
fn a_node_installs_what_its_network_agreed_on_and_nothing_else() {
    let project = running("envnode-way");
    promote(&project, TAG, "testnet").exits(0);
    let node = node_of(project, "testnet");
    node.run(&format!("install {SECOND}"))
        .exits(3)
        .says(&["testnet", TAG, SECOND]);
    assert_eq!(node.installed(), None);
    node.run("install").exits(0).says(&[TAG, "runs on n1"]);
    assert_eq!(node.installed(), node.released(TAG));
    promote(&node.project, SECOND, "testnet").exits(0);
    node.run("install --dry-run")
        .exits(0)
        .says(&["nothing was changed"]);
    node.run("install").exits(0);
    assert_eq!(node.installed(), node.released(SECOND));

    // The way back needs no store and nobody's new agreement.
    let first = node.released(TAG);
    fs::remove_dir_all(node.project.store()).unwrap();
    node.run("rollback").exits(0).says(&[TAG]);
    assert_eq!(node.installed(), first);
    let status = node.run("status --json").exits(0).json();
    assert_eq!(status["data"]["current"]["tag"], TAG);
}

#[test]
fn a_local_node_is_told_to_name_a_release() {
    let node = node_of(running("envnode-local"), "local");
    node.run("install").exits(2).says(&["relman install TAG"]);
    let node = node_of(running("envnode-strange"), "devnet");
    let run = node.run("install");
    assert!(matches!(run.code, Some(2 | 3)), "{run:#?}");
    assert_eq!(node.installed(), None);
}

#[test]
fn a_network_that_goes_back_takes_its_nodes_with_it_and_forward_again() {
    let project = running("envnode-back");
    let node = node_of(project, "testnet");
    for tag in [TAG, SECOND] {
        promote(&node.project, tag, "testnet").exits(0);
        node.run("install").exits(0);
    }
    for tag in [TAG, SECOND] {
        let back = ["promote", tag, "--to", "testnet", "--reason", WHY];
        node.project.relman(&back).exits(0);
        node.run("install").exits(0).says(&[tag]);
        assert_eq!(node.installed(), node.released(tag));
    }
}

#[test]
fn no_node_installs_before_the_time_that_was_agreed() {
    let project = running("envnode-before");
    let from = "2026-02-01T06:00:00Z";
    let late = ["promote", TAG, "--to", "testnet", "--not-before", from];
    project.relman(&late).exits(0);
    let node = node_of(project, "testnet");
    refuses(&node, &["not-before", from, "it is 2026-02-01T00:00:00Z"]);
    node.run_at("2026-02-01T05:59:59Z", "install").exits(3);
    node.run_at(from, "install").exits(0);
    assert_eq!(node.installed(), node.released(TAG));
}

#[test]
fn a_yanked_release_is_refused_by_every_node_of_every_network() {
    let project = running("envnode-yanked");
    promote(&project, TAG, "testnet").exits(0);
    let yank = ["yank", TAG, "--level", "dangerous", "--reason", WHY];
    project.relman(&yank).exits(0);
    let node = node_of(project, "testnet");
    let run = node.run("install").exits(3);
    run.says(&["yanked"]);
    assert_eq!(node.installed(), None);
}

#[test]
fn a_soak_that_the_publisher_did_not_wait_for_is_waited_for_by_every_node() {
    let project = waiting("envnode-soak", &["--soak-hours", "0"]);
    project.configure(BUILD, "");
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    promote(&project, TAG, "testnet").exits(0);
    promote(&project, TAG, "mainnet").exits(0);
    // The rule comes after the promotion: what is published does not keep it.
    let set = ["root", "set", "mainnet", "--soak-hours", "48", "--yes"];
    project.relman(&set).exits(0);
    let node = node_of(project, "mainnet");
    refuses(&node, &["soak", "wanted 48 hours"]);
    // The node's own clock is worth nothing here: what counts is the time that witnesses saw.
    let late = "2026-02-03T00:00:00Z";
    node.run_at(late, "install").exits(3).says(&["soak"]);
    let third = "phase3-validation-1.0.0";
    node.project.write("prog.sh", "echo three\n");
    node.project.commit_and_tag("feat: three", third);
    run_at(&node.project, late, &["cut", third]).exits(0);
    let run = node.run_at(late, "install");
    // The binary of the first release is a script; it was verified and installed all the same.
    assert!(!run.stderr.contains("soak"), "{run:#?}");
    assert!(!run.stderr.contains("refused"), "{run:#?}");
}

#[test]
fn without_witnesses_nobody_can_tell_the_time_and_no_policy_asks_for_it() {
    let project = Project::published("envnode-nobody");
    let set = ["root", "set", "mainnet", "--soak-hours", "48", "--yes"];
    project.relman(&set).exits(3).says(&["soak"]);
}

#[test]
fn one_flipped_bit_in_what_a_network_runs_is_refused() {
    let project = running("envnode-flip");
    promote(&project, TAG, "testnet").exits(0);
    for path in current_files(&project, "testnet") {
        flip(&path);
    }
    let node = node_of(project, "testnet");
    refuses(&node, &["testnet.current.json"]);
    node.project.relman(&["audit"]).exits(3);
    for path in current_files(&node.project, "testnet") {
        fs::remove_file(path).unwrap();
    }
    refuses(&node, &["testnet.current.json", "is missing"]);
    node.project.relman(&["audit"]).exits(3);
}

#[test]
fn an_old_answer_to_what_a_network_runs_is_refused() {
    let project = running("envnode-replay");
    promote(&project, TAG, "testnet").exits(0);
    let old = project.beside("old");
    copy_tree(&project.store(), &old);
    promote(&project, SECOND, "testnet").exits(0);
    // The old role under the new one's name.
    let replayed = project.copy();
    let role = |v: u64| replayed.store().join(format!("metadata/{v}.testnet.json"));
    replace(&role(3), &fs::read(role(2)).unwrap());
    refuses(&node_of(replayed, "testnet"), &["testnet"]);
    // The whole store as it was, to a node that knows more.
    let node = node_of(project, "testnet");
    node.run("install").exits(0);
    node.configure("../old", "testnet");
    node.run("install").exits(3);
    assert_eq!(node.installed(), node.released(SECOND));
}

#[test]
fn release_signers_who_say_what_mainnet_runs_are_refused_by_its_nodes() {
    let project = running("envnode-list");
    promote(&project, TAG, "testnet").exits(0);
    promote(&project, TAG, "mainnet").exits(0);
    Thief::at(&project, project.store()).retarget(|targets| {
        let file = TargetFile::new(2, Sha256::of(b"{}"));
        targets.targets.insert(target_name("mainnet"), file);
    });
    let node = node_of(project, "mainnet");
    refuses(&node, &["listed by targets, wanted in role mainnet alone"]);
}

#[test]
fn a_store_whose_override_proof_is_gone_or_changed_is_refused() {
    let project = waiting("envnode-override", &["--soak-hours", "48"]);
    let keys = overriders(&project);
    promote(&project, TAG, "testnet").exits(0);
    let both = ["--override", "soak", "--reason", WHY];
    promote_at(&project, NOW, TAG, "mainnet", &both).exits(0);
    let id = "promote-mainnet-2";
    for key in &keys {
        project
            .relman(&["sign", id, "--key", key, "--yes"])
            .exits(0);
    }
    let node = node_of(project, "mainnet");
    node.run("install --dry-run").exits(0);
    let path = format!("{TAG}/override-mainnet-2.tlog-proof");
    let path = node.project.store().join(path);
    let whole = fs::read(&path).unwrap();
    flip(&path);
    node.run("install --dry-run").exits(3);
    fs::remove_file(&path).unwrap();
    node.run("install --dry-run")
        .exits(3)
        .says(&["override-mainnet-2", "is missing"]);
    fs::write(&path, whole).unwrap();
    node.run("install --dry-run").exits(0);
}

#[test]
fn a_mirror_has_all_that_its_nodes_need() {
    let project = waiting("envnode-mirror", &["--soak-hours", "48"]);
    let keys = overriders(&project);
    promote(&project, TAG, "testnet").exits(0);
    project
        .relman(&["announce", TAG, "--to", "mainnet"])
        .exits(0);
    let both = ["--override", "soak", "--reason", WHY];
    promote_at(&project, NOW, TAG, "mainnet", &both).exits(0);
    for key in &keys {
        let sign = ["sign", "promote-mainnet-2", "--key", key, "--yes"];
        project.relman(&sign).exits(0);
    }
    let mirror = project.beside("mirror");
    let (from, to) = (project.store(), mirror.to_str().unwrap().to_owned());
    let from = from.to_str().unwrap().to_owned();
    project.relman(&["mirror", &from, &to]).exits(0);
    let copied = files(&mirror);
    for part in [
        "testnet.current.json",
        "mainnet.current.json",
        "announcement-mainnet-1.tlog-proof",
        "override-mainnet-2.tlog-proof",
    ] {
        assert!(copied.iter().any(|name| name.ends_with(part)), "{part}");
    }
    let root = project.path("keys/root.json");
    let audit = ["audit", "--store", &to, "--root", root.to_str().unwrap()];
    project.relman(&audit).exits(0).says(&["override"]);
    let node = node_of(project, "mainnet");
    node.configure("../mirror", "mainnet");
    node.run("install --dry-run").exits(0);
}

#[test]
fn everybody_sees_what_each_network_runs() {
    let project = two_releases("envnode-list-show");
    let nothing = project.relman(&["list", "--json"]).exits(0).json();
    assert_eq!(
        nothing["data"]["environments"][0]["tag"],
        serde_json::Value::Null
    );
    promote(&project, TAG, "testnet").exits(0);
    promote(&project, TAG, "mainnet").exits(0);
    promote(&project, SECOND, "testnet").exits(0);
    let line = |name: &str, tag: &str| format!("env   {name} runs {tag} since {NOW}");
    for command in [&["list"][..], &["repo", "status"]] {
        project
            .relman(command)
            .says(&[&line("testnet", SECOND), &line("mainnet", TAG)]);
    }
    let shown = project.relman(&["show", SECOND]).exits(0);
    shown.says(&["network     testnet runs"]);
    let shown = project.relman(&["show", TAG, "--json"]).exits(0).json();
    let environments = shown["data"]["environments"].as_array().unwrap();
    assert_eq!(environments.len(), 1, "{shown:#}");
    assert_eq!(environments[0]["name"], "mainnet");
    let listed = project.relman(&["list", "--json"]).exits(0).json();
    assert_eq!(listed["data"]["environments"][0]["previous"], TAG);
    let yank = ["yank", TAG, "--level", "withdrawn", "--reason", WHY];
    project.relman(&yank).exits(0);
    project
        .relman(&["list"])
        .exits(0)
        .says(&[&format!("mainnet runs {TAG}, which is yanked (withdrawn)")]);
}
