//! Cosignatures by witnesses (C2SP tlog-cosignature): a witness says that, as of a time, a
//! checkpoint's tree is the largest it has seen of that log, and consistent with all before.
//!
//! Only the Ed25519 type `cosignature/v1` (signature type 0x04); ML-DSA-44 and subtree cosignatures
//! (0x06) are refused as keys and ignored as signatures. Pure: keys and the time come in as values.

use std::fmt;

use jiff::Timestamp;

use super::checkpoint::VerifiedCheckpoint;
use super::note::{Note, Signature};
use super::text;
use super::vkey::{Parts, check_name, key_id, spell};
use crate::keys::{PublicKey, Signer};
use crate::{Error, Kind, Result};

/// Signature type identifier of timestamped Ed25519 cosignatures (signed-note, "Signature types").
const COSIGNATURE: u8 = 0x04;
/// Plain Ed25519 note signatures, as logs make them.
const ED25519: u8 = 0x01;
/// ML-DSA-44 cosignatures of checkpoints and subtrees.
const ML_DSA_44: u8 = 0x06;
/// Timestamp and Ed25519 signature.
const SIGNATURE_LEN: usize = 8 + 64;

/// A key that cosignatures are verified with: a name, an ID made from it, an Ed25519 public key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CosignerKey {
    name: String,
    id: u32,
    key: PublicKey,
}

impl CosignerKey {
    /// The cosigner `name` with `key`.
    ///
    /// # Errors
    /// Usage: an invalid name.
    pub fn new(name: &str, key: PublicKey) -> Result<Self> {
        check_name(name).map_err(|e| e.with_kind(Kind::Usage))?;
        Ok(CosignerKey {
            name: name.to_owned(),
            id: key_id(name, COSIGNATURE, key.bytes()),
            key,
        })
    }

    /// Reads `<name>+<hex key ID>+<base64(0x04 || public key)>`, without surrounding space
    /// (tlog-cosignature, "Format").
    ///
    /// # Errors
    /// Usage: any other form, another signature type (a log's key, or ML-DSA-44, which is what
    /// subtree cosignatures need), a weak key, a key ID that is not the one of name and key.
    pub fn parse(vkey: &str) -> Result<Self> {
        let parts = Parts::split(vkey)?;
        let key = match parts.kind {
            COSIGNATURE => parts.ed25519()?,
            kind => {
                let what = match kind {
                    ED25519 => "a log's key, not a witness's",
                    ML_DSA_44 => "ML-DSA-44, which this version cannot verify",
                    _ => "not known",
                };
                return Err(parts.malformed(format!(
                    "signature type 0x{kind:02x} is {what}, want 0x{COSIGNATURE:02x} (Ed25519 cosignature)"
                )));
            }
        };
        let key = PublicKey::from_bytes(key).map_err(|e| parts.malformed(e.to_string()))?;
        let cosigner = CosignerKey::new(parts.name, key)?;
        parts.check_id(cosigner.id)?;
        Ok(cosigner)
    }

    /// The key name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of SHA-256(name || 0x0A || 0x04 || public key), big-endian.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The Ed25519 public key.
    pub fn public(&self) -> &PublicKey {
        &self.key
    }

    /// Whether `signature` claims to be by this key.
    pub fn is_claimed_by(&self, signature: &Signature) -> bool {
        signature.name() == self.name && signature.key_id() == self.id
    }

