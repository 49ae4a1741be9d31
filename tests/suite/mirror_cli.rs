//! Mirrors: copied without keys, verified on the way, never taken back, and whole after any kill.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::http_server::{Fault, Server};
use crate::common::relman::{Project, Run, SECOND, TAG, copy_tree, files, flip, snapshot};
use crate::node_cli::Node;

/// Every published file with its bytes; not relman's own.
fn published(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let names = files(dir).into_iter();
    let names = names.filter(|name| !name.starts_with(".relman-"));
    names
        .map(|name| {
            let bytes = fs::read(dir.join(&name)).expect("it can be read");
            (name, bytes)
        })
        .collect()
}

#[track_caller]
fn same(a: &Path, b: &Path) {
    assert_eq!(files_of(a), files_of(b));
    assert!(published(a) == published(b), "{a:?} and {b:?} differ");
}

fn files_of(dir: &Path) -> Vec<String> {
    published(dir).into_iter().map(|(name, _)| name).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

fn audit(project: &Project, store: &Path) -> Run {
    let root = project.path("keys/root.json");
    project.relman(&["audit", "--store", text(store), "--root", text(&root)])
}

#[test]
fn the_example_store_is_copied_byte_for_byte_from_a_directory_and_over_http() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (store, root) = (top.join("releases"), top.join("keys/root.json"));
    let project = Project::empty("mirror-example");
    let (one, two) = (project.beside("one"), project.beside("two"));
    let server = Server::start(store.clone());
    for (from, to) in [(text(&store), &one), (&server.url(), &two)] {
        project
            .relman(&["mirror", from, text(to), "--root", text(&root)])
            .exits(0)
            .says(&["objects added"]);
        same(&store, to);
        project
            .relman(&["audit", "--store", text(to), "--root", text(&root)])
            .exits(0);
        let again = project.relman(&["mirror", from, text(to), "--root", text(&root), "--json"]);
        let again = again.exits(0).json();
        assert_eq!(again["outcome"], "unchanged", "{again:#}");
    }
}

#[test]
fn a_mirror_follows_its_store_with_late_evidence_and_serves_nodes() {
    let node = Node::new("mirror-follows");
    let project = &node.project;
    let (one, two) = (project.beside("one"), project.beside("two"));
    let mirror = |from: &str| {
        project
            .relman(&["mirror", from, text(&one), text(&two)])
            .exits(0);
        same(&project.store(), &one);
        same(&project.store(), &two);
        audit(project, &one).exits(0);
    };
    let server = Server::start(project.store());
    mirror("releases");
    project.relman(&["timestamp"]).exits(0);
    mirror("releases");
    for level in ["withdrawn", "dangerous"] {
        project
            .relman(&["yank", TAG, "--level", level, "--reason", "loses coins"])
            .exits(0);
    }
    // Nobody can list over HTTP; the log says what there is.
    mirror(&server.url());
    assert!(one.join(TAG).join("yank-2.tlog-proof").exists());
    let mirrors = Server::start(one.clone());
    node.configure(&mirrors.url(), "local");
    node.run(&format!("install {SECOND}")).exits(0);
    node.run(&format!("install {TAG}"))
        .exits(3)
        .says(&["dangerous"]);
}

#[test]
fn a_mirror_killed_at_any_step_is_finished_by_the_next_run() {
    let project = Project::published("mirror-kill");
    let old = project.beside("old");
    project.relman(&["mirror", "releases", text(&old)]).exits(0);
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    let mut step = 0;
    loop {
        let to = project.beside(&format!("mirror-{step}"));
        copy_tree(&old, &to);
        let point = format!("mirror.{step}");
        let run = project.killed_at(&point, &["mirror", "releases", text(&to)]);
        if run.was_killed() {
            // Readers of the mirror see the old state or the new one.
            let root = project.path("keys/root.json");
            project
                .relman(&["verify", TAG, "--store", text(&to), "--root", text(&root)])
                .exits(0);
            project.relman(&["mirror", "releases", text(&to)]).exits(0);
        } else {
            run.exits(0);
        }
        same(&project.store(), &to);
        if step % 10 == 0 {
            audit(&project, &to).exits(0);
        }
        fs::remove_dir_all(&to).expect("it can go");
        if !project_has_step(&project, &old, step) {
            break;
        }
        step += 1;
    }
    assert!(step > 20, "only {step} steps");
}

