//! An install or a rollback that is killed, or gets an error, at any one of its system calls that change
//! something: after recovery one whole verified release is in place and runs.
//!
//! CI takes a sample; every call: RELMAN_TEST_ALL_FAULTS=1 cargo test --test suite -- --ignored node_fault_cli

use std::fs;
use std::process::{Command, Stdio};

use crate::common::power::PoweredDisk;
use crate::common::relman::{Project, Run, SECOND, TAG, copy_tree};
use crate::common::strace::{Call, Fault, calls, everywhere, faulty, until_it_comes};
use crate::node_cli::{BUILD, Node};

/// One in this many calls is taken where not all are.
const SAMPLE: usize = 12;
/// The same where each of them takes a filesystem of its own.
const POWER_SAMPLE: usize = 40;
/// Ends as soon as it is started.
const BAD: &str = "phase2-finality-fork-1.0.1";

/// What is done to a node.
#[derive(Clone, Copy)]
struct Story {
    name: &'static str,
    /// What is current before; none where a file put there by hand is found.
    before: &'static [&'static str],
    act: &'static [&'static str],
    /// How an undisturbed run ends.
    code: i32,
    /// What may run afterwards.
    allowed: &'static [&'static str],
    /// What runs after an undisturbed run.
    ends: &'static str,
    /// Whether the daemon has data, which belong to the release that wrote them.
    data: bool,
}

const STORIES: [Story; 6] = [
    Story {
        name: "first-install",
        before: &[],
        act: &["install", TAG],
        code: 0,
        allowed: &[TAG],
        ends: TAG,
        data: false,
    },
    Story {
        name: "upgrade",
        before: &[TAG],
        act: &["install", SECOND],
        code: 0,
        allowed: &[TAG, SECOND],
        ends: SECOND,
        data: false,
    },
    Story {
        name: "failing-upgrade",
        before: &[TAG],
        act: &["install", BAD],
        code: 1,
        allowed: &[TAG],
        ends: TAG,
        data: false,
    },
    Story {
        name: "rollback",
        before: &[TAG, SECOND],
        act: &["rollback"],
        code: 0,
        allowed: &[TAG, SECOND],
        ends: TAG,
        data: false,
    },
    Story {
        name: "upgrade-with-a-backup",
        before: &[TAG],
        act: &["install", SECOND],
        code: 0,
        allowed: &[TAG, SECOND],
        ends: SECOND,
        data: true,
    },
    Story {
        name: "rollback-with-data",
        before: &[TAG],
        act: &["rollback", "--with-data"],
        code: 0,
        allowed: &[TAG, SECOND],
        ends: TAG,
        data: true,
    },
];

fn by_hand() -> Vec<u8> {
    let mut bytes = fs::read("/bin/sleep").expect("sleep");
    bytes.extend_from_slice(b"by hand");
    bytes
}

