//! Makes the sample project's git repository. Every commit and tag has a fixed author and time and is built from
//! blobs, so that its id is the same everywhere, whatever the user's git configuration says.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{
    Commit, ConfigLevel, FileMode, Oid, Repository, RepositoryInitOptions, Signature, Time, Tree,
};

use crate::demo::sample::{self, PHASES, SampleFile};
use crate::error::{Context, Error, Result};

const NAME: &str = "Sample Author";
const EMAIL: &str = "author@example.org";
/// 2026-01-05T09:00:00Z, a Monday, in seconds since the epoch.
const START: i64 = 1_767_603_600;
const HOUR: i64 = 3_600;
const WEEK: i64 = 7 * 24 * HOUR;

/// Makes a repository in `dir` (which may exist, but not with a `.git`) with branch `main` and the first `phases`
/// (1 to 3) phase releases of the sample daemon, each an annotated tag; the newest is checked out.
///
/// Errors: usage for another number of phases or a `dir` that is a repository already, failed for I/O and git.
pub fn create(dir: &Path, phases: u32) -> Result<()> {
    if !(1..=PHASES.len() as u32).contains(&phases) {
        return Err(Error::usage(format!(
            "the sample project has phases 1 to {}, found {phases}",
            PHASES.len()
        )));
    }
    if dir.join(".git").symlink_metadata().is_ok() {
        return Err(Error::usage(format!(
            "{} is a git repository already, wanted a new directory",
            dir.display()
        )));
    }
    history(dir, phases).or_failed(|| format!("cannot make a repository in {}", dir.display()))?;
    write_tree(dir, &sample::files(phases))
}

fn history(dir: &Path, phases: u32) -> std::result::Result<(), git2::Error> {
    let repo = Repository::init_opts(
        dir,
        RepositoryInitOptions::new()
            .initial_head("main")
            .external_template(false),
    )?;
    // The reflog would otherwise carry the name in the user's configuration.
    let mut config = repo.config()?.open_level(ConfigLevel::Local)?;
    config.set_str("user.name", NAME)?;
    config.set_str("user.email", EMAIL)?;
    let mut parent: Option<Commit> = None;
    for (number, (tag, annotation, messages)) in (1..=phases).zip(PHASES) {
        let mut time = START + i64::from(number - 1) * WEEK;
        for (commit, message) in messages.iter().enumerate() {
            let tree = tree(&repo, &sample::files_after(number, commit))?;
            let author = signature(time)?;
            let parents: Vec<&Commit> = parent.iter().collect();
            let id = repo.commit(Some("HEAD"), &author, &author, message, &tree, &parents)?;
            parent = Some(repo.find_commit(id)?);
            time += HOUR;
        }
        if let Some(commit) = &parent {
            repo.tag(
                tag,
                commit.as_object(),
                &signature(time)?,
                annotation,
                false,
            )?;
        }
    }
    if let Some(commit) = &parent {
        let mut index = repo.index()?;
        index.read_tree(&commit.tree()?)?;
        index.write()?;
    }
    Ok(())
}

fn signature(time: i64) -> std::result::Result<Signature<'static>, git2::Error> {
    Signature::new(NAME, EMAIL, &Time::new(time, 0))
}

fn tree<'r>(
    repo: &'r Repository,
    files: &[SampleFile],
) -> std::result::Result<Tree<'r>, git2::Error> {
    let mut update = TreeUpdateBuilder::new();
    for file in files {
        let mode = if file.executable {
            FileMode::BlobExecutable
        } else {
            FileMode::Blob
        };
        // Straight to the object database: no line-ending filter of the user's gets a say.
        update.upsert(file.path, repo.blob(file.contents.as_bytes())?, mode);
    }
    let empty: Oid = repo.treebuilder(None)?.write()?;
    let id = update.create_updated(repo, &repo.find_tree(empty)?)?;
    repo.find_tree(id)
}

fn write_tree(dir: &Path, files: &[SampleFile]) -> Result<()> {
    for file in files {
        let path = dir.join(file.path);
        let mode = if file.executable { 0o755 } else { 0o644 };
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, &file.contents))
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
            .or_failed(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
