//! Trusted metadata as a chain of stages (TUF 1.0, section 5): root, timestamp, snapshot, targets.
//! Sans I/O: bytes and a time come in. A stage cannot be skipped, since each is made of the one before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp as Time;

use super::envelope::Unverified;
use super::error::TrustError;
use super::schema::{MetaFile, Role, Root, Snapshot, Targets, Timestamp};
use super::verify::{Signers, Verified};
use crate::hash::Sha256;

type Result<T> = std::result::Result<T, TrustError>;

/// What to do with metadata that is past its expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Refuse it: whenever something new is to be installed.
    Enforce,
    /// Take it and say so: audit, and rollback to what was verified when it was installed.
    Report,
}

/// The time that counts for a whole refresh (section 5.1), and how strictly.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Start of the refresh.
    pub now: Time,
    /// Whether expiry refuses.
    pub expiry: Expiry,
}

/// A role that was past its expiry and taken all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// The role.
    pub role: String,
    /// Its version.
    pub version: u64,
    /// When it expired.
    pub expires: Time,
}

#[derive(Debug)]
struct Core {
    root: Verified<Root>,
    clock: Clock,
    expired: Vec<Expired>,
}

impl Core {
    fn parse<T: Role>(&self, bytes: &[u8]) -> Result<Verified<T>> {
        bounded::<T>(bytes)?;
        let by = format!("root version {}", self.root.version);
        Unverified::<T>::parse(bytes)?.verify(T::TYPE, &by, Signers::of_root(&self.root, T::TYPE)?)
    }

    fn expired<T: Role>(&self, role: &str, signed: &T) -> Option<TrustError> {
        (signed.expires() <= self.clock.now).then(|| TrustError::Expired {
            role: role.into(),
            version: signed.version(),
            expires: signed.expires(),
            now: self.clock.now,
        })
    }

