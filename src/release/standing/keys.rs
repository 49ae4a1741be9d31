//! Keys of the policy that end: who must get a new one, and by when. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::term::{Limits, State, left};
use crate::attest::dsse::short;
use crate::release::ceremony::Holder;
use crate::trust::policy::{KeyEntry, PolicyDocument, Purpose};

/// A key with an end that somebody should know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyTerm {
    /// The key and who holds it.
    #[serde(flatten)]
    pub holder: Holder,
    /// What it is for.
    pub purpose: Purpose,
    /// First second after its validity.
    #[serde(with = "crate::trust::time")]
    pub ends: Timestamp,
    /// Whether that has come.
    pub state: State,
}

impl KeyTerm {
    /// What to tell somebody.
    pub fn warning(&self, now: Timestamp) -> String {
        let person = self.holder.person.as_deref().unwrap_or("nobody");
        let key = format!(
            "the {} key of {person} (key {})",
            self.purpose,
            short(&self.holder.keyid)
        );
        match self.state {
            State::Expired => format!("{key} ended at {}, and nobody has another", self.ends),
            _ => format!("{key} ends in {}", left(self.ends, now)),
        }
    }
}

/// The last key of each person and purpose, where it ends soon; and where it has ended, if nobody else
/// has a valid one: keys of the past stay in the policy, since what they signed still counts.
pub fn ending(policy: &PolicyDocument, limits: &Limits, now: Timestamp) -> Vec<KeyTerm> {
    let mut last: BTreeMap<(&Purpose, &str), &KeyEntry> = BTreeMap::new();
    for key in &policy.keys {
        let place = last.entry((&key.purpose, &key.person)).or_insert(key);
        if key.not_after > place.not_after {
            *place = key;
        }
    }
    let before = limits.of("policy");
    let terms = last.values().filter_map(|key| {
        let state = State::of(key.not_after, before, now);
        let mut others = policy.keys.iter().filter(|k| k.purpose == key.purpose);
        let wanted = match state {
            State::Ok => false,
            State::Soon => true,
            State::Expired => !others.any(|k| k.counts_for(&key.purpose, now)),
        };
        wanted.then(|| KeyTerm {
            holder: Holder {
                keyid: key.id.clone(),
                person: Some(key.person.clone()),
            },
            purpose: key.purpose.clone(),
            ends: key.not_after,
            state,
        })
    });
    terms.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, person: &str, until: &str) -> KeyEntry {
        KeyEntry {
            id: id.into(),
            person: person.into(),
            purpose: Purpose::Builder,
            public: String::new(),
            not_before: "2025-01-01T00:00:00Z".parse().unwrap(),
            not_after: until.parse().unwrap(),
            revoked: false,
        }
    }

    fn ending_of(keys: Vec<KeyEntry>) -> Vec<(String, State)> {
        let mut policy = PolicyDocument::new("timed", "timed/relman-log");
        policy.keys = keys;
        let now = "2026-02-01T00:00:00Z".parse().unwrap();
        let found = ending(&policy, &Limits::usual(), now);
        found
            .into_iter()
            .map(|term| (term.holder.keyid, term.state))
            .collect()
    }

    #[test]
    fn a_key_that_ends_soon_is_told_unless_its_holder_has_another() {
        let (soon, late) = ("2026-02-20T00:00:00Z", "2027-01-01T00:00:00Z");
        assert_eq!(
            ending_of(vec![entry("a", "ann", soon), entry("b", "bob", late)]),
            [("a".to_owned(), State::Soon)]
        );
        assert_eq!(
            ending_of(vec![entry("a", "ann", soon), entry("b", "ann", late)]),
            []
        );
    }

    #[test]
    fn a_key_of_the_past_is_told_only_where_nobody_can_sign_any_more() {
        let (past, late) = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
        assert_eq!(
            ending_of(vec![entry("a", "ann", past), entry("b", "bob", late)]),
            []
        );
        assert_eq!(
            ending_of(vec![entry("a", "ann", past)]),
            [("a".to_owned(), State::Expired)]
        );
    }
}
