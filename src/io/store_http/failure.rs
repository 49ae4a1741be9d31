//! Room `io`: errors of the HTTP library in words, and whether they may pass.

use super::retry::Failure;
use crate::Error;

/// What the TLS library begins with when it refuses a certificate.
const BAD_CERTIFICATE: &str = "invalid peer certificate";
/// What it calls a certificate that leads to nobody it trusts.
const UNKNOWN_ISSUER: &str = "UnknownIssuer";

/// All that led to an error, each cause once.
pub fn causes(mut error: Error, of: &dyn std::error::Error) -> Error {
    let mut last = String::new();
    let mut next = Some(of);
    while let Some(cause) = next {
        let text = cause.to_string();
        // Layers that hand on what the one below says.
        if !last.contains(&text) {
            error = error.caused_by(&text);
            last = text;
        }
        next = cause.source();
    }
    error
}

/// Why there is no answer to a request for `url`.
pub fn sending(url: &str, e: reqwest::Error) -> Failure {
    let builder = e.is_builder();
    let e = e.without_url();
    let error = causes(Error::failed(format!("cannot reach {url}")), &e);
    let certificate = error
        .causes()
        .iter()
        .find(|cause| cause.contains(BAD_CERTIFICATE));
    match certificate.cloned() {
        Some(why) if why.contains(UNKNOWN_ISSUER) => Failure::last(
            // In the chain too: reports of checks show it and no hints.
            error
                .caused_by("no CA that this machine, --store-ca or ca in [http] of node.toml names vouches for it")
                .hint("a CA of your own? name its certificate: --store-ca FILE, or ca in [http] of node.toml"),
        ),
        Some(why) => Failure::last(error.hint(certificate_hint(url, &why))),
        None if builder => Failure::last(error),
        None => Failure::passing(error.hint(format!("is the store up? curl -sSI {url}"))),
    }
}

fn certificate_hint(url: &str, why: &str) -> String {
    if why.contains("not valid for name") || why.contains("NotValidForName") {
        format!("the certificate is somebody else's; is the host right in {url}?")
    } else if why.contains("expired") || why.contains("Expired") || why.contains("not valid yet") {
        "renew the server's certificate, or set this machine's clock right: date -u".into()
    } else {
        format!("what does the server show? curl -sSIv {url}")
    }
}
