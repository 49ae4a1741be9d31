//! The two statements of a receipt: what was done, in a predicate of relman's own, and the verification,
//! as SLSA's summary (slsa.dev, "Verification Summary Attestation", v1). Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::attest::{Statement, Subject};
use crate::hash::Sha256;
use crate::keys::PublicKey;
use crate::limits::{MAX_RECEIPT_HEALTH_LEN, MAX_RECEIPT_TEXT};
use crate::log::{Checkpoint, Note};
use crate::release::state;
use crate::trust::policy::Pin;
use crate::trust::{Root, Unverified, schema::Targets};

/// What was done on a node (docs/receipts.md).
pub const DEPLOYMENT: &str = "urn:relman:deployment:v1";
/// A verification, in SLSA's words.
pub const SUMMARY: &str = "https://slsa.dev/verification_summary/v1";
/// What this verification asks of a build is that its provenance is signed by a builder of policy.
const LEVEL: &str = "SLSA_BUILD_LEVEL_1";

/// A node by name and network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeName {
    /// Its name in `node.toml`.
    pub name: String,
    /// Its environment.
    pub environment: String,
}

/// The log's head that a node has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Entries.
    pub size: u64,
    /// Root hash.
    pub root: Sha256,
}

/// What a node had seen of the store when the operation ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The newest checkpoint.
    pub checkpoint: Option<Head>,
    /// Versions of metadata by role.
    pub metadata: Map<String, Value>,
}

/// The predicate of [`DEPLOYMENT`]. Members that are not known are ignored when it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Which node.
    pub node: NodeName,
    /// Its receipts are counted from 1.
    pub sequence: u64,
    /// Digest of the line of the receipt before; none for the first.
    pub previous: Option<Sha256>,
    /// `install` or `rollback`.
    pub operation: String,
    /// `committed`, `reverted`, `unhealthy`, or `refused` where nothing was changed.
    pub outcome: String,
    /// The release that was to run.
    pub release: String,
    /// Digest of its archive, as far as it is known.
    pub archive: Option<Sha256>,
    /// What ran before.
    pub before: Option<String>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// When it began, by the node's clock, RFC 3339; of a refusal, when it was refused.
    pub started: String,
    /// When it ended.
    pub ended: String,
    /// Digest of the program that the daemon's process runs, measured.
    pub running: Option<Sha256>,
    /// The report of the health check.
    pub health: Value,
    /// Digest of the line with the verification's summary, if there is one.
    pub verification: Option<Sha256>,
    /// What the node had seen.
    pub seen: Seen,
    /// Digest of the newest line of the node's history that has a receipt.
    pub history: Option<Sha256>,
    /// Written by a later command, from the history: the one that did it could not.
    pub late: bool,
    /// The version of relman.
    pub relman: String,
}

impl Deployment {
    /// The statement. Its subject is the archive; where that is not known, the node's public key.
    pub fn statement(&self, key: &PublicKey) -> Statement {
        let subject = match self.archive {
            Some(archive) => archive_subject(&self.release, archive),
            None => Subject::new(format!("{}.pub", self.node.name), Sha256::of(key.bytes())),
        };
        let predicate = serde_json::to_value(self).unwrap_or_default();
        Statement::new(vec![subject], DEPLOYMENT, predicate)
    }

    /// Whether something was left as it was.
    pub fn is_refusal(&self) -> bool {
        self.outcome == REFUSED
    }
}

/// The outcome of what was not begun.
pub const REFUSED: &str = "refused";

fn archive_subject(tag: &str, archive: Sha256) -> Subject {
    Subject::new(format!("{tag}.tar.gz"), archive)
}

/// Facts out of stored metadata that was verified when it was stored.
pub struct Stored<'a>(pub &'a [(String, Vec<u8>)]);

