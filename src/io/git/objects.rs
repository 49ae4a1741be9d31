//! Shares a repository's objects with a clone, by hard links where the filesystem can. I/O room.
//!
//! The clone may so hold objects that the tag does not reach; nothing that a build asks git for
//! depends on them, save how far ids are abbreviated, and [`abbreviation`] settles that.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid, Repository};

use crate::error::Context;
use crate::{Error, Result};

/// How deep alternates may borrow from alternates (git's own limit).
const MAX_ALTERNATES: usize = 5;
/// Git's shortest automatic abbreviation, and the most objects for which it is enough.
const MIN_ABBREV: usize = 7;
const MIN_ABBREV_OBJECTS: usize = 1 << (2 * MIN_ABBREV);

/// Puts every object of the directory `from`, and of those it borrows from, into `to`.
///
/// # Errors
/// I/O.
pub(super) fn share(from: &Path, to: &Path) -> Result<()> {
    let mut queue = vec![(from.to_path_buf(), 0)];
    let mut seen = HashSet::new();
    while let Some((dir, depth)) = queue.pop() {
        if !seen.insert(dir.clone()) {
            continue;
        }
        // Loose objects first: one that is being packed meanwhile is then in the pack.
        for (name, path) in list(&dir)? {
            if is_hex(&name, 2) {
                let made = fs::create_dir(to.join(&name));
                if made.is_err() && !to.join(&name).is_dir() {
                    made.or_failed(|| {
                        format!("directory {} cannot be made", to.join(&name).display())
                    })?;
                }
                for (file, object) in list(&path)?.into_iter().filter(|(f, _)| is_hex(f, 38)) {
                    link(&object, &to.join(&name).join(file))?;
                }
            }
        }
        for (name, path) in list(&dir.join("pack"))? {
            let known = [".pack", ".idx"].iter().any(|end| name.ends_with(end));
            if known && name.starts_with("pack-") {
                link(&path, &to.join("pack").join(name))?;
            }
        }
        if depth < MAX_ALTERNATES {
            let alternates = fs::read_to_string(dir.join("info/alternates")).unwrap_or_default();
            let lines = alternates
                .lines()
                .filter(|l| !l.is_empty() && !l.starts_with('#'));
            queue.extend(lines.map(|l| (dir.join(l), depth + 1)));
        }
    }
    Ok(())
}

fn list(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let what = || format!("git objects in {} cannot be read", dir.display());
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::failed(what()).caused_by(e)),
    };
    let mut out = Vec::new();
    for entry in entries {
        let entry = entry.or_failed(what)?;
        if let Ok(name) = entry.file_name().into_string() {
            out.push((name, entry.path()));
        }
    }
    out.sort();
    Ok(out)
}

fn link(from: &Path, to: &Path) -> Result<()> {
    if fs::hard_link(from, to).is_ok() || to.exists() {
        return Ok(());
    }
    match fs::copy(from, to) {
        Ok(_) => Ok(()),
        // Gone since it was listed: git packs in the background. The clone is checked afterwards.
        Err(e) if e.kind() == ErrorKind::NotFound && !from.exists() => Ok(()),
        Err(e) => Err(
            Error::failed(format!("git object {} cannot be copied", from.display())).caused_by(e),
        ),
    }
}

fn is_hex(name: &str, len: usize) -> bool {
    name.len() == len && name.bytes().all(|b| b.is_ascii_hexdigit())
}

/// How many digits git would abbreviate ids to in a fresh clone of `commit`'s history: half the
/// bits of the number of objects, rounded up, at least 7. Version strings contain such ids, so
/// what other branches hold must not lengthen them.
///
/// # Errors
/// Objects are missing.
pub(super) fn abbreviation(repo: &Repository, commit: Oid) -> Result<usize> {
    let what = || format!("the objects of {commit} cannot be counted");
    let mut all = 0usize;
    let counted = repo.odb().or_failed(what)?.foreach(|_| {
        all += 1;
        all < MIN_ABBREV_OBJECTS
    });
    if counted.is_ok() && all < MIN_ABBREV_OBJECTS {
        return Ok(MIN_ABBREV);
    }
    let mut seen: HashSet<Oid> = HashSet::new();
    let mut walk = repo.revwalk().or_failed(what)?;
    walk.push(commit).or_failed(what)?;
    for id in walk {
        let id = id.or_failed(what)?;
        seen.insert(id);
        let mut trees = vec![repo.find_commit(id).or_failed(what)?.tree_id()];
        while let Some(id) = trees.pop() {
            if !seen.insert(id) {
                continue;
            }
            for entry in repo.find_tree(id).or_failed(what)?.iter() {
                match entry.kind() {
                    Some(ObjectType::Tree) => trees.push(entry.id()),
                    Some(ObjectType::Blob) => {
                        seen.insert(entry.id());
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(digits(seen.len()))
}

fn digits(objects: usize) -> usize {
    let bits = (usize::BITS - objects.leading_zeros()) as usize;
    bits.div_ceil(2).max(MIN_ABBREV)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_with_the_history_as_gits_do() {
        assert_eq!(digits(0), 7);
        assert_eq!(digits(MIN_ABBREV_OBJECTS - 1), 7);
        assert_eq!(digits(MIN_ABBREV_OBJECTS), 8);
        assert_eq!(digits(1 << 16), 9);
    }
}
