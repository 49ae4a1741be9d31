//! `<environment>.current.json`: which release a network should run, and how it came to that. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::Context;
use crate::hash::Sha256;
use crate::limits::{MAX_ANNOUNCEMENTS, MAX_CURRENT_LEN, MAX_TAG_LEN};
use crate::release::state::Released;
use crate::release::tag::Tag;
use crate::trust::json;
use crate::trust::schema::TargetFile;
use crate::{Error, Result};

/// The value of `_type`.
const TYPE: &str = "relman-current";
/// The only format there is.
const FORMAT: u64 = 1;
/// The member of a target's `custom` that is relman's.
pub const MEMBER: &str = "relman";

/// The document. What a quorum signs is its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Current {
    /// Always `relman-current`.
    #[serde(rename = "_type")]
    kind: String,
    /// Always 1.
    format: u64,
    /// The environment.
    pub environment: String,
    /// The version of the environment's role with which this was agreed; later versions may list
    /// the same document.
    pub version: u64,
    /// The release's tag.
    pub tag: String,
    /// Its archive.
    pub archive: Archive,
    /// What ran before; none at first.
    #[serde(default)]
    pub previous: Option<Step>,
    /// From when on nodes may install it.
    #[serde(default, with = "optional_time")]
    pub not_before: Option<Timestamp>,
    /// Where the release ran before: in the environment before this one, or in this one where it
    /// comes back. None in the first environment.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// Path in the store of the announcement's proof.
    #[serde(default)]
    pub announcement: Option<String>,
    /// Path in the store of the override's proof.
    #[serde(rename = "override", default)]
    pub overridden: Option<String>,
    /// Why, where the environment goes back or rules are set aside.
    #[serde(default)]
    pub reason: Option<String>,
}

/// An archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Its digest.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub length: u64,
}

/// A release that an environment ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The tag.
    pub tag: String,
    /// The version of the role with which it was agreed.
    pub version: u64,
}

impl Step {
    /// For messages: `phase1-… of version 2`, or `nothing`.
    pub fn words(step: Option<&Step>) -> String {
        step.map_or("nothing".into(), |step| {
            format!("{} of version {}", step.tag, step.version)
        })
    }
}

/// Where a release ran: versions of an environment's role in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The environment.
    pub environment: String,
    /// The version with which it was agreed there.
    pub version: u64,
    /// The version that put another in its place; none while it runs there.
    #[serde(default)]
    pub ended: Option<u64>,
}

/// The target's name in role `environment`.
pub fn target_name(environment: &str) -> String {
    format!("{environment}.current.json")
}

impl Current {
    /// That `environment` runs `released` from `version` of its role on.
    pub fn new(environment: &str, version: u64, released: &Released) -> Self {
        Current {
            kind: TYPE.into(),
            format: FORMAT,
            environment: environment.into(),
            version,
            tag: released.tag.clone(),
            archive: Archive {
                sha256: released.sha256,
                length: released.length,
            },
            previous: None,
            not_before: None,
            origin: None,
            announcement: None,
            overridden: None,
            reason: None,
        }
    }

