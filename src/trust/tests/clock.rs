//! A clock that was turned back, or that was wrong before.

use jiff::SignedDuration;

use super::*;
use crate::trust::clock::{TOLERANCE, check};

fn ahead(by: SignedDuration) -> Option<Time> {
    Some(now().checked_add(by).unwrap())
}

#[test]
fn a_clock_behind_the_last_time_this_node_saw_is_refused_with_a_hint() {
    let error = check(now(), ahead(SignedDuration::from_hours(24)), None).unwrap_err();
    assert_eq!(error.kind(), crate::Kind::Refused);
    let text = error.to_string();
    assert!(text.contains("it says 2026-06-01T12:00:00Z"), "{text}");
    assert!(text.contains("2026-06-02T12:00:00Z already"), "{text}");
    assert!(text.contains("last refreshed here"), "{text}");
    assert!(error.hint_text().unwrap().contains("timedatectl"));
}

#[test]
fn a_clock_behind_witnessed_time_is_refused_with_a_hint() {
    let error = check(now(), None, ahead(SignedDuration::from_hours(1))).unwrap_err();
    assert!(error.to_string().contains("witnessed"), "{error}");
    assert!(error.hint_text().unwrap().contains("timedatectl"));
}

#[test]
fn the_later_of_both_times_counts() {
    let (hour, day) = (
        SignedDuration::from_hours(1),
        SignedDuration::from_hours(24),
    );
    for (seen, witnessed, words) in [(hour, day, "witnessed"), (day, hour, "refreshed here")] {
        let error = check(now(), ahead(seen), ahead(witnessed)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("2026-06-02T12:00:00Z already"), "{text}");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn small_corrections_and_a_clock_that_goes_on_are_fine() {
    let second = SignedDuration::from_secs(1);
    check(now(), None, None).unwrap();
    check(now(), ahead(-second), ahead(-second)).unwrap();
    check(now(), ahead(TOLERANCE), ahead(TOLERANCE)).unwrap();
    assert!(check(now(), ahead(TOLERANCE + second), None).is_err());
    assert!(check(now(), None, ahead(TOLERANCE + second)).is_err());
}

#[test]
fn the_ends_of_time_overflow_nothing() {
    assert!(check(Time::MIN, Some(Time::MAX), Some(Time::MIN)).is_err());
    check(Time::MAX, Some(Time::MIN), Some(Time::MAX)).unwrap();
}
