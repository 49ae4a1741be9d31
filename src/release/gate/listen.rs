//! Hears what a gate's command prints, a line at a time, and keeps what its demands are about. Pure.

use super::cargo_test::CargoTest;
use super::decimal::Decimal;
use super::libtest_json::LibtestJson;
use super::number::Number;
use super::tally::Tally;
use super::warnings::Warnings;
use crate::release::config::gate::{CountsFormat, Gate};
use crate::release::text::plain_line;

/// Listens to one run.
#[derive(Debug, Default)]
pub struct Listener {
    cargo_test: Option<CargoTest>,
    libtest_json: Option<LibtestJson>,
    number: Option<Number>,
    warnings: Option<Warnings>,
    nextest: Option<Summary>,
}

/// What was heard.
#[derive(Debug)]
pub struct Heard {
    /// Tests, where the output is to be asked for them.
    pub tally: Option<Result<Tally, String>>,
    /// The number, where one is wanted.
    pub number: Option<Result<Decimal, String>>,
    /// Warnings, where none are wanted.
    pub warnings: Vec<String>,
    /// What cargo-nextest says that it did.
    pub nextest: Option<Summary>,
}

/// The last line of cargo-nextest: it knows of tests that its report may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Tests that were run.
    pub run: u64,
    /// Tests that were not.
    pub skipped: u64,
}

impl Listener {
    /// Listens for what `gate` asks.
    pub fn new(gate: &Gate) -> Self {
        let in_output = |format| gate.counts == Some(format) && gate.report.is_none();
        Listener {
            cargo_test: in_output(CountsFormat::CargoTest).then(CargoTest::default),
            libtest_json: in_output(CountsFormat::LibtestJson).then(LibtestJson::default),
            number: gate.number.as_ref().map(Number::new),
            warnings: gate.no_warnings.then(Warnings::default),
            nextest: None,
        }
    }

    /// The next line, with or without its end.
    pub fn line(&mut self, line: &[u8], stdout: bool) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\n', '\r']);
        if let (Some(json), true) = (&mut self.libtest_json, stdout) {
            json.line(text);
        }
        let text = plain_line(text);
        if let Some(cargo_test) = &mut self.cargo_test {
            cargo_test.line(&text, stdout);
        }
        if let Some(number) = &mut self.number {
            number.line(&text);
        }
        if let Some(warnings) = &mut self.warnings {
            warnings.line(&text);
        }
        self.nextest = summary(&text).or(self.nextest);
    }

    /// What was heard, now that the command has ended.
    pub fn finish(self) -> Heard {
        let text = self.cargo_test.map(CargoTest::finish);
        let json = self.libtest_json.map(LibtestJson::finish);
        Heard {
            tally: text.or(json),
            number: self.number.map(Number::finish),
            warnings: self.warnings.map(Warnings::problems).unwrap_or_default(),
            nextest: self.nextest,
        }
    }
}

/// `     Summary [   0.161s] 5 tests run: 4 passed, 1 failed, 2 skipped`
fn summary(line: &str) -> Option<Summary> {
    let rest = line.trim_start().strip_prefix("Summary [")?;
    let (_, rest) = rest.split_once("] ")?;
    let (run, ends) = rest.split_once(" run: ")?;
    // `5/7 tests` where the run was cut short.
    let run = run.split([' ', '/']).next()?.parse().ok()?;
    let mut parts = ends.split(", ");
    let skipped = parts.find_map(|part| part.strip_suffix(" skipped"));
    let skipped = skipped.map_or(Some(0), |number| number.parse().ok())?;
    Some(Summary { run, skipped })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_nextest_is_read() {
        let read = |line: &str| summary(line).map(|s| (s.run, s.skipped));
        let line = "     Summary [   0.161s] 5 tests run: 4 passed, 1 failed, 2 skipped";
        assert_eq!(read(line), Some((5, 2)));
        let line = "     Summary [   0.011s] 1 test run: 1 passed, 0 skipped";
        assert_eq!(read(line), Some((1, 0)));
        let line = "     Summary [   0.161s] 2/4 tests run: 1 passed, 1 failed, 0 skipped";
        assert_eq!(read(line), Some((2, 0)));
        assert_eq!(read("Summary of the day"), None);
        assert_eq!(read("Summary [x] many tests run: all passed"), None);
    }

    #[test]
    fn colours_do_not_hide_a_warning() {
        let mut gate = Gate::new("build", &["make"]);
        gate.no_warnings = true;
        let mut listener = Listener::new(&gate);
        listener.line(
            b"\x1b[1m\x1b[33mwarning\x1b[0m\x1b[1m: unused\x1b[0m\r\n",
            false,
        );
        assert_eq!(listener.finish().warnings.len(), 1);
    }
}
