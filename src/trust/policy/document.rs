//! The policy as JSON, and what makes one consistent. Says nothing about who pinned it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64ct::{Base64, Encoding};
use jiff::Timestamp as Time;
use serde::{Deserialize, Serialize};

use super::PolicyKey;
use super::rules::{self, ApprovalRule, GateRule, TagRule};
use crate::limits::MAX_POLICY_LEN;
use crate::trust::schema::TOP_LEVEL;
use crate::trust::{json, key::PublicKey};
use crate::{Error, Result};

/// The value of `_type`.
const TYPE: &str = "relman-policy";
/// The only format there is.
const FORMAT: u64 = 1;
/// Longest environment name, in bytes.
const MAX_ENVIRONMENT_LEN: usize = 32;
/// Algorithm byte of a plain Ed25519 log key (C2SP signed-note).
const VKEY_ED25519: u8 = 1;

/// The policy file. Reading one gives no trust: [`super::Policy`] does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyDocument {
    /// Always `relman-policy`.
    #[serde(rename = "_type")]
    pub kind: String,
    /// Always 1.
    pub format: u64,
    /// Name of the project.
    pub project: String,
    /// The log that releases must be in.
    pub log: Log,
    /// All keys but TUF's top-level ones and the log's.
    pub keys: Vec<KeyEntry>,
    /// The environments, in the order that releases move through them.
    pub environments: Vec<Environment>,
    /// What a release needs before it is published.
    pub cut: Cut,
    /// When a network goes back: a watch policy, `watch.toml` as it was signed; nobody has agreed on one where it
    /// is left out. Read by the room `watch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<String>,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Origin line of its checkpoints.
    pub origin: String,
    /// Keys of the log (C2SP vkeys); one of them must have signed a checkpoint. One that is also in the
    /// list of keys counts within the validity given there.
    pub vkeys: Vec<String>,
    /// `none`, or a witness policy in C2SP's text form, which the log room judges.
    pub witnesses: String,
    /// How old, in hours, a quorum's newest cosignatures of the checkpoint may be; any age where it is
    /// left out. A log that is frozen for somebody shows by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cosignature_age_hours: Option<u64>,
}

/// A key, whose it is, what for, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// TUF key id, which must be the key's.
    pub id: String,
    /// The person who holds it; approvals are counted by person.
    pub person: String,
    /// The one thing it is for.
    pub purpose: Purpose,
    /// OpenSSH form, `ssh-ed25519 AAAA…`.
    pub public: String,
    /// First second of validity.
    #[serde(with = "crate::trust::time")]
    pub not_before: Time,
    /// First second after it.
    #[serde(with = "crate::trust::time")]
    pub not_after: Time,
    /// Whether somebody took it out of use then, instead of it running out.
    #[serde(default, skip_serializing_if = "rules::is_false")]
    pub revoked: bool,
}

/// An environment: who agrees that it runs a release, and after what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Name, which is also that of the delegated role.
    pub name: String,
    /// Ids of the keys that agree.
    pub keys: Vec<String>,
    /// How many of them must.
    pub threshold: u64,
    /// Approvals wanted beforehand.
    pub approvals: Vec<ApprovalRule>,
    /// How many independent rebuilders must have made the same archive.
    #[serde(default, skip_serializing_if = "rules::is_zero")]
    pub rebuilders: u64,
    /// Hours in the environment before it, on witnessed time.
    pub soak_hours: u64,
    /// Hours between announcement and release, on witnessed time.
    pub notice_hours: u64,
    /// The security floor: nodes neither install a release before this one nor go back to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<String>,
    /// Who may stop installs (role `halt-<environment>`); nobody where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halt: Option<KeyGroup>,
    /// Who may set aside soak, notice, order and approvals, with a written reason in the log;
    /// nobody where it is left out.
    #[serde(rename = "override", default, skip_serializing_if = "Option::is_none")]
    pub overriders: Option<KeyGroup>,
}

