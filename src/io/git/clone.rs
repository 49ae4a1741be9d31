//! Makes the clean clone that a release is built in. I/O room.
//!
//! It is written by hand, not by `git clone`: which tags it has, how long abbreviated ids are and
//! how files look depend on the tag and its history alone. There are no branches and no remote
//! with a path of this machine; submodules are refused; files of Git LFS stay pointers.

use std::collections::HashSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use git2::{ObjectType, Repository};

use super::{GitSource, checkout, objects, oid};
use crate::error::Context;
use crate::release::source::TagInfo;
use crate::{Error, Result};

pub(super) fn clone_at(source: &GitSource, info: &TagInfo, dir: &Path) -> Result<()> {
    let what = || format!("clone of {} at {}", info.tag, dir.display());
    fs::create_dir(dir).or_failed(|| format!("{} cannot be made", what()))?;
    fill(source, info, dir).map_err(|e| {
        // What is left is not a clone; the first error is the one to tell.
        let _ = fs::remove_dir_all(dir);
        e.under(format!("{} failed", what()))
    })
}

fn fill(source: &GitSource, info: &TagInfo, dir: &Path) -> Result<()> {
    let git = dir.join(".git");
    for sub in [
        "",
        "info",
        "objects",
        "objects/info",
        "objects/pack",
        "refs",
        "refs/heads",
        "refs/tags",
    ] {
        fs::create_dir(git.join(sub))
            .or_failed(|| format!("directory {}/{sub} cannot be made", git.display()))?;
    }
    let commit = oid(&info.commit)?;
    objects::share(
        &source.repo.commondir().join("objects"),
        &git.join("objects"),
    )?;
    let abbrev = objects::abbreviation(&source.repo, commit)?;
    let write = |name: &str, text: String| {
        fs::write(git.join(name), text)
            .or_failed(|| format!("{}/{name} cannot be written", git.display()))
    };
    write("HEAD", format!("{commit}\n"))?;
    write("config", config(abbrev, source.public_url.as_deref()))?;

    // Read from here on in the clone: what is missing there is missing for the build.
    let clone = Repository::open(dir).or_failed(|| "the new clone cannot be opened".into())?;
    let ancestors = history(&clone, commit)?;
    let mut refs = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    for tag in source.tags_of(info, &ancestors)? {
        let _ = writeln!(refs, "{} refs/tags/{}", tag.id, tag.name);
        if tag.time.is_some() {
            let peeled = clone
                .find_object(tag.id, None)
                .and_then(|o| o.peel(ObjectType::Any))
                .or_failed(|| format!("tag {} cannot be read", tag.name))?;
            let _ = writeln!(refs, "^{}", peeled.id());
        }
    }
    write("packed-refs", refs)?;
    checkout::checkout(&clone, commit, dir, &git.join("index"))
}

fn history(clone: &Repository, commit: git2::Oid) -> Result<HashSet<git2::Oid>> {
    let walk = || -> Result<HashSet<git2::Oid>, git2::Error> {
        let mut walk = clone.revwalk()?;
        walk.push(commit)?;
        walk.collect()
    };
    walk().map_err(|e| {
        Error::failed(format!("the history of {commit} is not complete"))
            .caused_by(e.message())
            .hint("git fsck, or clone the repository again without --depth and --filter")
    })
}

fn config(abbrev: usize, url: Option<&str>) -> String {
    let mut text = format!(
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tsymlinks = true\n\
         \tautocrlf = false\n\teol = lf\n\tabbrev = {abbrev}\n\tattributesFile = /dev/null\n\
         \texcludesFile = /dev/null\n\thooksPath = /dev/null\n\tfsmonitor = false\n\
         [gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
    );
    // Quoting as git-config(1) has it; a URL with control characters never gets here.
    if let Some(url) = url.filter(|u| !u.chars().any(char::is_control)) {
        let quoted = url.replace('\\', "\\\\").replace('"', "\\\"");
        let _ = write!(text, "[remote \"origin\"]\n\turl = \"{quoted}\"\n");
    }
    text
}
