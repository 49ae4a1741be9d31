//! TUF public keys: their ids, and whether one made a signature. No secret key comes near.

use std::collections::BTreeMap;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use base64ct::{Base64, Encoding};
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::TrustError;
use super::json;
use crate::hash::{Sha256, from_hex, hex};

/// A key as metadata lists it. Any type and scheme parses; what is not known never verifies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// `ed25519`, `ecdsa`, `rsa`, or something of the future.
    pub keytype: String,
    /// Signature scheme, as `ed25519`.
    pub scheme: String,
    /// Key material; `public` in the known types.
    pub keyval: BTreeMap<String, Value>,
    /// Members that the specification does not know; they are part of the key id.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// What two listings of one key have in common, however they are written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity(Vec<u8>);

/// A key ready to check signatures.
pub enum Verifier {
    /// RFC 8032, in dalek's strict reading (no small-order keys, no malleable signatures).
    Ed25519(VerifyingKey),
    /// `ecdsa-sha2-nistp256`: the uncompressed point (65 bytes); signatures are ASN.1 DER.
    EcdsaP256(Vec<u8>),
    /// `rsassa-pss-sha256`: SubjectPublicKeyInfo in DER; salt of 32 bytes.
    RsaPss(Vec<u8>),
}

/// SubjectPublicKeyInfo in DER up to the uncompressed point of a P-256 key.
const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

impl PublicKey {
    /// The TUF key of an Ed25519 public key (32 bytes).
    pub fn ed25519(public: &[u8; 32]) -> Self {
        PublicKey {
            keytype: "ed25519".into(),
            scheme: "ed25519".into(),
            keyval: BTreeMap::from([("public".into(), hex(public).into())]),
            extra: BTreeMap::new(),
        }
    }

    /// The key id: SHA-256 of the key's canonical JSON, lower-case hex (TUF 1.0, section 4.2).
    ///
    /// # Errors
    /// A key whose unknown members have no canonical form.
    pub fn id(&self) -> Result<String, TrustError> {
        let value = serde_json::to_value(self).map_err(|e| TrustError::Json(e.to_string()))?;
        Ok(Sha256::of(&json::canonical(&value)?).hex())
    }

    /// The 32 bytes of an Ed25519 key; `None` for other types.
    pub fn ed25519_bytes(&self) -> Option<[u8; 32]> {
        match self.verifier()? {
            Verifier::Ed25519(key) => Some(key.to_bytes()),
            _ => None,
        }
    }

    /// The key, ready to check signatures; `None` for types and schemes that are not known and for
    /// material that is not a key.
    pub fn verifier(&self) -> Option<Verifier> {
        let public = self.keyval.get("public")?.as_str()?;
        match (self.keytype.as_str(), self.scheme.as_str()) {
            ("ed25519", "ed25519") => {
                let bytes: [u8; 32] = from_hex(public)?.try_into().ok()?;
                let key = VerifyingKey::from_bytes(&bytes).ok()?;
                (!key.is_weak()).then_some(Verifier::Ed25519(key))
            }
            ("ecdsa" | "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256") => {
                let point = match pem(public) {
                    Some(der) => der.strip_prefix(&P256_SPKI_PREFIX)?.to_vec(),
                    None => from_hex(public)?,
                };
                (point.len() == 65 && point.first() == Some(&4))
                    .then_some(Verifier::EcdsaP256(point))
            }
            ("rsa", "rsassa-pss-sha256") => {
                // Parsed and written again, so that one key has one encoding.
                let key = PublicEncryptingKey::from_der(&pem(public)?).ok()?;
                Some(Verifier::RsaPss(key.as_der().ok()?.as_ref().to_vec()))
            }
            _ => None,
        }
    }
}

impl From<crate::keys::PublicKey> for PublicKey {
    fn from(key: crate::keys::PublicKey) -> Self {
        PublicKey::ed25519(key.bytes())
    }
}

impl Verifier {
    /// Whether `signature` (raw bytes) over `message` was made with this key.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Verifier::Ed25519(key) => Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Verifier::EcdsaP256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
                .verify(message, signature)
                .is_ok(),
            Verifier::RsaPss(der) => UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, der)
                .verify(message, signature)
                .is_ok(),
        }
    }

    /// The key's identity: keys are counted by this, never by id.
    pub fn identity(&self) -> Identity {
        let (tag, bytes) = match self {
            Verifier::Ed25519(key) => (0, key.as_bytes().as_slice()),
            Verifier::EcdsaP256(point) => (1, point.as_slice()),
            Verifier::RsaPss(der) => (2, der.as_slice()),
        };
        Identity([&[tag], bytes].concat())
    }
}

/// The DER inside a PEM `PUBLIC KEY`; `None` where `text` is not one.
fn pem(text: &str) -> Option<Vec<u8>> {
    let body = text
        .trim()
        .strip_prefix("-----BEGIN PUBLIC KEY-----")?
        .strip_suffix("-----END PUBLIC KEY-----")?;
    let base64: String = body.split_ascii_whitespace().collect();
    Base64::decode_vec(&base64).ok()
}

impl PublicKey {
    /// The TUF key of an OpenSSH public key line (`ssh-ed25519 AAAA… comment`).
    ///
    /// # Errors
    /// A line that is malformed, or a key that is not plain Ed25519.
    pub fn from_openssh(line: &str) -> Result<Self, TrustError> {
        let malformed = |problem: String| TrustError::Schema {
            role: "public key".into(),
            problem,
        };
        let key = ssh_key::PublicKey::from_openssh(line.trim())
            .map_err(|e| malformed(format!("{line:?}: {e}")))?;
        match key.key_data().ed25519() {
            Some(public) => Ok(Self::ed25519(&public.0)),
            None => Err(malformed(format!(
                "it is of type {}, wanted ssh-ed25519",
                key.algorithm()
            ))),
        }
    }

    /// The OpenSSH line of an Ed25519 key, without comment; `None` for other types.
    pub fn to_openssh(&self) -> Option<String> {
        let public = ssh_key::public::Ed25519PublicKey(self.ed25519_bytes()?);
        ssh_key::PublicKey::from(public).to_openssh().ok()
    }
}
