//! Compilers' warnings in a command's output. Pure.

use crate::limits::{MAX_NAMED, MAX_SHOWN_NAME};
use crate::release::text::shown;

/// Counts them, a line at a time.
#[derive(Debug, Default)]
pub struct Warnings {
    found: u64,
    first: Vec<String>,
}

impl Warnings {
    /// The next line: rustc's, cargo's and build scripts' begin with `warning`, those of C compilers and
    /// linkers name a place before it.
    pub fn line(&mut self, line: &str) {
        let line = line.trim_start();
        let rest = match line.strip_prefix("warning") {
            Some(rest) => rest,
            None => match line.split_once(": warning") {
                Some((_, rest)) => rest,
                None => return,
            },
        };
        // `warning: …` and `warning[code]: …`.
        let rest = match rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            Some((_, rest)) => rest,
            None => rest,
        };
        if rest.starts_with(':') {
            self.found += 1;
            if self.first.len() < MAX_NAMED {
                self.first.push(shown(line, 4 * MAX_SHOWN_NAME));
            }
        }
    }

    /// Every warning as a problem; those that are not named, by their number.
    pub fn problems(self) -> Vec<String> {
        let more = self.found - self.first.len() as u64;
        let mut out = self.first;
        if more > 0 {
            out.push(format!("{more} more warnings"));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_compilers_are_found_and_words_in_sentences_are_not() {
        let found = |line: &str| {
            let mut warnings = Warnings::default();
            warnings.line(line);
            warnings.problems().len()
        };
        for line in [
            "warning: unused variable: `x`",
            "warning: w@0.1.0: hello",
            "warning: `w` (bin \"w\") generated 1 warning",
            "warning[E0133]: call to unsafe function",
            "src/db.c:12:3: warning: implicit declaration",
            "/usr/bin/ld: warning: missing .note.GNU-stack section",
        ] {
            assert_eq!(found(line), 1, "{line}");
        }
        for line in [
            "   Compiling warning v1.0.0",
            "test early_warning::fires ... ok",
            "a warning in a sentence",
            "warnings: none",
            "",
        ] {
            assert_eq!(found(line), 0, "{line}");
        }
    }

    #[test]
    fn of_a_thousand_warnings_the_first_are_named_and_the_rest_counted() {
        let mut warnings = Warnings::default();
        (0..1_000).for_each(|_| warnings.line("warning: x"));
        let problems = warnings.problems();
        assert_eq!(problems.len(), MAX_NAMED + 1);
        assert_eq!(problems[MAX_NAMED], "990 more warnings");
    }
}
