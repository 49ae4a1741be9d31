//! Bench `release`: the hot paths beside the plain tools that people use without relman. How to
//! run it and how to read it: `docs/benchmarks.md`. Nothing here is a test; only a regression of
//! a ratio that the page promises makes it fail, and only with `--strict`.

mod children;
mod cut;
mod harness;
mod hashing;
mod install;
mod machine;
mod pairs;
mod project;
mod unpack;

use std::process::ExitCode;

use harness::Outcome;
use pairs::Table;

const PARTS: [&str; 5] = ["cut", "unpack", "hashing", "install", "away"];

fn main() -> ExitCode {
    harness::run("release", children::run, bench)
}

fn bench(words: &[&str]) -> Outcome<()> {
    let wanted = harness::wanted(words, &PARTS)?;
    // On the repository's own filesystem: a release is not made in memory.
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut table = Table::default();
    machine::print(work.path())?;
    if wanted("cut") {
        cut::run(work.path(), &mut table)?;
    }
    if wanted("unpack") {
        unpack::run(work.path(), &mut table)?;
    }
    if wanted("hashing") {
        hashing::run(&mut table)?;
    }
    if wanted("install") {
        install::run(work.path(), &mut table)?;
    }
    let mut missed = 0;
    if wanted("away") {
        missed += install::away(work.path())?;
    }
    print!("{table}");
    harness::ended(words, table.missed() + missed)
}
