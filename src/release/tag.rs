//! Release tags: the names, their order, and which phase may follow which. Pure.

use std::cmp::Ordering;
use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_SHOWN_NAME, MAX_TAG_LEN};
use crate::release::text::shown;
use crate::{Error, Result};

/// How a project names its release tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    /// `phase<N>-<feature>-<X.Y.Z>`: phases follow one another.
    #[default]
    Phase,
    /// `v<X.Y.Z>`: no phases.
    V,
}

impl Pattern {
    /// A name of this pattern, for messages.
    pub fn example(self) -> &'static str {
        match self {
            Pattern::Phase => "phase1-sig-verify-1.0.0",
            Pattern::V => "v1.4.35",
        }
    }

    fn wanted(self) -> &'static str {
        match self {
            Pattern::Phase => "phase<N>-<feature>-<X.Y.Z>",
            Pattern::V => "v<X.Y.Z>",
        }
    }
}

/// A release tag whose name is well formed. Ordered by phase, then version, then name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    name: String,
    phase: Option<u32>,
    feature: Option<String>,
    version: Version,
}

impl Tag {
    /// Reads a tag name of the given pattern; there is no other way to make a [`Tag`].
    ///
    /// # Errors
    /// Usage: anything that is not exactly of the pattern, or longer than
    /// [`MAX_TAG_LEN`]. The message shows at most [`MAX_SHOWN_NAME`] characters of it, escaped.
    pub fn parse(text: &str, pattern: Pattern) -> Result<Self> {
        let bad = |why: String| {
            Error::usage(format!(
                "tag {} {why}, wanted {} such as {}",
                shown(text, MAX_SHOWN_NAME),
                pattern.wanted(),
                pattern.example()
            ))
            .hint(format!(
                "git tag -a {} -m \"what it brings\"",
                pattern.example()
            ))
        };
        check_characters(text).map_err(&bad)?;
        match pattern {
            Pattern::Phase => parse_phase(text),
            Pattern::V => parse_v(text),
        }
        .map_err(&bad)
    }

    /// Reads a tag name of whichever pattern it has, where no project says which: the metadata
    /// knows what exists.
    ///
    /// # Errors
    /// Usage: as [`Tag::parse`], in the words of the phase pattern.
    pub fn parse_any(text: &str) -> Result<Self> {
        Self::parse(text, Pattern::V).or_else(|_| Self::parse(text, Pattern::Phase))
    }

    /// The name as git knows it.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// N of `phase<N>`; `None` where the pattern has no phases.
    pub fn phase(&self) -> Option<u32> {
        self.phase
    }

    /// The feature of a phase release; `None` where the pattern has none.
    pub fn feature(&self) -> Option<&str> {
        self.feature.as_deref()
    }

    /// The version of the release.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The archive's file name.
    pub fn archive_name(&self) -> String {
        format!("{}.tar.gz", self.name)
    }

    /// Whether the phases in `existing` let this release be cut: phase N above 1 needs a release
    /// of phase N-1. Tags without a phase always pass.
    ///
    /// # Errors
    /// Refused, naming the missing phase and the phases there are.
    pub fn predecessor_ok(&self, existing: &[Tag]) -> Result<()> {
        let Some(wanted) = self.phase.filter(|n| *n > 1).map(|n| n - 1) else {
            return Ok(());
        };
        if existing.iter().any(|t| t.phase == Some(wanted)) {
            return Ok(());
        }
        let mut phases: Vec<u32> = existing.iter().filter_map(|t| t.phase).collect();
        phases.sort_unstable();
        phases.dedup();
        let found = if phases.is_empty() {
            "none".to_owned()
        } else {
            phases
                .iter()
                .map(u32::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        };
        Err(Error::refused(format!(
            "{self} needs a release of phase {wanted} before it, found phases: {found}"
        ))
        .hint(format!(
            "cut a phase {wanted} release first, or set require_predecessor = false below [tags] in relman.toml"
        )))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialOrd for Tag {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Tag {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.phase, &self.version, &self.name).cmp(&(other.phase, &other.version, &other.name))
    }
}

impl Serialize for Tag {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.name)
    }
}

fn check_characters(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("is empty".into());
    }
    if text.len() > MAX_TAG_LEN {
        return Err(format!(
            "has {} bytes, at most {MAX_TAG_LEN} are allowed",
            text.len()
        ));
    }
    if text.chars().any(char::is_control) {
        return Err("has a control character".into());
    }
    if text.contains('/') {
        return Err("has a `/`".into());
    }
    if text.contains("..") {
        return Err("has `..`".into());
    }
    if text.chars().any(char::is_uppercase) {
        return Err("has upper-case letters".into());
    }
    match text
        .chars()
        .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '.' | '+'))
    {
        Some(c) => Err(format!("has {c:?}, only a-z, 0-9, `-` and `.` are allowed")),
        None => Ok(()),
    }
}

fn parse_v(text: &str) -> Result<Tag, String> {
    let version = text.strip_prefix('v').ok_or("does not begin with `v`")?;
    Ok(Tag {
        name: text.to_owned(),
        phase: None,
        feature: None,
        version: parse_version(version)?,
    })
}

fn parse_phase(text: &str) -> Result<Tag, String> {
    let rest = text
        .strip_prefix("phase")
        .ok_or("does not begin with `phase`")?;
    let (number, rest) = rest.split_once('-').ok_or("has nothing after the phase")?;
    let phase = parse_number(number)?;
    let (feature, version) = split_version(rest).ok_or("has no version X.Y.Z after the feature")?;
    if feature.is_empty() {
        return Err("has no feature between phase and version".into());
    }
    let kebab = feature.starts_with(|c: char| c.is_ascii_lowercase())
        && feature.split('-').all(|w| {
            !w.is_empty()
                && w.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        });
    if !kebab {
        return Err(format!(
            "has the feature `{feature}`, which is not lower-case kebab"
        ));
    }
    Ok(Tag {
        name: text.to_owned(),
        phase: Some(phase),
        feature: Some(feature.to_owned()),
        version: parse_version(version)?,
    })
}

fn parse_number(text: &str) -> Result<u32, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("has the phase `{text}`, which is not a number"));
    }
    if text == "0" {
        return Err("has phase 0, phases begin at 1".into());
    }
    if text.starts_with('0') {
        return Err(format!("has the phase `{text}` with leading zeroes"));
    }
    text.parse()
        .map_err(|_| format!("has the phase `{text}`, which is too big"))
}

// The version begins at the first word that has a dot: a feature's words have none, while a
// pre-release may contain `-`.
fn split_version(rest: &str) -> Option<(&str, &str)> {
    let dot = rest.find('.')?;
    let head = rest.get(..dot)?;
    match head.rfind('-') {
        Some(dash) => Some((rest.get(..dash)?, rest.get(dash + 1..)?)),
        None => Some(("", rest)),
    }
}

fn parse_version(text: &str) -> Result<Version, String> {
    let version = Version::parse(text)
        .map_err(|e| format!("has the version `{text}`, which is not X.Y.Z ({e})"))?;
    if !version.build.is_empty() {
        return Err(format!(
            "has build metadata `+{}` in its version",
            version.build
        ));
    }
    Ok(version)
}

#[cfg(test)]
mod tests;
