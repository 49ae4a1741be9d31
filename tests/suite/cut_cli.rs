//! `relman cut` and `publish` through the real binary: what they refuse, and that refusing costs nothing.

mod config;

use std::fs;

use crate::common::relman::{BUILD, Project, Run, SECOND, TAG, files, snapshot};

/// Nothing of a store changed, and nothing was left in the way of the next cut.
#[track_caller]
fn nothing_happened(project: &Project, before: &[(std::path::PathBuf, u32, Vec<u8>)]) {
    assert_eq!(snapshot(&project.store()), before);
    let drafts = project.path(".relman/drafts");
    let left = if drafts.exists() {
        files(&drafts)
    } else {
        Vec::new()
    };
    assert_eq!(left, [""; 0], "half-made drafts");
}

#[test]
fn a_tag_that_does_not_exist_is_named_with_its_neighbours() {
    let project = Project::new("cut-none");
    let run = project.relman(&["cut", "phase1-sig-verify-1.0.1"]).exits(1);
    run.says(&["no tag phase1-sig-verify-1.0.1", "did you mean", TAG]);
}

#[test]
fn a_malformed_name_is_refused_without_touching_the_terminal() {
    let project = Project::new("cut-names");
    let before = snapshot(&project.store());
    let long = "phase1-".to_owned() + &"x".repeat(4096);
    let names = [
        "",
        "/",
        "..",
        "../../etc/passwd",
        "phase1-a/../b-1.0.0",
        "phase1-a..b-1.0.0",
        "phase1-sig\x1b[2Jverify-1.0.0",
        "phase1-sig\r\nverify-1.0.0",
        "phase1-sig\u{202e}verify-1.0.0",
        "phase1-\u{7}-1.0.0",
        "phase0-a-1.0.0",
        "phase1-A-1.0.0",
        "phase1-a-1.0",
        "v1.0.0",
        "refs/tags/phase1-sig-verify-1.0.0",
        &long,
    ];
    for command in ["cut", "publish"] {
        for name in names {
            let run = project.relman(&[command, "--", name]).exits(2);
            let lines = run.stderr.trim_end_matches('\n');
            let raw = lines
                .chars()
                .any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
            assert!(!raw, "{command} {name:?}: {run:?}");
            assert!(run.stderr.len() < 1024, "{command} {name:?}: {run:?}");
            assert_eq!(run.stdout, "", "{command} {name:?}");
            let document = project
                .relman(&[command, "--json", "--", name])
                .exits(2)
                .json();
            assert_eq!(document["outcome"], "usage", "{command} {name:?}");
        }
    }
    nothing_happened(&project, &before);
}

#[test]
fn a_branch_is_no_tag() {
    let project = Project::new("cut-branch");
    project.git(&["branch", SECOND]);
    let run = project.relman(&["cut", SECOND]).exits(1);
    run.says(&["is a branch, wanted a tag"]);
}

#[test]
fn a_lightweight_tag_is_refused_unless_configured() {
    let project = Project::new("cut-light");
    let tag = "phase1-light-1.0.0";
    project.git(&["tag", tag]);
    let run = project.relman(&["cut", tag]).exits(1);
    run.says(&[
        "is lightweight, wanted an annotated one",
        "allow_lightweight",
    ]);
    project.configure(BUILD, "tags.allow_lightweight = true");
    project.relman(&["cut", tag]).exits(0);
    project.is_verified(tag);
}

#[test]
fn a_tag_that_moved_after_it_was_cut_is_refused() {
    let project = Project::published("cut-moved");
    let before = snapshot(&project.store());
    project.write("prog.sh", "echo something else\n");
    project.git(&["commit", "-q", "-am", "fix: more"]);
    project.git(&["tag", "-a", "-f", TAG, "-m", "moved"]);
    let run = project.relman(&["cut", TAG]).exits(3);
    run.says(&[
        "moved since it was cut",
        "it was commit",
        "it is now commit",
    ]);
    nothing_happened(&project, &before);
    project.is_verified(TAG);
}

#[test]
fn a_tag_made_anew_on_the_same_commit_has_moved_too() {
    let project = Project::published("cut-retag");
    project.git(&["tag", "-a", "-f", TAG, "-m", "another author, another date"]);
    let run = project.relman(&["cut", TAG]).exits(3);
    run.says(&["moved since it was cut", "by tag object"]);
}

#[test]
fn a_tag_that_moved_under_its_draft_is_refused() {
    let project = Project::new("cut-moved-draft");
    project.relman(&["cut", "--draft", TAG]).exits(0);
    project.git(&["tag", "-a", "-f", TAG, "-m", "moved"]);
    let run = project.relman(&["cut", TAG]).exits(3);
    run.says(&["moved since it was cut", "rm -r", ".relman/drafts"]);
}

