//! Coverage reports of real tools, and what the critical paths of them are worth.

use super::super::coverage::{Lines, measure};
use super::super::{Decimal, cobertura, lcov};
use crate::release::config::gate::{CoverageDemand, CoverageFormat};

const LCOV: &str = include_str!("recorded/coverage.lcov");
const COBERTURA: &str = include_str!("recorded/cobertura.xml");
const ROOT: &str = "/build/sample";

fn measured(lines: &Lines, paths: &[&str], percent: &str) -> ([u64; 2], Vec<String>) {
    let demand = CoverageDemand {
        file: "lcov.info".into(),
        format: CoverageFormat::Lcov,
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        min_percent: Decimal::parse(percent).unwrap(),
    };
    let (coverage, problems) = measure(lines, &demand);
    ([coverage.lines_hit, coverage.lines_found], problems)
}

#[test]
fn both_formats_give_the_same_lines() {
    let both = [
        lcov::read(LCOV.as_bytes(), ROOT).unwrap(),
        cobertura::read(COBERTURA.as_bytes(), ROOT).unwrap(),
    ];
    for lines in &both {
        assert_eq!(measured(lines, &["src/**"], "85"), ([6, 7], vec![]));
        let (found, problems) = measured(lines, &["src/consensus/**"], "90");
        assert_eq!(found, [5, 6]);
        assert_eq!(
            problems,
            ["83.33 % (5 of 6) of critical lines were run, wanted 90 %"]
        );
        assert_eq!(
            measured(lines, &["src/consensus/**"], "83.333333333").1,
            [""; 0]
        );
        assert_eq!(
            measured(lines, &["src/consensus/**"], "83.333333334")
                .1
                .len(),
            1
        );
    }
}

#[test]
fn a_critical_path_that_is_not_in_the_report_is_missed() {
    let lines = lcov::read(LCOV.as_bytes(), ROOT).unwrap();
    let (found, problems) = measured(&lines, &["src/util.py", "src/wallet/**"], "90");
    assert_eq!(found, [1, 1]);
    assert_eq!(
        problems,
        ["no file of src/wallet/** is in the coverage report"]
    );
    let (found, problems) = measured(&lines, &["src/wallet/**"], "1");
    assert_eq!((found, problems.len()), ([0, 0], 2));
}

#[test]
fn absolute_names_in_the_clone_count_and_those_outside_do_not() {
    let text = "SF:/build/sample/src/a.rs\nDA:1,1\nend_of_record\n\
        SF:/elsewhere/src/a.rs\nDA:2,9\nend_of_record\n\
        SF:../src/a.rs\nDA:3,9\nend_of_record\n\
        SF:src/a.rs\nDA:1,0\nDA:4,0,abc\nend_of_record\n";
    let lines = lcov::read(text.as_bytes(), ROOT).unwrap();
    assert_eq!(measured(&lines, &["**"], "50").0, [1, 2]);
    let text = "<coverage><sources><source>/build/sample/src</source></sources><classes>\
        <class filename='a.rs'><methods><method><lines><line number='1' hits='1'/></lines></method></methods>\
        <lines><line number='1' hits='0'/><line number='2' hits='0'/></lines></class></classes></coverage>";
    let lines = cobertura::read(text.as_bytes(), ROOT).unwrap();
    assert_eq!(measured(&lines, &["src/a.rs"], "50").0, [1, 2]);
}

#[test]
fn broken_reports_are_refused() {
    for (text, why) in [
        ("", "no file"),
        ("SF:a\nDA:1,1\n", "ends inside a file"),
        ("DA:1,1\nend_of_record\n", "a line of no file"),
        ("end_of_record\n", "has not begun"),
        ("SF:a\nSF:b\nend_of_record\n", "inside another"),
        ("SF:a\nDA:1,-1\nend_of_record\n", "wanted DA"),
        ("SF:a\nDA:1,nan\nend_of_record\n", "wanted DA"),
        ("SF:a\nDA:1\nend_of_record\n", "wanted DA"),
        (
            "SF:a\nDA:1,99999999999999999999999\nend_of_record\n",
            "wanted DA",
        ),
    ] {
        let e = lcov::read(text.as_bytes(), ROOT).expect_err(text);
        assert!(e.contains(why), "{text}: {e}");
    }
    for (text, why) in [
        ("<report/>", "root element"),
        (
            "<coverage><line number='1' hits='1'/></coverage>",
            "of no <class>",
        ),
        (
            "<coverage><class filename='a'><line number='1'/></class></coverage>",
            "number and hits",
        ),
        (
            "<coverage><class filename='a'><line number='1' hits='-1'/></class></coverage>",
            "wanted a number",
        ),
        ("<coverage><class/></coverage>", "without a filename"),
        ("<coverage><class filename='a'>", "ends inside"),
        ("<!DOCTYPE c [<!ENTITY a 'b'>]><coverage/>", "document type"),
    ] {
        let e = cobertura::read(text.as_bytes(), ROOT).expect_err(text);
        assert!(e.contains(why), "{text}: {e}");
    }
    let named = "<!DOCTYPE coverage SYSTEM 'http://example.org/coverage-04.dtd'><coverage/>";
    assert!(cobertura::read(named.as_bytes(), ROOT).is_ok());
}
