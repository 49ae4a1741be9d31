//! Reports for people: a line a check, then every problem under its check.

use super::text;
use crate::release::report::{Outcome, Report};

/// The report as lines.
pub fn lines(report: &Report) -> String {
    let width = report
        .checks
        .iter()
        .map(|c| c.name.len())
        .max()
        .unwrap_or(0);
    let mut out = String::new();
    for check in &report.checks {
        let (mark, detail) = match check.outcome {
            Outcome::Ok => ("ok    ", text::line(&check.detail)),
            Outcome::Failed => ("FAILED", problem_count(check.problems.len())),
            Outcome::Skipped => (
                "-     ",
                format!("not checked: {}", text::line(&check.detail)),
            ),
        };
        out.push_str(&format!("{mark}  {:width$}  {detail}\n", check.name));
        for problem in &check.problems {
            out.push_str(&format!(
                "        {}: {}\n",
                text::line(&problem.subject),
                text::line(&problem.message)
            ));
        }
    }
    for warning in &report.warnings {
        out.push_str(&format!("warning: {}\n", text::line(warning)));
    }
    out
}

/// `1 problem`, `3 problems`.
pub fn problem_count(n: usize) -> String {
    match n {
        1 => "1 problem".into(),
        n => format!("{n} problems"),
    }
}
