//! Whether a machine's clock can be right. Every expiry is judged by it, so whoever turns it back
//! unfreezes old metadata. Pure: times come in; no clock is read here.

use jiff::{SignedDuration, Timestamp};

use super::time;
use crate::{Error, Result};

/// How far a clock may be behind a time that has passed: corrections by NTP are less.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Refuses a clock that says `now` where a later time is known to have passed: `seen` by this
/// machine itself, when metadata was last refreshed; `witnessed` in a verified cosignature.
///
/// Nothing else may be given as one of these: what a store or a publisher says, an expiry or a
/// leaf's own time, could be set far ahead to stop a node for ever.
///
/// # Errors
/// Kind refused, with a hint; more than [`TOLERANCE`] behind the later of both.
pub fn check(now: Timestamp, seen: Option<Timestamp>, witnessed: Option<Timestamp>) -> Result<()> {
    let seen = seen.map(|at| (at, "when metadata was last refreshed here"));
    let witnessed = witnessed.map(|at| (at, "when the log's checkpoint was witnessed"));
    let Some((at, when)) = seen.into_iter().chain(witnessed).max_by_key(|(at, _)| *at) else {
        return Ok(());
    };
    if at.duration_since(now) <= TOLERANCE {
        return Ok(());
    }
    Err(Error::refused(format!(
        "this machine's clock is behind: it says {}, and it was {} already {when}",
        time::format(now),
        time::format(at)
    ))
    .hint("set the clock, then run the same command again: timedatectl set-ntp true"))
}
