//! Keys that have ended, and signatures that are dated as suits whoever made them.

use super::*;

fn dated(time: &str, key: Seed) -> Envelope {
    let mut approval = approval("qa");
    approval.time = at(time);
    signed(&approval, key)
}

fn seen(envelope: Envelope, since: &str) -> Offered {
    Offered {
        envelope,
        logged: Some(Logged {
            index: 7,
            since: Some(at(since)),
        }),
    }
}

const WITHIN: &str = "2026-02-01T00:00:00Z";
const AFTER: &str = "2026-03-01T00:00:00Z";

#[test]
fn what_a_key_signed_while_it_was_valid_goes_on_counting() {
    for key in [EXPIRED, REVOKED] {
        let offered = [seen(dated(WITHIN, key), WITHIN)];
        standings(&offered, &[Standing::Ok]);
    }
}

#[test]
fn a_signature_made_after_the_end_of_its_key_counts_for_nothing() {
    standings(&[logged(dated(AFTER, EXPIRED))], &[Standing::Expired]);
    standings(&[logged(dated(AFTER, REVOKED))], &[Standing::Revoked]);
    assert!(lacks("qa", &[logged(dated(AFTER, REVOKED))]).is_some());
}

#[test]
fn a_signature_dated_back_into_the_life_of_a_revoked_key_is_found_by_when_the_log_got_it() {
    standings(&[seen(dated(WITHIN, REVOKED), AFTER)], &[Standing::Revoked]);
    standings(&[seen(dated(WITHIN, EXPIRED), AFTER)], &[Standing::Expired]);
}

#[test]
fn what_is_not_logged_yet_must_count_now() {
    let waiting = Offered::unlogged(dated(WITHIN, REVOKED));
    standings(&[waiting], &[Standing::Revoked]);
    standings(&[Offered::unlogged(dated(WITHIN, BOB))], &[Standing::Ok]);
}

#[test]
fn a_key_counts_for_nothing_before_its_validity() {
    let early = dated("2025-12-31T23:59:59Z", BOB);
    standings(&[logged(early)], &[Standing::NotYetValid]);
}

#[test]
fn a_date_after_it_was_seen_is_no_date() {
    let future = || dated("2026-06-01T00:05:01Z", BOB);
    standings(&[Offered::unlogged(future())], &[Standing::FromTheFuture]);
    standings(&[seen(future(), WITHIN)], &[Standing::FromTheFuture]);
    let nearly = dated("2026-06-01T00:05:00Z", BOB);
    standings(&[Offered::unlogged(nearly)], &[Standing::Ok]);
}
