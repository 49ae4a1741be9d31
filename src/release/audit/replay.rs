//! All entries of a log at once, for whoever copies it; and an entry as a line of history. Pure.

use super::walk::Walk;
use super::{Event, Problem};
use crate::release::leaf::Leaf;
use crate::release::view::View;
use crate::store::Reader;

/// The entries of a log whose signed root was computed again from them.
pub struct Replayed {
    /// All of them, in order.
    pub entries: Vec<Vec<u8>>,
    /// Objects beside them that are not what the entries lead to.
    pub problems: Vec<Problem>,
}

/// Reads all entries and computes the signed root again from them; compares every tile and bundle
/// in the store, also those that newer ones replaced, with what they must be.
///
/// # Errors
/// Entries that do not lead to the signed root.
pub fn entries(view: &View, store: &dyn Reader) -> Result<Replayed, Vec<Problem>> {
    let walk = Walk {
        store,
        head: *view.history.checkpoint.head(),
        since: 0,
        threads: 1,
    };
    let mut entries = Vec::new();
    let walked = walk.run(|_, entry| entry.to_vec(), |_, entry| entries.push(entry));
    match walked.whole {
        true => Ok(Replayed {
            entries,
            problems: walked.problems,
        }),
        false => Err(walked.problems),
    }
}

/// A leaf as a line of history.
pub fn event(index: u64, leaf: &Leaf, who: String, counts: bool) -> Event {
    Event {
        index,
        time: leaf.time(),
        kind: leaf.kind(),
        what: leaf.what(),
        who,
        counts,
    }
}
