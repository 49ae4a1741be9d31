//! The public half of a project, as `keys/` has it: copies for people, made from root and the policy
//! that it pins. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::assemble::principal;
use super::ceremony::keyring_name;
use super::policy::ReleasePolicy;
use crate::Result;
use crate::attest::sshsig;
use crate::keys::PublicKey;
use crate::trust::Root;
use crate::trust::policy::{KeyEntry, Purpose};
use crate::trust::schema::TOP_LEVEL;

/// The trust root's file, which says that all others are up to date: it is written last.
pub const ROOT_FILE: &str = "root.json";

/// File names and contents, [`ROOT_FILE`] last.
///
/// # Errors
/// A key that has no OpenSSH form.
pub fn files(
    (root, root_bytes): (&Root, &[u8]),
    (policy, policy_bytes): (&ReleasePolicy, &[u8]),
    now: Timestamp,
) -> Result<Vec<(String, Vec<u8>)>> {
    let document = policy.policy().document();
    let name = &document.project;
    let mut by_purpose: BTreeMap<String, Vec<PublicKey>> = BTreeMap::new();
    for role in TOP_LEVEL {
        let ids = root.roles.get(role).map_or(&[][..], |role| &role.keyids);
        let keys = ids
            .iter()
            .filter_map(|id| root.keys.get(id)?.ed25519_bytes());
        let keys = keys
            .map(PublicKey::from_bytes)
            .collect::<Result<Vec<_>>>()?;
        by_purpose.insert(role.to_owned(), keys);
    }
    let log = policy.log_keys().iter().map(|key| key.public());
    by_purpose.insert("log".into(), log.collect::<Result<Vec<_>>>()?);
    let mut signers = String::new();
    for entry in &document.keys {
        let key = PublicKey::from_openssh(&entry.public)?;
        if entry.purpose == Purpose::Builder {
            signers.push_str(&signer(&principal(name), entry, &key)?);
        }
        // A key that is replaced within this second ends with it.
        if entry.not_after
            > now
                .saturating_add(SignedDuration::from_secs(1))
                .unwrap_or(now)
        {
            let keys = by_purpose.entry(keyring_name(&entry.purpose)).or_default();
            keys.push(key);
        }
    }
    let vkeys = document.log.vkeys.iter().map(|vkey| format!("{vkey}\n"));
    let mut files = vec![
        ("policy.json".to_owned(), policy_bytes.to_vec()),
        (
            "log.vkey".to_owned(),
            vkeys.collect::<String>().into_bytes(),
        ),
        ("allowed_signers".to_owned(), signers.into_bytes()),
    ];
    for (purpose, keys) in by_purpose {
        let mut text = String::new();
        for key in keys {
            let line = key.to_openssh(&format!("{purpose}@{name}"))?;
            text.push_str(line.trim_end());
            text.push('\n');
        }
        files.push((format!("{purpose}.pub"), text.into_bytes()));
    }
    files.push((ROOT_FILE.to_owned(), root_bytes.to_vec()));
    Ok(files)
}

/// A builder for `ssh-keygen -Y verify`, which honours an end of validity.
fn signer(principal: &str, entry: &KeyEntry, key: &PublicKey) -> Result<String> {
    let line = sshsig::allowed_signer(principal, key)?;
    if entry.not_after.strftime("%Y").to_string() == "9999" {
        return Ok(line);
    }
    let end = entry.not_after.strftime("%Y%m%d%H%M%SZ");
    Ok(line.replacen(
        " namespaces=",
        &format!(" valid-before=\"{end}\",namespaces="),
        1,
    ))
}