/// Whether copying onto `old` has a step after this one.
fn project_has_step(project: &Project, old: &Path, step: usize) -> bool {
    let to = project.beside("probe");
    copy_tree(old, &to);
    let point = format!("mirror.{}", step + 1);
    let run = project.killed_at(&point, &["mirror", "releases", text(&to)]);
    fs::remove_dir_all(&to).expect("it can go");
    run.was_killed()
}

#[test]
fn whatever_is_changed_in_a_store_never_reaches_its_mirror() {
    let project = Project::published("mirror-damage");
    let good = published(&project.store());
    let mut let_pass = Vec::new();
    for (name, bytes) in &good {
        let copy = project.beside("copy");
        let to = project.beside("to");
        copy_tree(&project.store(), &copy);
        flip(&copy.join(name));
        let run = project.relman(&["mirror", text(&copy), text(&to)]);
        if to.exists() {
            for (name, found) in published(&to) {
                let wanted = good.iter().find(|(n, _)| *n == name);
                assert_eq!(wanted.map(|(_, b)| b), Some(&found), "{name}");
            }
        }
        if run.code == Some(0) {
            let_pass.push(name.clone());
        } else {
            assert_eq!(run.code, Some(3), "{name}: {run:#?}");
            assert!(!to.join("metadata/timestamp.json").exists(), "{name}");
        }
        assert!(!bytes.is_empty());
        let _ = fs::remove_dir_all(&to);
        fs::remove_dir_all(&copy).expect("it can go");
    }
    // The archive is there twice, and one whole copy of it is enough.
    let_pass.retain(|name| !name.starts_with("targets/"));
    assert_eq!(let_pass, Vec::<String>::new());
}

#[test]
fn a_mirror_is_never_taken_back_or_overwritten() {
    let project = Project::published("mirror-back");
    let old = project.beside("old");
    copy_tree(&project.store(), &old);
    let to = project.beside("to");
    let mirror = |from: &Path| project.relman(&["mirror", text(from), text(&to)]);
    project.relman(&["timestamp"]).exits(0);
    mirror(&project.store()).exits(0);
    let before = snapshot(&to);
    mirror(&old)
        .exits(3)
        .says(&["nothing was copied", "version"]);
    assert_eq!(published_of(&before), published_of(&snapshot(&to)));

    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    let planted = to.join(SECOND).join("timed");
    fs::create_dir_all(planted.parent().expect("a directory")).expect("a directory");
    fs::write(&planted, "other bytes").expect("a file");
    mirror(&project.store())
        .exits(3)
        .says(&["timed", "never overwritten"]);
    assert_eq!(fs::read(&planted).expect("it stays"), b"other bytes");
    assert_eq!(
        fs::read(to.join("metadata/timestamp.json")).expect("a timestamp"),
        head_of(&before, "metadata/timestamp.json"),
    );
    fs::remove_file(&planted).expect("it can go");
    mirror(&project.store()).exits(0);
    same(&project.store(), &to);
}

type Snapshot = Vec<(PathBuf, u32, Vec<u8>)>;

fn published_of(all: &Snapshot) -> Vec<&(PathBuf, u32, Vec<u8>)> {
    let own = |path: &PathBuf| text(path).contains(".relman-");
    all.iter().filter(|(path, _, _)| !own(path)).collect()
}

fn head_of(all: &Snapshot, name: &str) -> Vec<u8> {
    let found = all.iter().find(|(path, _, _)| path.ends_with(name));
    found.expect("it is there").2.clone()
}

