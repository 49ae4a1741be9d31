//! Plans of what to publish: signed metadata, log entries, checkpoint, in the order in which
//! readers may see them (DESIGN, section 3, "Publishing"). Nothing is written here: a plan goes
//! through the store's stage. Whoever makes one holds the store's lock.

mod attested;
mod batch;
mod genesis;
mod late;
mod log_end;
mod signing;
mod submission;
mod witness;

use jiff::{SignedDuration, Timestamp};

use super::assemble::{PROOF, PROVENANCE, SUMS};
use super::attestations::Drawer;
use super::ceremony::{Base, FilesInMemory, Kind, Proposal, RoleDraft, voided};
use super::config;
use super::draft::{Drafts, Record};
use super::environment::{self, Times};
use super::leaf::Leaf;
use super::state::{self, Released};
use super::verify::{check_logged, signed_release};
use super::view::View;
use super::yank;
use crate::keys::{PublicKey, Signer};
use crate::log::{Transport, WitnessMemory};
use crate::store::Reader;
use crate::store::stage::{Content, Transaction};
use crate::trust::memory::Memory;
use crate::trust::policy::Purpose;
use crate::trust::refresh::StoreMetadata;
use crate::trust::schema::{Root, Snapshot, Targets};
use crate::trust::state::withdraws_online_keys;
use crate::trust::{MetaFile, time};
use crate::{Error, Result};

pub use attested::{Attested, attested, refused};
pub use genesis::{Founded, Genesis, PEOPLE_MEMBER};
pub use signing::{Absent, Waiting};
pub use submission::AskWitnesses;
pub use witness::{Witness, Witnesses, published};

use batch::Batch;
use signing::Signed;

/// Whoever has the secret keys.
pub trait Keys {
    /// All keys at hand for a purpose, perhaps none.
    fn all(&self, purpose: &str) -> Result<Vec<Box<dyn Signer>>>;

    /// The one key for a purpose that needs exactly one.
    fn one(&self, purpose: &str) -> Result<Box<dyn Signer>> {
        let none = || {
            self.absent(purpose).unwrap_or_else(|| {
                Error::failed(format!("there is no {purpose} key here"))
                    .hint("name the directory that has it: --secret-keys DIR")
            })
        };
        self.all(purpose)?.into_iter().next().ok_or_else(none)
    }

    /// Why a key of a purpose that should be here cannot be used, such as one in an ssh-agent that does
    /// not answer. It is none of [`Keys::all`].
    fn absent(&self, _purpose: &str) -> Option<Error> {
        None
    }

    /// Where witnesses whose keys are among these write down what they cosigned; none where such
    /// keys cannot be used.
    fn witness_memory(&self) -> Option<&dyn WitnessMemory> {
        None
    }

    /// The way to witnesses on other machines; none where they cannot be asked.
    fn witness_transport(&self) -> Option<&dyn Transport> {
        None
    }

    /// The first of `accepted` that is at hand: a key that was replaced may lie beside its successor.
    /// Where none is, the first key at hand, for the caller to refuse by name.
    fn one_of(&self, purpose: &str, accepted: &[PublicKey]) -> Result<Box<dyn Signer>> {
        let mut keys = self.all(purpose)?;
        let at_hand = |key: &PublicKey| keys.iter().position(|k| k.public() == *key);
        match accepted.iter().find_map(at_hand) {
            Some(at) => Ok(keys.swap_remove(at)),
            None => self.one(purpose),
        }
    }
}

/// A plan, or whose signatures it lacks.
#[derive(Debug)]
pub enum Planned {
    /// To be staged and carried out.
    Ready(Transaction),
    /// Too few keys at hand; nothing was published.
    Waiting(Waiting),
}

/// Makes plans for one store.
pub struct Publisher<'a> {
    /// The store.
    pub store: &'a dyn Reader,
    /// The keys.
    pub keys: &'a dyn Keys,
    /// How long signatures are valid.
    pub expiry: &'a config::Expiry,
    /// Now.
    pub now: Timestamp,
}

/// No honest store comes to this version: it is an attacker's, who wants that none can follow.
const FAST_FORWARDED: u64 = 1 << 40;
/// A snapshot with less life left than this many timestamps is signed anew with the next one.
const SNAPSHOT_SLACK: u32 = 2;

