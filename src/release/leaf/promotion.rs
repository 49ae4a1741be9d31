//! Leaves about environments: an upgrade that was announced, and rules that were set aside. Pure.

use jiff::Timestamp;
use serde_json::json;

use super::{missing, time};
use crate::attest::{Statement, Subject};
use crate::hash::Sha256;
use crate::limits::MAX_TAG_LEN;
use crate::release::environment::{Rule, check_reason};
use crate::{Error, Result};

/// An upgrade of an environment, announced to its operators.
pub const ANNOUNCEMENT: &str = "urn:relman:leaf:announcement:v1";
/// Rules that an environment's overriders set aside for one promotion.
pub const OVERRIDE: &str = "urn:relman:leaf:override:v1";

/// What an announcement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnouncementLeaf {
    /// The release's tag.
    pub tag: String,
    /// Digest of its archive.
    pub archive: Sha256,
    /// The environment that is to run it.
    pub environment: String,
    /// When the maintenance window begins.
    pub at: Timestamp,
    /// How long the window is, in minutes.
    pub window_minutes: u64,
    /// How long each node is expected to be down, in minutes.
    pub downtime_minutes: u64,
    /// When it was signed, by the publisher's clock; what counts is when it was in the log.
    pub time: Timestamp,
}

/// What an override says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverrideLeaf {
    /// The release's tag.
    pub tag: String,
    /// Digest of its archive.
    pub archive: Sha256,
    /// The environment.
    pub environment: String,
    /// The one version of the environment's role that it is for.
    pub version: u64,
    /// The rules that are set aside.
    pub sets_aside: Vec<Rule>,
    /// Why.
    pub reason: String,
    /// When it was proposed, by the proposer's clock.
    pub time: Timestamp,
}

impl AnnouncementLeaf {
    /// The statement to be signed by the publisher.
    pub fn statement(&self) -> Statement {
        let predicate = json!({
            "tag": self.tag,
            "environment": self.environment,
            "at": self.at.to_string(),
            "windowMinutes": self.window_minutes,
            "downtimeMinutes": self.downtime_minutes,
            "time": self.time.to_string(),
        });
        Statement::new(subject(&self.tag, self.archive), ANNOUNCEMENT, predicate)
    }

    pub(super) fn read(statement: &Statement) -> Result<Self> {
        let tag = tag(statement)?;
        Ok(AnnouncementLeaf {
            archive: archive(statement, &tag)?,
            environment: text(statement, "environment")?,
            at: text(statement, "at")?.parse().map_err(|_| missing("at"))?,
            window_minutes: number(statement, "windowMinutes")?,
            downtime_minutes: number(statement, "downtimeMinutes")?,
            time: time(statement)?,
            tag,
        })
    }
}

impl OverrideLeaf {
    /// The statement to be signed by the environment's overriders.
    pub fn statement(&self) -> Statement {
        let predicate = json!({
            "tag": self.tag,
            "environment": self.environment,
            "version": self.version,
            "setsAside": self.sets_aside,
            "reason": self.reason,
            "time": self.time.to_string(),
        });
        Statement::new(subject(&self.tag, self.archive), OVERRIDE, predicate)
    }

    /// Reads a statement whose signatures the caller counts.
    ///
    /// # Errors
    /// Members that are missing or malformed; a reason that is none; rules that nobody can set aside.
    pub fn read(statement: &Statement) -> Result<Self> {
        if statement.predicate_type != OVERRIDE {
            return Err(Error::refused(format!(
                "is a statement of type {:?}, wanted {OVERRIDE:?}",
                statement.predicate_type
            )));
        }
        let tag = tag(statement)?;
        let rules = statement.predicate.get("setsAside").cloned();
        let sets_aside: Vec<Rule> = rules
            .and_then(|rules| serde_json::from_value(rules).ok())
            .ok_or_else(|| missing("setsAside"))?;
        if sets_aside.is_empty() {
            return Err(Error::refused("an override sets nothing aside"));
        }
        if let Some(rule) = sets_aside.iter().find(|rule| !rule.can_be_set_aside()) {
            return Err(Error::refused(format!(
                "an override sets {rule} aside, which nobody can"
            )));
        }
        let reason = text(statement, "reason")?;
        check_reason(&reason)?;
        Ok(OverrideLeaf {
            archive: archive(statement, &tag)?,
            environment: text(statement, "environment")?,
            version: number(statement, "version")?,
            sets_aside,
            reason,
            time: time(statement)?,
            tag,
        })
    }
}

fn subject(tag: &str, archive: Sha256) -> Vec<Subject> {
    vec![Subject::new(format!("{tag}.tar.gz"), archive)]
}

fn text(statement: &Statement, name: &str) -> Result<String> {
    let text = statement.text(&[name]);
    text.map(str::to_owned).ok_or_else(|| missing(name))
}

fn number(statement: &Statement, name: &str) -> Result<u64> {
    let number = statement.predicate.get(name).and_then(|n| n.as_u64());
    number.ok_or_else(|| missing(name))
}

fn tag(statement: &Statement) -> Result<String> {
    let tag = text(statement, "tag")?;
    match tag.is_empty() || tag.len() > MAX_TAG_LEN {
        true => Err(missing("tag")),
        false => Ok(tag),
    }
}

fn archive(statement: &Statement, tag: &str) -> Result<Sha256> {
    let name = format!("{tag}.tar.gz");
    let digest = statement.digest_of(&name);
    digest
        .filter(|_| statement.subject.len() == 1)
        .ok_or_else(|| {
            Error::refused(format!(
                "a leaf about {tag:?} has not the one subject {name:?}"
            ))
        })
}
