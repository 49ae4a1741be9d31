//! Every version of every metadata file: there, logged before it was published, and signed by those who
//! could when it was. Pure.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::eras::{Era, Eras};
use super::logged::Logged;
use super::prefix::Prefixes;
use super::{Problem, problem};
use crate::attest::Envelope;
use crate::hash::Sha256;
use crate::limits::{MAX_LISTED_METADATA_LEN, MAX_TLOG_PROOF_LEN};
use crate::log::{TlogProof, VerifierKey};
use crate::release::environment;
use crate::release::leaf::{Leaf, metadata_proof};
use crate::release::state::{self, Released};
use crate::release::view::View;
use crate::store::Reader;
use crate::trust::schema::{Role, Snapshot, Targets};
use crate::trust::verify::Signers;
use crate::trust::{Unverified, Verified};
use crate::{Error, Result};

/// With what versions are looked at.
pub struct Look<'a> {
    /// The store.
    pub store: &'a dyn Reader,
    /// What the log says.
    pub logged: &'a Logged,
    /// The roots with their places.
    pub eras: &'a Eras,
    /// The log's earlier roots.
    pub prefixes: &'a Prefixes<'a>,
    /// Only what the log had below this size.
    pub upto: u64,
}

/// A version of top-level targets.
pub struct TargetsThen {
    /// Its entry.
    pub index: u64,
    /// Its number.
    pub version: u64,
    /// Whom it delegates to; what it lists is read when it is wanted.
    pub delegations: Rc<Targets>,
}

/// When a release was listed first, and as what.
pub struct Listed {
    /// The entry of the version of targets that did.
    pub index: u64,
    /// What that said.
    pub released: Released,
}

/// The versions that are what they should be.
#[derive(Default)]
pub struct Versions {
    /// Of top-level targets, in order.
    pub targets: Vec<TargetsThen>,
    /// Of the environments' roles, with the entry of each.
    pub roles: BTreeMap<String, Vec<(u64, u64)>>,
    /// The releases that they listed.
    pub listed: BTreeMap<String, Listed>,
    /// How many files were looked at.
    pub files: u64,
}

impl Versions {
    /// The targets in force at an entry.
    pub fn targets_at(&self, index: u64) -> Option<&TargetsThen> {
        self.targets.iter().rev().find(|t| t.index <= index)
    }

    /// The version of a role in force at an entry.
    pub fn role_at(&self, name: &str, index: u64) -> Option<u64> {
        let versions = self.roles.get(name)?.iter().rev();
        let mut begun = versions.filter(|(_, at)| *at <= index);
        begun.next().map(|(version, _)| *version)
    }
}

struct Walk<'a> {
    look: &'a Look<'a>,
    log_keys: Vec<VerifierKey>,
    problems: Vec<Problem>,
    versions: Versions,
}

/// Checks all versions up to the present ones.
pub fn check(view: &View, look: &Look) -> (Versions, Vec<Problem>) {
    let mut walk = Walk {
        look,
        log_keys: look.eras.log_keys(),
        problems: Vec::new(),
        versions: Versions::default(),
    };
    for era in look.eras.all() {
        walk.root(era);
    }
    let last = view.refreshed.targets().version;
    for version in walk.numbers("targets", last) {
        walk.targets(version);
    }
    for (name, last) in environment::versions(view.refreshed.snapshot()) {
        if name == "targets" {
            continue;
        }
        for version in walk.numbers(&name, last) {
            walk.role(&name, version);
        }
    }
    walk.snapshots(view.refreshed.snapshot().version);
    (walk.versions, walk.problems)
}

/// The file's own proof, without which no node would take it.
fn proof_of(name: &str) -> String {
    metadata_proof(name.trim_end_matches(".json"))
}

