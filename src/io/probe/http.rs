//! One request of a look over HTTP(S): no redirects, no proxy, bounded in bytes and in time.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use reqwest::Certificate;
use reqwest::blocking::{Client, Response};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;

use super::{pin, secret};
use crate::hash::Sha256;
use crate::io::durable;
use crate::limits::MAX_CA_LEN;
use crate::node::config::probe::Endpoint;
use crate::node::probe::Reply;

const CHUNK_LEN: usize = 64 * 1024;

/// Whom a client trusts: certificates, one key, or (for TLS) whom the system trusts. It can be shared by all who trust the same.
type Trust = (Option<PathBuf>, Option<Sha256>, bool);

/// The connections of all looks.
#[derive(Default)]
pub(super) struct Clients(Mutex<BTreeMap<Trust, Client>>);

impl Clients {
    pub(super) fn exchange(
        &self,
        to: &Endpoint,
        body: Option<&[u8]>,
        limit: u64,
        deadline: Instant,
    ) -> Result<Reply, String> {
        let client = self.client(to)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let mut request = match body {
            Some(body) => client
                .post(&to.url)
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_vec()),
            None => client.get(&to.url),
        };
        if let Some(auth) = &to.auth {
            let value = HeaderValue::from_str(&secret::header(auth)?);
            let mut value = value.map_err(|_| "the credentials fit into no header".to_owned())?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let response = request
            .timeout(left)
            .send()
            .map_err(|e| words(&to.url, e))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(format!(
                "{}: status {} leads elsewhere, which is not followed",
                to.url,
                status.as_u16()
            ));
        }
        Ok(Reply {
            status: status.as_u16(),
            body: read(&to.url, response, limit, deadline)?,
        })
    }

    fn client(&self, to: &Endpoint) -> Result<Client, String> {
        let trust = (to.ca.clone(), to.pin, to.url.starts_with("https://"));
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = made.get(&trust) {
            return Ok(client.clone());
        }
        let builder = Client::builder()
            .user_agent(concat!("relman/", env!("CARGO_PKG_VERSION")))
            .referer(false)
            .no_proxy()
            // A daemon's answers come from the daemon that runs now, not from a connection that its
            // predecessor left.
            .pool_max_idle_per_host(0)
            .redirect(Policy::none());
        let builder = match &trust {
            (_, Some(pin), _) => builder.tls_backend_preconfigured(pin::config(*pin)?),
            (Some(ca), None, _) => builder.tls_certs_only(certificates(ca)?),
            (None, None, true) => builder,
            // Reading the system's certificates takes long, and plain HTTP needs none.
            (None, None, false) => builder.tls_certs_only([]),
        };
        let client = builder
            .build()
            .map_err(|e| format!("cannot set up HTTP: {}", chain(&e)))?;
        made.insert(trust, client.clone());
        Ok(client)
    }
}

fn certificates(path: &std::path::Path) -> Result<Vec<Certificate>, String> {
    let name = path.display();
    let pem = durable::read_bounded(path, MAX_CA_LEN)
        .map_err(|e| e.to_string())?
        .ok_or_else(|| format!("there is no file of certificates at {name}"))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(format!("{name} is no PEM file of certificates")),
    }
}

fn read(
    url: &str,
    mut response: Response,
    limit: u64,
    deadline: Instant,
) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; CHUNK_LEN];
    loop {
        if Instant::now() >= deadline {
            return Err(format!("{url}: the answer does not end in time"));
        }
        match response.read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(got) => bytes.extend_from_slice(chunk.get(..got).unwrap_or_default()),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(format!("{url}: the answer breaks off: {e}")),
        }
        if bytes.len() as u64 > limit {
            return Err(format!("{url}: the answer is longer than {limit} bytes"));
        }
    }
}

fn words(url: &str, error: reqwest::Error) -> String {
    let what = match error.is_timeout() {
        true => "no answer in time".to_owned(),
        false => chain(&error.without_url()),
    };
    format!("{url}: {what}")
}

fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
