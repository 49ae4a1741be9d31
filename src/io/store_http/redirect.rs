//! Room `io`: where a server may send us on to. A redirect chooses whom this machine talks to, so it
//! may not reach what the store's own address could not: a service on this machine or in its network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{StatusCode, Url};

use crate::{Error, Result};

/// From where an address can be reached, widest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// Everywhere.
    Public,
    /// One's own network.
    Private,
    /// This machine and its links; cloud providers answer secrets there.
    Near,
}

/// Where an answer points on to; `None` for one that does not.
///
/// # Errors
/// Kind refused: nowhere, or another scheme than the same one or `https` after `http`.
pub fn target(from: &Url, status: StatusCode, headers: &HeaderMap) -> Result<Option<Url>> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let refused = |why: String| Error::refused(format!("{from} answered {status}: {why}"));
    let location = headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| refused("a redirect without a target".into()))?;
    let to = from
        .join(location)
        .map_err(|e| refused(format!("a redirect to {location:?}")).caused_by(e))?;
    match (from.scheme(), to.scheme()) {
        (old, new) if old == new => {}
        ("http", "https") => {}
        (_, new) => {
            return Err(refused(format!(
                "a redirect to scheme {new:?} is not followed"
            )));
        }
    }
    if to.host().is_none() || !to.username().is_empty() || to.password().is_some() {
        return Err(refused(
            "a redirect without a host, or with credentials, is not followed".into(),
        ));
    }
    Ok(Some(to))
}

/// The addresses of a host that a redirect led to, to connect to these and no others; `None` where
/// they need no pinning, on the store's own host and behind a proxy, which looks names up itself.
///
/// # Errors
/// Kind refused: addresses nearer than the store's own. Failed: a host without addresses.
pub fn pin(base: &Url, to: &Url, proxied: bool) -> Result<Option<Vec<SocketAddr>>> {
    if base.host_str() == to.host_str() {
        return Ok(None);
    }
    if proxied && literal(to).is_empty() {
        return Ok(None);
    }
    let addresses = addresses(to);
    // A name that leads nowhere from here says nothing in favour of its neighbours.
    let own = addresses_of_base(base, proxied)
        .map(|a| reach(a.ip()))
        .min();
    let own = own.unwrap_or(Reach::Public);
    if let Some(near) = addresses.iter().find(|a| reach(a.ip()) > own) {
        return Err(Error::refused(format!(
            "a redirect to {to} leads to {}, which only this machine or its network can reach",
            near.ip()
        ))
        .hint("is the store's server its team's? tell them where it redirects to"));
    }
    match addresses.is_empty() {
        true => Err(Error::failed(format!(
            "a redirect to {to}: the host has no address"
        ))),
        false => Ok(Some(addresses)),
    }
}

fn addresses_of_base(base: &Url, proxied: bool) -> std::vec::IntoIter<SocketAddr> {
    match proxied {
        true => literal(base).into_iter(),
        false => addresses(base).into_iter(),
    }
}

/// The address that a URL itself names, `localhost` included.
fn literal(url: &Url) -> Vec<SocketAddr> {
    let port = url.port_or_known_default().unwrap_or_default();
    let ip = |text: &str| text.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let Some(host) = url.host_str() else {
        return Vec::new();
    };
    let name = host.trim_end_matches('.');
    if name == "localhost" || name.ends_with(".localhost") {
        return vec![
            (Ipv4Addr::LOCALHOST, port).into(),
            (Ipv6Addr::LOCALHOST, port).into(),
        ];
    }
    ip(host).map(|ip| (ip, port).into()).into_iter().collect()
}

fn addresses(url: &Url) -> Vec<SocketAddr> {
    let literal = literal(url);
    if !literal.is_empty() {
        return literal;
    }
    let port = url.port_or_known_default().unwrap_or_default();
    let host = url.host_str().unwrap_or_default();
    match (host, port).to_socket_addrs() {
        Ok(found) => found.collect(),
        Err(_) => Vec::new(),
    }
}

