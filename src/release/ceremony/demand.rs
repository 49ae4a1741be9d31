//! Whose signatures a proposal needs, who has given theirs, and who is missing. Pure.

use std::collections::BTreeSet;

use serde::Serialize;

use super::base::After;
use super::{Base, Proposal, RoleDraft, StatementDraft};
use crate::attest::dsse::short;
use crate::keys::PublicKey;
use crate::release::policy::ReleasePolicy;
use crate::release::publish::{Absent, Keys, PEOPLE_MEMBER};
use crate::trust::Root;
use crate::trust::policy::Purpose;
use crate::trust::verify::Signers;
use crate::{Error, Result};

/// A key and who holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// TUF key id.
    pub keyid: String,
    /// The person, where root or policy names one.
    pub person: Option<String>,
}

/// Signatures that one role or statement needs, according to one list of keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Demand {
    /// What is to be signed: `mainnet version 4`.
    pub what: String,
    /// Whose list of keys this is: `targets version 7`.
    pub by: String,
    /// The name of the keys in a keyring: `mainnet`.
    pub purpose: String,
    /// Distinct keys that must sign.
    pub threshold: u64,
    /// Those whose signature is valid.
    pub have: Vec<Holder>,
    /// Those who could still sign.
    pub missing: Vec<Holder>,
}

/// What [`Proposal::sign`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Signing {
    /// What was signed now, and by whom.
    pub signed: Vec<String>,
    /// Keys at hand for a role that asks for others, where none at hand is asked for.
    pub strange: Vec<String>,
    /// Keys for what lacks signatures that should be at hand and cannot be used.
    pub absent: Vec<Absent>,
}

impl Signing {
    /// The key of a purpose that should be at hand and cannot be used.
    pub fn absent_for(&self, purpose: &str) -> Option<Absent> {
        self.absent
            .iter()
            .find(|absent| absent.purpose == purpose)
            .cloned()
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.person {
            Some(person) => write!(f, "{person} (key {})", short(&self.keyid)),
            None => write!(f, "key {}", short(&self.keyid)),
        }
    }
}

impl Demand {
    /// Whether enough have signed.
    pub fn is_met(&self) -> bool {
        self.threshold > 0 && self.have.len() as u64 >= self.threshold
    }

    /// `mainnet version 4: 1 of 3 signatures, missing: bob (key 1a2b3c4d)`.
    pub fn line(&self) -> String {
        let names = |holders: &[Holder]| {
            let names: Vec<String> = holders.iter().map(Holder::to_string).collect();
            names.join(", ")
        };
        let have = self.have.len();
        let what = match self.purpose.as_str() {
            // A new root answers to two lists of keys, its own and the one before.
            "root" => format!("{} by the keys of {}", self.what, self.by),
            _ => self.what.clone(),
        };
        let mut line = format!("{what}: {have} of {} signatures", self.threshold);
        if !self.have.is_empty() {
            line.push_str(&format!(", signed by {}", names(&self.have)));
        }
        if !self.is_met() {
            let missing = match self.missing.is_empty() {
                true => "nobody who could sign is left".to_owned(),
                false => names(&self.missing),
            };
            line.push_str(&format!(", missing: {missing}"));
        }
        line
    }
}

impl Proposal {
    /// Everything that must be signed, and by whom, in the order of the proposal.
    ///
    /// # Errors
    /// A proposal that does not fit `base`: [`Proposal::check`] says why.
    pub fn demands(&self, base: &Base) -> Result<Vec<Demand>> {
        let after = base.after(self)?;
        let mut demands = Vec::new();
        for draft in &self.roles {
            for (by, signers) in groups(draft, base, &after)? {
                demands.push(role_demand(draft, by, signers, base, &after)?);
            }
        }
        for draft in &self.statements {
            demands.push(statement_demand(draft, base, self)?);
        }
        Ok(demands)
    }

