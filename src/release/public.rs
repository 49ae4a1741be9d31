//! The public half of a project, as `keys/` has it: copies for people, made from root and the policy
//! that it pins. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::assemble::principal;
use super::ceremony::keyring_name;
use super::policy::ReleasePolicy;
use crate::Result;
use crate::attest::sshsig::{self, AllowedSigner};
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
    // A key that is replaced within this second ends with it.
    let soon = now.saturating_add(SignedDuration::from_secs(1));
    let soon = soon.unwrap_or(now);
    let logs = policy.log_keys_at(soon);
    let log = logs.iter().map(|key| key.public());
    by_purpose.insert("log".into(), log.collect::<Result<Vec<_>>>()?);
    let people = People::of(&document.keys);
    let mut signers = String::new();
    for entry in &document.keys {
        let key = PublicKey::from_openssh(&entry.public)?;
        signers.push_str(&signer(name, entry, &people)?);
        if entry.not_after > soon && entry.purpose != Purpose::Log {
            let keys = by_purpose.entry(keyring_name(&entry.purpose)).or_default();
            keys.push(key);
        }
    }
    let vkeys = logs.iter().map(|vkey| format!("{vkey}\n"));
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

/// Who signs something that OpenSSH verifies: builders the sums, taggers git's tags. Of other purposes
/// nothing is signed that way.
fn signer(project: &str, entry: &KeyEntry, names: &People) -> Result<String> {
    let (principals, namespace) = match entry.purpose {
        Purpose::Builder => (principal(project), sshsig::NAMESPACE),
        Purpose::Tagger => {
            // The first that matches is the one that git shows.
            let person = names.principal(&entry.person, project);
            let all = person.into_iter().chain([format!("tagger@{project}")]);
            (all.collect::<Vec<_>>().join(","), sshsig::GIT_NAMESPACE)
        }
        _ => return Ok(String::new()),
    };
    AllowedSigner {
        principals: &principals,
        namespace,
        not_before: entry.not_before,
        not_after: entry.not_after,
        key: &PublicKey::from_openssh(&entry.public)?,
    }
    .line()
}

/// The people of a policy as principals: their names in ASCII, where that is a name of nobody else
/// and of no purpose.
struct People(BTreeMap<String, BTreeSet<String>>);

impl People {
    fn of(keys: &[KeyEntry]) -> Self {
        let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for entry in keys {
            names
                .entry(plain(&entry.person))
                .or_default()
                .insert(entry.person.clone());
            names
                .entry(keyring_name(&entry.purpose))
                .or_default()
                .insert(String::new());
        }
        People(names)
    }

    fn principal(&self, person: &str, project: &str) -> Option<String> {
        let name = plain(person);
        let alone = self.0.get(&name).is_some_and(|people| people.len() == 1);
        (alone && !name.is_empty()).then(|| format!("{name}@{project}"))
    }
}

/// Letters and digits in lower case, `-` for everything between.
fn plain(person: &str) -> String {
    let words = person.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seed: u8, person: &str, purpose: Purpose, until: &str) -> KeyEntry {
        let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key();
        let key = PublicKey::from_bytes(key.to_bytes()).unwrap();
        let (from, until) = ("2026-01-01T00:00:00Z".parse(), until.parse());
        KeyEntry::new(&key.into(), person, purpose, from.unwrap(), until.unwrap()).unwrap()
    }

    fn lines(keys: &[KeyEntry]) -> Vec<String> {
        let people = People::of(keys);
        let lines = keys.iter().map(|k| signer("timed", k, &people).unwrap());
        let options = lines.map(|l| {
            l.split(" ssh-ed25519")
                .next()
                .unwrap_or_default()
                .to_owned()
        });
        options.collect()
    }

    #[test]
    fn builders_sign_sums_and_taggers_sign_tags_within_their_time_and_nobody_else_signs() {
        let end = "2027-01-01T00:00:00Z";
        let found = lines(&[
            entry(1, "Ann", Purpose::Builder, "9999-12-01T00:00:00Z"),
            entry(2, "Ben O'Neil", Purpose::Tagger, end),
            entry(3, "Ann", Purpose::Approver, end),
        ]);
        let wanted = [
            "builder@timed valid-after=\"20260101000000Z\",namespaces=\"relman\"",
            "ben-o-neil@timed,tagger@timed valid-after=\"20260101000000Z\",\
             valid-before=\"20261231235959Z\",namespaces=\"git\"",
            "",
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_name_that_two_people_or_a_purpose_could_mean_is_no_principal() {
        let end = "2027-01-01T00:00:00Z";
        let people = [
            "Ann Lee",
            "ann-lee",
            "Tagger",
            "\u{5c71}",
            "Ann  Lee*,builder",
        ];
        let keys = people.iter().zip(1..);
        let keys: Vec<_> = keys
            .map(|(p, n)| entry(n, p, Purpose::Tagger, end))
            .collect();
        let names: Vec<String> = lines(&keys)
            .iter()
            .map(|l| l.split(' ').next().unwrap_or_default().to_owned())
            .collect();
        let generic = "tagger@timed";
        let last = "ann-lee-builder@timed,tagger@timed";
        assert_eq!(names, [generic, generic, generic, generic, last]);
    }
}