/// IANA's special-purpose registries (RFC 6890), as far as they are not routed everywhere.
fn reach(ip: IpAddr) -> Reach {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            match (a, b, c) {
                (0 | 127 | 224..=255, ..) | (169, 254, _) => Reach::Near,
                (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Reach::Private,
                (192, 0, 0) | (198, 18..=19, _) => Reach::Private,
                _ => Reach::Public,
            }
        }
        IpAddr::V6(ip) => match ip.segments() {
            [0, 0, 0, 0, 0, 0, ..] => Reach::Near,
            [0xfe80..=0xfebf | 0xff00..=0xffff, ..] => Reach::Near,
            [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Reach::Private,
            // An IPv4 address behind a translator (RFC 6052): whatever it reaches, it is not public.
            [0x64, 0xff9b, ..] => Reach::Private,
            _ => Reach::Public,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn sent_to(from: &str, location: &str) -> Result<Option<Url>> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, location.parse().unwrap());
        target(&url(from), StatusCode::FOUND, &headers)
    }

    #[test]
    fn a_redirect_keeps_its_scheme_or_becomes_https() {
        let to = |from, location| sent_to(from, location).unwrap().unwrap().to_string();
        assert_eq!(to("http://a/x/y", "z"), "http://a/x/z");
        assert_eq!(to("http://a/x", "https://b/y"), "https://b/y");
        assert_eq!(to("https://a/x", "//b/y"), "https://b/y");
        for (from, location) in [
            ("https://a/", "http://a/"),
            ("https://a/", "file:///etc/passwd"),
            ("http://a/", "ftp://a/"),
            ("http://a/", "data:,x"),
            ("http://a/", "http://u:p@a/"),
            ("http://a/", "http://u@a/"),
        ] {
            let error = sent_to(from, location).unwrap_err();
            assert!(error.to_string().contains("not followed"), "{error}");
        }
        assert!(sent_to("http://a/", "http://[").is_err());
        let none = target(&url("http://a/"), StatusCode::FOUND, &HeaderMap::new());
        assert!(none.is_err());
        for status in [StatusCode::OK, StatusCode::NOT_MODIFIED] {
            let none = target(&url("http://a/"), status, &HeaderMap::new());
            assert_eq!(none.unwrap(), None);
        }
    }

    #[test]
    fn a_store_elsewhere_cannot_send_us_to_ourselves_or_our_neighbours() {
        for base in ["https://93.184.216.34/", "https://[2606:2800:220:1::1]/"] {
            for to in [
                "127.0.0.1",
                "127.9.9.9",
                "localhost",
                "x.localhost.",
                "0.0.0.0",
                "10.1.2.3",
                "172.31.0.1",
                "192.168.1.1",
                "100.64.0.1",
                "169.254.169.254",
                "224.0.0.1",
                "2130706433",
                "0x7f.1",
                "[::1]",
                "[::]",
                "[::ffff:127.0.0.1]",
                "[::ffff:10.0.0.1]",
                "[fe80::1]",
                "[fd00::1]",
                "[ff02::1]",
                "[64:ff9b::7f00:1]",
            ] {
                for proxied in [false, true] {
                    let to = url(&format!("https://{to}:8443/x"));
                    let error = pin(&url(base), &to, proxied).unwrap_err();
                    assert!(error.to_string().contains("leads to"), "{to}: {error}");
                }
            }
        }
        // A name behind a proxy is as good as public.
        let named = url("https://store.example/");
        assert!(pin(&named, &url("https://127.0.0.1/"), true).is_err());
    }

    #[test]
    fn a_store_of_ones_own_network_may_send_to_its_neighbours() {
        let fine = |base: &str, to: &str| pin(&url(base), &url(to), false).unwrap();
        let public = fine("https://93.184.216.34/", "https://93.184.216.35/x");
        assert_eq!(public, Some(vec!["93.184.216.35:443".parse().unwrap()]));
        assert!(fine("https://10.0.0.1/", "https://192.168.0.1/").is_some());
        assert!(fine("http://127.0.0.1:1/", "http://localhost:2/").is_some());
        assert!(pin(&url("https://10.0.0.1/"), &url("https://127.0.0.1/"), false).is_err());
        // The same host on another port or scheme is whom we talk to already.
        assert_eq!(fine("http://127.0.0.1:1/", "https://127.0.0.1:2/"), None);
        let behind_proxy = pin(&url("http://a.example/"), &url("http://b.example/"), true);
        assert_eq!(behind_proxy.unwrap(), None);
    }
}
