//! Room `io`: from settings and the environment to a connection. Credentials are read and passed on
//! here, and shown nowhere.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use crate::error::Context;
use crate::{Error, Result};

/// What starts the address of a store in an object store.
pub const SCHEME: &str = "s3://";
/// To connect, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For one request with its body, which is at most one part.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// Connections are not kept longer than servers keep them.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Tries of one request beside the first.
const RETRIES: usize = 4;
/// For one request with all its tries.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

/// How an object store is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `s3://bucket/prefix`.
    pub url: String,
    /// The server, for anything but Amazon's own; else what `AWS_ENDPOINT_URL` says.
    pub endpoint: Option<String>,
    /// The region; else what `AWS_REGION` says.
    pub region: Option<String>,
    /// Whether the endpoint may be `http://`.
    pub allow_http: bool,
}

/// Bucket and prefix of an address.
pub fn bucket(url: &str) -> Result<(&str, &str)> {
    let rest = url.strip_prefix(SCHEME).unwrap_or_default();
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    match bucket.is_empty() {
        false => Ok((bucket, prefix.trim_end_matches('/'))),
        true => Err(Error::usage(format!(
            "store {url:?} names no bucket, wanted s3://bucket/prefix"
        ))),
    }
}

/// The connection and the prefix.
pub fn connect(settings: &Settings) -> Result<(Arc<dyn ObjectStore>, String)> {
    let (bucket, prefix) = bucket(&settings.url)?;
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let allow_http = settings.allow_http || variable("AWS_ALLOW_HTTP").is_some_and(|v| v == "true");
    let client = ClientOptions::new()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout(REQUEST_TIMEOUT)
        .with_pool_idle_timeout(IDLE_TIMEOUT)
        .with_allow_http(allow_http);
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: RETRIES,
        retry_timeout: RETRY_TIMEOUT,
    };
    // What the environment says about conditions, signatures of bodies and certificates is undone.
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(client)
        .with_retry(retry)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_unsigned_payload(false);
    let endpoint = settings.endpoint.clone().or_else(|| {
        variable("AWS_ENDPOINT_URL_S3")
            .or_else(|| variable("AWS_ENDPOINT_URL"))
            .or_else(|| variable("AWS_ENDPOINT"))
    });
    if let Some(endpoint) = endpoint {
        if endpoint.starts_with("http://") && !allow_http {
            return Err(
                Error::usage(format!("the endpoint {endpoint} is not encrypted"))
                    .hint("use https://, or say so in relman.toml: [store] allow_http = true"),
            );
        }
        builder = builder
            .with_config(AmazonS3ConfigKey::S3Endpoint, endpoint)
            .with_virtual_hosted_style_request(false);
    }
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    let store = builder
        .build()
        .or_usage(|| format!("cannot use the store {}", settings.url))?;
    Ok((Arc::new(store), prefix.to_owned()))
}
