//! Every leaf under the policy that was in force at its place in the log, and under today's. Pure.

use std::collections::{BTreeMap, VecDeque};

use super::eras::{Era, Eras};
use super::logged::Logged;
use super::{Event, Problem, replay};
use crate::Result;
use crate::attest::dsse::{KeySet, short};
use crate::limits::MAX_AUDIT_PROBLEMS;
use crate::release::leaf::Leaf;
use crate::release::policy::ReleasePolicy;
use crate::trust::policy::Purpose;

/// A leaf, and the keys whose signatures under it verified. Whether they count is not said yet.
pub struct Claim {
    /// What it says.
    pub leaf: Leaf,
    /// Numbers of keys in the set.
    pub signers: Vec<usize>,
    /// The key ids that it gives.
    pub claimed: Vec<String>,
}

/// Takes an entry apart and verifies its signatures.
///
/// # Errors
/// An entry that is no signed statement, or a leaf that is malformed.
pub fn claim(entry: &[u8], keys: &KeySet) -> Result<Claim> {
    let opened = keys.open(entry)?;
    Ok(Claim {
        leaf: Leaf::read(opened.unverified_statement())?,
        signers: opened.signers().to_vec(),
        claimed: opened.claimed_keyids().to_vec(),
    })
}

/// Entries that counted when they were logged and do not today, of one key.
struct Ended {
    count: u64,
    first: u64,
    last: u64,
    words: String,
}

/// Judges leaves one after the other.
pub struct Judge<'a> {
    keys: &'a KeySet,
    /// The roots, with the places at which they came.
    pub eras: Eras,
    /// What the leaves say that counted.
    pub logged: Logged,
    /// Those that did not.
    pub problems: Vec<Problem>,
    /// The last lines of the history.
    pub history: VecDeque<Event>,
    /// Lines that are kept.
    keep: usize,
    /// Only entries before this one are judged.
    upto: u64,
    /// How many there were.
    pub seen: u64,
    unknown: u64,
    missed: u64,
    ended: BTreeMap<(String, String), Ended>,
    unjudged: Option<(u64, u64)>,
}

impl<'a> Judge<'a> {
    /// Judges the entries from `since` up to, not including, `upto`.
    pub fn new(keys: &'a KeySet, eras: Eras, (since, upto): (u64, u64), keep: usize) -> Self {
        Judge {
            keys,
            eras,
            logged: Logged {
                since,
                ..Logged::default()
            },
            problems: Vec::new(),
            history: VecDeque::new(),
            keep,
            upto,
            seen: 0,
            unknown: 0,
            missed: 0,
            ended: BTreeMap::new(),
            unjudged: None,
        }
    }

    /// The next leaf.
    pub fn take(&mut self, index: u64, claim: Result<Claim>) {
        if index >= self.upto {
            return;
        }
        self.seen += 1;
        let claim = match claim {
            Ok(claim) => claim,
            Err(e) => return self.bad(index, e.to_string()),
        };
        let brought = match &claim.leaf {
            Leaf::Metadata(leaf) => self.eras.brought_by(&leaf.files),
            _ => None,
        };
        // What brings a new policy is signed by whoever that names.
        let then = [brought, self.eras.current()];
        let policies: Vec<&ReleasePolicy> = then
            .into_iter()
            .flatten()
            .filter_map(|era| era.policy.as_ref())
            .collect();
        let today = self.counting(&claim, self.eras.today());
        let found = policies.iter().find_map(|policy| {
            let signers = self.counting(&claim, policy);
            (!signers.is_empty()).then_some((*policy, signers))
        });
        let (policy, signers) = match found {
            Some(found) => found,
            None if policies.is_empty() && !today.is_empty() => {
                // Nothing is left to judge it under but today's policy, and that is said.
                let (first, _) = self.unjudged.unwrap_or((index, index));
                self.unjudged = Some((first, index));
                (self.eras.today(), today.clone())
            }
            None => {
                let message = self.refusal(&claim, then, today.is_empty());
                return self.bad(index, message);
            }
        };
        let who = people(policy, &signers, self.keys);
        let now = !today.is_empty();
        if !now {
            let keyid = signers.first().map_or("", |at| self.keys.keyid(*at));
            let purpose = claim.leaf.purpose();
            let why = why_not(self.eras.today(), keyid, &purpose);
            let was = self.eras.current().map_or(0, |era| era.root.version);
            let words = format!(
                "signed by {who} ({purpose} key {}) counted under the policy of root {was}, when they were logged; \
                 under that of root {} they count for nothing: {why}",
                short(keyid),
                self.eras.version_today()
            );
            let ended = self.ended.entry((keyid.to_owned(), words.clone()));
            let ended = ended.or_insert(Ended {
                count: 0,
                first: index,
                last: index,
                words,
            });
            (ended.count, ended.last) = (ended.count + 1, index);
        }
        if matches!(claim.leaf, Leaf::Unknown { .. }) {
            self.unknown += 1;
        }
        if self.keep > 0 {
            if self.history.len() == self.keep {
                self.history.pop_front();
            }
            let event = replay::event(index, &claim.leaf, who, now);
            self.history.push_back(event);
        }
        if let Leaf::Metadata(leaf) = &claim.leaf {
            self.eras.advance(index, &leaf.files);
        }
        self.logged.note(index, claim.leaf);
    }