impl Stored<'_> {
    fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, bytes)| bytes.as_slice())
    }

    /// Checkpoint and versions.
    pub fn seen(&self) -> Seen {
        let head = || {
            let note = Note::parse(self.get("checkpoint")?).ok()?;
            let head = *Checkpoint::parse(note.unverified_text()).ok()?.head();
            Some(Head {
                size: head.size,
                root: head.root,
            })
        };
        let roles = self.0.iter().filter_map(|(name, bytes)| {
            let role = name.strip_suffix(".json")?;
            let file: Value = serde_json::from_slice(bytes).ok()?;
            let version = file.get("signed")?.get("version")?.as_u64()?;
            Some((role.to_owned(), version.into()))
        });
        Seen {
            checkpoint: head(),
            metadata: roles.collect(),
        }
    }

    /// The policy that the root pins.
    pub fn policy(&self) -> Option<Sha256> {
        let root = Unverified::<Root>::parse(self.get("root.json")?).ok()?;
        let pin = Pin::from_root(root.unverified_signed()).ok()?;
        Some(pin.sha256)
    }

    /// The digest that the archive of `tag` has to have.
    pub fn archive(&self, tag: &str) -> Option<Sha256> {
        let targets = Unverified::<Targets>::parse(self.get("targets.json")?).ok()?;
        let released = state::find(targets.unverified_signed(), tag).ok()?;
        Some(released.sha256)
    }

    /// Everything that was signed and looked at.
    fn attestations(&self) -> Vec<Value> {
        let signed = |name: &str| name.ends_with(".intoto.jsonl") || name.ends_with(".tlog-proof");
        let found = self.0.iter().filter(|(name, _)| signed(name));
        found
            .map(|(name, bytes)| {
                json!({
                    "uri": format!("urn:relman:evidence:{name}"),
                    "digest": { "sha256": Sha256::of(bytes) },
                })
            })
            .collect()
    }
}

/// The summary of a verification of `tag`; none where it is not known what was held against what.
pub fn summary(
    (tag, archive): (&str, Sha256),
    passed: bool,
    at: &str,
    stored: &Stored,
    key: &PublicKey,
) -> Option<Statement> {
    let policy = stored.policy()?;
    let (result, level) = match passed {
        true => ("PASSED", LEVEL),
        false => ("FAILED", "FAILED"),
    };
    let mut predicate = json!({
        "verifier": { "id": format!("urn:relman:node:{}", key.keyid()) },
        "timeVerified": at,
        "resourceUri": format!("urn:relman:release:{tag}"),
        "policy": {
            "uri": format!("urn:relman:policy:{policy}"),
            "digest": { "sha256": policy },
        },
        "verificationResult": result,
        "verifiedLevels": [level],
        "slsaVersion": "1.1",
    });
    let attestations = stored.attestations();
    if passed && !attestations.is_empty() {
        predicate["inputAttestations"] = attestations.into();
    }
    Some(Statement::new(
        vec![archive_subject(tag, archive)],
        SUMMARY,
        predicate,
    ))
}

/// A report as it can be signed: without fractions, which readers of JSON do not agree on, and not long.
pub fn health(report: Option<&impl Serialize>) -> Value {
    let value = report.map_or(Value::Null, |report| {
        serde_json::to_value(report).unwrap_or_default()
    });
    let value = plain(value);
    if value.to_string().len() <= MAX_RECEIPT_HEALTH_LEN {
        return value;
    }
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_array() && !value.is_object())
            .map(|(name, value)| match value {
                Value::String(text) => (name, short(&text).into()),
                value => (name, value),
            })
            .collect::<Map<_, _>>()
            .into(),
        _ => Value::Null,
    }
}

fn plain(value: Value) -> Value {
    match value {
        Value::Number(n) if n.as_i64().is_none() => n.to_string().into(),
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(members) => {
            let members = members.into_iter();
            Value::Object(members.map(|(name, value)| (name, plain(value))).collect())
        }
        value => value,
    }
}

/// As much of a text as a receipt takes.
pub fn short(text: &str) -> String {
    text.chars().take(MAX_RECEIPT_TEXT).collect()
}
