//! Check 3: does everybody see the same history? Checkpoint, inclusion, consistency. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::authority::Authority;
use super::{Digests, Problem, Report, Subject, Verifier, problem};
use crate::attest::Envelope;
use crate::hash::Sha256;
use crate::keys::PublicKey;
use crate::limits::MAX_CHECKPOINT_LEN;
use crate::log::{
    Note, StoreTiles, TileHashes, TlogProof, VerifiedCheckpoint, Witnessed, check_inclusion,
    leaf_hash, prove_consistency, prove_inclusion,
};
use crate::release::assemble::PROOF;
use crate::release::leaf::{Leaf, ReleaseLeaf};
use crate::release::policy::ReleasePolicy;
use crate::release::state::Released;
use crate::store::Reader;
use crate::trust::state::Expiry;
use crate::{Error, Result};

/// Where a node remembers the newest checkpoint that it has seen.
pub trait Seen {
    /// The signed note; `None` before the first.
    fn load(&self) -> Result<Option<Vec<u8>>>;
    /// Remembers a newer one, durably.
    fn save(&self, note: &[u8]) -> Result<()>;
}

/// A reader that remembers nothing: an audit, a check on somebody else's machine, a dry run. What
/// was seen before, if anything, still counts.
pub struct SeenNothing<'a>(pub Option<&'a dyn Seen>);

impl Seen for SeenNothing<'_> {
    fn load(&self) -> Result<Option<Vec<u8>>> {
        self.0.map_or(Ok(None), Seen::load)
    }

    fn save(&self, _note: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// Proof files that were checked: name in the evidence and bytes.
pub type Proofs = Vec<(String, Vec<u8>)>;

/// The log of a store as of a verified checkpoint.
pub struct History<'a> {
    /// The checkpoint.
    pub checkpoint: VerifiedCheckpoint,
    store: &'a dyn Reader,
    /// What a rehearsal takes as given.
    assumed: Option<Witnessed>,
}

impl<'a> History<'a> {
    /// Reads and verifies the store's checkpoint under the policy's log keys.
    pub fn open(store: &'a dyn Reader, policy: &ReleasePolicy) -> Result<Self> {
        let bytes = store
            .read("log/checkpoint", MAX_CHECKPOINT_LEN)?
            .ok_or_else(|| Error::refused("log/checkpoint is missing"))?;
        let note = Note::parse(&bytes)?;
        let checkpoint = policy.checkpoint(&note)?;
        Ok(History {
            checkpoint,
            store,
            assumed: None,
        })
    }

    /// Takes the checkpoint as if a quorum had cosigned it at `now`; for rehearsals of what is not
    /// published.
    pub fn assume_witnessed(&mut self, now: Timestamp) {
        self.assumed = Some(Witnessed::assumed(now));
    }

    /// The log's tiles, unverified.
    pub fn tiles(&self) -> StoreTiles<'a> {
        StoreTiles::new(self.store, "log", self.checkpoint.head().size)
    }

    /// Checks that this log extends the one seen before.
    ///
    /// # Errors
    /// A log that shrank or forked; the causes carry both signed heads.
    pub fn check_extends(&self, seen: &VerifiedCheckpoint) -> Result<()> {
        let (old, new) = (seen.head(), self.checkpoint.head());
        if old.size > new.size {
            return Err(Error::refused(format!(
                "the store's log has {} entries, one with {} was seen before",
                new.size, old.size
            ))
            .caused_by(format!("seen before:\n{}", seen.note()))
            .caused_by(format!("the store's:\n{}", self.checkpoint.note()))
            .hint("the store was put back to an older state, or shows you another history"));
        }
        let tiles = self.tiles();
        let hashes = TileHashes::open(&tiles, new)?;
        let proof = prove_consistency(old.size, new.size, &hashes)?;
        self.checkpoint.check_extends(seen, &proof)
    }

    /// The witnessed time of this checkpoint, the newest that this store shows; `None` where policy
    /// asks for no witnesses.
    ///
    /// # Errors
    /// Refused: no quorum, saying who is missing; a cosignature that does not verify.
    pub fn witnessed(&self, policy: &ReleasePolicy) -> Result<Option<Witnessed>> {
        match &self.assumed {
            Some(assumed) => Ok(Some(assumed.clone())),
            None => policy.witnessed(&self.checkpoint),
        }
    }

    /// Verifies that `proof` puts its entry into this very log, and gives the entry with the
    /// witnessed time by which it was there.
    ///
    /// A proof from before there were witnesses lacks a quorum of its own. The entry is believed
    /// all the same, since it is in the tree that a quorum has cosigned now; and it is known to have
    /// been there only since that.
    ///
    /// # Errors
    /// Refused: the entry is not in the proof's tree or not in this one; a cosignature of a known
    /// witness that does not verify; no quorum for this log's checkpoint.
    pub fn included(&self, proof: &TlogProof, policy: &ReleasePolicy) -> Result<Included> {
        let entry = proof.unverified_extra().to_vec();
        let included = proof.verify(&entry, policy.log_keys(), policy.log_origin())?;
        policy.witnesses().cosigned(included.checkpoint())?;
        let (index, head) = (included.index(), self.checkpoint.head());
        if index >= head.size {
            return Err(Error::refused(format!(
                "is about entry {index} of a log that has {} here",
                head.size
            )));
        }
        let tiles = self.tiles();
        let hashes = TileHashes::open(&tiles, head)?;
        let path = prove_inclusion(index, head.size, &hashes)?;
        check_inclusion(index, &leaf_hash(&entry), &path, head)?;
        let here = self.witnessed(policy)?;
        let by_itself = policy.witnessed(included.checkpoint());
        let (since, kept) = match (here, by_itself) {
            (None, _) => (None, proof.clone()),
            (Some(here), Ok(Some(then))) => (Some(then.time().min(here.time())), proof.clone()),
            (Some(here), _) => {
                let note = self.checkpoint.note().clone();
                (
                    Some(here.time()),
                    TlogProof::new(&entry, index, &path, note)?,
                )
            }
        };
        Ok(Included {
            entry,
            index,
            since,
            whole: kept == *proof,
            proof: kept.to_string().into_bytes(),
        })
    }
}

