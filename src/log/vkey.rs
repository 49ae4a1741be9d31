//! Verifier keys and signers of notes (signed-note, "Verifier keys" and "Ed25519 signatures").
//!
//! Only Ed25519 (signature type 0x01). Keys come in as values; nothing here reads a key file.

use std::fmt;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use super::text;
use crate::hash::{Sha256, hex};
use crate::keys::PublicKey;
use crate::limits::MAX_VKEY_LEN;
use crate::{Error, Result};

/// Signature type identifier of Ed25519 (signed-note, "Signature types").
const ED25519: u8 = 0x01;

/// A key that notes are verified with: a name, an ID made from it, and an Ed25519 public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    key: VerifyingKey,
}

impl VerifierKey {
    /// The verifier key of `name` and `key`.
    ///
    /// # Errors
    /// Usage: an invalid name (see [`check_name`]) or a weak public key.
    pub fn new(name: &str, key: VerifyingKey) -> Result<Self> {
        check_name(name).map_err(|e| e.with_kind(crate::Kind::Usage))?;
        if key.is_weak() {
            return Err(Error::usage(format!(
                "public key of {} is weak: a point of small order",
                text::quote(name)
            )));
        }
        Ok(VerifierKey {
            name: name.to_owned(),
            id: key_id(name, ED25519, key.as_bytes()),
            key,
        })
    }

    /// As [`VerifierKey::new`], from the crate's own form of a public key.
    ///
    /// # Errors
    /// Usage: an invalid name.
    pub fn from_public(name: &str, key: &PublicKey) -> Result<Self> {
        let key = VerifyingKey::from_bytes(key.bytes())
            .map_err(|e| Error::usage("not a public key").caused_by(e))?;
        Self::new(name, key)
    }

    /// Reads `<name>+<hex key ID>+<base64(0x01 || public key)>`, without surrounding space
    /// (signed-note, "Verifier keys").
    ///
    /// # Errors
    /// Usage: any other form, another signature type, a key ID that is not the one of name and key.
    pub fn parse(vkey: &str) -> Result<Self> {
        let parts = Parts::split(vkey)?;
        let key: [u8; 32] = match parts.kind {
            ED25519 => parts.ed25519()?,
            kind => {
                return Err(parts.malformed(format!(
                    "signature type is 0x{kind:02x}, want 0x{ED25519:02x} (Ed25519)"
                )));
            }
        };
        let key = VerifyingKey::from_bytes(&key)
            .map_err(|_| parts.malformed("public key is not a point of the curve".to_owned()))?;
        let verifier = VerifierKey::new(parts.name, key)?;
        parts.check_id(verifier.id)?;
        Ok(verifier)
    }

    /// The key name, by custom the origin of the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of SHA-256(name || 0x0A || 0x01 || public key), big-endian.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The Ed25519 public key.
    pub fn public_key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The public key in the crate's own form.
    ///
    /// # Errors
    /// None: a weak key is refused when a verifier key is made.
    pub fn public(&self) -> Result<PublicKey> {
        PublicKey::from_bytes(self.key.to_bytes())
    }

    /// Checks a 64-byte Ed25519 signature over a note's text, strictly: no malleable signatures,
    /// no points of small order.
    ///
    /// # Errors
    /// Refused: the signature is not this key's over this text.
    pub(super) fn check(&self, note_text: &str, signature: &[u8]) -> Result<()> {
        let signature: &[u8; 64] = signature.try_into().map_err(|_| {
            Error::refused(format!(
                "signature by {self} has {} bytes, want 64",
                signature.len()
            ))
        })?;
        self.key
            .verify_strict(note_text.as_bytes(), &signature.into())
            .map_err(|_| Error::refused(format!("signature by {self} does not verify")))
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&spell(&self.name, self.id, ED25519, self.key.as_bytes()))
    }
}

/// A secret key that signs notes under a name. Has no `Debug`, so it cannot be printed.
pub struct NoteSigner {
    verifier: VerifierKey,
    key: SigningKey,
}

impl NoteSigner {
    /// Signs as `name` with `key`.
    ///
    /// # Errors
    /// Usage: an invalid name.
    pub fn new(name: &str, key: SigningKey) -> Result<Self> {
        Ok(NoteSigner {
            verifier: VerifierKey::new(name, key.verifying_key())?,
            key,
        })
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    pub(super) fn sign(&self, note_text: &str) -> [u8; 64] {
        self.key.sign(note_text.as_bytes()).to_bytes()
    }
}

/// Checks a key name: not empty, no Unicode space, no plus, no control character (signed-note,
/// "Format").
///
/// # Errors
/// Refused: the name is none.
pub fn check_name(name: &str) -> Result<()> {
    let bad = |c: char| c.is_whitespace() || c == '+' || c < ' ';
    if name.is_empty() || name.contains(bad) {
        return Err(Error::refused(format!(
            "key name is {}, want at least one character, no space and no plus",
            text::quote(name)
        )));
    }
    Ok(())
}

/// The recommended key ID: the first four bytes of SHA-256(name || 0x0A || signature type || public
/// key), big-endian (signed-note, "Signatures").
pub(super) fn key_id(name: &str, kind: u8, key: &[u8; 32]) -> u32 {
    let message = [name.as_bytes(), &[b'\n', kind], key].concat();
    let [a, b, c, d, ..] = Sha256::of(&message).0;
    u32::from_be_bytes([a, b, c, d])
}

/// The text form of a key: `<name>+<hex key ID>+<base64(signature type || public key)>`.
pub(super) fn spell(name: &str, id: u32, kind: u8, key: &[u8; 32]) -> String {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(key);
    let id = hex(&id.to_be_bytes());
    format!("{name}+{id}+{}", text::to_base64(&bytes))
}

/// A vkey taken apart, whatever its signature type.
pub(super) struct Parts<'a> {
    vkey: &'a str,
    pub(super) name: &'a str,
    id: &'a str,
    pub(super) kind: u8,
    key: Vec<u8>,
}

impl<'a> Parts<'a> {
    pub(super) fn split(vkey: &'a str) -> Result<Self> {
        let mut out = Parts {
            vkey,
            name: "",
            id: "",
            kind: 0,
            key: Vec::new(),
        };
        if vkey.len() > MAX_VKEY_LEN {
            return Err(out.malformed(format!("{} bytes long", vkey.len())));
        }
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(out.malformed("fewer than three parts".to_owned()));
        };
        let key = text::base64(key, "public key").map_err(|e| out.malformed(e.to_string()))?;
        let Some((&kind, key)) = key.split_first() else {
            return Err(out.malformed("no public key".to_owned()));
        };
        (out.name, out.id, out.kind, out.key) = (name, id, kind, key.to_vec());
        Ok(out)
    }

    pub(super) fn ed25519(&self) -> Result<[u8; 32]> {
        let found = self.key.len();
        <[u8; 32]>::try_from(self.key.as_slice())
            .map_err(|_| self.malformed(format!("public key has {found} bytes, want 32")))
    }

    pub(super) fn check_id(&self, id: u32) -> Result<()> {
        let want = hex(&id.to_be_bytes());
        if self.id == want {
            return Ok(());
        }
        Err(self.malformed(format!(
            "key ID is {}, which for this name and key is {want}",
            text::quote(self.id)
        )))
    }

    pub(super) fn malformed(&self, found: String) -> Error {
        Error::usage(format!(
            "verifier key {}: {found}, want <name>+<8 hex digits>+<base64>",
            text::quote(self.vkey)
        ))
    }
}
