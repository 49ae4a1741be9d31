//! SSHSIG signatures (OpenSSH PROTOCOL.sshsig) and `allowed_signers` files (ssh-keygen(1)). Pure.

use jiff::{SignedDuration, Timestamp};
use ssh_key::public::{Ed25519PublicKey, KeyData};
use ssh_key::{Algorithm, HashAlg, LineEnding, Signature, SshSig};

use crate::keys::{PublicKey, Signer};
use crate::limits::MAX_SUMS_LEN;
use crate::{Error, Result};

/// The namespace of every SSHSIG that relman makes.
pub const NAMESPACE: &str = "relman";
/// The namespace of signatures that git makes.
pub const GIT_NAMESPACE: &str = "git";

/// An armored signature over `message`. The signer sees the SSHSIG blob, never the bare message,
/// so that what it signs here can be taken for nothing else.
pub fn sign(signer: &dyn Signer, message: &[u8]) -> Result<String> {
    sign_in(NAMESPACE, signer, message)
}

/// As [`sign`], in another namespace.
pub(crate) fn sign_in(namespace: &str, signer: &dyn Signer, message: &[u8]) -> Result<String> {
    let wrong = |e: ssh_key::Error| Error::failed("cannot make an SSH signature").caused_by(e);
    let blob = SshSig::signed_data(namespace, HashAlg::Sha512, message).map_err(wrong)?;
    let signature =
        Signature::new(Algorithm::Ed25519, signer.sign(&blob)?.to_vec()).map_err(wrong)?;
    let public = KeyData::Ed25519(Ed25519PublicKey(*signer.public().bytes()));
    SshSig::new(public, namespace, HashAlg::Sha512, signature)
        .and_then(|sig| sig.to_pem(LineEnding::LF))
        .map_err(wrong)
}

/// Verifies an armored signature of relman's under any of `accepted`; tells by which.
///
/// # Errors
/// Too long, malformed, another namespace, a key that is not accepted, a wrong signature.
pub fn verify(armored: &[u8], message: &[u8], accepted: &[PublicKey]) -> Result<PublicKey> {
    verify_in(NAMESPACE, armored, message, accepted)
}

/// As [`verify`], in another namespace.
///
/// # Errors
/// As [`verify`].
pub fn verify_in(
    namespace: &str,
    armored: &[u8],
    message: &[u8],
    accepted: &[PublicKey],
) -> Result<PublicKey> {
    let sig = parse(armored)?;
    if sig.namespace() != namespace {
        return Err(Error::refused(format!(
            "an SSH signature for namespace {:?}, wanted {namespace:?}",
            sig.namespace()
        )));
    }
    let found = signer(&sig)?;
    if !accepted.contains(&found) {
        return Err(Error::refused(format!(
            "signed by {}, which no policy names for this purpose",
            super::dsse::short(&found.keyid())
        )));
    }
    ssh_key::PublicKey::new(sig.public_key().clone(), "")
        .verify(namespace, message, &sig)
        .map_err(|e| Error::refused("the SSH signature does not match").caused_by(e))?;
    Ok(found)
}

/// The key that an armored signature says it is by. Nothing about it is verified: it is good for
/// looking up whose key that would be.
///
/// # Errors
/// Too long, malformed, a key that is not Ed25519.
pub fn unverified_signer(armored: &[u8]) -> Result<PublicKey> {
    signer(&parse(armored)?)
}

fn parse(armored: &[u8]) -> Result<SshSig> {
    if armored.len() as u64 > MAX_SUMS_LEN {
        return Err(Error::refused(format!(
            "an SSH signature of {} bytes, the limit is {MAX_SUMS_LEN}",
            armored.len()
        )));
    }
    SshSig::from_pem(armored).map_err(|e| Error::refused("not an SSH signature").caused_by(e))
}

fn signer(sig: &SshSig) -> Result<PublicKey> {
    let key = sig.public_key();
    match key.ed25519() {
        Some(ed25519) => PublicKey::from_bytes(ed25519.0),
        None => Err(Error::refused(format!(
            "an SSH signature by a key of type {}, wanted ssh-ed25519",
            key.algorithm()
        ))),
    }
}

/// One line of an `allowed_signers` file (ssh-keygen(1), "ALLOWED SIGNERS").
pub struct AllowedSigner<'a> {
    /// Who signs, as `ssh-keygen -I` names them: comma-separated.
    pub principals: &'a str,
    /// What the signature is for.
    pub namespace: &'a str,
    /// First second of validity.
    pub not_before: Timestamp,
    /// First second after it.
    pub not_after: Timestamp,
    /// The key.
    pub key: &'a PublicKey,
}

impl AllowedSigner<'_> {
    /// `principals valid-after="…",valid-before="…",namespaces="…" ssh-ed25519 AAAA…`.
    ///
    /// # Errors
    /// A key that has no OpenSSH form.
    pub fn line(&self) -> Result<String> {
        let time = |t: Timestamp| t.strftime("%Y%m%d%H%M%SZ").to_string();
        // For OpenSSH the last second of validity is still valid; a year 9999 stands for no end.
        let last = self.not_after.saturating_sub(SignedDuration::from_secs(1));
        let end = match self.not_after.strftime("%Y").to_string() == "9999" {
            true => String::new(),
            false => format!("valid-before=\"{}\",", time(last.unwrap_or(self.not_after))),
        };
        Ok(format!(
            "{} valid-after=\"{}\",{end}namespaces=\"{}\" {}\n",
            self.principals,
            time(self.not_before),
            self.namespace,
            self.key.to_openssh("")?.trim_end()
        ))
    }
}
