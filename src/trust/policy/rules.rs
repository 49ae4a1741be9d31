//! What a policy asks of a release: gates, approvals, rebuilders, and of the tag it was cut from. Pure.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::limits::{MAX_ROLE_NAME_LEN, MAX_RULES, MAX_WATCH_POLICY_LEN};
use crate::{Error, Result};

/// An approval that is wanted: in which role, by how many people, and by whom.
///
/// In the file: the role's name alone where all else is the default, an object otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalRule {
    /// What is approved, such as `code-review`, `security`, `qa`: lower-case kebab.
    pub role: String,
    /// How many different people must have approved.
    pub people: u64,
    /// Whether whoever signed the tag does not count.
    pub not_author: bool,
    /// Whether an approval must name evidence: a link, or a file by its digest.
    pub evidence: bool,
    /// The only people whose approval counts; empty for everybody with an approver's key.
    pub from: Vec<String>,
}

/// A gate that must have passed.
///
/// In the file: its name alone where nothing more is asked, an object otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateRule {
    /// The gate's name, as `relman.toml` has it: lower-case kebab.
    pub name: String,
    /// Fewest tests that must have run.
    pub min_tests: Option<u64>,
    /// Least line coverage of the critical paths, in percent.
    pub min_coverage: Option<u64>,
    /// The command that must have been run; empty for whatever the project configured.
    pub command: Vec<String>,
}

/// What is asked of the tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TagRule {
    /// It is signed by a key with purpose `tagger`.
    #[serde(skip_serializing_if = "is_false")]
    pub signed: bool,
    /// Its commit descends from the tag of the release before it (the phase before, or an earlier
    /// version).
    #[serde(skip_serializing_if = "is_false")]
    pub descends: bool,
    /// Its commit lies on one of these branches; `*` stands for any characters. Empty for any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<String>,
}

impl TagRule {
    /// Whether nothing is asked.
    pub fn is_none(&self) -> bool {
        *self == TagRule::default()
    }
}

impl fmt::Display for TagRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.signed {
            parts.push("signed".to_owned());
        }
        if self.descends {
            parts.push("descends".to_owned());
        }
        if !self.branches.is_empty() {
            parts.push(format!("branch {}", self.branches.join(" or ")));
        }
        match parts.is_empty() {
            true => f.write_str("nothing"),
            false => f.write_str(&parts.join(", ")),
        }
    }
}

impl ApprovalRule {
    /// One approval in `role`, by anybody who may approve.
    pub fn new(role: &str) -> Self {
        ApprovalRule {
            role: role.into(),
            people: 1,
            not_author: false,
            evidence: false,
            from: Vec::new(),
        }
    }

    /// As people type it: `code-review:2:not-author`.
    ///
    /// # Errors
    /// Usage: a role that is no name, an option that is none.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parts = text.split(':').map(str::trim);
        let mut rule = ApprovalRule::new(parts.next().unwrap_or_default());
        for part in parts {
            match (part, part.parse::<u64>(), part.split_once('=')) {
                (_, Ok(people), _) => rule.people = people,
                ("not-author", ..) => rule.not_author = true,
                ("evidence", ..) => rule.evidence = true,
                (_, _, Some(("from", names))) => {
                    rule.from = names.split('+').map(str::to_owned).collect();
                }
                _ => {
                    return Err(Error::usage(format!("approval {text:?} has {part:?}")).hint(
                        "ROLE[:PEOPLE][:not-author][:evidence][:from=NAME+NAME], such as code-review:2:not-author",
                    ));
                }
            }
        }
        rule.check().map_err(Error::usage)?;
        Ok(rule)
    }

    fn words(&self) -> String {
        let mut out = self.role.clone();
        if self.people != 1 {
            out.push_str(&format!(":{}", self.people));
        }
        for (set, word) in [(self.not_author, "not-author"), (self.evidence, "evidence")] {
            if set {
                out.push_str(&format!(":{word}"));
            }
        }
        if !self.from.is_empty() {
            out.push_str(&format!(":from={}", self.from.join("+")));
        }
        out
    }

    fn check(&self) -> Result<(), String> {
        check_name("approval", &self.role)?;
        if self.people == 0 {
            return Err(format!("approval {} is wanted of nobody", self.role));
        }
        if !self.from.is_empty() && self.people > self.from.len() as u64 {
            return Err(format!(
                "approval {} is wanted of {} people, and only {} may give it",
                self.role,
                self.people,
                self.from.len()
            ));
        }
        Ok(())
    }
}

impl GateRule {
    /// A gate that must have passed, and no more.
    pub fn new(name: &str) -> Self {
        GateRule {
            name: name.into(),
            min_tests: None,
            min_coverage: None,
            command: Vec::new(),
        }
    }

