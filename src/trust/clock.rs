//! Whether a machine's clock can be right. Every expiry is judged by it, so whoever turns it back
//! unfreezes old metadata. Pure: times come in; no clock is read here.
//!
//! Witnessed time is held against the clock where cosignatures are verified
//! ([`crate::log::Witnessed::check_clock`]).

use jiff::{SignedDuration, Timestamp};

use super::time;
use crate::limits::MAX_CLOCK_STEP_SECONDS;
use crate::{Error, Result};

/// Refuses a clock that says `now` where it said `seen` already, when metadata was last refreshed
/// here. Corrections of up to [`MAX_CLOCK_STEP_SECONDS`] are let pass.
///
/// `seen` must be a reading of this machine's own clock: what a store or a publisher says, an expiry
/// or a leaf's time, could be set far ahead to stop a node for ever.
///
/// # Errors
/// Kind refused, with both times and a hint.
pub fn check(now: Timestamp, seen: Option<Timestamp>) -> Result<()> {
    let step = SignedDuration::from_secs(MAX_CLOCK_STEP_SECONDS);
    let Some(seen) = seen.filter(|seen| seen.duration_since(now) > step) else {
        return Ok(());
    };
    Err(Error::refused(format!(
        "this machine's clock is behind: it says {}, and it was {} already when metadata was last refreshed here",
        time::format(now),
        time::format(seen)
    ))
    .hint("set the clock, then run the same command again: timedatectl set-ntp true"))
}
