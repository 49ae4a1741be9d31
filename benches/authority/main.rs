//! Bench `authority`: the TUF client beside other people's, over HTTP on this machine. How to run it
//! and how to read it: `docs/benchmarks.md`. Nothing here is a test; only a regression of a goal
//! that the page promises makes it fail, and only with `--strict`.

mod children;
mod figures;
#[path = "../release/harness.rs"]
mod harness;
#[path = "../release/machine.rs"]
mod machine;
mod others;
#[path = "../release/pairs.rs"]
mod pairs;
mod repository;
mod server;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use figures::{child, median, numbers};
use harness::Outcome;
use pairs::{Run, Table, interleaved};
use repository::{Repository, Size};
use server::Server;

const PARTS: [&str; 3] = ["warm", "download", "growth"];
/// Milliseconds of processor time that a warm refresh may take.
const WARM_GOAL_MS: f64 = 5.0;
/// Runs of which the median is told.
const RUNS: usize = 15;

fn main() -> ExitCode {
    harness::run("authority", children::run, bench)
}

fn bench(words: &[&str]) -> Outcome<()> {
    let wanted = harness::wanted(words, &PARTS)?;
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut table = Table::default();
    let mut missed = 0;
    machine::print(work.path())?;
    others::print();
    if wanted("warm") {
        missed += warm(work.path())?;
    }
    if wanted("download") {
        download(work.path(), &mut table)?;
    }
    if wanted("growth") {
        growth(work.path())?;
    }
    print!("{table}");
    missed += table.missed();
    harness::ended(words, missed)
}

/// A refresh that finds nothing new, in a process that has its state on disk.
fn warm(work: &Path) -> Outcome<usize> {
    let dir = work.join("warm");
    let repository = Repository::make(&dir, Size::small())?;
    let server = Server::start(&dir)?;
    let (url, root) = (server.url(), repository.root.to_string_lossy().into_owned());
    let state = dir.join("state").to_string_lossy().into_owned();
    fs::create_dir_all(&state)?;
    child(&[children::REFRESH, &url, &root, &state])?;
    let (mut cpu, mut wall) = (Vec::new(), Vec::new());
    let (mut python, mut tuftool) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let said = numbers(&child(&[children::REFRESH, &url, &root, &state])?)?;
        let [own, whole, ..] = said.as_slice() else {
            return Err("a refresh told no figures".into());
        };
        cpu.push(*own);
        wall.push(*whole);
        python.extend(others::python_refresh(&url, &root, &dir.join("python"))?);
        tuftool.extend(others::tuftool(&url, &root, &dir.join("tuftool"), &[])?);
    }
    let own = median(cpu);
    let verdict = if own > WARM_GOAL_MS { "  MISSED" } else { "" };
    println!(
        "warm refresh, medians of {RUNS}: relman {own:.2} ms of processor (goal {WARM_GOAL_MS}){verdict}, \
         {:.2} ms in all; python-tuf {:.1} ms in all, without starting Python; \
         tuftool {:.1} ms, a whole process that loads everything anew",
        median(wall),
        median(python),
        median(tuftool),
    );
    Ok(usize::from(own > WARM_GOAL_MS))
}

/// 50 targets of 1 MB, whole processes, each with an empty state.
fn download(work: &Path, table: &mut Table) -> Outcome<()> {
    let dir = work.join("download");
    let repository = Repository::make(&dir, Size::fifty_of_a_megabyte())?;
    let server = Server::start(&dir)?;
    let (url, root) = (server.url(), repository.root.to_string_lossy().into_owned());
    let mut round = 0;
    let mut fresh = |who: &str| {
        round += 1;
        dir.join(format!("{who}-{round}"))
    };
    let names: Vec<&str> = repository.targets.iter().map(String::as_str).collect();
    if others::tuftool(&url, &root, &fresh("probe"), &[])?.is_none() {
        println!("download: tuftool is not here, nothing to compare with: cargo install tuftool");
        return Ok(());
    }
    let mut ours = fresh;
    let row = {
        let dirs = std::cell::RefCell::new(&mut ours);
        interleaved(
            "refresh and 50 targets of 1 MB",
            || {
                let to = (dirs.borrow_mut())("relman");
                fs::create_dir_all(&to)?;
                let to = to.to_string_lossy().into_owned();
                let began = Instant::now();
                let said = child(&[children::DOWNLOAD, &url, &root, &to])?;
                let ms = began.elapsed().as_secs_f64() * 1000.0;
                let peak = numbers(&said)?.first().map(|kib| *kib as u64);
                fs::remove_dir_all(&to)?;
                Ok(Run {
                    ms,
                    subtracted: 0.0,
                    peak_kib: peak,
                })
            },
            || {
                let to = (dirs.borrow_mut())("tuftool");
                let ms = others::tuftool(&url, &root, &to, &names)?.ok_or("tuftool is gone")?;
                fs::remove_dir_all(&to)?;
                Ok(Run {
                    ms,
                    ..Run::default()
                })
            },
        )?
    };
    table.push(row.goal(0.15).goal_mib(32.0));
    Ok(())
}

/// Refreshes of ever larger repositories: what grows, and how.
fn growth(work: &Path) -> Outcome<()> {
    println!("refresh from nothing, then warm; medians of {RUNS}");
    println!(
        "{:>9} {:>6} {:>12} {:>10} {:>10} {:>10} {:>9} {:>12} {:>12}",
        "releases",
        "keys",
        "metadata kB",
        "cold ms",
        "cpu ms",
        "warm ms",
        "peak MiB",
        "python ms",
        "tuftool ms"
    );
    for (releases, keys) in [(10, 10), (100, 10), (1_000, 100), (10_000, 1_000)] {
        let dir = work.join(format!("growth-{releases}"));
        let repository = Repository::make(&dir, Size::of(releases, keys))?;
        let server = Server::start(&dir)?;
        let (url, root) = (server.url(), repository.root.to_string_lossy().into_owned());
        let mut figures: [Vec<f64>; 6] = Default::default();
        for round in 0..RUNS {
            let state = dir.join(format!("state-{round}"));
            fs::create_dir_all(&state)?;
            let text = state.to_string_lossy().into_owned();
            let cold = numbers(&child(&[children::REFRESH, &url, &root, &text])?)?;
            let warm = numbers(&child(&[children::REFRESH, &url, &root, &text])?)?;
            let python = others::python_refresh(&url, &root, &dir.join(format!("python-{round}")))?;
            let tuftool = others::tuftool(&url, &root, &dir.join(format!("tuftool-{round}")), &[])?;
            let cells = [
                cold.get(1).copied(),
                cold.first().copied(),
                warm.get(1).copied(),
                cold.get(2).map(|kib| kib / 1024.0),
                python,
                tuftool,
            ];
            for (all, cell) in figures.iter_mut().zip(cells) {
                all.extend(cell);
            }
        }
        let [cold, cpu, warm, peak, python, tuftool] = figures.map(median);
        println!(
            "{releases:>9} {keys:>6} {:>12} {cold:>10.1} {cpu:>10.1} {warm:>10.1} {peak:>9.1} {python:>12.1} {tuftool:>12.1}",
            repository.metadata_len / 1000,
        );
    }
    Ok(())
}
