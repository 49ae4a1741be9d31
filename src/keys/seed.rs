//! Keys for tests, each grown from a number.

use super::{PublicKey, Signer};
use crate::Result;

/// The key that grows from a number.
#[derive(Clone, Copy)]
pub struct Seed(pub u8);

impl Signer for Seed {
    fn public(&self) -> PublicKey {
        let key = ed25519_dalek::SigningKey::from_bytes(&[self.0; 32]);
        PublicKey::from_bytes(key.verifying_key().to_bytes()).unwrap()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64]> {
        use ed25519_dalek::Signer as _;
        let key = ed25519_dalek::SigningKey::from_bytes(&[self.0; 32]);
        Ok(key.sign(message).to_bytes())
    }
}
