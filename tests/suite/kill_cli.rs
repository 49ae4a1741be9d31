//! `kill -9`, Ctrl-C and a second `cut` at every stage: readers see the old or the new release, and cutting again finishes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::common::relman::{BUILD, Project, Run, SECOND, TAG, bundled, files};
use crate::common::wait_for;

/// The log's entries, as the newest bundle has them.
fn entries(store: &Path) -> Vec<Vec<u8>> {
    let checkpoint = fs::read_to_string(store.join("log/checkpoint")).unwrap();
    let size = checkpoint.lines().nth(1).unwrap();
    let bundle = fs::read(store.join("log/tile/entries/000.p").join(size)).unwrap();
    let out = bundled(&bundle);
    assert_eq!(out.len().to_string(), size, "entries in the bundle");
    out
}

/// What readers see is one whole state, and the next cut finishes it.
#[track_caller]
fn recovers(project: &Project, point: &str, wanted_entries: usize) {
    let listed = project.listed();
    project.is_verified(TAG);
    if listed.len() == 2 {
        project.is_verified(SECOND);
    } else {
        assert_eq!(listed, [TAG], "{point}");
        let run = project.relman(&["verify", SECOND]).exits(3);
        run.says(&["there is no release"]);
    }
    project.relman(&["cut", SECOND]).exits(0);
    finished(project, point, wanted_entries);
}

#[track_caller]
fn finished(project: &Project, point: &str, wanted_entries: usize) {
    assert_eq!(project.listed(), [TAG, SECOND], "{point}");
    project.is_verified(TAG);
    project.is_verified(SECOND);
    project.is_sound();
    let entries = entries(&project.store());
    let distinct: BTreeSet<_> = entries.iter().collect();
    assert_eq!(
        distinct.len(),
        entries.len(),
        "{point}: an entry is there twice"
    );
    assert_eq!(entries.len(), wanted_entries, "{point}: entries of the log");
    let left = files(&project.store());
    let left: Vec<_> = left
        .iter()
        .filter(|n| n.starts_with(".relman-stage"))
        .collect();
    assert!(left.is_empty(), "{point} left {left:?}");
    let drafts = files(&project.path(".relman/drafts"));
    assert_eq!(drafts, [""; 0], "{point}: drafts");
    // Nothing is left to be done.
    let run = project.relman(&["cut", SECOND]).exits(0);
    let run = run.says(&["already cut"]);
    assert!(!run.stderr.contains("finished a publication"), "{run:?}");
}

/// A project with one release and the tag of another, and the entries that its log will have.
fn prepared(name: &str) -> (Project, usize) {
    let project = Project::published(name);
    project.second();
    let undisturbed = project.copy();
    undisturbed.relman(&["cut", SECOND]).exits(0);
    let wanted = entries(&undisturbed.store()).len();
    (project, wanted)
}

#[test]
fn killed_while_the_draft_is_made() {
    let (prepared, wanted) = prepared("kill-draft");
    for point in ["draft.filled", "draft.committed"] {
        let project = prepared.copy();
        let run = project.killed_at(point, &["cut", SECOND]);
        assert!(run.was_killed(), "{point}: {run:?}");
        recovers(&project, point, wanted);
    }
}

#[test]
fn killed_at_every_step_of_publishing() {
    let (prepared, wanted) = prepared("kill-publish");
    // The build is over, so that each round is about publishing alone.
    prepared.relman(&["cut", "--draft", SECOND]).exits(0);
    let mut points = vec!["stage.written".to_owned(), "publish.done".to_owned()];
    for group in ["stage", "publish"] {
        let mut n = 0;
        loop {
            let point = format!("{group}.{n}");
            let project = prepared.copy();
            let run = project.killed_at(&point, &["publish", SECOND]);
            if !run.was_killed() {
                run.exits(0);
                break;
            }
            recovers(&project, &point, wanted);
            n += 1;
        }
        // Files, log, proofs, metadata, heads: fewer would mean that the points were not reached.
        assert!(n > 10, "{group} has {n} points");
        points.push(format!("{group}.{}", n - 1));
    }
    for point in &points {
        let project = prepared.copy();
        let run = project.killed_at(point, &["cut", SECOND]);
        assert!(run.was_killed(), "{point}: {run:?}");
        recovers(&project, point, wanted);
    }
    // And killed again while finishing what the first kill left.
    let project = prepared.copy();
    for point in [
        "stage.written",
        "publish.0",
        "publish.5",
        "publish.9",
        "publish.done",
    ] {
        let run = project.killed_at(point, &["cut", SECOND]);
        assert!(run.was_killed(), "{point}: {run:?}");
        project.is_verified(TAG);
    }
    recovers(&project, "five kills", wanted);
}