impl Publisher<'_> {
    /// Proposes to list the release of a draft.
    ///
    /// # Errors
    /// A draft that readers would refuse.
    pub fn propose_release(&self, view: &View, record: &Record) -> Result<Proposal> {
        let released = record.released();
        check_leaf(view, record, &released)?;
        let mut targets: Targets = Targets::clone(view.refreshed.targets());
        self.renew(&mut targets, "targets")?;
        targets
            .targets
            .insert(released.archive_name(), released.target()?);
        let mut proposal = Proposal::new(
            &view.policy.policy().document().project,
            &format!("release-{}", record.tag),
            Kind::Release,
            &format!("list release {}", record.tag),
            self.now,
        );
        proposal
            .roles
            .push(RoleDraft::targets("targets", &targets)?);
        proposal.draft = Some(record.tag.clone());
        Ok(proposal)
    }

    /// Gives a role its next version and a new expiry.
    ///
    /// # Errors
    /// A store that cannot be asked which versions are free.
    pub fn renew(&self, role: &mut Targets, name: &str) -> Result<()> {
        role.version = self.free_version(name, role.version)?;
        role.expires = self.until(name)?;
        Ok(())
    }

    /// Plans the publication of a proposal that `base` of `view` is the ground of.
    ///
    /// # Errors
    /// A proposal that is not sound, a store that does not verify, keys that cannot sign, a result
    /// that readers would refuse.
    pub fn publish(
        &self,
        view: &View,
        base: &Base,
        proposal: &Proposal,
        (drafts, drawer): (&dyn Drafts, &dyn Drawer),
    ) -> Result<Planned> {
        proposal.require_sound(base, self.now)?;
        // Counted is what is left then: that is what readers get.
        let mut proposal = proposal.clone();
        proposal.keep_what_counts(base)?;
        let proposal = &proposal;
        if let Some(demand) = proposal.demands(base)?.iter().find(|d| !d.is_met()) {
            return Ok(Planned::Waiting(Waiting::of(demand)));
        }
        let after = base.after(proposal)?;
        if let Some(witnessed) = &view.witnessed {
            witnessed.check_clock(self.now)?;
        }
        let mut batch = Batch::new(self, &after.policy, *view.history.checkpoint.head())?;
        batch.ask_witnesses(&view.policy, self.keys)?;
        if let Some(tag) = &proposal.draft {
            let (record, released) = self.add_draft(&mut batch, view, proposal, tag, drafts)?;
            let lacks = self.add_attestations(
                &mut batch,
                &after.policy,
                (&record, &released),
                (drafts, drawer),
            )?;
            if let Some(waiting) = lacks {
                return Ok(Planned::Waiting(waiting));
            }
        }
        for (path, text) in &proposal.files {
            batch.object(path.clone(), text.clone().into_bytes());
        }
        for statement in &proposal.statements {
            yank::check_number(self.store, &statement.proof)?;
            batch.entry(statement.entry()?, statement.proof.clone());
        }
        if let Some(text) = &proposal.policy {
            let lost = voided(view, self.store, &after.policy)?;
            if let Some((tag, time)) = lost.iter().find(|(_, time)| *time >= proposal.time) {
                return Err(Error::refused(format!(
                    "release {tag} was cut at {time} with a key that {} ends before that",
                    proposal.id
                ))
                .hint(format!(
                    "propose it anew, the key then ends later: relman withdraw {}",
                    proposal.id
                )));
            }
            batch.policy(after.policy.pin().file_name(), text.clone().into_bytes());
        }
        let mut snapshot = Snapshot::clone(view.refreshed.snapshot());
        for draft in &proposal.roles {
            let (name, version, bytes) = (draft.name(), draft.version()?, draft.bytes()?);
            if name != "root" {
                let meta = MetaFile::of(version, &bytes);
                snapshot.meta.insert(format!("{name}.json"), meta);
            }
            batch.role(name, version, bytes);
        }
        // A role that is delegated no more stays listed: to readers one that disappears is a rollback.
        self.sealed(view, &after.root, batch, snapshot)
    }

    /// Plans to enter one leaf in the log, with its proof at `path`.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn log(&self, view: &View, leaf: &Leaf, path: &str) -> Result<Planned> {
        let publishers = view.policy.accepted(&Purpose::Publisher, self.now);
        let key = self.keys.one_of("publisher", &publishers)?;
        self.enter(view, vec![(leaf.sign(key.as_ref())?, path.to_owned())])
    }

    /// Plans to enter signed entries in the log, each with its proof at a path.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn enter(&self, view: &View, entries: Vec<(Vec<u8>, String)>) -> Result<Planned> {
        if let Some(witnessed) = &view.witnessed {
            witnessed.check_clock(self.now)?;
        }
        let head = *view.history.checkpoint.head();
        let mut batch = Batch::new(self, &view.policy, head)?;
        for (entry, path) in entries {
            batch.entry(entry, path);
        }
        let snapshot = view.refreshed.snapshot();
        let meta = MetaFile::of(snapshot.version, snapshot.bytes());
        self.stamped(view, view.refreshed.root(), batch, meta)
    }

    fn add_draft(
        &self,
        batch: &mut Batch,
        view: &View,
        proposal: &Proposal,
        tag: &str,
        drafts: &dyn Drafts,
    ) -> Result<(Record, Released)> {
        let record = drafts.load(tag)?.ok_or_else(|| {
            Error::failed(format!(
                "proposal {} lists release {tag}, and its draft is not here",
                proposal.id
            ))
            .hint("publish where the release was cut")
        })?;
        let Some(RoleDraft::Targets { draft, .. }) = proposal.role("targets") else {
            return Err(Error::refused(format!(
                "proposal {} brings a draft and no role targets",
                proposal.id
            )));
        };
        let released = state::find(&draft.unverified_body()?, tag)?;
        if released.sha256 != record.archive || released.length != record.archive_len {
            return Err(Error::refused(format!(
                "proposal {} lists {tag} with sha256 {}, the draft here has {}",
                proposal.id, released.sha256, record.archive
            ))
            .hint(
                "the release was cut again since; withdraw the proposal and publish the new draft",
            ));
        }
        check_leaf(view, &record, &released)?;
        for (name, digest) in &record.files {
            let path = drafts.file(tag, name);
            batch.file(format!("{tag}/{name}"), path, *digest);
        }
        let archive = drafts.file(tag, &released.archive_name());
        batch.file(released.archive_path(), archive, record.archive);
        batch.entry(record.leaf.clone().into_bytes(), format!("{tag}/{PROOF}"));
        Ok((record, released))
    }

    /// Plans fresh signatures over the same contents, those of the log's witnesses too where their age
    /// matters. Why these could not be had is told beside the plan: the metadata's freshness does not wait for them.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn freshness(&self, view: &mut View) -> Result<(Planned, Option<Error>)> {
        let mut batch = Batch::starting(self.store, None, self.now);
        let checkpoint = &view.history.checkpoint;
        let log = &view.policy.policy().document().log;
        // Where any age will do, the first cosignatures say best since when the tree is known.
        let stale = match log.max_cosignature_age_hours {
            None => None,
            Some(_) => batch
                .renew_checkpoint(&view.policy, self.keys, checkpoint)
                .err(),
        };
        let slack = SignedDuration::from_hours(
            24 * i64::from(self.expiry.timestamp) * i64::from(SNAPSHOT_SLACK),
        );
        let snapshot = Snapshot::clone(view.refreshed.snapshot());
        if snapshot.expires <= self.now.saturating_add(slack).unwrap_or(self.now) {
            let planned = self.sealed(view, view.refreshed.root(), batch, snapshot)?;
            return Ok((planned, stale));
        }
        let meta = MetaFile::of(snapshot.version, view.refreshed.snapshot().bytes());
        let planned = self.stamped(view, view.refreshed.root(), batch, meta)?;
        Ok((planned, stale))
    }

    /// Signs a new snapshot, and a timestamp over it.
    fn sealed(
        &self,
        view: &View,
        root: &Root,
        mut batch: Batch,
        mut snapshot: Snapshot,
    ) -> Result<Planned> {
        let withdrawn = withdraws_online_keys(view.refreshed.root(), root);
        let before = before_next(snapshot.version, withdrawn);
        snapshot.version = self.free_version("snapshot", before)?;
        snapshot.expires = self.until("snapshot")?;
        let bytes = match signing::sign(&snapshot, "snapshot", root, self.keys)? {
            Signed::Whole(bytes) => bytes,
            Signed::Waiting(waiting) => return Ok(Planned::Waiting(waiting)),
        };
        let meta = MetaFile::of(snapshot.version, &bytes);
        batch.snapshot(snapshot.version, bytes);
        self.stamped(view, root, batch, meta)
    }

    fn stamped(
        &self,
        view: &View,
        root: &Root,
        mut batch: Batch,
        snapshot: MetaFile,
    ) -> Result<Planned> {
        let mut timestamp = crate::trust::Timestamp::clone(view.refreshed.timestamp());
        let withdrawn = withdraws_online_keys(view.refreshed.root(), root);
        let number = timestamp.version.saturating_add(1);
        timestamp.version = before_next(timestamp.version, withdrawn).saturating_add(1);
        timestamp.expires = self.until("timestamp")?;
        timestamp.meta.insert("snapshot.json".into(), snapshot);
        match signing::sign(&timestamp, "timestamp", root, self.keys)? {
            Signed::Whole(bytes) => batch.timestamp(number, bytes),
            Signed::Waiting(waiting) => return Ok(Planned::Waiting(waiting)),
        }
        let transaction = batch.transaction()?;
        self.rehearse(view, &transaction)?;
        Ok(Planned::Ready(transaction))
    }

    /// Reads the store as it would be: nothing is published that readers would refuse.
    fn rehearse(&self, view: &View, transaction: &Transaction) -> Result<()> {
        let files = transaction
            .puts
            .iter()
            .filter_map(|put| match &put.content {
                Content::Bytes(bytes) => Some((put.path.clone(), bytes.clone())),
                Content::File { .. } => None,
            });
        let store = FilesInMemory::over(files, self.store);
        let (fetch, cache) = (StoreMetadata(&store), Memory::new());
        let root = view.refreshed.root().bytes();
        let refused = |e: Error| e.under("nothing was published: readers would refuse the result");
        // Witnesses that have answered just now are asked for this tree once it cannot be lost.
        let opened = match transaction.submission {
            Some(_) => View::open_unwitnessed(&store, &fetch, &cache, root, self.now),
            None => View::open(&store, &fetch, &cache, root, self.now),
        };
        let mut after = opened.map_err(refused)?;
        // What was too old before is no fault of this publication, and may be all that mends it.
        if view.check_head(self.now).is_ok() {
            after.check_head(self.now).map_err(refused)?;
        }
        let base = Base::of(&mut after)?;
        self.rehearse_moves(view, &store, &mut after)?;
        if base.root.version == view.refreshed.root().version {
            return Ok(());
        }
        // A new policy may end keys that have signed log entries in the meantime.
        let mut files = vec![
            ("root", base.root.version, base.root.bytes()),
            ("targets", base.targets.version, base.targets.bytes()),
        ];
        let roles = base.roles.iter();
        files.extend(roles.map(|(name, role)| (name.as_str(), role.version, role.bytes())));
        for file in files {
            check_logged(&after.history, &after.policy, &store, file).map_err(|e| {
                e.under("nothing was published: readers would refuse the result")
                    .hint("what was signed since the change was proposed has to be signed anew: relman root renew")
            })?;
        }
        Ok(())
    }

    /// No environment moves where its nodes would not follow.
    fn rehearse_moves(&self, view: &View, store: &dyn Reader, after: &mut View) -> Result<()> {
        let before = environment::versions(view.refreshed.snapshot());
        let names = environment::versions(after.refreshed.snapshot());
        let times = Times {
            waits: Some(self.now),
            install: None,
        };
        for (name, version) in names {
            if after.policy.environment(&name).is_none() || before.get(&name) == Some(&version) {
                continue;
            }
            let (current, breaches) = environment::check_environment(store, after, &name, times)?;
            // What was only signed anew stays as it was agreed.
            if current.is_some_and(|current| current.version != version) {
                continue;
            }
            environment::refuse(&format!("{name} version {version}"), &breaches)?;
        }
        Ok(())
    }

    /// The next version that no file has: one once used by an orphan is skipped.
    fn free_version(&self, role: &str, current: u64) -> Result<u64> {
        let mut version = current + 1;
        while self
            .store
            .open(&format!("metadata/{version}.{role}.json"))?
            .is_some()
        {
            version += 1;
        }
        Ok(version)
    }

    fn until(&self, role: &str) -> Result<Timestamp> {
        expires(self.expiry, role, self.now)
    }
}

