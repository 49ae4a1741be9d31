//! The runbook, walked: every command of every page, as it is written there, with the real binary.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::root_cli::{first_root, held_elsewhere, later, new_key, run_at, verifies_from};
use crate::common::relman::{Project, Run, SECOND, TAG, copy_tree};

/// The second day after the project began, when keys are lost.
const TODAY: &str = "2026-02-03T00:00:00Z";

/// The commands of one section, block after block.
fn blocks(section: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbook.md");
    let text = fs::read_to_string(path).expect("the runbook");
    let heading = format!("\n### {section}\n");
    let (_, rest) = text
        .split_once(&heading)
        .unwrap_or_else(|| panic!("no section {section:?}"));
    let rest = rest.split("\n##").next().unwrap_or(rest);
    let blocks = rest.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().expect("an end"));
    let blocks: Vec<Vec<String>> = blocks
        .map(|b| b.lines().map(str::to_owned).collect())
        .collect();
    assert!(!blocks.is_empty(), "{section:?} has no commands");
    blocks
}

/// Runs a command of the page in a shell, where `relman` is the one under test.
fn shell(project: &Project, line: &str, variables: &BTreeMap<&str, String>) -> Run {
    let relman = project.command(&[]);
    let program = Path::new(relman.get_program());
    let mut command = Command::new("sh");
    command.args(["-euc", line]).env_clear();
    for (name, value) in relman.get_envs() {
        command.env(name, value.expect("it is set"));
    }
    let dir = program.parent().expect("a directory").display();
    command
        .env("PATH", format!("{dir}:/usr/local/bin:/usr/bin:/bin"))
        .env("RELMAN_INSECURE_NOW", TODAY)
        .envs(variables)
        .current_dir(project.repo());
    Run::of(command.output().expect("sh runs"))
}

