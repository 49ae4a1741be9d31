//! DSSE envelopes (secure-systems-lab/dsse, protocol and envelope v1.0). Pure.

mod bulk;

use std::collections::BTreeSet;

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};

use super::Statement;
use crate::keys::{PublicKey, Signer};
use crate::limits::{MAX_ATTESTATION_LEN, MAX_SIGNATURES};
use crate::trust::json;
use crate::{Error, Result};

pub use bulk::{KeySet, Opened};

/// The payload type of in-toto statements.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// A parsed envelope, of which nothing is trusted yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Envelope {
    /// Standard base64 of the payload.
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct EnvelopeSignature {
    /// A hint only (DSSE protocol): never trusted to choose what the key may do.
    #[serde(default)]
    keyid: String,
    sig: String,
}

/// A statement of which at least one signature by an accepted key was verified.
#[derive(Clone, Debug)]
pub struct VerifiedStatement {
    statement: Statement,
    signers: BTreeSet<PublicKey>,
}

impl VerifiedStatement {
    /// What was signed.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The distinct accepted keys whose signature verified; never empty.
    pub fn signers(&self) -> &BTreeSet<PublicKey> {
        &self.signers
    }
}

/// A signature, and the key that verifies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The key id that the envelope gives: a claim.
    pub keyid: String,
    /// The candidate under which the signature verified; none where there is no such.
    pub key: Option<PublicKey>,
}

/// The pre-authentication encoding: what is really signed (DSSE protocol, "PAE").
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!(
        "DSSEv1 {} {} {} ",
        payload_type.len(),
        payload_type,
        payload.len()
    )
    .into_bytes();
    out.extend_from_slice(payload);
    out
}

impl Envelope {
    /// Signs a statement with one key.
    pub fn sign(statement: &Statement, signer: &dyn Signer) -> Result<Self> {
        let payload = statement.to_bytes()?;
        let sig = signer.sign(&pae(IN_TOTO, &payload))?;
        Ok(Envelope {
            payload: Base64::encode_string(&payload),
            payload_type: IN_TOTO.into(),
            signatures: vec![EnvelopeSignature {
                keyid: signer.public().keyid(),
                sig: Base64::encode_string(&sig),
            }],
        })
    }

    /// Adds a signature over the same payload; an earlier one under the same key id goes.
    ///
    /// # Errors
    /// The key cannot be used.
    pub fn add_signature(&mut self, signer: &dyn Signer) -> Result<()> {
        let payload = decode(&self.payload, "payload")?;
        let sig = signer.sign(&pae(&self.payload_type, &payload))?;
        self.replace(EnvelopeSignature {
            keyid: signer.public().keyid(),
            sig: Base64::encode_string(&sig),
        });
        Ok(())
    }

    /// Takes over the signatures of another envelope over the same payload; of one over another
    /// payload none.
    pub fn merge(&mut self, other: &Envelope) {
        if self.payload == other.payload && self.payload_type == other.payload_type {
            for signature in &other.signatures {
                self.replace(signature.clone());
            }
        }
    }

    /// Drops every signature but those under these key ids; tells whether any is left.
    pub fn keep_signatures(&mut self, keyids: &[String]) -> bool {
        self.signatures.retain(|s| keyids.contains(&s.keyid));
        !self.signatures.is_empty()
    }

    /// The key ids under which it is signed.
    pub fn keyids(&self) -> impl Iterator<Item = &str> {
        self.signatures.iter().map(|s| s.keyid.as_str())
    }

    /// Whether the payload is exactly what signing `statement` makes.
    pub fn is_over(&self, statement: &Statement) -> bool {
        let payload = statement.to_bytes().ok();
        payload.is_some_and(|bytes| Base64::encode_string(&bytes) == self.payload)
            && self.payload_type == IN_TOTO
    }

    /// One envelope for each signature, which has no key id there, and the id that it had.
    ///
    /// Readers compare an id with the one that they know the key by, and each knows it by another
    /// (TUF's, an SSH fingerprint, a digest of its SPKI); where there is none, all of them try the key.
    pub(super) fn split(&self) -> impl Iterator<Item = (&str, Envelope)> {
        self.signatures.iter().map(|signature| {
            let anonymous = EnvelopeSignature {
                keyid: String::new(),
                sig: signature.sig.clone(),
            };
            let envelope = Envelope {
                payload: self.payload.clone(),
                payload_type: self.payload_type.clone(),
                signatures: vec![anonymous],
            };
            (signature.keyid.as_str(), envelope)
        })
    }

