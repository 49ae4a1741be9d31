//! Signed notes (C2SP signed-note): text with signatures by named keys.
//!
//! Parsing yields a [`Note`], whose text must not be believed; [`Note::verify`] alone makes a
//! [`VerifiedNote`]. Pure: keys come in as values.

use std::fmt;

use super::text;
use super::vkey::{NoteSigner, VerifierKey, check_name};
use crate::error::Context;
use crate::limits::{MAX_CHECKPOINT_LEN, MAX_NOTE_SIGNATURES};
use crate::{Error, Result};

/// What begins a signature line: em dash (U+2014) and space.
const MARK: &str = "\u{2014} ";

/// One signature line: who claims to have signed, and the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    name: String,
    key_id: u32,
    bytes: Vec<u8>,
}

impl Signature {
    /// The claimed key name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The claimed key ID.
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// The signature proper, without the key ID; its form is its type's affair.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A signature whose bytes were made elsewhere.
    pub(super) fn new(name: &str, key_id: u32, bytes: Vec<u8>) -> Self {
        Signature {
            name: name.to_owned(),
            key_id,
            bytes,
        }
    }

    /// Reads one signature line, without its newline (signed-note, "Format").
    ///
    /// # Errors
    /// Refused: any other form.
    pub fn parse(line: &str) -> Result<Self> {
        let malformed = || {
            Error::refused(format!(
                "signature line is {}, want em dash, space, key name, space, base64",
                text::quote(line)
            ))
        };
        let (name, signature) = line
            .strip_prefix(MARK)
            .and_then(|rest| rest.split_once(' '))
            .ok_or_else(malformed)?;
        check_name(name)?;
        let signature = text::base64(signature, "signature")?;
        match signature.split_first_chunk() {
            Some((id, bytes)) if !bytes.is_empty() => Ok(Signature {
                name: name.to_owned(),
                key_id: u32::from_be_bytes(*id),
                bytes: bytes.to_vec(),
            }),
            _ => Err(Error::refused(format!(
                "signature by {} has {} bytes, want a key ID of 4 and at least 1 more",
                text::quote(name),
                signature.len()
            ))),
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.key_id.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.bytes);
        write!(f, "{MARK}{} {}", self.name, text::to_base64(&bytes))
    }
}

/// A well-formed note with at least one signature. **Unverified.** Its `Display` is its one
/// serialised form: parsing and printing give the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

