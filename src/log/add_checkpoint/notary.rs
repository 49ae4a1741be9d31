//! A witness as it runs: what it watches, what it remembers, and the one place where a decision and
//! its record are one step. Where records are kept is the [`Shelf`]'s affair.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::super::cosignature::{Cosigner, CosignerKey};
use super::{Answer, Record, Refusal, Watched};
use crate::hash::Sha256;
use crate::keys::Signer;
use crate::{Error, Result};

/// Keeps the newest record of each log.
pub trait Shelf: Send + Sync {
    /// What was put there last; `None` before the first time.
    ///
    /// # Errors
    /// It cannot be read; a record that cannot be read is not an absent one.
    fn load(&self, origin: &str) -> Result<Option<Vec<u8>>>;

    /// Puts it there in one step, durably.
    ///
    /// # Errors
    /// It cannot be written; then there is no answer.
    fn save(&self, origin: &str, record: &[u8]) -> Result<()>;
}

/// A witness.
pub struct Notary {
    key: CosignerKey,
    signer: Box<dyn Signer + Send + Sync>,
    watched: Watched,
    shelf: Box<dyn Shelf>,
    newest: BTreeMap<String, Mutex<Option<Record>>>,
}

/// An answer, and what is said about it in the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What the log is told.
    pub answer: Answer,
    /// Why there is no cosignature.
    pub why: Option<String>,
    /// The log, if it is watched.
    pub origin: Option<String>,
    /// The tree, where a log's key has signed it.
    pub size: Option<u64>,
}

impl Notary {
    /// The witness `name`, with all that it remembers of the logs of `watched`.
    ///
    /// # Errors
    /// Refused: a record that is none, or another witness's. Failed: one that cannot be read. Usage: an
    /// invalid name.
    pub fn new(
        name: &str,
        signer: Box<dyn Signer + Send + Sync>,
        watched: Watched,
        shelf: Box<dyn Shelf>,
    ) -> Result<Self> {
        let key = CosignerKey::new(name, signer.public())?;
        let mut newest = BTreeMap::new();
        for origin in watched.origins() {
            let record = shelf.load(origin)?;
            let record = record.map(|bytes| Record::parse(&bytes, &key, origin));
            let record = record.transpose().map_err(|e| {
                e.under(format!(
                    "what this witness remembers of log {origin:?} is damaged, or another witness's"
                ))
                .hint("restore it from where it was newest; with an older one, or none, it could sign two histories")
            })?;
            newest.insert(origin.to_owned(), Mutex::new(record));
        }
        Ok(Notary {
            key,
            signer,
            watched,
            shelf,
            newest,
        })
    }

    /// The witness's key.
    pub fn key(&self) -> &CosignerKey {
        &self.key
    }

    /// Each log that it watches, with the newest record.
    pub fn logs(&self) -> Vec<(&str, Option<Record>)> {
        let logs = self.newest.iter();
        logs.map(|(origin, newest)| (origin.as_str(), peek(newest)))
            .collect()
    }

    /// Answers the body of an `add-checkpoint` request. `now` is read when its turn has come.
    pub fn add_checkpoint(&self, body: &[u8], now: &dyn Fn() -> Timestamp) -> Answered {
        match self.try_add(body, now) {
            Ok((origin, record)) => Answered {
                answer: Answer::Cosigned(vec![record.line().clone()]),
                why: None,
                origin: Some(origin),
                size: Some(record.head().size),
            },
            Err(refusal) => Answered {
                answer: refusal.answer,
                why: Some(refusal.why),
                origin: refusal.origin,
                size: refusal.size,
            },
        }
    }

    fn try_add(
        &self,
        body: &[u8],
        now: &dyn Fn() -> Timestamp,
    ) -> Result<(String, Record), Refusal> {
        let asked = self.watched.admit(body)?;
        let origin = asked.origin();
        let broken = |e: Error| Refusal::broken(e).of(origin).at(asked.size());
        let slot = self.newest.get(origin);
        let slot = slot.ok_or_else(|| broken(Error::bug("a watched log without a record")))?;
        let cosigner = Cosigner::new(self.key.name(), self.signer.as_ref()).map_err(broken)?;
        // Held until the record is durable: of two requests at once one sees the other's.
        let mut newest = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let record = asked.cosign(newest.as_ref(), &cosigner, now())?;
        self.shelf
            .save(origin, record.note().to_string().as_bytes())
            .map_err(broken)?;
        *newest = Some(record.clone());
        Ok((origin.to_owned(), record))
    }

    /// The newest checkpoint that it cosigned of the log whose origin has this SHA-256
    /// (tlog-witness, "Monitor Retrieval Mechanism").
    pub fn checkpoint(&self, origin: &Sha256) -> Option<Record> {
        let mut logs = self.newest.iter();
        let (_, newest) = logs.find(|(name, _)| Sha256::of(name.as_bytes()) == *origin)?;
        peek(newest)
    }
}

/// Nothing panics between a change of a record and its end, so what a poisoned lock guards is whole.
fn peek(newest: &Mutex<Option<Record>>) -> Option<Record> {
    newest
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}
