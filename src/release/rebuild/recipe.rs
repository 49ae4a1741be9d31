//! The rebuild room: how a release was built, as its verified provenance says, and the configuration that
//! builds it so again. Pure.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::clock::Span;
use crate::attest::Statement;
use crate::attest::provenance::{self, Claims};
use crate::release::config::{self, Build, Config};
use crate::release::source::Toolchain;
use crate::release::tag::{Pattern, Tag};
use crate::trust::time;
use crate::{Error, Result};

/// How `cargo build` is called by a cut that has no command of the project's own.
const CARGO: [&str; 4] = ["cargo", "build", "--locked", "--profile"];
/// Its last argument.
const CARGO_LAST: &str = "--message-format=json-render-diagnostics";

/// How a release was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Repository, tag and commit.
    pub claims: Claims,
    /// Hex id of the commit's tree.
    pub tree: String,
    /// Hex id of the tag object; none for a lightweight tag.
    pub tag_object: Option<String>,
    /// What the builder chose.
    pub parameters: Parameters,
    /// With which tools; empty for one that was not there.
    pub toolchain: Toolchain,
    /// By which relman.
    pub relman: String,
    /// How the archive was packed.
    pub packing: BTreeMap<String, Value>,
    /// When.
    pub span: Span,
}

/// `externalParameters` of a cut. One that is not known here would not be followed, so it is refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    repository: String,
    tag: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The cargo profile.
    pub profile: String,
    /// Cargo features.
    pub features: Vec<String>,
    /// The target triple; the host's when absent.
    pub target: Option<String>,
    /// Cargo packages.
    pub packages: Vec<String>,
    /// Further variables.
    pub environment: BTreeMap<String, String>,
}

impl Recipe {
    /// Reads a provenance statement, which the caller has verified.
    ///
    /// # Errors
    /// Refused: something missing, of another form, or a parameter that this version does not know.
    pub fn read(statement: &Statement) -> Result<Self> {
        let claims = provenance::claims(statement).map_err(|list| refused(list.join("; ")))?;
        let at = |path: &str| {
            statement
                .predicate
                .pointer(path)
                .cloned()
                .unwrap_or_default()
        };
        let parameters: Parameters =
            serde_json::from_value(at("/buildDefinition/externalParameters"))
                .map_err(|e| refused(format!("its parameters: {e}")))?;
        let derived: BTreeMap<String, Value> =
            serde_json::from_value(at("/buildDefinition/internalParameters"))
                .map_err(|e| refused(format!("its packing: {e}")))?;
        let host = derived.get("host").and_then(Value::as_str);
        let host = host.map_or_else(|| tool(statement, "host"), str::to_owned);
        let known = crate::release::assemble::packing();
        let packing = derived
            .into_iter()
            .filter(|(name, _)| known.contains_key(name))
            .collect();
        let git = at("/buildDefinition/resolvedDependencies/0/digest");
        let id = |name: &str| git.get(name).and_then(Value::as_str).map(str::to_owned);
        let when = |name: &str| -> Result<Timestamp> {
            let found = statement.text(&["runDetails", "metadata", name]);
            found
                .and_then(time::parse)
                .ok_or_else(|| refused(format!("{name} is {:?}", found.unwrap_or("missing"))))
        };
        let relman = statement.text(&["runDetails", "builder", "version", "relman"]);
        Ok(Recipe {
            tree: id("gitTree").ok_or_else(|| refused("it has no gitTree".into()))?,
            tag_object: id("gitTag"),
            toolchain: Toolchain {
                cargo: tool(statement, "cargo"),
                rustc: tool(statement, "rustc"),
                host,
            },
            relman: relman.unwrap_or_default().to_owned(),
            packing,
            span: Span {
                started: when("startedOn")?,
                finished: when("finishedOn")?,
            },
            claims,
            parameters,
        })
    }

