//! Room `io`: a stream over one object that goes on where it broke off. Nothing that a server says
//! about ranges, lengths or versions is trusted: it only decides where to go on. Whoever reads the
//! stream checks length and digest, and a wrong splice fails there.

use std::io::{Error as IoError, ErrorKind, Read};
use std::sync::Arc;

use reqwest::blocking::Response;
use reqwest::header::{CONTENT_RANGE, HeaderMap, HeaderValue, IF_RANGE, RANGE};
use reqwest::{StatusCode, Url};

use super::exchange::Exchange;
use super::kept::Validators;
use super::pace::{Deadline, Pace};
use super::retry::Failure;
use crate::Error;
use crate::io::clock;

/// A download that moves on by this much between two breaks is not stuck.
const PROGRESS: u64 = 1024 * 1024;
/// Bytes thrown away at a time when a server begins anew.
const SKIP_LEN: usize = 64 * 1024;

/// A download.
pub struct Download {
    exchange: Arc<Exchange>,
    url: Url,
    response: Option<Response>,
    pace: Pace,
    deadline: Deadline,
    validator: Option<HeaderValue>,
    /// Cleared when the server cannot give a part.
    ranges: bool,
    /// Bytes handed out.
    at: u64,
    /// Bytes still to be thrown away: they were handed out already.
    skip: u64,
    /// Breaks since `PROGRESS` bytes came in one go.
    breaks: u32,
    progress: u64,
}

impl Download {
    /// Reads on from an answer with the whole object.
    pub(super) fn new(
        exchange: Arc<Exchange>,
        url: Url,
        response: Response,
        deadline: Deadline,
    ) -> Download {
        Download {
            pace: Pace::new(&exchange.options),
            validator: Validators::of(response.headers()).for_range(),
            exchange,
            url,
            response: Some(response),
            deadline,
            ranges: true,
            at: 0,
            skip: 0,
            breaks: 0,
            progress: 0,
        }
    }

    /// One read of the body.
    fn step(&mut self, buf: &mut [u8]) -> Result<usize, Failure> {
        let Some(response) = &mut self.response else {
            return Err(Failure::last(Error::bug("a body without an answer")));
        };
        self.deadline.check().map_err(Failure::last)?;
        let before = clock::elapsed();
        let read = response.read(buf);
        let waited = clock::elapsed().saturating_sub(before);
        // A connection that died is not slow: it is taken up again, and that has a bound of its own.
        if let Ok(got) = read {
            let counted = self.pace.count(waited, got as u64);
            counted.map_err(|e| Failure::last(e.under(format!("{} was given up", self.url))))?;
        }
        match read {
            Ok(0) if self.skip > 0 => Err(Failure::last(Error::failed(format!(
                "{} became shorter than the {} bytes that were read of it",
                self.url, self.at
            )))),
            Ok(got) => Ok(got),
            Err(e) if e.kind() == ErrorKind::Interrupted => self.step(buf),
            Err(e) => Err(Failure::passing(
                Error::failed(format!("{} broke off after {} bytes", self.url, self.at))
                    .caused_by(e),
            )),
        }
    }

    /// Asks for the rest.
    fn resume(&mut self) -> Result<(), Failure> {
        let mut headers = HeaderMap::new();
        let ranged = self.ranges && self.at > 0;
        if ranged {
            if let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", self.at)) {
                headers.insert(RANGE, range);
            }
            if let Some(validator) = &self.validator {
                headers.insert(IF_RANGE, validator.clone());
            }
        }
        let response = self.exchange.ask(&self.url, &headers)?;
        match response.status() {
            StatusCode::OK => self.skip = self.at,
            StatusCode::PARTIAL_CONTENT if ranged => {
                let range = response.headers().get(CONTENT_RANGE);
                let text = range.and_then(|r| r.to_str().ok()).unwrap_or_default();
                if first_byte(text) != Some(self.at) {
                    return Err(Failure::last(Error::failed(format!(
                        "{} answered with range {text:?}, wanted bytes from {} on",
                        self.url, self.at
                    ))));
                }
                self.skip = 0;
            }
            // It has no such part, or says so: from the beginning, then.
            StatusCode::RANGE_NOT_SATISFIABLE if ranged => {
                self.ranges = false;
                return self.resume();
            }
            status => {
                let url = self.url.as_str();
                return Err(Failure::status(url, status, response.headers()));
            }
        }
        self.response = Some(response);
        Ok(())
    }

    /// Throws away what was handed out before.
    fn discard(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; SKIP_LEN];
        while self.skip > 0 {
            let len = usize::try_from(self.skip).unwrap_or(SKIP_LEN).min(SKIP_LEN);
            let got = self.step(buffer.get_mut(..len).unwrap_or_default())?;
            self.skip = self.skip.saturating_sub(got as u64);
        }
        Ok(())
    }

    fn next(&mut self, buf: &mut [u8]) -> Result<usize, Failure> {
        if self.response.is_none() {
            self.resume()?;
        }
        self.discard()?;
        self.step(buf)
    }

    /// Counts a break and pauses, unless there were too many.
    fn broke(&mut self, failure: Failure) -> Result<(), Error> {
        self.response = None;
        self.breaks += 1;
        self.progress = 0;
        if !failure.again {
            return Err(failure.error);
        }
        let pause = failure.pause(self.breaks);
        if self.breaks >= self.exchange.options.attempts || !self.deadline.allows(pause) {
            let message = format!("gave up on {} after {} attempts", self.url, self.breaks);
            return Err(failure.error.under(message));
        }
        (self.exchange.pause)(pause);
        Ok(())
    }
}

impl Read for Download {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            match self.next(buf) {
                Ok(got) => {
                    self.at += got as u64;
                    self.progress = self.progress.saturating_add(got as u64);
                    if self.progress >= PROGRESS {
                        self.breaks = 0;
                    }
                    return Ok(got);
                }
                Err(failure) => self.broke(failure).map_err(IoError::other)?,
            }
        }
    }
}

/// The first byte of `bytes 5-9/10` (RFC 9110, section 14.4).
fn first_byte(content_range: &str) -> Option<u64> {
    let (first, _) = content_range.strip_prefix("bytes ")?.split_once('-')?;
    let digits = !first.is_empty() && first.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| first.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::first_byte;

    #[test]
    fn a_content_range_says_where_it_begins_or_nothing() {
        assert_eq!(first_byte("bytes 5-9/10"), Some(5));
        assert_eq!(first_byte("bytes 0-9/*"), Some(0));
        for text in [
            "",
            "bytes */10",
            "bytes -9/10",
            "bytes +5-9/10",
            "5-9/10",
            "items 5-9/10",
        ] {
            assert_eq!(first_byte(text), None, "{text}");
        }
    }
}