    /// As people type it: `test:tests=60:coverage=90`.
    ///
    /// # Errors
    /// Usage: a gate that is no name, an option that is none.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parts = text.split(':').map(str::trim);
        let mut rule = GateRule::new(parts.next().unwrap_or_default());
        for part in parts {
            let number = |text: &str| text.parse::<u64>().ok();
            match part.split_once('=').map(|(k, v)| (k, number(v))) {
                Some(("tests", Some(n))) => rule.min_tests = Some(n),
                Some(("coverage", Some(n))) => rule.min_coverage = Some(n),
                _ => {
                    return Err(Error::usage(format!("gate {text:?} has {part:?}"))
                        .hint("NAME[:tests=N][:coverage=PERCENT], such as test:tests=60"));
                }
            }
        }
        rule.check().map_err(Error::usage)?;
        Ok(rule)
    }

    fn words(&self) -> String {
        let mut out = self.name.clone();
        if let Some(n) = self.min_tests {
            out.push_str(&format!(":tests={n}"));
        }
        if let Some(n) = self.min_coverage {
            out.push_str(&format!(":coverage={n}"));
        }
        if !self.command.is_empty() {
            out.push_str(&format!(" by `{}`", self.command.join(" ")));
        }
        out
    }

    fn check(&self) -> Result<(), String> {
        check_name("gate", &self.name)?;
        match self.min_coverage {
            Some(percent) if percent > 100 => Err(format!(
                "gate {} wants {percent} percent of coverage",
                self.name
            )),
            _ => Ok(()),
        }
    }
}

/// As [`ApprovalRule::parse`] reads it.
impl fmt::Display for ApprovalRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words())
    }
}

/// As [`GateRule::parse`] reads it, but for a command.
impl fmt::Display for GateRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words())
    }
}

/// Whether a watch policy is there and not too long; what it says is read by the room `watch`.
///
/// # Errors
/// It is empty, or longer than one is read.
pub(super) fn check_watch(text: Option<&str>) -> Result<(), String> {
    match text.map(str::len) {
        Some(found) if found == 0 || found as u64 > MAX_WATCH_POLICY_LEN => Err(format!(
            "its watch policy has {found} bytes, wanted 1 to {MAX_WATCH_POLICY_LEN}"
        )),
        _ => Ok(()),
    }
}

/// Checks lists of rules in themselves.
///
/// # Errors
/// A name that is none or is there twice; numbers that cannot be met; too many rules.
pub(super) fn check(approvals: &[ApprovalRule], gates: &[GateRule]) -> Result<(), String> {
    if approvals.len().max(gates.len()) > MAX_RULES {
        return Err(format!("more than {MAX_RULES} approvals or gates"));
    }
    for (at, rule) in approvals.iter().enumerate() {
        rule.check()?;
        if approvals.iter().skip(at + 1).any(|r| r.role == rule.role) {
            return Err(format!("approval {} is there twice", rule.role));
        }
    }
    for (at, rule) in gates.iter().enumerate() {
        rule.check()?;
        if gates.iter().skip(at + 1).any(|r| r.name == rule.name) {
            return Err(format!("gate {} is there twice", rule.name));
        }
    }
    Ok(())
}

/// Whether `name` can be a role's or a gate's: lower-case kebab, as in tags.
pub fn is_rule_name(name: &str) -> bool {
    name.len() <= MAX_ROLE_NAME_LEN
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && !name.contains("--")
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn check_name(what: &str, name: &str) -> Result<(), String> {
    match is_rule_name(name) {
        true => Ok(()),
        false => Err(format!(
            "{what} {name:?} is no name, wanted lower-case words with `-` between, such as code-review"
        )),
    }
}

/// What is not so is left out of the file.
pub(super) fn is_false(value: &bool) -> bool {
    !value
}

/// How many rebuilders are wanted; 0 is left out of the file.
pub(super) fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenApproval {
    role: String,
    #[serde(default = "one")]
    people: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    not_author: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    evidence: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    from: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenGate {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_tests: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_coverage: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    command: Vec<String>,
}

fn one() -> u64 {
    1
}

impl Serialize for ApprovalRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rule = self.clone();
        if rule == ApprovalRule::new(&rule.role) {
            return serializer.serialize_str(&rule.role);
        }
        WrittenApproval {
            role: rule.role,
            people: rule.people,
            not_author: rule.not_author,
            evidence: rule.evidence,
            from: rule.from,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ApprovalRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if let Some(role) = value.as_str() {
            return Ok(ApprovalRule::new(role));
        }
        let rule = WrittenApproval::deserialize(value).map_err(D::Error::custom)?;
        Ok(ApprovalRule {
            role: rule.role,
            people: rule.people,
            not_author: rule.not_author,
            evidence: rule.evidence,
            from: rule.from,
        })
    }
}

impl Serialize for GateRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rule = self.clone();
        if rule == GateRule::new(&rule.name) {
            return serializer.serialize_str(&rule.name);
        }
        WrittenGate {
            name: rule.name,
            min_tests: rule.min_tests,
            min_coverage: rule.min_coverage,
            command: rule.command,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for GateRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if let Some(name) = value.as_str() {
            return Ok(GateRule::new(name));
        }
        let rule = WrittenGate::deserialize(value).map_err(D::Error::custom)?;
        Ok(GateRule {
            name: rule.name,
            min_tests: rule.min_tests,
            min_coverage: rule.min_coverage,
            command: rule.command,
        })
    }
}
