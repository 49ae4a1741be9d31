//! Bench `release`: what a node does before it swaps, beside the three commands of an operator.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::children::UNPACK;
use crate::harness::{CHILD, Outcome};
use crate::pairs::{Run, Table, interleaved};
use crate::project::{BINARY, Project, TAG, timed};

const SIZES: [(&str, u64); 2] = [("12 MB", 12_000_000), ("256 MiB", 256 << 20)];
/// Peak memory is a promise for every machine, so it is also measured with more threads than most
/// have.
const MANY_THREADS: usize = 64;

/// What INSTALLATION.md tells an operator without relman to do.
const BY_HAND: &str = r#"
cd "$1"
ssh-keygen -q -Y verify -f allowed_signers -I "builder@$2" -n relman -s SHA256SUMS.sig < SHA256SUMS
sha256sum --check --strict --ignore-missing --quiet SHA256SUMS
tar -xzf "$3.tar.gz" -C out
"#;

/// Measures.
pub fn run(work: &Path, table: &mut Table) -> Outcome<()> {
    for (size, len) in SIZES {
        let project = Project::create(work, "relman-bench-unpack", len)?;
        project.cut(&project.dir)?;
        let by_hand = work.join("download");
        download(&project, &by_hand)?;
        let theirs = || {
            emptied(&by_hand.join("out"))?;
            let args = [&by_hand, Path::new(&project.name), Path::new(TAG)];
            timed(BY_HAND, &args)
        };
        let threads = relman::io::process::threads();
        let out = work.join("unpacked");
        let ours = || ours(&project, &out, threads);
        let name = format!("verify + unpack of {size}");
        let row = interleaved(&name, ours, theirs)?;
        table.push(row.goal(0.25).goal_mib(32.0));
        same(&project, &out)?;
        if size != SIZES[0].0 {
            let many = || self::ours(&project, &out, MANY_THREADS);
            let name = format!("the same, {MANY_THREADS} threads asked for");
            table.push(interleaved(&name, many, theirs)?.goal_mib(32.0));
        }
        for dir in [&project.dir, &project.secret_keys, &by_hand, &out] {
            fs::remove_dir_all(dir)?;
        }
        fs::remove_file(&project.payload)?;
    }
    Ok(())
}

/// What an operator has: the archive, the signed sums, and the keys that count.
pub fn download(project: &Project, to: &Path) -> Outcome<()> {
    fs::create_dir_all(to)?;
    let release = project.dir.join("releases").join(TAG);
    for name in ["SHA256SUMS", "SHA256SUMS.sig", &format!("{TAG}.tar.gz")] {
        fs::copy(release.join(name), to.join(name))?;
    }
    fs::copy(
        project.dir.join("keys/allowed_signers"),
        to.join("allowed_signers"),
    )?;
    Ok(())
}

fn ours(project: &Project, out: &Path, threads: usize) -> Outcome<Run> {
    emptied(out)?;
    let began = Instant::now();
    let output = Command::new(std::env::current_exe()?)
        .args([CHILD, UNPACK])
        .arg(project.dir.join("releases"))
        .arg(project.dir.join("keys/root.json"))
        .arg(TAG)
        .arg(out)
        .arg(threads.to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    let ms = began.elapsed().as_secs_f64() * 1000.0;
    if !output.status.success() {
        return Err("the release did not verify".into());
    }
    Ok(Run {
        ms,
        subtracted: 0.0,
        peak_kib: Some(String::from_utf8(output.stdout)?.trim().parse()?),
    })
}

/// An empty directory, and nothing of the run before left to be written.
fn emptied(dir: &Path) -> Outcome<()> {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir)?;
    rustix::fs::sync();
    Ok(())
}

fn same(project: &Project, out: &Path) -> Outcome<()> {
    let unpacked = out.join(TAG).join(BINARY);
    match fs::read(unpacked)? == fs::read(&project.payload)? {
        true => Ok(()),
        false => Err("what was unpacked is not what was packed".into()),
    }
}
