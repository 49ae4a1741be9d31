//! A backup and a restore that are killed, or get an error, at any one of their system calls that
//! change something. All of them: RELMAN_TEST_ALL_FAULTS=1.

use std::fs;

use super::node::Node;
use crate::common::relman::{Project, Run};
use crate::common::strace::{Fault, calls, everywhere, faulty, until_it_comes};

/// One in this many calls is taken where not all are.
const SAMPLE: usize = 5;
const CREATE: [&str; 4] = ["backup", "create", "--config", "node.toml"];
const RESTORE: [&str; 6] = [
    "backup",
    "restore",
    "1",
    "--stopped",
    "--config",
    "node.toml",
];

/// A node in a project's repository, with a backup and newer data. A backup is bound to its place, so
/// that each fault has a node of its own.
fn prepared(name: &str) -> Project {
    let project = Project::empty(name);
    let node = Node::at(&project.repo(), "");
    node.create();
    node.write("data/state.db", "height 20");
    node.write("data/last_signed", "20");
    node.write("etc/timed.conf", "port = 1\n");
    project
}

fn at_each(
    name: &str,
    arguments: &[&str],
    fault: Fault,
    check: &(dyn Fn(&Project, &Run, &str) + Sync),
) {
    let all = calls(&prepared(name), arguments, 0);
    assert!(all.len() > 30, "only {} calls", all.len());
    everywhere(&all, fault, SAMPLE, &|call| {
        let (project, run) = until_it_comes(call, || {
            let project = prepared(name);
            let run = faulty(&project, arguments, call, fault)?;
            Some((project, run))
        });
        check(&project, &run, &format!("{fault:?} at {call:?}"));
    });
    println!("{name}: {} calls", all.len());
}

fn whole_or_absent(project: &Project, run: &Run, what: &str) {
    let node = Node::opened(&project.repo());
    let count = node.listed().len();
    assert!([1, 2].contains(&count), "{what}: {count} backups");
    assert!(
        run.code != Some(0) || count == 2,
        "{what}: told, and not there"
    );
    let verified = node.backup(&["verify"]);
    assert_eq!(verified.code, Some(0), "{what}: {verified:#?}");
    node.create();
    assert_eq!(node.listed().len(), count + 1, "{what}");
    assert_eq!(node.leftovers(), [""; 0], "{what}");
}

fn old_or_restored(project: &Project, run: &Run, what: &str) {
    let node = Node::opened(&project.repo());
    let next = node.backup(&["create"]);
    assert_eq!(next.code, Some(0), "{what}: {run:#?} {next:#?}");
    let data = node.read("data/state.db");
    let port = node.read("etc/timed.conf");
    let state = (data.as_str(), port.as_str());
    let restored = ("height 10", "port = 24100\n");
    assert!(
        state == restored || state == ("height 20", "port = 1\n"),
        "{what}: {state:?}"
    );
    assert!(
        run.code != Some(0) || state == restored,
        "{what}: {state:?}"
    );
    assert_eq!(node.read("data/last_signed"), "20", "{what}");
    assert!(!node.path(".data.relman-restore").exists(), "{what}");
    assert!(!node.path("state/backup.json").exists(), "{what}");
    assert!(
        fs::read_dir(node.path("data")).unwrap().count() > 3,
        "{what}"
    );
}

#[test]
#[ignore = "needs strace"]
fn killed_at_every_call_a_backup_is_whole_or_absent() {
    at_each("backup-kill", &CREATE, Fault::Kill, &whole_or_absent);
}

#[test]
#[ignore = "needs strace"]
fn an_error_at_every_call_of_a_backup_leaves_a_whole_one_or_none() {
    at_each("backup-eio", &CREATE, Fault::Eio, &whole_or_absent);
    at_each("backup-full", &CREATE, Fault::Enospc, &whole_or_absent);
}

#[test]
#[ignore = "needs strace"]
fn killed_at_every_call_a_restore_is_finished_or_never_was() {
    at_each("restore-kill", &RESTORE, Fault::Kill, &old_or_restored);
}

#[test]
#[ignore = "needs strace"]
fn an_error_at_every_call_of_a_restore_leaves_the_old_or_the_restored_data() {
    at_each("restore-eio", &RESTORE, Fault::Eio, &old_or_restored);
    at_each("restore-full", &RESTORE, Fault::Enospc, &old_or_restored);
}
