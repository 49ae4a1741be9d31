//! How a store behind HTTP(S) is reached: values that configurations and command lines name. No I/O
//! here: `io` carries them out.

use std::path::PathBuf;
use std::time::Duration;

use crate::limits::MIN_TRANSFER_RATE;
use crate::{Error, Result};

/// The proxy between this machine and the store. It is trusted no more than the network is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proxy {
    /// The one that `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` name, if they do.
    #[default]
    Environment,
    /// None, whatever the environment says.
    Direct,
    /// This one for every request, whatever the environment says.
    Url(String),
}

impl Proxy {
    /// Reads `none`, or the `http://` or `https://` address of a proxy.
    ///
    /// # Errors
    /// Usage: neither of them.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "none" {
            return Ok(Proxy::Direct);
        }
        let rest = text
            .strip_prefix("http://")
            .or(text.strip_prefix("https://"));
        match rest {
            Some(rest) if !rest.is_empty() && !rest.chars().any(|c| c.is_control() || c == ' ') => {
                Ok(Proxy::Url(text.to_owned()))
            }
            // Not shown: it may have a password in it.
            _ => Err(Error::usage(
                "the proxy is neither \"none\" nor the http:// or https:// address of one",
            )),
        }
    }
}

/// How to reach a store and how long to wait for it. What is served is verified whatever these say;
/// they decide whether and when it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// A PEM file of certificates that may vouch for servers besides the system's.
    pub ca: Option<PathBuf>,
    /// The proxy.
    pub proxy: Proxy,
    /// To connect, TLS included.
    pub connect_timeout: Duration,
    /// Until the head of an answer is there, and between two pieces of its body.
    pub read_timeout: Duration,
    /// For one small object, retries included.
    pub object_timeout: Duration,
    /// For one download that is streamed, resumptions included.
    pub download_timeout: Duration,
    /// Bytes a second below which a server is too slow.
    pub min_rate: u64,
    /// Over this much time spent waiting for bytes the rate is measured; the first is the grace.
    pub rate_window: Duration,
    /// Tries of one request, the first included; resumptions of a download without progress too.
    pub attempts: u32,
}

impl Default for HttpOptions {
    fn default() -> Self {
        HttpOptions {
            ca: None,
            proxy: Proxy::Environment,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            object_timeout: Duration::from_secs(300),
            download_timeout: Duration::from_secs(3600),
            min_rate: MIN_TRANSFER_RATE,
            rate_window: Duration::from_secs(30),
            attempts: 4,
        }
    }
}