#[test]
fn another_tags_object_under_this_name_is_refused() {
    let project = Project::new("cut-renamed");
    let object = project.git(&["rev-parse", TAG]);
    project.git(&["update-ref", &format!("refs/tags/{SECOND}"), &object]);
    let run = project.relman(&["cut", SECOND]).exits(3);
    run.says(&["points to the tag object of"]);
}

#[test]
fn a_phase_whose_predecessor_was_never_cut_is_refused_unless_configured() {
    let project = Project::new("cut-order");
    project.second();
    let run = project.relman(&["cut", SECOND]).exits(3);
    run.says(&["needs a release of phase 1", "require_predecessor"]);
    project.configure(BUILD, "tags.require_predecessor = false");
    project.relman(&["cut", SECOND]).exits(0);
    project.is_verified(SECOND);
}

#[test]
fn cutting_the_same_tag_twice_changes_nothing_and_exits_0() {
    let project = Project::published("cut-twice");
    let before = snapshot(&project.store());
    for command in ["cut", "publish"] {
        project
            .relman(&[command, TAG])
            .exits(0)
            .says(&["already cut"]);
        let document = project.relman(&[command, TAG, "--json"]).exits(0).json();
        assert_eq!(document["outcome"], "unchanged");
    }
    nothing_happened(&project, &before);
}

#[test]
fn a_draft_is_seen_by_nobody_until_it_is_published() {
    let project = Project::new("cut-draft");
    let before = snapshot(&project.store());
    let run = project.relman(&["cut", "--draft", TAG]).exits(0);
    run.says(&["is a draft", "relman publish"]);
    assert_eq!(snapshot(&project.store()), before);
    assert_eq!(project.listed(), [""; 0]);
    project.relman(&["verify", TAG]).exits(3);
    let again = project.relman(&["cut", "--draft", TAG, "--json"]).exits(0);
    assert_eq!(again.json()["outcome"], "draft");

    project
        .relman(&["publish", TAG])
        .exits(0)
        .says(&["published"]);
    assert_eq!(project.listed(), [TAG]);
    project.is_verified(TAG);
    assert_eq!(files(&project.path(".relman/drafts")), [""; 0]);
}

#[test]
fn there_is_no_draft_to_publish() {
    let project = Project::new("cut-nodraft");
    let run = project.relman(&["publish", TAG]).exits(1);
    run.says(&["there is no draft", "relman cut"]);
}

#[test]
fn a_draft_that_somebody_changed_is_not_published() {
    let project = Project::new("cut-changed-draft");
    project.relman(&["cut", "--draft", TAG]).exits(0);
    let before = snapshot(&project.store());
    let timed = project.path(".relman/drafts").join(TAG).join("timed");
    fs::write(&timed, "echo mine\n").unwrap();
    for command in ["publish", "cut"] {
        let run = project.relman(&[command, TAG]).exits(1);
        run.says(&["draft", "is damaged", "timed hashes to", "rm -r"]);
    }
    assert_eq!(snapshot(&project.store()), before);
}

#[test]
fn a_failing_build_shows_its_last_lines_and_its_log() {
    let project = Project::new("cut-fails");
    let before = snapshot(&project.store());
    let build = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line-$i; done; printf 'red \\033[31m!\\n'; exit 7";
    project.configure(build, "");
    let run = project.relman(&["cut", TAG]).exits(1);
    let run = run.says(&[
        "the build failed: exit status: 7",
        "line-40",
        "line-22",
        "build.log",
    ]);
    assert!(
        !run.stderr.contains("line-20\n"),
        "more than 20 lines: {run:?}"
    );
    assert!(!run.stderr.contains('\x1b'), "{run:?}");
    let log = run
        .stderr
        .lines()
        .find_map(|l| l.strip_prefix("hint: less "));
    let log = fs::read_to_string(log.expect("the log is named")).unwrap();
    assert!(
        log.contains("line-1\n") && log.contains("line-40\n"),
        "{log}"
    );
    nothing_happened(&project, &before);

    let document = project.relman(&["cut", TAG, "--json"]).exits(1).json();
    assert_eq!(document["outcome"], "failed");
    project.configure(BUILD, "");
    project.relman(&["cut", TAG]).exits(0);
    project.is_verified(TAG);
}

#[test]
fn a_build_that_makes_nothing_or_a_link_out_of_the_clone_is_no_release() {
    let project = Project::new("cut-links");
    let before = snapshot(&project.store());
    for (build, said) in [
        ("true", "the build made no out/timed"),
        (
            "mkdir -p out && : > out/timed",
            "is not a file with contents",
        ),
        ("mkdir -p out/timed", "is not a file with contents"),
        (
            "mkdir -p out && ln -s /bin/sh out/timed",
            "leads out of the clone",
        ),
    ] {
        project.configure(build, "");
        let run = project.relman(&["cut", TAG]);
        assert!(matches!(run.code, Some(1 | 3)), "{run:?}");
        run.says(&[said]);
        nothing_happened(&project, &before);
    }
}

