//! The keys of a cut: foreign, missing, damaged, or not all at hand.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::common::relman::{BUILD, Project, TAG, snapshot};

#[test]
fn foreign_keys_sign_nothing() {
    let mine = Project::new("cut-foreign");
    let theirs = Project::new("cut-theirs");
    for purpose in [
        "builder",
        "publisher",
        "log",
        "targets",
        "snapshot",
        "timestamp",
    ] {
        let project = mine.copy();
        let before = snapshot(&project.store());
        fs::copy(
            theirs.secrets().join(purpose),
            project.secrets().join(purpose),
        )
        .unwrap();
        let run = project.relman(&["cut", TAG]).exits(3);
        run.says(&[purpose, "--secret-keys DIR"]);
        assert_eq!(snapshot(&project.store()), before, "{purpose}");
        // With the right key again everything goes on.
        fs::copy(
            mine.secrets().join(purpose),
            project.secrets().join(purpose),
        )
        .unwrap();
        project.relman(&["cut", TAG]).exits(0);
        project.is_verified(TAG);
    }
}

#[test]
fn a_key_that_is_missing_is_named_and_nothing_is_published() {
    let whole = Project::new("cut-missing");
    for purpose in [
        "builder",
        "publisher",
        "log",
        "targets",
        "snapshot",
        "timestamp",
    ] {
        let project = whole.copy();
        let before = snapshot(&project.store());
        fs::rename(project.secrets().join(purpose), project.beside("key")).unwrap();
        let run = project.relman(&["cut", TAG]).says(&[purpose]);
        // Without the key of a role the draft waits for whoever has it; others must be here.
        let waits = matches!(purpose, "targets" | "snapshot" | "timestamp");
        let run = run.exits(if waits { 0 } else { 1 });
        if waits {
            run.says(&["is a draft", "0 of 1 signatures"]);
        }
        assert_eq!(snapshot(&project.store()), before, "{purpose}");
        fs::rename(project.beside("key"), project.secrets().join(purpose)).unwrap();
        project.relman(&["cut", TAG]).exits(0);
        project.is_verified(TAG);
    }
}

#[test]
fn a_key_file_that_is_damaged_is_named() {
    let project = Project::new("cut-damaged-key");
    let before = snapshot(&project.store());
    for bytes in [
        &b""[..],
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
        &[0xff; 100_000],
    ] {
        fs::write(project.secrets().join("builder"), bytes).unwrap();
        let run = project.relman(&["cut", TAG]);
        assert!(matches!(run.code, Some(1 | 3)), "{run:?}");
        let run = run.says(&["/builder"]);
        assert!(!run.stderr.contains("BEGIN OPENSSH"), "{run:?}");
    }
    assert_eq!(snapshot(&project.store()), before);
}

#[test]
fn where_two_must_sign_and_one_is_away_the_draft_waits() {
    let project = Project::uninitialised("cut-two");
    project.configure(BUILD, "");
    // The keys are there before `init`, so root's targets role gets both and wants both.
    let key = |path: &std::path::Path| {
        let mut keygen = std::process::Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]);
        assert!(
            keygen
                .arg(path)
                .status()
                .expect("ssh-keygen runs")
                .success()
        );
    };
    fs::create_dir_all(project.secrets()).unwrap();
    fs::set_permissions(project.secrets(), fs::Permissions::from_mode(0o700)).unwrap();
    let bob = project.secrets().join("targets.bob");
    key(&project.secrets().join("targets"));
    key(&bob);
    project
        .relman(&["init", "--yes", "--person", "alice"])
        .exits(0);
    let before = snapshot(&project.store());

    fs::rename(&bob, project.beside("bob")).unwrap();
    let run = project.relman(&["cut", TAG]).exits(0);
    run.says(&[
        "is a draft",
        "1 of 2 signatures",
        "missing: alice (key ",
        "relman publish",
    ]);
    let document = project.relman(&["publish", TAG, "--json"]).exits(0).json();
    assert_eq!(document["outcome"], "draft");
    assert_eq!(document["data"]["waiting"]["have"], 1);
    assert_eq!(snapshot(&project.store()), before);
    assert_eq!(project.listed(), [""; 0]);

    fs::rename(project.beside("bob"), &bob).unwrap();
    project.relman(&["publish", TAG]).exits(0);
    project.is_verified(TAG);
}