impl Note {
    /// Reads a note (signed-note, "Format"): UTF-8 without control characters but newline; text
    /// ending in newline, an empty line (the last one in the note), 1 to 100 signature lines.
    ///
    /// # Errors
    /// Refused: any other form, or more than [`MAX_CHECKPOINT_LEN`] bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() as u64 > MAX_CHECKPOINT_LEN {
            return Err(Error::refused(format!(
                "note has {} bytes, want at most {MAX_CHECKPOINT_LEN}",
                bytes.len()
            )));
        }
        let note = std::str::from_utf8(bytes).or_refused(|| "note is not UTF-8".to_owned())?;
        text::no_controls(note, "note")?;
        let (split, _) = note.rmatch_indices("\n\n").next().ok_or_else(|| {
            Error::refused("note has no empty line between text and signatures, want one")
        })?;
        let (note_text, rest) = note.split_at(split + 1);
        let lines = rest
            .strip_prefix('\n')
            .and_then(|rest| rest.strip_suffix('\n'))
            .ok_or_else(|| {
                Error::refused("note ends without a signature line and newline, want both")
            })?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == MAX_NOTE_SIGNATURES {
                return Err(Error::refused(format!(
                    "note has more signatures than {MAX_NOTE_SIGNATURES}, want at most that many"
                )));
            }
            signatures.push(Signature::parse(line)?);
        }
        Ok(Note {
            text: note_text.to_owned(),
            signatures,
        })
    }

    /// Signs `note_text` with every signer, in this order.
    ///
    /// # Errors
    /// Failed: the text does not end in newline or has other control characters, no signer.
    pub fn sign(note_text: &str, signers: &[&NoteSigner]) -> Result<Self> {
        let (first, rest) = signers
            .split_first()
            .ok_or_else(|| Error::failed("note has 0 signers, want at least 1"))?;
        let mut note = Note::with_signature(note_text, first.verifier(), &first.sign(note_text))?;
        for signer in rest {
            note.add_signature(signer.verifier(), &signer.sign(note_text))?;
        }
        Ok(note)
    }

    /// A note with a signature that was made elsewhere, such as in an ssh-agent, by `key` over
    /// exactly the bytes of `note_text`. The signature is checked.
    ///
    /// # Errors
    /// Failed: the text does not end in newline, has other control characters or is too long.
    /// Refused: the signature does not verify.
    pub fn with_signature(
        note_text: &str,
        key: &VerifierKey,
        signature: &[u8; 64],
    ) -> Result<Self> {
        text::no_controls(note_text, "note text").map_err(|e| e.with_kind(crate::Kind::Failed))?;
        if !note_text.ends_with('\n') {
            return Err(Error::failed("note text ends without a newline, want one"));
        }
        let mut note = Note {
            text: note_text.to_owned(),
            signatures: Vec::new(),
        };
        note.add_signature(key, signature)?;
        Ok(note)
    }

    /// Adds a signature by `key` that was made elsewhere. The signature is checked.
    ///
    /// # Errors
    /// Refused: the signature does not verify. Failed: the note would exceed its limits.
    pub fn add_signature(&mut self, key: &VerifierKey, signature: &[u8; 64]) -> Result<()> {
        key.check(&self.text, signature)?;
        self.push(Signature::new(key.name(), key.id(), signature.to_vec()))
    }

    /// Adds a signature line that the caller has checked.
    /// Drops the signature lines that `keep` is false for.
    pub fn retain_signatures(&mut self, keep: impl FnMut(&Signature) -> bool) {
        self.signatures.retain(keep);
    }

    /// Adds a line that came from elsewhere; nothing is verified.
    ///
    /// # Errors
    /// Failed: the note would be too long.
    pub fn push_unverified(&mut self, signature: Signature) -> Result<()> {
        self.push(signature)
    }

    pub(super) fn push(&mut self, signature: Signature) -> Result<()> {
        self.signatures.push(signature);
        let length = self.to_string().len() as u64;
        if self.signatures.len() > MAX_NOTE_SIGNATURES || length > MAX_CHECKPOINT_LEN {
            self.signatures.pop();
            return Err(Error::failed(format!(
                "signed note would have {length} bytes, want at most {MAX_CHECKPOINT_LEN} and \
                 {MAX_NOTE_SIGNATURES} signatures"
            )));
        }
        Ok(())
    }

    /// The same text with these of its signatures alone.
    pub(super) fn with_only(&self, signatures: Vec<Signature>) -> Self {
        Note {
            text: self.text.clone(),
            signatures,
        }
    }

    /// The text, **not verified**, with its final newline.
    pub fn unverified_text(&self) -> &str {
        &self.text
    }

    /// All signatures, **not verified**, in their order.
    pub fn unverified_signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Verifies the note with the keys that the caller trusts (signed-note, "Signatures"):
    /// signatures by other keys are ignored, one by a known key that is bad refuses the note, a
    /// key that signed twice counts once.
    ///
    /// # Errors
    /// Refused: no signature by a known key, a bad one, or two known keys with one name and ID.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<VerifiedNote> {
        let mut signers: Vec<VerifierKey> = Vec::new();
        for signature in &self.signatures {
            let mut known = keys
                .iter()
                .filter(|key| key.name() == signature.name && key.id() == signature.key_id);
            let Some(key) = known.next() else { continue };
            if let Some(other) = known.find(|other| *other != key) {
                return Err(Error::refused(format!(
                    "known keys {key} and {other} share name and key ID, want different ones"
                )));
            }
            key.check(&self.text, &signature.bytes)?;
            if !signers.contains(key) {
                signers.push(key.clone());
            }
        }
        if signers.is_empty() {
            let names = |names: Vec<&str>| text::quote(&names.join(" "));
            return Err(Error::refused(format!(
                "note is signed by {}, want a signature by {}",
                names(self.signatures.iter().map(Signature::name).collect()),
                names(keys.iter().map(VerifierKey::name).collect()),
            )));
        }
        Ok(VerifiedNote {
            note: self.clone(),
            signers,
        })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for signature in &self.signatures {
            writeln!(f, "{signature}")?;
        }
        Ok(())
    }
}

/// A note with at least one verified signature by a key that the verifier named. Only
/// [`Note::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedNote {
    note: Note,
    signers: Vec<VerifierKey>,
}

impl VerifiedNote {
    /// The text that the signers signed, with its final newline.
    pub fn text(&self) -> &str {
        &self.note.text
    }

    /// The keys whose signatures verified, each once, in the order of the note; never empty.
    pub fn signers(&self) -> &[VerifierKey] {
        &self.signers
    }

    /// The whole note, to be stored or verified with other keys.
    pub fn note(&self) -> &Note {
        &self.note
    }
}
