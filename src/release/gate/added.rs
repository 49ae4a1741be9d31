//! Lines that a release adds, and what no new line may have: unfinished code, code in comments. Pure.

use super::expression;
use super::glob;
use crate::limits::{MAX_NAMED, MAX_SHOWN_NAME};
use crate::release::config::gate::{ForbidNew, Gate};
use crate::release::source::ChangedFile;
use crate::release::text::shown;

/// Whether a gate looks at the lines that were added to a file.
pub fn is_looked_at(gates: &[Gate], path: &str) -> bool {
    let mut all = gates.iter().filter_map(|gate| gate.forbid_new.as_ref());
    all.any(|forbid| glob::is_of_any(&forbid.paths, path))
}

/// Every added line that is forbidden; those that are not named, by their number.
pub fn problems(changes: &[ChangedFile], forbid: &ForbidNew) -> Vec<String> {
    let pattern = match expression(&forbid.pattern) {
        Ok(pattern) => pattern,
        Err(e) => return vec![format!("forbid_new.pattern: {e}")],
    };
    let mut out = Vec::new();
    let mut more = 0;
    let files = changes.iter();
    for file in files.filter(|file| glob::is_of_any(&forbid.paths, &file.path)) {
        for (number, line) in &file.added {
            if !pattern.is_match(line) {
                continue;
            }
            if out.len() < MAX_NAMED {
                let line = shown(line.trim(), MAX_SHOWN_NAME);
                let path = shown(&file.path, 4 * MAX_SHOWN_NAME);
                out.push(format!("{}:{number} adds {line}", path.trim_matches('"')));
            } else {
                more += 1;
            }
        }
    }
    if more > 0 {
        out.push(format!("{more} more such lines"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(path: &str, lines: &[&str]) -> ChangedFile {
        let lines = (1..).zip(lines.iter().map(|line| (*line).to_owned()));
        ChangedFile {
            path: path.into(),
            added: lines.collect(),
        }
    }

    fn found(line: &str) -> usize {
        problems(&[added("src/a.rs", &[line])], &ForbidNew::default()).len()
    }

    #[test]
    fn unfinished_code_and_code_in_comments_are_found() {
        for line in [
            concat!("    to", "do!(\"later\")"),
            concat!("unimpl", "emented!{}"),
            concat!("let x = db", "g![y];"),
            "    // let x = 1;",
            "//fn old() {",
            "// }",
            "//;",
        ] {
            assert_eq!(found(line), 1, "{line}");
        }
        for line in [
            "    /// let x = 1;",
            "//! fn main() {",
            "// Reads the list; says why not.",
            "let mytodo = 1;",
            "let url = \"https://example.org/{id}\";",
            "//",
            "",
        ] {
            assert_eq!(found(line), 0, "{line}");
        }
    }

    #[test]
    fn only_the_files_that_are_named_are_looked_at_and_their_lines_are_told() {
        let bad = "// x();";
        let changes = [
            added("docs/a.md", &[bad]),
            added("src/a.rs", &["fine", bad]),
        ];
        let told = problems(&changes, &ForbidNew::default());
        assert_eq!(told, ["src/a.rs:2 adds \"// x();\""]);
        let many = vec![bad; 15];
        let told = problems(&[added("src/a.rs", &many)], &ForbidNew::default());
        assert_eq!(told.last().map(String::as_str), Some("5 more such lines"));
    }
}
