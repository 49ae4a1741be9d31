//! Room `io`: requests for one object: redirects, tries, and how much and how slowly a server may
//! send. Everything ends, whatever the server does.

use std::io::Read;
use std::time::Duration;

use reqwest::blocking::Response;
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};

use super::clients::Clients;
use super::pace::{Deadline, Pace};
use super::retry::Failure;
use super::{failure, redirect};
use crate::io::clock;
use crate::limits::{MAX_DRAINED_LEN, MAX_REDIRECTS};
use crate::store::http::HttpOptions;
use crate::{Error, Result};

/// Bytes read at a time.
const CHUNK_LEN: usize = 64 * 1024;
/// How long the rest of an answer that nobody wants may take before its connection is given up.
const MAX_DRAIN: Duration = Duration::from_millis(200);

/// Waits for a time.
pub(super) type Pause = dyn Fn(Duration) + Send + Sync;

/// What the requests to one store share.
pub(super) struct Exchange {
    /// The store's address: what redirects are held against.
    pub origin: Url,
    /// Bounds on time, rate and tries.
    pub options: HttpOptions,
    /// Its connections.
    pub clients: Clients,
    /// How time passes between tries.
    pub pause: Box<Pause>,
}

/// What a store says to a request for an object.
pub(super) enum Answer {
    /// There is none.
    Absent,
    /// What the conditions named is the newest.
    Unchanged,
    /// All of it.
    Whole(Response),
}

impl Exchange {
    /// One request; follows redirects where that is safe.
    pub fn ask(&self, url: &Url, headers: &HeaderMap) -> Result<Response, Failure> {
        let mut next = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let proxied = self.clients.proxied();
            let pinned = redirect::pin(&self.origin, &next, proxied).map_err(Failure::last)?;
            let own_host = next.host_str() == self.origin.host_str();
            let client = self.clients.of(&next, own_host, pinned.as_deref());
            let request = client.map_err(Failure::last)?.get(next.clone());
            let response = request.headers(headers.clone()).send().map_err(|e| {
                self.clients.forget_redirects();
                failure::sending(next.as_str(), e)
            })?;
            let target = redirect::target(&next, response.status(), response.headers());
            match target.map_err(Failure::last)? {
                None => return Ok(response),
                Some(target) => next = target,
            }
            drain(response);
        }
        Err(Failure::last(Error::refused(format!(
            "{url} leads to more than {MAX_REDIRECTS} redirects"
        ))))
    }

    /// One request for a whole object; with conditions, only if it changed.
    pub fn object(&self, url: &Url, conditions: &HeaderMap) -> Result<Answer, Failure> {
        let response = self.ask(url, conditions)?;
        match response.status() {
            StatusCode::OK => Ok(Answer::Whole(response)),
            // TUF section 5.3.3 and S3's answer for "not there" without the right to list.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => {
                drain(response);
                Ok(Answer::Absent)
            }
            StatusCode::NOT_MODIFIED if !conditions.is_empty() => Ok(Answer::Unchanged),
            status => {
                let failure = Failure::status(url.as_str(), status, response.headers());
                drain(response);
                Err(failure)
            }
        }
    }

    /// Tries until it goes well, cannot go well, or has failed often or long enough.
    pub fn trying<T>(
        &self,
        url: &Url,
        deadline: Deadline,
        mut work: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T> {
        let mut tried = 0;
        loop {
            let failure = match work() {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            tried += 1;
            if !failure.again {
                return Err(failure.error);
            }
            let pause = failure.pause(tried);
            if tried >= self.options.attempts || !deadline.allows(pause) {
                let message = format!("gave up on {url} after {tried} attempts");
                return Err(failure.error.under(message));
            }
            (self.pause)(pause);
        }
    }

    /// The whole body of an answer.
    pub fn body(
        &self,
        url: &Url,
        mut response: Response,
        limit: u64,
        deadline: Deadline,
    ) -> Result<Vec<u8>, Failure> {
        let mut pace = Pace::new(&self.options);
        let mut bytes = Vec::new();
        let mut chunk = vec![0; CHUNK_LEN];
        loop {
            let slow = |e: Error| Failure::last(e.under(format!("{url} was given up")));
            deadline.check().map_err(slow)?;
            let before = clock::elapsed();
            let read = response.read(&mut chunk);
            let waited = clock::elapsed().saturating_sub(before);
            // A connection that died is not slow: another try may mend it.
            if let Ok(got) = read {
                pace.count(waited, got as u64).map_err(slow)?;
            }
            match read {
                Ok(0) => return Ok(bytes),
                Ok(got) => bytes.extend_from_slice(chunk.get(..got).unwrap_or_default()),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => {
                    let message = format!("cannot read {url} to its end");
                    return Err(Failure::passing(Error::failed(message).caused_by(e)));
                }
            }
            if bytes.len() as u64 > limit {
                return Err(Failure::last(Error::refused(format!(
                    "{url} is longer than {limit} bytes"
                ))));
            }
        }
    }
}

/// Reads the short rest of an answer, so that the next request needs no new connection.
fn drain(response: Response) {
    let short = response
        .content_length()
        .is_some_and(|len| len <= MAX_DRAINED_LEN);
    let deadline = Deadline::after(MAX_DRAIN);
    let mut response = response.take(MAX_DRAINED_LEN);
    let mut chunk = [0; 4096];
    while short && deadline.check().is_ok() && matches!(response.read(&mut chunk), Ok(1..)) {}
}
