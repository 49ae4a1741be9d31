//! Whose keys a log is looked at with, and what it is to be held against: the policy, and the newest
//! checkpoint that can be found. Pure.

use super::Fsck;
use super::finding::{Finding, State};
use super::proofs::Proofs;
use crate::limits::MAX_POLICY_LEN;
use crate::log::{Note, TreeHead, VerifiedCheckpoint};
use crate::release::policy::ReleasePolicy;
use crate::release::verify::History;
use crate::store::Reader;
use crate::trust::memory::Memory;
use crate::trust::policy::Pin;
use crate::trust::refresh::{self, StoreMetadata};
use crate::trust::state::{Clock, Expiry};
use crate::trust::{Root, Unverified};
use crate::{Error, Result};

const CHECKPOINT: &str = "log/checkpoint";

/// What the log is held against.
pub struct Grounds {
    /// Size and root.
    pub head: TreeHead,
    /// The signed checkpoint.
    pub note: Note,
    /// Whether it is the store's own.
    pub own: bool,
}

/// The policy that the store's newest root pins; where its metadata does not verify, that of the copy's,
/// or of the trust root itself.
///
/// # Errors
/// None of them can be had.
pub fn policy(fsck: &Fsck, findings: &mut Vec<Finding>) -> Result<ReleasePolicy> {
    let first = match newest(fsck, fsck.store) {
        Ok(policy) => return Ok(policy),
        Err(e) => e,
    };
    let mut told = |instead: &str| {
        let message =
            format!("does not verify: {first}; the log was looked at with the keys of {instead}");
        findings.push(Finding::new("keys", "metadata", State::Differs, message));
    };
    if let Some(Ok(policy)) = fsck.from.map(|from| newest(fsck, from)) {
        told("the copy's metadata");
        return Ok(policy);
    }
    let root = Unverified::<Root>::parse(fsck.root)?.verify_self()?;
    let pin = Pin::from_root(&root)?;
    let readers = [Some(fsck.store), fsck.from];
    for reader in readers.into_iter().flatten() {
        if let Ok(policy) = pinned(reader, &pin) {
            told("the trust root that was given");
            return Ok(policy);
        }
    }
    Err(first
        .under("whose keys have signed the log cannot be told")
        .hint("name a copy of the store that verifies: relman log fsck --from PATH|URL"))
}

fn newest(fsck: &Fsck, reader: &dyn Reader) -> Result<ReleasePolicy> {
    let (fetch, cache) = (StoreMetadata(reader), Memory::new());
    let clock = Clock {
        now: fsck.now,
        expiry: Expiry::Report,
    };
    let refreshed = refresh::refresh(Some(fsck.root), &fetch, &cache, clock)?;
    let pin = Pin::from_root(refreshed.root())?;
    pinned(reader, &pin).or_else(|e| match fsck.from {
        Some(from) => pinned(from, &pin).map_err(|_| e),
        None => Err(e),
    })
}

fn pinned(reader: &dyn Reader, pin: &Pin) -> Result<ReleasePolicy> {
    let path = format!("metadata/{}", pin.file_name());
    let bytes = reader.read(&path, MAX_POLICY_LEN)?;
    let bytes = bytes.ok_or_else(|| Error::refused(format!("{path} is missing")))?;
    ReleasePolicy::parse(&bytes, pin.clone())
}

/// The store's checkpoint; where it is none, the newest one of the copy and of the proofs.
pub fn checkpoint(
    fsck: &Fsck,
    policy: &ReleasePolicy,
    proofs: &Proofs,
    findings: &mut Vec<Finding>,
) -> Option<Grounds> {
    let grounds = |checkpoint: &VerifiedCheckpoint, own| Grounds {
        head: *checkpoint.head(),
        note: checkpoint.note().clone(),
        own,
    };
    let why = match History::open(fsck.store, policy) {
        Ok(history) => {
            if let Err(e) = history.witnessed(policy) {
                let message = e.to_string();
                findings.push(Finding::new(
                    "checkpoint",
                    CHECKPOINT,
                    State::Unclear,
                    message,
                ));
            }
            return Some(grounds(&history.checkpoint, true));
        }
        Err(e) => e,
    };
    let copy = fsck.from.and_then(|from| History::open(from, policy).ok());
    let others = copy.map(|history| history.checkpoint);
    let newest = others
        .iter()
        .chain(proofs.newest())
        .max_by_key(|checkpoint| checkpoint.head().size);
    let instead = match newest {
        Some(newest) => format!(
            "the log was held against the newest other one, of {} entries",
            newest.head().size
        ),
        None => "there is no other one".into(),
    };
    let (state, why) = match fsck.store.open(CHECKPOINT) {
        Ok(None) => (State::Missing, "is missing".to_owned()),
        _ => (State::Differs, why.to_string()),
    };
    let message = format!(
        "{why}; it is signed and cannot be computed again: put back a copy that is no older; {instead}"
    );
    findings.push(Finding::new("checkpoint", CHECKPOINT, state, message));
    newest.map(|checkpoint| grounds(checkpoint, false))
}

/// Checks that nobody has published since.
///
/// # Errors
/// Failed: somebody has.
pub fn unchanged(store: &dyn Reader, policy: &ReleasePolicy, note: &Note) -> Result<()> {
    let now = History::open(store, policy);
    match now.is_ok_and(|now| now.checkpoint.note() == note) {
        true => Ok(()),
        false => Err(Error::failed(format!(
            "somebody published to {} while its log was looked at",
            store.location()
        ))
        .hint("run the same command again")),
    }
}