    /// Checks a cosignature over a checkpoint's note text, strictly, and gives its time.
    ///
    /// # Errors
    /// Refused: another key's, another form, a time of 0 or beyond the calendar, a signature that
    /// does not verify.
    pub fn check(&self, note_text: &str, signature: &Signature) -> Result<Timestamp> {
        let wrong = |found: String| Error::refused(format!("cosignature by {self} {found}"));
        if !self.is_claimed_by(signature) {
            return Err(wrong(format!(
                "claims to be by {}",
                text::quote(signature.name())
            )));
        }
        let bytes = signature.bytes();
        let (seconds, ed25519) = bytes
            .split_first_chunk::<8>()
            .filter(|_| bytes.len() == SIGNATURE_LEN)
            .ok_or_else(|| {
                wrong(format!(
                    "has {} bytes, want {SIGNATURE_LEN}: a time and an Ed25519 signature",
                    bytes.len()
                ))
            })?;
        let seconds = u64::from_be_bytes(*seconds);
        let time = i64::try_from(seconds)
            .ok()
            .filter(|seconds| *seconds > 0)
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .ok_or_else(|| wrong(format!("has time {seconds}, want one of the calendar")))?;
        match self
            .key
            .verify(message(note_text, seconds).as_bytes(), ed25519)
        {
            true => Ok(time),
            false => Err(wrong("does not verify".to_owned())),
        }
    }
}

impl fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&spell(&self.name, self.id, COSIGNATURE, self.key.bytes()))
    }
}

/// What is signed (tlog-cosignature, "Ed25519 signed message"): header, time, the whole note text.
fn message(note_text: &str, seconds: u64) -> String {
    format!("cosignature/v1\ntime {seconds}\n{note_text}")
}

/// Somebody who cosigns: a name and whoever has the key.
pub struct Cosigner<'a> {
    key: CosignerKey,
    signer: &'a dyn Signer,
}

impl<'a> Cosigner<'a> {
    /// Cosigns as `name`.
    ///
    /// # Errors
    /// Usage: an invalid name.
    pub fn new(name: &str, signer: &'a dyn Signer) -> Result<Self> {
        Ok(Cosigner {
            key: CosignerKey::new(name, signer.public())?,
            signer,
        })
    }

    /// The public half.
    pub fn key(&self) -> &CosignerKey {
        &self.key
    }

    /// The signature line for `checkpoint` at `time`. The caller must know that the checkpoint
    /// extends all that this witness ever cosigned of the log, and must have written that down
    /// ([`super::WitnessMemory`]): that is what the signature says.
    ///
    /// # Errors
    /// A time before 1970, a key that cannot sign now.
    pub fn cosign(&self, checkpoint: &VerifiedCheckpoint, time: Timestamp) -> Result<Signature> {
        let seconds = u64::try_from(time.as_second())
            .ok()
            .filter(|seconds| *seconds > 0)
            .ok_or_else(|| Error::failed(format!("a witness cannot sign at {time}")))?;
        let note_text = checkpoint.note().unverified_text();
        let ed25519 = self.signer.sign(message(note_text, seconds).as_bytes())?;
        let bytes = [seconds.to_be_bytes().as_slice(), &ed25519].concat();
        let signature = Signature::new(&self.key.name, self.key.id, bytes);
        self.key.check(note_text, &signature)?;
        Ok(signature)
    }
}

impl Note {
    /// Adds a cosignature that was made elsewhere, and gives its time. It is checked.
    ///
    /// # Errors
    /// Refused: it does not verify. Failed: the note would exceed its limits.
    pub fn add_cosignature(
        &mut self,
        key: &CosignerKey,
        signature: &Signature,
    ) -> Result<Timestamp> {
        let time = key.check(self.unverified_text(), signature)?;
        self.push(signature.clone())?;
        Ok(time)
    }
}

impl VerifiedCheckpoint {
    /// The times at which `cosigners` cosigned this checkpoint, in their order: `None` for one that
    /// did not, the earliest for one that did so repeatedly. Signatures by others are ignored.
    ///
    /// # Errors
    /// Refused: a signature with the name and key ID of one of them that does not verify
    /// (signed-note, "Signatures").
    pub fn cosigned(&self, cosigners: &[CosignerKey]) -> Result<Vec<Option<Timestamp>>> {
        let note = self.note();
        let times = cosigners.iter().map(|key| {
            note.unverified_signatures()
                .iter()
                .filter(|signature| key.is_claimed_by(signature))
                .map(|signature| key.check(note.unverified_text(), signature))
                .try_fold(None, |earliest: Option<Timestamp>, time| {
                    let time = time?;
                    Ok(Some(earliest.map_or(time, |before| before.min(time))))
                })
        });
        times.collect()
    }
}
