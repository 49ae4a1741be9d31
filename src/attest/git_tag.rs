//! Annotated git tags (git, "Object storage format" and gitformat-signature(5)): what a raw tag object
//! says, and the SSH signature at its end. Pure.
//!
//! A tag's signature covers its name and the id of its commit, so it cannot be moved to another tag.
//! PGP signatures are told, not verified: that would take over a hundred crates more.

use super::sshsig;
use crate::hash;
use crate::keys::PublicKey;
use crate::limits::MAX_TAG_OBJECT_LEN;
use crate::{Error, Result};

/// What the first line of a signature begins with.
const SSH: &str = "-----BEGIN SSH SIGNATURE-----";
const PGP: [&str; 2] = [
    "-----BEGIN PGP SIGNATURE-----",
    "-----BEGIN PGP MESSAGE-----",
];
const X509: &str = "-----BEGIN SIGNED MESSAGE-----";

/// A tag object as git stores it. Nothing in it is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GitTag<'a> {
    /// Hex id of what is tagged.
    pub object: &'a str,
    /// What kind of object that is, such as `commit`.
    pub kind: &'a str,
    /// The tag's name.
    pub name: &'a str,
    /// What the signature is over: all before it.
    signed: &'a [u8],
    /// How it is signed.
    pub signature: Signature<'a>,
}

/// How a tag is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature<'a> {
    /// It is not.
    None,
    /// With SSH; the armored signature.
    Ssh(&'a [u8]),
    /// With PGP, which is not verified here.
    Pgp,
    /// With X.509, which is not verified here.
    X509,
}

impl<'a> GitTag<'a> {
    /// Reads a raw tag object, strictly: the headers are there once, in git's order.
    ///
    /// # Errors
    /// Refused: more than [`MAX_TAG_OBJECT_LEN`] bytes, a header that is missing, malformed, there
    /// twice or not UTF-8.
    pub fn parse(raw: &'a [u8]) -> Result<Self> {
        if raw.len() > MAX_TAG_OBJECT_LEN {
            return refuse(format!(
                "it has {} bytes, the limit is {MAX_TAG_OBJECT_LEN}",
                raw.len()
            ));
        }
        let end = raw.windows(2).position(|w| w == b"\n\n");
        let head = raw.get(..end.map_or(raw.len(), |at| at + 1)).unwrap_or(raw);
        let head = std::str::from_utf8(head)
            .map_err(|e| Error::refused("a malformed tag object").caused_by(e))?;
        let mut lines = head.split_inclusive('\n');
        let mut header = |name: &str| {
            let line = lines.next().and_then(|l| l.strip_suffix('\n'));
            let value = line.and_then(|l| l.strip_prefix(name)?.strip_prefix(' '));
            value.ok_or_else(|| {
                let found = line.unwrap_or("its end").escape_debug();
                Error::refused(format!(
                    "a malformed tag object: wanted {name}, found {found}"
                ))
            })
        };
        let (object, kind, name) = (header("object")?, header("type")?, header("tag")?);
        let is_id = matches!(object.len(), 40 | 64)
            && object
                .bytes()
                .all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        if !is_id {
            return refuse(format!("its object is {:?}, wanted an id", object));
        }
        // Later headers are the tagger and what newer versions of git may add; none repeats these.
        let first = ["object ", "type ", "tag "];
        if let Some(line) = lines.find(|l| first.iter().any(|name| l.starts_with(name))) {
            return refuse(format!("{:?} comes twice", line.trim_end()));
        }
        let at = signature_start(raw);
        let (signed, armored) = raw.split_at_checked(at).unwrap_or((raw, b""));
        Ok(GitTag {
            object,
            kind,
            name,
            signed,
            signature: kind_of(armored),
        })
    }

    /// The key that an SSH-signed tag says it is signed by, for looking up whose it would be.
    ///
    /// # Errors
    /// Refused: not SSH-signed, a signature that cannot be read, a key that is not Ed25519.
    pub fn unverified_signer(&self) -> Result<PublicKey> {
        sshsig::unverified_signer(self.armored()?)
    }

    /// Verifies the SSH signature under any of `accepted`, in git's namespace; tells by which.
    ///
    /// # Errors
    /// As [`GitTag::unverified_signer`]; another namespace, a key that is not accepted, a signature
    /// over other bytes.
    pub fn verify(&self, accepted: &[PublicKey]) -> Result<PublicKey> {
        sshsig::verify_in(
            sshsig::GIT_NAMESPACE,
            self.armored()?,
            self.signed,
            accepted,
        )
    }

    fn armored(&self) -> Result<&'a [u8]> {
        match self.signature {
            Signature::Ssh(armored) => Ok(armored),
            _ => Err(Error::refused("a tag without an SSH signature")),
        }
    }
}

/// The id of a raw tag object, hex, where ids have `digits` digits (40 or 64).
pub fn id(raw: &[u8], digits: usize) -> Option<String> {
    hash::git_id("tag", raw, digits)
}

/// Where the signature of a tag object, or of its message, begins: at the last line that begins one,
/// as git has it; the end where there is none.
pub fn signature_start(bytes: &[u8]) -> usize {
    let mut start = bytes.len();
    let mut at = 0;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        if kind_of(line) != Signature::None {
            start = at;
        }
        at += line.len();
    }
    start
}

fn kind_of(text: &[u8]) -> Signature<'_> {
    let begins = |armour: &str| text.starts_with(armour.as_bytes());
    if begins(SSH) {
        Signature::Ssh(text)
    } else if PGP.into_iter().any(begins) {
        Signature::Pgp
    } else if begins(X509) {
        Signature::X509
    } else {
        Signature::None
    }
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::refused(format!("a malformed tag object: {why}")))
}

#[cfg(test)]
mod tests;
