//! A report as JUnit XML, for CI: a suite for each check, a case for everything that was looked at.
//! Names and messages may come from an attacker; they are escaped in one place.

use std::collections::BTreeSet;

use crate::release::report::{Check, Outcome, Report};

/// The document. `cases` are what was looked at, by check; what is wrong with something else is a case
/// of its own. There are no times in it, so the same findings give the same bytes.
pub fn document(name: &str, report: &Report, cases: &[(&'static str, String)]) -> String {
    let suites: Vec<Suite> = report
        .checks
        .iter()
        .map(|check| Suite::new(check, cases))
        .collect();
    let sum = |what: fn(&Suite) -> usize| suites.iter().map(what).sum::<usize>();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.push_str(&format!(
        "<testsuites name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n",
        escaped(name),
        sum(|s| s.cases.len()),
        sum(|s| s.failures()),
        sum(|s| usize::from(s.skipped.is_some())),
    ));
    for suite in &suites {
        suite.write(name, &report.warnings, &mut out);
    }
    out.push_str("</testsuites>\n");
    out
}

/// A check.
struct Suite<'a> {
    check: &'a Check,
    /// What was looked at, with all that is wrong with it.
    cases: Vec<(&'a str, Vec<String>)>,
    skipped: Option<&'a str>,
}

impl<'a> Suite<'a> {
    fn new(check: &'a Check, cases: &'a [(&'static str, String)]) -> Self {
        let mut seen = BTreeSet::new();
        let mut all: Vec<(&str, Vec<String>)> = cases
            .iter()
            .filter(|(name, case)| *name == check.name && seen.insert(case))
            .map(|(_, case)| (case.as_str(), Vec::new()))
            .collect();
        for problem in &check.problems {
            let message = format!("{}: {}", problem.subject, problem.message);
            match all
                .iter()
                .position(|(case, _)| is_about(&problem.subject, case))
            {
                Some(at) => all
                    .get_mut(at)
                    .into_iter()
                    .for_each(|(_, p)| p.push(message.clone())),
                None => all.push((&problem.subject, vec![message])),
            }
        }
        if all.is_empty() {
            all.push((check.name, Vec::new()));
        }
        let skipped = check.outcome == Outcome::Skipped;
        if skipped {
            all = vec![(check.name, Vec::new())];
        }
        Suite {
            check,
            cases: all,
            skipped: skipped.then_some(check.detail.as_str()),
        }
    }

    fn failures(&self) -> usize {
        self.cases.iter().filter(|(_, p)| !p.is_empty()).count()
    }

    fn write(&self, name: &str, warnings: &[String], out: &mut String) {
        out.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\">\n",
            escaped(self.check.name),
            self.cases.len(),
            self.failures(),
            usize::from(self.skipped.is_some()),
        ));
        for (case, problems) in &self.cases {
            out.push_str(&format!(
                "    <testcase classname=\"{}.{}\" name=\"{}\"",
                escaped(name),
                escaped(self.check.name),
                escaped(case)
            ));
            let inside = match (self.skipped, problems.first()) {
                (Some(why), _) => format!("<skipped message=\"{}\"/>", escaped(why)),
                (None, Some(first)) => format!(
                    "<failure type=\"{}\" message=\"{}\">{}</failure>",
                    escaped(self.check.name),
                    escaped(first),
                    escaped(&problems.join("\n"))
                ),
                (None, None) => {
                    out.push_str("/>\n");
                    continue;
                }
            };
            out.push_str(&format!(">{inside}</testcase>\n"));
        }
        // What refuses nothing is told once, with the first check.
        if self.check.name == "metadata" && !warnings.is_empty() {
            let lines = escaped(&warnings.join("\n"));
            out.push_str(&format!("    <system-out>{lines}</system-out>\n"));
        }
        out.push_str("  </testsuite>\n");
    }
}

/// Whether a problem's subject is a case or something of it: `tag`, `tag: …`, `tag/…`, and for roles
/// `metadata/3.targets.json`.
fn is_about(subject: &str, case: &str) -> bool {
    let file = subject.strip_prefix("metadata/").unwrap_or(subject);
    let role = file.split_once('.').map(|(_, rest)| rest);
    let begins = |text: &str| {
        let rest = text.strip_prefix(case);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
    };
    begins(subject) || (file != subject && role.is_some_and(begins))
}

/// Text for an element or a quoted attribute. Characters that XML 1.0 does not have (section 2.2,
/// production 2) are written as people write them, and so is what could move a cursor.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' => out.push_str("&#10;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                out.extend(c.escape_default());
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::report::Problem;

    fn report() -> Report {
        let mut report = Report::default();
        report.enter("metadata", Ok(((), "fine".into())));
        let bad = Problem::new("a-1.0.0: archive", "<b>\u{1b}[2J & \"x\"\0\u{ffff}\nmore");
        let more = Problem::new("elsewhere", "is gone");
        report.enter::<()>("releases", Err(vec![bad, more]));
        report.skip("strays", "nothing to see");
        report.warnings.push("old & tired".into());
        report
    }

    #[test]
    fn every_check_is_a_suite_and_everything_looked_at_a_case() {
        let cases = [
            ("releases", "a-1.0.0".to_owned()),
            ("releases", "a-1.0.0-rc".to_owned()),
        ];
        let text = document("store", &report(), &cases);
        assert!(
            text.contains("<testsuites name=\"store\" tests=\"5\" failures=\"2\" skipped=\"1\">"),
            "{text}"
        );
        assert!(text.contains("name=\"a-1.0.0-rc\"/>"), "{text}");
        assert!(text.contains("name=\"a-1.0.0\"><failure"), "{text}");
        assert!(text.contains("name=\"elsewhere\"><failure"), "{text}");
        assert!(
            text.contains("<skipped message=\"nothing to see\"/>"),
            "{text}"
        );
        assert!(
            text.contains("<system-out>old &amp; tired</system-out>"),
            "{text}"
        );
    }

    #[test]
    fn what_xml_does_not_have_is_escaped_in_every_place() {
        let text = document("<&\">\u{7}", &report(), &[]);
        let forbidden = |c: char| (c.is_control() && c != '\n') || c == '\u{ffff}';
        assert!(!text.contains(forbidden), "{text}");
        assert!(
            text.contains("&lt;b&gt;\\u{1b}[2J &amp; &quot;x&quot;\\u{0}\\u{ffff}&#10;more"),
            "{text}"
        );
        assert!(text.contains("&lt;&amp;&quot;&gt;\\u{7}"), "{text}");
    }

    #[test]
    fn a_problem_belongs_to_the_role_or_release_that_it_names() {
        assert!(is_about("metadata/3.targets.json", "targets"));
        assert!(is_about("phase1-x-1.0.0/provenance", "phase1-x-1.0.0"));
        assert!(is_about("testnet version 3", "testnet"));
        assert!(!is_about("phase1-x-1.0.0-rc1/a", "phase1-x-1.0.0"));
        assert!(!is_about("metadata/3.testnet.json", "test"));
    }
}
