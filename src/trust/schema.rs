//! The four kinds of TUF metadata as types. Parsing gives no trust; members that are not known are
//! kept, so that what is written again says the same.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp as Time;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::key::PublicKey;
pub use super::meta::{MetaFile, TargetFile};
use crate::hash::Sha256;
use crate::limits::{self, MAX_JSON_INTEGER};

/// The specification version that relman writes.
pub const SPEC_VERSION: &str = "1.0.31";
/// The names no delegated role may have.
pub const TOP_LEVEL: [&str; 4] = ["root", "timestamp", "snapshot", "targets"];
/// Root's member that pins the policy file: `{"sha256": hex, "length": bytes}`.
pub const POLICY_MEMBER: &str = "x-relman-policy";
/// Root's member that marks an example, which is never installed.
pub const EXAMPLE_MEMBER: &str = "x-relman-example";

/// Members that the specification does not know.
pub type Extra = BTreeMap<String, Value>;

/// What the four kinds have in common.
pub trait Role: Serialize + DeserializeOwned + Clone {
    /// The value of `_type`, and of top-level roles the name.
    const TYPE: &'static str;
    /// Longest file in bytes where nothing above lists a length.
    const MAX_LEN: u64;

    /// The value of `_type` that was read.
    fn kind(&self) -> &str;
    /// The value of `spec_version`.
    fn spec_version(&self) -> &str;
    /// Version, at least 1.
    fn version(&self) -> u64;
    /// End of validity, a whole second.
    fn expires(&self) -> Time;
    /// The keys that the role lists for itself or for roles below it.
    fn keys(&self) -> Option<&BTreeMap<String, PublicKey>>;
    /// What the types alone do not say.
    ///
    /// # Errors
    /// The first problem, in words.
    fn check_body(&self) -> Result<(), String>;

    /// Checks all of the role: kind, specification version, version and body.
    ///
    /// # Errors
    /// The first problem, in words.
    fn check(&self) -> Result<(), String> {
        if self.kind() != Self::TYPE {
            return Err(format!(
                "_type is {:?}, wanted {:?}",
                self.kind(),
                Self::TYPE
            ));
        }
        let mut parts = self.spec_version().split('.');
        let numeric = self
            .spec_version()
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        if parts.next() != Some("1") || !numeric || !(1..=2).contains(&parts.count()) {
            return Err(format!(
                "spec_version is {:?}, wanted 1.x",
                self.spec_version()
            ));
        }
        check_version("version", self.version())?;
        self.check_body()
    }
}

macro_rules! role {
    ($type:ident, $name:literal, $max:expr, $keys:expr) => {
        impl Role for $type {
            const TYPE: &'static str = $name;
            const MAX_LEN: u64 = $max;

            fn kind(&self) -> &str {
                &self.kind
            }
            fn spec_version(&self) -> &str {
                &self.spec_version
            }
            fn version(&self) -> u64 {
                self.version
            }
            fn expires(&self) -> Time {
                self.expires
            }
            fn keys(&self) -> Option<&BTreeMap<String, PublicKey>> {
                let keys: fn(&Self) -> Option<&BTreeMap<String, PublicKey>> = $keys;
                keys(self)
            }
            fn check_body(&self) -> Result<(), String> {
                $type::check_body(self)
            }
        }
    };
}
role!(Root, "root", limits::MAX_ROOT_LEN, |r| Some(&r.keys));
role!(Timestamp, "timestamp", limits::MAX_TIMESTAMP_LEN, |_| None);
role!(Snapshot, "snapshot", limits::MAX_SNAPSHOT_LEN, |_| None);
role!(Targets, "targets", limits::MAX_TARGETS_LEN, |t| t
    .delegations
    .as_ref()
    .map(|d| &d.keys));

