//! `[[gate]]` of `relman.toml`: what must hold of a tag before it is released. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::release::gate::Decimal;

/// One of `[[gate]]`: a command, and what is asked of its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Its name: lower-case kebab.
    pub name: String,
    /// Program and arguments; empty for a gate that only looks at the tag's files.
    #[serde(default)]
    pub command: Vec<String>,
    /// Minutes after which it is stopped, and has failed.
    #[serde(default = "an_hour")]
    pub timeout_minutes: u64,
    /// Further variables for the command.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How the number of tests is read.
    #[serde(default)]
    pub counts: Option<CountsFormat>,
    /// The file that has it, in the clone or, from `target/` on, in cargo's target directory; the
    /// command's output when absent.
    #[serde(default)]
    pub report: Option<String>,
    /// Fewest tests that must have passed; 1 where tests are counted at all.
    #[serde(default)]
    pub min_tests: Option<u64>,
    /// Names of tests that may be ignored; `*` stands for any characters.
    #[serde(default)]
    pub allow_ignored: Vec<String>,
    /// Whether a compiler's warning in the output fails it.
    #[serde(default)]
    pub no_warnings: bool,
    /// Line coverage that is wanted.
    #[serde(default)]
    pub coverage: Option<CoverageDemand>,
    /// A number in the output that is wanted.
    #[serde(default)]
    pub number: Option<NumberDemand>,
    /// What no line that was added since the release before may have.
    #[serde(default)]
    pub forbid_new: Option<ForbidNew>,
    /// Files that must be in the tag and not be empty; `*` and `**` as in other patterns of paths.
    #[serde(default)]
    pub required_files: Vec<String>,
    /// Files that must, besides, have changed since the release before.
    #[serde(default)]
    pub changed_files: Vec<String>,
}

/// How a number of tests is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CountsFormat {
    /// What `cargo test` prints for people.
    CargoTest,
    /// What libtest prints with `--format json`.
    LibtestJson,
    /// JUnit XML, as cargo-nextest and others write it.
    Junit,
}

/// `[gate.coverage]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverageDemand {
    /// The report, as [`Gate::report`].
    pub file: String,
    /// Its format.
    pub format: CoverageFormat,
    /// The critical paths: patterns of source files in the clone.
    pub paths: Vec<String>,
    /// Least percentage of their lines that must have been run.
    pub min_percent: Decimal,
}

/// The format of a coverage report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CoverageFormat {
    /// LCOV tracefile (geninfo(1)).
    Lcov,
    /// Cobertura XML.
    Cobertura,
}

/// `[gate.number]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberDemand {
    /// A regular expression with one group, which is the number; the last line that has it counts.
    pub pattern: String,
    /// Least number that passes.
    #[serde(default)]
    pub at_least: Option<Decimal>,
    /// Greatest number that passes.
    #[serde(default)]
    pub at_most: Option<Decimal>,
    /// Of what it is, for people.
    #[serde(default)]
    pub unit: String,
}

/// `[gate.forbid_new]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForbidNew {
    /// A regular expression, held against each added line.
    pub pattern: String,
    /// Patterns of the files that are looked at.
    pub paths: Vec<String>,
}

/// Unfinished code, and lines of code in comments: a comment for readers (no doc comment) that ends like
/// a statement or a block.
pub const UNFINISHED: &str = r"\b(todo|unimplemented|dbg)!\s*[\(\[\{]|^\s*//(?:[^/!].*)?[;{}]\s*$";

impl Default for ForbidNew {
    fn default() -> Self {
        ForbidNew {
            pattern: UNFINISHED.into(),
            paths: vec!["**/*.rs".into()],
        }
    }
}

impl Gate {
    /// A gate with a command and no demands but that it succeeds.
    pub fn new(name: &str, command: &[&str]) -> Self {
        Gate {
            name: name.into(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            timeout_minutes: an_hour(),
            env: BTreeMap::new(),
            counts: None,
            report: None,
            min_tests: None,
            allow_ignored: Vec::new(),
            no_warnings: false,
            coverage: None,
            number: None,
            forbid_new: None,
            required_files: Vec::new(),
            changed_files: Vec::new(),
        }
    }

    /// The files that its command must make.
    pub fn reports(&self) -> impl Iterator<Item = &str> {
        let coverage = self.coverage.iter().map(|c| c.file.as_str());
        self.report.as_deref().into_iter().chain(coverage)
    }
}

fn an_hour() -> u64 {
    60
}
