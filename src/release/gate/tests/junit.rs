//! JUnit XML of several runners, and XML that means harm.

use super::super::junit::read;
use super::numbers;

const NEXTEST: &str = include_str!("recorded/nextest.xml");
const FAILED: &str = include_str!("recorded/nextest-failed.xml");
const PYTEST: &str = include_str!("recorded/pytest.xml");

#[track_caller]
fn unreadable(text: &str, why: &str) {
    let e = read(text.as_bytes()).expect_err("it was read");
    assert!(e.contains(why), "{e}");
}

#[test]
fn nextest_and_pytest_are_read() {
    let tally = read(NEXTEST.as_bytes()).unwrap();
    assert_eq!(numbers(&tally), [4, 0, 2]);
    assert_eq!(tally.ignored, ["sample::tests::far", "sample::net::slow"]);
    let tally = read(FAILED.as_bytes()).unwrap();
    assert_eq!(numbers(&tally), [4, 1, 2]);
    assert_eq!(tally.failed, ["sample::net::breaks"]);
    let tally = read(PYTEST.as_bytes()).unwrap();
    assert_eq!(numbers(&tally), [1, 2, 1]);
    assert_eq!(
        tally.failed,
        ["tests.test_vote::test_bad", "tests.test_vote::test_error"]
    );
}

#[test]
fn a_suite_alone_googletest_and_flaky_tests_are_read() {
    let alone = "<testsuite tests='3'><testcase name='a'/><testcase name='b' status='notrun'/>\
        <testcase name='c'><flakyFailure/><system-out>x</system-out></testcase></testsuite>";
    assert_eq!(numbers(&read(alone.as_bytes()).unwrap()), [2, 0, 1]);
    let nested = "<testsuites tests='2'><testsuite tests='2'><testsuite tests='1'><testcase name='a'/>\
        </testsuite><testcase name='b'/></testsuite></testsuites>";
    assert_eq!(numbers(&read(nested.as_bytes()).unwrap()), [2, 0, 0]);
    let crashed = "<testsuites><testsuite tests='0' errors='1'><error message='segfault'/></testsuite></testsuites>";
    assert_eq!(numbers(&read(crashed.as_bytes()).unwrap()), [0, 1, 0]);
}

#[test]
fn numbers_that_the_tests_do_not_bear_out_are_refused() {
    unreadable(
        &NEXTEST.replace("tests=\"3\"", "tests=\"60\""),
        "says that it has 60 tests, and shows 3",
    );
    unreadable(
        &NEXTEST.replacen("failures=\"0\"", "failures=\"2\"", 1),
        "says that 2 tests failed, and shows none",
    );
    unreadable(
        &NEXTEST.replacen("skipped=\"2\"", "skipped=\"5\"", 1),
        "5 tests were skipped, and shows 2",
    );
    for bad in ["nan", "-1", "1e1", "", "0x2", "99999999999999999999999"] {
        unreadable(
            &NEXTEST.replacen("tests=\"6\"", &format!("tests=\"{bad}\""), 1),
            "wanted a number",
        );
    }
}

#[test]
fn what_is_no_whole_report_is_refused() {
    let mut ends: Vec<usize> = (0..NEXTEST.trim_end().len()).collect();
    ends.retain(|end| NEXTEST.is_char_boundary(*end));
    for end in ends {
        assert!(
            read(&NEXTEST.as_bytes()[..end]).is_err(),
            "the first {end} bytes"
        );
    }
    unreadable("<html><testsuite/></html>", "root element is <html>");
    unreadable("<testsuite/><testsuite/>", "more than one root");
    unreadable("<testsuite/>more", "outside of its root");
    unreadable("<testsuite><testcase/></testsuite>", "without a name");
    unreadable("<testsuite><testcase name='a'></testsuite>", "well-formed");
    unreadable("<testsuite tests='1' tests='2'/>", "attribute");
    unreadable(
        "<testsuite><testcase name='a'><testcase name='b'/></testcase></testsuite>",
        "inside a <testcase>",
    );
    assert!(read(b"\xff\xfe<\0").is_err());
}

#[test]
fn bombs_and_outside_entities_are_refused_and_cost_nothing() {
    let laughs: String = (1..10)
        .map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10)))
        .collect();
    let bomb = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE t [<!ENTITY l0 \"ha\">{laughs}]><testsuite name=\"&l9;\"/>"
    );
    unreadable(&bomb, "document type declares");
    unreadable(
        "<!DOCTYPE t [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><testsuite name=\"&x;\"/>",
        "document type declares",
    );
    unreadable(
        "<testsuite><testcase name=\"&x;\"/></testsuite>",
        "an attribute of",
    );
    unreadable(&"<testsuite>".repeat(100_000), "nest deeper");
    let long = format!(
        "<testsuite><testcase name=\"{}\"/></testsuite>",
        "x".repeat(16 << 20)
    );
    let tally = read(long.as_bytes()).unwrap();
    assert!(tally.passed[0].len() <= crate::limits::MAX_TEST_NAME_LEN);
}
