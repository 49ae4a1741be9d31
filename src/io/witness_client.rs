//! Room `io`: requests to witnesses over HTTP(S), all at once. One try each, no redirects: a checkpoint
//! goes to the address that policy names or nowhere.

use std::io::Read;
use std::time::Duration;

use reqwest::Url;
use reqwest::blocking::Response;
use reqwest::header::CONTENT_TYPE;

use super::store_http::clients::Clients;
use super::store_http::failure::sending;
use super::{clock, parallel};
use crate::error::Context;
use crate::limits::MAX_WITNESS_ANSWER_LEN;
use crate::log::{Post, Reply, Transport};
use crate::store::http::HttpOptions;
use crate::{Error, Result};

/// How long one exchange with a witness may take, from its name's address to its last byte. A witness
/// has to sync one small file.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Bytes read at a time.
const PIECE_LEN: usize = 4 * 1024;
/// Witnesses that are asked at the same time: as many as one policy names.
const AT_ONCE: usize = crate::limits::MAX_WITNESS_POLICY_ITEMS;

/// Witnesses behind HTTP(S).
pub struct WitnessClient {
    clients: Clients,
    deadline: Duration,
}

impl WitnessClient {
    /// Reaches witnesses with the proxy and certificates of `options`, whose times and tries are not
    /// looked at. Connects to nothing.
    ///
    /// # Errors
    /// Usage: options that name no proxy or no certificates.
    pub fn new(options: &HttpOptions) -> Result<Self> {
        Self::with_deadline(options, DEADLINE)
    }

    /// As [`WitnessClient::new`], with another deadline for each exchange.
    ///
    /// # Errors
    /// As [`WitnessClient::new`].
    pub fn with_deadline(options: &HttpOptions, deadline: Duration) -> Result<Self> {
        let options = HttpOptions {
            connect_timeout: deadline,
            read_timeout: deadline,
            ..options.clone()
        };
        Ok(WitnessClient {
            clients: Clients::new(&options)?,
            deadline,
        })
    }

    fn post(&self, post: &Post) -> Result<Reply> {
        let url = address(&post.url)?;
        let client = self.clients.of(&url, true, None)?;
        let until = clock::elapsed().saturating_add(self.deadline);
        let request = client
            .post(url.clone())
            .timeout(self.deadline)
            .body(post.body.clone());
        let response = request.send().map_err(|e| {
            let late = e.is_timeout();
            let failure = sending(url.as_str(), e);
            match (late, failure.again) {
                (true, _) => self.late(failure.error),
                (false, true) => failure
                    .error
                    .hint(format!("is the witness up? curl -sSi {url}")),
                (false, false) => failure.error,
            }
        })?;
        let status = response.status().as_u16();
        let content_type = response.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let content_type = content_type.map(str::to_owned);
        Ok(Reply {
            status,
            content_type,
            body: self.body(&url, response, until)?,
        })
    }

    /// The whole body, if it ends in time: each piece of one that drips would be in time alone.
    fn body(&self, url: &Url, mut response: Response, until: Duration) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let mut piece = [0; PIECE_LEN];
            let got = response.read(&mut piece).map_err(|e| {
                Error::failed(format!("the answer of {url} broke off")).caused_by(e)
            })?;
            if got == 0 {
                return Ok(body);
            }
            body.extend_from_slice(piece.get(..got).unwrap_or_default());
            if body.len() as u64 > MAX_WITNESS_ANSWER_LEN {
                return Err(Error::failed(format!(
                    "the answer of {url} is longer than {MAX_WITNESS_ANSWER_LEN} bytes"
                ))
                .hint("is there a witness at this address? ask whoever runs it"));
            }
            if clock::elapsed() >= until {
                let error = Error::failed(format!("the answer of {url} does not end"));
                return Err(self.late(error));
            }
        }
    }

    fn late(&self, error: Error) -> Error {
        let deadline = self.deadline.as_secs_f64();
        error
            .caused_by(format!("an exchange may take {deadline} s"))
            .hint("is the witness too busy, or the network too slow? run the same command again")
    }
}

impl Transport for WitnessClient {
    fn post_all(&self, posts: &[Post]) -> Vec<Result<Reply>> {
        parallel::map(posts, AT_ONCE, |post| self.post(post))
    }
}

/// # Errors
/// Usage: no URL of the kind that a checkpoint may be posted to.
fn address(text: &str) -> Result<Url> {
    let url = Url::parse(text).or_usage(|| format!("{text:?} is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::usage(format!(
            "witness {text:?} has scheme {:?}, wanted http or https",
            url.scheme()
        )));
    }
    if url.password().is_some() || !url.username().is_empty() {
        return Err(Error::usage(
            "credentials in a witness's URL would end up in logs, and a policy is public",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Error::usage(format!(
            "witness {text:?} has a query or a fragment, wanted https://HOST/PATH"
        )));
    }
    Ok(url)
}
