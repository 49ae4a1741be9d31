//! What `[[gate]]` must be beyond its types. Pure.

use std::collections::BTreeSet;

use super::{bad, is_own_variable, is_variable, safe_relative};
use crate::Result;
use crate::limits::{
    MAX_GATE_COMMAND_LEN, MAX_GATE_MINUTES, MAX_GATE_PATTERNS, MAX_GATES, MAX_PATTERN_LEN,
};
use crate::release::config::gate::{CountsFormat, CoverageDemand, ForbidNew, Gate, NumberDemand};
use crate::release::gate::Decimal;
use crate::trust::policy::is_rule_name;

pub(super) fn check(gates: &[Gate]) -> Result<()> {
    if gates.len() > MAX_GATES {
        let found = format!("{} gates", gates.len());
        return Err(bad("gate", &found, &format!("at most {MAX_GATES}")));
    }
    let mut names = BTreeSet::new();
    for gate in gates {
        if !is_rule_name(&gate.name) {
            let wanted = "lower-case words with `-` between, such as unit-tests";
            return Err(bad("gate.name", &gate.name, wanted));
        }
        if !names.insert(&gate.name) {
            return Err(bad("gate.name", &gate.name, "each name once"));
        }
        one(gate).map_err(|e| e.under(format!("gate {} cannot be used", gate.name)))?;
    }
    Ok(())
}

fn one(gate: &Gate) -> Result<()> {
    let length: usize = gate.command.iter().map(|word| word.len() + 1).sum();
    if length > MAX_GATE_COMMAND_LEN || gate.command.iter().any(|word| word.contains('\0')) {
        let wanted = format!("words without NUL, at most {MAX_GATE_COMMAND_LEN} bytes together");
        return Err(bad("gate.command", &gate.command.join(" "), &wanted));
    }
    if gate.command.first().is_some_and(String::is_empty) {
        return Err(bad("gate.command", "", "a program as its first word"));
    }
    if !(1..=MAX_GATE_MINUTES).contains(&gate.timeout_minutes) {
        let wanted = format!("1 to {MAX_GATE_MINUTES}");
        let found = gate.timeout_minutes.to_string();
        return Err(bad("gate.timeout_minutes", &found, &wanted));
    }
    for (name, value) in &gate.env {
        if !is_variable(name) || value.contains('\0') || is_own_variable(name) {
            let wanted = "variables of letters, digits and `_` that relman does not set itself";
            return Err(bad("gate.env", name, wanted));
        }
    }
    counts(gate)?;
    if gate.command.is_empty() {
        let needs = gate.counts.is_some()
            || gate.coverage.is_some()
            || gate.number.is_some()
            || gate.no_warnings;
        let looks = gate.forbid_new.is_some()
            || !gate.required_files.is_empty()
            || !gate.changed_files.is_empty();
        if needs || !looks {
            let wanted = "a command, or nothing but forbid_new, required_files and changed_files";
            return Err(bad("gate.command", "", wanted));
        }
    }
    paths("gate.required_files", &gate.required_files)?;
    paths("gate.changed_files", &gate.changed_files)?;
    gate.coverage.as_ref().map_or(Ok(()), coverage)?;
    gate.number.as_ref().map_or(Ok(()), number)?;
    gate.forbid_new.as_ref().map_or(Ok(()), forbid_new)
}

fn counts(gate: &Gate) -> Result<()> {
    match (gate.counts, &gate.report) {
        (None, Some(report)) => {
            return Err(bad(
                "gate.report",
                report,
                "counts beside it, such as \"junit\"",
            ));
        }
        (Some(CountsFormat::Junit), None) => {
            let wanted = "the path of the file that the test runner writes";
            return Err(bad("gate.report", "", wanted));
        }
        (Some(CountsFormat::CargoTest), Some(report)) => {
            let wanted = "no file, since cargo test prints its counts";
            return Err(bad("gate.report", report, wanted));
        }
        _ => {}
    }
    if let Some(report) = gate.report.as_ref().filter(|path| !safe_relative(path)) {
        return Err(bad("gate.report", report, "a relative path in the clone"));
    }
    if gate.counts.is_none() && (gate.min_tests.is_some() || !gate.allow_ignored.is_empty()) {
        let wanted = "counts = \"cargo-test\", \"libtest-json\" or \"junit\"";
        return Err(bad("gate.counts", "", wanted));
    }
    if gate.min_tests == Some(0) {
        let wanted = "1 or more; without tests there is nothing to count";
        return Err(bad("gate.min_tests", "0", wanted));
    }
    few("gate.allow_ignored", &gate.allow_ignored)
}

