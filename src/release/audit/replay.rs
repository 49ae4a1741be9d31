//! All entries of a log at once, for whoever copies it; and an entry as a line of history. Pure.

use super::walk::Walk;
use super::{Event, Problem};
use crate::release::leaf::{Leaf, OverrideLeaf};
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
    let (kind, what) = match leaf {
        Leaf::Release(release) => ("release".to_owned(), release.tag.clone()),
        Leaf::Metadata(metadata) => {
            let names: Vec<&str> = metadata.files.keys().map(|name| short_name(name)).collect();
            ("metadata".to_owned(), names.join(", "))
        }
        Leaf::Announcement(leaf) => (
            "announcement".to_owned(),
            format!("{} for {} at {}", leaf.tag, leaf.environment, leaf.at),
        ),
        Leaf::Override(leaf) => ("override".to_owned(), override_line(leaf)),
        Leaf::Yank(leaf) => ("yank".to_owned(), leaf.line()),
        Leaf::Attestation(leaf) => (leaf.kind.to_string(), leaf.line()),
        Leaf::Unknown { predicate_type, .. } => {
            (format!("unknown {predicate_type}"), String::new())
        }
    };
    Event {
        index,
        time: leaf.time(),
        kind,
        what,
        who,
        counts,
    }
}

fn override_line(leaf: &OverrideLeaf) -> String {
    let rules: Vec<&str> = leaf.sets_aside.iter().map(|rule| rule.word()).collect();
    format!(
        "{} for {} version {}, sets aside {}: {}",
        leaf.tag,
        leaf.environment,
        leaf.version,
        rules.join(", "),
        leaf.reason
    )
}

/// `<sha256>.policy.json` is too long for a line.
fn short_name(name: &str) -> &str {
    match name.split_once('.') {
        Some((digest, rest)) if digest.len() == 64 => rest,
        _ => name,
    }
}
