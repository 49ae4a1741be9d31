//! Bench `authority`, and others: figures of children of the bench.

use std::process::{Command, Stdio};

use crate::harness::{CHILD, Outcome};

/// This program as a child of itself: what it printed.
pub fn child(args: &[&str]) -> Outcome<String> {
    let output = Command::new(std::env::current_exe()?)
        .arg(CHILD)
        .args(args)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("child {args:?} failed: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Numbers that a child printed, separated by blanks.
pub fn numbers(text: &str) -> Outcome<Vec<f64>> {
    let parsed = text.split_whitespace().map(str::parse);
    Ok(parsed.collect::<Result<_, _>>()?)
}

/// The one in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
