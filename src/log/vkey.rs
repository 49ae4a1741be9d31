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
            id: key_id(name, &key),
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
        let malformed = |found: String| {
            Error::usage(format!(
                "verifier key {}: {found}, want <name>+<8 hex digits>+<base64>",
                text::quote(vkey)
            ))
        };
        if vkey.len() > MAX_VKEY_LEN {
            return Err(malformed(format!("{} bytes long", vkey.len())));
        }
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed("fewer than three parts".to_owned()));
        };
        let key = text::base64(key, "public key").map_err(|e| malformed(e.to_string()))?;
        let key: [u8; 32] = match key.split_first() {
            Some((&ED25519, key)) => key
                .try_into()
                .map_err(|_| malformed(format!("public key has {} bytes, want 32", key.len())))?,
            Some((kind, _)) => {
                return Err(malformed(format!(
                    "signature type is 0x{kind:02x}, want 0x{ED25519:02x} (Ed25519)"
                )));
            }
            None => return Err(malformed("no public key".to_owned())),
        };
        let key = VerifyingKey::from_bytes(&key)
            .map_err(|_| malformed("public key is not a point of the curve".to_owned()))?;
        let verifier = VerifierKey::new(name, key)?;
        let want = hex(&verifier.id.to_be_bytes());
        if id != want {
            return Err(malformed(format!(
                "key ID is {}, which for this name and key is {want}",
                text::quote(id)
            )));
        }
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
        let mut key = vec![ED25519];
        key.extend_from_slice(self.key.as_bytes());
        let id = hex(&self.id.to_be_bytes());
        write!(f, "{}+{id}+{}", self.name, text::to_base64(&key))
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

fn key_id(name: &str, key: &VerifyingKey) -> u32 {
    let message = [name.as_bytes(), &[b'\n', ED25519], key.as_bytes()].concat();
    let [a, b, c, d, ..] = Sha256::of(&message).0;
    u32::from_be_bytes([a, b, c, d])
}
