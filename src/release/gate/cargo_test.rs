//! Counts in what `cargo test` prints for people (libtest's "pretty" and "terse" formats). Pure.
//!
//! This text shares its stream with whatever the tests themselves print past libtest's capture, so it can
//! be forged: by accident, which is found, or by tests made for it, which nothing can find (they might as
//! well be empty). What holds here: a binary's result must add up to the number of tests that it
//! announced, names may not exceed numbers, a result outside of a run or a run inside a run spoils the
//! whole count, and there must be as many results as cargo says on stderr that it started binaries.
//! JUnit from cargo-nextest has none of these weaknesses.

use super::tally::{End, Said, Suite, Tally};

/// Reads the output, a line at a time.
#[derive(Debug, Default)]
pub struct CargoTest {
    tally: Tally,
    open: Option<Open>,
    /// Test binaries that cargo says it started.
    binaries: u64,
    /// Packages whose documentation tests cargo says it started; each may come in several runs.
    doc_tests: u64,
    /// Results that were read, of documentation tests (by their names) and of others.
    results: u64,
    doc_results: u64,
    problem: Option<String>,
}

#[derive(Debug)]
struct Open {
    suite: Suite,
    /// Past the line `failures:`, where what failing tests printed is shown again.
    failures: bool,
}

impl CargoTest {
    /// The next line, without its end; `stdout` is where libtest's own lines are.
    pub fn line(&mut self, line: &str, stdout: bool) {
        if line.starts_with("     Running ") && line.ends_with(')') {
            self.binaries += 1;
        } else if line.starts_with("   Doc-tests ") {
            self.doc_tests += 1;
        }
        if !stdout || self.problem.is_some() {
            return;
        }
        if let Some(said) = line.strip_prefix("test result: ") {
            return self.result(said);
        }
        match &mut self.open {
            None => {
                self.open = announced(line).map(|tests| Open {
                    suite: Suite::new(tests),
                    failures: false,
                });
            }
            Some(open) if open.failures => {}
            Some(open) if line == "failures:" => open.failures = true,
            Some(_) if announced(line).is_some() => {
                self.problem = Some(format!("`{line}` inside another run of tests"));
            }
            Some(open) => {
                if let Some((test, end)) = ended(line) {
                    open.suite.add(test, end);
                }
            }
        }
    }

    fn result(&mut self, line: &str) {
        let Some(open) = &self.open else {
            self.problem = Some("a line `test result` outside of a run of tests".into());
            return;
        };
        let said = said(line);
        if open.failures {
            // A test that failed may have printed another one's result. The real one says FAILED, and
            // whichever is taken, the gate fails.
            let real = |said: &Said| said.failed > 0 && open.suite.can_end_with(*said);
            if !said.is_some_and(|(_, said)| real(&said)) {
                return;
            }
        }
        let suite = self.open.take().map(|open| open.suite).unwrap_or_default();
        match suite.names().next().is_some_and(is_doc_test) {
            true => self.doc_results += 1,
            false => self.results += 1,
        }
        let closed = match said {
            None => Err(format!("`test result: {line}` is not as libtest writes it")),
            Some((ok, said)) if ok != (said.failed == 0) => {
                Err(format!("`test result: {line}` contradicts itself"))
            }
            Some((_, said)) => suite.close(said, false, &mut self.tally),
        };
        self.problem = closed.err();
    }

    /// What all test binaries together came to.
    ///
    /// # Errors
    /// Why nobody can say.
    pub fn finish(self) -> Result<Tally, String> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        if self.open.is_some() {
            return Err("the output ends inside a run of tests".into());
        }
        let (told, started) = (
            self.results + self.doc_results,
            self.binaries + self.doc_tests,
        );
        if told == 0 {
            return Err("the output has no line `test result`".into());
        }
        // Doc tests of one package may be several runs: merged ones, and those that must stand alone.
        let more = told > started && self.doc_tests == 0;
        if started > 0 && (told < started || self.results < self.binaries || more) {
            return Err(format!(
                "cargo started {} test binaries and documentation tests of {} packages, and results \
                 were told of {} and {}",
                self.binaries, self.doc_tests, self.results, self.doc_results
            ));
        }
        Ok(self.tally)
    }
}

/// `src/lib.rs - add (line 6)`
fn is_doc_test(name: &str) -> bool {
    let line = name
        .strip_suffix(')')
        .and_then(|n| n.rsplit_once(" (line "));
    line.is_some_and(|(_, number)| digits(number).is_some())
}

/// N of `running N tests`.
fn announced(line: &str) -> Option<u64> {
    let rest = line.strip_prefix("running ")?;
    let number = rest
        .strip_suffix(" tests")
        .or_else(|| rest.strip_suffix(" test"))?;
    digits(number)
}

/// `test NAME ... ok`, with what may stand behind it.
fn ended(line: &str) -> Option<(&str, End)> {
    let (test, how) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let is = |word: &str| {
        how.strip_prefix(word)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ',']))
    };
    let end = match () {
        () if is("ok") => End::Passed,
        () if is("FAILED") => End::Failed,
        () if is("ignored") => End::Ignored,
        () => return None,
    };
    let kinds = [" - should panic", " - compile fail", " - compile"];
    let name = kinds.iter().find_map(|kind| test.strip_suffix(kind));
    Some((name.unwrap_or(test), end))
}

/// `ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.13s`; the last part is
/// not always there.
fn said(line: &str) -> Option<(bool, Said)> {
    let (word, rest) = line.split_once(". ")?;
    let ok = match word {
        "ok" => true,
        "FAILED" => false,
        _ => return None,
    };
    let mut parts = rest.split("; ");
    let mut number = |what: &str| {
        let part = parts.next()?.strip_suffix(what)?;
        digits(part.strip_suffix(' ')?)
    };
    let said = Said {
        passed: number("passed")?,
        failed: number("failed")?,
        ignored: number("ignored")?,
        measured: number("measured")?,
    };
    number("filtered out")?;
    match parts.next() {
        Some(time) if !time.starts_with("finished in ") => None,
        _ => parts.next().is_none().then_some((ok, said)),
    }
}

/// A number of at most nine digits and nothing else.
fn digits(text: &str) -> Option<u64> {
    let plain = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}
