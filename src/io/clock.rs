//! Room `io`: the time of day. Cores get it as an argument.

use jiff::{Timestamp, Unit};

/// Now, in whole seconds: every format that relman writes has that precision.
///
/// In debug builds alone, `RELMAN_INSECURE_NOW` sets it, for tests with a fixed clock.
pub fn now() -> Timestamp {
    #[cfg(debug_assertions)]
    if let Some(fixed) = std::env::var("RELMAN_INSECURE_NOW")
        .ok()
        .and_then(|text| text.parse().ok())
    {
        return fixed;
    }
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now)
}

/// Time since this process first asked, from a clock that never goes back.
pub fn elapsed() -> std::time::Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

/// Lets time pass. Where a debug build's clock is fixed, it has passed at once.
pub fn pause(time: std::time::Duration) {
    #[cfg(debug_assertions)]
    if std::env::var_os("RELMAN_INSECURE_NOW").is_some() {
        return;
    }
    std::thread::sleep(time);
}

/// So many minutes.
///
/// In debug builds alone, `RELMAN_INSECURE_MINUTE` says how many milliseconds one has, for tests of what
/// is stopped after a while.
pub fn minutes(minutes: u64) -> std::time::Duration {
    #[cfg(debug_assertions)]
    if let Some(minute) = std::env::var("RELMAN_INSECURE_MINUTE")
        .ok()
        .and_then(|text| text.parse::<u64>().ok())
    {
        return std::time::Duration::from_millis(minute.saturating_mul(minutes));
    }
    std::time::Duration::from_secs(minutes.saturating_mul(60))
}