/// Keys, and how many of them must sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyGroup {
    /// Ids of the keys.
    pub keys: Vec<String>,
    /// How many of them must sign.
    pub threshold: u64,
}

/// What a release needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// Approvals.
    pub approvals: Vec<ApprovalRule>,
    /// Gates that must have passed.
    pub gates: Vec<GateRule>,
    /// How many independent rebuilders must have made the same archive.
    #[serde(default, skip_serializing_if = "rules::is_zero")]
    pub rebuilders: u64,
    /// What is asked of the tag.
    #[serde(default, skip_serializing_if = "TagRule::is_none")]
    pub tag: TagRule,
}

/// What a key is for. A key counts for nothing else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Purpose {
    /// Signs provenance.
    Builder,
    /// Signs log leaves about metadata.
    Publisher,
    /// Signs git tags.
    Tagger,
    /// Signs results of gates.
    Gate,
    /// Signs approvals.
    Approver,
    /// Signs statements that a rebuild gave the same bytes.
    Rebuilder,
    /// Signs checkpoints; the key is one of the log's vkeys.
    Log,
    /// Cosigns checkpoints.
    Witness,
    /// Signs receipts of installations.
    Node,
    /// Agrees to what the environment runs.
    Environment(String),
    /// Stops installs in the environment.
    Halt(String),
    /// Sets rules of the environment aside.
    Override(String),
    /// Not known to this version; counts for nothing.
    Unknown(String),
}

impl From<String> for Purpose {
    fn from(text: String) -> Self {
        match (text.as_str(), text.split_once('/')) {
            ("builder", _) => Self::Builder,
            ("publisher", _) => Self::Publisher,
            ("tagger", _) => Self::Tagger,
            ("gate", _) => Self::Gate,
            ("approver", _) => Self::Approver,
            ("rebuilder", _) => Self::Rebuilder,
            ("log", _) => Self::Log,
            ("witness", _) => Self::Witness,
            ("node", _) => Self::Node,
            (_, Some(("environment", name))) => Self::Environment(name.into()),
            (_, Some(("halt", name))) => Self::Halt(name.into()),
            (_, Some(("override", name))) => Self::Override(name.into()),
            _ => Self::Unknown(text),
        }
    }
}

impl From<Purpose> for String {
    fn from(purpose: Purpose) -> Self {
        purpose.to_string()
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builder => f.write_str("builder"),
            Self::Publisher => f.write_str("publisher"),
            Self::Tagger => f.write_str("tagger"),
            Self::Gate => f.write_str("gate"),
            Self::Approver => f.write_str("approver"),
            Self::Rebuilder => f.write_str("rebuilder"),
            Self::Log => f.write_str("log"),
            Self::Witness => f.write_str("witness"),
            Self::Node => f.write_str("node"),
            Self::Environment(name) => write!(f, "environment/{name}"),
            Self::Halt(name) => write!(f, "halt/{name}"),
            Self::Override(name) => write!(f, "override/{name}"),
            Self::Unknown(text) => f.write_str(text),
        }
    }
}

impl KeyEntry {
    /// An entry for `key`.
    ///
    /// # Errors
    /// A key that is not Ed25519.
    pub fn new(
        key: &PublicKey,
        person: &str,
        purpose: Purpose,
        not_before: Time,
        not_after: Time,
    ) -> Result<Self> {
        let id = key.id()?;
        let public = key.to_openssh().ok_or_else(|| {
            Error::refused(format!(
                "key {id} is of type {}, wanted ed25519",
                key.keytype
            ))
        })?;
        Ok(KeyEntry {
            id,
            person: person.into(),
            purpose,
            public,
            not_before,
            not_after,
            revoked: false,
        })
    }

    /// Whether the key has `purpose` and is valid at `at`. No key counts for an unknown purpose.
    pub fn counts_for(&self, purpose: &Purpose, at: Time) -> bool {
        !matches!(purpose, Purpose::Unknown(_))
            && self.purpose == *purpose
            && self.not_before <= at
            && at < self.not_after
    }
}

