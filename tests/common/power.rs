//! A disk of its own whose power can be cut: a loop-mounted filesystem that forgets what was not synced.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Large enough for `mkfs.xfs`, which wants 300 MB.
const LEN: u64 = 320 << 20;

/// A mounted filesystem; gone when dropped.
pub struct PoweredDisk {
    image: TempDir,
    at: PathBuf,
}

fn does(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
        .output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}"));
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        eprintln!("{program} {arguments:?}: {said}");
    }
    output.status.success()
}

impl PoweredDisk {
    /// A new `xfs` or `ext4` over the directory `at`.
    pub fn mount(kind: &str, at: &Path) -> PoweredDisk {
        let image = tempfile::tempdir_in("/var/tmp").expect("a directory");
        let disk = PoweredDisk {
            image,
            at: at.to_owned(),
        };
        let file = disk.image.path().join("image");
        File::create(&file)
            .and_then(|f| f.set_len(LEN))
            .expect("an image");
        let file = file.to_string_lossy();
        let made = match kind {
            "xfs" => does("mkfs.xfs", &["-q", &file]),
            "ext4" => does("mkfs.ext4", &["-q", "-F", &file]),
            kind => panic!("{kind}?"),
        };
        assert!(made, "no {kind}");
        disk.turn_on();
        disk
    }

    fn turn_on(&self) {
        let image = self.image.path().join("image");
        let (image, at) = (image.to_string_lossy(), self.at.to_string_lossy());
        assert!(does("mount", &["-o", "loop", &image, &at]), "no mount");
    }

    /// Makes all that was written so far durable.
    pub fn sync(&self) {
        assert!(does("sync", &["-f", &self.at.to_string_lossy()]));
    }

    /// From now on nothing reaches the disk, its journal neither.
    pub fn cut(&self) {
        let at = self.at.to_string_lossy();
        assert!(
            does("xfs_io", &["-x", "-c", "shutdown", &at]),
            "no shutdown"
        );
    }

    /// After [`PoweredDisk::cut`]: the disk as it would come up. `end` ends whoever still uses it; a
    /// process that was just being started when its parent was killed appears late.
    pub fn power_on(&self, end: impl Fn()) {
        super::wait_for("nobody to use a disk", || {
            end();
            does("umount", &[&self.at.to_string_lossy()]).then_some(())
        });
        // A mount namespace that was made meanwhile has a copy of the mount for a moment; mounted again now, it would be
        // the same filesystem still, and shut down.
        let image = self.image.path().join("image");
        super::wait_for("the end of a disk's last mount", || {
            let used = Command::new("losetup").arg("-j").arg(&image).output();
            used.expect("losetup runs").stdout.is_empty().then_some(())
        });
        self.turn_on();
    }
}

impl Drop for PoweredDisk {
    fn drop(&mut self) {
        let at = self.at.to_string_lossy();
        // Whoever still runs from it is about to be ended.
        let _ = does("umount", &["-l", &at]);
    }
}
