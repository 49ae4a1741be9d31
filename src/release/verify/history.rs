//! Check 3: does everybody see the same history? Checkpoint, inclusion, consistency. Pure.

use std::collections::BTreeSet;

use super::authority::Authority;
use super::{Digests, Problem, Report, Subject, Verifier, problem, required};
use crate::attest::Envelope;
use crate::hash::Sha256;
use crate::keys::PublicKey;
use crate::limits::{MAX_CHECKPOINT_LEN, MAX_TLOG_PROOF_LEN};
use crate::log::{
    Note, StoreTiles, TileHashes, TlogProof, VerifiedCheckpoint, check_inclusion, leaf_hash,
    prove_consistency, prove_inclusion,
};
use crate::release::assemble::PROOF;
use crate::release::leaf::{Leaf, ReleaseLeaf};
use crate::release::policy::ReleasePolicy;
use crate::release::state::Released;
use crate::store::Reader;
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
}

impl<'a> History<'a> {
    /// Reads and verifies the store's checkpoint under the policy's log keys.
    pub fn open(store: &'a dyn Reader, policy: &ReleasePolicy) -> Result<Self> {
        let bytes = store
            .read("log/checkpoint", MAX_CHECKPOINT_LEN)?
            .ok_or_else(|| Error::refused("log/checkpoint is missing"))?;
        let note = Note::parse(&bytes)?;
        let checkpoint = VerifiedCheckpoint::verify(&note, policy.log_keys(), policy.log_origin())?;
        Ok(History { checkpoint, store })
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

    /// The entry that `proof` puts into this very log, and the witnessed time by which it was there.
    ///
    /// # Errors
    /// It is not in this log.
    pub fn entry_of(
        &self,
        proof: &TlogProof,
        policy: &ReleasePolicy,
    ) -> Result<(Vec<u8>, Option<jiff::Timestamp>)> {
        Ok((self.check_entry(proof, policy)?, None))
    }

    /// Verifies that `proof` puts its entry into this very log, and gives the entry.
    fn check_entry(&self, proof: &TlogProof, policy: &ReleasePolicy) -> Result<Vec<u8>> {
        let entry = proof.unverified_extra().to_vec();
        let included = proof.verify(&entry, policy.log_keys(), policy.log_origin())?;
        let head = self.checkpoint.head();
        if included.index() >= head.size {
            return Err(Error::refused(format!(
                "is about entry {} of a log that has {} here",
                included.index(),
                head.size
            )));
        }
        let tiles = self.tiles();
        let hashes = TileHashes::open(&tiles, head)?;
        let path = prove_inclusion(included.index(), head.size, &hashes)?;
        check_inclusion(included.index(), &leaf_hash(&entry), &path, head)?;
        Ok(entry)
    }
}

/// Check 3. Gives the release's leaf, and the proofs as evidence.
pub fn check(
    v: &Verifier,
    authority: &mut Authority,
    subject: &Subject,
    released: &Released,
    report: &mut Report,
) -> Option<(ReleaseLeaf, Proofs)> {
    let result = run(v, authority, subject, released);
    report.enter("log", result)
}

type Found = ((ReleaseLeaf, Proofs), String);

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
    if !policy.wants_no_witnesses() {
        return Err(vec![Problem::new(
            "policy",
            "wants witnesses, which this version cannot check",
        )]);
    }
    let history = History::open(v.store, policy).map_err(at("log/checkpoint"))?;
    let seen = v.seen.load().map_err(at("the checkpoint seen before"))?;
    if let Some(bytes) = &seen {
        let seen = Note::parse(bytes)
            .and_then(|note| {
                VerifiedCheckpoint::verify(&note, policy.log_keys(), policy.log_origin())
            })
            .map_err(at("the checkpoint seen before"))?;
        history.check_extends(&seen).map_err(at("log/checkpoint"))?;
    }

    let mut problems = Vec::new();
    let mut proofs = Proofs::new();
    let proof_path = format!("{}/{PROOF}", subject.tag);
    let leaf = release_leaf(&history, policy, subject.release, &proof_path, released)
        .map_err(|p| problems.extend(p))
        .ok();
    if let Some((_, bytes)) = &leaf {
        proofs.push((PROOF.to_owned(), bytes.clone()));
    }
    for (role, version, digest) in roles {
        let path = format!("metadata/{version}.{role}.tlog-proof");
        match metadata_leaf(&history, policy, v.store, &path, &role, version, digest) {
            Ok(bytes) => proofs.push((format!("{role}.tlog-proof"), bytes)),
            Err(more) => problems.extend(more),
        }
    }
    match (leaf, problems.is_empty()) {
        (Some((leaf, _)), true) => {
            let note = history.checkpoint.note().to_string();
            // Remembered before the install goes on: whatever happens next, an older history will
            // not be believed again.
            v.seen
                .save(note.as_bytes())
                .map_err(at("the checkpoint seen before"))?;
            proofs.push(("checkpoint".into(), note.into_bytes()));
            let detail = format!(
                "{} entries, signed by {}, no witnesses asked for",
                history.checkpoint.head().size,
                policy.log_origin()
            );
            Ok(((leaf, proofs), detail))
        }
        _ => Err(problems),
    }
}

fn read_proof(store: &dyn Reader, path: &str) -> Result<(TlogProof, Vec<u8>), Vec<Problem>> {
    let bytes = required(store, path, MAX_TLOG_PROOF_LEN)?;
    let proof = TlogProof::parse(&bytes).map_err(|e| problem(path, &e))?;
    Ok((proof, bytes))
}

fn release_leaf(
    history: &History,
    policy: &ReleasePolicy,
    store: &dyn Reader,
    path: &str,
    released: &Released,
) -> Result<(ReleaseLeaf, Vec<u8>), Vec<Problem>> {
    let (proof, bytes) = read_proof(store, path)?;
    let entry = history
        .check_entry(&proof, policy)
        .map_err(|e| problem(path, &e))?;
    let leaf = signed_release(&entry, policy).map_err(|e| problem(path, &e))?;
    let differences = released.differences(&leaf);
    if differences.is_empty() {
        Ok((leaf, bytes))
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
    let (proof, bytes) = read_proof(store, path)?;
    let files = history
        .check_entry(&proof, policy)
        .and_then(|entry| logged_files(&entry, policy))
        .map_err(|e| problem(path, &e))?;
    let name = format!("{version}.{role}.json");
    match files.get(&name) {
        Some(found) if *found == digest => Ok(bytes),
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

/// The digests that a metadata leaf lists.
pub fn logged_files(entry: &[u8], policy: &ReleasePolicy) -> Result<Digests> {
    match signed_leaf(entry, policy)?.0 {
        Leaf::Metadata(leaf) => Ok(leaf.files),
        other => Err(Error::refused(format!("is no metadata leaf but {other:?}"))),
    }
}
