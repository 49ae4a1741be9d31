//! Backups of a node by the real `relman`: made, verified, restored; and everything in their way.

mod attack;
mod calls;
mod exchange;
mod fault;
mod node;

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use crate::common::relman::snapshot;
use node::{Node, names};

#[test]
fn a_backup_is_made_listed_verified_and_restored() {
    let node = Node::new("");
    let id = node.create();
    assert_eq!(node.listed(), [id.as_str()]);
    node.backup(&["verify"]).exits(0).says(&["is whole", &id]);
    node.write("data/state.db", "height 20, damaged");
    fs::remove_file(node.path("data/blocks/1.dat")).unwrap();
    node.write("etc/timed.conf", "port = 1\n");
    node.restore(&id).exits(0).says(&["is restored"]);
    assert_eq!(node.read("data/state.db"), "height 10");
    assert_eq!(node.read("etc/timed.conf"), "port = 24100\n");
    let mode = fs::metadata(node.path("data/state.db")).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o640);
    assert!(node.path("data/empty").is_dir());
    let before = node.path(&format!("data.before-{id}"));
    assert_eq!(
        fs::read_to_string(before.join("state.db")).unwrap(),
        "height 20, damaged"
    );
    assert!(!node.path("state/backup.json").exists());
    node.backup(&["verify", "1"]).exits(0);
}

#[test]
fn signing_state_never_goes_back() {
    let node = Node::new("");
    let id = node.create();
    node.write("data/last_signed", "20");
    node.write("data/keys/second.key", "a newer key");
    node.write("data/state.db", "height 20");
    let run = node.restore(&id).exits(0);
    let run = run.says(&[
        "keep the present",
        "last_signed (the backup has another one)",
    ]);
    assert!(run.stdout.contains("keys/second.key"), "{run:#?}");
    assert_eq!(node.read("data/last_signed"), "20");
    assert_eq!(node.read("data/keys/second.key"), "a newer key");
    assert_eq!(node.read("data/state.db"), "height 10");
}

#[test]
fn protected_paths_that_are_gone_do_not_come_back_from_a_backup() {
    let node = Node::new("");
    let id = node.create();
    fs::remove_file(node.path("data/last_signed")).unwrap();
    node.restore(&id)
        .exits(0)
        .says(&["leave out", "last_signed"]);
    assert!(!node.path("data/last_signed").exists());
    fs::remove_dir_all(node.path("data")).unwrap();
    node.restore(&id).exits(0).says(&["where nothing is now"]);
    assert_eq!(node.read("data/state.db"), "height 10");
    assert!(!node.path("data/keys").exists());
}

#[test]
fn a_restore_that_could_not_keep_what_is_protected_is_refused_with_the_reason() {
    let node = Node::new("");
    fs::remove_dir_all(node.path("data/keys")).unwrap();
    let toml = node
        .read("node.toml")
        .replace("\"keys/\"", "\"wallet/keys/\"");
    node.write("node.toml", &toml);
    node.write("data/wallet", "a file in the backup");
    let id = node.create();
    fs::remove_file(node.path("data/wallet")).unwrap();
    fs::create_dir_all(node.path("data/wallet/keys")).unwrap();
    node.write("data/wallet/keys/a", "a key");
    let before = snapshot(&node.path("data"));
    node.restore(&id)
        .exits(3)
        .says(&["could not be kept", "wallet", "sign twice"]);
    assert_eq!(snapshot(&node.path("data")), before);
}

