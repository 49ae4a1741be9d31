//! Where a daemon answers over HTTP, and how it is asked: keys that several tables share. Pure.

use core::net::IpAddr;
use std::path::{Path, PathBuf};

use super::keys::Keys;
use crate::hash::Sha256;
use crate::limits;

/// Who asks. Secrets are read from files, each time anew, and are never kept here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// A file with `user:password` in its first line, as bitcoind's `.cookie`.
    Cookie(PathBuf),
    /// A user, and a file whose first line is the password.
    Password {
        /// The user.
        user: String,
        /// The file with the password.
        file: PathBuf,
    },
    /// A file whose first line is a bearer token.
    Token(PathBuf),
}

/// An address and how to speak to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `http://` or `https://`, without credentials.
    pub url: String,
    /// None: nobody in particular asks.
    pub auth: Option<Auth>,
    /// A PEM file: the only certificates that may vouch for the server.
    pub ca: Option<PathBuf>,
    /// SHA-256 of the server's certificate (DER) or of its public key (SPKI): it alone is accepted,
    /// whoever signed it and whatever name is in it.
    pub pin: Option<Sha256>,
}

/// Keys that make an endpoint.
const KEYS: [&str; 6] = [
    "url",
    "user",
    "password_file",
    "cookie_file",
    "ca_file",
    "pin_sha256",
];

/// Takes the endpoint's keys out of a table; none where it has no `url`.
pub(super) fn take(keys: &mut Keys, dir: &Path) -> Option<Endpoint> {
    let auth = auth(keys, dir);
    let ca = keys.text("ca_file").map(|path| dir.join(path));
    let pin = keys.text("pin_sha256").and_then(|text| {
        let plain: String = text.chars().filter(|c| *c != ':').collect();
        let pin = Sha256::from_hex(&plain.to_ascii_lowercase());
        if pin.is_none() {
            keys.problem("pin_sha256 is no SHA-256 in hex, wanted that of a certificate or of its public key");
        }
        pin
    });
    let Some(url) = keys.text("url") else {
        if auth.is_some() || ca.is_some() || pin.is_some() {
            keys.problem(format!(
                "{} go with url, which is missing",
                KEYS[1..].join(", ")
            ));
        }
        return None;
    };
    let url = url.trim().to_owned();
    for problem in url_problems(&url, auth.is_some()) {
        keys.problem(problem);
    }
    if (ca.is_some() || pin.is_some()) && !url.starts_with("https://") {
        keys.problem("ca_file and pin_sha256 want an https:// address");
    }
    if ca.is_some() && pin.is_some() {
        keys.problem("ca_file and pin_sha256 exclude each other: a pinned certificate needs nobody to vouch for it");
    }
    Some(Endpoint { url, auth, ca, pin })
}

fn auth(keys: &mut Keys, dir: &Path) -> Option<Auth> {
    if keys.has("password") {
        let _ = keys.text("password");
        keys.problem(
            "password does not belong into this file, wanted password_file or cookie_file",
        );
    }
    let cookie = keys.text("cookie_file").map(|path| dir.join(path));
    let user = keys.text("user");
    let file = keys.text("password_file").map(|path| dir.join(path));
    match (cookie, user, file) {
        (None, None, None) => None,
        (Some(cookie), None, None) => Some(Auth::Cookie(cookie)),
        (None, Some(user), Some(file)) => {
            if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
                keys.problem("user is empty or has a colon or a control character in it");
            }
            Some(Auth::Password { user, file })
        }
        _ => {
            keys.problem("wanted either cookie_file, or user and password_file");
            None
        }
    }
}

/// What is wrong with an address that is asked, with a secret or without.
pub fn url_problems(url: &str, secret: bool) -> Vec<&'static str> {
    let mut problems = Vec::new();
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let Some(rest) = rest else {
        return vec!["url is no http:// or https:// address"];
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if url.len() > limits::MAX_URL_LEN || url.chars().any(|c| c.is_control() || c == ' ') {
        problems.push("url is too long or has spaces in it");
    }
    if authority.contains('@') {
        problems.push("url has credentials in it, wanted cookie_file, or user and password_file");
        return problems;
    }
    if authority.is_empty() || rest.contains('#') {
        problems.push("url has no host, or a fragment");
        return problems;
    }
    if secret && url.starts_with("http://") && !is_near(authority) {
        problems.push(
            "url is http:// and leaves this network, so the password could be read on the way, wanted https:// with ca_file or pin_sha256",
        );
    }
    problems
}

/// Whether an authority is this machine or an address of a private network.
fn is_near(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
        Err(_) => host == "localhost",
    }
}
