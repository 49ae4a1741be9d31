//! Bench `backup`: a filesystem that shares blocks, in a file. Needs root and mkfs.xfs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::Outcome;

/// An XFS over a loop device; gone when dropped.
pub struct Disk {
    /// Where it is mounted.
    pub at: PathBuf,
}

impl Disk {
    /// Makes one of `mib` MiB, of which the file takes what is written.
    pub fn make(work: &Path, mib: u64) -> Outcome<Disk> {
        let (image, at) = (work.join("xfs.image"), work.join("xfs"));
        fs::File::create(&image)?.set_len(mib << 20)?;
        fs::create_dir(&at)?;
        run(Command::new("mkfs.xfs")
            .args(["-q", "-m", "reflink=1"])
            .arg(&image))?;
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&image)
            .arg(&at))?;
        Ok(Disk { at })
    }
}

fn run(command: &mut Command) -> Outcome<()> {
    match command.status()?.success() {
        true => Ok(()),
        false => Err(format!("{command:?} failed: it needs root and xfsprogs").into()),
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.at).status();
    }
}
