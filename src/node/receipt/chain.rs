//! Lines of receipts, read back: which belong together, who signed them, whether each follows the one
//! before. Pure.
//!
//! A line is one DSSE envelope. A receipt is the line with the deployment, right after the line with the
//! summary of the verification where there is one.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::predicate::{DEPLOYMENT, Deployment, SUMMARY};
use crate::attest::dsse::short;
use crate::attest::{Envelope, Statement};
use crate::hash::Sha256;
use crate::keys::PublicKey;
use crate::limits::MAX_RECEIPT_LINE_LEN;
use crate::trust::time;
use crate::{Error, Result};

/// The lines of one receipt, as they lie there.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    /// The summary of the verification, without the line's end.
    pub verification: Option<&'a [u8]>,
    /// The deployment, without the line's end.
    pub receipt: &'a [u8],
}

/// Lines that are sorted into receipts.
#[derive(Clone, Debug, Default)]
pub struct Sorted<'a> {
    /// In their order.
    pub receipts: Vec<Lines<'a>>,
    /// Bytes at the end that a kill or a power cut left of one more receipt.
    pub torn: u64,
    /// Lines that belong to no receipt, and are no torn end.
    pub problems: Vec<String>,
}

/// A receipt whose signatures were verified.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// What it says.
    pub deployment: Deployment,
    /// When the operation ended.
    pub ended: Timestamp,
    /// The key that signed it.
    pub key: PublicKey,
    /// Digest of its line.
    pub digest: Sha256,
    /// The statement of the verification, if there was one.
    pub verification: Option<Value>,
}

/// The predicate type of a line, unverified; none for what is no statement.
fn kind(line: &[u8]) -> Option<String> {
    let statement = Envelope::parse(line).ok()?.unverified_statement().ok()?;
    Some(statement.predicate_type)
}

/// Whether `bytes` begin like receipts.
pub fn are_receipts(bytes: &[u8]) -> bool {
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    matches!(kind(first).as_deref(), Some(DEPLOYMENT | SUMMARY))
}

/// Sorts lines into receipts. What stands before the first whole receipt is passed over where the bytes
/// are only the end of a file.
pub fn sort(bytes: &[u8], whole: bool) -> Sorted<'_> {
    let mut sorted = Sorted::default();
    let mut pending: Option<&[u8]> = None;
    let mut torn = 0u64;
    for (number, line) in (1..).zip(bytes.split_inclusive(|b| *b == b'\n')) {
        torn += line.len() as u64;
        let Some(line) = line.strip_suffix(b"\n") else {
            // A last line without its end was never whole.
            break;
        };
        let first = sorted.receipts.is_empty() && !whole;
        match kind(line).as_deref() {
            Some(DEPLOYMENT) => {
                sorted.receipts.push(Lines {
                    verification: pending.take(),
                    receipt: line,
                });
                torn = 0;
            }
            Some(SUMMARY) if pending.is_none() => pending = Some(line),
            _ if first => {}
            _ => {
                let problem = format!("line {number} of the receipts belongs to none of them");
                sorted.problems.push(problem);
                // Whole lines are never taken away: they show what somebody did.
                (pending, torn) = (None, 0);
            }
        }
    }
    sorted.torn = torn;
    sorted
}

/// What a line claims, whoever signed it.
///
/// # Errors
/// Refused: no receipt, or a malformed one.
pub fn unverified(line: &[u8]) -> Result<Deployment> {
    if line.len() > MAX_RECEIPT_LINE_LEN {
        return Err(Error::refused(format!(
            "a receipt of {} bytes, the limit is {MAX_RECEIPT_LINE_LEN}",
            line.len()
        )));
    }
    read(&Envelope::parse(line)?.unverified_statement()?)
}

fn read(statement: &Statement) -> Result<Deployment> {
    if statement.predicate_type != DEPLOYMENT {
        return Err(Error::refused(format!(
            "is a statement of type {:?}, wanted {DEPLOYMENT:?}",
            statement.predicate_type
        )));
    }
    Deployment::deserialize(&statement.predicate)
        .map_err(|e| Error::refused("a receipt is malformed").caused_by(e))
}

