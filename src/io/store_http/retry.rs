//! Room `io`: which failures of a request are worth another try, and when. Decides; sleeps through
//! the pause that the store was given.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::Error;

/// Longest wait before the second try; doubles with each one after that.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// Longest wait that relman chooses itself.
const MAX_BACKOFF: Duration = Duration::from_secs(8);
/// Longest wait that a server may ask for: it could hold a node for ever otherwise.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// A request that failed.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: Error,
    /// Whether the same request may go well a little later.
    pub again: bool,
    /// How long the server wants to be left alone.
    pub after: Option<Duration>,
}

impl Failure {
    /// One that another try cannot mend.
    pub fn last(error: Error) -> Self {
        Failure {
            error,
            again: false,
            after: None,
        }
    }

    /// One that may pass.
    pub fn passing(error: Error) -> Self {
        Failure {
            error,
            again: true,
            after: None,
        }
    }

    /// A status that is no answer.
    pub fn status(url: &str, status: StatusCode, headers: &HeaderMap) -> Self {
        let again = status.is_server_error()
            || matches!(
                status,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
            );
        let error = Error::failed(format!("{url} answered {status}, wanted 200"))
            .hint(format!("what does the server say? curl -sSI {url}"));
        Failure {
            error,
            again,
            after: again.then(|| retry_after(headers)).flatten(),
        }
    }

    /// How long to wait after try number `tried` (from 1) has failed: a random part of a bound that
    /// doubles, so that nodes that failed together do not come back together, on top of what the
    /// server asked for.
    pub fn pause(&self, tried: u32) -> Duration {
        self.after.unwrap_or_default() + backoff(tried, random())
    }
}

/// Seconds alone: a date would need the server's clock and ours to agree, and backing off will do.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if seconds.is_empty() || !seconds.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // A number that does not fit is a long time too.
    let seconds = seconds.parse().unwrap_or(u64::MAX);
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// The part `random` of 2^32 of the bound.
fn backoff(tried: u32, random: u32) -> Duration {
    let doubled = FIRST_BACKOFF.saturating_mul(1 << tried.saturating_sub(1).min(16));
    let bound = doubled.min(MAX_BACKOFF);
    let part = (bound.as_micros() * u128::from(random)) >> 32;
    Duration::from_micros(u64::try_from(part).unwrap_or(u64::MAX))
}

fn random() -> u32 {
    let mut bytes = [0; 4];
    // Without randomness the wait is half of its bound, which is still a wait.
    match crate::io::random::fill(&mut bytes) {
        Ok(()) => u32::from_be_bytes(bytes),
        Err(_) => u32::MAX / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().unwrap());
        retry_after(&headers)
    }

    #[test]
    fn waits_are_random_below_a_bound_that_doubles_and_ends() {
        let bounds: Vec<u128> = (1..=8)
            .map(|tried| backoff(tried, u32::MAX).as_millis())
            .collect();
        assert_eq!(bounds, [249, 499, 999, 1999, 3999, 7999, 7999, 7999]);
        assert_eq!(backoff(1, 0), Duration::ZERO);
        assert_eq!(backoff(2, 1 << 31), Duration::from_millis(250));
        assert!(backoff(u32::MAX, u32::MAX) <= MAX_BACKOFF);
    }

    #[test]
    fn a_server_may_ask_for_a_pause_and_not_for_a_day() {
        assert_eq!(asked("3"), Some(Duration::from_secs(3)));
        assert_eq!(asked("86400"), Some(MAX_RETRY_AFTER));
        assert_eq!(asked(&"9".repeat(40)), Some(MAX_RETRY_AFTER));
        for text in ["", "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(asked(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_may_pass_is_tried_again_and_nothing_else() {
        let again = |status| Failure::status("u", status, &HeaderMap::new()).again;
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(again(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [201, 204, 206, 300, 304, 400, 401, 410, 416, 451] {
            assert!(!again(StatusCode::from_u16(status).unwrap()), "{status}");
        }
    }
}
