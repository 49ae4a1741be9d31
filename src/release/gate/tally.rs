//! Numbers and names of tests, added up over a run, and the checks that every format has in common. Pure.

use super::statement::TestCounts;
use crate::limits::{MAX_TEST_NAME_LEN, MAX_TESTS};
use crate::release::text::{cut, plain_line};

/// What a run of tests came to. Lists may be shorter than their numbers: some runners print no names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub counts: TestCounts,
    /// Which passed.
    pub passed: Vec<String>,
    /// Which failed.
    pub failed: Vec<String>,
    /// Which were ignored.
    pub ignored: Vec<String>,
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It was not run.
    Ignored,
}

/// The tests of one test binary while its output is read.
#[derive(Clone, Debug, Default)]
pub struct Suite {
    expected: u64,
    passed: Vec<String>,
    failed: Vec<String>,
    ignored: Vec<String>,
}

/// What a test binary says of itself at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that were not run.
    pub ignored: u64,
    /// Benchmarks.
    pub measured: u64,
}

/// A test's name as it is kept: one line, bounded.
pub fn name(text: &str) -> String {
    cut(&plain_line(text), MAX_TEST_NAME_LEN / 4)
}

impl Said {
    /// All of them; `None` where that is no sensible number.
    fn sum(self) -> Option<u64> {
        let sum = self.passed.checked_add(self.failed)?;
        let sum = sum.checked_add(self.ignored)?.checked_add(self.measured)?;
        (sum <= MAX_TESTS).then_some(sum)
    }
}

impl Suite {
    /// One that says that it has so many tests.
    pub fn new(expected: u64) -> Self {
        Suite {
            expected,
            ..Suite::default()
        }
    }

    /// A test has ended. What is more than was promised is told at the end and not kept until then.
    pub fn add(&mut self, test: &str, end: End) {
        let list = match end {
            End::Passed => &mut self.passed,
            End::Failed => &mut self.failed,
            End::Ignored => &mut self.ignored,
        };
        if list.len() as u64 <= self.expected {
            list.push(name(test));
        }
    }

    /// The tests that were named.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let all = [&self.passed, &self.failed, &self.ignored];
        all.into_iter().flatten().map(String::as_str)
    }

    /// Whether what is said at the end can be the end of this.
    pub fn can_end_with(&self, said: Said) -> bool {
        said.sum() == Some(self.expected)
    }

    /// Adds it to `tally`. `exact` says whether every test must have been named.
    ///
    /// # Errors
    /// Why the numbers cannot be believed.
    pub fn close(self, said: Said, exact: bool, tally: &mut Tally) -> Result<(), String> {
        if !self.can_end_with(said) {
            return Err(format!(
                "a test binary promised {} tests and told of {} passed, {} failed, {} ignored",
                self.expected, said.passed, said.failed, said.ignored
            ));
        }
        for (word, list, number) in [
            ("passed", &self.passed, said.passed),
            ("failed", &self.failed, said.failed),
            ("ignored", &self.ignored, said.ignored),
        ] {
            let named = list.len() as u64;
            if named > number || (exact && named < number) {
                return Err(format!(
                    "{named} tests were named as {word}, and the result says {number}"
                ));
            }
        }
        tally.counts.passed += said.passed;
        tally.counts.failed += said.failed;
        tally.counts.ignored += said.ignored;
        tally.passed.extend(self.passed);
        tally.failed.extend(self.failed);
        tally.ignored.extend(self.ignored);
        tally.check()
    }
}

impl Tally {
    /// Adds one test.
    pub fn add(&mut self, test: &str, end: End) {
        let (number, list) = match end {
            End::Passed => (&mut self.counts.passed, &mut self.passed),
            End::Failed => (&mut self.counts.failed, &mut self.failed),
            End::Ignored => (&mut self.counts.ignored, &mut self.ignored),
        };
        *number += 1;
        list.push(name(test));
    }

    /// All tests.
    pub fn total(&self) -> u64 {
        self.counts.passed + self.counts.failed + self.counts.ignored
    }

    /// # Errors
    /// More than [`MAX_TESTS`] of them.
    pub fn check(&self) -> Result<(), String> {
        match self.total() > MAX_TESTS {
            true => Err(format!("more than {MAX_TESTS} tests")),
            false => Ok(()),
        }
    }
}