/// A node as it is before the story, its daemon stopped, so that it can be copied.
fn prepared(story: &Story, fault: impl std::fmt::Debug) -> Node {
    let build = format!("{BUILD}; grep -q bad prog.sh && cp /bin/false out/timed; true");
    let project = Project::uninitialised(
        &format!("{}-{fault:?}", story.name)
            .to_lowercase()
            .replace('"', ""),
    );
    project.configure(&build, "");
    project.relman(&["init", "--yes"]).exits(0);
    project.relman(&["cut", TAG]).exits(0);
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    project.write("prog.sh", "bad\n");
    project.commit_and_tag("fix: make it worse", BAD);
    project.relman(&["cut", BAD]).exits(0);
    let node = Node::beside(project);
    if story.before.is_empty() {
        fs::write(node.path("bin/timed"), by_hand()).expect("a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(node.path("bin/timed"), mode).expect("a mode");
    }
    if story.code == 1 {
        // A look may come before the end of a program that ends at once.
        let path = node.path("node.toml");
        let text = fs::read_to_string(&path).expect("a configuration");
        let text = text.replace("stable_seconds = 0", "stable_seconds = 1");
        fs::write(path, text).expect("a configuration");
    }
    if story.data {
        let path = node.path("node.toml");
        let text = fs::read_to_string(&path).expect("a configuration");
        let data =
            "[data]\ndir = \"data\"\nprotect = [\"last_signed\"]\n[backup]\nmin_free_mib = 1\n";
        fs::write(path, text + data).expect("a configuration");
        write_data(&node, "1");
    }
    for tag in story.before {
        node.run(&format!("install {tag}")).exits(0);
    }
    node.end_daemon();
    node
}

/// What the daemon has written when it is at `height`.
fn write_data(node: &Node, height: &str) {
    fs::create_dir_all(node.path("data/blocks")).expect("a directory");
    for (name, text) in [
        ("height", height),
        ("last_signed", height),
        ("blocks/1", "block"),
    ] {
        fs::write(node.path("data").join(name), text).expect("a file");
    }
}

/// Data and binary go together, and what was signed is never forgotten.
fn data_belong(node: &Node, story: &Story, running: Option<&[u8]>, what: &str) {
    if !story.data {
        return;
    }
    let read = |name: &str| fs::read_to_string(node.path("data").join(name)).unwrap_or_default();
    let back = story.act[0] == "rollback";
    let wanted = match back && running == node.released(SECOND).as_deref() {
        true => "2",
        false => "1",
    };
    assert_eq!(read("height"), wanted, "{what}: the data");
    assert_eq!(
        read("last_signed"),
        if back { "2" } else { "1" },
        "{what}: what was signed"
    );
    assert_eq!(read("blocks/1"), "block", "{what}");
    assert!(
        !node.path(".data.relman-restore").exists(),
        "{what}: left over"
    );
    node.run("backup verify").exits(0);
}

/// A copy with a running daemon.
fn copy(prepared: &Node, story: &Story) -> Node {
    let node = start(Node {
        project: prepared.project.copy(),
    });
    then(&node, story);
    node
}

/// What a copy cannot have from its original: backups know whose they are.
fn then(node: &Node, story: &Story) {
    if story.data && story.act[0] == "rollback" {
        node.run(&format!("install {SECOND}")).exits(0);
        write_data(node, "2");
    }
}

/// A copy whose node is on a disk of its own, with a running daemon.
fn copy_on_disk(prepared: &Node, story: &Story, kind: &str) -> (PoweredDisk, Node) {
    let project = prepared.project.copy();
    let (node, moved) = (project.beside("node"), project.beside("moved"));
    fs::rename(&node, &moved).expect("it can be moved");
    fs::create_dir(&node).expect("a directory");
    let disk = PoweredDisk::mount(kind, &node);
    copy_tree(&moved.join("."), &node);
    let node = start(Node { project });
    then(&node, story);
    disk.sync();
    (disk, node)
}

fn start(node: Node) -> Node {
    // The link has an absolute path, which is that of the original.
    let path = node.path("bin/timed");
    if fs::symlink_metadata(&path).is_ok_and(|m| m.is_symlink()) {
        let state = node.path("state").canonicalize().expect("a state");
        fs::remove_file(&path).expect("it can go");
        std::os::unix::fs::symlink(state.join("current/timed"), path).expect("a link");
    }
    start_daemon(&node);
    node
}

/// What the host does when it is up: the unit is enabled.
fn start_daemon(node: &Node) {
    let daemon = Command::new("setsid")
        .arg("--fork")
        .arg("sh")
        .arg("-c")
        .arg("mkdir -p state; echo $$ > state/service.pid; exec bin/timed 600")
        .current_dir(node.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(daemon.expect("a daemon").success());
    crate::common::wait_for("the daemon", || {
        let pid = fs::read_to_string(node.path("state/service.pid")).ok()?;
        let exe = fs::read_link(format!("/proc/{}/exe", pid.trim())).ok()?;
        exe.starts_with(node.project.beside("").canonicalize().ok()?)
            .then_some(())
    });
}

fn arguments(node: &Node, story: &Story) -> Vec<String> {
    let config = node.path("node.toml").to_string_lossy().into_owned();
    let act = story.act.iter().map(|word| word.to_string());
    act.chain(["--config".to_owned(), config]).collect()
}

/// The calls of the story on a node, undisturbed.
fn calls_of(node: &Node, story: &Story) -> Vec<Call> {
    let words = arguments(node, story);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    calls(&node.project, &words, story.code)
}

fn disturbed(node: &Node, story: &Story, call: &Call, fault: Fault) -> Option<Run> {
    let words = arguments(node, story);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    faulty(&node.project, &words, call, fault)
}

fn is_whole(node: &Node, story: &Story, what: &str) {
    let found = node.installed();
    let mut allowed: Vec<Vec<u8>> = story
        .allowed
        .iter()
        .chain(story.act.get(1))
        .filter_map(|tag| node.released(tag))
        .collect();
    allowed.push(by_hand());
    assert!(
        found.is_some_and(|found| allowed.contains(&found)),
        "{what}: at the path"
    );
}

fn recovers(node: &Node, story: &Story, run: &Run, what: &str) {
    is_whole(node, story, what);
    let recover = node.run("recover");
    assert_eq!(recover.code, Some(0), "{what}: {recover:#?}");
    node.run("recover")
        .exits(0)
        .says(&["nothing was unfinished"]);
    is_whole(node, story, what);
    let running = node.running();
    let mut allowed: Vec<_> = story.allowed.iter().map(|tag| node.released(tag)).collect();
    if story.before.is_empty() {
        allowed.push(Some(by_hand()));
    }
    assert!(
        allowed.contains(&running),
        "{what}: what runs; {run:#?}; {recover:#?}"
    );
    assert_eq!(running, node.installed(), "{what}");
    data_belong(node, story, running.as_deref(), what);
    if run.code == Some(0) && story.code == 0 {
        assert_eq!(
            running,
            node.released(story.ends),
            "{what}: told, and undone"
        );
    }
    let status = node.run("status --json");
    let problems = status.json()["data"]["problems"].clone();
    let problems: Vec<String> = serde_json::from_value(problems).expect("a list");
    // A refresh that was cut off says so until the next.
    let left = problems
        .iter()
        .filter(|p| !p.contains("the next refresh stores it anew"));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0], "{what}: {run:#?}");
    let staged = fs::read_dir(node.path("state/staging")).expect("staging");
    assert_eq!(staged.count(), 0, "{what}: staging");
    // The node is not stuck.
    node.run(&format!("install {SECOND}")).exits(0);
    node.run("status").exits(0);
}