    /// Refuses, or lets pass what is enforced to be fresh.
    fn fresh<T: Role>(&self, role: &str, signed: &T) -> Result<()> {
        match (self.clock.expiry, self.expired(role, signed)) {
            (Expiry::Enforce, Some(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// As [`Core::fresh`], for the version that is now final; what is let pass is noted.
    fn settle<T: Role>(&mut self, role: &str, signed: &T) -> Result<()> {
        self.fresh(role, signed)?;
        self.note(role, signed);
        Ok(())
    }

    /// Notes it, if it has expired.
    fn note<T: Role>(&mut self, role: &str, signed: &T) {
        if self.expired(role, signed).is_some() {
            self.expired.push(Expired {
                role: role.into(),
                version: signed.version(),
                expires: signed.expires(),
            });
        }
    }
}

fn bounded<T: Role>(bytes: &[u8]) -> Result<()> {
    let found = bytes.len() as u64;
    if found > T::MAX_LEN {
        return Err(TrustError::TooLong {
            name: format!("{}.json", T::TYPE),
            found,
            limit: T::MAX_LEN,
        });
    }
    Ok(())
}

/// A listed length is checked with the hashes; without one, the kind's own limit holds.
fn bounded_by<T: Role>(wanted: &MetaFile, bytes: &[u8]) -> Result<()> {
    match wanted.length {
        Some(_) => Ok(()),
        None => bounded::<T>(bytes),
    }
}

/// First stage: a root from a place that is trusted, and its successors.
#[derive(Debug)]
pub struct RootStage {
    root: Verified<Root>,
}

impl RootStage {
    /// Starts from a root that the caller trusts already. Its expiry does not matter here.
    ///
    /// # Errors
    /// A root that is malformed or not signed by its own threshold.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        bounded::<Root>(bytes)?;
        let root = Unverified::<Root>::parse(bytes)?.verify_self()?;
        Ok(RootStage { root })
    }

    /// The root trusted so far.
    pub fn root(&self) -> &Verified<Root> {
        &self.root
    }

    /// Takes the next version. An expired one in between is fine (section 5.3.6).
    ///
    /// # Errors
    /// Anything but version N+1 signed by the thresholds of both N and N+1. The root trusted so far
    /// stays.
    pub fn update(&mut self, bytes: &[u8]) -> Result<&Verified<Root>> {
        bounded::<Root>(bytes)?;
        self.root = self.root.verify_next(Unverified::parse(bytes)?)?;
        Ok(&self.root)
    }

    /// Ends the chain of roots.
    ///
    /// # Errors
    /// [`TrustError::Expired`] (section 5.3.10).
    pub fn finish(self, clock: Clock) -> Result<TimestampStage> {
        let mut core = Core {
            root: self.root.clone(),
            clock,
            expired: Vec::new(),
        };
        core.settle("root", &*self.root)?;
        Ok(TimestampStage {
            core,
            timestamp: None,
        })
    }
}

/// Whether `new` takes a timestamp or snapshot key of `old` out of service: what such keys signed
/// may then go back, so that a repository recovers from a fast-forward attack (section 5.3.11).
/// Merely adding a key does not, or an old state could be replayed after every addition.
pub fn withdraws_online_keys(old: &Root, new: &Root) -> bool {
    ["timestamp", "snapshot"].iter().any(|role| {
        let ids = |root: &Root| root.roles.get(*role).map(|r| r.keyids.clone());
        let kept = ids(new).unwrap_or_default();
        ids(old)
            .unwrap_or_default()
            .iter()
            .any(|id| !kept.contains(id))
    })
}

/// What a timestamp from the store amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Newer than what was trusted; to be stored.
    New,
    /// The version that is trusted already; discarded (section 5.4.3.1).
    Unchanged,
}

/// Second stage: the root is final.
#[derive(Debug)]
pub struct TimestampStage {
    core: Core,
    timestamp: Option<Verified<Timestamp>>,
}

impl TimestampStage {
    /// The final root.
    pub fn root(&self) -> &Verified<Root> {
        &self.core.root
    }

    /// Takes the timestamp stored by an earlier refresh, expired or not, to hold new ones against.
    ///
    /// # Errors
    /// One that is malformed or that the root's keys did not sign; the caller goes on without.
    pub fn local(&mut self, bytes: &[u8]) -> Result<()> {
        self.timestamp = Some(self.core.parse(bytes)?);
        Ok(())
    }

    /// Takes a timestamp from the store.
    ///
    /// # Errors
    /// Bad signatures, rollback of its version or of snapshot's, expiry.
    pub fn update(&mut self, bytes: &[u8]) -> Result<Update> {
        let new: Verified<Timestamp> = self.core.parse(bytes)?;
        if let Some(trusted) = &self.timestamp {
            not_older("timestamp", Some(new.version), trusted.version)?;
            if new.version == trusted.version {
                return Ok(Update::Unchanged);
            }
            not_older(
                "snapshot",
                Some(snapshot_meta(&new)?.version),
                snapshot_meta(trusted)?.version,
            )?;
        }
        self.core.fresh("timestamp", &*new)?;
        self.timestamp = Some(new);
        Ok(Update::New)
    }

    /// Ends the stage.
    ///
    /// # Errors
    /// No timestamp, or an expired one.
    pub fn finish(mut self) -> Result<SnapshotStage> {
        let timestamp = self.timestamp.ok_or_else(|| TrustError::Missing {
            name: "timestamp.json".into(),
            wanted_by: format!("root version {}", self.core.root.version),
        })?;
        self.core.settle("timestamp", &*timestamp)?;
        Ok(SnapshotStage {
            wanted: snapshot_meta(&timestamp)?.clone(),
            core: self.core,
            timestamp,
            snapshot: None,
        })
    }
}

fn snapshot_meta(timestamp: &Timestamp) -> Result<&MetaFile> {
    timestamp
        .meta
        .get("snapshot.json")
        .ok_or_else(|| TrustError::Unlisted {
            role: "snapshot".into(),
            wanted_in: format!("timestamp version {}", timestamp.version),
        })
}

fn not_older(role: &str, found: Option<u64>, trusted: u64) -> Result<()> {
    if found.is_some_and(|found| found >= trusted) {
        return Ok(());
    }
    Err(TrustError::Rollback {
        role: role.into(),
        found,
        trusted,
    })
}

/// Third stage: root and timestamp are final.
#[derive(Debug)]
pub struct SnapshotStage {
    core: Core,
    timestamp: Verified<Timestamp>,
    wanted: MetaFile,
    snapshot: Option<Verified<Snapshot>>,
}

impl SnapshotStage {
    /// The final root.
    pub fn root(&self) -> &Verified<Root> {
        &self.core.root
    }

    /// What timestamp says of the snapshot.
    pub fn wanted(&self) -> &MetaFile {
        &self.wanted
    }

    /// Takes the snapshot stored by an earlier refresh, whatever its version, to hold the new one
    /// against.
    ///
    /// # Errors
    /// One that is malformed or that the root's keys did not sign; the caller goes on without.
    pub fn local(&mut self, bytes: &[u8]) -> Result<()> {
        let by = format!("root version {}", self.core.root.version);
        let signers = Signers::of_root(&self.core.root, "snapshot")?;
        self.snapshot = Some(Unverified::parse(bytes)?.verify("snapshot", &by, signers)?);
        Ok(())
    }

    /// Whether the snapshot at hand is the one that timestamp wants, so that none need be fetched.
    pub fn is_current(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|snapshot| {
            snapshot.version == self.wanted.version
                && self.wanted.check("snapshot.json", snapshot.bytes()).is_ok()
                && self.core.fresh("snapshot", &**snapshot).is_ok()
        })
    }

    /// Takes a snapshot from the store.
    ///
    /// # Errors
    /// Other bytes or another version than timestamp lists, bad signatures, a role that goes back or
    /// disappears, expiry.
    pub fn update(&mut self, bytes: &[u8]) -> Result<()> {
        bounded_by::<Snapshot>(&self.wanted, bytes)?;
        self.wanted.check("snapshot.json", bytes)?;
        let by = format!("root version {}", self.core.root.version);
        let signers = Signers::of_root(&self.core.root, "snapshot")?;
        let new = Unverified::<Snapshot>::parse(bytes)?.verify("snapshot", &by, signers)?;
        same_version("snapshot", new.version, self.wanted.version)?;
        if let Some(trusted) = &self.snapshot {
            for (name, old) in &trusted.meta {
                let found = new.meta.get(name).map(|meta| meta.version);
                not_older(name.trim_end_matches(".json"), found, old.version)?;
            }
        }
        self.core.fresh("snapshot", &*new)?;
        self.snapshot = Some(new);
        Ok(())
    }

    /// Ends the stage.
    ///
    /// # Errors
    /// No snapshot of the version that timestamp lists, or an expired one.
    pub fn finish(mut self) -> Result<TargetsStage> {
        let snapshot = self.snapshot.ok_or_else(|| TrustError::Missing {
            name: "snapshot.json".into(),
            wanted_by: format!("timestamp version {}", self.timestamp.version),
        })?;
        same_version("snapshot", snapshot.version, self.wanted.version)?;
        self.wanted.check("snapshot.json", snapshot.bytes())?;
        self.core.settle("snapshot", &*snapshot)?;
        Ok(TargetsStage {
            core: self.core,
            timestamp: self.timestamp,
            snapshot,
            roles: BTreeMap::new(),
            edges: BTreeSet::new(),
        })
    }
}

fn same_version(role: &str, found: u64, wanted: u64) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(TrustError::Version {
        role: role.into(),
        found,
        wanted,
    })
}