impl Walk<'_> {
    fn bad(&mut self, name: &str, error: impl ToString) {
        let path = format!("metadata/{name}");
        self.problems.push(Problem::new(path, error.to_string()));
    }

    /// The versions to look at, from the oldest. Where the log was read from an entry on, those that
    /// it has since, and the one before them, which says who could sign them.
    fn numbers(&mut self, role: &str, last: u64) -> Vec<u64> {
        if self.look.logged.since == 0 {
            return (1..=last).collect();
        }
        let mut numbers = Vec::new();
        for version in (1..=last).rev() {
            let name = format!("{version}.{role}.json");
            let before = match self.look.logged.metadata.contains_key(&name) {
                true => false,
                false => match self.claimed(&name) {
                    Ok(None) => continue,
                    Ok(Some(index)) => index < self.look.logged.since,
                    Err(e) => {
                        self.bad(&name, e);
                        continue;
                    }
                },
            };
            numbers.push(version);
            if before {
                break;
            }
        }
        numbers.reverse();
        numbers
    }

    /// The place that a file's proof claims; none where there is no proof.
    fn claimed(&self, name: &str) -> Result<Option<u64>> {
        let bytes = self.look.store.read(&proof_of(name), MAX_TLOG_PROOF_LEN)?;
        bytes
            .map(|bytes| Ok(TlogProof::parse(&bytes)?.unverified_index()))
            .transpose()
    }

    fn root(&mut self, era: &Era) {
        let name = format!("{}.root.json", era.root.version);
        let old = era.from.is_some_and(|from| from < self.look.logged.since);
        if !old && self.is_later(&name) {
            return;
        }
        self.versions.files += 1;
        let place = self.place(&name, era.digest);
        if !old && place.is_some() && era.from.is_none() {
            self.bad(&name, "is in the log, but not after the root before it");
        }
        if let Some(policy) = &era.policy
            && !old
        {
            let (file, digest) = (policy.pin().file_name(), policy.pin().sha256);
            let since = self.look.logged.since > 0;
            if self.look.logged.place(&file, digest).is_none() && !since {
                self.bad(&file, "is pinned by a root, and the log does not have it");
            }
        }
    }

    fn targets(&mut self, version: u64) {
        let name = format!("{version}.targets.json");
        let Some((bytes, index)) = self.file(&name) else {
            return;
        };
        let Some(era) = self.look.eras.at(index) else {
            return self.bad(&name, "has nobody who could have signed it");
        };
        let by = format!("root version {}", era.root.version);
        let signers = Signers::of_root(&era.root, "targets").map_err(Error::from);
        let verified = signers.and_then(|s| verified::<Targets>(&bytes, "targets", &by, s));
        let targets = match verified {
            Ok(targets) if targets.version == version => targets,
            Ok(other) => return self.bad(&name, says(other.version)),
            Err(e) => return self.bad(&name, e),
        };
        for released in state::released(&targets).0 {
            let fresh = Listed {
                index,
                released: released.clone(),
            };
            let first = self.versions.listed.entry(released.tag.clone());
            let first = &first.or_insert(fresh).released;
            let same = (first.sha256, first.length, &first.commit)
                == (released.sha256, released.length, &released.commit);
            if !same {
                let message = format!(
                    "lists {} with sha256 {}, an earlier version with {}",
                    released.tag, released.sha256, first.sha256
                );
                self.bad(&name, message);
            }
        }
        let mut bare = Targets::clone(&targets);
        bare.targets.clear();
        let before = self.versions.targets.last();
        let delegations = match before.filter(|t| t.delegations.delegations == bare.delegations) {
            Some(same) => Rc::clone(&same.delegations),
            None => Rc::new(bare),
        };
        self.versions.targets.push(TargetsThen {
            index,
            version,
            delegations,
        });
    }

    fn role(&mut self, role: &str, version: u64) {
        let name = format!("{version}.{role}.json");
        let Some((bytes, index)) = self.file(&name) else {
            return;
        };
        if index < self.look.logged.since {
            // The one before those that were read anew: judged with the rest, earlier.
            let versions = self.versions.roles.entry(role.to_owned()).or_default();
            return versions.push((version, index));
        }
        let delegator = self.versions.targets_at(index);
        let Some(delegator) = delegator else {
            return self.bad(&name, "has nobody who could have signed it");
        };
        let by = format!("targets version {}", delegator.version);
        let signers = Signers::of_delegation(&delegator.delegations, "targets", role);
        let verified = signers
            .map_err(Error::from)
            .and_then(|s| verified::<Targets>(&bytes, role, &by, s));
        match verified {
            Ok(found) if found.version == version => {
                let versions = self.versions.roles.entry(role.to_owned()).or_default();
                versions.push((version, index));
            }
            Ok(other) => self.bad(&name, says(other.version)),
            Err(e) => self.bad(&name, e),
        }
    }

    /// Snapshots are not logged; what they list is. So they are at least as new as that.
    fn snapshots(&mut self, last: u64) {
        for version in (1..=last).rev() {
            let name = format!("{version}.snapshot.json");
            let path = format!("metadata/{name}");
            let bytes = match self.look.store.read(&path, MAX_LISTED_METADATA_LEN) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => continue,
                Err(e) => {
                    self.bad(&name, e);
                    continue;
                }
            };
            self.versions.files += 1;
            let lists = match Unverified::<Snapshot>::parse(&bytes) {
                Ok(snapshot) => environment::versions(snapshot.unverified_signed()),
                Err(e) => {
                    self.bad(&name, e);
                    continue;
                }
            };
            let newest = lists.iter().filter_map(|(role, version)| {
                let known = self
                    .look
                    .logged
                    .metadata
                    .get(&format!("{version}.{role}.json"));
                known?.iter().map(|(at, _)| *at).min()
            });
            let newest = newest.max();
            if newest.is_none() && self.look.logged.since > 0 {
                break;
            }
            let could: Vec<&Era> = self.look.eras.all().iter().collect();
            let oldest = newest.and_then(|at| self.look.eras.at(at));
            let oldest = oldest.map_or(0, |era| era.root.version);
            let mut refused = None;
            let found = could.iter().rev().find_map(|era| {
                if era.root.version < oldest {
                    return None;
                }
                let by = format!("root version {}", era.root.version);
                let signers = Signers::of_root(&era.root, "snapshot").map_err(Error::from);
                let found = signers.and_then(|s| verified::<Snapshot>(&bytes, "snapshot", &by, s));
                found.map_err(|e| refused = Some(e)).ok()
            });
            match (found, refused) {
                (Some(found), _) if found.version != version => {
                    self.bad(&name, says(found.version))
                }
                (Some(_), _) => {}
                (None, Some(e)) => self.bad(&name, e),
                (None, None) => self.bad(&name, "has nobody who could have signed it"),
            }
        }
    }

    /// Whether a file came after the size of the log that is looked at.
    fn is_later(&self, name: &str) -> bool {
        let head = self.look.prefixes.hashes().head().size;
        let known = self.look.logged.metadata.contains_key(name);
        let later = || matches!(self.claimed(name), Ok(Some(index)) if index >= self.look.upto);
        self.look.upto < head && !known && later()
    }

    /// A version's bytes, and its place. A number that was never published has neither file nor leaf.
    fn file(&mut self, name: &str) -> Option<(Vec<u8>, u64)> {
        if self.is_later(name) {
            return None;
        }
        let path = format!("metadata/{name}");
        let bytes = match self.look.store.read(&path, MAX_LISTED_METADATA_LEN) {
            Ok(bytes) => bytes,
            Err(e) => {
                self.problems.extend(problem(path, &e));
                return None;
            }
        };
        let Some(bytes) = bytes else {
            if self.look.logged.metadata.contains_key(name) {
                self.bad(name, "is in the log, but missing here");
            }
            return None;
        };
        self.versions.files += 1;
        let place = self.place(name, Sha256::of(&bytes))?;
        Some((bytes, place))
    }

    /// Where the log has a file, by its entries and by its proof.
    fn place(&mut self, name: &str, digest: Sha256) -> Option<u64> {
        let place = self.look.logged.place(name, digest);
        let claimed = self.claimed(name);
        let since = self.look.logged.since;
        let old = matches!(&claimed, Ok(Some(index)) if *index < since);
        if place.is_none() && !old {
            let message = format!("hashes to {digest}, which the log does not have");
            self.bad(name, message);
            return None;
        }
        if let Err(e) = self.proof(name, digest) {
            self.problems.extend(problem(proof_of(name), &e));
        }
        place.or(claimed.ok().flatten())
    }

    fn proof(&self, name: &str, digest: Sha256) -> Result<()> {
        let bytes = self
            .look
            .store
            .read(&proof_of(name), MAX_TLOG_PROOF_LEN)?
            .ok_or_else(|| Error::refused("is missing"))?;
        let proof = TlogProof::parse(&bytes)?;
        let entry = proof.unverified_extra().to_vec();
        let origin = self.look.eras.today().log_origin();
        let included = proof.verify(&entry, &self.log_keys, origin)?;
        let today = self.look.eras.today().witnesses();
        today.cosigned(included.checkpoint())?;
        self.look.prefixes.check(included.checkpoint())?;
        let known = self.look.logged.metadata.get(name).into_iter().flatten();
        let known = known
            .clone()
            .any(|known| *known == (included.index(), digest));
        // Whether whoever signed it counted was judged when it was read.
        let old = || {
            let files = match Leaf::read(&Envelope::parse(&entry)?.unverified_statement()?)? {
                Leaf::Metadata(leaf) => leaf.files,
                _ => return Ok(false),
            };
            let before = included.index() < self.look.logged.since;
            Ok::<_, Error>(before && files.get(name) == Some(&digest))
        };
        match known || old()? {
            true => Ok(()),
            false => Err(Error::refused(format!("is not about {name}"))),
        }
    }
}

fn verified<T: Role>(bytes: &[u8], role: &str, by: &str, signers: Signers) -> Result<Verified<T>> {
    Ok(Unverified::<T>::parse(bytes)?.verify(role, by, signers)?)
}

fn says(version: u64) -> String {
    format!("says that it is version {version}")
}
