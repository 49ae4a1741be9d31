//! A witness's decision about one request, in the order of tlog-witness: 404, 403, 400 need no memory;
//! 409 and 422 do, so whoever keeps it holds it from before [`Admitted::cosign`] until the record that
//! comes out is durable.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::super::checkpoint::{Checkpoint, VerifiedCheckpoint};
use super::super::cosignature::{Cosigner, CosignerKey};
use super::super::merkle::{TreeHead, check_consistency};
use super::super::note::{Note, Signature};
use super::super::text;
use super::super::vkey::VerifierKey;
use super::{Answer, Request};
use crate::limits::{MAX_CLOCK_STEP_SECONDS, MAX_WATCHED_LOGS};
use crate::{Error, Result};

/// The logs that a witness watches: origins, each with the keys that sign for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched(BTreeMap<String, Vec<VerifierKey>>);

impl Watched {
    /// The logs of `keys`. A key's name is the origin of its log; several keys with one name are of one
    /// log, while its key is being replaced.
    ///
    /// # Errors
    /// Usage: no key, more than [`MAX_WATCHED_LOGS`], one public key twice, or the witness's `own`: a
    /// log that signs with it could cosign for itself.
    pub fn new(keys: Vec<VerifierKey>, own: &CosignerKey) -> Result<Self> {
        if keys.is_empty() || keys.len() > MAX_WATCHED_LOGS {
            return Err(Error::usage(format!(
                "a witness with {} log keys, wanted 1 to {MAX_WATCHED_LOGS}",
                keys.len()
            ))
            .hint("name a log's key: relman witness --log VKEY"));
        }
        let mut logs: BTreeMap<String, Vec<VerifierKey>> = BTreeMap::new();
        let mut seen: BTreeMap<[u8; 32], VerifierKey> = BTreeMap::new();
        for key in keys {
            let bytes = *key.public_key().as_bytes();
            if bytes == *own.public().bytes() {
                return Err(Error::usage(format!(
                    "log key {key} is this witness's own key, want one key for each"
                ))
                .hint("make a key for the witness alone: relman key generate witness"));
            }
            if let Some(other) = seen.insert(bytes, key.clone()) {
                return Err(Error::usage(format!(
                    "log keys {other} and {key} are one public key, want one key for each log, and each once"
                )));
            }
            logs.entry(key.name().to_owned()).or_default().push(key);
        }
        Ok(Watched(logs))
    }

    /// The origins, sorted.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What can be said of a request without a memory of the log.
    ///
    /// # Errors
    /// A refusal with status 404, 403 or 400.
    pub fn admit(&self, body: &[u8]) -> Result<Admitted, Refusal> {
        let request =
            Request::parse(body).map_err(|e| Refusal::told(Answer::Malformed, e.to_string()))?;
        let note = request.unverified_note();
        let origin = note.unverified_text().split('\n').next();
        let origin = origin.unwrap_or_default();
        let Some((origin, keys)) = self.0.get_key_value(origin) else {
            let why = format!("log {} is not watched here", text::quote(origin));
            return Err(Refusal::told(Answer::UnknownLog, why));
        };
        let verified = note
            .verify(keys)
            .map_err(|e| Refusal::told(Answer::BadSignature, e.to_string()).of(origin))?;
        let malformed = |e: Error| Refusal::told(Answer::Malformed, e.to_string()).of(origin);
        let (checkpoint, size) = match false_empty(verified.text()) {
            true => (None, 0),
            false => {
                let checkpoint = VerifiedCheckpoint::verify(note, keys, origin);
                let checkpoint = checkpoint.map_err(malformed)?;
                let size = checkpoint.head().size;
                (Some(checkpoint), size)
            }
        };
        if request.old() > size {
            let why = format!("old size is {}, want at most {size}", request.old());
            return Err(Refusal::told(Answer::Malformed, why).of(origin).at(size));
        }
        Ok(Admitted {
            origin: origin.clone(),
            size,
            checkpoint,
            request,
        })
    }
}

/// Whether a checkpoint says that the tree is empty and gives a root that is not the empty tree's,
/// and nothing else is wrong with it.
fn false_empty(note_text: &str) -> bool {
    let mut lines: Vec<&str> = note_text.split('\n').collect();
    let root = text::to_base64(&TreeHead::empty().root.0);
    match lines.get_mut(1..3) {
        Some([size, found]) if *size == "0" && text::hash(found, "root").is_ok() => {
            let wrong = *found != root;
            *found = &root;
            wrong && Checkpoint::parse(&lines.join("\n")).is_ok()
        }
        _ => false,
    }
}

/// A request that a log of the watched has signed.
pub struct Admitted {
    origin: String,
    size: u64,
    /// None for one that says that the tree is empty and lies about its root.
    checkpoint: Option<VerifiedCheckpoint>,
    request: Request,
}

