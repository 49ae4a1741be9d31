//! Bench `backup`: backups of a large data directory beside `cp -a`. How to run it and how to read it:
//! `docs/benchmarks.md`. Nothing here is a test; only memory that grows makes it fail, and only with
//! `--strict`.

mod disk;
#[path = "../release/harness.rs"]
mod harness;
#[path = "../release/machine.rs"]
mod machine;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use harness::{CHILD, Outcome, peak_kib};

const PARTS: [&str; 2] = ["copy", "reflink"];
/// MiB of data, unless `RELMAN_BENCH_MIB` says otherwise.
const MIB: u64 = 4096;
/// MiB in one of the large files, which have three quarters of all bytes.
const LARGE_MIB: u64 = 128;
/// Small files beside them, of [`SMALL_LEN`] bytes.
const SMALL_FILES: usize = 10_000;
const SMALL_LEN: usize = 4_096;
const RUNS: usize = 5;
/// MiB of memory that a backup of any size may take.
const PEAK_GOAL_MIB: u64 = 64;

fn main() -> ExitCode {
    harness::run("backup", child, bench)
}

/// Makes a backup; prints the peak of memory in KiB.
fn child(args: &[&str]) -> Outcome<()> {
    let mut words = vec!["relman", "backup", "create", "--quiet"];
    words.extend(args);
    let code = relman::cli::main(words.into_iter().map(Into::into));
    println!("{}", peak_kib()?);
    match code {
        0 => Ok(()),
        code => Err(format!("relman backup create ended with {code}").into()),
    }
}

fn bench(words: &[&str]) -> Outcome<()> {
    let wanted = harness::wanted(words, &PARTS)?;
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mib = match std::env::var("RELMAN_BENCH_MIB") {
        Ok(text) => text.parse()?,
        Err(_) => MIB,
    };
    machine::print(work.path())?;
    println!("\n{mib} MiB of data, medians of {RUNS}; both sides are synced");
    println!("strategy   relman s   cp -a s   A/B    peak MiB");
    let mut missed = 0;
    if wanted("copy") {
        missed += part(work.path(), "copy", "--reflink=never", mib)?;
    }
    if wanted("reflink") {
        let disk = disk::Disk::make(work.path(), mib * 3 + 1024)?;
        missed += part(&disk.at, "reflink", "--reflink=always", mib)?;
    }
    harness::ended(words, missed)
}

/// One strategy beside `cp -a` with the like of it; how many goals were missed.
fn part(work: &Path, strategy: &str, cp: &str, mib: u64) -> Outcome<usize> {
    let node = work.join("node");
    for sub in ["bin", "data/blocks", "data/small"] {
        fs::create_dir_all(node.join(sub))?;
    }
    fs::write(node.join("bin/timed"), "a program")?;
    fs::write(
        node.join("node.toml"),
        format!(
            "name = \"timed\"\nstore = \"store\"\nroot = \"root.json\"\nstate = \"state\"\n\
             [[binary]]\nname = \"timed\"\npath = \"bin/timed\"\n[data]\ndir = \"data\"\n\
             [backup]\nstrategy = \"{strategy}\"\n"
        ),
    )?;
    fill(&node.join("data"), mib)?;
    let (mut ours, mut theirs, mut peak) = (Vec::new(), Vec::new(), 0);
    for _ in 0..RUNS {
        let began = Instant::now();
        let output = Command::new(std::env::current_exe()?)
            .args([CHILD, "--config"])
            .arg(node.join("node.toml"))
            .output()?;
        ours.push(began.elapsed().as_secs_f64());
        let text = String::from_utf8(output.stdout)?;
        let last = text.lines().last().ok_or("the child said nothing")?;
        peak = peak.max(last.parse::<u64>()? / 1024);
        fs::remove_dir_all(node.join("state/backups"))?;

        let copy = node.join("copy");
        let began = Instant::now();
        run(Command::new("cp")
            .args(["-a", cp])
            .arg(node.join("data"))
            .arg(&copy))?;
        run(Command::new("sync").arg("-f").arg(&copy))?;
        theirs.push(began.elapsed().as_secs_f64());
        fs::remove_dir_all(copy)?;
        run(Command::new("sync").arg("-f").arg(&node))?;
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let ratio = ours / theirs;
    println!("{strategy:10} {ours:8.2}  {theirs:8.2}  {ratio:4.2}  {peak:10}");
    Ok(usize::from(peak > PEAK_GOAL_MIB))
}

/// Bytes that do not compress and are the same in each run.
fn fill(data: &Path, mib: u64) -> Outcome<()> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = vec![0u8; 1 << 20];
    for number in 0..(mib * 3 / 4).div_ceil(LARGE_MIB) {
        let mut file = fs::File::create(data.join(format!("blocks/{number}.dat")))?;
        for _ in 0..LARGE_MIB {
            for word in block.chunks_exact_mut(8) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                word.copy_from_slice(&state.to_le_bytes());
            }
            file.write_all(&block)?;
        }
    }
    for number in 0..SMALL_FILES {
        let name = data.join(format!("small/{number}"));
        fs::write(name, &block[..SMALL_LEN])?;
    }
    let rest = mib / 4;
    let mut file = fs::File::create(data.join("state.db"))?;
    for _ in 0..rest {
        file.write_all(&block)?;
    }
    run(Command::new("sync").arg("-f").arg(data))
}

fn run(command: &mut Command) -> Outcome<()> {
    match command.status()?.success() {
        true => Ok(()),
        false => Err(format!("{command:?} failed").into()),
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