/// Last stage: targets and delegated roles, each held against snapshot and its delegator.
#[derive(Debug)]
pub struct TargetsStage {
    core: Core,
    timestamp: Verified<Timestamp>,
    snapshot: Verified<Snapshot>,
    roles: BTreeMap<String, Arc<Verified<Targets>>>,
    edges: BTreeSet<(String, String)>,
}

impl TargetsStage {
    /// The final root.
    pub fn root(&self) -> &Verified<Root> {
        &self.core.root
    }

    /// The final timestamp.
    pub fn timestamp(&self) -> &Verified<Timestamp> {
        &self.timestamp
    }

    /// The final snapshot.
    pub fn snapshot(&self) -> &Verified<Snapshot> {
        &self.snapshot
    }

    /// Roles that were past their expiry and taken, under [`Expiry::Report`].
    pub fn expired(&self) -> &[Expired] {
        &self.core.expired
    }

    /// What snapshot says of `role`.
    ///
    /// # Errors
    /// [`TrustError::Unlisted`].
    pub fn wanted(&self, role: &str) -> Result<&MetaFile> {
        self.snapshot
            .meta
            .get(&format!("{role}.json"))
            .ok_or_else(|| TrustError::Unlisted {
                role: role.into(),
                wanted_in: format!("snapshot version {}", self.snapshot.version),
            })
    }

