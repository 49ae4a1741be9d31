//! The log as what happened, entry by entry: what each says, who signed it, whether that counts. Entries
//! are held against the signed root before they are told; one bundle of them is in memory at a time. Pure.

mod filter;
mod moves;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use jiff::Timestamp;
use serde::Serialize;

use super::leaf::{Leaf, Places, UNKNOWN};
use super::policy::ReleasePolicy;
use super::verify::{Checked, best, signed_leaf};
use super::view::View;
use crate::attest::{Envelope, Statement};
use crate::hash::Sha256;
use crate::keys::PublicKey;
use crate::limits::{MAX_TLOG_PROOF_LEN, TILE_WIDTH};
use crate::log::{TileHashes, TlogProof, leaf_hash};
use crate::store::Reader;
use crate::{Error, Result};

pub use filter::Filter;
pub use moves::{Halted, Move, halts, moves};

/// The kind of an entry that is no leaf at all.
pub const MALFORMED: &str = "malformed";

/// Whose signature an entry carries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SignedBy {
    /// Id of the key: where nobody's key verifies the signature, the one that it claims.
    pub keyid: String,
    /// Whose key it is; none for one that policy does not know.
    pub person: Option<String>,
    /// What policy has the key for.
    pub purpose: Option<String>,
}

/// One entry of the log.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its number, from 0.
    pub index: u64,
    /// Its leaf hash (RFC 6962, section 2.1).
    pub leaf_hash: Sha256,
    /// Its bytes.
    pub entry: Vec<u8>,
    /// What was signed, whether the signature counts or not; none for what is no statement.
    pub statement: Option<Statement>,
    /// The statement as a leaf; none where it is malformed.
    pub leaf: Option<Leaf>,
    /// Who signed it: where the signature counts, those for whom it does.
    pub signers: Vec<SignedBy>,
    /// Why its signature does not count; none where it does.
    pub problem: Option<String>,
    /// Where its proofs lie, if it has places of its own.
    pub places: Vec<String>,
}

impl Told {
    fn new(index: u64, entry: Vec<u8>, policy: &ReleasePolicy, places: &mut Places) -> Self {
        let envelope = Envelope::parse(&entry);
        let statement = envelope
            .as_ref()
            .ok()
            .and_then(|e| e.unverified_statement().ok());
        let (leaf, signers, problem) = match signed_leaf(&entry, policy) {
            Ok((leaf, signers)) => (Some(leaf), named(&signers, policy), None),
            Err(e) => {
                let claimed = statement.as_ref().and_then(|s| Leaf::read(s).ok());
                let signers = envelope.map_or(Vec::new(), |e| claimed_signers(&e, policy));
                (claimed, signers, Some(e.to_string()))
            }
        };
        Told {
            index,
            leaf_hash: leaf_hash(&entry),
            places: statement.as_ref().map_or(Vec::new(), |s| places.next(s)),
            entry,
            statement,
            leaf,
            signers,
            problem,
        }
    }

    /// Its kind: a word of [`super::leaf::KINDS`], `unknown` with the predicate type, or [`MALFORMED`].
    pub fn kind(&self) -> String {
        match (&self.leaf, &self.statement) {
            (Some(leaf), _) => leaf.kind(),
            (None, Some(statement)) => format!("{UNKNOWN} {}", statement.predicate_type),
            (None, None) => MALFORMED.into(),
        }
    }

    /// What it says in one line, perhaps nothing.
    pub fn what(&self) -> String {
        self.leaf.as_ref().map_or(String::new(), Leaf::what)
    }

    /// When it was signed, by the signer's clock; none where it does not say.
    pub fn time(&self) -> Option<Timestamp> {
        self.leaf.as_ref().map(Leaf::time)
    }

    /// The names of those who signed, each once, in the alphabet's order.
    pub fn people(&self) -> Vec<&str> {
        let people: BTreeSet<&str> = self
            .signers
            .iter()
            .filter_map(|signer| signer.person.as_deref())
            .collect();
        people.into_iter().collect()
    }

