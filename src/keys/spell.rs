//! The names of one public key in the formats of others. Pure.

use base64ct::{Base64, Encoding};
use ssh_key::HashAlg;
use ssh_key::public::{Ed25519PublicKey, KeyData};

use super::PublicKey;

/// SubjectPublicKeyInfo of an Ed25519 key up to the key itself (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
/// Signature algorithm of minisign's keys.
const MINISIGN_ED25519: &[u8] = b"Ed";

/// OpenSSH's fingerprint: `SHA256:` and the digest in base64 without padding.
pub fn fingerprint(key: &PublicKey) -> String {
    let data = KeyData::Ed25519(Ed25519PublicKey(*key.bytes()));
    data.fingerprint(HashAlg::Sha256).to_string()
}

/// `-----BEGIN PUBLIC KEY-----` with the SubjectPublicKeyInfo (RFC 8410; RFC 7468, section 13).
pub fn pem(key: &PublicKey) -> String {
    let spki = [SPKI_PREFIX.as_slice(), key.bytes()].concat();
    let body = Base64::encode_string(&spki);
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

/// A minisign public key file: a comment, then base64 of the algorithm, a key id of 8 bytes and the
/// key. Minisign draws its ids by lot; this one is the beginning of the TUF key id, so that one key
/// has one id wherever it is exported.
pub fn minisign(key: &PublicKey) -> String {
    let id = minisign_id(key);
    let bytes = [MINISIGN_ED25519, &id, key.bytes()].concat();
    let shown = u64::from_le_bytes(id);
    format!(
        "untrusted comment: minisign public key {shown:016X}\n{}\n",
        Base64::encode_string(&bytes)
    )
}

/// The key id in [`minisign`], which signatures for it carry.
pub fn minisign_id(key: &PublicKey) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = key.digest().0;
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::from_hex;

    /// The public key of RFC 8032, section 7.1, test 1.
    fn key() -> PublicKey {
        let bytes = from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        PublicKey::from_bytes(bytes.unwrap().try_into().unwrap()).unwrap()
    }

    #[test]
    fn one_key_has_one_name_in_each_format() {
        assert_eq!(
            pem(&key()),
            "-----BEGIN PUBLIC KEY-----\n\
             MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
             -----END PUBLIC KEY-----\n"
        );
        assert!(fingerprint(&key()).starts_with("SHA256:"));
        let id = key().keyid();
        let file = minisign(&key());
        let line = file.lines().nth(1).unwrap();
        let bytes = Base64::decode_vec(line).unwrap();
        assert_eq!(&bytes[..2], b"Ed");
        assert_eq!(crate::hash::hex(&bytes[2..10]), id[..16]);
        assert_eq!(&bytes[10..], key().bytes());
    }
}
