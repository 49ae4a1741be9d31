//! Room `io`: one secret key in memory, and the text forms that it comes in and goes out in.

use base64ct::{Base64, Encoding};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{Cipher, Kdf, LineEnding, PrivateKey};
use zeroize::Zeroizing;

use crate::error::Context;
use crate::io::random::fill;
use crate::keys::{PublicKey, Signer, wrong_type};
use crate::{Error, Result};

/// Rounds of bcrypt_pbkdf for keys that are encrypted here, as OpenSSH takes since 9.4.
const KDF_ROUNDS: u32 = 24;
/// Salt for that, in bytes, as OpenSSH takes.
const SALT_LEN: usize = 16;
/// PKCS#8 of an Ed25519 key up to its 32 bytes (RFC 8410, section 7, without attributes).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// The first line of PKCS#8 in PEM (RFC 7468, section 10).
pub const PKCS8_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PKCS8_END: &str = "-----END PRIVATE KEY-----";

/// A secret key in memory; it is wiped when dropped and never printed.
#[derive(Clone)]
pub struct FileKey {
    signing: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl FileKey {
    /// A new key of random bytes.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn random() -> Result<Self> {
        let mut seed = Zeroizing::new([0u8; 32]);
        fill(seed.as_mut_slice())?;
        Self::from_seed(&seed)
    }

    fn from_seed(seed: &[u8; 32]) -> Result<Self> {
        let signing = ed25519_dalek::SigningKey::from_bytes(seed);
        let public = PublicKey::from_bytes(signing.verifying_key().to_bytes())?;
        Ok(FileKey { signing, public })
    }

    /// The key in an OpenSSH private key that is not encrypted.
    ///
    /// # Errors
    /// A key that is not plain Ed25519.
    pub(super) fn from_ssh(key: &PrivateKey) -> Result<Self> {
        let pair = key.key_data().ed25519();
        let pair = pair.ok_or_else(|| wrong_type(key.algorithm().as_str()))?;
        Self::from_seed(&Zeroizing::new(pair.private.to_bytes()))
    }

    /// Reads PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// Usage: anything else.
    pub(super) fn from_pkcs8(text: &str) -> Result<Self> {
        let other = || Error::usage("no Ed25519 key in PKCS#8, as openssl genpkey writes it");
        let text = text.trim();
        let body = text.strip_prefix(PKCS8_BEGIN).ok_or_else(other)?;
        let body = body.strip_suffix(PKCS8_END).ok_or_else(other)?;
        let body = Zeroizing::new(body.split_ascii_whitespace().collect::<String>());
        let der = Base64::decode_vec(&body).map_err(|e| other().caused_by(e))?;
        let der = Zeroizing::new(der);
        let seed = der.strip_prefix(&PKCS8_PREFIX).ok_or_else(other)?;
        Self::from_seed(seed.try_into().map_err(|_| other())?)
    }

    /// The text of a key file (OpenSSH PROTOCOL.key), encrypted where there is a passphrase.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn to_text(&self, comment: &str, passphrase: Option<&[u8]>) -> Result<Zeroizing<String>> {
        let wrong = || "cannot write a key".to_owned();
        let pair = Ed25519Keypair::from_seed(&Zeroizing::new(self.signing.to_bytes()));
        let mut key = PrivateKey::new(KeypairData::Ed25519(pair), comment).or_failed(wrong)?;
        if let Some(passphrase) = passphrase {
            let (mut salt, mut check) = (vec![0; SALT_LEN], [0; 4]);
            fill(&mut salt)?;
            fill(&mut check)?;
            let kdf = Kdf::Bcrypt {
                salt,
                rounds: KDF_ROUNDS,
            };
            let check = u32::from_be_bytes(check);
            key = key
                .encrypt_with(Cipher::Aes256Ctr, kdf, check, passphrase)
                .or_failed(wrong)?;
        }
        key.to_openssh(LineEnding::LF).or_failed(wrong)
    }
}

impl Signer for FileKey {
    fn public(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64]> {
        use ed25519_dalek::Signer as _;
        Ok(self.signing.sign(message).to_bytes())
    }
}
