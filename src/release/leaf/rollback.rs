//! The leaf that says that an environment's nodes were put back to an earlier release. Pure.

use jiff::Timestamp;
use serde_json::json;

use super::{Leaf, missing, time};
use crate::attest::{Statement, Subject};
use crate::hash::Sha256;
use crate::release::environment::check_reason;
use crate::{Error, Result};

/// A rollback of an environment's nodes, told by the publisher.
pub const ROLLBACK: &str = "urn:relman:leaf:rollback:v1";

/// What a rollback leaf says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollbackLeaf {
    /// The release that was left.
    pub tag: String,
    /// Digest of its archive.
    pub archive: Sha256,
    /// The release that was put back.
    pub to: String,
    /// Digest of that one's archive.
    pub to_archive: Sha256,
    /// The environment.
    pub environment: String,
    /// In words.
    pub reason: String,
    /// When it was signed, by the publisher's clock.
    pub time: Timestamp,
}

impl RollbackLeaf {
    /// The statement to be signed by the publisher.
    pub fn statement(&self) -> Statement {
        let subject = |tag: &str, digest| Subject::new(format!("{tag}.tar.gz"), digest);
        Statement::new(
            vec![
                subject(&self.tag, self.archive),
                subject(&self.to, self.to_archive),
            ],
            ROLLBACK,
            json!({
                "tag": self.tag,
                "to": self.to,
                "environment": self.environment,
                "reason": self.reason,
                "time": self.time.to_string(),
            }),
        )
    }

    /// `mainnet went back from phase2-… to phase1-…: why`.
    pub fn line(&self) -> String {
        format!(
            "{} went back from {} to {}: {}",
            self.environment, self.tag, self.to, self.reason
        )
    }

    pub(super) fn read(statement: &Statement) -> Result<Leaf> {
        let text = |name: &str| {
            let found = statement.text(&[name]).map(str::to_owned);
            found.ok_or_else(|| missing(name))
        };
        let (tag, to, reason) = (text("tag")?, text("to")?, text("reason")?);
        check_reason(&reason)?;
        let archive = |tag: &str| {
            let digest = statement.digest_of(&format!("{tag}.tar.gz"));
            digest
                .filter(|_| statement.subject.len() == 2)
                .ok_or_else(|| {
                    Error::refused(format!(
                        "a rollback leaf whose two subjects are not the archives of {tag:?} and another release"
                    ))
                })
        };
        if tag == to {
            return Err(Error::refused(format!(
                "a rollback leaf goes from {tag:?} to itself"
            )));
        }
        Ok(Leaf::Rollback(RollbackLeaf {
            archive: archive(&tag)?,
            to_archive: archive(&to)?,
            environment: text("environment")?,
            time: time(statement)?,
            reason,
            to,
            tag,
        }))
    }
}
