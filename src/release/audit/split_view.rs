//! Evidence of a split view: two heads that one log has signed and that cannot both be true, in one text
//! that a stranger can check with nothing but the log's key. Pure.

use std::fmt;

use base64ct::{Base64, Encoding};

use crate::error::Context;
use crate::hash::Sha256;
use crate::limits::{MAX_PROOF_HASHES, MAX_SPLIT_VIEW_LEN};
use crate::log::{Note, TreeHead, VerifiedCheckpoint, VerifierKey, check_consistency};
use crate::{Error, Result};

/// The first line.
const HEADER: &str = "log split view v1";
/// What encloses the two notes.
const SMALLER: &str = "smaller checkpoint";
const LARGER: &str = "larger checkpoint";

/// Two signed heads of one log, and what shows that they contradict each other.
#[derive(Clone, Debug)]
pub struct SplitView {
    smaller: Note,
    larger: Note,
    from: [String; 2],
    heads: [TreeHead; 2],
    /// The root that the larger tree has over as many entries as the smaller one has.
    then: Sha256,
    /// The consistency proof (RFC 6962, section 2.1.2) from that root to the larger tree; empty for
    /// equal sizes.
    proof: Vec<Sha256>,
}

impl SplitView {
    /// Two heads, each with where it was seen; `proof` leads from root `then`, over as many entries as
    /// the smaller has, to the larger.
    ///
    /// # Errors
    /// They do not contradict each other, or the proof does not hold.
    pub fn new(
        smaller: (&VerifiedCheckpoint, &str),
        larger: (&VerifiedCheckpoint, &str),
        proof: &[Sha256],
        then: Sha256,
    ) -> Result<Self> {
        let (small, large) = (smaller.0.head(), larger.0.head());
        let then = match small.size == large.size {
            true => large.root,
            false => then,
        };
        let split = SplitView {
            smaller: smaller.0.note().clone(),
            larger: larger.0.note().clone(),
            from: [line(smaller.1), line(larger.1)],
            heads: [*small, *large],
            then,
            proof: proof.to_vec(),
        };
        split.contradicts()?;
        Ok(split)
    }

    /// The smaller and the larger head.
    pub fn heads(&self) -> &[TreeHead; 2] {
        &self.heads
    }

    /// Reads the text. Nothing in it is believed yet.
    ///
    /// # Errors
    /// Refused: any other form.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let malformed = |what: &str| Error::refused(format!("the evidence {what}"));
        if bytes.len() as u64 > MAX_SPLIT_VIEW_LEN {
            return Err(malformed("is too long"));
        }
        let text = std::str::from_utf8(bytes).or_refused(|| "the evidence is not UTF-8".into())?;
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return Err(malformed(&format!("does not begin with {HEADER:?}")));
        }
        let mut member = |name: &str| {
            let line = lines.next().unwrap_or_default();
            let value = line
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix(' '));
            let value = value.map(str::to_owned);
            value.ok_or_else(|| malformed(&format!("has {line:?}, wanted {name:?} and a value")))
        };
        let size = |text: String| text.parse().or_refused(|| format!("size {text:?}"));
        let heads = [
            TreeHead {
                size: size(member("smaller-size")?)?,
                root: root(&member("smaller-root")?)?,
            },
            TreeHead {
                size: size(member("larger-size")?)?,
                root: root(&member("larger-root")?)?,
            },
        ];
        let from = [member("smaller-from")?, member("larger-from")?];
        let then = root(&member("larger-root-at-smaller-size")?)?;
        let hashes: usize = member("consistency-proof")?
            .parse()
            .or_refused(|| "the number of hashes".into())?;
        if hashes > MAX_PROOF_HASHES + 1 {
            return Err(malformed("has too many hashes"));
        }
        let proof = (0..hashes).map(|_| root(&member("hash")?));
        let proof = proof.collect::<Result<_>>()?;
        Ok(SplitView {
            smaller: enclosed(text, SMALLER)?,
            larger: enclosed(text, LARGER)?,
            from,
            heads,
            then,
            proof,
        })
    }

    /// Checks it: both heads are signed by one of these keys of the log, are as the text says, and
    /// cannot both be true.
    ///
    /// # Errors
    /// Refused: it is no evidence, and why.
    pub fn check(&self, log_keys: &[VerifierKey], origin: &str) -> Result<()> {
        for (note, head) in [&self.smaller, &self.larger].into_iter().zip(&self.heads) {
            let signed = VerifiedCheckpoint::verify(note, log_keys, origin)?;
            if signed.head() != head {
                return Err(Error::refused(format!(
                    "a checkpoint is for {} entries with root {}, the text says {} and {}",
                    signed.head().size,
                    signed.head().root,
                    head.size,
                    head.root
                )));
            }
        }
        self.contradicts()
    }

    fn contradicts(&self) -> Result<()> {
        let [small, large] = &self.heads;
        let then = TreeHead {
            size: small.size,
            root: self.then,
        };
        check_consistency(&then, large, &self.proof)
            .map_err(|e| e.under("the larger tree is not shown to have had that root"))?;
        match self.then == small.root {
            false => Ok(()),
            true => Err(Error::refused(
                "the two checkpoints are of one history: the larger goes on from the smaller",
            )),
        }
    }
}

impl fmt::Display for SplitView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [small, large] = &self.heads;
        let [small_from, large_from] = &self.from;
        writeln!(f, "{HEADER}")?;
        writeln!(f, "smaller-size {}", small.size)?;
        writeln!(f, "smaller-root {}", base64(&small.root))?;
        writeln!(f, "larger-size {}", large.size)?;
        writeln!(f, "larger-root {}", base64(&large.root))?;
        writeln!(f, "smaller-from {small_from}")?;
        writeln!(f, "larger-from {large_from}")?;
        writeln!(f, "larger-root-at-smaller-size {}", base64(&self.then))?;
        writeln!(f, "consistency-proof {}", self.proof.len())?;
        for hash in &self.proof {
            writeln!(f, "hash {}", base64(hash))?;
        }
        for (name, note) in [(SMALLER, &self.smaller), (LARGER, &self.larger)] {
            write!(f, "{}\n{note}{}\n", begin(name), end(name))?;
        }
        Ok(())
    }
}

fn begin(name: &str) -> String {
    format!("-----begin {name}-----")
}

fn end(name: &str) -> String {
    format!("-----end {name}-----")
}

/// A note between its two lines.
fn enclosed(text: &str, name: &str) -> Result<Note> {
    let lost = || Error::refused(format!("the evidence has no {name}"));
    let (_, rest) = text
        .split_once(&format!("\n{}\n", begin(name)))
        .ok_or_else(lost)?;
    let (note, _) = rest.split_once(&end(name)).ok_or_else(lost)?;
    Note::parse(note.as_bytes()).map_err(|e| e.under(format!("the {name} is malformed")))
}

fn root(text: &str) -> Result<Sha256> {
    let bytes = Base64::decode_vec(text).ok();
    let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes
        .map(Sha256)
        .ok_or_else(|| Error::refused(format!("{text:?} is no hash, wanted base64 of 32 bytes")))
}

fn base64(hash: &Sha256) -> String {
    Base64::encode_string(&hash.0)
}

/// Where a head was seen, on one line.
fn line(place: &str) -> String {
    let plain = place.chars().map(|c| match c.is_control() {
        true => '?',
        false => c,
    });
    plain.collect()
}
