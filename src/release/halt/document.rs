//! `halt-<environment>.current.json`: which agreement is stopped, and why. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::PREFIX;
use crate::error::Context;
use crate::hash::Sha256;
use crate::limits::{MAX_JSON_INTEGER, MAX_PERSON_LEN, MAX_TAG_LEN};
use crate::release::environment::{self, MEMBER, check_reason};
use crate::release::tag::Tag;
use crate::release::text::is_deceptive;
use crate::trust::json;
use crate::trust::schema::TargetFile;
use crate::{Error, Result};

/// The value of `_type`.
const TYPE: &str = "relman-halt";
/// The only format there is.
const FORMAT: u64 = 1;

/// What a halt says. The target's `custom` says all of it as well, so that whoever has the role alone knows why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Halt {
    /// The environment whose installs are stopped.
    pub environment: String,
    /// The version of the environment's role with which what is stopped was agreed.
    pub version: u64,
    /// The release that was agreed on.
    pub tag: String,
    /// Why, in one line.
    pub reason: String,
    /// The person who asked for it; who signed it, the role's signatures say.
    pub by: String,
    /// When it was asked for, by that person's clock.
    #[serde(with = "crate::trust::time")]
    pub time: Timestamp,
}

/// What stands in `custom.relman`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Custom {
    version: u64,
    tag: String,
    reason: String,
    by: String,
    #[serde(with = "crate::trust::time")]
    time: Timestamp,
}

/// The role that halts `environment`.
pub fn role_name(environment: &str) -> String {
    format!("{PREFIX}{environment}")
}

/// The one target of that role.
pub fn target_name(environment: &str) -> String {
    environment::target_name(&role_name(environment))
}

impl Halt {
    /// The file: the same halt is always the same bytes.
    ///
    /// # Errors
    /// None for a halt that was read or made here.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut value = serde_json::to_value(self)
            .map_err(|e| Error::bug("a halt has no JSON").caused_by(e))?;
        value["_type"] = TYPE.into();
        value["format"] = FORMAT.into();
        Ok(json::pretty(&value)?)
    }

    /// The target that lists it.
    ///
    /// # Errors
    /// As [`Halt::to_bytes`].
    pub fn target(&self) -> Result<TargetFile> {
        let custom = Custom {
            version: self.version,
            tag: self.tag.clone(),
            reason: self.reason.clone(),
            by: self.by.clone(),
            time: self.time,
        };
        let mut target = TargetFile::of(&self.to_bytes()?);
        target.custom = Some(json!({ MEMBER: custom }));
        Ok(target)
    }

    /// Its path in the store.
    ///
    /// # Errors
    /// As [`Halt::to_bytes`].
    pub fn path(&self) -> Result<String> {
        let digest = Sha256::of(&self.to_bytes()?);
        let name = target_name(&self.environment);
        Ok(format!("targets/{digest}.{name}"))
    }

    /// Reads what a role says about `environment`. The file itself is not needed: its bytes follow from the target, whose
    /// digest must be theirs.
    ///
    /// # Errors
    /// Refused: malformed, or the digest is that of another file, such as a halt of another environment.
    pub fn of(environment: &str, target: &TargetFile) -> Result<Self> {
        let name = target_name(environment);
        let custom = target.custom.as_ref().and_then(|custom| custom.get(MEMBER));
        let custom = custom
            .ok_or_else(|| Error::refused(format!("{name} says nothing about what it stops")))?;
        let custom = Custom::deserialize(custom).or_refused(|| format!("{name} is malformed"))?;
        let halt = Halt {
            environment: environment.to_owned(),
            version: custom.version,
            tag: custom.tag,
            reason: custom.reason,
            by: custom.by,
            time: custom.time,
        };
        halt.check()
            .map_err(|e| e.under(format!("{name} is malformed")))?;
        target.check(&name, &halt.to_bytes()?)?;
        Ok(halt)
    }

    /// Whether it says what a halt must say.
    fn check(&self) -> Result<()> {
        if self.version == 0 || self.version > MAX_JSON_INTEGER {
            return Err(Error::refused(format!(
                "it stops version {}, wanted 1 or more",
                self.version
            )));
        }
        if self.tag.len() > MAX_TAG_LEN || Tag::parse_any(&self.tag).is_err() {
            return Err(Error::refused(format!(
                "it names {:?}, which is no release's tag",
                self.tag
            )));
        }
        let hidden = |c: char| c.is_control() || is_deceptive(c);
        if self.by.is_empty() || self.by.len() > MAX_PERSON_LEN || self.by.contains(hidden) {
            return Err(Error::refused("it does not say who asked for it"));
        }
        if self.reason.contains(hidden) {
            return Err(Error::refused(
                "its reason has characters that are not seen",
            ));
        }
        check_reason(&self.reason)
    }

    /// `mainnet is halted: installs of phase2-… (version 4) were stopped by dora at …: …`.
    pub fn line(&self, people: &[String]) -> String {
        let by = match people.is_empty() {
            true => self.by.clone(),
            false => people.join(", "),
        };
        format!(
            "{} is halted: installs of {} (version {}) were stopped by {by} at {}: {}",
            self.environment,
            self.tag,
            self.version,
            crate::trust::time::format(self.time),
            self.reason
        )
    }
}
