//! SSHSIG signatures (OpenSSH PROTOCOL.sshsig) and `allowed_signers` files (ssh-keygen(1)). Pure.

use ssh_key::public::{Ed25519PublicKey, KeyData};
use ssh_key::{Algorithm, HashAlg, LineEnding, Signature, SshSig};

use crate::keys::{PublicKey, Signer};
use crate::limits::MAX_SUMS_LEN;
use crate::{Error, Result};

/// The namespace of every SSHSIG that relman makes.
pub const NAMESPACE: &str = "relman";

/// An armored signature over `message`. The signer sees the SSHSIG blob, never the bare message,
/// so that what it signs here can be taken for nothing else.
pub fn sign(signer: &dyn Signer, message: &[u8]) -> Result<String> {
    let wrong = |e: ssh_key::Error| Error::failed("cannot make an SSH signature").caused_by(e);
    let blob = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, message).map_err(wrong)?;
    let signature =
        Signature::new(Algorithm::Ed25519, signer.sign(&blob)?.to_vec()).map_err(wrong)?;
    let public = KeyData::Ed25519(Ed25519PublicKey(*signer.public().bytes()));
    SshSig::new(public, NAMESPACE, HashAlg::Sha512, signature)
        .and_then(|sig| sig.to_pem(LineEnding::LF))
        .map_err(wrong)
}

/// Verifies an armored signature under any of `accepted`; tells by which.
///
/// # Errors
/// Too long, malformed, another namespace, a key that is not accepted, a wrong signature.
pub fn verify(armored: &[u8], message: &[u8], accepted: &[PublicKey]) -> Result<PublicKey> {
    if armored.len() as u64 > MAX_SUMS_LEN {
        return Err(Error::refused(format!(
            "an SSH signature of {} bytes, the limit is {MAX_SUMS_LEN}",
            armored.len()
        )));
    }
    let sig = SshSig::from_pem(armored)
        .map_err(|e| Error::refused("not an SSH signature").caused_by(e))?;
    if sig.namespace() != NAMESPACE {
        return Err(Error::refused(format!(
            "an SSH signature for namespace {:?}, wanted {NAMESPACE:?}",
            sig.namespace()
        )));
    }
    let found = sig
        .public_key()
        .ed25519()
        .ok_or_else(|| Error::refused("an SSH signature by a key that is not Ed25519"))
        .and_then(|key| PublicKey::from_bytes(key.0))?;
    if !accepted.contains(&found) {
        return Err(Error::refused(format!(
            "signed by {}, which no policy names for this purpose",
            super::dsse::short(&found.keyid())
        )));
    }
    ssh_key::PublicKey::new(sig.public_key().clone(), "")
        .verify(NAMESPACE, message, &sig)
        .map_err(|e| Error::refused("the SSH signature does not match").caused_by(e))?;
    Ok(found)
}

/// One line of an `allowed_signers` file: `principal namespaces="relman" ssh-ed25519 AAAA…`.
pub fn allowed_signer(principal: &str, key: &PublicKey) -> Result<String> {
    Ok(format!(
        "{principal} namespaces=\"{NAMESPACE}\" {}\n",
        key.to_openssh("")?.trim_end()
    ))
}
