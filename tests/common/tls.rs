//! A TLS server that answers every request with the same bytes, with one of two self-signed certificates
//! for 127.0.0.1 made for these tests.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::{ServerConfig, ServerConnection, Stream};

use relman::hash::Sha256;

/// A certificate and its key, PEM.
pub struct Identity {
    /// The certificate.
    pub certificate: &'static str,
    key: &'static str,
}

/// The first.
pub const ONE: Identity = Identity {
    certificate: "-----BEGIN CERTIFICATE-----
MIIBjTCCATOgAwIBAgIUPUy4RAiRb1st7YuKf1EPgYeteR0wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJdGltZWQgb25lMCAXDTI2MTEyNjAyMjU1M1oYDzIxMjYxMTAy
MDIyNTUzWjAUMRIwEAYDVQQDDAl0aW1lZCBvbmUwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATbdzMSIrEZvufwW9wl8LHYD2Ttni/GUNxGXswJaIgad4mwYGrNGvHs
A82XHagdpJPf+OrEOuDfuYu3ckjRo4Two2EwXzAdBgNVHQ4EFgQU+NMRvljqIDUQ
demzV/1zMViTbMIwHwYDVR0jBBgwFoAU+NMRvljqIDUQdemzV/1zMViTbMIwDwYD
VR0RBAgwBocEfwAAATAMBgNVHRMBAf8EAjAAMAoGCCqGSM49BAMCA0gAMEUCIDNp
P4xSdsTNHDXRk4wr1t5pVQMOnfxBz8FmUrTQ6oQ5AiEArwcF1ZL9U81qkdc/x5g2
a266KDm23kYfbF//89k1hfE=
-----END CERTIFICATE-----",
    key: "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJYOohZWQEJEow63P
dvYdNqWG/LdjogwmB3Kuqy6KnzyhRANCAATbdzMSIrEZvufwW9wl8LHYD2Ttni/G
UNxGXswJaIgad4mwYGrNGvHsA82XHagdpJPf+OrEOuDfuYu3ckjRo4Tw
-----END PRIVATE KEY-----",
};

/// The second.
pub const TWO: Identity = Identity {
    certificate: "-----BEGIN CERTIFICATE-----
MIIBjDCCATOgAwIBAgIUaM/P4s3F/ygyvU3j+6Z0gm9tHSswCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJdGltZWQgdHdvMCAXDTI2MTEyNjAyMjU1M1oYDzIxMjYxMTAy
MDIyNTUzWjAUMRIwEAYDVQQDDAl0aW1lZCB0d28wWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQEEiEJ1Igm1xgZuYePKu+ru07uB6Sihq9K3QasoFznZkNNgwUuTshb
6k1m5i16kToB0wCfk/gCixayOP/2R/Voo2EwXzAdBgNVHQ4EFgQUxg3epDsdufI0
gKSy3fdmBM+mu1swHwYDVR0jBBgwFoAUxg3epDsdufI0gKSy3fdmBM+mu1swDwYD
VR0RBAgwBocEfwAAATAMBgNVHRMBAf8EAjAAMAoGCCqGSM49BAMCA0cAMEQCIErn
HYmVbWU6vGjvaAQfmD8A3gygj8C4eYdX8KHFxaVwAiBSTyU9zWqqSkt2zp5wRDrt
9Asmj0YJ3SqNoR4JfiqqKQ==
-----END CERTIFICATE-----",
    key: "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1ctAfaIbOQU+p9OH
l3G35GrqRxyaHebpBecmBQN4FI6hRANCAAQEEiEJ1Igm1xgZuYePKu+ru07uB6Si
hq9K3QasoFznZkNNgwUuTshb6k1m5i16kToB0wCfk/gCixayOP/2R/Vo
-----END PRIVATE KEY-----",
};

impl Identity {
    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate")
    }

    /// Digest of the certificate.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&self.der())
    }

    /// Digest of its public key.
    pub fn key_digest(&self) -> Sha256 {
        let der = self.der();
        let parsed = ParsedCertificate::try_from(&der).expect("a certificate");
        Sha256::of(&parsed.subject_public_key_info())
    }
}

/// A running server.
pub struct Tls {
    /// Where it is.
    pub url: String,
    asked: Arc<AtomicUsize>,
}

impl Tls {
    /// Starts one; it ends with the test.
    pub fn start(identity: &Identity, body: &'static str) -> Tls {
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS can be set up")
            .with_no_client_auth()
            .with_single_cert(vec![identity.der()], key)
            .expect("a certificate and its key");
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(mut stream), Ok(mut server)) =
                    (stream, ServerConnection::new(Arc::clone(&config)))
                else {
                    return;
                };
                let mut tls = Stream::new(&mut server, &mut stream);
                let mut bytes = [0; 16_384];
                // A client that does not trust us hangs up before it asks.
                if !matches!(tls.read(&mut bytes), Ok(1..)) {
                    continue;
                }
                counter.fetch_add(1, Ordering::SeqCst);
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                let _ = tls.write_all(head.as_bytes());
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        });
        Tls {
            url: format!("https://127.0.0.1:{port}/"),
            asked,
        }
    }

    /// Requests that came through.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}
