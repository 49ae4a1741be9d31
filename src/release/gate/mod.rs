//! Gates: what must hold of a tag before it is released, the runs that show it, and what is said of them.
//!
//! `plan` says what would run, `listen` hears a run's output, `judge` holds all that is known of it
//! against what the gate asks for, `statement` is what is signed, `unmet` holds signed results against
//! policy. Cores are pure; `run` drives them and asks the machine through a trait. Nodes have
//! `statement` and `unmet` alone: they judge results and run nothing.

mod decimal;
pub(crate) mod glob;
mod statement;
mod unmet;

#[cfg(feature = "maintainer")]
mod added;
#[cfg(feature = "maintainer")]
mod cargo_test;
#[cfg(feature = "maintainer")]
mod cobertura;
#[cfg(feature = "maintainer")]
mod coverage;
#[cfg(feature = "maintainer")]
mod judge;
#[cfg(feature = "maintainer")]
mod junit;
#[cfg(feature = "maintainer")]
mod lcov;
#[cfg(feature = "maintainer")]
mod libtest_json;
#[cfg(feature = "maintainer")]
mod listen;
#[cfg(feature = "maintainer")]
mod number;
#[cfg(feature = "maintainer")]
mod plan;
#[cfg(feature = "maintainer")]
mod run;
#[cfg(feature = "maintainer")]
mod tally;
#[cfg(feature = "maintainer")]
mod warnings;
#[cfg(feature = "maintainer")]
mod xml;

#[cfg(all(test, feature = "maintainer"))]
mod tests;

pub use decimal::Decimal;
pub use statement::{GateResult, LineCoverage, Materials, TestCounts, read, statement};
pub use unmet::{unmet, verified};

#[cfg(feature = "maintainer")]
pub use plan::{Selection, default_gates, plan};
#[cfg(feature = "maintainer")]
pub use run::{Ended, Machine, Order, Ran, Runner};

/// A regular expression of a gate, of bounded size.
///
/// # Errors
/// What is wrong with it.
#[cfg(feature = "maintainer")]
pub fn expression(pattern: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(pattern)
        .size_limit(crate::limits::MAX_REGEX_LEN)
        .build()
        .map_err(|e| e.to_string().replace('\n', "; "))
}