/// Who may sign a role, by key id, and how many of them must.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleKeys {
    /// Ids of keys, without repetition.
    pub keyids: Vec<String>,
    /// Distinct keys needed, at least 1.
    pub threshold: u64,
    /// Members that the specification does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `root.json`: the keys of all top-level roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Always `root`.
    #[serde(rename = "_type")]
    pub kind: String,
    /// Version of the TUF specification.
    pub spec_version: String,
    /// Version, at least 1.
    pub version: u64,
    /// End of validity.
    #[serde(with = "super::time::expiry")]
    pub expires: Time,
    /// Whether file names carry versions and hashes.
    #[serde(default)]
    pub consistent_snapshot: bool,
    /// Keys by id.
    pub keys: BTreeMap<String, PublicKey>,
    /// Who signs the top-level roles.
    pub roles: BTreeMap<String, RoleKeys>,
    /// Members that the specification does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `timestamp.json`: which snapshot is the newest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timestamp {
    /// Always `timestamp`.
    #[serde(rename = "_type")]
    pub kind: String,
    /// Version of the TUF specification.
    pub spec_version: String,
    /// Version, at least 1.
    pub version: u64,
    /// End of validity.
    #[serde(with = "super::time::expiry")]
    pub expires: Time,
    /// One entry, `snapshot.json`.
    pub meta: BTreeMap<String, MetaFile>,
    /// Members that the specification does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `snapshot.json`: the version of every targets role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Always `snapshot`.
    #[serde(rename = "_type")]
    pub kind: String,
    /// Version of the TUF specification.
    pub spec_version: String,
    /// Version, at least 1.
    pub version: u64,
    /// End of validity.
    #[serde(with = "super::time::expiry")]
    pub expires: Time,
    /// Targets roles by file name, as `targets.json`.
    pub meta: BTreeMap<String, MetaFile>,
    /// Members that the specification does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `targets.json` and every delegated role: what there is, and who else may say so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    /// Always `targets`.
    #[serde(rename = "_type")]
    pub kind: String,
    /// Version of the TUF specification.
    pub spec_version: String,
    /// Version, at least 1.
    pub version: u64,
    /// End of validity.
    #[serde(with = "super::time::expiry")]
    pub expires: Time,
    /// Targets by path.
    pub targets: BTreeMap<String, TargetFile>,
    /// Roles that this one delegates to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegations: Option<Delegations>,
    /// Members that the specification does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Delegations in order of trust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegations {
    /// Keys of the delegated roles, by id.
    pub keys: BTreeMap<String, PublicKey>,
    /// The roles, first one first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<DelegatedRole>>,
    /// Hash bins (TAP 15): kept, and refused when a search would have to follow them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succinct_roles: Option<Value>,
    /// Members that the specification does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One delegation: a name, its signers, and the paths it is believed about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegatedRole {
    /// Role name, the file's name without `.json`.
    pub name: String,
    /// Ids of keys, without repetition.
    pub keyids: Vec<String>,
    /// Distinct keys needed, at least 1.
    pub threshold: u64,
    /// Whether a search that came here goes nowhere else.
    pub terminating: bool,
    /// Shell patterns; either these or the prefixes are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// Prefixes of the hex SHA-256 of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hash_prefixes: Option<Vec<String>>,
    /// Members that the specification does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Root {
    /// The signed mark of an example repository, which is never installed from.
    ///
    /// Anything but absence or a plain `false` counts as the mark.
    pub fn is_example(&self) -> bool {
        !matches!(
            self.extra.get(EXAMPLE_MEMBER),
            None | Some(Value::Bool(false))
        )
    }

    fn check_body(&self) -> Result<(), String> {
        for name in TOP_LEVEL {
            if !self.roles.contains_key(name) {
                return Err(format!("role {name} is missing"));
            }
        }
        for (name, role) in &self.roles {
            check_signers(name, &role.keyids, role.threshold)?;
        }
        Ok(())
    }
}

impl Timestamp {
    fn check_body(&self) -> Result<(), String> {
        check_meta(&self.meta)?;
        if !self.meta.contains_key("snapshot.json") {
            return Err("meta does not list snapshot.json".into());
        }
        Ok(())
    }
}