    /// The configuration to build with, and where it is not what `tagged`, the tag's own `relman.toml`,
    /// says: what was recorded counts. Names of binaries and extra files come from `tagged`.
    ///
    /// # Errors
    /// Failed: the command was the project's own and nothing says what it makes. Usage: recorded
    /// values that no configuration may have.
    pub fn config(&self, project: &str, tagged: Option<&Config>) -> Result<(Config, Vec<String>)> {
        let recorded = &self.parameters;
        let base = tagged
            .map(|config| config.build.clone())
            .unwrap_or_default();
        let own = match tagged {
            Some(config) => !config.build.command.is_empty(),
            None => !is_cargo(&recorded.command),
        };
        if own && base.binaries.is_empty() {
            return Err(Error::failed(format!(
                "{} was built with a command of the project's own, and its tag has no {}",
                self.claims.tag,
                config::FILE_NAME
            ))
            .caused_by("nothing that is signed says which files that command makes")
            .hint(format!(
                "commit {} before tagging the next release",
                config::FILE_NAME
            )));
        }
        let build = Build {
            command: match own {
                true => recorded.command.clone(),
                false => Vec::new(),
            },
            binaries: match own {
                true => base.binaries.clone(),
                false => named_binaries(&recorded.command),
            },
            profile: recorded.profile.clone(),
            features: recorded.features.clone(),
            target: recorded.target.clone(),
            packages: recorded.packages.clone(),
            env: recorded.environment.clone(),
            ..base.clone()
        };
        let mut notes = Vec::new();
        if tagged.is_some() && build != base {
            notes.push(format!(
                "{} of {} is not what the release was built with: what its provenance records counts",
                config::FILE_NAME,
                self.claims.tag
            ));
        }
        let mut config = Config::bare(project);
        config.tags.pattern = self.pattern()?;
        config.tags.allow_lightweight = true;
        config.release.repository = tagged.and_then(|config| config.release.repository.clone());
        config.build = build;
        config
            .check()
            .map_err(|e| e.under(format!("{} cannot be built again", self.claims.tag)))?;
        Ok((config, notes))
    }

    /// How the project names its tags.
    fn pattern(&self) -> Result<Pattern> {
        let tag = &self.claims.tag;
        let mut all = [Pattern::Phase, Pattern::V].into_iter();
        let found = all.find(|pattern| Tag::parse(tag, *pattern).is_ok());
        found.ok_or_else(|| refused(format!("its tag is {tag:?}")))
    }

    /// What is not the same with other tools: each with its recorded version and the one here.
    pub fn other_tools(&self, here: &Toolchain) -> Vec<OtherTool> {
        let version = env!("CARGO_PKG_VERSION");
        let all = [
            ("rustc", self.toolchain.rustc.as_str(), here.rustc.as_str()),
            ("cargo", &self.toolchain.cargo, &here.cargo),
            ("host", &self.toolchain.host, &here.host),
            ("relman", &self.relman, version),
        ];
        let other = all.into_iter().filter(|(_, then, now)| then != now);
        let told = |text: &str| match text.is_empty() {
            true => "none".to_owned(),
            false => text.to_owned(),
        };
        other
            .map(|(name, then, now)| OtherTool {
                name,
                published: told(then),
                rebuilt: told(now),
            })
            .collect()
    }
}

/// A tool that is not the one that the release was built with.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct OtherTool {
    /// `rustc`, `cargo`, `host` or `relman`.
    pub name: &'static str,
    /// As recorded.
    pub published: String,
    /// Here.
    pub rebuilt: String,
}

impl fmt::Display for OtherTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OtherTool {
            name,
            published,
            rebuilt,
        } = self;
        write!(
            f,
            "{name} is not the one that the release was built with: {published} then, {rebuilt} here"
        )
    }
}

fn refused(why: String) -> Error {
    Error::refused("the provenance does not say how to build the release again").caused_by(why)
}

/// The version of a tool among the dependencies: a name with a version and no digest of its own.
fn tool(statement: &Statement, name: &str) -> String {
    let list = statement
        .predicate
        .pointer("/buildDefinition/resolvedDependencies");
    let mut list = list.and_then(Value::as_array).into_iter().flatten();
    // A crate may have a tool's name.
    let is_tool = |d: &Value| {
        let text = |name: &str| d.get(name).and_then(Value::as_str);
        text("name") == Some(name) && text("uri").is_none_or(|uri| uri.starts_with("pkg:generic/"))
    };
    let found = list.find(|d| is_tool(d));
    let version = found
        .and_then(|d| d.pointer("/annotations/version"))
        .and_then(Value::as_str);
    version.unwrap_or_default().to_owned()
}

/// Whether a recorded command is one that relman made for cargo.
fn is_cargo(command: &[String]) -> bool {
    let begins = command.iter().zip(CARGO).filter(|(a, b)| a == b).count() == CARGO.len();
    begins && command.last().is_some_and(|last| last == CARGO_LAST)
}

fn named_binaries(command: &[String]) -> Vec<String> {
    let pairs = command.iter().zip(command.iter().skip(1));
    pairs
        .filter(|(option, _)| *option == "--bin")
        .map(|(_, name)| name.clone())
        .collect()
}

#[cfg(test)]
mod tests;
