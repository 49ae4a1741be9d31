//! Room `io`: a store behind HTTP(S), read only. Nothing that comes from it is trusted, neither bytes
//! nor headers; TLS, retries, ranges and conditions only decide whether and how soon the bytes come
//! that verification wants.

pub(super) mod clients;
mod download;
mod exchange;
pub(super) mod failure;
mod kept;
mod pace;
mod redirect;
mod retry;

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderMap;

use self::clients::Clients;
use self::download::Download;
use self::exchange::{Answer, Exchange};
use self::kept::{Known, Validators};
use self::pace::Deadline;
use super::clock;
use crate::error::Context;
use crate::store::Reader;
use crate::store::http::HttpOptions;
use crate::trust::refresh::Fetch;
use crate::{Error, Result};

pub use self::kept::KeptHeads;

/// A store served as static files.
pub struct HttpStore {
    base: String,
    exchange: Arc<Exchange>,
    kept: Option<KeptHeads>,
}

impl HttpStore {
    /// The store below `url`, with the default options.
    ///
    /// # Errors
    /// As [`HttpStore::with_options`].
    pub fn new(url: &str) -> Result<Self> {
        Self::with_options(url, &HttpOptions::default())
    }

    /// The store below `url`. Connects to nothing.
    ///
    /// # Errors
    /// Usage: a URL that is not `http://` or `https://`, or one with credentials, a query or a
    /// fragment in it; options that name no proxy or no certificates.
    pub fn with_options(url: &str, options: &HttpOptions) -> Result<Self> {
        let parsed = Url::parse(url).or_usage(|| format!("{url:?} is no URL"))?;
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
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(Error::usage(format!(
                "store {url:?} has a query or a fragment, wanted https://HOST/PATH"
            )));
        }
        Ok(HttpStore {
            base: url.trim_end_matches('/').to_owned(),
            exchange: Arc::new(Exchange {
                origin: parsed,
                clients: Clients::new(options)?,
                options: options.clone(),
                pause: Box::new(clock::pause),
            }),
            kept: None,
        })
    }

    /// Asks for the heads only if they changed since the node last verified them.
    pub fn keeping(mut self, kept: KeptHeads) -> Self {
        self.kept = Some(kept);
        self
    }

    /// Pauses between tries in another way than by sleeping.
    pub fn pausing(mut self, pause: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        if let Some(exchange) = Arc::get_mut(&mut self.exchange) {
            exchange.pause = Box::new(pause);
        }
        self
    }

    fn url(&self, quoted: &str) -> Result<Url> {
        let url = format!("{}/{quoted}", self.base);
        Url::parse(&url).or_failed(|| format!("{url:?} is no URL"))
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

impl HttpStore {
    /// As [`Reader::read`], of a path that is percent-encoded already.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn read_quoted(&self, quoted: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let url = self.url(quoted)?;
        let known = self.kept.as_ref();
        let known = known.and_then(|kept| kept.known(quoted, url.as_str(), limit));
        let conditions = match &known {
            Some(Known { headers, .. }) => headers.clone(),
            None => HeaderMap::new(),
        };
        let deadline = Deadline::after(self.exchange.options.object_timeout);
        let found = self.exchange.trying(&url, deadline, || {
            match self.exchange.object(&url, &conditions)? {
                Answer::Absent => Ok(None),
                Answer::Unchanged => Ok(known.as_ref().map(|known| (known.bytes.clone(), None))),
                Answer::Whole(response) => {
                    let validators = Validators::of(response.headers());
                    let bytes = self.exchange.body(&url, response, limit, deadline)?;
                    Ok(Some((bytes, Some(validators))))
                }
            }
        })?;
        if let (Some(kept), Some((bytes, Some(validators)))) = (&self.kept, &found) {
            kept.remember(quoted, url.as_str(), bytes, validators.clone());
        }
        Ok(found.map(|(bytes, _)| bytes))
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
        let url = self.url(&quote(path))?;
        let deadline = Deadline::after(self.exchange.options.download_timeout);
        let none = HeaderMap::new();
        let work = || self.exchange.object(&url, &none);
        match self.exchange.trying(&url, deadline, work)? {
            Answer::Whole(response) => {
                let exchange = Arc::clone(&self.exchange);
                Ok(Some(Box::new(Download::new(
                    exchange, url, response, deadline,
                ))))
            }
            Answer::Absent | Answer::Unchanged => Ok(None),
        }
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