#[test]
fn what_cannot_be_carried_over_is_refused() {
    let node = Node::new("");
    let id = node.create();
    let fifo = node.path("data/keys/fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    node.restore(&id)
        .exits(3)
        .says(&["keys/fifo", "cannot be kept"]);
    assert_eq!(
        names(&node.dir),
        ["bin", "data", "etc", "node.toml", "state"]
    );
}

#[test]
fn names_modes_links_holes_and_times_come_back_as_they_were() {
    let node = Node::new("");
    let data = node.path("data");
    let odd = std::ffi::OsStr::from_bytes(b"new\nline \xff%41");
    fs::write(data.join(odd), "odd").unwrap();
    symlink("/nowhere/\u{e9}", data.join("dangling")).unwrap();
    fs::hard_link(data.join("state.db"), data.join("twin.db")).unwrap();
    let holes = File::create(data.join("holes")).unwrap();
    holes.set_len(64 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&holes, b"in the middle", 32 << 20).unwrap();
    fs::set_permissions(data.join("empty"), fs::Permissions::from_mode(0o2751)).unwrap();
    let old =
        std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_456_789);
    let times = fs::FileTimes::new().set_modified(old);
    holes.set_times(times).unwrap();
    drop(holes);
    let _ = std::os::unix::net::UnixListener::bind(data.join("socket")).unwrap();
    let run = node.backup(&["create"]).exits(0);
    run.says(&["left out", "socket: a socket"]);
    let id = node.listed().remove(0);
    node.backup(&["verify"]).exits(0);
    fs::remove_file(data.join("socket")).unwrap();
    let before = snapshot_of(&node);
    for entry in fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() && entry.file_name() != "last_signed" {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    node.restore(&id).exits(0);
    assert_eq!(snapshot_of(&node), before);
    let holes = fs::metadata(data.join("holes")).unwrap();
    assert!(holes.blocks() * 512 < 4 << 20, "{} blocks", holes.blocks());
    assert_eq!(holes.modified().unwrap(), old);
    let inode = |name: &str| fs::metadata(data.join(name)).unwrap().ino();
    assert_eq!(inode("state.db"), inode("twin.db"));
    assert_eq!(
        fs::read_link(data.join("dangling")).unwrap().to_str(),
        Some("/nowhere/\u{e9}")
    );
}

/// Names, modes, lengths and times; no links are followed.
fn snapshot_of(node: &Node) -> Vec<(Vec<u8>, u32, u64, i64)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(node.path("data")).unwrap() {
        let entry = entry.unwrap();
        let meta = entry.path().symlink_metadata().unwrap();
        let name = entry.file_name().as_bytes().to_vec();
        out.push((name, meta.mode(), meta.len(), meta.mtime_nsec()));
    }
    out.sort();
    out
}

#[test]
fn immutable_files_are_linked_and_others_copied_where_blocks_cannot_be_shared() {
    let node = Node::new("[backup]\nstrategy = \"hardlink\"\n");
    let id = node.create();
    let inode = |path: &std::path::Path| fs::metadata(path).unwrap().ino();
    let kept = node.in_backup(&id, "data/blocks/1.dat");
    assert_eq!(inode(&kept), inode(&node.path("data/blocks/1.dat")));
    let copied = node.in_backup(&id, "data/state.db");
    assert_ne!(inode(&copied), inode(&node.path("data/state.db")));
    node.restore(&id).exits(0);
    assert_eq!(inode(&kept), inode(&node.path("data/blocks/1.dat")));
    node.backup(&["verify"]).exits(0);
}

#[test]
fn a_snapshot_by_a_command_is_verified_restored_and_removed_with_its_backup() {
    let node = Node::new(
        r#"
        [backup]
        strategy = "snapshot"
        [backup.snapshot]
        create = ["cp", "-a", "data", "snapshots/{name}"]
        delete = ["rm", "-r", "snapshots/{name}"]
        path = "SNAPSHOTS/{name}"
        "#,
    );
    let snapshots = node.path("snapshots");
    let toml = node.read("node.toml");
    node.write(
        "node.toml",
        &toml.replace("SNAPSHOTS", snapshots.to_str().unwrap()),
    );
    fs::create_dir(&snapshots).unwrap();
    let id = node.create();
    let made = names(&snapshots);
    assert_eq!(made.len(), 1, "{made:?}");
    node.backup(&["verify"]).exits(0);
    node.write("data/state.db", "height 20");
    node.restore(&id).exits(0);
    assert_eq!(node.read("data/state.db"), "height 10");
    fs::write(snapshots.join(&made[0]).join("state.db"), "HEIGHT 10").unwrap();
    node.backup(&["verify"])
        .exits(1)
        .says(&["state.db", "found sha256"]);
    node.create();
    node.backup(&["prune", "--keep", "1"]).exits(0);
    assert_eq!(names(&snapshots).len(), 1);
    assert_eq!(node.leftovers(), [""; 0]);
}

