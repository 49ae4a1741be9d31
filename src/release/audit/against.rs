//! A log against what others have seen of it: checkpoints that nodes, stores and witnesses keep. Pure.

use serde::Serialize;

use super::Problem;
use super::eras::Eras;
use super::prefix::Prefixes;
use super::split_view::SplitView;
use crate::log::{
    Note, StoreTiles, TileHashes, VerifiedCheckpoint, VerifierKey, hashes, prove_consistency,
};
use crate::store::Reader;
use crate::{Error, Result};

/// What somebody else has.
pub struct Other {
    /// Where it is from.
    pub place: String,
    /// A signed checkpoint.
    pub note: Result<Vec<u8>>,
    /// The store that it is the head of, with the log's place in it, where it is one's.
    pub store: Option<(Box<dyn Reader>, String)>,
}

/// How one of them compares.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// Where it is from.
    pub place: String,
    /// Entries that it is for; none where it could not be read or was not the log's.
    pub entries: Option<u64>,
    /// `equal`, `older`, `newer`, `fork` or `unknown`.
    pub verdict: &'static str,
    /// In words.
    pub detail: String,
}

/// Compares, and gives what is wrong and, of the first fork, the evidence.
pub fn compare(
    here: (&VerifiedCheckpoint, &str),
    (eras, prefixes): (&Eras, &Prefixes),
    other: &Other,
) -> (Compared, Option<SplitView>) {
    let keys = eras.log_keys();
    let judged = verified(other, &keys, eras.today().log_origin());
    let (entries, (verdict, detail, split)) = match judged {
        Ok(theirs) => (
            Some(theirs.head().size),
            match verdict(here, prefixes, (&theirs, other)) {
                Ok(found) => found,
                Err(e) => ("unknown", e.to_string(), None),
            },
        ),
        Err(e) => (None, ("unknown", e.to_string(), None)),
    };
    let compared = Compared {
        place: other.place.clone(),
        entries,
        verdict,
        detail,
    };
    (compared, split)
}

impl Compared {
    /// What is wrong with it: anything but the same history at a size that this store has reached,
    /// or goes on to elsewhere.
    pub fn problem(&self) -> Option<Problem> {
        let fine = matches!(self.verdict, "equal" | "older" | "newer");
        (!fine).then(|| Problem::new(&self.place, &self.detail))
    }
}

fn verified(other: &Other, keys: &[VerifierKey], origin: &str) -> Result<VerifiedCheckpoint> {
    let bytes = match &other.note {
        Ok(bytes) => bytes,
        Err(e) => return Err(Error::refused("cannot be compared").caused_by(e)),
    };
    let claimed = Note::parse(bytes).map_err(|e| e.under("is no signed checkpoint"))?;
    VerifiedCheckpoint::verify(&claimed, keys, origin)
        .map_err(|e| e.under("is not signed by the log's key, so it is no evidence of anything"))
}

type Verdict = (&'static str, String, Option<SplitView>);

fn verdict(
    (here, place): (&VerifiedCheckpoint, &str),
    prefixes: &Prefixes,
    (theirs, other): (&VerifiedCheckpoint, &Other),
) -> Result<Verdict> {
    let (ours, head) = (here.head(), theirs.head());
    if head.size == ours.size {
        return Ok(match head.root == ours.root {
            true => ("equal", format!("the same {} entries", ours.size), None),
            false => {
                let split = SplitView::new((here, place), (theirs, &other.place), &[], ours.root)?;
                fork(split, ours.size, ours.size)
            }
        });
    }
    if head.size < ours.size {
        let then = prefixes.root_at(head.size)?;
        if then == head.root {
            let detail = format!("the first {} of {} entries", head.size, ours.size);
            return Ok(("older", detail, None));
        }
        let proof = prove_consistency(head.size, ours.size, prefixes.hashes())?;
        let split = SplitView::new((theirs, &other.place), (here, place), &proof, then)?;
        return Ok(fork(split, ours.size, head.size));
    }
    let newer = format!("has {} entries, this store has {}", head.size, ours.size);
    let Some((store, prefix)) = &other.store else {
        return Ok((
            "unknown",
            format!("{newer}: it cannot be compared without its log, this store may be stale"),
            None,
        ));
    };
    let tiles = StoreTiles::new(store.as_ref(), prefix, head.size);
    let grown = TileHashes::open(&tiles, head).and_then(|hashes| {
        let then = hashes::root(ours.size, &hashes)?;
        Ok((then, prove_consistency(ours.size, head.size, &hashes)?))
    });
    let (then, proof) = grown.map_err(|e| {
        e.under(format!(
            "{newer}: it cannot be compared, this store may be stale"
        ))
    })?;
    if then == ours.root {
        let detail = format!("{newer}, which are its first: this store is behind");
        return Ok(("newer", detail, None));
    }
    let split = SplitView::new((here, place), (theirs, &other.place), &proof, then)?;
    Ok(fork(split, ours.size, head.size))
}

fn fork(split: SplitView, ours: u64, theirs: u64) -> Verdict {
    let detail = format!(
        "split view: the log has signed two histories, one of {ours} entries here and one of {theirs} there, and neither goes on from the other"
    );
    ("fork", detail, Some(split))
}
