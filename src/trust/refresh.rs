//! Drives the trusted-metadata stages over a store and a cache, and persists each role as soon as
//! it is trusted. I/O only through [`Fetch`] and [`Cache`].

use std::sync::Arc;

use super::envelope::Unverified;
use super::error::TrustError;
use super::schema::{Role, Root, Snapshot, Targets, Timestamp};
use super::select::{self, Found};
use super::state::{
    Clock, Expired, Expiry, RootStage, SnapshotStage, TargetsStage, TimestampStage, Update,
    withdraws_online_keys,
};
use super::verify::Verified;
use crate::limits::{MAX_LISTED_METADATA_LEN, MAX_ROOT_ROTATIONS};
use crate::store::Reader;
use crate::{Error, Result};

/// Where new metadata comes from.
pub trait Fetch {
    /// The file `name` (as `3.root.json`, percent-encoded already); `None` where the store says that
    /// it does not exist (in HTTP 404 or 403).
    ///
    /// # Errors
    /// Any other failure, and a file of more than `limit` bytes.
    fn fetch(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>>;
}

/// Where trusted metadata is kept between refreshes, byte for byte as received.
pub trait Cache {
    /// The file `name` (as `root.json`, no version in it); `None` where there is none.
    ///
    /// # Errors
    /// I/O.
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// Replaces the file `name` durably and atomically.
    ///
    /// # Errors
    /// I/O.
    fn save(&self, name: &str, bytes: &[u8]) -> Result<()>;

    /// Removes the file `name` durably; fine where there is none.
    ///
    /// # Errors
    /// I/O.
    fn remove(&self, name: &str) -> Result<()>;
}

/// The `metadata/` directory of a store.
pub struct StoreMetadata<'a>(pub &'a dyn Reader);

impl Fetch for StoreMetadata<'_> {
    fn fetch(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        self.0.read(&format!("metadata/{name}"), limit)
    }
}

/// How a role of targets is taken: by [`TargetsStage::update`], or whenever it expires.
type Updater = fn(
    &mut TargetsStage,
    &[u8],
    &str,
    &str,
) -> std::result::Result<Arc<Verified<Targets>>, TrustError>;

fn whenever(
    stage: &mut TargetsStage,
    bytes: &[u8],
    role: &str,
    delegator: &str,
) -> std::result::Result<Arc<Verified<Targets>>, TrustError> {
    stage.take(bytes, role, delegator, Expiry::Report)
}

/// A refreshed view of the repository; delegated roles are loaded as they are asked for.
pub struct Refreshed<'a> {
    stage: TargetsStage,
    fetch: Option<&'a dyn Fetch>,
    cache: &'a dyn Cache,
    targets: Arc<Verified<Targets>>,
    notes: Vec<String>,
}

/// Refreshes the top-level roles (TUF 1.0, sections 5.2 to 5.6).
///
/// `trusted_root` is a root from a place that is trusted; the cache's own is used where it is newer,
/// or where none is given. What became trusted before a failure stays in the cache.
///
/// # Errors
/// No root to start from, a store or cache that fails, metadata that is refused.
pub fn refresh<'a>(
    trusted_root: Option<&[u8]>,
    fetch: &'a dyn Fetch,
    cache: &'a dyn Cache,
    clock: Clock,
) -> Result<Refreshed<'a>> {
    run(trusted_root, Some(fetch), cache, clock)
}

/// Verifies what an earlier refresh has stored, without a store.
///
/// # Errors
/// As [`refresh`]; what is not in the cache is missing.
pub fn stored<'a>(
    trusted_root: Option<&[u8]>,
    cache: &'a dyn Cache,
    clock: Clock,
) -> Result<Refreshed<'a>> {
    run(trusted_root, None, cache, clock)
}

fn run<'a>(
    trusted_root: Option<&[u8]>,
    fetch: Option<&'a dyn Fetch>,
    cache: &'a dyn Cache,
    clock: Clock,
) -> Result<Refreshed<'a>> {
    let mut driver = Driver {
        fetch,
        cache,
        notes: Vec::new(),
    };
    let root = driver.root(trusted_root)?;
    let timestamp = driver.timestamp(root.finish(clock)?)?;
    let snapshot = driver.snapshot(timestamp.finish()?)?;
    let mut stage = snapshot.finish()?;
    let targets = driver.targets(&mut stage, "targets", "root", TargetsStage::update)?;
    Ok(Refreshed {
        stage,
        fetch,
        cache,
        targets,
        notes: driver.notes,
    })
}

