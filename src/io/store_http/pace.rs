//! Room `io`: how slow a server may be. Counts bytes and the time spent waiting for them; what the
//! reader does in between is not the server's fault.

use std::time::Duration;

use crate::Error;
use crate::io::clock;
use crate::store::http::HttpOptions;

/// When something has to be over.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Duration,
    allowed: Duration,
}

impl Deadline {
    /// So much time from now on.
    pub fn after(allowed: Duration) -> Self {
        Deadline {
            at: clock::elapsed().saturating_add(allowed),
            allowed,
        }
    }

    /// # Errors
    /// It is past.
    pub fn check(&self) -> Result<(), Error> {
        match clock::elapsed() < self.at {
            true => Ok(()),
            false => Err(Error::failed(format!(
                "took longer than {} s",
                self.allowed.as_secs_f64()
            ))
            .hint("is the network or the store slow? try another mirror")),
        }
    }

    /// Whether there is time for a pause.
    pub fn allows(&self, pause: Duration) -> bool {
        clock::elapsed().saturating_add(pause) < self.at
    }
}

/// The rate of one transfer, measured over windows, so that a fast beginning buys no slow rest.
#[derive(Clone, Debug)]
pub struct Pace {
    min_rate: u64,
    window: Duration,
    waited: Duration,
    got: u64,
}

impl Pace {
    /// With the options' floor and window.
    pub fn new(options: &HttpOptions) -> Self {
        Pace {
            min_rate: options.min_rate,
            window: options.rate_window,
            waited: Duration::ZERO,
            got: 0,
        }
    }

    /// Counts `got` bytes that came after `waited`.
    ///
    /// # Errors
    /// A window is over and brought less than the floor wants.
    pub fn count(&mut self, waited: Duration, got: u64) -> Result<(), Error> {
        self.waited = self.waited.saturating_add(waited);
        self.got = self.got.saturating_add(got);
        if self.waited < self.window {
            return Ok(());
        }
        let (waited, got) = (self.waited, self.got);
        (self.waited, self.got) = (Duration::ZERO, 0);
        let wanted = u128::from(self.min_rate) * waited.as_micros() / 1_000_000;
        match u128::from(got) >= wanted {
            true => Ok(()),
            false => Err(Error::failed(format!(
                "is sent too slowly: {got} bytes in {} s, wanted at least {} a second",
                waited.as_secs_f64(),
                self.min_rate
            ))
            .hint("a server that drips keeps a node from newer releases; try another mirror")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace() -> Pace {
        Pace::new(&HttpOptions {
            min_rate: 100,
            rate_window: Duration::from_secs(30),
            ..HttpOptions::default()
        })
    }

    #[test]
    fn a_drip_is_refused_at_the_end_of_its_window_and_not_before() {
        let mut pace = pace();
        for second in 1..30 {
            pace.count(SECOND, 1)
                .unwrap_or_else(|e| panic!("{second}: {e}"));
        }
        let error = pace.count(SECOND, 1).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("30 bytes in 30 s") && text.contains("100 a second"),
            "{text}"
        );
    }

    #[test]
    fn a_fast_beginning_buys_no_slow_rest() {
        let mut pace = pace();
        pace.count(30 * SECOND, 1 << 30).unwrap();
        assert!(pace.count(30 * SECOND, 2999).is_err());
        pace.count(30 * SECOND, 3000).unwrap();
    }

    #[test]
    fn one_long_silence_counts_as_all_the_time_that_it_took() {
        assert!(pace().count(3600 * SECOND, 3000).is_err());
        assert!(pace().count(29 * SECOND, 0).is_ok());
    }
}
