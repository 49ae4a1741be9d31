//! Envelopes by the million: keys are made ready once, an envelope is taken apart once, and whose
//! signatures verify is told. Whether such a key counts for anything is the caller's to decide. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;

use super::{Envelope, EnvelopeSignature, IN_TOTO, decode, pae};
use crate::Result;
use crate::attest::Statement;
use crate::keys::PublicKey;
use crate::limits::MAX_SIGNATURES;

/// Keys that may have signed.
#[derive(Default)]
pub struct KeySet {
    keys: Vec<(String, PublicKey, VerifyingKey)>,
    by_id: BTreeMap<String, usize>,
}

/// An envelope taken apart.
pub struct Opened {
    statement: Statement,
    signers: Vec<usize>,
    claimed: Vec<String>,
}

impl Opened {
    /// The statement: a claim, unless one of [`Opened::signers`] counts for what it says.
    pub fn unverified_statement(&self) -> &Statement {
        &self.statement
    }

    /// The keys of the set whose signatures verified, each once, by their number.
    pub fn signers(&self) -> &[usize] {
        &self.signers
    }

    /// The key ids that the envelope gives: claims.
    pub fn claimed_keyids(&self) -> &[String] {
        &self.claimed
    }
}

impl KeySet {
    /// The set of these keys, each once.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        let mut set = KeySet::default();
        for key in keys {
            let id = key.keyid();
            if let (false, Ok(ready)) = (
                set.by_id.contains_key(&id),
                VerifyingKey::from_bytes(key.bytes()),
            ) {
                set.by_id.insert(id.clone(), set.keys.len());
                set.keys.push((id, key, ready));
            }
        }
        set
    }

    /// The TUF key id of a key by its number; empty for none.
    pub fn keyid(&self, number: usize) -> &str {
        self.keys.get(number).map_or("", |(id, ..)| id)
    }

    /// The key with this number.
    pub fn key(&self, number: usize) -> Option<PublicKey> {
        self.keys.get(number).map(|(_, key, _)| *key)
    }

    /// Takes an envelope apart and verifies its signatures, strictly as [`PublicKey::verify`] does. A
    /// signature counts for the key that verifies it; its `keyid` only says which to try first.
    ///
    /// # Errors
    /// As [`Envelope::parse`]; a payload that is no statement.
    pub fn open(&self, bytes: &[u8]) -> Result<Opened> {
        let envelope = match plain(bytes) {
            Some(envelope) => envelope,
            None => Envelope::parse(bytes)?,
        };
        let payload = decode(&envelope.payload, "payload")?;
        let message = pae(&envelope.payload_type, &payload);
        let mut signers = Vec::new();
        let mut claimed = Vec::new();
        for signature in envelope.signatures {
            let sig = decode(&signature.sig, "signature")?;
            if let Some(by) = self.signer(&message, &sig, &signature.keyid)
                && !signers.contains(&by)
            {
                signers.push(by);
            }
            claimed.push(signature.keyid);
        }
        Ok(Opened {
            statement: Statement::parse(&payload)?,
            signers,
            claimed,
        })
    }

    fn signer(&self, message: &[u8], sig: &[u8], keyid: &str) -> Option<usize> {
        let signature = Signature::from_slice(sig).ok()?;
        let verifies = |at: &usize| {
            let key = self.keys.get(*at);
            key.is_some_and(|(_, _, key)| key.verify_strict(message, &signature).is_ok())
        };
        let hinted = self.by_id.get(keyid).copied();
        if let Some(at) = hinted.filter(verifies) {
            return Some(at);
        }
        (0..self.keys.len()).find(|at| Some(*at) != hinted && verifies(at))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain<'a> {
    #[serde(borrow)]
    payload: Cow<'a, str>,
    #[serde(borrow, rename = "payloadType")]
    payload_type: Cow<'a, str>,
    signatures: Vec<PlainSignature>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainSignature {
    keyid: String,
    sig: String,
}

/// An envelope that has the members which relman writes and no other: there is nothing in it that
/// [`Envelope::parse`] would refuse and this would not. All others are left to that.
fn plain(bytes: &[u8]) -> Option<Envelope> {
    let plain: Plain = serde_json::from_slice(bytes).ok()?;
    let known = plain.payload_type == IN_TOTO;
    if !known || plain.signatures.is_empty() || plain.signatures.len() > MAX_SIGNATURES {
        return None;
    }
    let signatures = plain.signatures.into_iter();
    Some(Envelope {
        payload: plain.payload.into_owned(),
        payload_type: plain.payload_type.into_owned(),
        signatures: signatures
            .map(|PlainSignature { keyid, sig }| EnvelopeSignature { keyid, sig })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::Subject;
    use crate::hash::Sha256;
    use crate::keys::Signer;
    use crate::keys::seed::Seed;

    fn line() -> Vec<u8> {
        let subject = vec![Subject::new("a", Sha256::of(b"a"))];
        let statement = Statement::new(subject, "urn:x", serde_json::json!({"n": 1}));
        let envelope = Envelope::sign(&statement, &Seed(1)).unwrap();
        envelope.to_line().unwrap()
    }

    #[test]
    fn a_signature_counts_for_the_key_that_verifies_it_whatever_its_keyid_says() {
        let set = KeySet::new([2, 1, 1].map(|n| Seed(n).public()));
        let text = String::from_utf8(line()).unwrap();
        let wrong = text.replace(&Seed(1).public().keyid(), &Seed(2).public().keyid());
        for text in [text, wrong] {
            let opened = set.open(text.as_bytes()).unwrap();
            assert_eq!(opened.signers(), [1]);
            assert_eq!(set.key(1), Some(Seed(1).public()));
        }
        let strangers = KeySet::new([Seed(3).public()]);
        assert_eq!(strangers.open(&line()).unwrap().signers(), [0; 0]);
    }

    #[test]
    fn what_the_strict_reader_refuses_is_refused_here() {
        let set = KeySet::new([Seed(1).public()]);
        let text = String::from_utf8(line()).unwrap();
        for bad in [
            text.replacen('{', "{\"payload\":\"\",", 1),
            text.replacen('{', "{\"x\":1,\"x\":1,", 1),
            format!("{text}x"),
            text.replace(IN_TOTO, "text/plain"),
        ] {
            assert!(Envelope::parse(bad.as_bytes()).is_err(), "{bad}");
            assert!(set.open(bad.as_bytes()).is_err(), "{bad}");
        }
        // A member that is not known is no reason, for either.
        let more = text.replacen('{', "{\"x\":1,", 1);
        assert!(Envelope::parse(more.as_bytes()).is_ok());
        assert_eq!(set.open(more.as_bytes()).unwrap().signers(), [0]);
    }
}
