//! What the log tells of nodes: rollbacks are between releases that it has, and the batches of receipts
//! that lie in the store are those that it has. Pure.

use std::collections::BTreeSet;

use super::logged::Logged;
use super::versions::Look;
use super::{Problem, problem};
use crate::hash::Sha256;
use crate::limits::MAX_RECEIPTS_FILE_LEN;
use crate::release::leaf::{ReceiptsLeaf, RollbackLeaf};
use crate::release::policy::ReleasePolicy;
use crate::release::state::Released;
use crate::release::verify::check_released_file;
use crate::store::Reader;

/// Where a store that is private may keep batches; relman itself puts none there.
pub const DIR: &str = "receipts";

/// Everything that is wrong with what the log tells of nodes.
pub fn check(store: &dyn Reader, look: &Look, released: &[Released]) -> Vec<Problem> {
    let logged = look.logged;
    let policies = look.eras.all().iter().filter_map(|era| era.policy.as_ref());
    let environments: BTreeSet<String> = policies
        .chain([look.eras.today()])
        .flat_map(ReleasePolicy::environment_names)
        .map(str::to_owned)
        .collect();
    let mut problems = Vec::new();
    for (index, leaf) in &logged.rollbacks {
        problems.extend(rollback(logged, *index, leaf, released, &environments));
    }
    for (index, leaf) in &logged.receipts {
        problems.extend(batch(store, *index, leaf));
    }
    problems
}

fn rollback(
    logged: &Logged,
    index: u64,
    leaf: &RollbackLeaf,
    released: &[Released],
    environments: &BTreeSet<String>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut say = |message: String| problems.push(Problem::new(format!("entry {index}"), message));
    for (tag, archive) in [(&leaf.tag, leaf.archive), (&leaf.to, leaf.to_archive)] {
        let told = |what: &str| format!("tells of a rollback between releases, and {tag} {what}");
        let mut earlier = logged.releases.get(tag).into_iter().flatten();
        match released.iter().find(|release| release.tag == *tag) {
            None => say(told("is none that the log has")),
            Some(release) if release.sha256 != archive => say(told(&format!(
                "has sha256 {}, the entry says {archive}",
                release.sha256
            ))),
            Some(_) if earlier.any(|(at, _)| *at > index) => {
                say(told("is in the log only after it"));
            }
            Some(_) => {}
        }
    }
    if !environments.contains(&leaf.environment) {
        say(format!(
            "tells of a rollback of {}, which no policy has",
            leaf.environment
        ));
    }
    problems
}

/// A batch that is kept in the store has the digest that the log has.
fn batch(store: &dyn Reader, index: u64, leaf: &ReceiptsLeaf) -> Vec<Problem> {
    let path = format!("{DIR}/{}", ReceiptsLeaf::file_name(&leaf.batch));
    match store.open(&path) {
        Ok(None) => Vec::new(),
        Ok(Some(_)) => match check_released_file(store, &path, leaf.batch, MAX_RECEIPTS_FILE_LEN) {
            Ok(()) => Vec::new(),
            Err(e) => vec![Problem::new(
                path,
                format!("is the batch of entry {index} and {e}"),
            )],
        },
        Err(e) => problem(path, &e),
    }
}

/// The names of the batches that the log has.
pub fn names(logged: &Logged) -> BTreeSet<String> {
    let batches = logged.receipts.iter().map(|(_, leaf)| leaf.batch);
    batches
        .map(|batch: Sha256| ReceiptsLeaf::file_name(&batch))
        .collect()
}