impl Admitted {
    /// The log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The size of the tree that is to be cosigned.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Cosigns the checkpoint, if it extends `newest`, all that this witness remembers of the log. The
    /// answer may be given once the record is durable in the place of `newest`, and not before.
    ///
    /// # Errors
    /// A refusal with status 409 or 422; 500 where the witness cannot sign now.
    pub fn cosign(
        &self,
        newest: Option<&Record>,
        cosigner: &Cosigner,
        now: Timestamp,
    ) -> Result<Record, Refusal> {
        let placed = |refusal: Refusal| refusal.of(&self.origin).at(self.size);
        let seen = newest.map_or(TreeHead::empty(), |record| record.head);
        let old = self.request.old();
        if old != seen.size {
            let why = format!("old size is {old}, this witness is at {}", seen.size);
            return Err(placed(Refusal::new(Answer::Conflict(seen.size), why)));
        }
        let no = |why: String| placed(Refusal::told(Answer::Inconsistent, why));
        let Some(checkpoint) = &self.checkpoint else {
            return Err(no("the root is not the empty tree's".to_owned()));
        };
        check_consistency(&seen, checkpoint.head(), self.request.proof())
            .map_err(|e| no(e.to_string()))?;
        let time = in_order(newest, now);
        time.and_then(|time| Record::make(checkpoint, cosigner, time))
            .map_err(|e| placed(Refusal::broken(e)))
    }
}

/// The time to sign at. A cosignature says that its tree was the largest seen at that time, so it is
/// never dated before the one of a smaller tree.
fn in_order(newest: Option<&Record>, now: Timestamp) -> Result<Timestamp> {
    let Some(last) = newest.map(|record| record.time) else {
        return Ok(now);
    };
    match last.duration_since(now) > SignedDuration::from_secs(MAX_CLOCK_STEP_SECONDS) {
        true => Err(Error::failed(format!(
            "this witness cosigned at {last}, its clock now says {now}"
        ))),
        false => Ok(now.max(last)),
    }
}

/// The newest checkpoint that a witness cosigned of a log: the log's signatures and its own. Verified
/// under the witness's key, so that a record that was tampered with is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    note: Note,
    head: TreeHead,
    line: Signature,
    time: Timestamp,
}

impl Record {
    fn make(checkpoint: &VerifiedCheckpoint, cosigner: &Cosigner, time: Timestamp) -> Result<Self> {
        let lines = checkpoint.note().unverified_signatures().iter();
        let by_log = lines.filter(|line| {
            let mut signers = checkpoint.signers().iter();
            signers.any(|key| key.name() == line.name() && key.id() == line.key_id())
        });
        let mut note = checkpoint.note().with_only(by_log.cloned().collect());
        let line = cosigner.cosign(checkpoint, time)?;
        let time = note.add_cosignature(cosigner.key(), &line)?;
        Ok(Record {
            note,
            head: *checkpoint.head(),
            line,
            time,
        })
    }

    /// Reads what was written down about the log `origin`, cosigned with `key`.
    ///
    /// # Errors
    /// Refused: it is no checkpoint of that log with a good cosignature by that key.
    pub fn parse(bytes: &[u8], key: &CosignerKey, origin: &str) -> Result<Self> {
        let note = Note::parse(bytes)?;
        let mut lines = note.unverified_signatures().iter();
        let line = lines.find(|line| key.is_claimed_by(line)).cloned();
        let line = line.ok_or_else(|| {
            let names = note.unverified_signatures().iter().map(Signature::name);
            Error::refused(format!(
                "it is signed by {}, wanted a cosignature by {key}",
                text::quote(&names.collect::<Vec<_>>().join(" "))
            ))
        })?;
        let time = key.check(note.unverified_text(), &line)?;
        let checkpoint = Checkpoint::parse(note.unverified_text())?;
        if checkpoint.origin() != origin {
            return Err(Error::refused(format!(
                "it is of log {}, wanted {}",
                text::quote(checkpoint.origin()),
                text::quote(origin)
            )));
        }
        Ok(Record {
            head: *checkpoint.head(),
            note,
            line,
            time,
        })
    }

    /// The cosigned checkpoint: what is written down, and what monitors are given.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// The tree.
    pub fn head(&self) -> &TreeHead {
        &self.head
    }

    /// The witness's line.
    pub fn line(&self) -> &Signature {
        &self.line
    }

    /// When it was cosigned, by the witness's clock.
    pub fn time(&self) -> Timestamp {
        self.time
    }
}

/// A request that gets no cosignature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the log is told.
    pub answer: Answer,
    /// Why, for the access log.
    pub why: String,
    /// The log, if it is watched.
    pub origin: Option<String>,
    /// The tree that was to be cosigned, where a log's key has signed it.
    pub size: Option<u64>,
}

impl Refusal {
    fn new(answer: Answer, why: String) -> Self {
        Refusal {
            answer,
            why,
            origin: None,
            size: None,
        }
    }

    /// One whose reason the log is told too.
    fn told(answer: fn(String) -> Answer, why: String) -> Self {
        Self::new(answer(format!("{why}\n")), why)
    }

    /// One that is not the log's fault; it learns nothing about this machine.
    pub(super) fn broken(e: Error) -> Self {
        let said = "this witness cannot sign now\n".to_owned();
        Self::new(Answer::Other(500, said), e.to_string())
    }

    pub(super) fn of(mut self, origin: &str) -> Self {
        self.origin = Some(origin.to_owned());
        self
    }

    pub(super) fn at(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }
}
