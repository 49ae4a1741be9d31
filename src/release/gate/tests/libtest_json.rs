//! libtest's JSON, real and broken.

use super::super::libtest_json::LibtestJson;
use super::super::tally::Tally;
use super::numbers;

const JSON: &str = include_str!("recorded/libtest.json");

fn read(text: &str) -> Result<Tally, String> {
    let mut reader = LibtestJson::default();
    text.lines().for_each(|line| reader.line(line));
    reader.finish()
}

#[test]
fn all_suites_are_added_up_with_names() {
    let tally = read(JSON).unwrap();
    assert_eq!(numbers(&tally), [8, 0, 3]);
    assert_eq!(tally.passed.len(), 8);
    assert_eq!(tally.ignored[0], "tests::far");
    let failed = read(include_str!("recorded/libtest-failed.json")).unwrap();
    assert_eq!(numbers(&failed), [2, 1, 1]);
    assert_eq!(failed.failed, ["breaks"]);
}

#[test]
fn json_of_the_tests_own_is_passed_over() {
    let noise = "{\"level\":\"info\"}\n{broken\n{\"type\":7}\n[1]\nplain\n";
    let text = JSON.replacen(
        "{ \"type\": \"test\"",
        &format!("{noise}{{ \"type\": \"test\""),
        3,
    );
    assert_eq!(numbers(&read(&text).unwrap()), [8, 0, 3]);
}

#[test]
fn whatever_is_missing_or_too_much_leaves_nothing_counted() {
    let lines: Vec<&str> = JSON.lines().collect();
    for (n, line) in lines.iter().enumerate() {
        if line.contains("\"report\"") || line.contains("\"event\": \"started\", \"name\"") {
            continue;
        }
        let mut without = lines.clone();
        without.remove(n);
        assert!(read(&without.join("\n")).is_err(), "without {line}");
        let mut twice = lines.clone();
        twice.insert(n, line);
        assert!(read(&twice.join("\n")).is_err(), "twice {line}");
    }
    for end in 0..lines.len() - 1 {
        let whole = lines[..end]
            .last()
            .is_some_and(|l| l.contains("\"exec_time\""));
        assert_eq!(
            read(&lines[..end].join("\n")).is_ok(),
            whole,
            "after {end} lines"
        );
    }
}

#[test]
fn numbers_that_are_none_are_refused() {
    for bad in [
        "-2",
        "2.5",
        "\"2\"",
        "1e3",
        "18446744073709551616",
        "null",
        "999999999999",
    ] {
        let text = JSON.replacen("\"passed\": 2", &format!("\"passed\": {bad}"), 1);
        assert!(read(&text).is_err(), "{bad}");
    }
    let text = JSON.replacen("\"failed\": 0", "\"failed\": 0, \"failed\": 0", 1);
    assert!(read(&text).is_err(), "a member twice");
    assert!(
        read(&JSON.replacen(
            "\"event\": \"ok\", \"passed\"",
            "\"event\": \"failed\", \"passed\"",
            1
        ))
        .is_err()
    );
}
