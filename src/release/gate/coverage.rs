//! Which source lines were run, and whether those of the critical paths are enough. Pure.

use std::collections::BTreeMap;

use super::glob;
use super::statement::LineCoverage;
use crate::limits::MAX_COVERED_LINES;
use crate::release::config::gate::CoverageDemand;

/// The lines of a report: file in the clone, line, whether it was run.
#[derive(Debug)]
pub struct Lines {
    /// The clone's path with `/` at its end.
    root: String,
    files: BTreeMap<String, BTreeMap<u64, bool>>,
    total: u64,
}

impl Lines {
    /// None yet.
    pub fn new(root: &str) -> Self {
        Lines {
            root: format!("{}/", root.trim_end_matches('/')),
            files: BTreeMap::new(),
            total: 0,
        }
    }

    /// Whether an absolute directory is in the clone, and not the clone itself.
    pub fn is_below_root(&self, dir: &str) -> bool {
        let dir = format!("{}/", dir.trim_end_matches('/'));
        dir != self.root && dir.starts_with(&self.root)
    }

    /// Enters a line. One that is there already was run if it ever was; files outside of the clone do
    /// not count.
    ///
    /// # Errors
    /// More than [`MAX_COVERED_LINES`].
    pub fn add(&mut self, file: &str, line: u64, hits: u64) -> Result<(), String> {
        self.total += 1;
        if self.total > MAX_COVERED_LINES {
            return Err(format!("it has more than {MAX_COVERED_LINES} lines"));
        }
        let file = file.strip_prefix(&self.root).unwrap_or(file);
        let file = file.strip_prefix("./").unwrap_or(file);
        if file.starts_with('/') || file.split('/').any(|part| part == "..") {
            return Ok(());
        }
        let lines = match self.files.get_mut(file) {
            Some(lines) => lines,
            None => self.files.entry(file.to_owned()).or_default(),
        };
        *lines.entry(line).or_default() |= hits > 0;
        Ok(())
    }
}

/// The coverage of the critical paths, and every problem with it.
pub fn measure(lines: &Lines, demand: &CoverageDemand) -> (LineCoverage, Vec<String>) {
    let mut problems = Vec::new();
    for pattern in &demand.paths {
        if !lines.files.keys().any(|file| glob::is_of(pattern, file)) {
            problems.push(format!("no file of {pattern} is in the coverage report"));
        }
    }
    let critical = lines.files.iter();
    let critical = critical.filter(|(file, _)| glob::is_of_any(&demand.paths, file));
    let mut found = LineCoverage::default();
    for hit in critical.flat_map(|(_, lines)| lines.values()) {
        found.lines_found += 1;
        found.lines_hit += u64::from(*hit);
    }
    let reached = (demand.min_percent).is_reached_by(found.lines_hit, found.lines_found);
    if !reached {
        problems.push(format!(
            "{} of critical lines were run, wanted {} %",
            found, demand.min_percent
        ));
    }
    (found, problems)
}