/// An entry that is in the log which the store shows.
pub struct Included {
    /// The entry; what it says is not verified yet, see [`signed_leaf`].
    pub entry: Vec<u8>,
    /// Its number in the log, from 0.
    pub index: u64,
    /// The witnessed time by which it is known to have been in the log: soak and notice begin here.
    /// `None` where policy asks for no witnesses.
    pub since: Option<Timestamp>,
    /// A proof of it that has all that policy asks for by itself, to be kept.
    pub proof: Vec<u8>,
    /// Whether that is the proof as it was found.
    pub whole: bool,
}

/// What check 3 gives to those after it.
pub struct Logged {
    /// The release's leaf.
    pub leaf: ReleaseLeaf,
    /// The witnessed time by which that leaf was in the log; `None` without witnesses.
    pub since: Option<Timestamp>,
    /// The proofs as evidence.
    pub proofs: Proofs,
    /// The quorum that cosigned the store's checkpoint; `None` where policy asks for none. Its time
    /// is the newest witnessed one.
    pub witnessed: Option<Witnessed>,
}

/// Check 3. Gives the release's leaf, the proofs as evidence, and witnessed times.
pub fn check(
    v: &Verifier,
    authority: &mut Authority,
    subject: &Subject,
    released: &Released,
    report: &mut Report,
) -> Option<Logged> {
    let result = run(v, authority, subject, released);
    report.enter("log", result)
}

type Found = (Logged, String);

fn run(
    v: &Verifier,
    authority: &mut Authority,
    subject: &Subject,
    released: &Released,
) -> Result<Found, Vec<Problem>> {
    let roles = authority
        .logged_roles(subject.environment)
        .map_err(|e| problem(subject.environment, &e))?;
    let policy = &authority.policy;
    let at = |path: &str| {
        let path = path.to_owned();
        move |e: Error| problem(path.clone(), &e)
    };
    let history = History::open(v.store, policy).map_err(at("log/checkpoint"))?;
    let witnessed = history.witnessed(policy).map_err(at("log/checkpoint"))?;
    if let Some(witnessed) = &witnessed {
        let clock = witnessed.check_clock(v.clock.now);
        clock.map_err(at("log/checkpoint"))?;
    }
    // Whoever asks that expiry is told and not refused looks at what was kept, which grows old.
    if v.clock.expiry == Expiry::Enforce {
        policy
            .check_head(&history.checkpoint, witnessed.as_ref(), v.clock.now)
            .map_err(at("log/checkpoint"))?;
    }
    let seen = v.seen.load().map_err(at("the checkpoint seen before"))?;
    if let Some(bytes) = &seen {
        let seen = Note::parse(bytes)
            .and_then(|note| policy.checkpoint(&note))
            .map_err(at("the checkpoint seen before"))?;
        history.check_extends(&seen).map_err(at("log/checkpoint"))?;
    }

    let mut problems = Vec::new();
    let mut proofs = Proofs::new();
    let proof_path = format!("{}/{PROOF}", subject.tag);
    let leaf = release_leaf(&history, policy, subject.release, &proof_path, released)
        .map_err(|p| problems.extend(p))
        .ok();
    if let Some((_, included)) = &leaf {
        proofs.push((PROOF.to_owned(), included.proof.clone()));
    }
    for (role, version, digest) in roles {
        let path = format!("metadata/{version}.{role}.tlog-proof");
        match metadata_leaf(&history, policy, v.store, &path, &role, version, digest) {
            Ok(bytes) => proofs.push((format!("{role}.tlog-proof"), bytes)),
            Err(more) => problems.extend(more),
        }
    }
    match (leaf, problems.is_empty()) {
        (Some((leaf, included)), true) => {
            let note = history.checkpoint.note().to_string();
            // Remembered before the install goes on: whatever happens next, an older history will
            // not be believed again.
            v.seen
                .save(note.as_bytes())
                .map_err(at("the checkpoint seen before"))?;
            proofs.push(("checkpoint".into(), note.into_bytes()));
            let by = match &witnessed {
                None => "no witnesses asked for".to_owned(),
                Some(w) => w.to_string(),
            };
            let detail = format!(
                "{} entries, signed by {}, {by}",
                history.checkpoint.head().size,
                policy.log_origin()
            );
            let logged = Logged {
                leaf,
                since: included.since,
                proofs,
                witnessed,
            };
            Ok((logged, detail))
        }
        _ => Err(problems),
    }
}