    /// The role as `delegator` vouches for it, if it was taken already.
    pub fn get(&self, role: &str, delegator: &str) -> Option<Arc<Verified<Targets>>> {
        let edge = (role.to_owned(), delegator.to_owned());
        self.edges
            .contains(&edge)
            .then(|| self.roles.get(role).cloned())?
    }

    /// The role's bytes if any delegator vouched for them: another one must still be asked.
    pub fn bytes(&self, role: &str) -> Option<&[u8]> {
        self.roles.get(role).map(|role| role.bytes())
    }

    /// Takes `role`, for which `delegator` must vouch (`root` for `targets`, or a role taken before).
    ///
    /// # Errors
    /// Other bytes or another version than snapshot lists, bad signatures, expiry, no delegation.
    pub fn update(
        &mut self,
        bytes: &[u8],
        role: &str,
        delegator: &str,
    ) -> Result<Arc<Verified<Targets>>> {
        self.take(bytes, role, delegator, self.core.clock.expiry)
    }

    /// [`TargetsStage::update`], with an expiry of its own: that of a role which only ever forbids is told and not
    /// refused, since what it says must not end by it.
    ///
    /// # Errors
    /// As there.
    pub fn take(
        &mut self,
        bytes: &[u8],
        role: &str,
        delegator: &str,
        expiry: Expiry,
    ) -> Result<Arc<Verified<Targets>>> {
        let name = format!("{role}.json");
        let wanted = self.wanted(role)?;
        bounded_by::<Targets>(wanted, bytes)?;
        wanted.check(&name, bytes)?;
        let version = wanted.version;
        let unverified = Unverified::<Targets>::parse(bytes)?;
        let new = if delegator == "root" {
            let by = format!("root version {}", self.core.root.version);
            unverified.verify(role, &by, Signers::of_root(&self.core.root, role)?)?
        } else {
            let parent = self
                .roles
                .get(delegator)
                .ok_or_else(|| TrustError::Missing {
                    name: format!("{delegator}.json"),
                    wanted_by: format!("delegated role {role}"),
                })?;
            let by = format!("{delegator} version {}", parent.version);
            unverified.verify(role, &by, Signers::of_delegation(parent, delegator, role)?)?
        };
        same_version(role, new.version, version)?;
        if let Some(known) = self.roles.get(role)
            && known.bytes() != new.bytes()
        {
            return Err(TrustError::Digest {
                name,
                what: "sha256".into(),
                found: Sha256::of(new.bytes()).hex(),
                wanted: Sha256::of(known.bytes()).hex(),
            });
        }
        if !self.roles.contains_key(role) {
            if expiry == Expiry::Enforce {
                self.core.fresh(role, &*new)?;
            }
            self.core.note(role, &*new);
        }
        let new = Arc::new(new);
        self.roles.insert(role.to_owned(), Arc::clone(&new));
        self.edges.insert((role.to_owned(), delegator.to_owned()));
        Ok(new)
    }
}
