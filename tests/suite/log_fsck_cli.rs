//! `relman log fsck`: every class of object taken away or changed, and what comes of it; what can be
//! rebuilt is, and what differs is left alone.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::log_show_cli::{enter, statement};
use crate::common::http_server::Server;
use crate::common::relman::{NOW, Project, Run, SECOND, TAG, bundled, copy_tree, flip, snapshot};

fn fsck(project: &Project, more: &[&str]) -> Run {
    project.relman(&[&["log", "fsck"][..], more].concat())
}

/// The findings, as object and state.
fn findings(run: &Run) -> Vec<(String, String)> {
    let all = run.json()["data"]["findings"].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = all.iter().map(|f| (text(&f["object"]), text(&f["state"])));
    all.collect()
}

/// A log of 303 entries: a full tile and bundle, partial ones beside and above them.
fn large(name: &str) -> Project {
    let project = Project::published(name);
    let notes = (1..=300).map(|n| {
        let note = statement(
            "urn:relman:leaf:note:v1",
            json!({ "tag": TAG, "time": NOW, "n": n }),
        );
        ("publisher", note, format!("{TAG}/note-{n}.tlog-proof"))
    });
    enter(&project, &notes.collect::<Vec<_>>());
    fsck(&project, &[])
        .exits(0)
        .says(&["303 entries lead to that root", "is whole"]);
    project
}

#[test]
fn what_is_missing_is_told_and_rebuilt_from_the_entries_wherever_they_are() {
    let good = large("fsck-missing");
    for gone in [
        &["log/tile/0/000"][..],
        &["log/tile/1/000.p/1", "log/tile/entries/001.p/47"],
        // No hash tile at all; then no bundle either: every entry is in its proof.
        &["log/tile/0", "log/tile/1"],
        &["log/tile"],
        &["log/tile/entries/000"],
        &[
            "phase1-sig-verify-1.0.0/release.tlog-proof",
            "phase1-sig-verify-1.0.0/note-200.tlog-proof",
            "metadata/2.targets.tlog-proof",
        ],
    ] {
        let project = good.copy();
        for path in gone {
            let path = project.store().join(path);
            match path.is_dir() {
                true => fs::remove_dir_all(path).unwrap(),
                false => fs::remove_file(path).unwrap(),
            }
        }
        let run = fsck(&project, &["--json"]).exits(3);
        let found = findings(&run);
        assert!(
            !found.is_empty() && found.iter().all(|(_, state)| state == "missing"),
            "{found:?}"
        );
        assert!(
            found
                .iter()
                .all(|(object, _)| gone.iter().any(|path| object.starts_with(path)))
        );
        fsck(&project, &["--repair"])
            .exits(0)
            .says(&["rebuilt ", "is whole"]);
        project.is_sound();
        for (object, _) in found {
            let (old, new) = (good.store().join(&object), project.store().join(&object));
            let same = fs::read(old).unwrap() == fs::read(new).unwrap();
            assert!(same || object.ends_with(".tlog-proof"), "{object}");
        }
    }
}

/// The first three entries, in a store from before partial bundles were collected.
const EARLIER: &str = "log/tile/entries/000.p/3";

fn leave_earlier_bundle(path: &Path) {
    let dir = path.parent().unwrap();
    let full = fs::read(dir.with_extension("")).unwrap();
    let end: usize = bundled(&full)[..3]
        .iter()
        .map(|entry| 2 + entry.len())
        .sum();
    fs::create_dir_all(dir).unwrap();
    fs::write(path, &full[..end]).unwrap();
}

#[test]
fn what_differs_is_an_alarm_and_is_never_overwritten() {
    let good = large("fsck-differs");
    for changed in [
        "log/tile/0/000",
        "log/tile/0/001.p/47",
        "log/tile/1/000.p/1",
        "log/tile/entries/000",
        "log/tile/entries/001.p/47",
        EARLIER,
        "phase1-sig-verify-1.0.0/release.tlog-proof",
        "metadata/1.root.tlog-proof",
        "log/checkpoint",
    ] {
        let project = good.copy();
        let path = project.store().join(changed);
        if changed == EARLIER {
            leave_earlier_bundle(&path);
        }
        flip(&path);
        let bytes = fs::read(&path).unwrap();
        let run = fsck(&project, &["--json"]).exits(3);
        assert_eq!(findings(&run), [(changed.to_owned(), "differs".to_owned())]);
        fsck(&project, &["--repair"]).exits(3).says(&[changed]);
        assert_eq!(fs::read(&path).unwrap(), bytes, "{changed}");
        if changed == "log/checkpoint" {
            continue;
        }
        // Moved away by somebody who has looked at it, it can be rebuilt.
        fs::rename(&path, project.beside("alarm")).unwrap();
        if changed != EARLIER {
            fsck(&project, &["--repair"]).exits(0);
        }
        fsck(&project, &[]).exits(0);
        project.is_sound();
    }
}

