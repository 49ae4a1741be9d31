//! The sample repository: the same everywhere, tagged like the real one, and it builds.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use git2::{ObjectType, Repository, StatusOptions};
use relman::Kind;
use relman::demo::sample::{self, PHASES};
use relman::io::sample_repo::create;

use crate::common::{cargo_build, timed};

fn made(phases: u32) -> (tempfile::TempDir, Repository) {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), phases).unwrap();
    let repo = Repository::open(dir.path()).unwrap();
    (dir, repo)
}

fn refs(repo: &Repository) -> Vec<(String, String)> {
    let references = repo.references().unwrap().map(Result::unwrap);
    references
        .map(|r| {
            (
                r.name().unwrap().to_owned(),
                r.target().unwrap().to_string(),
            )
        })
        .collect()
}

#[test]
fn two_directories_get_the_same_commits_and_tags() {
    let ((_a, one), (_b, two)) = (made(3), made(3));
    assert_eq!(refs(&one), refs(&two));
    assert_eq!(refs(&one).len(), 4);
    assert_eq!(one.head().unwrap().name().unwrap(), "refs/heads/main");
}

#[test]
fn fewer_phases_are_a_prefix_of_more() {
    let ((_a, one), (_b, three)) = (made(1), made(3));
    let tag = |repo: &Repository| repo.revparse_single(PHASES[0].0).unwrap().id();
    assert_eq!(tag(&one), tag(&three));
    assert_eq!(one.tag_names(None).unwrap().len(), 1);
}

#[test]
fn every_phase_has_an_annotated_tag_on_its_last_commit() {
    let (_dir, repo) = made(3);
    for (phase, (name, annotation, messages)) in (1..).zip(PHASES) {
        let object = repo.revparse_single(&format!("refs/tags/{name}")).unwrap();
        assert_eq!(object.kind(), Some(ObjectType::Tag));
        let tag = object.peel_to_tag().unwrap();
        assert_eq!(tag.message().unwrap(), Some(annotation));
        let commit = object.peel_to_commit().unwrap();
        assert_eq!(commit.message().ok(), messages.last().copied());
        let tree = commit.tree().unwrap();
        for file in sample::files(phase) {
            let entry = tree.get_path(Path::new(file.path)).unwrap();
            let blob = repo.find_blob(entry.id()).unwrap();
            assert_eq!(blob.content(), file.contents.as_bytes(), "{}", file.path);
            let mode = if file.executable { 0o100755 } else { 0o100644 };
            assert_eq!(entry.filemode(), mode, "{}", file.path);
        }
    }
}

#[test]
fn the_new_repository_is_clean() {
    let (_dir, repo) = made(2);
    let mut options = StatusOptions::new();
    let dirty = repo
        .statuses(Some(options.include_untracked(true)))
        .unwrap();
    assert!(dirty.is_empty());
}

#[test]
fn an_existing_repository_and_a_phase_too_many_are_refused() {
    let (dir, _repo) = made(1);
    assert_eq!(create(dir.path(), 1).unwrap_err().kind(), Kind::Usage);
    let fresh = tempfile::tempdir().unwrap();
    for phases in [0, 4] {
        let error = create(fresh.path(), phases).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
    }
    assert_eq!(fs::read_dir(fresh.path()).unwrap().count(), 0);
}

#[test]
fn the_sample_holds_every_file_of_the_fixture() {
    let mut found = BTreeSet::new();
    let root = timed::sources();
    let mut open: Vec<PathBuf> = vec![root.clone()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            match (name, path.is_dir()) {
                ("target", _) => {}
                (_, true) => open.push(path),
                (name, false) => assert!(found.insert(name.to_owned())),
            }
        }
    }
    let wanted = sample::files(3).iter().map(|f| f.path.to_owned()).collect();
    assert_eq!(found, wanted);
}

#[test]
fn every_tag_builds_and_gives_another_daemon() {
    let (dir, repo) = made(3);
    let target = tempfile::tempdir().unwrap();
    let mut binaries = BTreeSet::new();
    for (tag, _, _) in PHASES {
        let commit = repo.revparse_single(tag).unwrap().peel_to_commit().unwrap();
        repo.set_head_detached(commit.id()).unwrap();
        let mut force = git2::build::CheckoutBuilder::new();
        repo.checkout_head(Some(force.force())).unwrap();
        cargo_build(dir.path(), target.path());
        let binary = target.path().join("release/timed");
        let bytes = fs::read(&binary).unwrap();
        let id = commit.id().to_string();
        assert!(
            bytes
                .windows(id.len())
                .any(|window| window == id.as_bytes()),
            "{tag}: the binary does not know its commit"
        );
        assert!(binaries.insert(bytes), "{tag}: the binary is not new");
        let out = Command::new(&binary).arg("--version").output().unwrap();
        assert_eq!(out.status.code(), Some(2), "{tag}");
    }
}
