//! A run against what its gate asks for.

use std::collections::BTreeMap;

use super::super::judge::{Evidence, Verdict, judge};
use super::super::listen::Listener;
use super::super::run::Ended;
use crate::release::config::gate::{CountsFormat, ForbidNew, Gate};
use crate::release::source::ChangedFile;

const JUNIT: &str = include_str!("recorded/nextest.xml");

struct Case {
    gate: Gate,
    ended: Ended,
    stdout: String,
    stderr: String,
    report: Option<&'static str>,
    tree: BTreeMap<String, u64>,
    changes: Vec<ChangedFile>,
    touched: Vec<String>,
}

fn case(gate: Gate) -> Case {
    Case {
        gate,
        ended: Ended::Exited(0),
        stdout: String::new(),
        stderr: String::new(),
        report: None,
        tree: BTreeMap::new(),
        changes: Vec::new(),
        touched: Vec::new(),
    }
}

impl Case {
    fn judged(&self) -> Verdict {
        let mut listener = Listener::new(&self.gate);
        for (text, stdout) in [(&self.stderr, false), (&self.stdout, true)] {
            let lines = text.lines();
            lines.for_each(|line| listener.line(line.as_bytes(), stdout));
        }
        let report = self.report.map(str::as_bytes).map(<[u8]>::to_vec);
        let report = |path: &str| {
            report
                .clone()
                .ok_or_else(|| format!("there is no report {path}"))
        };
        judge(
            &self.gate,
            Evidence {
                ended: self.ended,
                heard: listener.finish(),
                report: &report,
                root: "/build/sample",
                tree: &self.tree,
                changes: &self.changes,
                touched: &self.touched,
            },
        )
    }

    #[track_caller]
    fn problems(&self, wanted: &[&str]) {
        assert_eq!(self.judged().problems, wanted);
    }
}

fn cargo_test() -> Case {
    let mut gate = Gate::new("test", &["cargo", "test"]);
    gate.counts = Some(CountsFormat::CargoTest);
    gate.allow_ignored = vec!["tests::far".into(), "slow".into(), "src/lib.rs - *".into()];
    Case {
        stdout: include_str!("recorded/cargo-test.stdout").into(),
        stderr: include_str!("recorded/cargo-test.stderr").into(),
        ..case(gate)
    }
}

fn nextest() -> Case {
    let mut gate = Gate::new("test", &["cargo", "nextest", "run"]);
    gate.counts = Some(CountsFormat::Junit);
    gate.report = Some("target/nextest/ci/junit.xml".into());
    gate.allow_ignored = vec!["*far".into(), "*slow".into()];
    Case {
        stderr: include_str!("recorded/nextest.stderr").into(),
        report: Some(JUNIT),
        ..case(gate)
    }
}

#[test]
fn enough_tests_pass_and_one_too_few_does_not() {
    cargo_test().problems(&[]);
    let mut few = cargo_test();
    few.gate.min_tests = Some(9);
    few.problems(&["8 tests passed, wanted 9"]);
    few.gate.min_tests = Some(8);
    few.problems(&[]);
    assert_eq!(few.judged().counts.unwrap().ignored, 3);
}

#[test]
fn ignored_tests_are_held_against_the_list_by_name() {
    let mut case = cargo_test();
    case.gate.allow_ignored = vec!["tests::*".into()];
    case.problems(&["ignored and not in allow_ignored: slow, src/lib.rs - add (line 12)"]);
    case.stdout = include_str!("recorded/cargo-test-quiet.stdout").into();
    case.stderr = String::new();
    case.problems(&["3 tests were ignored, and the output does not name them"]);
    case.gate.allow_ignored = vec!["*".into()];
    case.problems(&[]);
}

#[test]
fn every_problem_is_told_and_not_the_first_alone() {
    let mut case = cargo_test();
    case.ended = Ended::Exited(101);
    case.stdout = include_str!("recorded/cargo-test-failed.stdout").into();
    case.stderr = include_str!("recorded/cargo-test-failed.stderr").into();
    case.gate.min_tests = Some(50);
    case.gate.no_warnings = true;
    case.stderr.push_str("warning: unused variable\n");
    case.gate.required_files = vec!["CHANGELOG.md".into()];
    case.touched = vec!["src/lib.rs".into()];
    case.problems(&[
        "exited with 101, wanted 0",
        "1 tests failed: breaks",
        "8 tests passed, wanted 50",
        "\"warning: unused variable\"",
        "the tag has no file CHANGELOG.md",
        "it changed files of the tag: src/lib.rs",
    ]);
}

