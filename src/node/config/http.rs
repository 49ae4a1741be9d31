//! `[http]` of `node.toml`: how a store behind an address is reached. Pure.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::store::http::{HttpOptions, Proxy};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHttp {
    ca: Option<PathBuf>,
    proxy: Option<String>,
    connect_timeout_seconds: Option<u64>,
    read_timeout_seconds: Option<u64>,
    download_timeout_seconds: Option<u64>,
    min_bytes_per_second: Option<u64>,
    attempts: Option<u32>,
}

impl RawHttp {
    pub(super) fn check(self, dir: &Path, problems: &mut Vec<String>) -> HttpOptions {
        let defaults = HttpOptions::default();
        let mut number = |key: &str, value: Option<u64>, default: u64, most: u64| {
            let value = value.unwrap_or(default);
            if !(1..=most).contains(&value) {
                problems.push(format!("http.{key} is {value}, wanted 1 to {most}"));
            }
            value
        };
        let mut seconds = |key: &str, value: Option<u64>, default: Duration, most: u64| {
            Duration::from_secs(number(key, value, default.as_secs(), most))
        };
        let connect_timeout = seconds(
            "connect_timeout_seconds",
            self.connect_timeout_seconds,
            defaults.connect_timeout,
            3600,
        );
        let read_timeout = seconds(
            "read_timeout_seconds",
            self.read_timeout_seconds,
            defaults.read_timeout,
            3600,
        );
        let download_timeout = seconds(
            "download_timeout_seconds",
            self.download_timeout_seconds,
            defaults.download_timeout,
            86_400,
        );
        let min_rate = number(
            "min_bytes_per_second",
            self.min_bytes_per_second,
            defaults.min_rate,
            1 << 30,
        );
        let attempts = number(
            "attempts",
            self.attempts.map(u64::from),
            defaults.attempts.into(),
            100,
        );
        let proxy = match self.proxy.as_deref().map(Proxy::parse) {
            None => Proxy::Environment,
            Some(Ok(proxy)) => proxy,
            Some(Err(error)) => {
                problems.push(format!("http.proxy: {error}"));
                Proxy::Environment
            }
        };
        HttpOptions {
            ca: self.ca.map(|path| dir.join(path)),
            proxy,
            connect_timeout,
            read_timeout,
            download_timeout,
            min_rate,
            attempts: u32::try_from(attempts).unwrap_or(1),
            ..defaults
        }
    }
}
