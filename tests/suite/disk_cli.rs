//! A full disk. Needs root, to mount a small one; run with `cargo test -- --ignored`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::relman::{Project, SECOND, TAG, copy_tree, files};

/// A small filesystem in memory over a directory; gone when dropped.
pub struct Disk(PathBuf);

impl Disk {
    /// Mounts one of `kib` KiB.
    pub fn mount(dir: &Path, kib: u32) -> Disk {
        let size = format!("size={kib}k,mode=0755");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir);
        let mounted = mount.status().expect("mount runs").success();
        assert!(
            mounted,
            "a tmpfs cannot be mounted on {dir:?}: these tests need root"
        );
        Disk(dir.to_owned())
    }

    /// Leaves room for `kib` more.
    pub fn fill_but(&self, kib: usize) {
        let mut filler = File::create(self.0.join("filler")).unwrap();
        let block = [0u8; 4096];
        while filler.write_all(&block).is_ok() {}
        let len = filler.metadata().unwrap().len();
        filler
            .set_len(len.saturating_sub(kib as u64 * 1024))
            .unwrap();
    }

    /// Takes it all away again.
    pub fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// A project whose repository is on a small disk of its own.
fn on_a_small_disk(name: &str) -> (Project, Disk) {
    let project = Project::published(name);
    project.second();
    let disk = Disk::mount(&project.repo_on_a_disk_of_its_own(), 8 * 1024);
    copy_tree(&project.beside("moved/."), &project.repo());
    (project, disk)
}

#[test]
#[ignore = "needs root: mounts a small tmpfs"]
fn wherever_the_disk_is_full_readers_see_the_old_release_and_cutting_again_finishes() {
    let (project, disk) = on_a_small_disk("disk-full");
    let mut failures = 0;
    // From no room at all to enough: the cut fails a little later each time.
    for kib in (0..).step_by(4) {
        disk.fill_but(kib);
        let run = project.relman(&["cut", SECOND]);
        if run.code == Some(0) {
            disk.make_room();
            break;
        }
        failures += 1;
        assert_eq!(run.code, Some(1), "{kib} KiB: {run:#?}");
        let run = run.says(&[
            "o space left on device",
            "make room, then run the same command again",
        ]);
        assert!(run.stdout.is_empty(), "{run:?}");
        assert_eq!(project.listed(), [TAG], "{kib} KiB");
        project.is_verified(TAG);
        disk.make_room();
    }
    assert!(failures > 5, "only {failures} cuts failed");
    assert_eq!(project.listed(), [TAG, SECOND]);
    project.is_verified(TAG);
    project.is_verified(SECOND);
    project.is_sound();
    let left: Vec<_> = files(&project.store())
        .into_iter()
        .filter(|n| n.contains("relman-stage"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
#[ignore = "needs root: mounts a small tmpfs"]
fn a_full_disk_during_init_leaves_a_project_that_init_completes() {
    let (project, disk) = on_a_small_disk("disk-init");
    for name in ["releases", "keys", ".relman"] {
        let _ = fs::remove_dir_all(project.path(name));
    }
    for kib in (0..).step_by(8) {
        disk.fill_but(kib);
        let run = project.relman(&["init", "--yes"]);
        disk.make_room();
        if run.code == Some(0) {
            break;
        }
        assert_eq!(run.code, Some(1), "{kib} KiB: {run:#?}");
        run.says(&["o space left on device", "make room"]);
    }
    project
        .relman(&["init", "--yes"])
        .exits(0)
        .says(&["nothing was changed"]);
    project.relman(&["cut", TAG]).exits(0);
    project.is_verified(TAG);
}

#[test]
#[ignore = "needs root: mounts a small tmpfs"]
fn a_disk_that_became_read_only_is_named() {
    let (project, disk) = on_a_small_disk("disk-ro");
    let remount = |how: &str| {
        let options = format!("remount,{how}");
        let status = Command::new("mount")
            .args(["-o", &options])
            .arg(&disk.0)
            .status();
        assert!(status.expect("mount runs").success());
    };
    remount("ro");
    project.is_verified(TAG);
    let run = project.relman(&["cut", SECOND]).exits(1);
    run.says(&["ead-only file system", "mounted read-only"]);
    remount("rw");
    project.relman(&["cut", SECOND]).exits(0);
    project.is_verified(SECOND);
}