    fn counting(&self, claim: &Claim, policy: &ReleasePolicy) -> Vec<usize> {
        let (purpose, time) = (claim.leaf.purpose(), claim.leaf.time());
        let counts = |at: &&usize| {
            let keyid = self.keys.keyid(**at);
            policy.policy().key(&purpose, keyid, time).is_some()
        };
        claim.signers.iter().filter(counts).copied().collect()
    }

    fn bad(&mut self, index: u64, message: String) {
        match self.problems.len() < MAX_AUDIT_PROBLEMS {
            true => {
                let problem = Problem::new(format!("log entry {index}"), message);
                self.problems.push(problem);
            }
            false => self.missed += 1,
        }
    }

    fn refusal(&self, claim: &Claim, then: [Option<&Era>; 2], nor_today: bool) -> String {
        let purpose = claim.leaf.purpose();
        let found = match claim.signers.as_slice() {
            [] => {
                let ids: Vec<String> = claim.claimed.iter().map(|id| short(id)).collect();
                format!(
                    "no key of any policy verifies its signature ({})",
                    ids.join(", ")
                )
            }
            some => {
                let ids: Vec<String> = some.iter().map(|at| short(self.keys.keyid(*at))).collect();
                format!("it is signed by {}", ids.join(", "))
            }
        };
        let wanted = then.into_iter().flatten().find_map(|era| {
            let policy = era.policy.as_ref()?;
            let keys = policy.policy().keys_for(&purpose, claim.leaf.time());
            let ids: Vec<String> = keys.map(|key| short(&key.entry.id)).collect();
            let ids = match ids.is_empty() {
                true => "nobody".to_owned(),
                false => ids.join(", "),
            };
            Some(format!(
                "the policy of root {} names for {purpose} at {}: {ids}",
                era.root.version,
                claim.leaf.time()
            ))
        });
        let wanted = wanted.unwrap_or_else(|| "no policy of its time is left".into());
        let later = match nor_today {
            true => "",
            false => "; it would count under today's policy, which came later",
        };
        format!("did not count when it was logged: {found}, {wanted}{later}")
    }

    /// What is to be said besides the problems: warnings, and notes of what could not be judged.
    pub fn said(&mut self) -> (Vec<String>, Vec<String>) {
        if self.missed > 0 {
            let more = format!("{} more entries have problems", self.missed);
            self.problems.push(Problem::new("log", more));
        }
        let mut warnings = Vec::new();
        if self.unknown > 0 {
            warnings.push(format!(
                "{} log entries are of types that this version does not know",
                self.unknown
            ));
        }
        for ended in self.ended.values() {
            let which = match ended.count {
                1 => format!("log entry {}", ended.first),
                n => format!("{n} log entries ({} to {})", ended.first, ended.last),
            };
            warnings.push(format!("{which} {}", ended.words));
        }
        let notes = self.unjudged.map(|(first, last)| {
            format!(
                "the policy of their time is not in this store, so log entries {first} to {last} could be judged under today's alone"
            )
        });
        (warnings, notes.into_iter().collect())
    }
}

fn people(policy: &ReleasePolicy, signers: &[usize], keys: &KeySet) -> String {
    let signers = signers.iter().filter_map(|at| keys.key(*at)).collect();
    policy.people(&signers)
}

/// Why a key that counted once does not count for `purpose` any more.
fn why_not(policy: &ReleasePolicy, keyid: &str, purpose: &Purpose) -> String {
    match policy.policy().unchecked_key(keyid) {
        None => "the key is not in it any more".into(),
        Some(key) if key.entry.purpose != *purpose => {
            format!("the key is for {} now", key.entry.purpose)
        }
        Some(key) if key.entry.revoked => {
            format!("the key was taken out of use as of {}", key.entry.not_after)
        }
        Some(key) => format!(
            "the key counts from {} to {}",
            key.entry.not_before, key.entry.not_after
        ),
    }
}
