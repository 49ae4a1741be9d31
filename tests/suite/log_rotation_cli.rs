//! One log key follows another: for a while both sign, then the old one signs no more; what it signed before
//! stays signed.

use std::fs;

use crate::common::relman::{Project, Run, SECOND, TAG, snapshot};

fn at(project: &Project, now: &str, arguments: &[&str]) -> Run {
    let mut command = project.command(arguments);
    let command = command.env("RELMAN_INSECURE_NOW", now);
    Run::of(command.output().expect("relman runs"))
}

/// Lines of a checkpoint that are signatures of the log.
fn signatures(project: &Project) -> usize {
    let text = fs::read_to_string(project.store().join("log/checkpoint")).unwrap();
    text.lines()
        .filter(|line| line.starts_with('\u{2014}'))
        .count()
}

#[test]
fn both_keys_sign_for_a_while_and_then_the_new_one_alone() {
    let project = Project::published("rotate-log");
    let old = project.path("keys/log.pub");
    let old = fs::read_to_string(old).unwrap();
    let new = format!("{}.pub", project.add_key("log.2").display());
    at(
        &project,
        "2026-02-02T00:00:00Z",
        &["root", "add", "log", &new, "--yes"],
    )
    .exits(0)
    .says(&["log keys:", "+ log maintainer"]);
    assert_eq!(
        signatures(&project),
        2,
        "whoever knows the old key alone believes it too"
    );
    assert_eq!(
        fs::read_to_string(project.path("keys/log.vkey"))
            .unwrap()
            .lines()
            .count(),
        2
    );
    project.second();
    at(&project, "2026-02-03T00:00:00Z", &["cut", SECOND]).exits(0);
    assert_eq!(signatures(&project), 2);

    let id = old.split_whitespace().nth(1).unwrap();
    fs::write(project.beside("old.pub"), format!("ssh-ed25519 {id}\n")).unwrap();
    let old = project.beside("old.pub").display().to_string();
    at(
        &project,
        "2026-02-04T00:00:00Z",
        &["root", "remove", "log", &old, "--yes"],
    )
    .exits(0);
    assert_eq!(
        fs::read_to_string(project.path("keys/log.vkey"))
            .unwrap()
            .lines()
            .count(),
        1
    );
    at(
        &project,
        "2026-02-05T00:00:00Z",
        &["yank", SECOND, "--level", "withdrawn", "--reason", "forks"],
    )
    .exits(0);
    assert_eq!(signatures(&project), 1);
    at(&project, "2026-02-05T00:00:00Z", &["verify", TAG])
        .exits(0)
        .says(&["is verified"]);
    at(&project, "2026-02-05T00:00:00Z", &["audit"]).exits(0);
}

#[test]
fn a_stolen_log_key_makes_no_head_after_its_end() {
    let project = Project::published("rotate-stolen");
    let before = project.store().join("log/checkpoint");
    let new = format!("{}.pub", project.add_key("log.2").display());
    let old = project.beside("old.pub");
    fs::copy(project.path("keys/log.pub"), &old).unwrap();
    let old = old.display().to_string();
    at(
        &project,
        "2026-02-02T00:00:00Z",
        &["root", "rotate", "log", &old, &new, "--yes"],
    )
    .exits(0);
    // The thief has the old key: takes the new one's signature away, and his own is there already.
    let text = fs::read_to_string(&before).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    assert_eq!(signatures(&project), 2);
    let first = lines
        .iter()
        .position(|line| line.starts_with('\u{2014}'))
        .unwrap();
    lines.remove(first);
    fs::write(&before, lines.join("\n") + "\n").unwrap();
    at(&project, "2026-02-03T00:00:00Z", &["verify", TAG])
        .exits(3)
        .says(&["policy names for the log at", "is NOT verified"]);
}

#[test]
fn the_last_log_key_that_counts_cannot_end() {
    let project = Project::new("rotate-last");
    let before = snapshot(&project.store());
    let key = project.path("keys/log.pub").display().to_string();
    project
        .relman(&["root", "remove", "log", &key, "--yes"])
        .exits(3)
        .says(&[
            "the log would have no key that counts",
            "relman root rotate log",
        ]);
    let names = |all: &[(std::path::PathBuf, u32, Vec<u8>)]| all.len();
    assert_eq!(names(&before), names(&snapshot(&project.store())));
}