impl Snapshot {
    fn check_body(&self) -> Result<(), String> {
        check_meta(&self.meta)
    }
}

impl Targets {
    /// The roles that it delegates to, in order.
    pub fn roles(&self) -> &[DelegatedRole] {
        self.delegations.as_ref().map_or(&[], Delegations::roles)
    }

    /// The delegation to role `name`, if there is one.
    pub fn delegation(&self, name: &str) -> Option<(&Delegations, &DelegatedRole)> {
        let delegations = self.delegations.as_ref()?;
        let role = delegations.roles().iter().find(|role| role.name == name)?;
        Some((delegations, role))
    }

    fn check_body(&self) -> Result<(), String> {
        for (path, target) in &self.targets {
            if target.hashes.is_empty() {
                return Err(format!("target {path:?} lists no hash"));
            }
            check_integer("length", target.length)?;
        }
        let Some(delegations) = &self.delegations else {
            return Ok(());
        };
        if delegations.roles.is_some() == delegations.succinct_roles.is_some() {
            return Err("delegations need either roles or succinct_roles".into());
        }
        let mut names = BTreeSet::new();
        for role in delegations.roles() {
            role.check()?;
            if !names.insert(&role.name) {
                return Err(format!("role {:?} is delegated twice", role.name));
            }
        }
        Ok(())
    }
}

impl Delegations {
    /// The delegated roles in order; none where `succinct_roles` is used.
    pub fn roles(&self) -> &[DelegatedRole] {
        self.roles.as_deref().unwrap_or_default()
    }
}

impl DelegatedRole {
    /// Whether this role is believed about target `path`.
    pub fn matches(&self, path: &str) -> bool {
        if let Some(patterns) = &self.paths {
            return patterns
                .iter()
                .any(|pattern| super::select::glob(pattern, path));
        }
        let digest = Sha256::of(path.as_bytes()).hex();
        self.path_hash_prefixes
            .iter()
            .flatten()
            .any(|prefix| digest.starts_with(prefix.as_str()))
    }

    fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if name.is_empty() || TOP_LEVEL.contains(&name.as_str()) {
            return Err(format!("a delegated role cannot be named {name:?}"));
        }
        if self.paths.is_some() == self.path_hash_prefixes.is_some() {
            return Err(format!(
                "role {name:?} needs either paths or path_hash_prefixes"
            ));
        }
        check_signers(name, &self.keyids, self.threshold)
    }
}

fn check_signers(name: &str, keyids: &[String], threshold: u64) -> Result<(), String> {
    if threshold == 0 {
        return Err(format!("role {name:?} has threshold 0, wanted 1 or more"));
    }
    check_integer("threshold", threshold)?;
    let mut seen = BTreeSet::new();
    match keyids.iter().find(|id| !seen.insert(id.as_str())) {
        Some(id) => Err(format!("role {name:?} lists key {id} twice")),
        None => Ok(()),
    }
}

fn check_meta(meta: &BTreeMap<String, MetaFile>) -> Result<(), String> {
    for (name, file) in meta {
        check_version(&format!("version of {name:?}"), file.version)?;
        check_integer("length", file.length.unwrap_or(0))?;
        if file.hashes.as_ref().is_some_and(BTreeMap::is_empty) {
            return Err(format!("{name:?} has hashes, but none is listed"));
        }
    }
    Ok(())
}

fn check_version(what: &str, version: u64) -> Result<(), String> {
    if version == 0 {
        return Err(format!("{what} is 0, wanted 1 or more"));
    }
    check_integer(what, version)
}

fn check_integer(what: &str, value: u64) -> Result<(), String> {
    if value > MAX_JSON_INTEGER {
        return Err(format!(
            "{what} is {value}, at most {MAX_JSON_INTEGER} is accepted"
        ));
    }
    Ok(())
}