    /// Signs whatever the keys at hand are asked for and have not signed yet.
    ///
    /// # Errors
    /// As [`Proposal::demands`]; a key that cannot be used.
    pub fn sign(&mut self, base: &Base, keys: &dyn Keys) -> Result<Signing> {
        let demands = self.demands(base)?;
        let mut done = Signing::default();
        let mut strange = BTreeSet::new();
        let purposes: BTreeSet<&str> = demands.iter().map(|d| d.purpose.as_str()).collect();
        for purpose in purposes {
            let asked = || demands.iter().filter(|d| d.purpose == purpose);
            if asked().any(|demand| !demand.is_met()) {
                done.absent.extend(Absent::of(keys, purpose));
            }
            let mut foreign = Vec::new();
            let at_hand = keys.all(purpose)?;
            for key in &at_hand {
                let id = key.public().keyid();
                // A key that is named by its file alone is tried for every purpose, and has only one.
                let asked_at_all =
                    |d: &Demand| d.have.iter().chain(&d.missing).any(|h| h.keyid == id);
                let known = demands.iter().any(asked_at_all);
                if !known {
                    foreign.push(format!("{purpose} key {}", short(&id)));
                }
                for demand in asked() {
                    let Some(holder) = demand.missing.iter().find(|h| h.keyid == id) else {
                        continue;
                    };
                    let line = format!("{} as {holder}", demand.what);
                    if !done.signed.contains(&line) {
                        self.sign_one(&demand.what, key.as_ref())?;
                        done.signed.push(line);
                    }
                }
            }
            // A key that was replaced may lie beside its successor; only foreign ones are a mistake.
            if foreign.len() == at_hand.len() {
                strange.extend(foreign);
            }
        }
        done.strange = strange.into_iter().collect();
        Ok(done)
    }

    fn sign_one(&mut self, what: &str, key: &dyn crate::keys::Signer) -> Result<()> {
        for draft in &mut self.roles {
            if role_name(draft)? == what {
                return draft.sign(key);
            }
        }
        for draft in &mut self.statements {
            if statement_name(draft) == what {
                return draft.sign(key);
            }
        }
        Err(Error::bug(format!("nothing called {what} to sign")))
    }

    /// Drops signatures that count for nothing: what a stranger added, what is not valid.
    ///
    /// # Errors
    /// As [`Proposal::demands`].
    pub fn keep_what_counts(&mut self, base: &Base) -> Result<()> {
        let demands = self.demands(base)?;
        let counted = |what: &str| -> Vec<String> {
            let of = demands.iter().filter(|d| d.what == what);
            of.flat_map(|d| &d.have).map(|h| h.keyid.clone()).collect()
        };
        for draft in &mut self.roles {
            draft.keep_signatures(&counted(&role_name(draft)?));
        }
        for draft in &mut self.statements {
            draft.keep_signatures(&counted(&statement_name(draft)));
        }
        Ok(())
    }
}

fn role_name(draft: &RoleDraft) -> Result<String> {
    Ok(format!("{} version {}", draft.name(), draft.version()?))
}

fn statement_name(draft: &StatementDraft) -> String {
    format!("statement {}", draft.proof)
}

/// Who must sign a role, and according to whom: a new root needs the old keys as well.
fn groups<'a>(
    draft: &RoleDraft,
    base: &'a Base,
    after: &'a After,
) -> Result<Vec<(String, Signers<'a>)>> {
    let root = |root: &Root| format!("root version {}", root.version);
    Ok(match draft {
        RoleDraft::Root(_) => vec![
            (root(&after.root), Signers::of_root(&after.root, "root")?),
            (root(&base.root), Signers::of_root(&base.root, "root")?),
        ],
        RoleDraft::Targets { name, .. } if name == "targets" => {
            vec![(root(&after.root), Signers::of_root(&after.root, "targets")?)]
        }
        RoleDraft::Targets { name, .. } => vec![(
            format!("targets version {}", after.targets.version),
            Signers::of_delegation(&after.targets, "targets", name)?,
        )],
    })
}

