//! What a metadata entry means for environments: which release each runs from then on. Pure.

use std::collections::BTreeMap;

use crate::hash::Sha256;
use crate::limits::{MAX_CURRENT_LEN, MAX_TARGETS_LEN};
use crate::release::environment::{Current, target_name};
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
/// What begins the roles that halt environments.
const HALT: &str = "halt-";

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
        let path = format!("metadata/{file}");
        let missing =
            || Error::refused(format!("{path} is in the log, and missing here")).hint(AGAIN);
        let bytes = store.read(&path, MAX_TARGETS_LEN)?.ok_or_else(missing)?;
        let is = Sha256::of(&bytes);
        if is != *digest {
            return Err(Error::refused(format!(
                "{path} hashes to {is}, the log says {digest}"
            )));
        }
        let parsed =
            Unverified::<Targets>::parse(&bytes).map_err(|e| Error::from(e).under(path.clone()))?;
        let Some(target) = parsed
            .unverified_signed()
            .targets
            .get(&target_name(role))
            .cloned()
        else {
            continue;
        };
        let listed = Current::path_of(role, &target)?;
        let missing = || Error::refused(format!("{listed} is listed by {path}, and missing here"));
        let document = store.read(&listed, MAX_CURRENT_LEN)?.ok_or_else(missing)?;
        let current = Current::read(role, &target, &document)?;
        if current.version != version {
            continue;
        }
        found.push(Move {
            environment: role.to_owned(),
            version,
            current,
            people: people(parsed, role, policy),
        });
    }
    Ok(found)
}

/// `7.mainnet.json`.
fn environment_of(file: &str) -> Option<(u64, &str)> {
    let (version, rest) = file.split_once('.')?;
    let role = rest.strip_suffix(".json")?;
    let plain = role.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let other = OTHERS.contains(&role) || role.starts_with(HALT) || role.is_empty();
    Some((version.parse().ok()?, role)).filter(|_| plain && !other)
}

/// Who signed, of those to whom policy gave a key of this environment, whenever.
fn people(role: Unverified<Targets>, name: &str, policy: &ReleasePolicy) -> Vec<String> {
    let purpose = Purpose::Environment(name.to_owned());
    let known = |id: &String| {
        let key = policy.policy().unchecked_key(id)?;
        (key.entry.purpose == purpose).then(|| key.clone())
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
