//! What others may have planted, changed or broken.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use super::node::{Node, names};
use crate::common::relman::{Run, flip, truncate};

#[test]
fn links_planted_in_the_data_are_kept_as_links_and_lead_nowhere() {
    let node = Node::new("");
    fs::create_dir(node.path("outside")).unwrap();
    node.write("outside/secret", "secret");
    symlink(node.path("outside"), node.path("data/dir")).unwrap();
    symlink(node.path("outside/secret"), node.path("data/file")).unwrap();
    let id = node.create();
    assert!(node.in_backup(&id, "data/dir").is_symlink());
    assert!(node.in_backup(&id, "data/file").is_symlink());
    // A directory of the backup becomes a link out.
    fs::remove_dir_all(node.path("data/blocks")).unwrap();
    symlink(node.path("outside"), node.path("data/blocks")).unwrap();
    node.restore(&id).exits(0);
    assert_eq!(names(&node.path("outside")), ["secret"]);
    assert!(node.path("data/blocks/1.dat").is_file());
}

#[test]
fn links_planted_among_the_backups_are_not_followed() {
    let node = Node::new("");
    let id = node.create();
    fs::create_dir(node.path("outside")).unwrap();
    node.write("outside/1.dat", "other bytes");
    fs::remove_dir_all(node.in_backup(&id, "data/blocks")).unwrap();
    symlink(node.path("outside"), node.in_backup(&id, "data/blocks")).unwrap();
    node.backup(&["verify"]).exits(1).says(&["blocks"]);
    assert_ne!(node.restore(&id).code, Some(0));
    assert_eq!(node.read("data/state.db"), "height 10");
    symlink(node.path("outside"), node.path("state/backups/.partial-9")).unwrap();
    symlink(node.path("outside"), node.path(".data.relman-restore")).unwrap();
    let second = node.create();
    node.restore(&second).exits(0);
    assert_eq!(names(&node.path("outside")), ["1.dat"]);
    assert_eq!(node.leftovers(), [""; 0]);
}

/// Something that is done to a file.
type Change<'a> = &'a dyn Fn(&std::path::Path);

#[test]
fn whatever_is_changed_in_a_backup_is_found_and_not_restored() {
    let node = Node::new("");
    let made = node.create();
    let pristine = node.in_backup(&made, "");
    let changes: [(&str, Change); 7] = [
        ("data/state.db", &|p| flip(p)),
        ("data/blocks/1.dat", &|p| truncate(p)),
        ("entries.jsonl", &|p| flip(p)),
        ("entries.jsonl", &|p| truncate(p)),
        ("manifest.json", &|p| flip(p)),
        ("data/state.db", &|p| fs::remove_file(p).unwrap()),
        ("data/empty", &|p| {
            fs::remove_dir(p).unwrap();
            fs::write(p, "a file").unwrap();
        }),
    ];
    for (path, change) in changes {
        let kept = node.path("kept");
        let copied = Command::new("cp")
            .arg("-a")
            .arg(&pristine)
            .arg(&kept)
            .status();
        assert!(copied.unwrap().success());
        change(&pristine.join(path));
        let run = node.backup(&["verify"]).exits(1);
        assert!(run.stdout.contains("problem: "), "{path}: {run:#?}");
        node.write("data/state.db", "height 20");
        let run = node.restore(&made);
        assert!([Some(1), Some(3)].contains(&run.code), "{path}: {run:#?}");
        assert_eq!(node.read("data/state.db"), "height 20", "{path}");
        assert!(!node.path(".data.relman-restore").exists(), "{path}");
        fs::remove_dir_all(&pristine).unwrap();
        fs::rename(&kept, &pristine).unwrap();
    }
    fs::write(pristine.join("data/more"), "more").unwrap();
    node.backup(&["verify"])
        .exits(1)
        .says(&["data/more", "not in the backup's list"]);
}

#[test]
fn every_problem_of_a_backup_is_said() {
    let node = Node::new("");
    let id = node.create();
    flip(&node.in_backup(&id, "data/state.db"));
    flip(&node.in_backup(&id, "data/blocks/1.dat"));
    fs::remove_file(node.in_backup(&id, "binary-timed")).unwrap();
    node.backup(&["verify"]).exits(1).says(&[
        "state.db",
        "blocks/1.dat",
        "bin/timed: missing",
        "3 problem(s)",
    ]);
}

#[test]
fn a_hostile_umask_changes_nothing() {
    let node = Node::new("");
    for (number, umask) in ["000", "777"].iter().enumerate() {
        let relman = node.command(&["create"]);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"])
            .arg(relman.get_program())
            .args(relman.get_args())
            .current_dir(&node.dir)
            .envs(relman.get_envs().filter_map(|(k, v)| Some((k, v?))));
        Run::of(shell.output().unwrap()).exits(0);
        let id = node.listed().remove(number);
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(node.path("state/backups")), 0o700);
        assert_eq!(mode(node.in_backup(&id, "")), 0o700);
        assert_eq!(mode(node.in_backup(&id, "data/state.db")), 0o640);
        assert_eq!(mode(node.in_backup(&id, "manifest.json")), 0o600);
    }
}

#[test]
fn a_directory_of_backups_that_others_may_write_to_is_refused() {
    let node = Node::new("");
    node.create();
    let wide = fs::Permissions::from_mode(0o777);
    fs::set_permissions(node.path("state/backups"), wide).unwrap();
    node.backup(&["create"])
        .exits(3)
        .says(&["others could write"]);
}

#[test]
fn a_device_or_a_mistyped_path_is_no_backup() {
    let node = Node::new("");
    fs::remove_dir_all(node.path("data")).unwrap();
    node.write("data", "a file");
    node.backup(&["create"])
        .exits(1)
        .says(&["wanted a directory"]);
    fs::remove_file(node.path("data")).unwrap();
    symlink("/", node.path("data")).unwrap();
    node.backup(&["create"])
        .exits(1)
        .says(&["wanted a directory"]);
    assert_eq!(node.listed(), [""; 0]);
}

#[test]
fn files_that_change_while_they_are_copied_are_told() {
    let node = Node::new("");
    let stop = std::sync::atomic::AtomicBool::new(false);
    // Enough of them that one changes between two looks at it.
    for n in 0..200 {
        node.write(&format!("data/f{n:03}"), "steady");
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0u64;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                node.write("data/state.db", &"x".repeat((n % 7) as usize));
                node.write("data/.new", "new");
                let _ = fs::rename(node.path("data/.new"), node.path("data/f100"));
                n += 1;
            }
        });
        let cold = node.backup(&["create"]);
        let hot = node.backup(&["create", "--hot"]);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(cold.code, Some(1), "{cold:#?}");
        cold.says(&["while it was backed up"]);
        hot.exits(0);
    });
    assert_eq!(node.listed().len(), 1);
    node.backup(&["verify"]).exits(0);
    assert_eq!(node.leftovers(), [""; 0]);
}
