//! All that is known of a run against all that its gate asks for; every problem is told. Pure.

use std::collections::BTreeMap;

use super::decimal::Decimal;
use super::libtest_json::LibtestJson;
use super::listen::{Heard, Summary};
use super::run::Ended;
use super::statement::{LineCoverage, TestCounts};
use super::tally::Tally;
use super::{added, cobertura, coverage, glob, junit, lcov, number};
use crate::limits::MAX_NAMED;
use crate::release::config::gate::{CountsFormat, CoverageDemand, CoverageFormat, Gate};
use crate::release::source::ChangedFile;
use crate::release::tag_rule::matches;

/// What is known of a run.
pub struct Evidence<'a> {
    /// How the command ended.
    pub ended: Ended,
    /// What it printed.
    pub heard: Heard,
    /// Gives the contents of a report that it left, or why there are none.
    pub report: &'a dyn Fn(&str) -> Result<Vec<u8>, String>,
    /// The clone's path.
    pub root: &'a str,
    /// The tag's files and their lengths in bytes.
    pub tree: &'a BTreeMap<String, u64>,
    /// Files that the tag has and the release before it had not, or not like this.
    pub changes: &'a [ChangedFile],
    /// Files of the tag that the command changed in the clone.
    pub touched: &'a [String],
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Everything that is not as it is asked for.
    pub problems: Vec<String>,
    /// Tests.
    pub counts: Option<TestCounts>,
    /// Coverage of the critical paths.
    pub coverage: Option<LineCoverage>,
    /// The number.
    pub number: Option<Decimal>,
    /// Names of tests that passed.
    pub passed: Vec<String>,
    /// Names of tests that failed.
    pub failed: Vec<String>,
}

/// Judges a run of `gate`.
pub fn judge(gate: &Gate, evidence: Evidence) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.problems.extend(evidence.ended.problem());
    if let Some(format) = gate.counts {
        let tally = match evidence.heard.tally {
            Some(tally) => tally.map_err(|e| format!("the number of tests cannot be read: {e}")),
            None => counted(gate, format, evidence.report, evidence.heard.nextest),
        };
        match tally {
            Ok(tally) => tests(gate, tally, evidence.heard.nextest, &mut verdict),
            Err(e) => verdict.problems.push(e),
        }
    }
    verdict.problems.extend(evidence.heard.warnings);
    match (&gate.number, evidence.heard.number) {
        (Some(demand), Some(Ok(found))) => {
            verdict.number = Some(found);
            verdict.problems.extend(number::problems(found, demand));
        }
        (_, Some(Err(e))) => verdict.problems.push(e),
        _ => {}
    }
    if let Some(demand) = &gate.coverage {
        match covered(demand, evidence.report, evidence.root) {
            Ok((coverage, problems)) => {
                verdict.coverage = Some(coverage);
                verdict.problems.extend(problems);
            }
            Err(e) => verdict.problems.push(e),
        }
    }
    if let Some(forbid) = &gate.forbid_new {
        verdict
            .problems
            .extend(added::problems(evidence.changes, forbid));
    }
    files(gate, evidence.tree, evidence.changes, &mut verdict.problems);
    if !evidence.touched.is_empty() {
        let touched = named(evidence.touched, evidence.touched.len() as u64);
        verdict
            .problems
            .push(format!("it changed files of the tag: {touched}"));
    }
    verdict
}

/// Reads the report of tests.
fn counted(
    gate: &Gate,
    format: CountsFormat,
    report: &dyn Fn(&str) -> Result<Vec<u8>, String>,
    nextest: Option<Summary>,
) -> Result<Tally, String> {
    let path = gate.report.as_deref().unwrap_or_default();
    let bytes = report(path)?;
    let tally = match format {
        CountsFormat::Junit => junit::read(&bytes),
        CountsFormat::LibtestJson => {
            let mut json = LibtestJson::default();
            let text = String::from_utf8_lossy(&bytes);
            text.lines().for_each(|line| json.line(line));
            json.finish()
        }
        CountsFormat::CargoTest => Err("cargo test writes no report".into()),
    };
    let tally = tally.map_err(|e| format!("report {path} cannot be read: {e}"))?;
    let run = tally.counts.passed + tally.counts.failed;
    match nextest {
        Some(said) if said.run != run => Err(format!(
            "report {path} has {run} tests that were run, and nextest says {}",
            said.run
        )),
        _ => Ok(tally),
    }
}