    /// The witnessed time by which it is known to have been in the log: of its own proof, of a fresher
    /// one, or else of the store's checkpoint. `None` where policy asks for no witnesses.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn witnessed(&self, store: &dyn Reader, view: &View) -> Result<Option<Timestamp>> {
        let Some(here) = view.witnessed.as_ref().map(|witnessed| witnessed.time()) else {
            return Ok(None);
        };
        let check = |proof: &TlogProof| {
            let own =
                proof.unverified_extra() == self.entry && proof.unverified_index() == self.index;
            let since = view.policy.witnessed_by_proof(proof);
            match since {
                Ok(since) if own => Ok(Checked {
                    value: (),
                    whole: true,
                    since,
                }),
                _ => Err(Error::refused("tells no time of this entry")),
            }
        };
        for path in &self.places {
            // A proof that cannot be read as one tells nothing; a store that fails is another matter.
            let mut failed = None;
            let mut read = |path: &str| match store.read(path, MAX_TLOG_PROOF_LEN) {
                Err(e) if e.kind() == crate::Kind::Failed => {
                    failed = Some(e.clone());
                    Err(e)
                }
                other => other,
            };
            let found = best(path, &mut read, &check);
            if let Some(e) = failed {
                return Err(e);
            }
            if let Ok(Some((_, Some(since)))) = found {
                return Ok(Some(since.min(here)));
            }
        }
        Ok(Some(here))
    }
}

fn named(keys: &BTreeSet<PublicKey>, policy: &ReleasePolicy) -> Vec<SignedBy> {
    let mut signers: Vec<SignedBy> = keys.iter().map(|key| signed_by(key, policy)).collect();
    signers.sort();
    signers
}

fn signed_by(key: &PublicKey, policy: &ReleasePolicy) -> SignedBy {
    let keyid = key.keyid();
    let known = policy.policy().unchecked_key(&keyid);
    SignedBy {
        person: known.map(|known| known.entry.person.clone()),
        purpose: known.map(|known| known.entry.purpose.to_string()),
        keyid,
    }
}

/// Whose signatures these are, of all whom policy knows, whatever their keys are for.
fn claimed_signers(envelope: &Envelope, policy: &ReleasePolicy) -> Vec<SignedBy> {
    let entries = policy.policy().document().keys.iter();
    let known = entries.filter_map(|entry| policy.policy().unchecked_key(&entry.id));
    let keys: Vec<PublicKey> = known
        .filter_map(|key| PublicKey::from_bytes(key.bytes).ok())
        .collect();
    let checked = envelope.checked(&keys).unwrap_or_default();
    let mut signers: Vec<SignedBy> = checked
        .into_iter()
        .map(|signature| match signature.key {
            Some(key) => signed_by(&key, policy),
            None => SignedBy {
                keyid: signature.keyid,
                person: None,
                purpose: None,
            },
        })
        .collect();
    signers.sort();
    signers
}

/// Tells the entries of the log that `view` shows, in order, until `on` breaks off.
///
/// # Errors
/// Refused: tiles or entries that do not lead to the signed root. What `on` says.
pub fn tell(view: &View, on: &mut dyn FnMut(&Told) -> Result<ControlFlow<()>>) -> Result<()> {
    let head = view.history.checkpoint.head();
    let tiles = view.history.tiles();
    let damaged =
        |e: Error| e.hint("see what is damaged, and what can be rebuilt: relman log fsck");
    let hashes = TileHashes::open(&tiles, head).map_err(damaged)?;
    let mut places = Places::default();
    for bundle in 0..head.size.div_ceil(TILE_WIDTH) {
        let entries = hashes.entries(bundle).map_err(damaged)?;
        for (index, entry) in (bundle * TILE_WIDTH..).zip(entries) {
            let told = Told::new(index, entry, &view.policy, &mut places);
            if on(&told)?.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}