fn read_proof(
    history: &History,
    policy: &ReleasePolicy,
    store: &dyn Reader,
    path: &str,
) -> Result<Included, Vec<Problem>> {
    match history.proved(store, path, policy) {
        Ok(Some(included)) => Ok(included),
        Ok(None) => Err(vec![Problem::new(path, "is missing")]),
        Err(e) => Err(problem(path, &e)),
    }
}

fn release_leaf(
    history: &History,
    policy: &ReleasePolicy,
    store: &dyn Reader,
    path: &str,
    released: &Released,
) -> Result<(ReleaseLeaf, Included), Vec<Problem>> {
    let included = read_proof(history, policy, store, path)?;
    let leaf = signed_release(&included.entry, policy).map_err(|e| problem(path, &e))?;
    let differences = released.differences(&leaf);
    if differences.is_empty() {
        Ok((leaf, included))
    } else {
        Err(differences
            .into_iter()
            .map(|d| Problem::new(path, d))
            .collect())
    }
}

/// The release leaf in a log entry, signed by a builder that policy names.
pub fn signed_release(entry: &[u8], policy: &ReleasePolicy) -> Result<ReleaseLeaf> {
    match signed_leaf(entry, policy)?.0 {
        Leaf::Release(leaf) => Ok(leaf),
        other => Err(Error::refused(format!("is no release leaf but {other:?}"))),
    }
}

/// The leaf in a log entry, under the keys of the purpose that its type demands, and the keys that
/// signed it. Whether a key was valid is asked for the time that the leaf gives: the log's order
/// bounds it, a clock would not.
pub fn signed_leaf(entry: &[u8], policy: &ReleasePolicy) -> Result<(Leaf, BTreeSet<PublicKey>)> {
    let envelope = Envelope::parse(entry)?;
    let claimed = Leaf::read(&envelope.unverified_statement()?)?;
    let accepted = policy.accepted(&claimed.purpose(), claimed.time());
    let verified = envelope.verify(&accepted)?;
    let leaf = Leaf::read(verified.statement())?;
    Ok((leaf, verified.signers().clone()))
}

fn metadata_leaf(
    history: &History,
    policy: &ReleasePolicy,
    store: &dyn Reader,
    path: &str,
    role: &str,
    version: u64,
    digest: Sha256,
) -> Result<Vec<u8>, Vec<Problem>> {
    let included = read_proof(history, policy, store, path)?;
    let files = logged_files(&included.entry, policy).map_err(|e| problem(path, &e))?;
    let name = format!("{version}.{role}.json");
    match files.get(&name) {
        Some(found) if *found == digest => Ok(included.proof),
        Some(found) => Err(vec![Problem::new(
            path,
            format!("the log has {name} with sha256 {found}, the store serves {digest}"),
        )]),
        None => Err(vec![Problem::new(
            path,
            format!("its leaf does not list {name}"),
        )]),
    }
}

/// Checks that the log has this version of a role, by a leaf that `policy` believes.
///
/// # Errors
/// No proof in the store, one that does not verify, a leaf by nobody or about other bytes.
pub fn check_logged(
    history: &History,
    policy: &ReleasePolicy,
    store: &dyn Reader,
    (role, version, bytes): (&str, u64, &[u8]),
) -> Result<()> {
    let path = format!("metadata/{version}.{role}.tlog-proof");
    let digest = Sha256::of(bytes);
    let found = metadata_leaf(history, policy, store, &path, role, version, digest);
    let refused =
        |problem: &Problem| Error::refused(format!("{} {}", problem.subject, problem.message));
    match found.as_ref().err().and_then(|problems| problems.first()) {
        Some(first) => Err(refused(first)),
        None => Ok(()),
    }
}

/// The digests that a metadata leaf lists.
pub fn logged_files(entry: &[u8], policy: &ReleasePolicy) -> Result<Digests> {
    match signed_leaf(entry, policy)?.0 {
        Leaf::Metadata(leaf) => Ok(leaf.files),
        other => Err(Error::refused(format!("is no metadata leaf but {other:?}"))),
    }
}
