//! Proofs of entries under the log's newest checkpoint, and fresher ones beside those of a release. Pure.

use std::ops::ControlFlow;

use super::assemble::PROOF;
use super::chronicle::tell;
use super::leaf::{Leaf, PROOF_SUFFIX};
use super::verify::{first_path, fresh_path};
use super::view::View;
use crate::limits::{MAX_FRESH_PROOFS, MAX_TLOG_PROOF_LEN, TILE_WIDTH};
use crate::log::{TileHashes, TlogProof, prove_inclusion};
use crate::store::Reader;
use crate::{Error, Result};

/// The proof of the entry with number `index`, under the checkpoint of `view`.
///
/// # Errors
/// Failed: the log has no such entry. Refused: tiles or entries that do not lead to the signed root.
pub fn entry(view: &View, index: u64) -> Result<TlogProof> {
    let head = view.history.checkpoint.head();
    if index >= head.size {
        return Err(Error::failed(format!(
            "there is no entry {index}: the log has {}, counted from 0",
            head.size
        ))
        .hint("see what there is: relman log show"));
    }
    let damaged =
        |e: Error| e.hint("see what is damaged, and what can be rebuilt: relman log fsck");
    let tiles = view.history.tiles();
    let hashes = TileHashes::open(&tiles, head).map_err(damaged)?;
    let bundle = hashes.entries(index / TILE_WIDTH).map_err(damaged)?;
    let place = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
    let entry = bundle
        .get(place)
        .ok_or_else(|| Error::bug(format!("entry {index} is not in its bundle")))?;
    let path = prove_inclusion(index, head.size, &hashes).map_err(damaged)?;
    let note = view.history.checkpoint.note().clone();
    let proof = TlogProof::new(entry, index, &path, note)?;
    proof.verify(entry, view.policy.log_keys(), view.policy.log_origin())?;
    Ok(proof)
}

/// The proof of a release's own entry, under the checkpoint of `view`.
///
/// # Errors
/// As [`entry`]; the log has no such release.
pub fn release(view: &View, store: &dyn Reader, tag: &str) -> Result<TlogProof> {
    let path = format!("{tag}/{PROOF}");
    // Where the log is whole, its present proof says which entry it is.
    if let Ok(Some(included)) = view.history.proved(store, &path, &view.policy) {
        return entry(view, included.index);
    }
    let mut found = None;
    tell(view, &mut |told| {
        let is_it = matches!(&told.leaf, Some(Leaf::Release(leaf)) if leaf.tag == tag);
        if is_it && told.problem.is_none() {
            found = Some(told.index);
        }
        Ok(match found {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        })
    })?;
    match found {
        Some(index) => entry(view, index),
        None => Err(Error::refused(format!(
            "the log has no release {tag} whose signature counts"
        ))
        .hint("see what there is: relman log show --kind release")),
    }
}

/// A fresher proof to be published.
pub struct Fresh {
    /// Its path in the store.
    pub path: String,
    /// The first proof of the same entry.
    pub first: String,
    /// The proof.
    pub proof: TlogProof,
}

/// Fresher proofs for a release and all evidence about it, where there is none under the checkpoint of
/// `view` yet.
///
/// # Errors
/// A store that cannot list or has no such release; a proof there of something that this log does not
/// have; as [`entry`].
pub fn refreshed(view: &View, store: &dyn Reader, tag: &str) -> Result<Vec<Fresh>> {
    let names = store.list(tag)?.ok_or_else(|| {
        Error::failed(format!(
            "the store at {} cannot be listed",
            store.location()
        ))
    })?;
    let paths = names.iter().map(|name| format!("{tag}/{name}"));
    let proofs = paths.filter(|path| path.ends_with(PROOF_SUFFIX));
    let firsts: Vec<String> = proofs.filter(|path| first_path(path).is_none()).collect();
    let own = format!("{tag}/{PROOF}");
    if !firsts.contains(&own) {
        return Err(Error::refused(format!("{own} is missing"))
            .hint("see what is missing, and what can be rebuilt: relman log fsck"));
    }
    let mut out = Vec::new();
    for first in firsts {
        if let Some((path, proof)) =
            fresher(view, store, &first).map_err(|e| e.under(first.clone()))?
        {
            out.push(Fresh { path, first, proof });
        }
    }
    Ok(out)
}

/// The next proof beside `first`; none where one under this checkpoint is there.
fn fresher(view: &View, store: &dyn Reader, first: &str) -> Result<Option<(String, TlogProof)>> {
    let read = |path: &str| store.read(path, MAX_TLOG_PROOF_LEN);
    let bytes = read(first)?.ok_or_else(|| Error::refused("is missing"))?;
    let old = TlogProof::parse(&bytes)?;
    let new = entry(view, old.unverified_index())?;
    if new.unverified_extra() != old.unverified_extra() {
        return Err(Error::refused(format!(
            "is about entry {}, which is another one in this log",
            old.unverified_index()
        ))
        .hint("see what is damaged, and what can be rebuilt: relman log fsck"));
    }
    // One of the same tree with a quorum of its own does all that another could; its time is earlier.
    let does = |there: &TlogProof| {
        let tree = |proof: &TlogProof| proof.unverified_checkpoint().unverified_text().to_owned();
        tree(there) == tree(&new) && view.policy.witnessed_by_proof(there).is_ok()
    };
    if does(&old) {
        return Ok(None);
    }
    for n in 1..=MAX_FRESH_PROOFS {
        let path = fresh_path(first, n);
        match read(&path)? {
            None => return Ok(Some((path, new))),
            Some(there) if TlogProof::parse(&there).is_ok_and(|there| does(&there)) => {
                return Ok(None);
            }
            Some(_) => {}
        }
    }
    Err(Error::failed(format!(
        "has {MAX_FRESH_PROOFS} fresher proofs already"
    )))
}
