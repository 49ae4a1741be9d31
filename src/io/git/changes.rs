//! What changed between two releases: files, and the lines that were added to some of them. I/O room.

use std::cell::RefCell;
use std::collections::BTreeMap;

use git2::{Delta, Diff, DiffFindOptions, DiffOptions, ErrorCode, Oid, Repository, Tree};

use crate::error::Context;
use crate::limits::{MAX_ADDED_LINES, MAX_CHANGED_FILES};
use crate::release::source::ChangedFile;
use crate::{Error, Result};

pub(super) fn changes(
    repo: &Repository,
    previous: Option<Oid>,
    commit: Oid,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<ChangedFile>> {
    let what = || format!("what {commit} changes cannot be read");
    let tree = |id| -> Result<Tree<'_>, git2::Error> { repo.find_commit(id)?.tree() };
    let before = previous.map(tree).transpose().or_failed(what)?;
    let after = tree(commit).or_failed(what)?;
    // Attributes of the repository must not hide lines by calling a file binary.
    let mut options = DiffOptions::new();
    options
        .context_lines(0)
        .interhunk_lines(0)
        .force_text(true)
        .skip_binary_check(true);
    let mut diff = repo
        .diff_tree_to_tree(before.as_ref(), Some(&after), Some(&mut options))
        .or_failed(what)?;
    // Moving a file adds none of its lines.
    diff.find_similar(Some(DiffFindOptions::new().renames(true)))
        .or_failed(what)?;
    read(&diff, is_wanted).map_err(|e| e.under(what()))
}

fn read(diff: &Diff<'_>, is_wanted: &dyn Fn(&str) -> bool) -> Result<Vec<ChangedFile>> {
    let files: RefCell<BTreeMap<String, Vec<(u32, String)>>> = RefCell::default();
    let lines = RefCell::new(0_u64);
    let path = |delta: &git2::DiffDelta<'_>| {
        let bytes = delta.new_file().path_bytes().unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    let walked = diff.foreach(
        &mut |delta, _| {
            if delta.status() != Delta::Deleted {
                files.borrow_mut().entry(path(&delta)).or_default();
            }
            files.borrow().len() <= MAX_CHANGED_FILES
        },
        None,
        None,
        Some(&mut |delta, _, line| {
            let path = path(&delta);
            let (Some(number), '+', true) = (line.new_lineno(), line.origin(), is_wanted(&path))
            else {
                return true;
            };
            *lines.borrow_mut() += 1;
            let text = String::from_utf8_lossy(line.content());
            let text = text.trim_end_matches(['\n', '\r']).to_owned();
            files
                .borrow_mut()
                .entry(path)
                .or_default()
                .push((number, text));
            *lines.borrow() <= MAX_ADDED_LINES
        }),
    );
    match walked {
        Ok(()) => {}
        Err(e) if e.code() == ErrorCode::User => {
            return Err(Error::failed(format!(
                "more than {MAX_CHANGED_FILES} files or {MAX_ADDED_LINES} added lines"
            )));
        }
        Err(e) => return Err(Error::failed("git cannot compare them").caused_by(e.message())),
    }
    let files = files.into_inner().into_iter();
    Ok(files
        .map(|(path, added)| ChangedFile { path, added })
        .collect())
}