#[test]
fn an_entry_that_is_nowhere_else_comes_from_a_copy_or_not_at_all() {
    let project = Project::published("fsck-copy");
    let mirror = project.beside("mirror");
    let mirror = mirror.to_str().unwrap();
    let store = project.store();
    project
        .relman(&["mirror", store.to_str().unwrap(), mirror])
        .exits(0);
    for path in ["log/tile/entries", "log/tile/0"] {
        fs::remove_dir_all(store.join(path)).unwrap();
    }
    fs::remove_file(store.join(TAG).join("release.tlog-proof")).unwrap();
    let run = fsck(&project, &[]).exits(3);
    run.says(&[
        "cannot be rebuilt: entry 1 is nowhere else",
        "--from PATH|URL",
    ]);
    let before = snapshot(&store);
    fsck(&project, &["--repair"])
        .exits(3)
        .says(&["nothing of it can be rebuilt"]);
    assert_eq!(snapshot(&store), before);
    // A copy that was changed is believed no more than the store.
    let bad = project.beside("bad");
    copy_tree(Path::new(mirror), &bad);
    flip(&bad.join("log/tile/entries/000.p/3"));
    let server = Server::start(mirror.into());
    fsck(&project, &["--from", bad.to_str().unwrap(), "--repair"]).exits(3);
    fsck(&project, &["--from", &server.url()])
        .exits(3)
        .says(&["can be rebuilt"]);
    fsck(&project, &["--from", &server.url(), "--repair"]).exits(0);
    fsck(&project, &[]).exits(0);
    project.is_sound();
}

#[test]
fn strays_and_what_a_killed_run_left_are_told() {
    let project = Project::published("fsck-strays");
    project.second();
    let run = project.killed_at("publish.12", &["cut", SECOND]);
    assert!(run.was_killed(), "{run:#?}");
    let store = project.store();
    for path in [
        "log/notes.txt",
        "log/tile/0/000.p/300",
        "log/tile/07",
        "log/tile/0/.000.tmp",
    ] {
        fs::write(store.join(path), "x").unwrap();
    }
    let dir = store.join(TAG);
    fs::copy(
        dir.join("release.tlog-proof"),
        dir.join("yank-1.tlog-proof"),
    )
    .unwrap();
    fsck(&project, &[]).exits(3).says(&[
        "log/notes.txt: is here, and nothing says",
        "log/tile/0/000.p/300",
        "log/tile/07",
        "log/tile/0/.000.tmp",
        "yank-1.tlog-proof: is about entry 1, whose proof has another name",
        ".relman-stage: a publication was staged",
    ]);
    for path in [
        "log/notes.txt",
        "log/tile/0/000.p/300",
        "log/tile/07",
        "log/tile/0/.000.tmp",
    ] {
        fs::remove_file(store.join(path)).unwrap();
    }
    fs::remove_file(dir.join("yank-1.tlog-proof")).unwrap();
    // Whoever takes the lease finishes what was begun.
    fsck(&project, &["--repair"])
        .exits(0)
        .says(&["finished a publication"]);
    assert_eq!(project.listed(), [TAG, SECOND]);
}

#[test]
fn a_log_that_was_put_back_is_told_by_the_proofs_that_know_more() {
    let project = Project::published("fsck-back");
    let old = fs::read(project.store().join("log/checkpoint")).unwrap();
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    fs::write(project.store().join("log/checkpoint"), old).unwrap();
    fsck(&project, &[]).exits(3).says(&[
        "is under a checkpoint of 5 entries, the log here has 3: the store was put back",
        "log/tile/0/000.p/5: is of a larger log than the checkpoint is for",
    ]);
}

#[test]
fn without_checkpoint_or_metadata_the_rest_is_looked_at_all_the_same() {
    let good = Project::published("fsck-heads");
    let project = good.copy();
    fs::remove_file(project.store().join("log/checkpoint")).unwrap();
    fs::remove_file(project.store().join("log/tile/0/000.p/3")).unwrap();
    let run = fsck(&project, &["--json"]).exits(3);
    let missing = |path: &str| (path.to_owned(), "missing".to_owned());
    assert_eq!(
        findings(&run),
        [missing("log/checkpoint"), missing("log/tile/0/000.p/3")]
    );
    fsck(&project, &[]).exits(3).says(&[
        "put back a copy that is no older",
        "the newest other one, of 3 entries",
        "once the checkpoint is there again",
    ]);
    fsck(&project, &["--repair"]).exits(3);
    assert!(!project.store().join("log/tile/0/000.p/3").exists());

    let project = good.copy();
    flip(&project.store().join("metadata/timestamp.json"));
    flip(&project.store().join("log/tile/0/000.p/3"));
    fsck(&project, &[]).exits(3).says(&[
        "with the keys of the trust root that was given",
        "log/tile/0/000.p/3: is not what the entries lead to",
    ]);
    let project = good.copy();
    for entry in fs::read_dir(project.store().join("metadata")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().ends_with(".policy.json") {
            fs::remove_file(path).unwrap();
        }
    }
    fsck(&project, &[])
        .exits(3)
        .says(&["whose keys have signed the log cannot be told"]);
    let other = good.store();
    let copy = ["--from", other.to_str().unwrap()];
    fsck(&project, &copy).exits(0);
}

#[test]
fn a_store_behind_http_is_looked_at_as_far_as_it_shows_itself() {
    let project = Project::published("fsck-http");
    let server = Server::start(project.store());
    let url = server.url();
    fsck(&project, &["--store", &url])
        .exits(0)
        .says(&["cannot be listed", "6 proofs lead into"]);
    fs::remove_file(project.store().join("log/tile/0/000.p/3")).unwrap();
    fs::remove_file(project.store().join(TAG).join("release.tlog-proof")).unwrap();
    let run = fsck(&project, &["--store", &url]).exits(3);
    run.says(&[
        "can be rebuilt from the entries",
        "release.tlog-proof: is missing",
        "relman mirror",
    ]);
    fsck(&project, &[])
        .exits(3)
        .says(&["2 of them can be rebuilt: relman log fsck --repair"]);
    fsck(&project, &["--store", &url, "--repair"]).exits(2);
}
