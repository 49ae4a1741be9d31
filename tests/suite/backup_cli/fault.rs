//! Kills, full disks, and two at once.

use std::fs;
use std::process::Command;

use super::node::{Node, names};
use crate::common::relman::{Run, snapshot};
use crate::disk_cli::Disk;

const MAKING: [&str; 6] = [
    "backup-begun",
    "backup-source-done",
    "backup-copied",
    "backup-manifest-written",
    "backup-synced",
    "backup-renamed",
];
/// Those before the exchange, and those after it.
const BEFORE: [&str; 4] = [
    "restore-prepare",
    "restore-carried",
    "restore-staged",
    "restore-swap",
];
const AFTER: [&str; 3] = [
    "restore-exchanged",
    "restore-swapped",
    "restore-configuration",
];

#[test]
#[cfg(debug_assertions)]
fn killed_at_every_step_a_backup_is_whole_or_absent() {
    for point in MAKING {
        let node = Node::new("");
        assert!(node.killed_at(point, &["create"]).was_killed(), "{point}");
        let there = usize::from(point == "backup-renamed");
        assert_eq!(node.listed().len(), there, "{point}");
        node.backup(&["verify"]).exits(0);
        node.create();
        assert_eq!(node.listed().len(), there + 1, "{point}");
        assert_eq!(node.leftovers(), [""; 0], "{point}");
        node.backup(&["verify"]).exits(0);
    }
}

#[test]
#[cfg(debug_assertions)]
fn killed_at_every_step_a_restore_is_finished_or_never_was() {
    for point in BEFORE.iter().chain(&AFTER) {
        let node = Node::new("");
        let id = node.create();
        node.write("data/state.db", "height 20");
        node.write("data/last_signed", "20");
        node.write("etc/timed.conf", "port = 1\n");
        let run = node.killed_at(point, &["restore", &id, "--stopped"]);
        assert!(run.was_killed(), "{point}: {run:#?}");
        let now = node.read("data/state.db");
        assert!(
            ["height 10", "height 20"].contains(&now.as_str()),
            "{point}"
        );
        assert_eq!(node.read("data/last_signed"), "20", "{point}");
        // Any command that takes the lock recovers.
        let run = node.backup(&["create"]).exits(0);
        assert!(
            run.stdout.contains("unfinished restore"),
            "{point}: {run:#?}"
        );
        let (data, port) = match AFTER.contains(point) {
            true => ("height 10", "port = 24100\n"),
            false => ("height 20", "port = 1\n"),
        };
        assert_eq!(node.read("data/state.db"), data, "{point}");
        assert_eq!(node.read("etc/timed.conf"), port, "{point}");
        assert_eq!(node.read("data/last_signed"), "20", "{point}");
        let beside = names(&node.dir);
        assert!(!beside.contains(&".data.relman-restore".into()), "{point}");
        assert!(!node.path("state/backup.json").exists(), "{point}");
        let run = node.backup(&["create"]).exits(0);
        assert!(!run.stdout.contains("unfinished"), "{point}: {run:#?}");
    }
}

#[test]
#[cfg(debug_assertions)]
fn a_removal_that_was_killed_is_no_backup_any_more() {
    let node = Node::new("");
    let (_, second) = (node.create(), node.create());
    let run = node.killed_at("backup-gone", &["prune", "--keep", "1"]);
    assert!(run.was_killed());
    assert_eq!(node.listed(), [second.as_str()]);
    node.backup(&["prune"]).exits(0);
    assert_eq!(node.leftovers(), [""; 0]);
}

#[test]
#[cfg(debug_assertions)]
fn a_snapshot_whose_maker_was_killed_is_removed() {
    for point in [
        "backup-snapshot-noted",
        "backup-snapshot-made",
        "backup-synced",
    ] {
        let node = Node::new("");
        let at = node.path("snap");
        let tables = format!(
            "[backup]\nstrategy = \"snapshot\"\n[backup.snapshot]\n\
             create = [\"cp\", \"-a\", \"data\", \"snap/{{name}}\"]\n\
             delete = [\"rm\", \"-r\", \"snap/{{name}}\"]\npath = \"{}/{{name}}\"\n",
            at.display()
        );
        node.write("node.toml", &(node.read("node.toml") + &tables));
        fs::create_dir(&at).unwrap();
        assert!(node.killed_at(point, &["create"]).was_killed(), "{point}");
        node.create();
        assert_eq!(names(&at).len(), 1, "{point}");
        assert_eq!(node.leftovers(), [""; 0], "{point}");
    }
}

