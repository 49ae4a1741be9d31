//! Whether the log in a store is whole: everything that can be computed from its entries is, and held
//! against what is there. Works from the entries up, so also where readers refuse the log; changes
//! nothing. What is missing can be made again from what is known; what differs is an alarm. Pure.

mod bundles;
mod finding;
mod grounds;
mod proofs;
mod stage;
mod tiles;
mod walk;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::report::{Problem, Report};
use crate::limits::MAX_FSCK_ENTRIES;
use crate::log::{Forest, Note, TlogProof, TreeHead, prove_inclusion};
use crate::store::Reader;
use crate::{Error, Result};

use bundles::Bundles;
pub use finding::{Finding, Remake, State};
use grounds::Grounds;
use proofs::Proofs;

/// The checks, in order.
const CHECKS: [&str; 7] = [
    "keys",
    "checkpoint",
    "entries",
    "tiles",
    "proofs",
    "strays",
    "stage",
];

/// With what a log is looked at.
pub struct Fsck<'a> {
    /// The store.
    pub store: &'a dyn Reader,
    /// A copy to take entries and tiles from, which is believed no more than the store.
    pub from: Option<&'a dyn Reader>,
    /// The trust root.
    pub root: &'a [u8],
    /// Now; decides nothing but what has expired.
    pub now: Timestamp,
}

/// What was found, and what is needed to make objects anew.
pub struct Found<'a> {
    /// Everything.
    pub findings: Vec<Finding>,
    /// The tree that the log was held against; none where there is no checkpoint at all.
    pub head: Option<TreeHead>,
    known: Option<Known<'a>>,
    skipped: Vec<&'static str>,
    details: BTreeMap<&'static str, String>,
}

/// What is known of a log.
struct Known<'a> {
    forest: Forest,
    bundles: Bundles<'a>,
    note: Note,
}

impl<'a> Fsck<'a> {
    /// Looks at everything.
    ///
    /// # Errors
    /// Only where nothing can be said: no policy whose log keys could be believed; a store that was
    /// published to meanwhile.
    pub fn run(&self) -> Result<Found<'a>> {
        let mut findings = Vec::new();
        let mut details = BTreeMap::new();
        let policy = grounds::policy(self, &mut findings)?;
        details.insert("keys", format!("log {}", policy.log_origin()));
        let mut proofs = Proofs::listed(self.store, &policy, &mut findings);
        let grounds = grounds::checkpoint(self, &policy, &proofs, &mut findings);
        stage::check(self.store, &mut findings);
        let Some(Grounds { head, note, own }) = grounds else {
            return Ok(Found {
                findings,
                head: None,
                known: None,
                skipped: vec!["entries", "tiles", "proofs", "strays"],
                details,
            });
        };
        if head.size > MAX_FSCK_ENTRIES {
            return Err(Error::failed(format!(
                "the log has {} entries, the leaf hashes of at most {MAX_FSCK_ENTRIES} are held in memory",
                head.size
            )));
        }
        details.insert(
            "checkpoint",
            format!("{} entries, root {}", head.size, head.root),
        );
        let bundles = Bundles::new(self.store, self.from, head.size, proofs.extras());
        let forest = self.forest(&head, &bundles)?;
        let places = bundles.check(&forest, &mut findings);
        proofs.check(
            self.store,
            &policy,
            (&forest, &head),
            &places,
            &mut findings,
        );
        tiles::check(self.store, &forest, &mut findings);
        let walked = walk::check(self.store, &forest, &mut findings);
        details.insert(
            "entries",
            format!("{} entries lead to that root", head.size),
        );
        details.insert("tiles", "every tile is what the entries lead to".into());
        details.insert(
            "proofs",
            format!("{} proofs lead into this log", proofs.number()),
        );
        details.insert(
            "strays",
            match walked {
                true => "nothing else below log/".into(),
                false => "this store cannot be listed, so strays cannot be seen".into(),
            },
        );
        details.insert("stage", "no publication was left over".into());
        if own {
            grounds::unchanged(self.store, &policy, &note)?;
        } else {
            // Nothing is made for a log whose own checkpoint is not there.
            findings.iter_mut().for_each(Finding::cannot);
        }
        Ok(Found {
            findings,
            head: Some(head),
            known: Some(Known {
                forest,
                bundles,
                note,
            }),
            skipped: Vec::new(),
            details,
        })
    }

    /// The tree that `head` proves: over the entries that are there, or as far as tiles lead to it.
    fn forest(&self, head: &TreeHead, bundles: &Bundles) -> Result<Forest> {
        let with_proofs = Forest::new(bundles.leaves(true))?;
        if with_proofs.root() == Some(head.root) {
            return Ok(with_proofs);
        }
        let plain = Forest::new(bundles.leaves(false))?;
        if plain.root() == Some(head.root) {
            return Ok(plain);
        }
        let candidates = |tile: &_| tiles::candidates(self.store, self.from, tile);
        Ok(with_proofs.proved(head, &candidates))
    }
}

impl Found<'_> {
    /// Every check with what it found.
    pub fn report(&self) -> Report {
        let mut report = Report::default();
        for name in CHECKS {
            if self.skipped.contains(&name) {
                report.skip(name, "there is no checkpoint that says what the log is");
                continue;
            }
            let mine = self.findings.iter().filter(|f| f.check == name);
            let problems: Vec<Problem> = mine.map(|f| Problem::new(&f.object, f.words())).collect();
            let detail = self.details.get(name).cloned().unwrap_or_default();
            report.enter(
                name,
                match problems.is_empty() {
                    true => Ok(((), detail)),
                    false => Err(problems),
                },
            );
        }
        report
    }

    /// The objects that are missing and can be made again.
    pub fn repairable(&self) -> impl Iterator<Item = (&str, &Remake)> {
        let findings = self.findings.iter();
        findings.filter_map(|f| Some((f.object.as_str(), f.remake.as_ref()?)))
    }

    /// Makes an object again.
    ///
    /// # Errors
    /// Refused: what it was to be made from has changed meanwhile.
    pub fn make(&self, what: &Remake) -> Result<Vec<u8>> {
        let gone = || Error::refused("what it was to be made from is not there any more");
        let Known {
            forest,
            bundles,
            note,
        } = self.known.as_ref().ok_or_else(gone)?;
        match what {
            Remake::Tile(tile) => forest.tile(tile).ok_or_else(gone),
            Remake::Bundle(bundle) => bundles.whole(bundle, forest).ok_or_else(gone),
            Remake::Proof(index) => {
                let entry = bundles.entry(*index, forest).ok_or_else(gone)?;
                let path = prove_inclusion(*index, forest.size(), forest)?;
                let proof = TlogProof::new(&entry, *index, &path, note.clone())?;
                Ok(proof.to_string().into_bytes())
            }
        }
    }
}
