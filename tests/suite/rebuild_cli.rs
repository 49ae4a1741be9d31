//! `relman rebuild` through the real binary: what it takes its word from, what it refuses, and that nothing half is left.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use relman::attest::Envelope;
use relman::attest::rebuild::Rebuild;
use relman::keys::PublicKey;

use crate::common::relman::{BUILD, Project, Run, SECOND, TAG, flip, snapshot};
use crate::common::wait_for;

/// A project whose tag has its `relman.toml`, as one has to be to be built again by others, with that tag
/// cut. `@` in the build's text is a directory beside the repository, [`flag`].
fn committed(name: &str, build: &str) -> Project {
    let project = Project::empty(name);
    fs::create_dir(project.beside("flags")).expect("a directory can be made");
    let flags = project.beside("flags");
    project.git(&["init", "-q", "-b", "main", "."]);
    project.configure(
        &build.replace('@', flags.to_str().expect("a path is UTF-8")),
        "",
    );
    project.write("prog.sh", "echo release one\n");
    project.git(&["add", "relman.toml"]);
    project.commit_and_tag("feat: begin", TAG);
    project.relman(&["init", "--yes"]).exits(0);
    project.relman(&["cut", TAG]).exits(0);
    project
}

/// A file by which a test tells a build something that no provenance has.
fn flag(project: &Project, name: &str) -> PathBuf {
    project.beside("flags").join(name)
}

/// A key that policy names for rebuilds, beside the other secret keys.
pub fn add_rebuilder(project: &Project) -> PathBuf {
    let key = project.add_key("rebuilder");
    let public = format!("{}.pub", key.display());
    let add = [
        "root",
        "add",
        "rebuilder",
        &public,
        "--person",
        "rita",
        "--yes",
    ];
    project.relman(&add).exits(0);
    key
}

/// The rebuild that a file of attestations is about, under the rebuilder's key.
pub fn attested(project: &Project, file: &Path) -> Rebuild {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{file:?}: {e}"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1, "{text}");
    let public = fs::read_to_string(project.secrets().join("rebuilder.pub")).unwrap();
    let key = PublicKey::from_openssh(&public).unwrap();
    let envelope = Envelope::parse(lines[0].as_bytes()).unwrap();
    Rebuild::read(envelope.verify(&[key]).unwrap().statement()).unwrap()
}

fn drawer(project: &Project) -> PathBuf {
    project.path(&format!(".relman/attestations/{TAG}.intoto.jsonl"))
}

/// A clone of the repository beside it, with all tags.
fn clone(project: &Project, name: &str) -> PathBuf {
    let to = project.beside(name);
    let to_text = to.to_str().expect("a path is UTF-8");
    project.git(&["clone", "-q", ".", to_text]);
    to
}

/// `relman rebuild` outside of every project.
fn elsewhere(project: &Project, source: &str, more: &[&str]) -> Run {
    let dir = project.beside("elsewhere");
    fs::create_dir_all(&dir).unwrap();
    let (store, root) = (project.store(), project.path("keys/root.json"));
    let mut arguments = vec!["rebuild", TAG, "--source", source];
    arguments.extend(["--store", store.to_str().unwrap()]);
    arguments.extend(["--root", root.to_str().unwrap()]);
    arguments.extend(more);
    let output = project.command(&arguments).current_dir(dir).output();
    Run::of(output.expect("relman runs"))
}

#[test]
fn the_same_bytes_are_attested_once() {
    let project = committed("rebuild-same", BUILD);
    add_rebuilder(&project);
    let run = project.relman(&["rebuild", TAG]).exits(0);
    run.says(&["came out the same", "attested by rita"]);
    let rebuild = attested(&project, &drawer(&project));
    assert_eq!(rebuild.tag, TAG);
    assert_eq!(rebuild.commit, project.git(&["rev-parse", "HEAD"]));
    assert_eq!(rebuild.tree, project.git(&["rev-parse", "HEAD^{tree}"]));
    assert_eq!(rebuild.tag_object, Some(project.git(&["rev-parse", TAG])));
    let show = project.relman(&["show", TAG, "--json"]).exits(0).json();
    assert_eq!(show["data"]["sha256"], rebuild.archive.hex());
    // The clock of these tests stands still, so the second statement is the first one.
    let again = project.relman(&["rebuild", TAG, "--json"]).exits(0).json();
    assert_eq!(again["data"]["attested"]["fresh"], false, "{again:#}");
    attested(&project, &drawer(&project));
}

#[test]
fn without_a_key_it_compares_and_says_how_to_attest() {
    let project = committed("rebuild-no-key", BUILD);
    let before = snapshot(&project.store());
    let run = project.relman(&["rebuild", TAG]).exits(0);
    run.says(&["came out the same", "not attested", "--key FILE"]);
    assert!(!drawer(&project).exists());
    assert_eq!(snapshot(&project.store()), before);
}