/// Whose signatures count for receipts that ended at a time.
pub type Accepted<'a> = dyn Fn(Timestamp) -> Vec<PublicKey> + 'a;

/// Verifies one receipt: both signatures by one accepted key, the summary it names, its own subject.
///
/// # Errors
/// Refused: any of these is otherwise.
pub fn verify(lines: &Lines, accepted: &Accepted) -> Result<Receipt> {
    let claimed = unverified(lines.receipt)?;
    let ended = time::parse(&claimed.ended).ok_or_else(|| {
        Error::refused(format!("ended {:?}, wanted a time in UTC", claimed.ended))
    })?;
    let name = format!("receipt {} of {}", claimed.sequence, claimed.node.name);
    let under = |e: Error| e.under(name.clone());
    let keys = accepted(ended);
    let verified = Envelope::parse(lines.receipt)?
        .verify(&keys)
        .map_err(under)?;
    let deployment = read(verified.statement()).map_err(under)?;
    let key = *verified
        .signers()
        .first()
        .ok_or_else(|| Error::bug("a verified statement without a signer"))?;
    if *verified.statement().subject != *deployment.statement(&key).subject {
        return Err(under(Error::refused(
            "is about another subject than it says",
        )));
    }
    let found = lines.verification.map(Sha256::of);
    if found != deployment.verification {
        let word = |digest: Option<Sha256>| digest.map_or("none".to_owned(), |d| d.to_string());
        return Err(under(Error::refused(format!(
            "the verification beside it hashes to {}, it names {}",
            word(found),
            word(deployment.verification)
        ))));
    }
    let verification = match lines.verification {
        None => None,
        Some(line) => {
            let verified = Envelope::parse(line)?.verify(&[key]).map_err(under)?;
            let value = serde_json::to_value(verified.statement());
            Some(value.map_err(|e| Error::bug("a statement has no JSON").caused_by(e))?)
        }
    };
    Ok(Receipt {
        digest: Sha256::of(lines.receipt),
        deployment,
        ended,
        key,
        verification,
    })
}

/// A run of receipts that was verified: every link, as far as it goes.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// Those that verify.
    pub receipts: Vec<Receipt>,
    /// Everything that is wrong.
    pub problems: Vec<String>,
    /// Bytes after the last whole receipt.
    pub torn: u64,
}

/// Verifies receipts of one node. `whole` says that they begin with its first.
pub fn check(bytes: &[u8], whole: bool, accepted: &Accepted) -> Chain {
    let sorted = sort(bytes, whole);
    let mut chain = Chain {
        problems: sorted.problems,
        torn: sorted.torn,
        ..Chain::default()
    };
    let mut before: Option<(u64, Sha256)> = whole.then_some((0, Sha256([0; 32])));
    for (number, lines) in sorted.receipts.iter().enumerate() {
        // Of the first one in the middle of a file, the line before may be cut off.
        let cut = number == 0 && !whole && lines.verification.is_none();
        let claimed = match unverified(lines.receipt) {
            Ok(claimed) => claimed,
            Err(e) => {
                chain.problems.push(e.to_string());
                before = None;
                continue;
            }
        };
        if let Some((sequence, digest)) = before {
            chain
                .problems
                .extend(broken_link(&claimed, sequence, digest));
        }
        before = Some((claimed.sequence, Sha256::of(lines.receipt)));
        match verify(lines, accepted) {
            Ok(receipt) => chain.receipts.push(receipt),
            Err(_) if cut => {}
            Err(e) => chain.problems.push(e.to_string()),
        }
    }
    chain
}

/// Why a receipt does not follow the one with this number and digest.
pub fn broken_link(next: &Deployment, sequence: u64, digest: Sha256) -> Option<String> {
    let wanted = (sequence > 0).then_some(digest);
    if next.sequence == sequence.saturating_add(1) && next.previous == wanted {
        return None;
    }
    let word = |digest: Option<Sha256>| digest.map_or("none".to_owned(), |d| short(&d.hex()));
    Some(format!(
        "the chain is broken: receipt {} follows {}, wanted receipt {} to follow {}",
        next.sequence,
        word(next.previous),
        sequence.saturating_add(1),
        word(wanted)
    ))
}
