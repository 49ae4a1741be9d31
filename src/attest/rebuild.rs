//! That somebody built a release again and got the same archive: SLSA provenance v1
//! (slsa-framework/slsa, provenance/v1) of the rebuild. Pure.
//!
//! It becomes a leaf of the log, so it names the source and the tools and not every crate.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::provenance::{BUILD_TYPE, PREDICATE_TYPE};
use super::statement::{Statement, Subject};
use crate::hash::Sha256;
use crate::limits::{MAX_REBUILD_COMMAND_LEN, MAX_TAG_LEN};
use crate::trust::time;
use crate::{Error, Result};

/// A rebuild on somebody's machine.
pub const BUILDER_REBUILD: &str = "urn:relman:builder:rebuild:v1";

/// What an archive's name has after the tag.
const SUFFIX: &str = ".tar.gz";
/// The members of `externalParameters`. A verifier must know each one that is there (SLSA
/// provenance v1, "externalParameters").
const PARAMETERS: [&str; 3] = ["repository", "tag", "command"];

/// All that the statement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuild {
    /// The tag.
    pub tag: String,
    /// Digest of the archive, the rebuilt one and the published one.
    pub archive: Sha256,
    /// Where the source can be had: a URL, or `local`.
    pub repository: String,
    /// Hex id of the commit.
    pub commit: String,
    /// Hex id of its tree.
    pub tree: String,
    /// Hex id of the tag object; none for a lightweight tag.
    pub tag_object: Option<String>,
    /// What was run; empty where it was too long to be told
    /// ([`MAX_REBUILD_COMMAND_LEN`] bytes of JSON).
    pub command: Vec<String>,
    /// Tool to version line, e.g. `rustc` to `rustc 1.95.0 (…)`.
    pub toolchain: BTreeMap<String, String>,
    /// Version of relman.
    pub builder_version: String,
    /// When the rebuild began, in whole seconds.
    pub started: Timestamp,
    /// When it had ended.
    pub finished: Timestamp,
}

