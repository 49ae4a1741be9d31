//! Entries, from wherever they are: the store's bundles, wider and narrower ones, proofs that carry
//! them, a copy of the store. Each is believed once its leaf hash leads to the root. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Finding, Remake, State};
use crate::Result;
use crate::attest::Envelope;
use crate::hash::Sha256;
use crate::limits::{MAX_ENTRY_BUNDLE_LEN, MAX_TLOG_PROOF_LEN, TILE_WIDTH};
use crate::log::{Bundle, Forest, TlogProof, bundles_of, entries, leaf_hash};
use crate::release::leaf;
use crate::store::Reader;

const CHECK: &str = "entries";

/// Paths of proofs to the entries that they may be about.
pub type Places = BTreeMap<String, BTreeSet<u64>>;

/// The entries of a log.
pub struct Bundles<'a> {
    store: &'a dyn Reader,
    from: Option<&'a dyn Reader>,
    size: u64,
    extras: BTreeMap<u64, (Sha256, String)>,
}

/// What a store has in the place of a bundle.
enum There {
    Missing,
    Unreadable(String),
    Bytes(Vec<u8>),
}

impl<'a> Bundles<'a> {
    /// The entries of a log of `size`, which the store has, or `from`, or proofs.
    pub fn new(
        store: &'a dyn Reader,
        from: Option<&'a dyn Reader>,
        size: u64,
        extras: BTreeMap<u64, (Sha256, String)>,
    ) -> Self {
        Bundles {
            store,
            from,
            size,
            extras,
        }
    }

    /// The leaf hash of every entry that was found, of each the first; proofs come before bundles, if
    /// they are asked.
    pub fn leaves(&self, proofs: bool) -> Vec<Option<Sha256>> {
        let mut out = Vec::new();
        for bundle in bundles_of(self.size) {
            let mut found: Vec<Option<Sha256>> = vec![None; usize::from(bundle.width)];
            if proofs {
                for (place, index) in found.iter_mut().zip(bundle.index * TILE_WIDTH..) {
                    *place = self.extras.get(&index).map(|(leaf, _)| *leaf);
                }
            }
            self.offer(&bundle, &mut |entries| {
                for (place, entry) in found.iter_mut().zip(entries) {
                    place.get_or_insert_with(|| leaf_hash(entry));
                }
                found.iter().any(Option::is_none)
            });
            out.extend(found);
        }
        out
    }

    /// Shows the entries of everything that may be a bundle, one after the other, until `more` says no.
    fn offer(&self, bundle: &Bundle, more: &mut dyn FnMut(&[&[u8]]) -> bool) {
        let readers = [Some(self.store), self.from];
        for reader in readers.into_iter().flatten() {
            let mut look = |path: &str| match there(reader, path) {
                There::Bytes(bytes) => more(&as_many(&bytes)),
                There::Missing | There::Unreadable(_) => true,
            };
            let wants_more = look(&format!("log/{}", bundle.path()))
                && others(reader, bundle).iter().all(|path| look(path));
            if !wants_more {
                return;
            }
        }
    }

    /// The entries of a bundle that lead to the root, as far as they can be had.
    fn right(&self, bundle: &Bundle, forest: &Forest) -> Vec<Option<Vec<u8>>> {
        let first = bundle.index * TILE_WIDTH;
        let mut found: Vec<Option<Vec<u8>>> = vec![None; usize::from(bundle.width)];
        self.offer(bundle, &mut |entries| {
            for ((place, entry), index) in found.iter_mut().zip(entries).zip(first..) {
                if place.is_none() && forest.leaf(index) == Some(leaf_hash(entry)) {
                    *place = Some(entry.to_vec());
                }
            }
            found.iter().any(Option::is_none)
        });
        for (place, index) in found.iter_mut().zip(first..) {
            if place.is_none() {
                *place = self.extra(index, forest);
            }
        }
        found
    }

    fn extra(&self, index: u64, forest: &Forest) -> Option<Vec<u8>> {
        let (_, path) = self.extras.get(&index)?;
        let bytes = self.store.read(path, MAX_TLOG_PROOF_LEN).ok().flatten()?;
        let entry = TlogProof::parse(&bytes).ok()?.unverified_extra().to_vec();
        (forest.leaf(index) == Some(leaf_hash(&entry))).then_some(entry)
    }

    /// An entry that leads to the root.
    pub fn entry(&self, index: u64, forest: &Forest) -> Option<Vec<u8>> {
        let bundle = Bundle::in_tree(index / TILE_WIDTH, self.size)?;
        let place = usize::try_from(index % TILE_WIDTH).ok()?;
        self.right(&bundle, forest).into_iter().nth(place).flatten()
    }

