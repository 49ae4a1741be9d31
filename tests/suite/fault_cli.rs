//! An append to the log that is killed, or gets an error, at any one of its system calls that change
//! something: nothing that was acknowledged is lost, nothing is there twice, no second history.
//!
//! The log has witnesses and is about to fill a tile, so that all that an append can do is done. CI
//! takes a sample; every call: RELMAN_TEST_ALL_FAULTS=1 cargo test --test suite -- --ignored fault_cli

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use relman::hash::Sha256;
use relman::log::{Checkpoint, Note, TreeHead, leaf_hash, merkle};

use super::log_collect_cli::{fill, log_size, replaced, yank};
use super::node_cli::BUILD;
use super::witness_cli::witnessed;
use crate::common::relman::{Project, Run, bundled, files};
use crate::common::strace::{Call, Fault, calls, everywhere, faulty, until_it_comes};

/// One in this many calls is taken where not all are.
const SAMPLE: usize = 5;
/// When whoever comes after the fault runs relman.
const LATER: &str = "2026-02-01T01:00:00Z";
/// Entries before and after the append.
const SIZES: (usize, usize) = (254, 256);

/// A project whose next yank fills a tile of its witnessed log.
fn prepared(name: &str) -> Project {
    let project = witnessed(name);
    project.configure(BUILD, "");
    fill(&project);
    project
}

fn append() -> [&'static str; 6] {
    yank("none", "last")
}

fn later(project: &Project, arguments: &[&str]) -> Run {
    let mut command = project.command(arguments);
    let run = Run::of(command.env("RELMAN_INSECURE_NOW", LATER).output().unwrap());
    assert!(![Some(101), Some(70)].contains(&run.code), "{run:#?}");
    run
}

/// All entries of the log, by the files that a reader goes by.
fn entries(store: &Path) -> Vec<Vec<u8>> {
    let size = log_size(store);
    let dir = store.join("log/tile/entries");
    let bundle = fs::read(dir.join("000"));
    let bundle = bundle.or_else(|_| fs::read(dir.join(format!("000.p/{size}"))));
    let bundle = bundle.unwrap();
    let mut out = bundled(&bundle);
    assert!(out.len() as u64 >= size);
    out.truncate(size as usize);
    out
}

/// RFC 6962, section 2.1.
fn root(entries: &[Vec<u8>]) -> Sha256 {
    match entries {
        [] => Sha256::of(b""),
        [entry] => leaf_hash(entry),
        _ => {
            let (left, right) = entries.split_at(entries.len().next_power_of_two() / 2);
            merkle::node_hash(&root(left), &root(right))
        }
    }
}

/// Every tree that readers see or will see: the checkpoint, and one that is staged.
fn heads(store: &Path) -> Vec<TreeHead> {
    let mut paths = vec![store.join("log/checkpoint")];
    let stage = store.join(".relman-stage");
    if stage.join("plan.json").exists() {
        paths.extend(files(&stage).into_iter().map(|slot| stage.join(slot)));
    }
    let notes = paths
        .iter()
        .filter_map(|path| Note::parse(&fs::read(path).ok()?).ok());
    let checkpoints = notes.filter_map(|note| Checkpoint::parse(note.unverified_text()).ok());
    checkpoints.map(|checkpoint| *checkpoint.head()).collect()
}

/// The trees that the witnesses know to be published.
fn witnessed_heads(project: &Project) -> Vec<TreeHead> {
    let dir = project.secrets().join("cosigned");
    let read = |name: &String| {
        let memory: serde_json::Value =
            serde_json::from_slice(&fs::read(dir.join(name)).unwrap()).unwrap();
        TreeHead {
            size: memory["published"]["size"].as_u64().unwrap(),
            root: Sha256::from_hex(memory["published"]["root"].as_str().unwrap()).unwrap(),
        }
    };
    let memories = files(&dir)
        .into_iter()
        .filter(|name| !name.starts_with('.'));
    memories.map(|name| read(&name)).collect()
}