#[test]
fn a_mirror_with_another_history_is_refused_as_diverged_with_both_checkpoints() {
    let project = Project::published("mirror-fork");
    let fork = project.copy();
    let to = project.beside("to");
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    project.relman(&["mirror", "releases", text(&to)]).exits(0);
    // The same keys at work on a copy of the store: a second history, and a longer one.
    for level in ["withdrawn", "dangerous", "none"] {
        let yank = ["yank", TAG, "--level", level, "--reason", "a fork"];
        fork.relman(&yank).exits(0);
    }
    let before = snapshot(&to);
    let run = project.relman(&["mirror", text(&fork.store()), text(&to)]);
    let run = run.exits(3).says(&["has diverged"]);
    assert!(
        run.stderr.matches("caused by: the ").count() >= 2,
        "{run:?}"
    );
    assert_eq!(published_of(&before), published_of(&snapshot(&to)));
}

#[test]
fn two_mirrors_into_one_place_do_not_meet_and_one_bad_place_stops_no_other() {
    let project = Project::published("mirror-two");
    let (to, other) = (project.beside("to"), project.beside("other"));
    fs::create_dir(&to).expect("a directory");
    let lock = fs::File::create(to.join(".relman-lock")).expect("a lock");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("it is free");
    project
        .relman(&["mirror", "releases", text(&to), text(&other)])
        .exits(4)
        .says(&["1 of 2 mirrors", "another relman is at work here"]);
    same(&project.store(), &other);
    drop(lock);
    project.relman(&["mirror", "releases", text(&to)]).exits(0);
    same(&project.store(), &to);
}

#[test]
fn a_server_without_end_or_with_half_a_file_leaves_nothing_half_in_a_mirror() {
    let project = Project::published("mirror-http");
    let server = Server::start(project.store());
    let to = project.beside("to");
    for (path, fault) in [
        (format!("{TAG}/timed"), Fault::Endless),
        (format!("{TAG}/timed"), Fault::Half),
        ("metadata/timestamp.json".into(), Fault::Endless),
        (
            "log/checkpoint".into(),
            Fault::Status("500 Internal Server Error"),
        ),
    ] {
        server.only_fault(&path, fault);
        let run = project.relman(&["mirror", &server.url(), text(&to)]);
        assert!(matches!(run.code, Some(1 | 3)), "{path}: {run:#?}");
        assert!(!to.join(&path).exists(), "{path}");
        assert!(!to.join("metadata/timestamp.json").exists());
    }
    server.only_fault("nothing", Fault::Half);
    project
        .relman(&["mirror", &server.url(), text(&to)])
        .exits(0);
    same(&project.store(), &to);
}

#[test]
fn the_directory_of_another_project_is_no_mirror() {
    let (project, other) = (
        Project::published("mirror-mine"),
        Project::new("mirror-theirs"),
    );
    let before = snapshot(&other.store());
    project
        .relman(&["mirror", "releases", text(&other.store())])
        .exits(3)
        .says(&["1.root.json", "is another than"]);
    assert_eq!(
        published_of(&before),
        published_of(&snapshot(&other.store()))
    );
}

#[test]
fn a_true_proof_of_something_else_is_not_put_in_a_proofs_place() {
    let project = Project::published("mirror-swapped-proofs");
    project
        .relman(&[
            "yank",
            TAG,
            "--level",
            "withdrawn",
            "--reason",
            "loses coins",
        ])
        .exits(0);
    let (hostile, to) = (project.beside("hostile"), project.beside("mirror"));
    let release = format!("{TAG}/release.tlog-proof");
    let yank = format!("{TAG}/yank-1.tlog-proof");
    let targets = "metadata/2.targets.tlog-proof".to_owned();
    for (place, of) in [(&release, &targets), (&yank, &release), (&targets, &yank)] {
        let _ = fs::remove_dir_all(&hostile);
        fs::create_dir(&hostile).unwrap();
        copy_tree(&project.store().join("."), &hostile);
        fs::copy(project.store().join(of), hostile.join(place)).unwrap();
        let run = project.relman(&["mirror", text(&hostile), text(&to)]);
        run.exits(3).says(&[place, "proves nothing of this log"]);
        assert!(!to.join(place).exists(), "{place} was copied");
    }
    let run = project.relman(&["mirror", text(&project.store()), text(&to)]);
    run.exits(0);
    same(&project.store(), &to);
}
