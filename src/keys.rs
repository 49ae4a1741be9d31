//! Ed25519 keys as values: the public half, its names in every standard we write, and signing.
//!
//! Pure: where secret keys are kept is the business of `io::keyring`.

use ed25519_dalek::{Signature, VerifyingKey};

use crate::hash::{Sha256, hex};
use crate::limits::MAX_SHOWN_NAME;
use crate::{Error, Result};

#[cfg(test)]
pub mod seed;
pub mod spell;

/// An Ed25519 public key (RFC 8032), known to be a point that strict verification accepts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// # Errors
    /// Bytes that are no point, or one of small order (whose signatures prove nothing).
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self> {
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(PublicKey(bytes)),
            _ => Err(Error::refused(format!(
                "{} is not a usable Ed25519 public key",
                hex(&bytes)
            ))),
        }
    }

    /// Reads one line of OpenSSH form: `ssh-ed25519 AAAA… comment`.
    pub fn from_openssh(line: &str) -> Result<Self> {
        let line = line.trim();
        let key = ssh_key::PublicKey::from_openssh(line).map_err(|e| {
            match line.split_whitespace().next() {
                Some(kind) if e == ssh_key::Error::AlgorithmUnknown && is_type(kind) => {
                    wrong_type(kind)
                }
                _ => Error::usage("not an OpenSSH public key").caused_by(e),
            }
        })?;
        match key.key_data().ed25519() {
            Some(ed25519) => Self::from_bytes(ed25519.0),
            None => Err(wrong_type(key.algorithm().as_str())),
        }
    }

    /// The 32 raw bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// One line of OpenSSH form, with a comment.
    pub fn to_openssh(&self, comment: &str) -> Result<String> {
        let data = ssh_key::public::KeyData::Ed25519(ssh_key::public::Ed25519PublicKey(self.0));
        ssh_key::PublicKey::new(data, comment)
            .to_openssh()
            .map_err(|e| Error::bug("a public key has no OpenSSH form").caused_by(e))
    }

    /// The TUF keyid: sha256 of the canonical form of the TUF key object (TUF 1.0, section 4.2).
    pub fn keyid(&self) -> String {
        self.digest().hex()
    }

    fn digest(&self) -> Sha256 {
        let public = hex(&self.0);
        let object = format!(
            r#"{{"keytype":"ed25519","keyval":{{"public":"{public}"}},"scheme":"ed25519"}}"#
        );
        Sha256::of(object.as_bytes())
    }

    /// Strict RFC 8032 verification, refusing small-order points and malleable signatures.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let (Ok(key), Ok(signature)) = (
            VerifyingKey::from_bytes(&self.0),
            Signature::from_slice(signature),
        ) else {
            return false;
        };
        key.verify_strict(message, &signature).is_ok()
    }
}

/// Whether OpenSSH names types of keys like this.
fn is_type(word: &str) -> bool {
    let begins = ["ssh-", "sk-", "ecdsa-"]
        .iter()
        .any(|start| word.starts_with(start));
    begins && word.len() <= MAX_SHOWN_NAME && word.bytes().all(|b| b.is_ascii_graphic())
}

/// The error for a key of another type than plain Ed25519.
pub fn wrong_type(found: &str) -> Error {
    let error = Error::usage(format!(
        "a key of type {found} was given, wanted ssh-ed25519"
    ));
    error.hint(match found.starts_with("sk-") {
        true => {
            "FIDO keys sign other bytes than the formats here; make a plain one for the purpose: \
             relman key generate PURPOSE --out KEYFILE"
        }
        false => "make one for the purpose: relman key generate PURPOSE --out KEYFILE",
    })
}

/// Whoever can sign with one Ed25519 key: a key file, plain or with a passphrase, or an ssh-agent.
pub trait Signer {
    /// The public half.
    fn public(&self) -> PublicKey;

    /// Makes the key ready: whatever a person has to be asked is asked now, and not after an hour's
    /// work.
    ///
    /// # Errors
    /// The key cannot be used now.
    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    /// Signs `message`, which already carries its type (TUF JSON, DSSE PAE, SSHSIG, note).
    ///
    /// # Errors
    /// The key cannot be used now.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64]>;
}