/// Follows a section to its end; every command succeeds.
#[track_caller]
fn walk(project: &Project, section: &str, id: &str, more: &[(&'static str, &str)]) {
    let mut variables = BTreeMap::from([
        ("KEYS", project.secrets().to_str().unwrap().to_owned()),
        ("ID", id.to_owned()),
        ("TAG", TAG.to_owned()),
    ]);
    variables.extend(
        more.iter()
            .map(|(name, value)| (*name, (*value).to_owned())),
    );
    for line in blocks(section).concat() {
        let run = shell(project, &line, &variables);
        assert_eq!(run.code, Some(0), "{section}: {line}: {run:#?}");
    }
}

/// Walks pages about one person's keys, each of which ends with a store that old readers believe.
fn alone(name: &str, sections: &[&str]) {
    let prepared = Project::published(name);
    let node = first_root(&prepared);
    for section in sections {
        let project = prepared.copy();
        let theft = ("THEFT", "2026-02-02T12:00:00Z");
        walk(&project, section, "root-2", &[theft]);
        assert!(
            project.store().join("metadata/2.root.json").exists(),
            "{section}"
        );
        verifies_from(&project, &node, TAG);
    }
}

#[test]
fn every_page_about_a_lost_key_of_one_person_ends_well() {
    alone(
        "runbook-lost",
        &[
            "Lost: a targets key",
            "Lost: the snapshot or the timestamp key",
            "Lost: the log's key",
            "Lost: a builder's or the publisher's key",
        ],
    );
}

#[test]
fn every_page_about_a_stolen_key_of_one_person_ends_well() {
    alone(
        "runbook-stolen",
        &[
            "Stolen: a targets key",
            "Stolen: the snapshot or the timestamp key",
            "Stolen: the log's key",
            "Stolen: a builder's or the publisher's key",
        ],
    );
}

/// A project whose root keys are those of its owner, of Bob and of Carol, two of whom must sign; Bob's is his, Carol's is gone.
fn with_three_root_keys(name: &str) -> (Project, String) {
    let project = Project::published(name);
    let (bob, carol) = (
        new_key(&project, "root.bob"),
        new_key(&project, "root.carol"),
    );
    let add = ["root", "add", "root", &bob, "--person", "bob", "--draft"];
    later(&project, &add).exits(0);
    let add = [
        "root",
        "add",
        "root",
        &carol,
        "--person",
        "carol",
        "--threshold",
        "2",
        "--yes",
    ];
    later(&project, &add).exits(0).says(&["published root-2"]);
    let bob = held_elsewhere(&project, "root.bob");
    held_elsewhere(&project, "root.carol");
    (project, bob)
}

#[test]
fn a_lost_or_stolen_root_key_is_replaced_by_those_who_are_left() {
    let (prepared, bob) = with_three_root_keys("runbook-root");
    let sections = [
        "Lost: a root key, and enough others are left",
        "Stolen: a root key, fewer than the threshold",
    ];
    for section in sections {
        let project = prepared.copy();
        let node = first_root(&project);
        walk(&project, section, "root-3", &[("BOB", &bob)]);
        let root = fs::read_to_string(project.path("keys/root.json")).unwrap();
        assert!(root.contains("\"version\": 3"), "{root}");
        verifies_from(&project, &node, TAG);
    }
}

#[test]
fn a_lost_or_stolen_masternode_key_is_replaced_by_the_root_keys() {
    let prepared = Project::published("runbook-mainnet");
    for person in ["bob", "carol"] {
        let key = new_key(&prepared, &format!("mainnet.{person}"));
        let add = ["root", "add", "mainnet", &key, "--person", person, "--yes"];
        later(&prepared, &add).exits(0);
    }
    held_elsewhere(&prepared, "mainnet.carol");
    let node = first_root(&prepared);
    for section in ["Lost: a masternode's key", "Stolen: a masternode's key"] {
        let project = prepared.copy();
        walk(&project, section, "root-4", &[]);
        later(&project, &["root"])
            .exits(0)
            .says(&["mainnet: 2 of 3"]);
        verifies_from(&project, &node, TAG);
    }
}

#[test]
fn the_only_root_key_lost_is_a_new_root_by_hand_to_every_node() {
    let project = Project::published("runbook-anew");
    let dir = project.beside("node");
    fs::create_dir_all(dir.join("bin")).unwrap();
    let (root, config) = (dir.join("root.json"), dir.join("node.toml"));
    copy_tree(&project.path("keys/root.json"), &root);
    let store = project.store();
    let text = format!(
        "name = \"n1\"\nstore = {store:?}\nroot = \"root.json\"\nstate = \"state\"\n\
         [[binary]]\nname = \"timed\"\npath = \"bin/timed\"\n"
    );
    fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    later(&project, &["install", TAG, "--config", config]).exits(0);
    fs::remove_file(project.secrets().join("root")).unwrap();
    let waits = later(&project, &["root", "renew", "--yes"]).exits(0);
    waits.says(&["0 of 1 signatures"]);

    let new = project.path("keys/root.json");
    let state = dir.join("state");
    let more = [
        ("ROOT", new.to_str().unwrap()),
        ("NODE_ROOT", root.to_str().unwrap()),
        ("NODE_CONFIG", config),
        ("STATE", state.to_str().unwrap()),
    ];
    let section = "Lost: the only root key, or more of them than may be missing";
    let lines = blocks(section);
    assert_eq!(
        lines.len(),
        2,
        "one block for the project, one for each node"
    );
    walk(&project, section, "", &more);
    project.second();
    run_at(&project, TODAY, &["cut", SECOND]).exits(0);
    run_at(&project, TODAY, &["install", SECOND, "--config", config]).exits(0);
    let installed = fs::read_to_string(dir.join("bin/timed")).unwrap();
    assert!(installed.contains("release two"));
}

#[test]
fn every_section_of_the_runbook_is_walked() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbook.md");
    let text = fs::read_to_string(path).expect("the runbook");
    let own = include_str!("runbook_cli.rs");
    for heading in text.lines().filter_map(|line| line.strip_prefix("### ")) {
        assert!(
            own.contains(&format!("\"{heading}\"")),
            "{heading} is not walked"
        );
    }
}
