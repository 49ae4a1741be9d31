//! Bench `log`: appending to the log, and auditing it beside the bare cost of the same hashes and
//! signature checks. How to run it and how to read it: `docs/benchmarks.md`. Nothing here is a test;
//! a missed goal makes it fail only with `--strict`.

mod append;
mod children;
#[path = "../authority/figures.rs"]
mod figures;
#[path = "../release/harness.rs"]
mod harness;
#[path = "../release/machine.rs"]
mod machine;
mod store;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use figures::{child, median, numbers};
use harness::Outcome;
use store::Store;

const PARTS: [&str; 3] = ["append", "goals", "audit"];
/// Entries of the logs that are audited.
const SIZES: [u64; 3] = [10_000, 100_000, 1_000_000];
/// An audit may take so many times the bare cost.
const RATIO_GOAL: f64 = 1.3;
/// Pairs of an audit and the bare cost, for logs up to this size; larger ones are audited twice.
const PAIRS: usize = 5;
const MANY: u64 = 10_000;

fn main() -> ExitCode {
    harness::run("log", children::run, bench)
}

fn bench(words: &[&str]) -> Outcome<()> {
    let wanted = harness::wanted(words, &PARTS)?;
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    machine::print(work.path())?;
    let mut missed = 0;
    if wanted("append") {
        append::in_memory()?;
        let dir = work.path().join("append");
        fs::create_dir_all(&dir)?;
        append::durable(&dir)?;
    }
    if wanted("goals") {
        missed += goals(work.path())?;
    }
    if wanted("audit") {
        missed += audit(work.path())?;
    }
    harness::ended(words, missed)
}

fn verdict(missed: bool) -> &'static str {
    match missed {
        true => "  MISSED",
        false => "",
    }
}

/// What hashing and strict signatures alone cost.
fn goals(work: &Path) -> Outcome<usize> {
    let dir = work.join("goals");
    fs::create_dir_all(&dir)?;
    Store::found(&dir)?;
    let keys = dir.join("keys").to_string_lossy().into_owned();
    let threads = relman::io::process::threads().to_string();
    let best = |args: &[&str]| -> Outcome<f64> {
        let runs = (0..PAIRS).map(|_| numbers(&child(args)?));
        let runs: Vec<f64> = runs.collect::<Outcome<Vec<_>>>()?.concat();
        Ok(median(runs))
    };
    let signatures = best(&[children::BARE, &keys, "10000", &threads])?;
    let hashes = best(&[children::HASHES, "1000000", "500", &threads])?;
    println!(
        "10,000 strict signatures on {threads} threads: {signatures:.3} s (goal 0.3){}",
        verdict(signatures > 0.3)
    );
    println!(
        "leaf hashes and root of 1,000,000 entries of 500 bytes on {threads} threads: {hashes:.3} s (goal 1){}",
        verdict(hashes > 1.0)
    );
    Ok(usize::from(signatures > 0.3) + usize::from(hashes > 1.0))
}

/// Audits of ever larger logs, each beside the bare cost of its hashes and signatures.
fn audit(work: &Path) -> Outcome<usize> {
    let dir = work.join("audit");
    fs::create_dir_all(&dir)?;
    let mut store = Store::found(&dir)?;
    let keys = dir.join("keys").to_string_lossy().into_owned();
    let threads = relman::io::process::threads().to_string();
    let place = store.dir.to_string_lossy().into_owned();
    let root = store.root.to_string_lossy().into_owned();
    let mut missed = 0;
    println!(
        "{:>9} {:>9} {:>12} {:>9} {:>6} {:>13} {:>9}",
        "entries", "audit s", "entries/s", "bare s", "ratio", "(min-max)", "peak MiB"
    );
    for size in SIZES {
        store.grow(size)?;
        let pairs = match size {
            MANY => PAIRS,
            _ => 2,
        };
        let (mut ours, mut bare, mut ratios, mut peak) =
            (Vec::new(), Vec::new(), Vec::new(), 0.0f64);
        for _ in 0..pairs {
            let said = numbers(&child(&[children::AUDIT, &place, &root, &threads])?)?;
            let [seconds, kib] = said.as_slice() else {
                return Err("an audit told no figures".into());
            };
            let plain = numbers(&child(&[
                children::BARE,
                &keys,
                &size.to_string(),
                &threads,
            ])?)?;
            let plain = *plain.first().ok_or("no figure")?;
            ours.push(*seconds);
            bare.push(plain);
            ratios.push(seconds / plain);
            peak = peak.max(kib / 1024.0);
        }
        let (least, most) = ratios
            .iter()
            .fold((f64::INFINITY, 0.0f64), |(l, m), r| (l.min(*r), m.max(*r)));
        let (ours, bare, ratio) = (median(ours), median(bare), median(ratios));
        let over = ratio > RATIO_GOAL;
        missed += usize::from(over);
        println!(
            "{size:>9} {ours:>9.2} {:>12.0} {bare:>9.2} {ratio:>6.2} {:>13} {peak:>9.1}{}",
            size as f64 / ours,
            format!("({least:.2}-{most:.2})"),
            verdict(over)
        );
    }
    Ok(missed)
}
