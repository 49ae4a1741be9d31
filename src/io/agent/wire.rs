//! Room `io`: messages of the SSH agent protocol (draft-miller-ssh-agent) as bytes. Pure.
//!
//! A message is a length (u32, big-endian), a type (one byte) and its fields; a string is a length and
//! as many bytes. The length of the message itself is the business of [`super::Agent`].

use crate::limits::MAX_AGENT_KEYS;
use crate::{Error, Result};

/// `SSH_AGENT_FAILURE`.
const FAILURE: u8 = 5;
/// `SSH_AGENTC_REQUEST_IDENTITIES`.
const REQUEST_IDENTITIES: u8 = 11;
/// `SSH_AGENT_IDENTITIES_ANSWER`.
const IDENTITIES_ANSWER: u8 = 12;
/// `SSH_AGENTC_SIGN_REQUEST`.
const SIGN_REQUEST: u8 = 13;
/// `SSH_AGENT_SIGN_RESPONSE`.
const SIGN_RESPONSE: u8 = 14;
/// The one type of key and signature that relman uses (RFC 8709, "Public Key Format").
pub const ED25519: &[u8] = b"ssh-ed25519";

/// A key that an agent says it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its type, as `ssh-rsa`.
    pub kind: String,
    /// The 32 bytes of a plain Ed25519 key; `None` for any other.
    pub ed25519: Option<[u8; 32]>,
    /// Its comment.
    pub comment: String,
}

/// Asks for all keys.
pub fn list_request() -> Vec<u8> {
    vec![REQUEST_IDENTITIES]
}

/// Asks for a signature of the Ed25519 key `public` over `message`, without flags.
///
/// # Errors
/// A message beyond 4 GiB.
pub fn sign_request(public: &[u8; 32], message: &[u8]) -> Result<Vec<u8>> {
    let mut blob = Vec::new();
    put(&mut blob, ED25519)?;
    put(&mut blob, public)?;
    let mut out = vec![SIGN_REQUEST];
    put(&mut out, &blob)?;
    put(&mut out, message)?;
    out.extend([0; 4]);
    Ok(out)
}

/// The keys in the answer to [`list_request`].
///
/// # Errors
/// A refusal, any other answer, one that is malformed.
pub fn listed(answer: &[u8]) -> Result<Vec<Listed>> {
    let mut rest = body(answer, IDENTITIES_ANSWER, "list of keys")?;
    let count = number(&mut rest)?;
    if count > MAX_AGENT_KEYS {
        return Err(malformed(format!(
            "it lists {count} keys, the limit is {MAX_AGENT_KEYS}"
        )));
    }
    let mut out = Vec::new();
    for _ in 0..count {
        let blob = string(&mut rest)?;
        let comment = string(&mut rest)?;
        out.push(key(blob, comment)?);
    }
    end(rest)?;
    Ok(out)
}

/// The signature in the answer to [`sign_request`]; it was not verified. `None`: the agent refused.
///
/// # Errors
/// Any other answer, one that is malformed, a signature of another type.
pub fn unverified_signature(answer: &[u8]) -> Result<Option<[u8; 64]>> {
    if answer == [FAILURE] {
        return Ok(None);
    }
    let mut rest = body(answer, SIGN_RESPONSE, "signature")?;
    let mut blob = string(&mut rest)?;
    end(rest)?;
    let kind = string(&mut blob)?;
    if kind != ED25519 {
        return Err(malformed(format!(
            "the signature is of type {:?}, wanted \"ssh-ed25519\"",
            String::from_utf8_lossy(kind)
        )));
    }
    let bytes = string(&mut blob)?;
    end(blob)?;
    let found = bytes.len();
    let signature = bytes
        .try_into()
        .map_err(|_| malformed(format!("the signature has {found} bytes, wanted 64")))?;
    Ok(Some(signature))
}

fn key(mut blob: &[u8], comment: &[u8]) -> Result<Listed> {
    let kind = string(&mut blob)?;
    let ed25519 = match kind == ED25519 {
        true => {
            let bytes = string(&mut blob)?;
            end(blob)?;
            let found = bytes.len();
            let public = bytes
                .try_into()
                .map_err(|_| malformed(format!("an Ed25519 key has {found} bytes, wanted 32")))?;
            Some(public)
        }
        // What else a key of another type consists of is no matter here.
        false => None,
    };
    Ok(Listed {
        kind: String::from_utf8_lossy(kind).into_owned(),
        ed25519,
        comment: String::from_utf8_lossy(comment).into_owned(),
    })
}

fn body<'a>(answer: &'a [u8], wanted: u8, what: &str) -> Result<&'a [u8]> {
    match answer.split_first() {
        Some((&kind, rest)) if kind == wanted => Ok(rest),
        Some((&FAILURE, [])) => Err(Error::failed(format!(
            "the ssh-agent refuses to give a {what}"
        ))
        .hint("unlock it if it is locked: ssh-add -X")),
        Some((kind, _)) => Err(malformed(format!(
            "it is a message of type {kind}, wanted {wanted} ({what})"
        ))),
        None => Err(malformed("it is empty".into())),
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    let len = u32::try_from(bytes.len())
        .map_err(|e| Error::failed("a message that is too long for an ssh-agent").caused_by(e))?;
    out.extend(len.to_be_bytes());
    out.extend(bytes);
    Ok(())
}

fn number(rest: &mut &[u8]) -> Result<u32> {
    let (bytes, after) = rest
        .split_first_chunk::<4>()
        .ok_or_else(|| malformed("it ends in the middle of a number".into()))?;
    *rest = after;
    Ok(u32::from_be_bytes(*bytes))
}

fn string<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8]> {
    let len = number(rest)?;
    let have = rest.len();
    let (bytes, after) = usize::try_from(len)
        .ok()
        .and_then(|len| rest.split_at_checked(len))
        .ok_or_else(|| malformed(format!("a string of {len} bytes where {have} are left")))?;
    *rest = after;
    Ok(bytes)
}

fn end(rest: &[u8]) -> Result<()> {
    match rest.len() {
        0 => Ok(()),
        more => Err(malformed(format!("{more} bytes too many"))),
    }
}

/// What no agent says that keeps to the protocol.
pub fn malformed(why: String) -> Error {
    Error::failed("the ssh-agent's answer is malformed")
        .caused_by(why)
        .hint("is that an ssh-agent? look: ssh-add -l")
}
