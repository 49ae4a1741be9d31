//! Room `io`: a store behind HTTP(S), read only.

use std::io::Read;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};

use crate::error::Context;
use crate::store::Reader;
use crate::trust::refresh::Fetch;
use crate::{Error, Result};

/// To connect, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For one small object; streams have no total limit but this one between two reads.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Redirects followed, and only to the same scheme.
const MAX_REDIRECTS: usize = 3;

/// A store served as static files.
pub struct HttpStore {
    base: String,
    client: Client,
}

impl HttpStore {
    /// The store below `url`.
    ///
    /// # Errors
    /// A URL that is not `http://` or `https://`, or one with credentials in it.
    pub fn new(url: &str) -> Result<Self> {
        let parsed = reqwest::Url::parse(url).or_usage(|| format!("{url:?} is no URL"))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(Error::usage(format!(
                "store {url:?} has scheme {:?}, wanted http or https",
                parsed.scheme()
            )));
        }
        if parsed.password().is_some() || !parsed.username().is_empty() {
            return Err(
                Error::usage("credentials in a store's URL would end up in logs")
                    .hint("use a .netrc-free read-only store, or a local mirror"),
            );
        }
        let scheme = parsed.scheme().to_owned();
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(READ_TIMEOUT)
            .user_agent(concat!("relman/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::custom(move |attempt| {
                if attempt.previous().len() > MAX_REDIRECTS {
                    attempt.error("too many redirects")
                } else if attempt.url().scheme() != scheme {
                    attempt.error("a redirect to another scheme is not followed")
                } else {
                    attempt.follow()
                }
            }))
            .build()
            .or_failed(|| "cannot set up HTTP".into())?;
        Ok(HttpStore {
            base: url.trim_end_matches('/').to_owned(),
            client,
        })
    }

    fn get(&self, quoted: &str, total: Option<Duration>) -> Result<Option<Response>> {
        let url = format!("{}/{quoted}", self.base);
        let mut request = self.client.get(&url);
        if let Some(total) = total {
            request = request.timeout(total);
        }
        let response = request
            .send()
            .or_failed(|| format!("cannot reach {url}"))
            .map_err(|e| e.hint(format!("is the store up? curl -sSI {url}")))?;
        match response.status() {
            StatusCode::OK => Ok(Some(response)),
            // TUF section 5.3.3 and S3's answer for "not there" without the right to list.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => Ok(None),
            other => Err(Error::failed(format!("{url} answered {other}, wanted 200"))),
        }
    }
}

/// Percent-quotes everything but unreserved characters and `/`, so that a target named `a?b` or
/// `a#b` is asked for under its own name.
fn quote(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A stream with no end would otherwise hold a node for ever: at 64 KiB/s the largest archive
/// takes 18 hours, which nobody waits for.
const STREAM_TIMEOUT: Duration = Duration::from_secs(3600);

impl HttpStore {
    /// As [`Reader::read`], of a path that is percent-encoded already.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn read_quoted(&self, quoted: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(response) = self.get(quoted, None)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        response
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .or_failed(|| format!("cannot read {}/{quoted}", self.base))?;
        if bytes.len() as u64 > limit {
            return Err(Error::refused(format!(
                "{}/{quoted} is longer than {limit} bytes",
                self.base
            )));
        }
        Ok(Some(bytes))
    }
}

/// Anybody's TUF repository whose metadata lies directly below the address, under the names that
/// TUF clients ask for: a role `a/b` is `1.a%2Fb.json`.
impl Fetch for HttpStore {
    fn fetch(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        self.read_quoted(name, limit)
    }
}

impl Reader for HttpStore {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        self.read_quoted(&quote(path), limit)
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>> {
        Ok(self
            .get(&quote(path), Some(STREAM_TIMEOUT))?
            .map(|response| Box::new(response) as Box<dyn Read + Send>))
    }

    fn location(&self) -> String {
        self.base.clone()
    }

    fn list(&self, _prefix: &str) -> Result<Option<Vec<String>>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn target_names_are_quoted_so_that_they_stay_in_the_path() {
        assert_eq!(quote("targets/a b?c#d%e"), "targets/a%20b%3Fc%23d%25e");
        assert_eq!(quote("tile/0/x001/234.p/17"), "tile/0/x001/234.p/17");
    }
}
