//! Bench `release`: `relman cut`, publishing and all, without what the build command takes, beside
//! the commands that a team types instead.

use std::fs;
use std::path::Path;

use crate::harness::Outcome;
use crate::pairs::{Table, interleaved};
use crate::project::{BINARY, Project, TAG, shell, timed};

const LEN: u64 = 12_000_000;

/// Checks the source out, packs what was built, sums and signs it. Nothing is published, synced
/// or built, and the payload lies where it is packed from.
const BY_HAND: &str = r#"
cd "$1"
mkdir source
git -C "$2" archive "$3" | tar -x -C source
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@1767603600 -cf - "$3" |
    gzip -9n > "$3.tar.gz"
sha256sum "$3.tar.gz" > SHA256SUMS
ssh-keygen -q -Y sign -f key -n relman SHA256SUMS
"#;

/// Measures.
pub fn run(work: &Path, table: &mut Table) -> Outcome<()> {
    let project = Project::create(work, "relman-bench-cut", LEN)?;
    let (ours, theirs) = (work.join("cut"), work.join("by-hand"));
    let a = || {
        let _ = fs::remove_dir_all(&ours);
        project.copy(&ours)?;
        rustix::fs::sync();
        project.cut(&ours)
    };
    let b = || {
        let _ = fs::remove_dir_all(&theirs);
        let packed = theirs.join(TAG);
        fs::create_dir_all(&packed)?;
        shell("ssh-keygen -q -t ed25519 -N '' -f \"$1/key\"", &[&theirs])?;
        fs::hard_link(&project.payload, packed.join(BINARY))?;
        for text in ["RELEASE_NOTES.md", "INSTALLATION.md"] {
            fs::write(packed.join(text), "What is new, and how to install it.\n")?;
        }
        rustix::fs::sync();
        timed(BY_HAND, &[&theirs, &project.dir, Path::new(TAG)])
    };
    table.push(interleaved("cut of 12 MB, outside the build", a, b)?.goal(0.15));
    Ok(())
}
