//! The exchange of the data directory where the filesystem cannot exchange two names.

use std::fs;

use relman::io::backup::BackupFs;
use relman::node::backup::host::{BackupHost, Swapped};
use relman::node::backup::{BackupId, DataRestore, RestorePlan};
use relman::node::config::NodeConfig;

use super::node::Node;

/// A node whose data is older in the backup, and the plan to go back.
fn planned(node: &Node) -> (NodeConfig, RestorePlan) {
    let id = node.create();
    node.write("data/state.db", "height 20");
    let config = NodeConfig::parse(&node.read("node.toml"), &node.dir).unwrap();
    let id = BackupId::parse(&id).unwrap();
    let survey = BackupFs::new(&config, &|_, _| {}).look(&id).unwrap();
    let data = DataRestore {
        dir: node.path("data"),
        present: survey.present,
        before: survey.before,
        total: survey.total,
        needed: survey.needed,
        kept: Vec::new(),
        differing: Vec::new(),
        withheld: Vec::new(),
    };
    let plan = RestorePlan {
        id,
        data: Some(data),
        configuration: Vec::new(),
        warnings: Vec::new(),
    };
    (config, plan)
}

#[test]
fn two_renames_do_what_one_exchange_does() {
    let node = Node::new("");
    let (config, plan) = planned(&node);
    let backups = BackupFs::new(&config, &|_, _| {}).without_exchange();
    let staged = backups.stage(&plan.id).unwrap();
    assert_eq!(backups.swapped(&plan, staged).unwrap(), Swapped::No);
    backups.swap(&plan, staged).unwrap();
    assert_eq!(backups.swapped(&plan, staged).unwrap(), Swapped::Yes);
    assert_eq!(node.read("data/state.db"), "height 10");
    let before = &plan.data.as_ref().unwrap().before;
    assert_eq!(
        fs::read_to_string(before.join("state.db")).unwrap(),
        "height 20"
    );
}

#[test]
fn killed_between_two_renames_it_is_finished() {
    let node = Node::new("");
    let (config, plan) = planned(&node);
    let backups = BackupFs::new(&config, &|_, _| {}).without_exchange();
    let staged = backups.stage(&plan.id).unwrap();
    let before = &plan.data.as_ref().unwrap().before;
    fs::rename(node.path("data"), before).unwrap();
    assert_eq!(backups.swapped(&plan, staged).unwrap(), Swapped::Between);
    backups.finish_swap(&plan, staged).unwrap();
    backups.finish_swap(&plan, staged).unwrap();
    assert_eq!(node.read("data/state.db"), "height 10");
}

#[test]
fn a_data_directory_that_was_made_anew_in_between_is_not_overwritten() {
    let node = Node::new("");
    let (config, plan) = planned(&node);
    let backups = BackupFs::new(&config, &|_, _| {}).without_exchange();
    let staged = backups.stage(&plan.id).unwrap();
    fs::rename(node.path("data"), &plan.data.as_ref().unwrap().before).unwrap();
    fs::create_dir(node.path("data")).unwrap();
    node.write("data/last_signed", "21");
    let error = backups.swapped(&plan, staged).unwrap_err();
    assert!(error.message().contains("made anew"), "{error}");
    assert_eq!(node.read("data/last_signed"), "21");
}

#[test]
fn what_signs_while_a_restore_is_made_ready_stops_it() {
    let node = Node::new("");
    let (config, plan) = planned(&node);
    let backups = BackupFs::new(&config, &|_, _| {});
    let staged = backups.stage(&plan.id).unwrap();
    node.write("data/last_signed", "21");
    let error = backups.swap(&plan, staged).unwrap_err();
    assert!(error.message().contains("still writes"), "{error}");
    assert_eq!(node.read("data/state.db"), "height 20");
    assert_eq!(node.read("data/last_signed"), "21");
}
