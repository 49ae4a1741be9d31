//! What a publication did to halts, for whoever is told. Pure.

use std::collections::BTreeMap;

use super::check::present;
use super::document::Halt;
use super::environment_of;
use crate::release::ceremony::Base;

/// What became of an environment's halt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is in force now.
    Began(Halt),
    /// It was, and is no more.
    Ended(Halt),
}

/// The halts that are in force, by environment.
pub fn all_present(base: &Base) -> BTreeMap<String, Halt> {
    let environments = base.roles.keys().filter(|n| environment_of(n).is_none());
    environments
        .filter_map(|name| Some((name.clone(), present(base, name)?)))
        .collect()
}

/// What differs between two states of a store, what ended first.
pub fn changes(before: &BTreeMap<String, Halt>, after: &BTreeMap<String, Halt>) -> Vec<Change> {
    let ended = before
        .iter()
        .filter(|(name, _)| !after.contains_key(*name))
        .map(|(_, halt)| Change::Ended(halt.clone()));
    let began = after
        .iter()
        .filter(|(name, halt)| before.get(*name) != Some(halt))
        .map(|(_, halt)| Change::Began(halt.clone()));
    ended.chain(began).collect()
}
