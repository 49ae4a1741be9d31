//! Signatures of our envelopes, judged by openssl over bytes that this test puts together from the
//! specifications.

use std::fs;
use std::path::Path;

use base64ct::{Base64, Encoding};
use serde_json::Value;

use crate::project::{Project, TAGS};
use crate::tools;

/// SubjectPublicKeyInfo of an Ed25519 key up to the key itself (RFC 8410, section 4).
const SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The PEM form of a key of which we publish the OpenSSH form.
pub fn pem(public: &Path) -> String {
    let line = fs::read_to_string(public).unwrap();
    let blob = Base64::decode_vec(line.split(' ').nth(1).unwrap()).unwrap();
    let spki = [&SPKI[..], &blob[blob.len() - 32..]].concat();
    let body = Base64::encode_string(&spki);
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

#[test]
#[ignore = "needs openssl 3: run tests/judges/setup"]
fn openssl_verifies_the_builders_signature_and_no_other() {
    let project = Project::founded("judge-openssl");
    project.release(TAGS[0]);
    let file = project
        .store()
        .join(TAGS[0])
        .join("provenance.intoto.jsonl");
    let envelope: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let decode = |value: &Value| Base64::decode_vec(&text(value)).unwrap();
    let payload = decode(&envelope["payload"]);
    let sig = decode(&envelope["signatures"][0]["sig"]);
    let kind = text(&envelope["payloadType"]);
    let mut pae = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    pae.extend(&payload);

    let dir = project.scratch("openssl");
    fs::create_dir(&dir).unwrap();
    let verifies = |message: &[u8], sig: &[u8], key: &str| {
        fs::write(dir.join("message"), message).unwrap();
        fs::write(dir.join("sig"), sig).unwrap();
        fs::write(dir.join("key.pem"), pem(&project.key(key))).unwrap();
        let verify = "pkeyutl -verify -rawin -pubin -inkey key.pem -in message -sigfile sig";
        tools::openssl(&dir, &verify.split(' ').collect::<Vec<_>>())
    };
    assert!(verifies(&pae, &sig, "builder.pub"));
    assert!(!verifies(&pae, &sig, "publisher.pub"), "another key");
    assert!(!verifies(&payload, &sig, "builder.pub"), "the bare payload");
    for at in [0, pae.len() / 2, pae.len() - 1] {
        let mut tampered = pae.clone();
        tampered[at] ^= 1;
        assert!(
            !verifies(&tampered, &sig, "builder.pub"),
            "message byte {at}"
        );
    }
    for at in [0, 32, 63] {
        let mut tampered = sig.clone();
        tampered[at] ^= 1;
        assert!(
            !verifies(&pae, &tampered, "builder.pub"),
            "signature byte {at}"
        );
    }
}
