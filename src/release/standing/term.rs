//! How long a signature still counts, and when somebody should be told. Pure.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// A timestamp of unknown usual life, with less left than this, wants a hand: hours.
const TIMESTAMP_HOURS: i64 = 48;
/// Of a timestamp's usual life, this part is left when it wants a hand.
const TIMESTAMP_PART: i64 = 3;
/// A snapshot: days.
const SNAPSHOT_DAYS: i64 = 7;
/// Root, targets, delegated roles, keys: days, since people must come together.
const OTHER_DAYS: i64 = 30;

/// With less life left than this, somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    timestamp: SignedDuration,
}

impl Limits {
    /// Where nobody knows how long timestamps usually live.
    pub fn usual() -> Self {
        Limits {
            timestamp: SignedDuration::from_hours(TIMESTAMP_HOURS),
        }
    }

    /// For timestamps that live so many days: a third of that.
    pub fn of_timestamp_days(days: u32) -> Self {
        let hours = 24 * i64::from(days) / TIMESTAMP_PART;
        Limits {
            timestamp: SignedDuration::from_hours(hours),
        }
    }

    /// The limit of a role.
    pub fn of(&self, role: &str) -> SignedDuration {
        match role {
            "timestamp" => self.timestamp,
            "snapshot" => SignedDuration::from_hours(24 * SNAPSHOT_DAYS),
            _ => SignedDuration::from_hours(24 * OTHER_DAYS),
        }
    }
}

/// How something with an end stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing to do.
    Ok,
    /// Ends soon.
    Soon,
    /// Has ended.
    Expired,
}

impl State {
    /// The state of what ends at `end`, if people are to be told `before`.
    pub fn of(end: Timestamp, before: SignedDuration, now: Timestamp) -> Self {
        match end.duration_since(now) {
            left if left <= SignedDuration::ZERO => State::Expired,
            left if left < before => State::Soon,
            _ => State::Ok,
        }
    }
}

/// A version of a role, and when it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Term {
    /// The role.
    pub role: String,
    /// Its version.
    pub version: u64,
    /// When it expires.
    #[serde(with = "crate::trust::time")]
    pub expires: Timestamp,
    /// Whether that is soon.
    pub state: State,
}

impl Term {
    /// The term of a role.
    pub fn new(
        role: &str,
        version: u64,
        expires: Timestamp,
        limits: &Limits,
        now: Timestamp,
    ) -> Self {
        Term {
            role: role.to_owned(),
            version,
            expires,
            state: State::of(expires, limits.of(role), now),
        }
    }

    /// What to tell somebody, if anything.
    pub fn warning(&self, now: Timestamp) -> Option<String> {
        let what = format!("{}.json version {}", self.role, self.version);
        match self.state {
            State::Ok => None,
            State::Soon => Some(format!("{what} expires in {}", left(self.expires, now))),
            State::Expired => Some(format!("{what} expired at {}", self.expires)),
        }
    }
}

/// The time until `end`, in the largest unit that says enough: `12 days`, `5 hours`, `0 minutes`.
pub fn left(end: Timestamp, now: Timestamp) -> String {
    let left = end.duration_since(now).max(SignedDuration::ZERO);
    match (left.as_hours(), left.as_mins()) {
        (hours, _) if hours >= 72 => format!("{} days", hours / 24),
        (hours, _) if hours >= 2 => format!("{hours} hours"),
        (_, minutes) => format!("{minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_role_is_told_of_before_it_ends_and_not_long_before() {
        let now = at("2026-02-01T00:00:00Z");
        let limits = Limits::of_timestamp_days(6);
        let state = |role, end| Term::new(role, 1, at(end), &limits, now).state;
        assert_eq!(state("timestamp", "2026-02-03T00:00:00Z"), State::Ok);
        assert_eq!(state("timestamp", "2026-02-02T23:59:59Z"), State::Soon);
        assert_eq!(state("snapshot", "2026-02-07T23:59:59Z"), State::Soon);
        assert_eq!(state("snapshot", "2026-02-08T00:00:00Z"), State::Ok);
        assert_eq!(state("mainnet", "2026-03-02T23:59:59Z"), State::Soon);
        assert_eq!(state("root", "2026-02-01T00:00:00Z"), State::Expired);
    }

    #[test]
    fn what_is_left_is_said_in_words_and_never_negative() {
        let now = at("2026-02-01T00:00:00Z");
        assert_eq!(left(at("2026-02-13T00:00:00Z"), now), "12 days");
        assert_eq!(left(at("2026-02-01T05:30:00Z"), now), "5 hours");
        assert_eq!(left(at("2026-02-01T00:30:00Z"), now), "30 minutes");
        assert_eq!(left(at("2025-02-01T00:30:00Z"), now), "0 minutes");
    }
}