#[test]
fn a_key_that_policy_does_not_name_for_it_is_refused_before_the_build() {
    let project = committed("rebuild-key", BUILD);
    let strange = project.add_key("other");
    let builder = project.secrets().join("builder");
    for key in [strange, builder] {
        let run = project.relman(&["rebuild", TAG, "--key", key.to_str().unwrap()]);
        let run = run.exits(3).says(&["policy names for rebuilder"]);
        assert!(!run.stderr.contains("clone the tag"), "{run:?}");
    }
    project
        .relman(&["rebuild", TAG, "--key", "nowhere"])
        .exits(1);
    assert!(!drawer(&project).exists());
}

#[test]
fn somebody_elsewhere_rebuilds_from_a_clone_and_sends_a_file() {
    let project = committed("rebuild-clone", BUILD);
    let key = add_rebuilder(&project);
    let source = clone(&project, "clone");
    let key = key.to_str().unwrap();
    let run = elsewhere(
        &project,
        source.to_str().unwrap(),
        &["--key", key, "--out", "mine.jsonl"],
    );
    run.exits(0).says(&["attested by rita", "mine.jsonl"]);
    let file = project.beside("elsewhere/mine.jsonl");
    assert_eq!(attested(&project, &file).tag, TAG);
    let run = elsewhere(&project, source.to_str().unwrap(), &["--key", key]);
    run.exits(2).says(&["--out FILE"]);
    let nowhere = ["--key", key, "--out", "no/such/file"];
    let run = elsewhere(&project, source.to_str().unwrap(), &nowhere).exits(1);
    assert!(!run.stderr.contains("clone the tag"), "{run:?}");
}

#[test]
fn a_source_is_fetched_by_its_url() {
    let project = committed("rebuild-url", BUILD);
    let url = format!("file://{}", project.repo().display());
    elsewhere(&project, &url, &[])
        .exits(0)
        .says(&["fetch the source", "came out the same"]);
    let run = elsewhere(&project, "file:///nowhere/at/all", &[]).exits(1);
    run.says(&["cannot be fetched"]);
    let run = elsewhere(&project, "https://me:secret@example.org/x", &[]).exits(2);
    assert!(!run.stderr.contains("secret@"), "{run:?}");
    elsewhere(&project, "ext::sh -c evil% ://", &[])
        .exits(1)
        .says(&["cannot be fetched"]);
}

#[test]
fn a_source_without_the_tag_or_with_another_under_its_name_builds_nothing() {
    let project = committed("rebuild-source", BUILD);
    let source = clone(&project, "clone");
    let git = |arguments: &[&str]| {
        let status = Command::new("git")
            .args(arguments)
            .current_dir(&source)
            .status();
        assert!(status.unwrap().success(), "git {arguments:?}");
    };
    git(&["tag", "-d", TAG]);
    let run = elsewhere(&project, source.to_str().unwrap(), &[]).exits(1);
    run.says(&["is no source of", "no tag"]);

    // The same commit under another tag object has other notes.
    let who = ["-c", "user.name=me", "-c", "user.email=me@example.org"];
    git(&[who.as_slice(), &["tag", "-a", TAG, "-m", "another"]].concat());
    let run = elsewhere(&project, source.to_str().unwrap(), &[]).exits(3);
    run.says(&["is not what the release was built from", "tag object"]);

    git(&[
        who.as_slice(),
        &["commit", "-q", "--allow-empty", "-m", "more"],
    ]
    .concat());
    git(&[who.as_slice(), &["tag", "-a", "-f", TAG, "-m", "another"]].concat());
    let run = elsewhere(&project, source.to_str().unwrap(), &[]).exits(3);
    let run = run.says(&["is not what the release was built from", "commit"]);
    assert!(!run.stderr.contains("clone the tag"), "{run:?}");

    elsewhere(&project, "/nowhere", &[]).exits(1);
}

#[test]
fn a_store_that_was_tampered_with_is_refused_before_anything_is_built() {
    let project = committed("rebuild-tampered", BUILD);
    add_rebuilder(&project);
    let archive = fs::read_dir(project.store().join("targets")).unwrap();
    let archive = archive
        .map(|e| e.unwrap().path())
        .find(|p| p.to_string_lossy().ends_with(".tar.gz"));
    let archive = archive.expect("there is an archive");
    for path in [
        archive,
        project.store().join(TAG).join("provenance.intoto.jsonl"),
        project.store().join(TAG).join("release.tlog-proof"),
        project.store().join("log/checkpoint"),
    ] {
        let whole = fs::read(&path).unwrap();
        flip(&path);
        let run = project.relman(&["rebuild", TAG]).exits(3);
        assert!(!run.stderr.contains("clone the tag"), "{run:?}");
        fs::write(&path, whole).unwrap();
    }
    fs::remove_file(project.store().join(TAG).join("provenance.intoto.jsonl")).unwrap();
    project
        .relman(&["rebuild", TAG])
        .exits(3)
        .says(&["is missing"]);
    assert!(!drawer(&project).exists());
}

#[test]
fn what_the_working_tree_says_by_now_does_not_matter() {
    let project = committed("rebuild-tree", BUILD);
    project.configure("mkdir -p out && echo other > out/timed", "");
    project.write("prog.sh", "echo changed and not committed\n");
    let run = project.relman(&["rebuild", TAG]).exits(0);
    run.says(&["came out the same"]);
}