impl Refreshed<'_> {
    /// The final root.
    pub fn root(&self) -> &Verified<Root> {
        self.stage.root()
    }

    /// The final timestamp.
    pub fn timestamp(&self) -> &Verified<Timestamp> {
        self.stage.timestamp()
    }

    /// The final snapshot.
    pub fn snapshot(&self) -> &Verified<Snapshot> {
        self.stage.snapshot()
    }

    /// The top-level targets role.
    pub fn targets(&self) -> &Verified<Targets> {
        &self.targets
    }

    /// Roles that were past their expiry and taken all the same.
    pub fn expired(&self) -> &[Expired] {
        self.stage.expired()
    }

    /// Stored files that were passed over, with the reason.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Role `name`, which top-level targets delegates to.
    ///
    /// # Errors
    /// No such delegation, a role that cannot be had or is refused.
    pub fn role(&mut self, name: &str) -> Result<Arc<Verified<Targets>>> {
        self.load(name, "targets")
    }

    /// [`Refreshed::role`] of a role that only ever forbids: see [`TargetsStage::take`].
    ///
    /// # Errors
    /// As there, but for expiry.
    pub fn role_whenever(&mut self, name: &str) -> Result<Arc<Verified<Targets>>> {
        self.load_by(name, "targets", whenever)
    }

    /// Searches target `path` from the top-level role on (TUF 1.0, section 5.6.7).
    ///
    /// # Errors
    /// As [`select::search`].
    pub fn target(&mut self, path: &str) -> Result<Option<Found>> {
        select::search(path, |role, delegator| self.load(role, delegator))
    }

    fn load(&mut self, role: &str, delegator: &str) -> Result<Arc<Verified<Targets>>> {
        self.load_by(role, delegator, TargetsStage::update)
    }

    fn load_by(
        &mut self,
        role: &str,
        delegator: &str,
        update: Updater,
    ) -> Result<Arc<Verified<Targets>>> {
        let mut driver = Driver {
            fetch: self.fetch,
            cache: self.cache,
            notes: std::mem::take(&mut self.notes),
        };
        let loaded = driver.targets(&mut self.stage, role, delegator, update);
        self.notes = driver.notes;
        loaded
    }
}

/// The file of a role, without a version: its name encoded, so that no role can name a path.
pub fn file_name(role: &str) -> String {
    encoded(role) + ".json"
}

/// `text` percent-encoded but for the unreserved characters of RFC 3986, section 2.3: one component
/// of a URL or a path, though perhaps `.` or `..`.
pub fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

struct Driver<'a> {
    fetch: Option<&'a dyn Fetch>,
    cache: &'a dyn Cache,
    notes: Vec<String>,
}