fn at_each(fault: Fault, check: &(dyn Fn(&Call, &Run) + Sync)) {
    for story in &STORIES {
        let prepared = prepared(story, fault);
        let node = copy(&prepared, story);
        let all = calls_of(&node, story);
        assert!(all.len() > 30, "{}: only {} calls", story.name, all.len());
        println!("{}: {} calls", story.name, all.len());
        everywhere(&all, fault, SAMPLE, &|call| {
            let (node, run) = until_it_comes(call, || {
                let node = copy(&prepared, story);
                let run = disturbed(&node, story, call, fault)?;
                Some((node, run))
            });
            check(call, &run);
            recovers(
                &node,
                story,
                &run,
                &format!("{}, {fault:?} at {call:?}", story.name),
            );
        });
    }
}

#[test]
#[ignore = "needs strace"]
fn killed_at_every_call_that_changes_something_a_node_runs_one_whole_release() {
    at_each(Fault::Kill, &|call, run| {
        assert!(run.was_killed(), "{call:?}: {run:#?}");
    });
}

/// The power goes at each of the calls: what was not synced by then is gone.
fn at_each_power_cut(kind: &str) {
    for story in &STORIES {
        let prepared = prepared(story, kind);
        let (disk, node) = copy_on_disk(&prepared, story, kind);
        let all = calls_of(&node, story);
        println!("{} on {kind}: {} calls", story.name, all.len());
        drop((node, disk));
        everywhere(&all, Fault::Kill, POWER_SAMPLE, &|call| {
            let what = format!("{} on {kind}, power cut at {call:?}", story.name);
            let (disk, node, run) = until_it_comes(call, || {
                let (disk, node) = copy_on_disk(&prepared, story, kind);
                let run = disturbed(&node, story, call, Fault::Kill)?;
                Some((disk, node, run))
            });
            disk.cut();
            disk.power_on(|| node.end_daemons());
            // As the units have it: recovery, then the daemon.
            node.run("recover --boot").exits(0);
            if node.running().is_none() {
                start_daemon(&node);
            }
            recovers(&node, story, &run, &what);
            node.end_daemons();
            drop(node);
            drop(disk);
        });
    }
}

#[test]
#[ignore = "needs root, xfsprogs and strace"]
fn a_power_cut_on_xfs_at_every_call_leaves_one_whole_release() {
    at_each_power_cut("xfs");
}

#[test]
#[ignore = "needs root, xfsprogs and strace"]
fn a_power_cut_on_ext4_at_every_call_leaves_one_whole_release() {
    at_each_power_cut("ext4");
}

fn is_told(call: &Call, run: &Run) {
    assert!(run.signal.is_none(), "{call:?}: {run:#?}");
    assert!([Some(0), Some(1)].contains(&run.code), "{call:?}: {run:#?}");
    if run.code == Some(1) && !call.is_talk() {
        assert!(run.stderr.contains("error: "), "{call:?}: {run:#?}");
    }
}

#[test]
#[ignore = "needs strace"]
fn a_full_disk_at_every_call_that_changes_something_leaves_a_whole_release() {
    at_each(Fault::Enospc, &is_told);
}

#[test]
#[ignore = "needs strace"]
fn a_broken_disk_at_every_call_that_changes_something_leaves_a_whole_release() {
    at_each(Fault::Eio, &is_told);
}
