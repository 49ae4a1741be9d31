//! The archive room: what is wrong with an archive, as values. Nothing is decided here.

use std::fmt;

use crate::Error;

/// One thing that is wrong with an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which check failed: `gzip`, `tar`, `name`, `limit`, `members` or `digest`.
    pub check: &'static str,
    /// The member, or `archive`; unprintable characters are escaped.
    pub subject: String,
    /// What was found.
    pub found: String,
    /// What was wanted.
    pub wanted: String,
}

impl Problem {
    pub(super) fn new(
        check: &'static str,
        subject: impl Into<String>,
        found: impl Into<String>,
        wanted: impl Into<String>,
    ) -> Self {
        Problem {
            check,
            // Names come from the archive and go to terminals.
            subject: subject.into().escape_debug().to_string(),
            found: found.into(),
            wanted: wanted.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem {
            check,
            subject,
            found,
            wanted,
        } = self;
        write!(f, "{check}: {subject}: found {found}, wanted {wanted}")
    }
}

/// Why an archive was not unpacked.
#[derive(Clone, Debug)]
pub enum UnpackError {
    /// Reading the archive or writing to the sink failed; says nothing about the archive.
    Failed(Error),
    /// The archive is not what was wanted: at least one problem, in the order found.
    Refused(Vec<Problem>),
}

impl From<UnpackError> for Error {
    fn from(error: UnpackError) -> Self {
        match error {
            UnpackError::Failed(error) => error,
            UnpackError::Refused(problems) => {
                let count = match problems.len() {
                    1 => "1 problem".to_owned(),
                    n => format!("{n} problems"),
                };
                let error = Error::refused(format!("the archive is refused with {count}"));
                problems.iter().fold(error, Error::caused_by)
            }
        }
    }
}

/// What ends the work early: no later byte can be judged.
#[derive(Debug)]
pub(super) enum Stop {
    Failed(Error),
    Refused(Problem),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Stop::Refused(problem)
    }
}
