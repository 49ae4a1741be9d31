//! Sigstore bundles v0.3 (sigstore/protobuf-specs, `sigstore_bundle.proto`) of envelopes signed with
//! keys of our own: a hint at the key, no certificate, no transparency log of theirs. Pure.

use serde_json::json;

use super::Envelope;
use crate::limits::MAX_ATTESTATION_LEN;
use crate::{Error, Result};

/// The type of the file.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The bundle of an envelope with one signature; its hint is the signature's key id.
///
/// # Errors
/// Refused: no or more than one signature, or a bundle of more than [`MAX_ATTESTATION_LEN`] bytes.
pub fn bundle(envelope: &Envelope) -> Result<Vec<u8>> {
    let mut all = bundles(envelope)?;
    match (all.len(), all.pop()) {
        (1, Some((_, bundle))) => Ok(bundle),
        (found, _) => Err(Error::refused(format!(
            "an envelope with {found} signatures, a Sigstore bundle has exactly one"
        ))),
    }
}

/// One bundle for each signature of an envelope, with the id of the key; a bundle has exactly one.
///
/// # Errors
/// Refused: a bundle of more than [`MAX_ATTESTATION_LEN`] bytes.
pub fn bundles(envelope: &Envelope) -> Result<Vec<(String, Vec<u8>)>> {
    envelope
        .split()
        .map(|(keyid, single)| Ok((keyid.to_owned(), write(keyid, &single)?)))
        .collect()
}

fn write(hint: &str, envelope: &Envelope) -> Result<Vec<u8>> {
    let bundle = json!({
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": { "publicKey": { "hint": hint }, "tlogEntries": [] },
        "dsseEnvelope": envelope,
    });
    let mut bytes = serde_json::to_vec(&bundle)
        .map_err(|e| Error::bug("a Sigstore bundle has no JSON").caused_by(e))?;
    bytes.push(b'\n');
    match bytes.len() as u64 {
        found if found > MAX_ATTESTATION_LEN => Err(Error::refused(format!(
            "a Sigstore bundle of {found} bytes, the limit is {MAX_ATTESTATION_LEN}"
        ))),
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::attest::{Statement, Subject};
    use crate::hash::Sha256;
    use crate::keys::{PublicKey, Signer};

    struct Key(ed25519_dalek::SigningKey);

    impl Signer for Key {
        fn public(&self) -> PublicKey {
            PublicKey::from_bytes(self.0.verifying_key().to_bytes()).unwrap()
        }

        fn sign(&self, message: &[u8]) -> Result<[u8; 64]> {
            Ok(ed25519_dalek::Signer::sign(&self.0, message).to_bytes())
        }
    }

    fn key(seed: u8) -> Key {
        Key(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]))
    }

    fn signed_by_two() -> Envelope {
        let subject = vec![Subject::new("a", Sha256::of(b"a"))];
        let statement = Statement::new(subject, "urn:example:type", Value::Null);
        let mut envelope = Envelope::sign(&statement, &key(1)).unwrap();
        envelope.add_signature(&key(2)).unwrap();
        envelope
    }

    #[test]
    fn each_signature_has_a_bundle_of_its_own_that_verifies_under_its_key_alone() {
        let bundles = bundles(&signed_by_two()).unwrap();
        assert_eq!(bundles.len(), 2);
        for (seed, (keyid, bytes)) in [1, 2].into_iter().zip(bundles) {
            let bundle: Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(bundle["mediaType"], MEDIA_TYPE);
            let public = key(seed).public();
            let hint = &bundle["verificationMaterial"]["publicKey"]["hint"];
            assert_eq!((hint, keyid), (&public.keyid().into(), public.keyid()));
            let envelope = bundle["dsseEnvelope"].to_string();
            let envelope = Envelope::parse(envelope.as_bytes()).unwrap();
            assert_eq!(envelope.keyids().collect::<Vec<_>>(), [""]);
            assert!(envelope.verify(&[public]).is_ok());
            assert!(envelope.verify(&[key(3 - seed).public()]).is_err());
        }
    }

    #[test]
    fn an_envelope_of_two_signatures_is_no_single_bundle() {
        let e = bundle(&signed_by_two()).unwrap_err();
        assert!(e.to_string().contains("2 signatures"), "{e}");
    }
}
