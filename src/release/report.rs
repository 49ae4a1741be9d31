//! What checking found, as values: one check a line, and every problem within it. Pure.

use serde::Serialize;

use crate::error::{Error, Kind};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Made, and nothing found.
    Ok,
    /// Made, and something found.
    Failed,
    /// Could not be made, because one before it failed. Never a pass.
    Skipped,
}

/// One finding: where, what is there, what was wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The object or member that is wrong.
    pub subject: String,
    /// What was found and what was wanted.
    pub message: String,
    /// Nothing was found out: a disk or a network failed, which says nothing about trust.
    #[serde(skip)]
    pub undecided: bool,
}

impl Problem {
    /// A finding about `subject`.
    pub fn new(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Problem {
            subject: subject.into(),
            message: message.into(),
            undecided: false,
        }
    }

    /// From an error of whatever kind.
    pub fn of(subject: impl Into<String>, error: &Error) -> Self {
        Problem {
            undecided: error.kind() == Kind::Failed,
            ..Self::new(subject, error.to_string())
        }
    }
}

/// One line of a report.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// Short stable name, e.g. `provenance`.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was checked, with the values that were found right.
    pub detail: String,
    /// Everything found wrong; empty unless failed.
    pub problems: Vec<Problem>,
}

/// All checks of one subject, in their order.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// In order.
    pub checks: Vec<Check>,
    /// True things that somebody should know, which refuse nothing.
    pub warnings: Vec<String>,
}

impl Report {
    /// Enters a check that gave a value or problems; passes the value on.
    pub fn enter<T>(
        &mut self,
        name: &'static str,
        result: Result<(T, String), Vec<Problem>>,
    ) -> Option<T> {
        let (value, outcome, detail, problems) = match result {
            Ok((value, detail)) => (Some(value), Outcome::Ok, detail, Vec::new()),
            Err(problems) => (None, Outcome::Failed, String::new(), problems),
        };
        self.checks.push(Check {
            name,
            outcome,
            detail,
            problems,
        });
        value
    }

    /// Enters a check that could not be made.
    pub fn skip(&mut self, name: &'static str, because: impl Into<String>) {
        self.checks.push(Check {
            name,
            outcome: Outcome::Skipped,
            detail: because.into(),
            problems: Vec::new(),
        });
    }

    /// Whether every check was made and found nothing.
    pub fn is_ok(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|c| c.outcome == Outcome::Ok)
    }

    /// Whether a check has failed already.
    pub fn has_failed(&self) -> bool {
        self.checks.iter().any(|c| c.outcome == Outcome::Failed)
    }

    /// Whether check `name` was made and found nothing.
    pub fn passed(&self, name: &str) -> bool {
        let mut named = self.checks.iter().filter(|c| c.name == name);
        named.any(|c| c.outcome == Outcome::Ok)
    }

    /// All problems, each with the name of its check.
    pub fn problems(&self) -> impl Iterator<Item = (&'static str, &Problem)> {
        self.checks
            .iter()
            .flat_map(|c| c.problems.iter().map(move |p| (c.name, p)))
    }
}

/// Refused with `refused`, or, where nothing but disks and networks failed, failed with `undecided`.
pub fn with_problems(
    problems: &[&Problem],
    refused: &str,
    undecided: impl FnOnce() -> String,
) -> Error {
    let error = match !problems.is_empty() && problems.iter().all(|p| p.undecided) {
        true => Error::failed(undecided()),
        false => Error::refused(refused),
    };
    problems.iter().fold(error, |error, p| {
        error.caused_by(format!("{}: {}", p.subject, p.message))
    })
}