/// The number that the next version is to follow. Where online keys were withdrawn, readers forget
/// what these have signed (TUF 1.0, section 5.3.11), and a number that has no successor is left behind.
fn before_next(version: u64, withdrawn: bool) -> u64 {
    match withdrawn && version >= FAST_FORWARDED {
        true => 0,
        false => version,
    }
}

/// What goes into the log stays there: a leaf that readers would refuse is refused here.
fn check_leaf(view: &View, record: &Record, released: &Released) -> Result<()> {
    let wrong = |e: Error| {
        e.under(format!("the draft of {} cannot be published", record.tag))
            .hint(format!(
                "remove the draft and cut it again with the builder's key: rm -r .relman/drafts/{}",
                record.tag
            ))
    };
    let leaf = signed_release(record.leaf.as_bytes(), &view.policy).map_err(wrong)?;
    let mut differences = released.differences(&leaf);
    for (name, digest) in [(SUMS, leaf.sums), (PROVENANCE, leaf.provenance)] {
        if record.files.get(name) != Some(&digest) {
            differences.push(format!("the leaf is about another {name}"));
        }
    }
    match differences.first() {
        None => Ok(()),
        Some(first) => Err(wrong(Error::refused(first.clone()))),
    }
}

/// When a signature of `role` made at `now` ends to be valid.
pub fn expires(expiry: &config::Expiry, role: &str, now: Timestamp) -> Result<Timestamp> {
    if let Some(fixed) = &expiry.fixed {
        return time::parse(fixed)
            .ok_or_else(|| Error::usage(format!("expiry.fixed is {fixed:?}, wanted a time")));
    }
    let days = match role {
        "root" => expiry.root,
        "targets" => expiry.targets,
        "snapshot" => expiry.snapshot,
        "timestamp" => expiry.timestamp,
        _ => expiry.environment,
    };
    now.checked_add(SignedDuration::from_hours(24 * i64::from(days)))
        .map_err(|e| Error::usage(format!("expiry of {role} is {days} days")).caused_by(e))
}