impl Driver<'_> {
    fn fetch(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        match self.fetch {
            Some(fetch) => fetch.fetch(name, limit),
            None => Ok(None),
        }
    }

    /// Fetches a file that a role above lists.
    fn fetch_listed<T: Role>(
        &self,
        role: &str,
        version: Option<u64>,
        length: Option<u64>,
        wanted_by: &str,
    ) -> Result<Vec<u8>> {
        let file = file_name(role);
        let name = match version {
            Some(version) => format!("{version}.{file}"),
            None => file,
        };
        let limit = length.unwrap_or(T::MAX_LEN);
        if limit > MAX_LISTED_METADATA_LEN {
            return Err(Error::from(TrustError::TooLong {
                name,
                found: limit,
                limit: MAX_LISTED_METADATA_LEN,
            }));
        }
        self.fetch(&name, limit)?.ok_or_else(|| {
            Error::from(TrustError::Missing {
                name,
                wanted_by: wanted_by.into(),
            })
        })
    }

    fn root(&mut self, trusted: Option<&[u8]>) -> Result<RootStage> {
        let mut stage = self.first_root(trusted)?;
        for _ in 0..MAX_ROOT_ROTATIONS {
            let name = format!("{}.root.json", stage.root().version.saturating_add(1));
            let Some(bytes) = self.fetch(&name, Root::MAX_LEN)? else {
                break;
            };
            let old = stage.root().clone();
            let new = stage
                .update(&bytes)
                .map_err(|e| Error::from(e).under(format!("{name} was refused")))?;
            self.adopt_root(Some(&old), new)?;
        }
        Ok(stage)
    }

    fn first_root(&self, trusted: Option<&[u8]>) -> Result<RootStage> {
        let cached = self.cache.load("root.json")?;
        let stage = |bytes: &[u8], whose: &str| {
            RootStage::new(bytes)
                .map_err(|e| Error::from(e).under(format!("{whose} root was refused")))
        };
        match (trusted, cached) {
            (None, None) => Err(Error::refused("there is no trusted root to start from")
                .hint("name one that you have from the project's team: --root FILE")),
            (None, Some(cached)) => stage(&cached, "the stored"),
            (Some(trusted), None) => {
                let stage = stage(trusted, "the given")?;
                self.adopt_root(None, stage.root())?;
                Ok(stage)
            }
            (Some(trusted), Some(cached)) => {
                let given = stage(trusted, "the given")?;
                let stored = stage(&cached, "the stored")?;
                if given.root().version > stored.root().version {
                    self.adopt_root(Some(stored.root()), given.root())?;
                    return Ok(given);
                }
                if given.root().version == stored.root().version
                    && canonical(trusted)? != canonical(&cached)?
                {
                    return Err(Error::refused(format!(
                        "the given root and the stored root both have version {} and differ",
                        given.root().version
                    ))
                    .hint("compare both with the project's team: somebody has signed two"));
                }
                Ok(stored)
            }
        }
    }

    /// Stores a root. What withdrawn keys signed goes first, so that a kill in between costs rollback
    /// protection of one refresh and never leaves a state that cannot recover.
    fn adopt_root(&self, old: Option<&Root>, new: &Verified<Root>) -> Result<()> {
        if old.is_some_and(|old| withdraws_online_keys(old, new)) {
            self.cache.remove("timestamp.json")?;
            self.cache.remove("snapshot.json")?;
        }
        self.cache.save("root.json", new.bytes())
    }

    fn timestamp(&mut self, mut stage: TimestampStage) -> Result<TimestampStage> {
        if let Some(bytes) = self.cache.load("timestamp.json")? {
            let taken = stage.local(&bytes);
            self.note("timestamp.json", taken);
        }
        if self.fetch.is_none() {
            return Ok(stage);
        }
        let by = format!("root version {}", stage.root().version);
        let bytes =
            self.fetch_listed::<Timestamp>("timestamp", None, Some(Timestamp::MAX_LEN), &by)?;
        if stage.update(&bytes)? == Update::New {
            self.cache.save("timestamp.json", &bytes)?;
        }
        Ok(stage)
    }

    fn snapshot(&mut self, mut stage: SnapshotStage) -> Result<SnapshotStage> {
        if let Some(bytes) = self.cache.load("snapshot.json")? {
            let taken = stage.local(&bytes);
            self.note("snapshot.json", taken);
        }
        if self.fetch.is_none() || stage.is_current() {
            return Ok(stage);
        }
        let wanted = stage.wanted();
        let version = stage.root().consistent_snapshot.then_some(wanted.version);
        let bytes =
            self.fetch_listed::<Snapshot>("snapshot", version, wanted.length, "timestamp")?;
        stage.update(&bytes)?;
        self.cache.save("snapshot.json", &bytes)?;
        Ok(stage)
    }

    fn targets(
        &mut self,
        stage: &mut TargetsStage,
        role: &str,
        delegator: &str,
        update: Updater,
    ) -> Result<Arc<Verified<Targets>>> {
        if let Some(known) = stage.get(role, delegator) {
            return Ok(known);
        }
        if let Some(bytes) = stage.bytes(role).map(<[u8]>::to_vec) {
            return Ok(update(stage, &bytes, role, delegator)?);
        }
        let wanted = stage.wanted(role)?;
        let (version, length) = (wanted.version, wanted.length);
        let name = file_name(role);
        if let Some(bytes) = self.cache.load(&name)? {
            match update(stage, &bytes, role, delegator) {
                Ok(taken) => return Ok(taken),
                Err(error) if self.fetch.is_none() => return Err(error.into()),
                Err(error) => self.note(&name, Err(error)),
            }
        }
        let version = stage.root().consistent_snapshot.then_some(version);
        let bytes = self.fetch_listed::<Targets>(role, version, length, "snapshot")?;
        let taken = update(stage, &bytes, role, delegator)?;
        self.cache.save(&name, &bytes)?;
        Ok(taken)
    }

    fn note(&mut self, name: &str, taken: std::result::Result<(), TrustError>) {
        if let Err(error) = taken {
            self.notes
                .push(format!("stored {name} was passed over: {error}"));
        }
    }
}

fn canonical(bytes: &[u8]) -> Result<Vec<u8>> {
    Ok(Unverified::<Root>::parse(bytes)?.canonical)
}
