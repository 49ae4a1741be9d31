//! Counts in libtest's JSON: one event a line (rust-lang/rust, library/test, formatters/json.rs). Pure.
//!
//! Lines that are no such event are passed over, since tests may print JSON of their own; whatever hides
//! an event or adds one makes names and numbers differ, and then nothing is counted.

use serde::Deserialize;

use super::tally::{End, Said, Suite, Tally};

/// Reads events, a line at a time.
#[derive(Debug, Default)]
pub struct LibtestJson {
    tally: Tally,
    open: Option<Suite>,
    results: u64,
    problem: Option<String>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    event: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    test_count: Option<u64>,
    #[serde(default)]
    passed: Option<u64>,
    #[serde(default)]
    failed: Option<u64>,
    #[serde(default)]
    ignored: Option<u64>,
    #[serde(default)]
    measured: u64,
}

impl LibtestJson {
    /// The next line, without its end.
    pub fn line(&mut self, line: &str) {
        if self.problem.is_some() || !line.starts_with('{') {
            return;
        }
        let Ok(event) = serde_json::from_str::<Event>(line) else {
            return;
        };
        self.problem = match event.kind.as_str() {
            "suite" => self.suite(&event).err(),
            "test" => self.test(&event).err(),
            _ => None,
        };
    }

    fn suite(&mut self, event: &Event) -> Result<(), String> {
        if event.event == "started" {
            let Some(tests) = event.test_count else {
                return Err("a suite starts without `test_count`".into());
            };
            return match self.open.replace(Suite::new(tests)) {
                None => Ok(()),
                Some(_) => Err("a suite starts inside another".into()),
            };
        }
        let suite = self.open.take();
        let suite = suite.ok_or("a suite ends that has not started")?;
        let (Some(passed), Some(failed), Some(ignored)) =
            (event.passed, event.failed, event.ignored)
        else {
            return Err("a suite ends without its numbers".into());
        };
        let ok = match event.event.as_str() {
            "ok" => true,
            "failed" => false,
            other => return Err(format!("a suite ends with {other:?}")),
        };
        if ok != (failed == 0) {
            return Err(format!(
                "a suite says {:?} with {failed} failed",
                event.event
            ));
        }
        self.results += 1;
        let said = Said {
            passed,
            failed,
            ignored,
            measured: event.measured,
        };
        suite.close(said, true, &mut self.tally)
    }

    fn test(&mut self, event: &Event) -> Result<(), String> {
        let end = match event.event.as_str() {
            "started" | "timeout" => return Ok(()),
            "ok" => End::Passed,
            "failed" => End::Failed,
            "ignored" => End::Ignored,
            other => return Err(format!("a test ends with {other:?}")),
        };
        let suite = self.open.as_mut().ok_or("a test outside of a suite")?;
        suite.add(&event.name, end);
        Ok(())
    }

    /// What all suites together came to.
    ///
    /// # Errors
    /// Why nobody can say.
    pub fn finish(self) -> Result<Tally, String> {
        match (self.problem, self.open, self.results) {
            (Some(problem), ..) => Err(problem),
            (None, Some(_), _) => Err("it ends inside a suite".into()),
            (None, None, 0) => Err("it has no suite of libtest's".into()),
            (None, None, _) => Ok(self.tally),
        }
    }
}
