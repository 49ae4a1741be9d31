//! Room `io`: connections. One client per scheme for the store's own host, made when it is first
//! needed; one per host that a redirect led to, bound to the addresses that were looked at.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use reqwest::blocking::{Client, ClientBuilder};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Url};

use super::failure::causes;
use crate::error::Context;
use crate::io::durable;
use crate::limits::{MAX_CA_LEN, MAX_REDIRECT_HOSTS};
use crate::store::http::{HttpOptions, Proxy};
use crate::{Error, Result};

/// Variables that the HTTP library takes a proxy from.
const PROXY_VARIABLES: [&str; 6] = [
    "https_proxy",
    "HTTPS_PROXY",
    "http_proxy",
    "HTTP_PROXY",
    "all_proxy",
    "ALL_PROXY",
];

/// Scheme, and the host if it is not the store's.
type Key = (String, Option<String>);

/// The clients of one store.
pub struct Clients {
    options: HttpOptions,
    ca: Vec<Certificate>,
    made: Mutex<BTreeMap<Key, Client>>,
}

impl Clients {
    /// Reads the options' certificates; connects to nothing.
    ///
    /// # Errors
    /// Usage: a file of certificates that is missing or is none, a proxy that is no URL.
    pub fn new(options: &HttpOptions) -> Result<Self> {
        if let Proxy::Url(url) = &options.proxy {
            proxy(url)?;
        }
        Ok(Clients {
            ca: certificates(options)?,
            options: options.clone(),
            made: Mutex::default(),
        })
    }

    /// Whether requests may go through a proxy, which then looks up the names of hosts.
    pub fn proxied(&self) -> bool {
        let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match self.options.proxy {
            Proxy::Url(_) => true,
            Proxy::Direct => false,
            Proxy::Environment => PROXY_VARIABLES.iter().any(set),
        }
    }

    /// The client for a URL; with `pinned`, one that connects to these addresses alone.
    ///
    /// # Errors
    /// TLS that cannot be set up, as without any certificate to trust.
    pub fn of(&self, url: &Url, own_host: bool, pinned: Option<&[SocketAddr]>) -> Result<Client> {
        let host = url.host_str().unwrap_or_default();
        let key = (
            url.scheme().to_owned(),
            (!own_host).then(|| format!("{host}:{}", url.port_or_known_default().unwrap_or(0))),
        );
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = made.get(&key) {
            return Ok(client.clone());
        }
        if made.len() > MAX_REDIRECT_HOSTS {
            made.retain(|(_, host), _| host.is_none());
        }
        let mut builder = self.builder(url.scheme())?;
        if let Some(addresses) = pinned {
            builder = builder.resolve_to_addrs(host, addresses);
        }
        let client = builder.build().map_err(|e| {
            let error = Error::failed("cannot set up HTTP");
            causes(error, &e).hint(
                "without certificates to trust: apt install ca-certificates, or name a file of your own CA",
            )
        })?;
        made.insert(key, client.clone());
        Ok(client)
    }

    /// Forgets the hosts of redirects: their addresses may have changed.
    pub fn forget_redirects(&self) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|(_, host), _| host.is_none());
    }

    fn builder(&self, scheme: &str) -> Result<ClientBuilder> {
        let options = &self.options;
        let builder = Client::builder()
            .connect_timeout(options.connect_timeout)
            .timeout(options.read_timeout)
            .user_agent(concat!("relman/", env!("CARGO_PKG_VERSION")))
            .referer(false)
            .redirect(Policy::none());
        // Reading the system's certificates takes longer than a whole refresh; plain HTTP, which
        // needs none, must not fail for the want of them.
        let builder = match scheme {
            "https" => builder.tls_certs_merge(self.ca.iter().cloned()),
            _ => builder.tls_certs_only([]),
        };
        Ok(match &options.proxy {
            Proxy::Environment => builder,
            Proxy::Direct => builder.no_proxy(),
            Proxy::Url(url) => builder.proxy(proxy(url)?),
        })
    }
}

fn proxy(url: &str) -> Result<reqwest::Proxy> {
    // The reason is not shown: it may quote a password.
    reqwest::Proxy::all(url).map_err(|_| Error::usage("the proxy's address is no URL"))
}

fn certificates(options: &HttpOptions) -> Result<Vec<Certificate>> {
    let Some(path) = &options.ca else {
        return Ok(Vec::new());
    };
    let name = path.display();
    let pem = durable::read_bounded(path, MAX_CA_LEN)?
        .ok_or_else(|| Error::usage(format!("there is no file of certificates at {name}")))?;
    let found = Certificate::from_pem_bundle(&pem)
        .or_usage(|| format!("{name} is no PEM file of certificates"))?;
    match found.is_empty() {
        true => Err(Error::usage(format!("{name} has no certificate in it"))
            .hint(format!("wanted PEM: openssl x509 -noout -text -in {name}"))),
        false => Ok(found),
    }
}
