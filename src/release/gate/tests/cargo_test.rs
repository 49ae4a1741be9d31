//! What `cargo test` prints for people, real and forged.

use super::super::cargo_test::CargoTest;
use super::super::tally::Tally;
use super::numbers;

const OUT: &str = include_str!("recorded/cargo-test.stdout");
const ERR: &str = include_str!("recorded/cargo-test.stderr");

fn read(stdout: &str, stderr: &str) -> Result<Tally, String> {
    let mut reader = CargoTest::default();
    stderr.lines().for_each(|line| reader.line(line, false));
    stdout.lines().for_each(|line| reader.line(line, true));
    reader.finish()
}

#[track_caller]
fn unreadable(stdout: &str, stderr: &str, why: &str) {
    let e = read(stdout, stderr).expect_err("it was read");
    assert!(e.contains(why), "{e}");
}

#[test]
fn unit_integration_and_documentation_tests_are_added_up() {
    let tally = read(OUT, ERR).unwrap();
    assert_eq!(numbers(&tally), [8, 0, 3]);
    assert_eq!(
        tally.ignored,
        ["tests::far", "slow", "src/lib.rs - add (line 12)"]
    );
    assert!(tally.passed.contains(&"tests::panics".to_owned()));
    assert!(
        tally
            .passed
            .contains(&"src/lib.rs - add (line 9)".to_owned())
    );
}

#[test]
fn both_streams_in_one_are_the_same() {
    let mut reader = CargoTest::default();
    let lines = ERR.lines().chain(OUT.lines());
    lines.for_each(|line| reader.line(line, true));
    assert_eq!(numbers(&reader.finish().unwrap()), [8, 0, 3]);
}

#[test]
fn the_quiet_format_has_numbers_and_no_names() {
    let tally = read(include_str!("recorded/cargo-test-quiet.stdout"), "").unwrap();
    assert_eq!(numbers(&tally), [8, 0, 3]);
    assert!(tally.ignored.is_empty());
}

#[test]
fn failures_are_named_whatever_the_failing_test_printed() {
    let stdout = include_str!("recorded/cargo-test-failed.stdout");
    assert!(stdout.contains("test result: ok. 9 passed"));
    let tally = read(stdout, include_str!("recorded/cargo-test-failed.stderr")).unwrap();
    assert_eq!(numbers(&tally), [8, 1, 3]);
    assert_eq!(tally.failed, ["breaks"]);
}

#[test]
fn a_result_that_a_passing_test_printed_spoils_the_count() {
    // Recorded with `--show-output`, which shows again what the test printed.
    let shown = include_str!("recorded/cargo-test-show-output.stdout");
    unreadable(shown, "", "promised 3 tests and told of 50 passed");
    for forged in [
        "test result: ok. 50 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        "running 50 tests",
    ] {
        let stdout = OUT.replacen(
            "test tests::adds",
            &format!("{forged}\ntest tests::adds"),
            1,
        );
        assert!(read(&stdout, ERR).is_err(), "{forged}");
        let stdout = format!("{OUT}{forged}\n");
        assert!(read(&stdout, ERR).is_err(), "{forged} at the end");
    }
}

#[test]
fn a_whole_run_that_a_test_printed_is_one_more_than_cargo_started() {
    let forged = "\nrunning 1 test\ntest a ... ok\n\n\
        test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
    let stderr: String = ERR
        .lines()
        .filter(|line| !line.contains("Doc-tests"))
        .map(|line| format!("{line}\n"))
        .collect();
    let docs = OUT.find("\nrunning 4 tests").unwrap();
    let stdout = &OUT[..docs];
    assert_eq!(numbers(&read(stdout, &stderr).unwrap()), [4, 0, 2]);
    unreadable(
        &format!("{stdout}{forged}"),
        &stderr,
        "cargo started 2 test binaries and documentation tests of 0 packages, and results were told of 3 and 0",
    );
}

#[test]
fn more_names_than_the_result_has_are_refused() {
    let stdout = OUT.replacen(
        "test tests::adds",
        "test forged::one ... ok\ntest forged::two ... ok\ntest tests::adds",
        1,
    );
    unreadable(&stdout, ERR, "4 tests were named as passed");
    let hidden = OUT.replacen(
        "test tests::adds ... ok",
        "noise test tests::adds ... ok",
        1,
    );
    assert_eq!(numbers(&read(&hidden, ERR).unwrap()), [8, 0, 3]);
}

#[test]
fn cut_off_anywhere_nothing_is_counted_too_much() {
    let lines: Vec<&str> = OUT.lines().collect();
    let documentation = lines.iter().position(|line| *line == "running 4 tests");
    for end in 0..lines.len() {
        // Only in the middle of documentation tests, which may be one run or two, it looks whole.
        match read(&lines[..end].join("\n"), ERR) {
            Ok(tally) => {
                assert!(documentation < Some(end), "after {end} lines");
                assert!(tally.total() <= 11, "after {end} lines");
            }
            Err(e) => assert!(!e.is_empty(), "after {end} lines"),
        }
    }
}

#[test]
fn what_contradicts_itself_is_no_count() {
    let result = "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.13s";
    let start = OUT.find("test result").unwrap();
    let end = start + OUT[start..].find('\n').unwrap();
    for (bad, why) in [
        (
            "test result: FAILED. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
            "contradicts",
        ),
        (
            "test result: ok. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out",
            "contradicts",
        ),
        (
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            "promised 3",
        ),
        (
            "test result: ok. 18446744073709551615 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
            "libtest",
        ),
        (
            "test result: ok. -2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
            "libtest",
        ),
        (
            "test result: ok. nan passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
            "libtest",
        ),
        ("test result: ok", "libtest"),
        ("test result: ok. ", "libtest"),
    ] {
        let stdout = format!("{}{bad}{}", &OUT[..start], &OUT[end..]);
        unreadable(&stdout, ERR, why);
    }
    assert!(OUT.contains(result) || OUT.contains("test result: ok. 2 passed"));
}

#[test]
fn no_tests_binaries_that_tell_nothing_and_no_output_at_all() {
    unreadable("", "", "no line `test result`");
    unreadable(
        "Hello, world!\n",
        "     Running benches/x.rs (target/x)\n",
        "no line",
    );
    let stderr = format!("{ERR}     Running tests/own.rs (target/debug/deps/own-1)\n");
    unreadable(OUT, &stderr, "cargo started 3 test binaries");
    let empty = "\nrunning 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
    assert_eq!(numbers(&read(empty, "").unwrap()), [0, 0, 0]);
}

#[test]
fn a_line_of_64_mib_and_a_promise_of_a_billion_tests_cost_little() {
    let long = "test ".to_owned() + &"x".repeat(64 << 20);
    let mut reader = CargoTest::default();
    reader.line("running 999999999 tests", true);
    reader.line(&long, true);
    reader.line(
        "test result: ok. 999999999 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        true,
    );
    let e = reader.finish().unwrap_err();
    assert!(e.contains("promised 999999999 tests"), "{e}");
}
