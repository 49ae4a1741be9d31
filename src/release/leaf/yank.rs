//! The leaf about a release that must not be used (any more), or may be used again. Pure.

use jiff::Timestamp;
use serde_json::json;

use super::{Leaf, missing, time};
use crate::attest::{Statement, Subject};
use crate::hash::Sha256;
use crate::release::state::Yank;
use crate::{Error, Result};

/// A yank, or the end of one.
pub const YANK: &str = "urn:relman:leaf:yank:v1";
/// The level that takes a yank back.
pub const NONE: &str = "none";

/// What a yank leaf says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YankLeaf {
    /// The release's tag.
    pub tag: String,
    /// Digest of its archive.
    pub archive: Sha256,
    /// `withdrawn`, `dangerous`, or [`NONE`].
    pub level: String,
    /// In words.
    pub reason: String,
    /// When it was decided, by the proposer's clock.
    pub time: Timestamp,
}

impl YankLeaf {
    /// The statement, for whoever signs it.
    pub fn statement(&self) -> Statement {
        let archive = format!("{}.tar.gz", self.tag);
        Statement::new(
            vec![Subject::new(archive, self.archive)],
            YANK,
            json!({
                "tag": self.tag,
                "level": self.level,
                "reason": self.reason,
                "time": self.time.to_string(),
            }),
        )
    }

    /// What the release's target says from then on.
    pub fn yank(&self) -> Option<Yank> {
        (self.level != NONE).then(|| Yank {
            level: self.level.clone(),
            reason: self.reason.clone(),
        })
    }

    /// `phase1-x-1.0.0 is yanked (dangerous): why`.
    pub fn line(&self) -> String {
        match self.level.as_str() {
            NONE => format!("{} is yanked no more: {}", self.tag, self.reason),
            level => format!("{} is yanked ({level}): {}", self.tag, self.reason),
        }
    }

    pub(super) fn read(statement: &Statement) -> Result<Leaf> {
        let text = |name: &str| {
            let found = statement.text(&[name]).map(str::to_owned);
            found.ok_or_else(|| missing(name))
        };
        let tag = text("tag")?;
        let archive = statement
            .digest_of(&format!("{tag}.tar.gz"))
            .filter(|_| statement.subject.len() == 1)
            .ok_or_else(|| {
                Error::refused(format!(
                    "a yank leaf for {tag:?} whose one subject is not its archive"
                ))
            })?;
        Ok(Leaf::Yank(YankLeaf {
            archive,
            level: text("level")?,
            reason: text("reason")?,
            time: time(statement)?,
            tag,
        }))
    }
}