impl PolicyDocument {
    /// A policy without keys and environments, as a project starts.
    pub fn new(project: &str, origin: &str) -> Self {
        PolicyDocument {
            kind: TYPE.into(),
            format: FORMAT,
            project: project.into(),
            log: Log {
                origin: origin.into(),
                vkeys: Vec::new(),
                witnesses: "none".into(),
                max_cosignature_age_hours: None,
            },
            keys: Vec::new(),
            environments: Vec::new(),
            cut: Cut {
                approvals: Vec::new(),
                gates: Vec::new(),
                rebuilders: 0,
                tag: TagRule::default(),
            },
            watch: None,
        }
    }

    /// The file: sorted keys, one newline at the end. [`super::Pin::of`] it goes into root.
    ///
    /// # Errors
    /// A policy that [`super::Policy::parse_pinned`] would refuse.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.check()?;
        let value = serde_json::to_value(self).map_err(|e| Error::refused(e.to_string()))?;
        let bytes = json::pretty(&value)?;
        let found = bytes.len() as u64;
        if found > MAX_POLICY_LEN {
            return refuse(format!(
                "it is {found} bytes, at most {MAX_POLICY_LEN} are accepted"
            ));
        }
        Ok(bytes)
    }

    /// Checks the policy in itself and gives its keys by id.
    pub(super) fn check(&self) -> Result<BTreeMap<String, PolicyKey>> {
        if self.kind != TYPE || self.format != FORMAT {
            return refuse(format!(
                "it is {:?} format {}, wanted {TYPE:?} format {FORMAT}",
                self.kind, self.format
            ));
        }
        if self.project.is_empty() || self.log.origin.is_empty() {
            return refuse("project and log origin must not be empty".into());
        }
        let keys = self.check_keys()?;
        match self.log.max_cosignature_age_hours {
            Some(0) => {
                return refuse("log.max_cosignature_age_hours is 0, wanted 1 or more".into());
            }
            Some(_) if self.log.witnesses == "none" => {
                return refuse("it limits the age of cosignatures, and has no witnesses".into());
            }
            _ => {}
        }
        rules::check(&self.cut.approvals, &self.cut.gates).or_else(refuse)?;
        rules::check_watch(self.watch.as_deref()).or_else(refuse)?;
        let mut names = BTreeSet::new();
        for environment in &self.environments {
            environment.check_name()?;
            if !names.insert(&environment.name) {
                return refuse(format!("environment {:?} is there twice", environment.name));
            }
            self.check_environment(environment, &keys)?;
        }
        Ok(keys)
    }

    fn check_keys(&self) -> Result<BTreeMap<String, PolicyKey>> {
        let mut owners: BTreeMap<[u8; 32], String> = BTreeMap::new();
        let mut logs = BTreeSet::new();
        for vkey in &self.log.vkeys {
            let Some(bytes) = vkey_bytes(vkey) else {
                return refuse(format!("log key {vkey:?} is not an Ed25519 vkey"));
            };
            if owners.insert(bytes, format!("log key {vkey:?}")).is_some() {
                return refuse(format!("log key {vkey:?} is there twice"));
            }
            logs.insert(bytes);
        }
        let mut keys = BTreeMap::new();
        for entry in &self.keys {
            let key = PublicKey::from_openssh(&entry.public)
                .map_err(|e| Error::from(e).under(format!("policy key {}", entry.id)))?;
            let id = key.id()?;
            if id != entry.id {
                return refuse(format!("key {} has id {id} by its content", entry.id));
            }
            let Some(bytes) = key.ed25519_bytes() else {
                return refuse(format!("key {id} is not a usable Ed25519 key"));
            };
            let owner = format!("{} key of {}", entry.purpose, entry.person);
            let other = owners.insert(bytes, owner.clone());
            if entry.purpose == Purpose::Log {
                // The vkeys say what the log's keys are, this one says whose and how long.
                if !logs.remove(&bytes) {
                    return refuse(format!(
                        "{owner} (key {id}) is none of log.vkeys, or is there twice"
                    ));
                }
            } else if let Some(other) = other {
                return refuse(format!("one key is both {other} and {owner} (key {id})"));
            }
            if entry.person.is_empty() {
                return refuse(format!("key {id} names no person"));
            }
            if entry.not_before >= entry.not_after {
                return refuse(format!("key {id} is valid at no time"));
            }
            let entry = entry.clone();
            keys.insert(id, PolicyKey { entry, key, bytes });
        }
        Ok(keys)
    }

    fn check_environment(
        &self,
        environment: &Environment,
        keys: &BTreeMap<String, PolicyKey>,
    ) -> Result<()> {
        let name = &environment.name;
        rules::check(&environment.approvals, &[]).or_else(refuse)?;
        let purpose = Purpose::Environment(name.clone());
        check_role(
            name,
            &environment.keys,
            environment.threshold,
            &purpose,
            keys,
        )?;
        if let Some(halt) = &environment.halt {
            let role = format!("halt-{name}");
            check_role(
                &role,
                &halt.keys,
                halt.threshold,
                &Purpose::Halt(name.clone()),
                keys,
            )?;
        }
        if let Some(group) = &environment.overriders {
            let purpose = Purpose::Override(name.clone());
            check_role(
                &format!("override/{name}"),
                &group.keys,
                group.threshold,
                &purpose,
                keys,
            )?;
        }
        let waits = environment.soak_hours > 0 || environment.notice_hours > 0;
        if waits && self.log.witnesses == "none" {
            return Err(Error::refused(format!(
                "policy wants {} hours of soak and {} of notice before {name}, and has no witnesses to tell the time",
                environment.soak_hours, environment.notice_hours
            ))
            .hint("name witnesses in the policy's log, or set soak_hours and notice_hours to 0"));
        }
        Ok(())
    }
}