fn coverage(coverage: &CoverageDemand) -> Result<()> {
    if !safe_relative(&coverage.file) {
        let wanted = "a relative path in the clone";
        return Err(bad("gate.coverage.file", &coverage.file, wanted));
    }
    if coverage.paths.is_empty() {
        let wanted = "the critical paths, such as [\"src/consensus/**\"]";
        return Err(bad("gate.coverage.paths", "", wanted));
    }
    let (least, most) = (Decimal::from(0), Decimal::from(100));
    if coverage.min_percent <= least || coverage.min_percent > most {
        let found = coverage.min_percent.to_string();
        return Err(bad(
            "gate.coverage.min_percent",
            &found,
            "more than 0, at most 100",
        ));
    }
    paths("gate.coverage.paths", &coverage.paths)
}

fn number(number: &NumberDemand) -> Result<()> {
    if number.at_least.is_none() && number.at_most.is_none() {
        return Err(bad("gate.number", "", "at_least, at_most or both"));
    }
    if let (Some(least), Some(most)) = (number.at_least, number.at_most)
        && least > most
    {
        let wanted = format!("no more than at_most, which is {most}");
        return Err(bad("gate.number.at_least", &least.to_string(), &wanted));
    }
    let odd = |c: char| c.is_control();
    if number.unit.len() > 32 || number.unit.contains(odd) {
        return Err(bad("gate.number.unit", &number.unit, "a word such as tx/s"));
    }
    expression("gate.number.pattern", &number.pattern, Some(1))
}

fn forbid_new(forbid: &ForbidNew) -> Result<()> {
    if forbid.paths.is_empty() {
        return Err(bad(
            "gate.forbid_new.paths",
            "",
            "patterns such as [\"src/**\"]",
        ));
    }
    paths("gate.forbid_new.paths", &forbid.paths)?;
    expression("gate.forbid_new.pattern", &forbid.pattern, None)
}

fn paths(key: &str, patterns: &[String]) -> Result<()> {
    few(key, patterns)?;
    match patterns.iter().find(|path| !safe_relative(path)) {
        Some(path) => Err(bad(key, path, "relative paths in the clone")),
        None => Ok(()),
    }
}

fn few(key: &str, patterns: &[String]) -> Result<()> {
    let long = |text: &&String| text.is_empty() || text.len() > MAX_PATTERN_LEN;
    match patterns.iter().find(long) {
        Some(text) => Err(bad(key, text, &format!("1 to {MAX_PATTERN_LEN} bytes"))),
        None if patterns.len() > MAX_GATE_PATTERNS => {
            let found = patterns.len().to_string();
            Err(bad(key, &found, &format!("at most {MAX_GATE_PATTERNS}")))
        }
        None => Ok(()),
    }
}

/// A regular expression, with exactly this many groups where a number of them is given. A build for nodes
/// alone runs no gates and cannot tell.
fn expression(key: &str, pattern: &str, groups: Option<usize>) -> Result<()> {
    if pattern.is_empty() || pattern.len() > MAX_PATTERN_LEN {
        return Err(bad(key, pattern, &format!("1 to {MAX_PATTERN_LEN} bytes")));
    }
    #[cfg(feature = "maintainer")]
    {
        let wanted = "a regular expression";
        let found = crate::release::gate::expression(pattern)
            .map_err(|e| bad(key, pattern, wanted).caused_by(e))?
            .captures_len();
        // The whole match counts as one.
        if groups.is_some_and(|groups| found != groups + 1) {
            let wanted = "a regular expression with one group, such as ([0-9.]+) tx/s";
            return Err(bad(key, pattern, wanted));
        }
    }
    #[cfg(not(feature = "maintainer"))]
    let _ = groups;
    Ok(())
}