#[test]
fn killed_while_the_freshness_is_signed() {
    let project = Project::published("kill-timestamp");
    for point in ["stage.0", "stage.written", "publish.0", "publish.done"] {
        let run = project.killed_at(point, &["timestamp"]);
        assert!(run.was_killed(), "{point}: {run:?}");
        project.is_verified(TAG);
        project.relman(&["timestamp"]).exits(0);
        project.is_verified(TAG);
    }
}

#[test]
fn killed_publishing_one_release_the_cut_of_another_finishes_both() {
    let (project, wanted) = prepared("kill-other");
    let third = "phase2-finality-fork-1.0.1";
    project.write("prog.sh", "echo release three\n");
    project.commit_and_tag("fix: more", third);
    let run = project.killed_at("publish.3", &["cut", SECOND]);
    assert!(run.was_killed(), "{run:?}");
    let run = project.relman(&["cut", third]).exits(0);
    run.says(&["finished a publication that an earlier run had begun"]);
    assert_eq!(project.listed(), [TAG, SECOND, third]);
    for tag in [TAG, SECOND, third] {
        project.is_verified(tag);
    }
    assert_eq!(entries(&project.store()).len(), wanted + 2);
    let document = project.relman(&["list", "--json"]).exits(0).json();
    assert_eq!(document["data"]["drafts"], serde_json::json!([]));
}

/// A build that says that it has begun, and then waits for one line from a pipe.
struct Held {
    begun: PathBuf,
    pipe: PathBuf,
}

impl Held {
    fn new(project: &Project) -> Held {
        let (begun, pipe) = (project.beside("begun"), project.beside("pipe"));
        let made = Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo runs").success());
        let (b, p) = (begun.display(), pipe.display());
        project.configure(&format!("echo > {b}; read line < {p}; {BUILD}"), "");
        Held { begun, pipe }
    }

    /// Starts a cut in a process group of its own and waits until it builds.
    fn cut(&self, project: &Project) -> Child {
        let _ = fs::remove_file(&self.begun);
        let mut command = project.interruptible(&["cut", SECOND]);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn().expect("relman starts");
        wait_for("the build", || {
            let ended = child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "the cut ended before it built: {ended:?}");
            self.begun.exists().then_some(())
        });
        child
    }

    /// Lets whoever waits go on. Open for both, so that it never waits for a reader itself.
    fn release(&self) -> File {
        let mut pipe = File::options().read(true).write(true).open(&self.pipe);
        let pipe_ref = pipe.as_mut().expect("the pipe opens");
        writeln!(pipe_ref, "go on").expect("the pipe takes a line");
        pipe.expect("it is open")
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

#[test]
fn ctrl_c_during_the_build_leaves_no_lock_and_no_half_draft() {
    let (project, wanted) = prepared("kill-ctrl-c");
    let held = Held::new(&project);
    let child = held.cut(&project);
    kill_process_group(pid(&child), Signal::INT).expect("the group is there");
    let run = Run::of(child.wait_with_output().unwrap());
    assert!(run.signal == Some(2) || run.code == Some(130), "{run:?}");
    let drafts = project.path(".relman/drafts");
    assert!(!drafts.exists() || files(&drafts).is_empty());
    project.configure(BUILD, "");
    recovers(&project, "Ctrl-C", wanted);
}

#[test]
fn killed_during_the_build_the_next_cut_does_not_wait_for_the_orphan() {
    let (project, wanted) = prepared("kill-orphan");
    let held = Held::new(&project);
    let child = held.cut(&project);
    kill_process(pid(&child), Signal::KILL).expect("it is there");
    let group = pid(&child);
    // The orphan holds the pipes open, so only the exit is waited for.
    let mut child = child;
    child.wait().unwrap();
    project.configure(BUILD, "");
    recovers(&project, "kill -9 in the build", wanted);
    let _ = kill_process_group(group, Signal::KILL);
}

#[test]
fn a_second_cut_says_who_holds_the_lock() {
    let (project, wanted) = prepared("kill-two");
    let held = Held::new(&project);
    let first = held.cut(&project);
    let holder = format!("process {}, relman cut, since", first.id());
    for arguments in [
        &["cut", SECOND][..],
        &["cut", TAG],
        &["publish", TAG],
        &["timestamp"],
    ] {
        let run = project.relman(arguments).exits(1);
        run.says(&[
            "another relman is at work here",
            &holder,
            "wait for it to end",
        ]);
    }
    let document = project.relman(&["cut", SECOND, "--json"]).exits(1).json();
    let message = document["error"]["message"].as_str().unwrap();
    assert!(message.contains(&holder), "{message}");
    // Readers need no lock.
    assert_eq!(project.listed(), [TAG]);
    project.is_verified(TAG);

    let pipe = held.release();
    Run::of(first.wait_with_output().unwrap()).exits(0);
    drop(pipe);
    project.configure(BUILD, "");
    finished(&project, "two cuts", wanted);
}