#[test]
fn two_at_once_make_one_backup_each_or_are_told_who_is_at_it() {
    let node = Node::new("");
    let mut children: Vec<_> = (0..4)
        .map(|_| {
            let mut command = node.command(&["create"]);
            command.stdout(std::process::Stdio::piped());
            command.stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let runs: Vec<Run> = children
        .drain(..)
        .map(|child| Run::of(child.wait_with_output().unwrap()))
        .collect();
    let made = runs.iter().filter(|run| run.code == Some(0)).count();
    assert!(made >= 1);
    for run in runs.into_iter().filter(|run| run.code != Some(0)) {
        run.exits(1).says(&["lock"]);
    }
    assert_eq!(node.listed().len(), made);
    node.backup(&["verify"]).exits(0);
}

#[test]
#[ignore = "takes a minute"]
fn fifty_thousand_small_files_are_backed_up_and_found_whole() {
    let node = Node::new("");
    for dir in 0..50 {
        let dir = node.path(&format!("data/d{dir}"));
        fs::create_dir(&dir).unwrap();
        for file in 0..1000 {
            fs::write(dir.join(format!("{file}")), format!("{file}")).unwrap();
        }
    }
    let id = node.create();
    node.backup(&["verify"]).exits(0).says(&["50006 file(s)"]);
    fs::remove_dir_all(node.path("data/d7")).unwrap();
    node.restore(&id).exits(0);
    assert_eq!(names(&node.path("data/d7")).len(), 1000);
}

#[test]
fn a_disk_without_room_is_told_before_anything_is_written() {
    let node = Node::new("[backup]\nmin_free_mib = 1000000000\n");
    let before = snapshot(&node.path("data"));
    let run = node.backup(&["create"]).exits(1);
    run.says(&["are free", "backup.min_free_mib"]);
    assert_eq!(node.listed(), [""; 0]);
    assert_eq!(snapshot(&node.path("data")), before);
}

#[test]
#[ignore = "needs root: mounts a small tmpfs"]
fn wherever_the_disk_is_full_there_is_no_half_of_a_backup() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::mount(dir.path(), 4096);
    let node = Node::at(dir.path(), "[backup]\nmin_free_mib = 0\n");
    let mut failures = 0;
    for kib in (0..).step_by(4) {
        disk.fill_but(kib);
        let run = node.backup(&["create"]);
        disk.make_room();
        if run.code == Some(0) {
            break;
        }
        failures += 1;
        assert_eq!(run.code, Some(1), "{kib} KiB: {run:#?}");
        assert_eq!(node.listed(), [""; 0], "{kib} KiB");
        assert_eq!(node.leftovers(), [""; 0], "{kib} KiB");
    }
    assert!(failures > 1, "only {failures} failed");
    node.backup(&["verify"]).exits(0);
}

#[test]
#[ignore = "needs root and mkfs.xfs: mounts a filesystem that shares blocks"]
fn a_backup_by_reflink_of_a_big_file_takes_no_space() {
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let (image, at) = (dir.path().join("image"), dir.path().join("at"));
    fs::create_dir(&at).unwrap();
    fs::File::create(&image).unwrap().set_len(1 << 30).unwrap();
    let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
        let done = Command::new(program).args(arguments).output().unwrap();
        assert!(done.status.success(), "{program}: {done:?}");
    };
    let words = ["-q", "-m", "reflink=1"].map(std::ffi::OsStr::new);
    run("mkfs.xfs", &[&words[..], &[image.as_os_str()]].concat());
    run(
        "mount",
        &[
            "-o".as_ref(),
            "loop".as_ref(),
            image.as_os_str(),
            at.as_os_str(),
        ],
    );
    let checked = std::panic::catch_unwind(|| {
        let node = Node::at(&at, "[backup]\nstrategy = \"reflink\"\nmin_free_mib = 0\n");
        let big = vec![7u8; 256 << 20];
        fs::write(node.path("data/big.db"), &big).unwrap();
        let free = || {
            let stat = rustix::fs::statvfs(&at).unwrap();
            stat.f_bavail * stat.f_frsize
        };
        rustix::fs::sync();
        let before = free();
        let id = node.create();
        rustix::fs::sync();
        let taken = before.saturating_sub(free());
        assert!(taken < 16 << 20, "{taken} bytes were taken");
        node.write("data/big.db", "overwritten");
        node.restore(&id).exits(0);
        assert!(fs::read(node.path("data/big.db")).unwrap() == big);
        node.backup(&["verify"]).exits(0);
    });
    run("umount", &[at.as_os_str()]);
    checked.unwrap();
}
