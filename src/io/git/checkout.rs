//! Writes a commit's files and their index, byte for byte as committed. I/O room.
//!
//! No filter runs (line ends, `ident`, LFS), and modes are 0644 or 0755 whatever the umask. Every
//! file and directory is created anew and links are never followed, so no tree, however
//! made, writes outside of the clone.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use git2::{Index, IndexEntry, IndexTime, Oid, Repository, Tree};

use crate::error::Context;
use crate::limits::{MAX_CHECKOUT_DEPTH, MAX_CHECKOUT_FILES, MAX_SHOWN_NAME, MAX_UNPACKED_LEN};
use crate::release::text::shown;
use crate::{Error, Result};

/// Checks `commit` out to the empty directory `dir` and writes the index.
///
/// # Errors
/// Submodules, names that git forbids, missing objects, limits, I/O.
pub(super) fn checkout(repo: &Repository, commit: Oid, dir: &Path, index: &Path) -> Result<()> {
    let what = || format!("the files of {commit} cannot be read");
    let tree = repo
        .find_commit(commit)
        .and_then(|c| c.tree())
        .or_failed(what)?;
    let mut index = Index::open(index).or_failed(|| "git's index cannot be made".into())?;
    let mut checkout = Checkout {
        repo,
        dir,
        entries: Vec::new(),
        bytes: 0,
    };
    checkout.tree(&tree, &mut Vec::new(), 0)?;
    set_mode(dir, 0o755)?;
    for entry in &checkout.entries {
        index
            .add(entry)
            .or_failed(|| "git's index cannot be made".into())?;
    }
    index
        .write()
        .or_failed(|| "git's index cannot be written".into())
}

struct Checkout<'a> {
    repo: &'a Repository,
    dir: &'a Path,
    entries: Vec<IndexEntry>,
    bytes: u64,
}

impl Checkout<'_> {
    fn tree(&mut self, tree: &Tree<'_>, path: &mut Vec<u8>, depth: usize) -> Result<()> {
        if depth > MAX_CHECKOUT_DEPTH {
            return Err(Error::failed(format!(
                "directories nest deeper than {MAX_CHECKOUT_DEPTH}"
            )));
        }
        for entry in tree.iter() {
            let name = entry.name_bytes();
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            let display = String::from_utf8_lossy(path).into_owned();
            let display = shown(&display, 4 * MAX_SHOWN_NAME);
            if matches!(name, b"" | b"." | b"..")
                || name.contains(&b'/')
                || name.eq_ignore_ascii_case(b".git")
            {
                return Err(Error::refused(format!(
                    "the tree has a file named {display}, which git forbids"
                )));
            }
            match entry.filemode() {
                0o040000 => {
                    let full = self.full(path);
                    fs::create_dir(&full)
                        .or_failed(|| format!("directory {display} cannot be made"))?;
                    let sub = self
                        .repo
                        .find_tree(entry.id())
                        .or_failed(|| format!("directory {display} cannot be read"))?;
                    self.tree(&sub, path, depth + 1)?;
                    set_mode(&full, 0o755)?;
                }
                0o160000 => {
                    return Err(Error::failed(format!(
                        "{display} is a submodule, which relman does not build"
                    ))
                    .hint("use cargo git dependencies, or commit the files"));
                }
                mode => self.file(entry.id(), mode, path, &display)?,
            }
            path.truncate(length);
        }
        Ok(())
    }

    fn file(&mut self, id: Oid, mode: i32, path: &[u8], display: &str) -> Result<()> {
        let failed = || format!("file {display} cannot be checked out");
        let blob = self.repo.find_blob(id).map_err(|e| {
            Error::failed(failed())
                .caused_by(e.message())
                .hint("git fsck, or clone the repository again without --filter")
        })?;
        self.bytes = self.bytes.saturating_add(blob.size() as u64);
        if self.entries.len() >= MAX_CHECKOUT_FILES || self.bytes > MAX_UNPACKED_LEN {
            return Err(Error::failed(format!(
                "the tree has more than {MAX_CHECKOUT_FILES} files or {MAX_UNPACKED_LEN} bytes"
            )));
        }
        let full = self.full(path);
        let mode: u32 = match mode {
            0o120000 => {
                symlink(std::ffi::OsStr::from_bytes(blob.content()), &full).or_failed(failed)?;
                0o120000
            }
            _ => {
                let executable = mode & 0o111 != 0;
                let permissions = if executable { 0o755 } else { 0o644 };
                let mut file = create(&full).or_failed(failed)?;
                file.write_all(blob.content()).or_failed(failed)?;
                file.set_permissions(Permissions::from_mode(permissions))
                    .or_failed(failed)?;
                0o100000 | permissions
            }
        };
        let meta = fs::symlink_metadata(&full).or_failed(failed)?;
        // The index keeps the low 32 bits of each (gitformat-index(5)).
        self.entries.push(IndexEntry {
            ctime: IndexTime::new(meta.ctime() as i32, meta.ctime_nsec() as u32),
            mtime: IndexTime::new(meta.mtime() as i32, meta.mtime_nsec() as u32),
            dev: meta.dev() as u32,
            ino: meta.ino() as u32,
            mode,
            uid: meta.uid(),
            gid: meta.gid(),
            file_size: meta.size() as u32,
            id,
            flags: 0,
            flags_extended: 0,
            path: path.to_vec(),
        });
        Ok(())
    }

    fn full(&self, path: &[u8]) -> std::path::PathBuf {
        self.dir.join(std::ffi::OsStr::from_bytes(path))
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

fn set_mode(dir: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(dir, Permissions::from_mode(mode))
        .or_failed(|| format!("mode of {} cannot be set", dir.display()))
}
