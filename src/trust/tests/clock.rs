//! A clock that was turned back, or that was wrong before.

use jiff::SignedDuration;

use super::*;
use crate::limits::MAX_CLOCK_STEP_SECONDS;
use crate::trust::clock::check;

fn ahead(seconds: i64) -> Option<Time> {
    let by = SignedDuration::from_secs(seconds);
    Some(now().checked_add(by).unwrap())
}

#[test]
fn a_clock_behind_the_last_time_this_node_saw_is_refused_with_a_hint() {
    let error = check(now(), ahead(24 * 3_600)).unwrap_err();
    assert_eq!(error.kind(), crate::Kind::Refused);
    let text = error.to_string();
    assert!(text.contains("it says 2026-06-01T12:00:00Z"), "{text}");
    assert!(text.contains("2026-06-02T12:00:00Z already"), "{text}");
    assert!(error.hint_text().unwrap().contains("timedatectl"));
}

#[test]
fn small_corrections_and_a_clock_that_goes_on_are_fine() {
    assert_eq!(MAX_CLOCK_STEP_SECONDS, 300);
    check(now(), None).unwrap();
    check(now(), ahead(-1)).unwrap();
    check(now(), ahead(0)).unwrap();
    check(now(), ahead(300)).unwrap();
    assert!(check(now(), ahead(301)).is_err());
}

#[test]
fn the_ends_of_time_overflow_nothing() {
    assert!(check(Time::MIN, Some(Time::MAX)).is_err());
    check(Time::MAX, Some(Time::MIN)).unwrap();
}
