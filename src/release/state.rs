//! Releases as the metadata lists them: the target's entry and its `custom` member. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::edges::Edges;
use super::leaf::ReleaseLeaf;
use crate::hash::Sha256;
use crate::trust::meta::TargetFile;
use crate::trust::schema::Targets;
use crate::{Error, Result};

/// The member of `custom` that is relman's.
const MEMBER: &str = "relman";
/// What every archive's name ends with.
const SUFFIX: &str = ".tar.gz";
/// No new installs; going back to it is possible.
pub const WITHDRAWN: &str = "withdrawn";
/// Neither installs nor going back to it.
pub const DANGEROUS: &str = "dangerous";
/// Tags named in a message at most.
const MAX_NAMED: usize = 8;

/// A release in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Released {
    /// The tag.
    pub tag: String,
    /// Hex id of the commit.
    pub commit: String,
    /// Hex id of the tag object; none for a lightweight tag.
    pub tag_object: Option<String>,
    /// Where the source can be had.
    pub repository: String,
    /// Digest of the archive.
    pub sha256: Sha256,
    /// Bytes of the archive.
    pub length: u64,
    /// How far a node may go back from it.
    #[serde(skip_serializing_if = "Edges::is_empty")]
    pub edges: Edges,
    /// Why it must not be used, if so.
    pub yanked: Option<Yank>,
}

/// Why a release must not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Yank {
    /// `withdrawn` or `dangerous`.
    pub level: String,
    /// In words.
    pub reason: String,
}

impl Yank {
    /// Whether only new installs are refused. Any level but `withdrawn` counts as dangerous.
    pub fn lets_rollback_pass(&self) -> bool {
        self.level == WITHDRAWN
    }
}

impl std::fmt::Display for Yank {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "yanked ({}): {}", self.level, self.reason)
    }
}

#[derive(Serialize, Deserialize)]
struct Custom {
    tag: String,
    commit: String,
    #[serde(rename = "tagObject", default, skip_serializing_if = "Option::is_none")]
    tag_object: Option<String>,
    repository: String,
    #[serde(rename = "rollback", default, skip_serializing_if = "Edges::is_empty")]
    edges: Edges,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    yank: Option<Yank>,
}

impl Released {
    /// The archive's name.
    pub fn archive_name(&self) -> String {
        format!("{}{SUFFIX}", self.tag)
    }

    /// The archive's path in a store with consistent snapshots.
    pub fn archive_path(&self) -> String {
        format!("targets/{}.{}", self.sha256, self.archive_name())
    }

    /// The entry in `targets.json`.
    pub fn target(&self) -> Result<TargetFile> {
        let custom = Custom {
            tag: self.tag.clone(),
            commit: self.commit.clone(),
            tag_object: self.tag_object.clone(),
            repository: self.repository.clone(),
            edges: self.edges.clone(),
            yank: self.yanked.clone(),
        };
        let custom = serde_json::to_value(custom)
            .map_err(|e| Error::bug("a release has no JSON").caused_by(e))?;
        let mut target = TargetFile::new(self.length, self.sha256);
        target.custom = Some(serde_json::json!({ MEMBER: custom }));
        Ok(target)
    }

    /// Where a log leaf says something else than the metadata.
    pub fn differences(&self, leaf: &ReleaseLeaf) -> Vec<String> {
        let mut out = Vec::new();
        let mut compare = |what: &str, logged: &str, listed: &str| {
            if logged != listed {
                out.push(format!(
                    "{what} is {logged} in the log, {listed} in targets.json"
                ));
            }
        };
        compare("the tag", &leaf.tag, &self.tag);
        compare("the commit", &leaf.commit, &self.commit);
        compare(
            "the tag object",
            leaf.tag_object.as_deref().unwrap_or("none"),
            self.tag_object.as_deref().unwrap_or("none"),
        );
        compare(
            "the archive's sha256",
            &leaf.archive.hex(),
            &self.sha256.hex(),
        );
        out
    }

    /// Reads a target's entry.
    ///
    /// # Errors
    /// Why it is none of relman's releases.
    pub fn read(name: &str, target: &TargetFile) -> Result<Self> {
        let wrong = |why: &str| Error::refused(format!("target {name:?} {why}"));
        let member = target.custom.as_ref().and_then(|c| c.get(MEMBER));
        let custom: Custom = member
            .ok_or_else(|| wrong("has no custom member \"relman\""))
            .and_then(|value| {
                serde_json::from_value(value.clone())
                    .map_err(|e| wrong("has a malformed custom member").caused_by(e))
            })?;
        if name.strip_suffix(SUFFIX) != Some(&custom.tag) {
            return Err(wrong(&format!("says that its tag is {:?}", custom.tag)));
        }
        Ok(Released {
            tag: custom.tag,
            commit: custom.commit,
            tag_object: custom.tag_object,
            repository: custom.repository,
            sha256: target.sha256().ok_or_else(|| wrong("has no sha256"))?,
            length: target.length,
            edges: custom.edges,
            yanked: custom.yank,
        })
    }
}

/// All releases that top-level targets lists, and what is wrong with entries that are none.
pub fn released(targets: &Targets) -> (Vec<Released>, Vec<Error>) {
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for (name, target) in &targets.targets {
        match Released::read(name, target) {
            Ok(released) => good.push(released),
            Err(error) => bad.push(error),
        }
    }
    (good, bad)
}

/// The release of a tag.
///
/// # Errors
/// There is none, or its entry is malformed.
pub fn find(targets: &Targets, tag: &str) -> Result<Released> {
    let name = format!("{tag}{SUFFIX}");
    match targets.targets.get(&name) {
        Some(target) => Released::read(&name, target),
        None => Err(Error::refused(format!(
            "there is no release {tag} in targets version {}; it has {}",
            targets.version,
            names(targets)
        ))
        .hint("see what there is: relman list")),
    }
}

fn names(targets: &Targets) -> String {
    let mut names: Vec<&str> = targets
        .targets
        .keys()
        .filter_map(|name| name.strip_suffix(SUFFIX))
        .collect();
    let more = names.len().saturating_sub(MAX_NAMED);
    names.truncate(MAX_NAMED);
    match (names.is_empty(), more) {
        (true, _) => "none".into(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    }
}

/// The tag that an environment's `current.json` target names.
pub fn current_tag(target: &TargetFile) -> Option<String> {
    let tag = target.custom.as_ref()?.get(MEMBER)?.get("tag")?;
    Value::as_str(tag).map(str::to_owned)
}