fn role_demand(
    draft: &RoleDraft,
    by: String,
    signers: Signers<'_>,
    base: &Base,
    after: &After,
) -> Result<Demand> {
    let have = draft.count(signers).valid_keyids;
    let holder = |keyid: &String| Holder {
        person: person(keyid, base, after),
        keyid: keyid.clone(),
    };
    Ok(Demand {
        what: role_name(draft)?,
        by,
        purpose: draft.name().to_owned(),
        threshold: signers.threshold,
        missing: signers
            .keyids
            .iter()
            .filter(|id| !have.contains(id))
            .map(holder)
            .collect(),
        have: have.iter().map(holder).collect(),
    })
}

fn statement_demand(draft: &StatementDraft, base: &Base, proposal: &Proposal) -> Result<Demand> {
    let policy = &base.policy;
    let (keys, threshold) = group(policy, &draft.purpose).ok_or_else(|| {
        Error::refused(format!(
            "policy {} names nobody for {}",
            short(&policy.pin().sha256.hex()),
            draft.purpose
        ))
        .hint("the root keys decide who may, by a new policy")
    })?;
    let accepted: Vec<PublicKey> = policy
        .accepted(&draft.purpose, proposal.time)
        .into_iter()
        .filter(|key| keys.is_empty() || keys.contains(&key.keyid()))
        .collect();
    let holder = |key: &PublicKey| Holder {
        keyid: key.keyid(),
        person: known(policy, &key.keyid()),
    };
    // Overriders are counted by person: a second key of one who has signed adds nothing.
    let by_person = matches!(draft.purpose, Purpose::Override(_));
    let mut people = BTreeSet::new();
    let mut have = draft.signers(&accepted);
    have.retain(|key| people.insert(known(policy, &key.keyid())) || !by_person);
    Ok(Demand {
        what: statement_name(draft),
        by: format!("policy {}", short(&policy.pin().sha256.hex())),
        purpose: keyring_name(&draft.purpose),
        threshold,
        have: have.iter().map(holder).collect(),
        missing: accepted
            .iter()
            .filter(|key| !have.contains(key))
            .filter(|key| !by_person || !people.contains(&known(policy, &key.keyid())))
            .map(holder)
            .collect(),
    })
}

/// The keys that sign statements of `purpose` (empty: all that policy has for it) and how many.
fn group(policy: &ReleasePolicy, purpose: &Purpose) -> Option<(Vec<String>, u64)> {
    match purpose {
        Purpose::Override(name) => policy
            .environment(name)
            .and_then(|e| e.overriders.as_ref())
            .map(|group| (group.keys.clone(), group.threshold)),
        Purpose::Halt(name) => policy
            .environment(name)
            .and_then(|e| e.halt.as_ref())
            .map(|group| (group.keys.clone(), group.threshold)),
        // Environments agree by their roles, never by statements.
        Purpose::Environment(_) | Purpose::Unknown(_) => None,
        _ => Some((Vec::new(), 1)),
    }
}

/// The name of a purpose's key files: `mainnet`, `halt-mainnet`, `builder`.
pub fn keyring_name(purpose: &Purpose) -> String {
    match purpose {
        Purpose::Environment(name) => name.clone(),
        other => other.to_string().replace('/', "-"),
    }
}

/// Who holds a key, as root or policy before or after says.
pub(super) fn person(keyid: &str, base: &Base, after: &After) -> Option<String> {
    let of_root = |root: &Root| {
        let people = root.extra.get(PEOPLE_MEMBER)?;
        people.get(keyid)?.as_str().map(str::to_owned)
    };
    of_root(&after.root)
        .or_else(|| of_root(&base.root))
        .or_else(|| known(&after.policy, keyid))
        .or_else(|| known(&base.policy, keyid))
}

fn known(policy: &ReleasePolicy, keyid: &str) -> Option<String> {
    let key = policy.policy().unchecked_key(keyid)?;
    Some(key.entry.person.clone())
}
