//! SLSA provenance v1 (slsa-framework/slsa, provenance/v1) of a cut. Pure.
//!
//! The build type, and which level each builder claims, are described in `docs/build-type-cut-v1.md`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::statement::{Statement, Subject};
use crate::hash::Sha256;

/// The predicate type.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";
/// What `externalParameters` mean.
pub const BUILD_TYPE: &str = "urn:relman:build-type:cut:v1";

mod source;

pub use source::{Descent, SourceClaims, source_claims};

/// How a cut was built. Each way is a builder of its own, since each claims something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builder {
    /// On somebody's machine, with dependencies compiled for an earlier cut: SLSA Build L1.
    Workstation,
    /// On somebody's machine, with nothing kept from earlier cuts: SLSA Build L1.
    WorkstationClean,
}

impl Builder {
    /// `runDetails.builder.id`.
    pub fn id(self) -> &'static str {
        match self {
            Builder::Workstation => "urn:relman:builder:workstation:v1",
            Builder::WorkstationClean => "urn:relman:builder:workstation-clean:v1",
        }
    }
}

/// Something that went into a build (in-toto attestation, "ResourceDescriptor").
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Resource {
    /// What the build calls it.
    pub name: String,
    /// What the world calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Algorithm to hex.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<&'static str, String>,
    /// More about it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<&'static str, String>,
}

/// All that a provenance says of a cut.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Where the source can be had: a URL, or another word where it has none.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// Hex id of the tag object; none for a lightweight tag.
    pub tag_object: Option<String>,
    /// Hex id of the commit.
    pub commit: String,
    /// Hex id of its tree.
    pub tree: String,
    /// What else is known of the tag.
    pub source: SourceClaims,
    /// What the user could choose: command, profile, features, target.
    pub build: BTreeMap<String, Value>,
    /// What followed from it: the host, how the archive was packed.
    pub derived: BTreeMap<String, Value>,
    /// All that was built from, but for the source itself: tools, the lock file, every crate of it.
    pub resources: Vec<Resource>,
    /// How it was built.
    pub builder: Builder,
    /// Version of relman.
    pub builder_version: String,
    /// When the build began.
    pub started: Timestamp,
    /// When it had ended.
    pub finished: Timestamp,
    /// Files that the build made beside the subjects, by name: its log, the bill of materials.
    pub byproducts: BTreeMap<&'static str, Sha256>,
}

impl Cut {
    /// The statement over the archive and its members.
    pub fn statement(&self, subject: Vec<Subject>) -> Statement {
        let mut git = BTreeMap::from([
            ("gitCommit", self.commit.clone()),
            ("gitTree", self.tree.clone()),
        ]);
        if let Some(id) = &self.tag_object {
            git.insert("gitTag", id.clone());
        }
        let mut source = json!({ "name": "source", "digest": git });
        // A ResourceURI must be a URI (in-toto attestation, "ResourceDescriptor").
        if self.repository.contains("://") {
            let uri = format!("git+{}@refs/tags/{}", self.repository, self.tag);
            source["uri"] = uri.into();
        }
        if let Some(annotations) = self.source.annotations() {
            source["annotations"] = annotations;
        }
        let dependencies: Vec<_> = std::iter::once(source)
            .chain(self.resources.iter().map(|resource| json!(resource)))
            .collect();
        let byproducts = self.byproducts.iter();
        let byproducts: Vec<_> = byproducts
            .map(|(name, sha256)| json!({ "name": name, "digest": { "sha256": sha256.hex() } }))
            .collect();
        let mut internal = self.derived.clone();
        internal.insert("source".into(), self.source.parameters());
        let mut external = self.build.clone();
        external.insert("repository".into(), self.repository.clone().into());
        external.insert("tag".into(), self.tag.clone().into());
        Statement::new(
            subject,
            PREDICATE_TYPE,
            json!({
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": external,
                    "internalParameters": internal,
                    "resolvedDependencies": dependencies,
                },
                "runDetails": {
                    "builder": {
                        "id": self.builder.id(),
                        "version": { "relman": self.builder_version },
                    },
                    "metadata": {
                        "startedOn": self.started.to_string(),
                        "finishedOn": self.finished.to_string(),
                    },
                    "byproducts": byproducts,
                },
            }),
        )
    }
}

/// What the provenance says of one member of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberFacts {
    /// Digest of its contents.
    pub sha256: Sha256,
    /// Bytes of its contents.
    pub length: u64,
    /// Whether it is a program (mode 0755; 0644 otherwise).
    pub executable: bool,
}

impl MemberFacts {
    /// The subject for a member called `name`.
    pub fn subject(&self, name: &str) -> Subject {
        let mut subject = Subject::new(name, self.sha256);
        subject.annotations = BTreeMap::from([
            ("length".into(), self.length.into()),
            ("executable".into(), self.executable.into()),
        ]);
        subject
    }

    fn read(subject: &Subject) -> Option<Self> {
        Some(MemberFacts {
            sha256: subject.sha256()?,
            length: subject.annotations.get("length")?.as_u64()?,
            executable: subject.annotations.get("executable")?.as_bool()?,
        })
    }
}

/// All subjects but the archive itself; tells every one that lacks its facts.
pub fn members(
    statement: &Statement,
    archive: &str,
) -> Result<BTreeMap<String, MemberFacts>, Vec<String>> {
    let mut members = BTreeMap::new();
    let mut problems = Vec::new();
    for subject in statement.subject.iter().filter(|s| s.name != archive) {
        match MemberFacts::read(subject) {
            Some(facts) => {
                members.insert(subject.name.clone(), facts);
            }
            None => problems.push(format!("subject {:?} has no length and mode", subject.name)),
        }
    }
    if problems.is_empty() {
        Ok(members)
    } else {
        Err(problems)
    }
}

/// What a verifier reads back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `externalParameters.tag`.
    pub tag: String,
    /// `externalParameters.repository`.
    pub repository: String,
    /// `gitCommit` of the source.
    pub commit: String,
}

/// The claims of a provenance statement; tells every member that is missing or of another type.
pub fn claims(statement: &Statement) -> Result<Claims, Vec<String>> {
    let mut problems = Vec::new();
    if statement.predicate_type != PREDICATE_TYPE {
        problems.push(format!(
            "predicate type {:?}, wanted {PREDICATE_TYPE:?}",
            statement.predicate_type
        ));
    }
    let build_type = statement.text(&["buildDefinition", "buildType"]);
    if build_type != Some(BUILD_TYPE) {
        problems.push(format!("build type {build_type:?}, wanted {BUILD_TYPE:?}"));
    }
    let external = |name: &str| {
        statement
            .text(&["buildDefinition", "externalParameters", name])
            .map(str::to_owned)
    };
    let commit = statement
        .predicate
        .pointer("/buildDefinition/resolvedDependencies/0/digest/gitCommit")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let found = (external("tag"), external("repository"), commit);
    match found {
        (Some(tag), Some(repository), Some(commit)) if problems.is_empty() => Ok(Claims {
            tag,
            repository,
            commit,
        }),
        (tag, repository, commit) => {
            for (name, value) in [("tag", tag), ("repository", repository), ("commit", commit)] {
                if value.is_none() {
                    problems.push(format!("the provenance has no {name}"));
                }
            }
            Err(problems)
        }
    }
}

#[cfg(test)]
mod tests;
