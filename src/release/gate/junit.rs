//! Counts in JUnit XML: cargo-nextest's, and what other runners call by that name. Pure.
//!
//! Tests are counted one by one; where the file says how many it has, that must be as many.

use super::tally::{End, Tally};
use super::xml::{self, Element, Visitor};

/// Elements that hold tests.
const GROUPS: [&str; 2] = ["testsuites", "testsuite"];

/// Reads a report.
///
/// # Errors
/// Why nobody can say how many tests there were.
pub fn read(bytes: &[u8]) -> Result<Tally, String> {
    let mut report = Report::default();
    xml::read(bytes, &mut report)?;
    Ok(report.tally)
}

#[derive(Default)]
struct Report {
    tally: Tally,
    groups: Vec<Group>,
    case: Option<Case>,
}

/// What a group says of itself, and what was counted before it.
struct Group {
    tests: Option<u64>,
    bad: u64,
    skipped: u64,
    before: Tally,
    errors: u64,
}

struct Case {
    name: String,
    depth: usize,
    end: End,
}

impl Visitor for Report {
    fn open(&mut self, element: &Element, depth: usize) -> Result<(), String> {
        let name = element.name.as_str();
        if depth == 0 && !GROUPS.contains(&name) {
            return Err(format!("its root element is <{name}>, wanted <testsuites>"));
        }
        match (name, &mut self.case) {
            (_, None) if GROUPS.contains(&name) => self.group(element),
            ("testcase", None) => {
                self.case = Some(case(element, depth)?);
                Ok(())
            }
            ("testcase" | "testsuite" | "testsuites", Some(_)) => {
                Err(format!("<{name}> inside a <testcase>"))
            }
            ("failure" | "error", Some(case)) if depth == case.depth + 1 => {
                case.end = End::Failed;
                Ok(())
            }
            ("skipped", Some(case)) if depth == case.depth + 1 && case.end == End::Passed => {
                case.end = End::Ignored;
                Ok(())
            }
            // A suite that did not come to its tests.
            ("failure" | "error", None) => {
                let group = self.groups.last_mut();
                group.ok_or("<error> outside of a suite")?.errors += 1;
                self.tally.add("(suite)", End::Failed);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn close(&mut self, name: &str, depth: usize) -> Result<(), String> {
        if let Some(case) = self.case.take_if(|case| case.depth == depth) {
            self.tally.add(&case.name, case.end);
            return self.tally.check();
        }
        match self.case.is_none() && GROUPS.contains(&name) {
            true => self.end_of_group(),
            false => Ok(()),
        }
    }
}

impl Report {
    fn group(&mut self, element: &Element) -> Result<(), String> {
        let number = |name: &str| element.number(name).map(Option::unwrap_or_default);
        // Only the numbers matter for the comparison, and a list of names would be copied at every suite.
        let before = Tally {
            counts: self.tally.counts,
            ..Tally::default()
        };
        self.groups.push(Group {
            tests: element.number("tests")?,
            bad: number("failures")?.saturating_add(number("errors")?),
            skipped: number("skipped")?.max(number("disabled")?),
            before,
            errors: 0,
        });
        Ok(())
    }

    fn end_of_group(&mut self) -> Result<(), String> {
        let Some(group) = self.groups.pop() else {
            return Ok(());
        };
        if let Some(above) = self.groups.last_mut() {
            above.errors += group.errors;
        }
        let cases = self.tally.total() - group.before.total() - group.errors;
        let (now, before) = (self.tally.counts, group.before.counts);
        let (failed, ignored) = (now.failed - before.failed, now.ignored - before.ignored);
        let (tests, bad, skipped) = (group.tests, group.bad, group.skipped);
        if tests.is_some_and(|tests| tests != cases) {
            return Err(format!(
                "a suite says that it has {} tests, and shows {cases}",
                tests.unwrap_or_default()
            ));
        }
        if bad > 0 && failed == 0 {
            return Err(format!(
                "a suite says that {bad} tests failed, and shows none"
            ));
        }
        if skipped > ignored {
            return Err(format!(
                "a suite says that {skipped} tests were skipped, and shows {ignored}"
            ));
        }
        Ok(())
    }
}

fn case(element: &Element, depth: usize) -> Result<Case, String> {
    let name = element.get("name").ok_or("a <testcase> without a name")?;
    // GoogleTest has no element for a test that it did not run.
    let is = |attribute: &str, values: &[&str]| {
        element
            .get(attribute)
            .is_some_and(|value| values.contains(&value))
    };
    let not_run = is("status", &["notrun", "skipped", "disabled"])
        || is("result", &["suppressed", "skipped"]);
    Ok(Case {
        name: match element.get("classname") {
            Some(class) if !class.is_empty() => format!("{class}::{name}"),
            _ => name.to_owned(),
        },
        depth,
        end: if not_run { End::Ignored } else { End::Passed },
    })
}
