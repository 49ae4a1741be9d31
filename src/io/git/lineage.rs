//! What policy may ask of a tag: its raw object, what its commit builds upon, which branches have
//! it. I/O room.

use std::collections::BTreeSet;

use git2::{ObjectType, Oid, Repository};

use crate::error::Context;
use crate::limits::{MAX_BRANCHES, MAX_TAG_OBJECT_LEN};
use crate::{Error, Result};

/// Where branches are: our own, and `origin`'s as they were when last fetched.
const HEADS: [&str; 2] = ["refs/heads/", "refs/remotes/origin/"];

pub(super) fn tag_object(repo: &Repository, id: Oid, tag: &str) -> Result<Vec<u8>> {
    let what = || format!("the tag object of {tag} cannot be read");
    let odb = repo.odb().or_failed(what)?;
    let (length, kind) = odb.read_header(id).or_failed(what)?;
    if kind != ObjectType::Tag || length > MAX_TAG_OBJECT_LEN {
        return Err(Error::usage(what()).caused_by(format!(
            "it is a {} of {length} bytes, wanted a tag of at most {MAX_TAG_OBJECT_LEN}",
            kind.str()
        )));
    }
    Ok(odb.read(id).or_failed(what)?.data().to_vec())
}

pub(super) fn has_ancestor(repo: &Repository, commit: Oid, ancestor: Oid) -> Result<bool> {
    // The history is whole, so what is not in the repository is not in it either.
    if commit == ancestor || repo.find_commit(ancestor).is_err() {
        return Ok(commit == ancestor);
    }
    repo.graph_descendant_of(commit, ancestor)
        .or_failed(|| format!("the history from {ancestor} to {commit} cannot be read"))
}

pub(super) fn branches_with(
    repo: &Repository,
    commit: Oid,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>> {
    let what = || "git branches cannot be listed".to_owned();
    let mut names = BTreeSet::new();
    for prefix in HEADS {
        let all = repo.references_glob(&format!("{prefix}*"));
        for reference in all.or_failed(what)? {
            let reference = reference.or_failed(what)?;
            // A name that is not UTF-8 matches nothing that policy can ask for.
            let Ok(name) = reference.name() else { continue };
            let Some(name) = name.strip_prefix(prefix) else {
                continue;
            };
            let tip = reference.target();
            let Some(tip) = tip.filter(|_| is_wanted(name) && !names.contains(name)) else {
                continue;
            };
            if has_ancestor(repo, tip, commit)? {
                names.insert(name.to_owned());
            }
            if names.len() > MAX_BRANCHES {
                return Err(Error::usage(format!(
                    "more than {MAX_BRANCHES} branches that policy asks for have commit {commit}"
                )));
            }
        }
    }
    Ok(names.into_iter().collect())
}
