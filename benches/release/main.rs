//! Bench `release`: the hot paths beside the plain tools that people use without relman. How to
//! run it and how to read it: `docs/benchmarks.md`. Nothing here is a test; only a regression of
//! a ratio that the page promises makes it fail, and only with `--strict`.

mod children;
mod cut;
mod hashing;
mod machine;
mod pairs;
mod project;
mod unpack;

use std::error::Error;
use std::process::ExitCode;

use pairs::Table;

/// Any failure of a bench; it ends the run.
type Outcome<T> = Result<T, Box<dyn Error>>;

const PARTS: [&str; 3] = ["cut", "unpack", "hashing"];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.split_first() {
        Some((&children::CHILD, rest)) => children::run(rest),
        // `cargo bench` says --bench; `cargo test --all-targets` does not, and wants to be quick.
        _ if !words.contains(&"--bench") || cfg!(debug_assertions) => {
            println!("nothing to test here; to measure: cargo bench --bench release");
            Ok(())
        }
        _ => bench(&words),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn bench(words: &[&str]) -> Outcome<()> {
    let named: Vec<&str> = words
        .iter()
        .copied()
        .filter(|w| !w.starts_with("--"))
        .collect();
    if let Some(other) = named.iter().find(|w| !PARTS.contains(w)) {
        return Err(format!("there is no part {other:?}, wanted {}", PARTS.join(", ")).into());
    }
    let wanted = |part: &str| named.is_empty() || named.contains(&part);
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
    print!("{table}");
    match table.missed() {
        n if n > 0 && words.contains(&"--strict") => Err(format!("{n} goals were missed").into()),
        _ => Ok(()),
    }
}