    fn replace(&mut self, signature: EnvelopeSignature) {
        self.signatures.retain(|s| s.keyid != signature.keyid);
        self.signatures.push(signature);
    }

    /// Parses one envelope.
    ///
    /// # Errors
    /// More than [`MAX_ATTESTATION_LEN`] bytes, duplicate keys, deep nesting, no or too many
    /// signatures, another payload type.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() as u64 > MAX_ATTESTATION_LEN {
            return Err(Error::refused(format!(
                "an envelope of {} bytes, the limit is {MAX_ATTESTATION_LEN}",
                bytes.len()
            )));
        }
        let value = json::parse(bytes)?;
        let envelope: Envelope = serde_json::from_value(value)
            .map_err(|e| Error::refused("not a DSSE envelope").caused_by(e))?;
        if envelope.payload_type != IN_TOTO {
            return Err(Error::refused(format!(
                "payload type {:?}, wanted {IN_TOTO:?}",
                envelope.payload_type
            )));
        }
        match envelope.signatures.len() {
            0 => Err(Error::refused("an envelope without signatures")),
            n if n > MAX_SIGNATURES => Err(Error::refused(format!(
                "an envelope with {n} signatures, the limit is {MAX_SIGNATURES}"
            ))),
            _ => Ok(envelope),
        }
    }

    /// One line of JSON without a newline.
    pub fn to_line(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::bug("an envelope has no JSON").caused_by(e))
    }

    /// Accepts the statement if one of `accepted` signed it. Signatures by other keys are ignored;
    /// a signature counts for the key that verifies it, whatever its `keyid` says.
    ///
    /// # Errors
    /// No signature by an accepted key, or a payload that is no statement (which is looked at
    /// only after the signature).
    pub fn verify(&self, accepted: &[PublicKey]) -> Result<VerifiedStatement> {
        let payload = decode(&self.payload, "payload")?;
        let message = pae(&self.payload_type, &payload);
        let mut signers = BTreeSet::new();
        for signature in &self.signatures {
            let sig = decode(&signature.sig, "signature")?;
            signers.extend(
                accepted
                    .iter()
                    .filter(|key| key.verify(&message, &sig))
                    .copied(),
            );
        }
        if signers.is_empty() {
            let found: Vec<_> = self.signatures.iter().map(|s| short(&s.keyid)).collect();
            let wanted: Vec<_> = accepted.iter().map(|k| short(&k.keyid())).collect();
            return Err(Error::refused(format!(
                "no valid signature by an accepted key: signed by {}, wanted one of {}",
                found.join(", "),
                if wanted.is_empty() {
                    "none (policy names no such key)".into()
                } else {
                    wanted.join(", ")
                },
            )));
        }
        Ok(VerifiedStatement {
            statement: Statement::parse(&payload)?,
            signers,
        })
    }

    /// Each signature with the one of `candidates` that verifies it, whatever its `keyid` says: for
    /// telling what is wrong with which. Who counts is the caller's to decide.
    ///
    /// # Errors
    /// A payload or a signature that is not standard base64.
    pub fn checked(&self, candidates: &[PublicKey]) -> Result<Vec<Checked>> {
        let message = pae(&self.payload_type, &decode(&self.payload, "payload")?);
        let signatures = self.signatures.iter();
        signatures
            .map(|signature| {
                let sig = decode(&signature.sig, "signature")?;
                let by = candidates.iter().find(|key| key.verify(&message, &sig));
                Ok(Checked {
                    keyid: signature.keyid.clone(),
                    key: by.copied(),
                })
            })
            .collect()
    }

    /// The statement without any check, for showing what cannot be verified.
    pub fn unverified_statement(&self) -> Result<Statement> {
        Statement::parse(&decode(&self.payload, "payload")?)
    }
}

/// The first eight characters of a key id, for people; anything odd in it is escaped.
pub fn short(keyid: &str) -> String {
    keyid
        .chars()
        .take(8)
        .flat_map(char::escape_default)
        .collect()
}

fn decode(text: &str, what: &str) -> Result<Vec<u8>> {
    Base64::decode_vec(text)
        .map_err(|e| Error::refused(format!("the {what} is not standard base64")).caused_by(e))
}