/// After a run that went wrong, or was said to, at `what`: everybody sees one whole state, and the
/// same command again ends where an undisturbed one does.
fn recovers(project: &Project, run: &Run, what: &str, before: &[Vec<u8>]) {
    let acknowledged = run.code == Some(0);
    let now = entries(&project.store());
    assert!(
        [SIZES.0, SIZES.1].contains(&now.len()),
        "{what}: {}",
        now.len()
    );
    assert!(
        !acknowledged || now.len() == SIZES.1,
        "{what}: told, and not there"
    );
    later(project, &["list"]).exits(0);
    let mut seen = heads(&project.store());
    assert!(!seen.is_empty(), "{what}");

    later(project, &append()).exits(0);
    for check in [&["audit"][..], &["log", "fsck"]] {
        let run = later(project, check);
        assert_eq!(run.code, Some(0), "{what}: {run:#?}");
    }
    let after = entries(&project.store());
    assert_eq!(after.len(), SIZES.1, "{what}: entries");
    assert_eq!(after[..now.len()], now, "{what}: an entry is another one");
    assert_eq!(
        after[..SIZES.0],
        *before,
        "{what}: an old entry is another one"
    );
    let distinct: BTreeSet<_> = after.iter().collect();
    assert_eq!(
        distinct.len(),
        after.len(),
        "{what}: an entry is there twice"
    );
    seen.extend(heads(&project.store()));
    seen.extend(witnessed_heads(project));
    for head in seen {
        let own = root(&after[..head.size as usize]);
        assert_eq!(own, head.root, "{what}: another tree of size {}", head.size);
    }
    if acknowledged && !replaced(&project.store()).is_empty() {
        // What could not be removed is taken by the next publication of log entries.
        assert!(!run.was_killed(), "{what}");
        later(project, &yank("withdrawn", "one more")).exits(0);
    }
    assert_eq!(replaced(&project.store()), [""; 0], "{what}");
    let left = files(&project.store());
    let left = left
        .iter()
        .filter(|path| path.contains(".relman-stage") || path.contains(".tmp"));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0], "{what}");
}

/// Kills or disturbs an append at each of the calls, on copies of one project, on every core.
fn at_each(name: &str, fault: Fault, check: &(dyn Fn(&Call, &Run) + Sync)) {
    let prepared = prepared(name);
    let before = entries(&prepared.store());
    assert_eq!(before.len(), SIZES.0);
    let all = calls(&prepared.copy(), &append(), 0);
    assert!(all.len() > 100, "only {} calls", all.len());
    everywhere(&all, fault, SAMPLE, &|call| {
        let (project, run) = until_it_comes(call, || {
            let project = prepared.copy();
            let run = faulty(&project, &append(), call, fault)?;
            Some((project, run))
        });
        check(call, &run);
        recovers(&project, &run, &format!("{fault:?} at {call:?}"), &before);
    });
}

#[test]
#[ignore = "needs strace"]
fn killed_at_every_call_that_changes_something_an_append_is_finished_or_never_was() {
    at_each("fault-kill", Fault::Kill, &|call, run| {
        assert!(run.was_killed(), "{call:?}: {run:#?}");
    });
}

/// An error is told as what it is, and one of fsync is never taken for success.
fn fails_clearly(call: &Call, run: &Run, words: &str) {
    assert!(run.signal.is_none(), "{call:?}: {run:#?}");
    match run.code {
        Some(0) => assert!(!call.is_sync(), "{call:?} was ignored: {run:#?}"),
        Some(1) => {
            assert!(run.stderr.contains("error: "), "{call:?}: {run:#?}");
            assert!(run.stderr.contains(words), "{call:?}: {run:#?}");
        }
        _ => panic!("{call:?}: {run:#?}"),
    }
}

#[test]
#[ignore = "needs strace"]
fn a_full_disk_at_every_call_that_changes_something_is_told_and_nothing_is_lost() {
    at_each("fault-full", Fault::Enospc, &|call, run| {
        fails_clearly(call, run, "o space left on device");
    });
}

#[test]
#[ignore = "needs strace"]
fn a_broken_disk_at_every_call_that_changes_something_is_told_and_nothing_is_lost() {
    at_each("fault-broken", Fault::Eio, &|call, run| {
        fails_clearly(call, run, "nput/output error");
    });
}
