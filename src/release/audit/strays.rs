//! Objects in a store that no signature covers: harmless to relman, not to a person who installs by
//! hand. Only stores that can be listed are looked through. Pure.

use std::collections::BTreeSet;

use super::records::DIR as RECEIPTS;
use super::{Problem, problem, whole};
use crate::release::state::Released;
use crate::release::view::View;
use crate::store::{ROLLOUTS, Reader};

/// What starts the names of relman's own files in a local store.
const OWN: &str = ".relman-";

/// Finds objects that nobody signed for; `currents` are the files that environments' roles listed and
/// `batches` those of receipts that the log has, all of them only where the whole log was read.
pub fn check(
    store: &dyn Reader,
    view: &View,
    released: &[Released],
    (currents, batches): (&BTreeSet<String>, &BTreeSet<String>),
    all: bool,
) -> Result<((), String), Vec<Problem>> {
    let mut problems = Vec::new();
    let tops: BTreeSet<String> = ["metadata", "log", "targets", ROLLOUTS]
        .into_iter()
        .map(str::to_owned)
        .chain(released.iter().map(|r| r.tag.clone()))
        .chain((!batches.is_empty() || !all).then(|| RECEIPTS.to_owned()))
        .collect();
    let archives: BTreeSet<String> = released
        .iter()
        .map(|r| format!("{}.{}", r.sha256, r.archive_name()))
        .collect();
    let mut listed = true;
    let mut look = |dir: &str, known: &dyn Fn(&str) -> bool| match store.list(dir) {
        Ok(Some(names)) => {
            for name in names.into_iter().filter(|name| !known(name)) {
                let path = match dir {
                    "" => name,
                    dir => format!("{dir}/{name}"),
                };
                problems.push(Problem::new(path, "is here and nobody signed for it"));
            }
        }
        Ok(None) => listed = false,
        Err(e) => problems.extend(problem(dir, &e)),
    };
    look("", &|name| tops.contains(name) || name.starts_with(OWN));
    look("targets", &|name| {
        let older = !all && name.ends_with(".current.json");
        archives.contains(name) || currents.contains(name) || older
    });
    look("metadata", &|name| is_metadata(name, view));
    if !batches.is_empty() {
        look(RECEIPTS, &|name| batches.contains(name) || !all);
    }
    let detail = match listed {
        true => "nothing that nobody signed for",
        false => "this store cannot be listed, so strays cannot be seen",
    };
    whole(problems, detail.into())
}

/// Names of the form that published metadata has, up to the present versions.
fn is_metadata(name: &str, view: &View) -> bool {
    if name == "timestamp.json" || name.ends_with(".policy.json") {
        return true;
    }
    let Some((version, rest)) = name.split_once('.') else {
        return false;
    };
    let Some((role, kind)) = rest.rsplit_once('.') else {
        return false;
    };
    let known = ["root", "targets", "snapshot"].contains(&role)
        // Also one that is delegated no more.
        || view.refreshed.snapshot().meta.contains_key(&format!("{role}.json"));
    known && version.parse::<u64>().is_ok() && matches!(kind, "json" | "tlog-proof")
}