impl Rebuild {
    /// The statement over the archive.
    pub fn statement(&self) -> Statement {
        let mut git = BTreeMap::from([("gitCommit", &self.commit), ("gitTree", &self.tree)]);
        git.extend(self.tag_object.iter().map(|id| ("gitTag", id)));
        let mut source = json!({ "name": "source", "digest": git });
        if self.repository.contains("://") {
            source["uri"] = format!("git+{}@refs/tags/{}", self.repository, self.tag).into();
        }
        let tools = self.toolchain.iter().filter(|(_, v)| !v.is_empty());
        let tools = tools.map(|(tool, v)| json!({ "name": tool, "annotations": { "version": v } }));
        let dependencies: Vec<Value> = std::iter::once(source).chain(tools).collect();
        let mut external = json!({ "repository": self.repository, "tag": self.tag });
        let command = json!(self.command);
        if !self.command.is_empty() && command.to_string().len() <= MAX_REBUILD_COMMAND_LEN {
            external["command"] = command;
        }
        Statement::new(
            vec![Subject::new(self.archive_name(), self.archive)],
            PREDICATE_TYPE,
            json!({
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": external,
                    "resolvedDependencies": dependencies,
                },
                "runDetails": {
                    "builder": {
                        "id": BUILDER_REBUILD,
                        "version": { "relman": self.builder_version },
                    },
                    "metadata": {
                        "startedOn": time::format(self.started),
                        "finishedOn": time::format(self.finished),
                    },
                },
            }),
        )
    }

    /// The archive's file name.
    pub fn archive_name(&self) -> String {
        format!("{}{SUFFIX}", self.tag)
    }

    /// Whether a statement claims to be of this sort. It may still be malformed.
    pub fn is_one(statement: &Statement) -> bool {
        statement.predicate_type == PREDICATE_TYPE
            && statement.text(&["runDetails", "builder", "id"]) == Some(BUILDER_REBUILD)
    }

    /// Reads the statement back. Whose signature it has is the caller's business.
    ///
    /// # Errors
    /// Refused: another predicate, build type or builder; any subject but the tag's archive; a
    /// parameter that is not known; something missing or of another form; an end before the start.
    pub fn read(statement: &Statement) -> Result<Self> {
        let is = |what: &str, found: Option<&str>, wanted: &str| match found == Some(wanted) {
            true => Ok(()),
            false => Err(refused(format!(
                "has {what} {:?}, wanted {wanted:?}",
                found.unwrap_or("none")
            ))),
        };
        let predicate_type = Some(statement.predicate_type.as_str());
        is("predicate type", predicate_type, PREDICATE_TYPE)?;
        let build_type = statement.text(&["buildDefinition", "buildType"]);
        is("build type", build_type, BUILD_TYPE)?;
        let builder = statement.text(&["runDetails", "builder", "id"]);
        is("builder", builder, BUILDER_REBUILD)?;

        let external = statement
            .predicate
            .pointer("/buildDefinition/externalParameters");
        let external = external
            .and_then(Value::as_object)
            .ok_or_else(|| refused("has no externalParameters".into()))?;
        if let Some(name) = external.keys().find(|n| !PARAMETERS.contains(&n.as_str())) {
            return Err(refused(format!(
                "has the parameter {name:?}, wanted {}",
                PARAMETERS.join(", ")
            )));
        }
        let tag = text(external, "tag")?;
        if tag.is_empty() || tag.len() > MAX_TAG_LEN {
            return Err(refused(format!("has a tag of {} bytes", tag.len())));
        }
        let archive = match statement.subject.as_slice() {
            [only] if only.name.strip_suffix(SUFFIX) == Some(&tag) => only.sha256(),
            _ => None,
        };
        let archive = archive.ok_or_else(|| {
            let names: Vec<&str> = statement.subject.iter().map(|s| s.name.as_str()).collect();
            refused(format!(
                "is about {}, wanted {tag}{SUFFIX} alone with its sha256",
                names.join(", ")
            ))
        })?;
        let command = match external.get("command") {
            None => Vec::new(),
            Some(value) => serde_json::from_value(value.clone())
                .map_err(|e| refused("has a malformed command".into()).caused_by(e))?,
        };
        let (source, toolchain) = dependencies(statement)?;
        let id = |name: &str| {
            let found = source.get(name).and_then(Value::as_str);
            found.filter(|id| is_git_id(id)).map(str::to_owned)
        };
        let wanted = |name: &str| {
            id(name).ok_or_else(|| refused(format!("has no well-formed {name} of its source")))
        };
        let at = |name: &str| {
            let found = statement.text(&["runDetails", "metadata", name]);
            found.and_then(time::parse).ok_or_else(|| {
                refused(format!(
                    "has {name} {:?}, wanted YYYY-MM-DDTHH:MM:SSZ",
                    found.unwrap_or("none")
                ))
            })
        };
        let (started, finished) = (at("startedOn")?, at("finishedOn")?);
        if finished < started {
            return Err(refused(format!("ended at {finished}, before {started}")));
        }
        let version = statement.text(&["runDetails", "builder", "version", "relman"]);
        Ok(Rebuild {
            archive,
            repository: text(external, "repository")?,
            commit: wanted("gitCommit")?,
            tree: wanted("gitTree")?,
            tag_object: match source.contains_key("gitTag") {
                true => Some(wanted("gitTag")?),
                false => None,
            },
            command,
            toolchain,
            builder_version: version.unwrap_or_default().to_owned(),
            started,
            finished,
            tag,
        })
    }
}

fn refused(why: String) -> Error {
    Error::refused(format!("a rebuild's statement {why}"))
}

fn text(map: &Map<String, Value>, name: &str) -> Result<String> {
    let found = map.get(name).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .ok_or_else(|| refused(format!("has no {name}")))
}

/// Of SHA-1 or SHA-256.
fn is_git_id(id: &str) -> bool {
    let is_hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    matches!(id.len(), 40 | 64) && id.bytes().all(is_hex)
}

/// The digests of the source, and the tools with their versions.
fn dependencies(statement: &Statement) -> Result<(Map<String, Value>, BTreeMap<String, String>)> {
    let list = statement
        .predicate
        .pointer("/buildDefinition/resolvedDependencies");
    let list = list.and_then(Value::as_array).map(Vec::as_slice);
    let (source, tools) = list
        .unwrap_or_default()
        .split_first()
        .ok_or_else(|| refused("has no resolvedDependencies".into()))?;
    let digest = source.get("digest").and_then(Value::as_object);
    let digest = match (source.get("name").and_then(Value::as_str), digest) {
        (Some("source"), Some(digest)) => digest.clone(),
        _ => {
            return Err(refused(
                "does not begin its dependencies with the source".into(),
            ));
        }
    };
    let mut toolchain = BTreeMap::new();
    for tool in tools {
        let name = tool.get("name").and_then(Value::as_str);
        let version = tool.pointer("/annotations/version").and_then(Value::as_str);
        match name.zip(version) {
            Some((name, version)) => toolchain.insert(name.to_owned(), version.to_owned()),
            None => return Err(refused("has a tool without name and version".into())),
        };
    }
    Ok((digest, toolchain))
}

#[cfg(test)]
mod tests;
