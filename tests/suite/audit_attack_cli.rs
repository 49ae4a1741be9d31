//! Histories that were tampered with by somebody who has the log's key: rewritten, cut, put back, and
//! shown to one reader alone. `relman audit` finds each, and keeps evidence that a stranger can check.

use std::fs;
use std::path::{Path, PathBuf};

use relman::io::keyring::Keyring;
use relman::io::store_local::LocalStore;
use relman::keys::Signer;
use relman::log::{Checkpoint, Note, StoreTiles, TreeHead, VerifierKey, entries, plan_append};

use crate::common::relman::{Project, SECOND, TAG, copy_tree, files, replace};

fn text(path: &Path) -> &str {
    path.to_str().expect("paths are UTF-8")
}

/// Makes the log anew from other entries, and signs it with the log's stolen key.
fn rewrite(project: &Project, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let log = project.store().join("log");
    let note = Note::parse(&fs::read(log.join("checkpoint")).unwrap()).unwrap();
    let head = *Checkpoint::parse(note.unverified_text()).unwrap().head();
    let bundle = fs::read(log.join(format!("tile/entries/000.p/{}", head.size))).unwrap();
    let bundle = entries::decode(&bundle, head.size as u16).unwrap();
    let mut all: Vec<Vec<u8>> = bundle.into_iter().map(<[u8]>::to_vec).collect();
    change(&mut all);
    fs::remove_dir_all(log.join("tile")).unwrap();
    let store = LocalStore::new(project.store());
    let tiles = StoreTiles::new(&store, "log", 0);
    let plan = plan_append(&TreeHead::empty(), &tiles, &all).unwrap();
    for (path, bytes) in plan.files {
        let path = log.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let origin = format!("{}/relman-log", project.name);
    let key = Keyring::new(project.secrets()).require("log").unwrap();
    let text = Checkpoint::new(&origin, plan.new).unwrap().to_string();
    let vkey = VerifierKey::from_public(&origin, &key.public()).unwrap();
    let signature = key.sign(text.as_bytes()).unwrap();
    let note = Note::with_signature(&text, &vkey, &signature).unwrap();
    replace(&log.join("checkpoint"), note.to_string().as_bytes());
}

/// Two releases; entries are the foundation, a release and its metadata, and the same again.
fn two(name: &str) -> Project {
    let project = Project::published(name);
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    project.is_sound();
    project
}

#[test]
fn a_history_that_was_made_anew_with_the_logs_key_is_no_longer_that_of_its_proofs() {
    let project = two("attack-anew");
    type Change = fn(&mut Vec<Vec<u8>>);
    let changes: [(&str, Change); 4] = [
        ("a rewritten leaf", |all| all[1] = all[3].clone()),
        ("a dropped leaf", |all| drop(all.remove(3))),
        ("reordered leaves", |all| all.swap(1, 3)),
        ("a truncated log", |all| all.truncate(3)),
    ];
    for (what, change) in changes {
        let copy = project.copy();
        let kept = copy.beside("kept");
        fs::copy(copy.store().join("log/checkpoint"), &kept).unwrap();
        rewrite(&copy, change);
        let run = copy.relman(&["audit"]);
        assert_eq!(run.code, Some(3), "{what}: {run:#?}");
        // And whoever kept a checkpoint has evidence, where the sizes let one be made.
        let run = copy.relman(&["audit", "--against", text(&kept), "--evidence", "e.txt"]);
        assert_eq!(run.code, Some(3), "{what}: {run:#?}");
        let shorter = ["a dropped leaf", "a truncated log"].contains(&what);
        assert_eq!(copy.path("e.txt").exists(), !shorter, "{what}: {run:#?}");
        if shorter {
            run.says(&["this store may be stale"]);
        }
    }
}

#[test]
fn an_old_checkpoint_that_is_replayed_is_found_by_what_came_after_it() {
    let project = Project::published("attack-replay");
    let old = fs::read(project.store().join("log/checkpoint")).unwrap();
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    replace(&project.store().join("log/checkpoint"), &old);
    project.relman(&["audit"]).exits(3).says(&[
        "has more than the signed checkpoint",
        "which the log does not have",
    ]);
}

#[test]
fn a_missing_partial_tile_and_an_oversize_bundle_are_named() {
    let project = Project::published("attack-tiles");
    let log = project.store().join("log");
    let tile = log.join("tile/0/000.p/3");
    let good = fs::read(&tile).unwrap();
    fs::remove_file(&tile).unwrap();
    project
        .relman(&["audit"])
        .exits(3)
        .says(&["tile/0/000.p/3", "is missing"]);
    fs::write(&tile, &good).unwrap();
    let bundle = log.join("tile/entries/000.p/3");
    let file = fs::File::options().write(true).open(&bundle).unwrap();
    file.set_len(256 * (65_535 + 2) + 1).unwrap();
    project
        .relman(&["audit"])
        .exits(3)
        .says(&["tile/entries/000.p/3", "longer than"]);
}

/// A project whose log was put back and went on with another release: the store, and what a node saw.
fn forked(name: &str) -> (Project, PathBuf) {
    let project = Project::published(name);
    let node = project.beside("state-of-a-node");
    let other = project.copy();
    other.write("prog.sh", "echo another two\n");
    other.commit_and_tag("feat: another", SECOND);
    other.relman(&["cut", SECOND]).exits(0);
    fs::create_dir_all(node.join("log")).unwrap();
    let seen = other.store().join("log/checkpoint");
    fs::copy(seen, node.join("log/checkpoint")).unwrap();
    // Longer than what the node saw, and not the same.
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    project
        .relman(&["announce", TAG, "--to", "testnet"])
        .exits(0);
    copy_tree(&other.store(), &project.beside("other-store"));
    (project, node)
}

#[test]
fn a_fork_that_one_node_was_shown_is_found_by_its_memory_and_the_evidence_convinces_a_stranger() {
    let (project, node) = forked("attack-fork");
    project.is_sound();
    let run = project
        .relman(&["audit", "--against", text(&node)])
        .exits(3);
    run.says(&["split view", "evidence of the split view:"]);
    let name = files(&project.repo())
        .into_iter()
        .find(|f| f.starts_with("split-view-"))
        .unwrap();
    assert!(name.ends_with("-5.txt"), "{name}");
    let evidence = project.path(&name);
    let kept = fs::read(&evidence).unwrap();

    // Whoever has the log's key and this file needs no store, and no project.
    let stranger = Project::empty("attack-fork-stranger");
    let vkey = fs::read_to_string(project.path("keys/log.vkey")).unwrap();
    let check = ["audit", "--check-evidence", text(&evidence), "--log"];
    let check = |log: &str| stranger.relman(&[&check[..], &[log]].concat());
    check(vkey.trim())
        .exits(0)
        .says(&["holds", "for 5 entries"]);
    check(text(&project.path("keys/log.vkey"))).exits(0);
    let strange = Project::new("attack-fork-strange");
    let strange = fs::read_to_string(strange.path("keys/log.vkey")).unwrap();
    check(strange.trim()).exits(3).says(&["is no evidence"]);
    check("nonsense").exits(2);
    let changed = String::from_utf8(kept.clone())
        .unwrap()
        .replace("-size 5", "-size 4");
    replace(&evidence, changed.as_bytes());
    check(vkey.trim()).exits(3);

    // What is there is never overwritten.
    let again = project
        .relman(&["audit", "--against", text(&node)])
        .exits(3);
    again.says(&["-5-2.txt"]);
    assert_eq!(fs::read_to_string(&evidence).unwrap(), changed);
    let named = ["audit", "--against", text(&node), "--evidence", &name];
    project
        .relman(&named)
        .exits(3)
        .says(&["could not be written"]);
    assert_eq!(fs::read_to_string(&evidence).unwrap(), changed);
    assert_eq!(
        fs::read(project.path(&name.replace(".txt", "-2.txt"))).unwrap(),
        kept
    );
}

#[test]
fn a_store_that_is_shorter_than_the_fork_is_compared_by_the_forks_own_tiles() {
    let (project, _) = forked("attack-fork-short");
    let (other, store) = (project.beside("other-store"), project.store());
    let run = ["audit", "--store", text(&other), "--against", text(&store)];
    let run = project.relman(&[&run[..], &["--evidence", "e.txt"]].concat());
    run.exits(3).says(&["split view"]);
    let vkey = project.path("keys/log.vkey");
    let check = ["audit", "--check-evidence", "e.txt", "--log", text(&vkey)];
    project
        .relman(&check)
        .exits(0)
        .says(&["for 5 entries", "for 6"]);
    // An increment that goes on from another history is refused, with the same evidence.
    let seen = other.join("log/checkpoint");
    let since = ["audit", "--since", text(&seen), "--evidence", "s.txt"];
    project.relman(&since).exits(3).says(&["split view"]);
    let check = ["audit", "--check-evidence", "s.txt", "--log", text(&vkey)];
    project.relman(&check).exits(0);
}
