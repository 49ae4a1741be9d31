//! What a mirror has seen already, and that a store is no older and tells the same history. Pure.

use crate::limits::{MAX_CHECKPOINT_LEN, MAX_ROOT_LEN, MAX_ROOT_ROTATIONS, MAX_SNAPSHOT_LEN};
use crate::limits::{MAX_TIMESTAMP_LEN, MAX_TLOG_PROOF_LEN};
use crate::log::{Checkpoint, Note, TileHashes, check_consistency, prove_consistency};
use crate::release::view::View;
use crate::store::Reader;
use crate::trust::memory::Memory;
use crate::trust::state::RootStage;
use crate::trust::{Timestamp, Unverified};
use crate::{Error, Result};

use super::{CHECKPOINT, TIMESTAMP};

/// The mirror's metadata as a cache for the trust core, which then refuses whatever goes back. Its
/// roots count as far as they follow from `trusted`.
///
/// # Errors
/// A root there that does not follow.
pub fn metadata(from: &dyn Reader, to: &dyn Reader, trusted: &[u8]) -> Result<Memory> {
    let seen = Memory::new();
    let mut stage = RootStage::new(trusted)?;
    let path = format!("metadata/{}.root.json", stage.root().version);
    let (theirs, ours) = (
        to.read(&path, MAX_ROOT_LEN)?,
        from.read(&path, MAX_ROOT_LEN)?,
    );
    if theirs.is_some() && theirs != ours {
        return Err(Error::refused(format!(
            "{path} of {} is another than that of the store at {}",
            to.location(),
            from.location()
        ))
        .hint("that is no mirror of this store: name another directory"));
    }
    for _ in 0..MAX_ROOT_ROTATIONS {
        let path = format!("metadata/{}.root.json", stage.root().version + 1);
        let Some(bytes) = to.read(&path, MAX_ROOT_LEN)? else {
            break;
        };
        stage.update(&bytes).map_err(|e| {
            Error::from(e).under(format!(
                "{path} of the mirror {} is none of this store's",
                to.location()
            ))
        })?;
    }
    seen.put("root.json", stage.root().bytes());
    if let Some(timestamp) = to.read(TIMESTAMP, MAX_TIMESTAMP_LEN)? {
        seen.put("timestamp.json", &timestamp);
        let listed = Unverified::<Timestamp>::parse(&timestamp).ok();
        let snapshot = listed.and_then(|t| {
            let meta = t.unverified_signed().meta.get("snapshot.json")?;
            Some(format!("metadata/{}.snapshot.json", meta.version))
        });
        if let Some(path) = snapshot
            && let Some(bytes) = to.read(&path, MAX_SNAPSHOT_LEN)?
        {
            seen.put("snapshot.json", &bytes);
        }
    }
    Ok(seen)
}

/// The mirror's log must be a prefix of the store's, whoever signed its checkpoint.
///
/// # Errors
/// Refused: another history, or a longer one; the causes are both checkpoints.
pub fn log(to: &dyn Reader, view: &View) -> Result<()> {
    let Some(bytes) = to.read(CHECKPOINT, MAX_CHECKPOINT_LEN.max(MAX_TLOG_PROOF_LEN))? else {
        return Ok(());
    };
    let note = Note::parse(&bytes)?;
    let old = Checkpoint::parse(note.unverified_text())?;
    let new = &view.history.checkpoint;
    let refused = |why: String| {
        Error::refused(format!("the mirror {} {why}", to.location()))
            .caused_by(format!("the mirror's:\n{note}"))
            .caused_by(format!("the store's:\n{}", new.note()))
    };
    if old.origin() != new.origin() {
        return Err(refused("is of another log".into()));
    }
    let (before, head) = (old.head(), new.head());
    if before.size > head.size {
        return Err(refused(format!(
            "has {} log entries, the store that is to be copied has {}",
            before.size, head.size
        ))
        .hint("this store is behind its mirror, or shows another history: copy from the project's own"));
    }
    let tiles = view.history.tiles();
    let hashes = TileHashes::open(&tiles, head)?;
    let proof = prove_consistency(before.size, head.size, &hashes)?;
    check_consistency(before, head, &proof).map_err(|e| {
        refused("has diverged: its log is no prefix of the store's".into())
            .caused_by(e)
            .hint("keep both as evidence; the log was forked, or one of them is not this project's")
    })
}