#[test]
fn a_command_of_its_own_that_the_tag_says_nothing_of_cannot_be_followed() {
    let project = Project::published("rebuild-bare");
    let run = project.relman(&["rebuild", TAG]).exits(1);
    run.says(&["its tag has no relman.toml", "commit relman.toml"]);
}

#[test]
fn a_history_without_its_tags_gives_other_notes_and_says_so() {
    let project = committed("rebuild-history", BUILD);
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    let source = clone(&project, "clone");
    let gone = Command::new("git")
        .args(["tag", "-d", TAG])
        .current_dir(&source)
        .output();
    assert!(gone.unwrap().status.success());
    let run = project.relman(&["rebuild", SECOND, "--source", source.to_str().unwrap()]);
    run.exits(1)
        .says(&["RELEASE_NOTES.md: text", "the history", "git fetch --tags"]);
}

#[test]
fn the_day_of_both_builds_in_a_program_is_pointed_out() {
    let project = committed(
        "rebuild-day",
        "mkdir -p out && cp prog.sh out/timed && echo 2026-02-01 >> out/timed",
    );
    let run = project.relman(&["rebuild", TAG]).exits(0);
    run.says(&[
        "came out the same",
        "timed has \"2026-02-01\" in it",
        "on another day",
    ]);
}

#[test]
fn both_archives_are_kept_for_other_tools_if_asked() {
    let build = format!("{BUILD}; if test -e @/more; then echo echo more >> out/timed; fi");
    let project = committed("rebuild-keep", &build);
    fs::write(flag(&project, "more"), "").unwrap();
    let run = project
        .relman(&["rebuild", TAG, "--keep", "--json"])
        .exits(1)
        .json();
    assert_eq!(run["outcome"], "failed");
    let dir = PathBuf::from(run["data"]["kept"].as_str().expect("a directory"));
    let archive = format!("{TAG}.tar.gz");
    let [published, rebuilt] =
        ["published", "rebuilt"].map(|side| fs::read(dir.join(side).join(&archive)).unwrap());
    assert_eq!(
        published,
        fs::read(project.store().join(TAG).join(&archive)).unwrap()
    );
    assert_ne!(published, rebuilt);
    let report = &run["data"]["report"];
    assert_eq!(report["rebuilt"]["length"], rebuilt.len());
    assert_eq!(report["differences"][0]["member"], "timed");
    assert_eq!(report["differences"][0]["findings"][0]["cause"], "text");
    assert_eq!(report["advice"][0]["cause"], "text");
}

#[test]
fn a_yanked_release_can_be_rebuilt() {
    let project = committed("rebuild-yanked", BUILD);
    project
        .relman(&[
            "yank",
            TAG,
            "--level",
            "dangerous",
            "--reason",
            "loses money",
        ])
        .exits(0);
    project
        .relman(&["rebuild", TAG])
        .exits(0)
        .says(&["came out the same"]);
}

#[test]
fn a_malformed_or_unknown_tag_is_told_at_once() {
    let project = committed("rebuild-names", BUILD);
    for name in ["", "../x", "phase1-a-1.0", "phase1-sig\x1b[2Jverify-1.0.0"] {
        let run = project.relman(&["rebuild", "--", name]).exits(2);
        assert!(!run.stderr.contains('\x1b'), "{run:?}");
    }
    let run = project.relman(&["rebuild", SECOND]).exits(3);
    run.says(&["there is no release"]);
}

#[test]
fn a_killed_rebuild_leaves_nothing_and_the_next_one_succeeds() {
    let build = format!("{BUILD}; if test -e @/kill; then kill -9 $PPID; fi");
    let project = committed("rebuild-killed", &build);
    add_rebuilder(&project);
    fs::write(flag(&project, "kill"), "").unwrap();
    let out = project.path("mine.jsonl");
    let arguments = ["rebuild", TAG, "--keep", "--out", "mine.jsonl"];
    let run = Run::of(project.command(&arguments).output().unwrap());
    assert!(run.was_killed(), "{run:?}");
    assert!(!drawer(&project).exists() && !out.exists());
    assert!(!project.path(".relman/rebuilt").exists());
    fs::remove_file(flag(&project, "kill")).unwrap();
    project.relman(&arguments).exits(0);
    assert_eq!(attested(&project, &out).tag, TAG);
    let mode = fs::metadata(&out).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[test]
fn of_two_rebuilds_at_once_the_second_waits_its_turn() {
    let build = format!("{BUILD}; if test -e @/pipe; then echo > @/begun; cat @/pipe; fi");
    let project = committed("rebuild-two", &build);
    let pipe = flag(&project, "pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let mut first = project.command(&["rebuild", TAG]);
    let mut first = first
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let begun = flag(&project, "begun");
    wait_for("the first build", || begun.exists().then_some(()));
    let run = project.relman(&["rebuild", TAG]).exits(1);
    run.says(&["another build of", "is running"]);
    // A cut is not in its way.
    project
        .relman(&["cut", TAG])
        .exits(0)
        .says(&["already cut"]);
    fs::write(&pipe, "").unwrap();
    assert!(first.wait().unwrap().success());
}