    /// The file.
    ///
    /// # Errors
    /// It would be longer than anybody reads.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let value = serde_json::to_value(self)
            .map_err(|e| Error::bug("what an environment runs has no JSON").caused_by(e))?;
        let bytes = json::pretty(&value)?;
        match bytes.len() as u64 {
            found if found > MAX_CURRENT_LEN => Err(Error::refused(format!(
                "{} would have {found} bytes, at most {MAX_CURRENT_LEN} are accepted",
                target_name(&self.environment)
            ))),
            _ => Ok(bytes),
        }
    }

    /// The target that lists it.
    ///
    /// # Errors
    /// As [`Current::to_bytes`].
    pub fn target(&self) -> Result<TargetFile> {
        let mut target = TargetFile::of(&self.to_bytes()?);
        target.custom = Some(json!({ MEMBER: { "tag": self.tag, "version": self.version } }));
        Ok(target)
    }

    /// Its path in the store.
    ///
    /// # Errors
    /// As [`Current::to_bytes`].
    pub fn path(&self) -> Result<String> {
        let digest = Sha256::of(&self.to_bytes()?);
        Ok(path(&self.environment, digest))
    }

    /// What a role that only names a tag says: a store from before there were documents.
    ///
    /// # Errors
    /// A target without sha256.
    pub fn path_of(environment: &str, target: &TargetFile) -> Result<String> {
        let name = target_name(environment);
        let digest = target
            .sha256()
            .ok_or_else(|| Error::refused(format!("target {name:?} has no sha256")))?;
        Ok(path(environment, digest))
    }

    /// Reads the file that `target` of role `environment` lists; digest and length are checked before
    /// anything is parsed.
    ///
    /// # Errors
    /// Refused: other bytes than listed, malformed, of another environment, or the target's `custom`
    /// says something else.
    pub fn read(environment: &str, target: &TargetFile, bytes: &[u8]) -> Result<Self> {
        let name = target_name(environment);
        target.check(&name, bytes)?;
        let value = json::parse(bytes).map_err(|e| Error::from(e).under(name.clone()))?;
        let current = Current::deserialize(&value)
            .or_refused(|| format!("{name} is malformed"))
            .map_err(|e| e.hint("a newer relman may have written it: `relman --version`"))?;
        let wrong = |why: String| Err(Error::refused(format!("{name} {why}")));
        if current.kind != TYPE || current.format != FORMAT {
            return wrong(format!(
                "is {:?} format {}, wanted {TYPE:?} format {FORMAT}",
                current.kind, current.format
            ));
        }
        if current.environment != environment {
            return wrong(format!("is about environment {:?}", current.environment));
        }
        if current.version == 0 {
            return wrong("has version 0, wanted 1 or more".into());
        }
        let tags = [
            Some(&current.tag),
            current.previous.as_ref().map(|p| &p.tag),
        ];
        for tag in tags.into_iter().flatten() {
            if tag.len() > MAX_TAG_LEN || Tag::parse_any(tag).is_err() {
                return wrong(format!("names {tag:?}, which is no release's tag"));
            }
        }
        let (tag, version) = (&current.tag, current.version);
        if let Some(path) = &current.announcement
            && !is_announcement(path, tag, environment)
        {
            return wrong(format!("names {path:?}, which is no announcement of {tag}"));
        }
        let override_path = override_path(tag, environment, version);
        if let Some(path) = current.overridden.as_ref().filter(|p| **p != override_path) {
            return wrong(format!("names {path:?}, wanted {override_path:?}"));
        }
        let custom = target.custom.as_ref().and_then(|c| c.get(MEMBER));
        let said = |member: &str| custom.and_then(|c| c.get(member)).cloned();
        let agrees = said("tag") == Some(json!(current.tag))
            && said("version").is_none_or(|version| version == json!(current.version));
        match agrees {
            true => Ok(current),
            false => wrong(format!(
                "names {} of version {}, the role that lists it says {}",
                current.tag,
                current.version,
                custom.map_or("nothing".into(), ToString::to_string)
            )),
        }
    }

    /// What a later document says of this one as its `previous`.
    pub fn step(&self) -> Step {
        Step {
            tag: self.tag.clone(),
            version: self.version,
        }
    }
}

/// Where the proof of announcement `n` is.
pub fn announcement_path(tag: &str, environment: &str, n: u32) -> String {
    format!("{tag}/announcement-{environment}-{n}.tlog-proof")
}

/// Whether `path` is one of those paths, in the one way in which they are written.
fn is_announcement(path: &str, tag: &str, environment: &str) -> bool {
    let number = path
        .strip_prefix(&format!("{tag}/announcement-{environment}-"))
        .and_then(|rest| rest.strip_suffix(".tlog-proof"))
        .and_then(|number| number.parse().ok());
    number.is_some_and(|n| {
        (1..=MAX_ANNOUNCEMENTS).contains(&n) && path == announcement_path(tag, environment, n)
    })
}

/// Where the proof of an override is.
pub fn override_path(tag: &str, environment: &str, version: u64) -> String {
    format!("{tag}/override-{environment}-{version}.tlog-proof")
}

fn path(environment: &str, digest: Sha256) -> String {
    format!("targets/{digest}.{}", target_name(environment))
}

/// Times as in all metadata, or null.
mod optional_time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    use crate::trust::time;

    pub fn serialize<S: Serializer>(at: &Option<Timestamp>, s: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => time::serialize(at, s),
            None => s.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(d)?;
        text.map(|text| {
            time::parse(&text).ok_or_else(|| {
                D::Error::custom(format_args!(
                    "time is {text:?}, wanted YYYY-MM-DDTHH:MM:SSZ"
                ))
            })
        })
        .transpose()
    }
}