impl Environment {
    fn check_name(&self) -> Result<()> {
        let name = self.name.as_str();
        let shape = !name.is_empty()
            && name.len() <= MAX_ENVIRONMENT_LEN
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !shape || name == "local" || name.starts_with("halt-") || TOP_LEVEL.contains(&name) {
            return refuse(format!("an environment cannot be named {name:?}"));
        }
        Ok(())
    }
}

fn check_role(
    role: &str,
    ids: &[String],
    threshold: u64,
    purpose: &Purpose,
    keys: &BTreeMap<String, PolicyKey>,
) -> Result<()> {
    let distinct: BTreeSet<&String> = ids.iter().collect();
    if distinct.len() != ids.len() {
        return refuse(format!("role {role} lists a key twice"));
    }
    if threshold == 0 || threshold > ids.len() as u64 {
        return refuse(format!(
            "role {role} has threshold {threshold} of {} keys",
            ids.len()
        ));
    }
    for id in ids {
        match keys.get(id) {
            Some(key) if key.entry.purpose == *purpose => {}
            Some(key) => {
                return refuse(format!(
                    "role {role} lists key {id}, which is for {}, wanted {purpose}",
                    key.entry.purpose
                ));
            }
            None => {
                return refuse(format!(
                    "role {role} lists key {id}, which is not among the keys"
                ));
            }
        }
    }
    Ok(())
}

/// The public key in a C2SP vkey, `name+hash+base64`.
fn vkey_bytes(vkey: &str) -> Option<[u8; 32]> {
    let mut parts = vkey.splitn(3, '+');
    let (_name, _hash, key) = (parts.next()?, parts.next()?, parts.next()?);
    let key = Base64::decode_vec(key).ok()?;
    let (algorithm, public) = key.split_first()?;
    (*algorithm == VKEY_ED25519).then(|| public.try_into().ok())?
}

fn refuse<T>(problem: String) -> Result<T> {
    Err(Error::refused(format!("policy is malformed: {problem}")))
}