#[test]
fn failures_fail_a_runner_that_exits_with_0() {
    let mut case = cargo_test();
    case.stdout = include_str!("recorded/cargo-test-failed.stdout").into();
    case.stderr = include_str!("recorded/cargo-test-failed.stderr").into();
    case.problems(&["1 tests failed: breaks"]);
}

#[test]
fn a_killed_runner_and_a_count_that_cannot_be_read_never_pass() {
    let mut case = cargo_test();
    case.ended = Ended::TimedOut(60);
    let half = case.stdout.len() / 2;
    case.stdout.truncate(half);
    let problems = case.judged().problems;
    assert_eq!(problems[0], "was stopped after 60 minutes");
    assert!(
        problems[1].starts_with("the number of tests cannot be read: "),
        "{problems:?}"
    );
    assert!(case.judged().counts.is_none());
    case.ended = Ended::Signalled(9);
    assert_eq!(case.judged().problems[0], "was ended by signal 9");
    let silent = Case {
        stdout: String::new(),
        stderr: String::new(),
        ..cargo_test()
    };
    assert_eq!(silent.judged().problems.len(), 1);
}

#[test]
fn a_run_without_a_single_test_fails() {
    let mut case = cargo_test();
    case.stderr = String::new();
    case.stdout = "running 0 tests\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n".into();
    case.problems(&["0 tests passed, wanted 1"]);
}

#[test]
fn a_report_that_is_missing_broken_or_of_another_run_fails() {
    nextest().problems(&[]);
    let mut case = nextest();
    case.report = None;
    case.problems(&["there is no report target/nextest/ci/junit.xml"]);
    case.report = Some("<testsuites>");
    let problems = case.judged().problems;
    assert!(
        problems[0].contains("cannot be read: it ends inside an element"),
        "{problems:?}"
    );
    case.report = Some("<testsuite><testcase name='a'/></testsuite>");
    let wanted = "report target/nextest/ci/junit.xml has 1 tests that were run, and nextest says 4";
    case.problems(&[wanted]);
}

#[test]
fn tests_that_nextest_skipped_and_did_not_report_are_missed() {
    let mut case = nextest();
    case.report = Some(
        "<testsuite><testcase name='a'/><testcase name='b'/><testcase name='c'/><testcase name='d'/></testsuite>",
    );
    case.problems(&["2 tests were ignored, and the output does not name them"]);
}

#[test]
fn files_must_be_there_have_contents_and_have_changed() {
    let mut gate = Gate::new("docs", &[]);
    gate.required_files = vec!["docs/rollback.md".into(), "docs/*-guide.md".into()];
    gate.changed_files = vec!["CHANGELOG.md".into()];
    gate.forbid_new = Some(ForbidNew::default());
    let mut case = Case {
        ended: Ended::NoCommand,
        ..case(gate)
    };
    let tree = [
        ("docs/rollback.md", 0),
        ("docs/migration-guide.md", 9),
        ("CHANGELOG.md", 9),
    ];
    case.tree = tree.map(|(path, len)| (path.to_owned(), len)).into();
    case.problems(&[
        "file docs/rollback.md is empty",
        "file CHANGELOG.md is as it was in the release before",
    ]);
    case.tree.insert("docs/rollback.md".into(), 7);
    case.changes = vec![
        ChangedFile {
            path: "CHANGELOG.md".into(),
            added: vec![],
        },
        ChangedFile {
            path: "src/a.rs".into(),
            added: vec![(3, "// old();".into())],
        },
    ];
    case.problems(&["src/a.rs:3 adds \"// old();\""]);
    case.tree.remove("CHANGELOG.md");
    assert!(
        case.judged()
            .problems
            .contains(&"the tag has no file CHANGELOG.md".to_owned())
    );
}
