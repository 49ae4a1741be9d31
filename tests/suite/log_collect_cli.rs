//! Partial tiles leave the store of a project: killed in the middle, seen by nodes, mirrors and audits.

use std::fs;
use std::path::Path;

use relman::attest::{Envelope, Statement, Subject};
use relman::hash::Sha256;
use relman::io::keyring::Keyring;
use relman::release::publish::{Keys, published};

use super::node_cli::{BUILD, Node};
use crate::common::publication::publish;
use crate::common::relman::{NOW, Project, SECOND, TAG, files};

/// What is below `log/tile` of a store.
fn tiles(store: &Path) -> Vec<String> {
    let all = files(store).into_iter();
    all.filter(|path| path.starts_with("log/tile/")).collect()
}

/// Partial tiles and bundles of places that have full ones.
pub fn replaced(store: &Path) -> Vec<String> {
    let all = tiles(store);
    let full = |path: &&String| {
        let place = path.split_once(".p/");
        place.is_some_and(|(place, _)| all.iter().any(|other| other == place))
    };
    all.iter().filter(full).cloned().collect()
}

/// The size that a store's checkpoint has.
pub fn log_size(store: &Path) -> u64 {
    let checkpoint = fs::read_to_string(store.join("log/checkpoint")).unwrap();
    checkpoint.lines().nth(1).unwrap().parse().unwrap()
}

/// Grows a project's log to `size` in one publication, with entries of a type that nobody knows.
pub fn grow_to(project: &Project, size: u64) {
    let keyring = Keyring::new(project.secrets());
    let key = keyring.one("publisher").unwrap();
    publish(project, &keyring, |publisher, view| {
        let entries = (view.history.checkpoint.head().size..size).map(|n| {
            let predicate = serde_json::json!({ "number": n, "time": NOW });
            let subject = Subject::new("nothing", Sha256::of(b""));
            let statement = Statement::new(vec![subject], "urn:example:filler:v1", predicate);
            let envelope = Envelope::sign(&statement, key.as_ref()).unwrap();
            (
                envelope.to_line().unwrap(),
                format!("{TAG}/filler-{n}.tlog-proof"),
            )
        });
        publisher.enter(view, entries.collect())
    });
    published(&keyring).unwrap();
    assert_eq!(log_size(&project.store()), size);
}

/// Withdraws or restores a release, for a reason that it never had before: two entries.
pub fn yank<'a>(level: &'a str, reason: &'a str) -> [&'a str; 6] {
    ["yank", TAG, "--level", level, "--reason", reason]
}

/// A project whose log has 254 entries, and partial tiles of many sizes: the next yank fills a tile.
fn nearly_full(name: &str) -> Project {
    let project = Project::new(name);
    project.configure(BUILD, "");
    fill(&project);
    project
}

/// Cuts a release and grows the log to 254 entries.
pub fn fill(project: &Project) {
    project.relman(&["cut", TAG]).exits(0);
    project.relman(&yank("withdrawn", "first")).exits(0);
    project.relman(&yank("none", "second")).exits(0);
    grow_to(project, 252);
    project.relman(&yank("withdrawn", "third")).exits(0);
    assert_eq!(log_size(&project.store()), 254);
    assert_eq!(replaced(&project.store()), [""; 0]);
}

#[test]
fn killed_at_every_step_of_the_collection_nothing_is_lost_and_the_next_run_goes_on() {
    let prepared = nearly_full("collect-kill");
    let wanted = {
        let project = prepared.copy();
        project.relman(&yank("none", "last")).exits(0);
        assert_eq!(log_size(&project.store()), 256);
        assert_eq!(replaced(&project.store()), [""; 0]);
        project.is_sound();
        project.is_verified(TAG);
        tiles(&project.store())
    };
    let mut n = 0;
    loop {
        let point = format!("collect.{n}");
        let project = prepared.copy();
        let run = project.killed_at(&point, &yank("none", "last"));
        if !run.was_killed() {
            run.exits(0);
            break;
        }
        // Readers see all of it, with what is left of the partial tiles.
        assert_eq!(log_size(&project.store()), 256, "{point}");
        assert!(!replaced(&project.store()).is_empty(), "{point}");
        project.is_verified(TAG);
        project.is_sound();
        let run = project.relman(&yank("none", "last")).exits(0);
        run.says(&[
            "finished a publication that an earlier run had begun",
            "is not yanked",
        ]);
        assert_eq!(tiles(&project.store()), wanted, "{point}");
        project.is_sound();
        n += 1;
    }
    // Two kinds of tiles, each of the sizes that the log had.
    assert!(n >= 2 * 4, "only {n} steps");
}

#[test]
fn a_node_with_an_old_checkpoint_a_mirror_and_an_audit_do_not_miss_the_partial_tiles() {
    let project = nearly_full("collect-readers");
    let mirror = project.beside("mirror");
    let to_mirror = ["mirror", "releases", mirror.to_str().unwrap()];
    project.relman(&to_mirror).exits(0);
    let node = Node::beside(project);
    let project = &node.project;
    project.relman(&yank("none", "last")).exits(0);
    // 256 and more: level 0 and the bundle are full, level 1 begins.
    assert_eq!(replaced(&project.store()), [""; 0]);
    project.relman(&to_mirror).exits(0);
    assert_eq!(tiles(&mirror), tiles(&project.store()));
    project.is_sound();
    node.run(&format!("install {TAG}")).exits(0);
    let seen = node.path("state/log/checkpoint");
    let old = fs::read(&seen).unwrap();
    grow_to(project, 300);
    grow_to(project, 511);
    grow_to(project, 520);
    assert_eq!(replaced(&project.store()), [""; 0]);
    assert_eq!(fs::read(&seen).unwrap(), old);
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    node.run(&format!("install {}", SECOND)).exits(0);
    assert_ne!(fs::read(&seen).unwrap(), old);
    project.relman(&to_mirror).exits(0);
    assert_eq!(replaced(&mirror), [""; 0]);
    let audit = ["audit", "--store", mirror.to_str().unwrap()];
    project.relman(&audit).exits(0);
}