#[test]
fn the_state_of_the_working_tree_does_not_matter() {
    let clean = Project::new("cut-tree");
    let dirty = clean.copy();
    dirty.write("prog.sh", "echo not committed\n");
    dirty.write("untracked", "x");
    dirty.git(&["checkout", "-q", "--orphan", "other"]);
    dirty.git(&["rm", "-q", "-f", "prog.sh"]);
    dirty.write(".git/index.lock", "");
    let cut = |project: &Project| {
        let document = project.relman(&["cut", TAG, "--json"]).exits(0).json();
        document["data"]["sha256"].as_str().unwrap().to_owned()
    };
    assert_eq!(cut(&clean), cut(&dirty));
    let timed = dirty.store().join(TAG).join("timed");
    assert_eq!(fs::read_to_string(timed).unwrap(), "echo release one\n");
    assert!(dirty.path("untracked").exists());
}

#[test]
fn the_users_environment_does_not_change_the_archive() {
    let plain = Project::new("cut-env");
    let other = plain.copy();
    plain.configure("mkdir -p out && (cat prog.sh; env | sort; umask; date -d @0; locale) > out/timed 2>/dev/null || true", "");
    fs::copy(plain.path("relman.toml"), other.path("relman.toml")).unwrap();
    let digest = |run: Run| run.exits(0).json()["data"]["sha256"].clone();
    let mut command = other.command(&["cut", TAG, "--json"]);
    for (name, value) in [
        ("TZ", "Asia/Tokyo"),
        ("LC_ALL", "de_DE.UTF-8"),
        ("LANG", "tr_TR.UTF-8"),
        ("RUSTFLAGS", "-C target-cpu=native"),
        ("CARGO_TARGET_DIR", "/nonexistent"),
        ("GIT_DIR", "/nonexistent"),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "core.autocrlf"),
        ("GIT_CONFIG_VALUE_0", "true"),
        ("SOURCE_DATE_EPOCH", "1"),
        ("MY_SECRET", "hunter2"),
        ("RELMAN_INSECURE_NOW", "2026-03-01T00:00:00Z"),
    ] {
        command.env(name, value);
    }
    let theirs = digest(Run::of(command.output().unwrap()));
    assert_eq!(digest(plain.relman(&["cut", TAG, "--json"])), theirs);
}

#[test]
fn json_is_one_document_in_success_and_in_failure() {
    let project = Project::new("cut-json");
    for (arguments, code, command, outcome) in [
        (&["cut", TAG, "--json"][..], 0, "cut", "done"),
        (&["--json", "cut", TAG], 0, "cut", "unchanged"),
        (&["cut", "nope", "--json"], 2, "cut", "usage"),
        (&["cut", "phase1-nope-1.0.0", "--json"], 1, "cut", "failed"),
        (&["cut", "phase9-nope-1.0.0", "--json"], 1, "cut", "failed"),
        (&["publish", SECOND, "--json"], 1, "publish", "failed"),
        (&["list", "--json"], 0, "list", "done"),
        (&["show", TAG, "--json"], 0, "show", "done"),
        (&["show", SECOND, "--json"], 3, "show", "refused"),
        (&["verify", TAG, "--json"], 0, "verify", "done"),
        (&["verify", SECOND, "--json"], 3, "verify", "refused"),
        (&["timestamp", "--json"], 0, "timestamp", "done"),
        (&["cut", "--json"], 2, "", "usage"),
        (&["nonsense", "--json"], 2, "", "usage"),
        (&["cut", "--json", "\x1b[2J", "x"], 2, "", "usage"),
    ] {
        let run = project.relman(arguments).exits(code);
        let document = run.json();
        assert_eq!(document["command"], command, "{arguments:?}");
        assert_eq!(document["outcome"], outcome, "{arguments:?}");
        let is_error = document["error"].is_object();
        // A verification that found something is an answer, not an error.
        let wanted = code != 0 && command != "verify";
        assert_eq!(is_error, wanted, "{arguments:?}: {document:#}");
        assert!(!run.stdout.contains('\x1b'), "{arguments:?}");
    }
}

#[test]
fn stdout_has_data_alone_and_errors_go_to_stderr() {
    let project = Project::new("cut-streams");
    let run = project.relman(&["cut", TAG]).exits(0);
    assert!(run.stdout.starts_with("published "), "{run:?}");
    assert!(
        run.stderr.contains("build") && !run.stderr.contains("published"),
        "{run:?}"
    );
    let quiet = project.relman(&["--quiet", "timestamp"]).exits(0);
    assert_eq!(quiet.stderr, "");
    let run = project.relman(&["cut", "phase1-nope-1.0.0"]).exits(1);
    assert_eq!(run.stdout, "");
    assert!(
        run.stderr.contains("error: ") && run.stderr.contains("hint: "),
        "{run:?}"
    );
}