fn tests(gate: &Gate, tally: Tally, nextest: Option<Summary>, verdict: &mut Verdict) {
    let mut counts = tally.counts;
    if counts.failed > 0 {
        let which = named(&tally.failed, counts.failed);
        verdict
            .problems
            .push(format!("{} tests failed: {which}", counts.failed));
    }
    let wanted = gate.min_tests.unwrap_or(1);
    if counts.passed < wanted {
        let passed = counts.passed;
        verdict
            .problems
            .push(format!("{passed} tests passed, wanted {wanted}"));
    }
    if let Some(said) = nextest.filter(|_| gate.counts == Some(CountsFormat::Junit)) {
        counts.ignored = counts.ignored.max(said.skipped);
    }
    let allowed = |test: &&String| gate.allow_ignored.iter().any(|p| matches(p, test));
    let not_allowed: Vec<String> = tally
        .ignored
        .iter()
        .filter(|t| !allowed(t))
        .cloned()
        .collect();
    if !not_allowed.is_empty() {
        let which = named(&not_allowed, not_allowed.len() as u64);
        verdict
            .problems
            .push(format!("ignored and not in allow_ignored: {which}"));
    }
    let unnamed = counts.ignored - tally.ignored.len() as u64;
    if unnamed > 0 && !gate.allow_ignored.iter().any(|pattern| pattern == "*") {
        verdict.problems.push(format!(
            "{unnamed} tests were ignored, and the output does not name them"
        ));
    }
    verdict.counts = Some(counts);
    verdict.passed = tally.passed;
    verdict.failed = tally.failed;
}

fn covered(
    demand: &CoverageDemand,
    report: &dyn Fn(&str) -> Result<Vec<u8>, String>,
    root: &str,
) -> Result<(LineCoverage, Vec<String>), String> {
    let bytes = report(&demand.file)?;
    let lines = match demand.format {
        CoverageFormat::Lcov => lcov::read(&bytes, root),
        CoverageFormat::Cobertura => cobertura::read(&bytes, root),
    };
    let lines = lines.map_err(|e| format!("report {} cannot be read: {e}", demand.file))?;
    Ok(coverage::measure(&lines, demand))
}

fn files(
    gate: &Gate,
    tree: &BTreeMap<String, u64>,
    changes: &[ChangedFile],
    problems: &mut Vec<String>,
) {
    for pattern in gate.required_files.iter().chain(&gate.changed_files) {
        let mut found = tree.iter().filter(|(path, _)| glob::is_of(pattern, path));
        match (found.next(), found.all(|(_, len)| *len == 0)) {
            (None, _) => problems.push(format!("the tag has no file {pattern}")),
            (Some((_, 0)), true) => problems.push(format!("file {pattern} is empty")),
            _ => {}
        }
    }
    for pattern in &gate.changed_files {
        let there = tree.keys().any(|path| glob::is_of(pattern, path));
        let changed = changes.iter().any(|file| glob::is_of(pattern, &file.path));
        if there && !changed {
            problems.push(format!("file {pattern} is as it was in the release before"));
        }
    }
}

/// The first names, and how many there are besides.
fn named(names: &[String], number: u64) -> String {
    let mut out = names
        .iter()
        .take(MAX_NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    let more = number.saturating_sub(names.len().min(MAX_NAMED) as u64);
    match (more, names.is_empty()) {
        (0, _) => {}
        (_, true) => out.push_str("their names are not told"),
        (more, false) => out.push_str(&format!(" and {more} more")),
    }
    out
}