#[test]
fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let node = Node::new("");
    let before = snapshot(&node.dir);
    let run = node.backup(&["create", "--dry-run"]).exits(0);
    run.says(&["back up data", "bytes are written", "nothing was changed"]);
    assert_eq!(snapshot(&node.dir), before);
    let id = node.create();
    let before = snapshot(&node.dir);
    let run = node.backup(&["restore", &id, "--dry-run"]).exits(0);
    run.says(&["exchange the two", "nothing was changed"]);
    assert_eq!(snapshot(&node.dir), before);
}

#[test]
fn without_a_service_somebody_has_to_say_that_the_daemon_is_stopped() {
    let node = Node::new("");
    let id = node.create();
    let run = node.backup(&["restore", &id]).exits(1);
    run.says(&["nobody can tell", "--stopped"]);
}

#[test]
fn a_daemon_that_runs_is_in_the_way_until_it_is_stopped_and_runs_again_afterwards() {
    let node = Node::new("[service]\nstart = [\"bin/timed\", \"600\"]\nstop_timeout_seconds = 1\n");
    let daemon = || {
        let text = node.read("node.toml");
        let config = relman::node::config::NodeConfig::parse(&text, &node.dir).unwrap();
        relman::io::service::from_config(&config).unwrap()
    };
    fs::copy("/bin/sleep", node.path("bin/timed")).unwrap();
    fs::create_dir_all(node.path("state")).unwrap();
    let pid = || daemon().state().unwrap().pid;
    daemon().start().unwrap();
    let first = pid().expect("it runs");
    node.backup(&["create"]).exits(1).says(&["runs", "--stop"]);
    node.backup(&["create", "--hot"]).exits(0);
    assert_eq!(pid(), Some(first));
    node.backup(&["create", "--stop"]).exits(0);
    let second = pid().expect("it runs again");
    assert_ne!(first, second);
    node.backup(&["restore", "1"]).exits(1).says(&["--stop"]);
    node.backup(&["restore", "1", "--stop"]).exits(0);
    assert!(pid().is_some_and(|pid| pid != second));
    let run = node.killed_at("backup-copied", &["create", "--stop"]);
    assert!(run.was_killed() && pid().is_none());
    node.backup(&["create", "--hot"]).exits(0);
    assert!(pid().is_some(), "the daemon was left stopped");
    daemon().stop(false).unwrap();
}

#[test]
fn old_backups_and_what_restores_put_aside_are_pruned() {
    let node = Node::new("[backup]\nkeep = 2\n");
    let ids: Vec<String> = (0..4).map(|_| node.create()).collect();
    node.restore(&ids[0]).exits(0);
    fs::create_dir(node.path("data.before-the-flood")).unwrap();
    node.backup(&["prune"]).exits(0).says(&["data.before-0001"]);
    assert_eq!(node.listed(), ids[2..]);
    assert_eq!(
        names(&node.dir),
        [
            "bin",
            "data",
            "data.before-the-flood",
            "etc",
            "node.toml",
            "state"
        ]
    );
    node.backup(&["prune"])
        .exits(0)
        .says(&["nothing was to be removed"]);
}

#[test]
fn a_node_without_a_word_of_backups_is_told_what_to_write() {
    let node = Node::new("");
    let toml = node.read("node.toml").replace(node::DATA, "");
    let toml = toml.replace("configuration = [\"etc/timed.conf\"]\n", "");
    node.write("node.toml", &toml);
    node.backup(&["create"])
        .exits(2)
        .says(&["says nothing of backups"]);
    node.backup(&["list"])
        .exits(0)
        .says(&["there are no backups"]);
}
