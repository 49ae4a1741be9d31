//! Bench `release`, and others: the command line of a bench, and what it says of itself.

use std::error::Error;
use std::fs;
use std::process::ExitCode;

/// Any failure of a bench; it ends the run.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// The first argument of a child of a bench.
pub const CHILD: &str = "child";

/// Runs `bench` `name`, or what it does as a child of itself.
pub fn run(
    name: &str,
    child: fn(&[&str]) -> Outcome<()>,
    bench: fn(&[&str]) -> Outcome<()>,
) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.split_first() {
        Some((&CHILD, rest)) => child(rest),
        // `cargo bench` says --bench; `cargo test --all-targets` does not, and wants to be quick.
        _ if !words.contains(&"--bench") || cfg!(debug_assertions) => {
            println!("nothing to test here; to measure: cargo bench --bench {name}");
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

/// Which of `parts` are wanted: those that are named, or all.
pub fn wanted<'a>(words: &[&'a str], parts: &[&str]) -> Outcome<impl Fn(&str) -> bool + use<'a>> {
    let named = words.iter().copied().filter(|w| !w.starts_with("--"));
    let named: Vec<&str> = named.collect();
    if let Some(other) = named.iter().find(|w| !parts.contains(w)) {
        return Err(format!("there is no part {other:?}, wanted {}", parts.join(", ")).into());
    }
    Ok(move |part: &str| named.is_empty() || named.contains(&part))
}

/// The end of a bench that missed so many goals: a failure with `--strict`.
pub fn ended(words: &[&str], missed: usize) -> Outcome<()> {
    match missed {
        n if n > 0 && words.contains(&"--strict") => Err(format!("{n} goals were missed").into()),
        _ => Ok(()),
    }
}

/// The most memory that this process had resident, in KiB.
pub fn peak_kib() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let number = line.and_then(|l| l.split_whitespace().next());
    Ok(number.ok_or("no VmHWM in /proc/self/status")?.parse()?)
}
