//! Soak, notice and the time from which a release may be installed, to the second.

use super::{Case, FIRST, SECOND, THIRD, at, known};
use crate::hash::Sha256;
use crate::release::environment::Rule;

fn soaking() -> Case {
    let mut case = Case::mainnet();
    case.environment.soak_hours = 48;
    case
}

#[test]
fn a_soak_is_over_to_the_second() {
    let mut case = soaking();
    case.times.waits = Some(at("2026-02-02T23:59:59Z"));
    case.breaks(
        &[Rule::Soak],
        &["wanted 48 hours", "over at 2026-02-03T00:00:00Z"],
    );
    case.times.waits = Some(at("2026-02-03T00:00:00Z"));
    case.passes();
}

#[test]
fn a_soak_of_which_nobody_can_tell_the_time_is_not_over() {
    let mut case = soaking();
    case.times.waits = None;
    case.breaks(&[Rule::Soak], &["nobody can tell", "wanted 48 hours"]);
    let mut case = soaking();
    case.origin = Some(known("testnet", 4, SECOND, None));
    case.breaks(&[Rule::Soak], &["nobody can tell"]);
}

#[test]
fn a_soak_that_another_release_ended_early_never_gets_over() {
    let mut case = soaking();
    case.times.waits = Some(at("2027-01-01T00:00:00Z"));
    case.ended = Some(known("testnet", 5, THIRD, Some("2026-02-02T23:59:59Z")));
    case.breaks(&[Rule::Soak], &["until 2026-02-02T23:59:59Z only"]);
    case.ended = Some(known("testnet", 5, THIRD, None));
    case.breaks(&[Rule::Soak], &["nobody can tell"]);
    case.ended = Some(known("testnet", 5, THIRD, Some("2026-02-03T00:00:00Z")));
    case.passes();
}

#[test]
fn a_soak_longer_than_time_itself_never_gets_over_and_nothing_overflows() {
    for hours in [u64::MAX, i64::MAX as u64 / 3_600, 1 << 40] {
        let mut case = soaking();
        case.environment.soak_hours = hours;
        case.environment.notice_hours = hours;
        let case = case.announced("2026-02-02T00:00:00Z", Some("2026-02-01T00:00:00Z"));
        case.breaks(&[Rule::Soak, Rule::Notice], &["no time"]);
    }
}

#[test]
fn phases_soak_in_the_first_environment_one_after_the_other() {
    let mut case = Case::testnet();
    case.environment.soak_hours = 24;
    case.times.waits = Some(at("2026-02-01T23:59:59Z"));
    case.breaks(&[Rule::Soak], &[FIRST, "runs in testnet since"]);
    // A fix of the phase that runs there need not wait for what it fixes.
    let mut fix = Case::testnet().from(Some(SECOND));
    fix.environment.soak_hours = 24;
    fix.times.waits = case.times.waits;
    fix.passes();
    case.times.waits = Some(at("2026-02-02T00:00:00Z"));
    case.passes();
}

#[test]
fn what_comes_back_waits_for_nothing() {
    let mut case = Case::mainnet().returning(FIRST);
    case.environment.soak_hours = 48;
    case.environment.notice_hours = 48;
    case.times.waits = None;
    case.passes();
}

fn noticed() -> Case {
    let mut case = Case::mainnet();
    case.environment.notice_hours = 48;
    case.announced("2026-02-03T00:00:00Z", Some("2026-02-01T00:00:00Z"))
}

#[test]
fn an_upgrade_that_was_not_announced_is_refused_until_that_is_set_aside() {
    let mut case = Case::mainnet();
    case.environment.notice_hours = 48;
    case.breaks(&[Rule::Notice], &["was not announced", "wanted 48 hours"]);
    case.overriding(&[Rule::Notice]).passes();
}

#[test]
fn notice_begins_when_the_announcement_was_in_the_log_and_ends_to_the_second() {
    noticed().passes();
    let mut case = noticed();
    case.announced.as_mut().unwrap().1 = Some(at("2026-02-01T00:00:01Z"));
    case.times.waits = None;
    case.breaks(&[Rule::Notice], &["over at 2026-02-03T00:00:01Z"]);
    // Whatever the publisher's clock said when it was signed.
    case.announced.as_mut().unwrap().1 = None;
    case.breaks(&[Rule::Notice], &["an unknown time"]);
}

#[test]
fn an_announcement_of_something_else_is_none() {
    let mut cases = [noticed(), noticed(), noticed()];
    let leaves = cases
        .each_mut()
        .map(|c| &mut c.announced.as_mut().unwrap().0);
    let [tag, environment, archive] = leaves;
    tag.tag = FIRST.into();
    environment.environment = "testnet".into();
    archive.archive = Sha256::of(b"another archive");
    for case in cases {
        case.breaks(&[Rule::Notice], &["the announcement is of"]);
    }
}

#[test]
fn nobody_installs_before_the_window_that_was_announced() {
    let mut case = noticed();
    case.current.not_before = Some(at("2026-02-02T23:59:59Z"));
    case.breaks(&[Rule::Notice], &["was announced for 2026-02-03T00:00:00Z"]);
    case.current.not_before = None;
    case.breaks(&[Rule::Notice], &["may be installed from now"]);
    case.current.not_before = Some(at("2026-02-04T00:00:00Z"));
    case.passes();
    // Also where no notice is wanted: operators were told a time.
    case.environment.notice_hours = 0;
    case.current.not_before = None;
    case.breaks(&[Rule::Notice], &["was announced for"]);
}

#[test]
fn a_node_waits_for_not_before_and_nobody_sets_that_aside() {
    let every = [Rule::Soak, Rule::Notice, Rule::Order, Rule::Approvals];
    let mut case = noticed().overriding(&every);
    case.times.install = Some(at("2026-02-02T23:59:59Z"));
    case.breaks(&[Rule::NotBefore], &["from 2026-02-03T00:00:00Z on"]);
    case.times.install = Some(at("2026-02-03T00:00:00Z"));
    case.passes();
    // Going back waits for the time that was agreed, too.
    let mut case = Case::mainnet().returning(FIRST);
    case.current.not_before = Some(at("2026-02-05T00:00:00Z"));
    case.times.install = Some(at("2026-02-04T00:00:00Z"));
    case.breaks(&[Rule::NotBefore], &["it is 2026-02-04T00:00:00Z"]);
}
