//! What a metadata entry means for environments: which release each runs from then on, and what was halted. Pure.

use std::collections::BTreeMap;

use crate::hash::Sha256;
use crate::limits::{MAX_CURRENT_LEN, MAX_TARGETS_LEN};
use crate::release::environment::{Current, target_name};
use crate::release::halt::{self, Halt};
use crate::release::leaf::MetadataLeaf;
use crate::release::policy::ReleasePolicy;
use crate::store::Reader;
use crate::trust::policy::Purpose;
use crate::trust::verify::Signers;
use crate::trust::{PublicKey, Targets, Unverified};
use crate::{Error, Result};

/// Roles that are no environments.
const OTHERS: [&str; 4] = ["root", "targets", "snapshot", "timestamp"];
/// The log comes before what it tells of.
const AGAIN: &str =
    "somebody may be publishing: run it again; if it stays, see what else is missing: relman audit";

/// A version of an environment's role with which it was moved to a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The environment.
    pub environment: String,
    /// The version of its role.
    pub version: u64,
    /// What it runs from then on.
    pub current: Current,
    /// Those who agreed, as policy names them, each once.
    pub people: Vec<String>,
}

/// A halt of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halted {
    /// What it says.
    pub halt: Halt,
    /// Those who signed it, as policy names them, each once.
    pub people: Vec<String>,
}

/// The moves that an entry of the log brings, in the order of the environments' names. Versions that
/// only sign anew what ran already are none.
///
/// The log has the digest of each role, and the role that of what it lists: what is read here is what
/// was logged. Whether it was allowed is for nodes and audits to say.
///
/// # Errors
/// Refused: a file that is missing, other bytes than logged or listed, malformed.
pub fn moves(store: &dyn Reader, policy: &ReleasePolicy, leaf: &MetadataLeaf) -> Result<Vec<Move>> {
    let mut found = Vec::new();
    for (file, digest) in &leaf.files {
        let Some((version, role)) = environment_of(file) else {
            continue;
        };
        let parsed = logged(store, file, *digest)?;
        let targets = &parsed.unverified_signed().targets;
        let Some(target) = targets.get(&target_name(role)).cloned() else {
            continue;
        };
        let listed = Current::path_of(role, &target)?;
        let missing = || {
            Error::refused(format!(
                "{listed} is listed by metadata/{file}, and missing here"
            ))
        };
        let document = store.read(&listed, MAX_CURRENT_LEN)?.ok_or_else(missing)?;
        let current = Current::read(role, &target, &document)?;
        if current.version != version {
            continue;
        }
        found.push(Move {
            environment: role.to_owned(),
            version,
            current,
            people: people(parsed, role, &Purpose::Environment(role.to_owned()), policy),
        });
    }
    Ok(found)
}

/// The halts that an entry of the log brings, or lists again because their roles were signed anew.
///
/// # Errors
/// As [`moves`].
pub fn halts(
    store: &dyn Reader,
    policy: &ReleasePolicy,
    leaf: &MetadataLeaf,
) -> Result<Vec<Halted>> {
    let mut found = Vec::new();
    for (file, digest) in &leaf.files {
        let Some((_, role)) = role_of(file) else {
            continue;
        };
        let Some(environment) = halt::environment_of(role) else {
            continue;
        };
        let parsed = logged(store, file, *digest)?;
        let targets = &parsed.unverified_signed().targets;
        let Some(target) = targets.get(&halt::target_name(environment)) else {
            continue;
        };
        let halt = Halt::of(environment, target)?;
        let purpose = Purpose::Halt(environment.to_owned());
        found.push(Halted {
            halt,
            people: people(parsed, role, &purpose, policy),
        });
    }
    Ok(found)
}

/// A role's file, as the log has it.
fn logged(store: &dyn Reader, file: &str, digest: Sha256) -> Result<Unverified<Targets>> {
    let path = format!("metadata/{file}");
    let missing = || Error::refused(format!("{path} is in the log, and missing here")).hint(AGAIN);
    let bytes = store.read(&path, MAX_TARGETS_LEN)?.ok_or_else(missing)?;
    let is = Sha256::of(&bytes);
    if is != digest {
        return Err(Error::refused(format!(
            "{path} hashes to {is}, the log says {digest}"
        )));
    }
    Unverified::<Targets>::parse(&bytes).map_err(|e| Error::from(e).under(path))
}

/// `7.mainnet.json`, of an environment.
fn environment_of(file: &str) -> Option<(u64, &str)> {
    role_of(file).filter(|(_, role)| halt::environment_of(role).is_none())
}

/// `7.mainnet.json`, of an environment or of what halts one.
fn role_of(file: &str) -> Option<(u64, &str)> {
    let (version, rest) = file.split_once('.')?;
    let role = rest.strip_suffix(".json")?;
    let plain = role.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let other = OTHERS.contains(&role) || role.is_empty();
    Some((version.parse().ok()?, role)).filter(|_| plain && !other)
}

/// Who signed, of those to whom policy gave a key for this purpose, whenever.
fn people(
    role: Unverified<Targets>,
    name: &str,
    purpose: &Purpose,
    policy: &ReleasePolicy,
) -> Vec<String> {
    let known = |id: &String| {
        let key = policy.policy().unchecked_key(id)?;
        (key.entry.purpose == *purpose).then(|| key.clone())
    };
    let ids = role
        .signatures()
        .iter()
        .map(|signature| signature.keyid.clone());
    let keys: BTreeMap<String, PublicKey> = ids
        .filter_map(|id| known(&id).map(|key| (id, key.key)))
        .collect();
    let keyids: Vec<String> = keys.keys().cloned().collect();
    let signers = Signers {
        keys: &keys,
        keyids: &keyids,
        threshold: 1,
    };
    let Ok(verified) = role.verify(name, "policy", signers) else {
        return Vec::new();
    };
    let mut people: Vec<String> = verified
        .signers()
        .iter()
        .filter_map(|id| Some(known(id)?.entry.person))
        .collect();
    people.sort();
    people.dedup();
    people
}