    /// A bundle, made of entries that lead to the root.
    pub fn whole(&self, bundle: &Bundle, forest: &Forest) -> Option<Vec<u8>> {
        let all: Option<Vec<Vec<u8>>> = self.right(bundle, forest).into_iter().collect();
        entries::encode(&all?).ok()
    }

    /// Holds every bundle of the store against the root; gives the places of the entries' proofs.
    pub fn check(&self, forest: &Forest, findings: &mut Vec<Finding>) -> Places {
        let mut places = Places::new();
        let mut names = leaf::Places::default();
        for bundle in bundles_of(self.size) {
            let first = bundle.index * TILE_WIDTH;
            let right = self.right(&bundle, forest);
            findings.extend(self.one(&bundle, &right, forest));
            for (entry, index) in right.iter().zip(first..) {
                let envelope = entry.as_ref().and_then(|entry| Envelope::parse(entry).ok());
                let statement = envelope.and_then(|e| e.unverified_statement().ok());
                for path in statement.map_or(Vec::new(), |s| names.next(&s)) {
                    places.entry(path).or_default().insert(index);
                }
            }
        }
        places
    }

    fn one(&self, bundle: &Bundle, right: &[Option<Vec<u8>>], forest: &Forest) -> Option<Finding> {
        let path = format!("log/{}", bundle.path());
        let first = bundle.index * TILE_WIDTH;
        let all_lost = (first..).zip(right).filter(|(_, entry)| entry.is_none());
        let mut all_lost = all_lost.map(|(index, _)| index).peekable();
        let first_lost = all_lost.peek().copied();
        // A proof may have an entry and be of no use, since nothing leads from others to the root.
        let nowhere = all_lost.find(|index| !self.extras.contains_key(index));
        let lost = nowhere.or(first_lost);
        let finding =
            |state, message: String| Some(Finding::new(CHECK, path.as_str(), state, message));
        let bytes = match there(self.store, &path) {
            There::Bytes(bytes) => bytes,
            There::Unreadable(why) => {
                return finding(State::Unclear, format!("cannot be read: {why}"));
            }
            There::Missing => {
                let full = format!("log/{}", bundle.full().path());
                let replaced =
                    bundle.is_partial() && matches!(there(self.store, &full), There::Bytes(_));
                return match lost {
                    None if replaced => None,
                    None => Some(Finding::missing(
                        CHECK,
                        path.as_str(),
                        "from entries that are elsewhere",
                        Remake::Bundle(*bundle),
                    )),
                    Some(index) => finding(
                        State::Missing,
                        format!(
                            "is missing, and cannot be rebuilt: entry {index} is nowhere else; name a copy \
                             that may have it: relman log fsck --from PATH|URL"
                        ),
                    ),
                };
            }
        };
        let found = match entries::decode(&bytes, bundle.width) {
            Ok(found) => found,
            Err(e) => return finding(State::Differs, e.to_string()),
        };
        let wrong = (first..).zip(found).find_map(|(index, entry)| {
            let (is, want) = (leaf_hash(entry), forest.leaf(index));
            (want != Some(is)).then_some((index, is, want))
        });
        let (index, is, want) = wrong?;
        match want {
            Some(want) => finding(
                State::Differs,
                format!("entry {index} has leaf hash {is}, the signed root leads to {want}"),
            ),
            None => finding(
                State::Unclear,
                format!(
                    "nothing that is here leads from entry {index} to the signed root: it, or what lies \
                     between, was changed"
                ),
            ),
        }
    }
}

/// Where the entries of a bundle may be besides: in a wider one, the first of them in a narrower one.
fn others(reader: &dyn Reader, bundle: &Bundle) -> Vec<String> {
    let full = format!("log/{}", bundle.full().path());
    let dir = format!("{full}.p");
    let names = reader.list(&dir).ok().flatten().unwrap_or_default();
    let mut widths: Vec<u16> = names.iter().filter_map(|name| name.parse().ok()).collect();
    widths.sort_unstable_by(|a, b| b.cmp(a));
    let mut paths = vec![full];
    paths.extend(widths.into_iter().map(|width| format!("{dir}/{width}")));
    paths.retain(|path| *path != format!("log/{}", bundle.path()));
    paths
}

fn there(reader: &dyn Reader, path: &str) -> There {
    let read: Result<_> = reader.read(path, MAX_ENTRY_BUNDLE_LEN);
    match read {
        Ok(Some(bytes)) => There::Bytes(bytes),
        Ok(None) => There::Missing,
        Err(e) => There::Unreadable(e.to_string()),
    }
}

/// The entries at the beginning of what may be a damaged bundle.
fn as_many(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut out = Vec::new();
    while let Some((entry, tail)) = entries::first(rest) {
        out.push(entry);
        rest = tail;
    }
    out
}
