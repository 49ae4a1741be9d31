//! The leaf about a batch of nodes' receipts: how many, of which time, and the batch's digest. What the
//! receipts say stays private, since it would tell attackers who runs what. Pure.

use jiff::Timestamp;
use serde_json::json;

use super::{Leaf, missing, time};
use crate::attest::{Statement, Subject};
use crate::hash::Sha256;
use crate::{Error, Result};

/// A batch of receipts, by its digest.
pub const RECEIPTS: &str = "urn:relman:leaf:receipts:v1";

/// What the leaf of a batch says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptsLeaf {
    /// The environment whose nodes they are of.
    pub environment: String,
    /// Digest of the batch's file.
    pub batch: Sha256,
    /// How many receipts it has.
    pub receipts: u64,
    /// When the first operation ended, by its node's clock.
    pub first: Timestamp,
    /// When the last one did.
    pub last: Timestamp,
    /// When it was signed, by the publisher's clock.
    pub time: Timestamp,
}

impl ReceiptsLeaf {
    /// The name of a batch's file, by its digest.
    pub fn file_name(batch: &Sha256) -> String {
        format!("{batch}.receipts.jsonl")
    }

    /// The statement to be signed by the publisher.
    pub fn statement(&self) -> Statement {
        Statement::new(
            vec![Subject::new(Self::file_name(&self.batch), self.batch)],
            RECEIPTS,
            json!({
                "environment": self.environment,
                "receipts": self.receipts,
                "first": self.first.to_string(),
                "last": self.last.to_string(),
                "time": self.time.to_string(),
            }),
        )
    }

    /// `12 receipts of mainnet, 2026-… to 2026-…, batch 0a1b2c3d`.
    pub fn line(&self) -> String {
        format!(
            "{} receipts of {}, {} to {}, batch {}",
            self.receipts,
            self.environment,
            self.first,
            self.last,
            self.batch.hex().get(..8).unwrap_or_default()
        )
    }

    pub(super) fn read(statement: &Statement) -> Result<Leaf> {
        let at = |name: &str| -> Result<Timestamp> {
            let text = statement.text(&[name]).ok_or_else(|| missing(name))?;
            text.parse().map_err(|_| missing(name))
        };
        let [subject] = statement.subject.as_slice() else {
            return Err(Error::refused(
                "a leaf of receipts with more than one batch",
            ));
        };
        let batch = subject
            .sha256()
            .filter(|batch| subject.name == Self::file_name(batch))
            .ok_or_else(|| Error::refused("a leaf of receipts whose subject is no batch"))?;
        let receipts = statement.predicate.get("receipts").and_then(|n| n.as_u64());
        let environment = statement.text(&["environment"]).map(str::to_owned);
        let leaf = ReceiptsLeaf {
            environment: environment.ok_or_else(|| missing("environment"))?,
            batch,
            receipts: receipts
                .filter(|n| *n > 0)
                .ok_or_else(|| missing("receipts"))?,
            first: at("first")?,
            last: at("last")?,
            time: time(statement)?,
        };
        match leaf.first <= leaf.last {
            true => Ok(Leaf::Receipts(leaf)),
            false => Err(missing("last")),
        }
    }
}
