//! The state directory's own rules: who may write to it, its history and its evidence.

use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{
    Access, Mode, OFlags, RenameFlags, access, fstat, ftruncate, openat, renameat_with,
};
use rustix::process::geteuid;

use super::node_dir::{Dir, cannot};
use crate::error::{Context, Error, Result};
use crate::limits;
use crate::node::config::Binary;

const HISTORY: &str = "history.jsonl";

/// Nobody but us and root may write to the state, or to a directory above in which it could be
/// exchanged.
pub(crate) fn check_owner(dir: &Dir) -> Result<()> {
    let stat = fstat(&dir.fd).map_err(|e| cannot("look at", &dir.path, e))?;
    let us = geteuid().as_raw();
    if stat.st_uid != us && stat.st_uid != 0 {
        return Err(Error::refused(format!(
            "{} belongs to user {}, wanted {us} or 0",
            dir.path.display(),
            stat.st_uid
        ))
        .hint(format!("ls -ld {}", dir.path.display())));
    }
    if stat.st_mode & 0o022 != 0 {
        return Err(Error::refused(format!(
            "{} has mode {:o}: others could write to it",
            dir.path.display(),
            stat.st_mode & 0o7777
        ))
        .hint(format!("chmod go-w {}", dir.path.display())));
    }
    let real = std::fs::canonicalize(&dir.path)
        .or_failed(|| format!("cannot resolve {}", dir.path.display()))?;
    for above in real.ancestors().skip(1) {
        let mode = std::fs::metadata(above)
            .or_failed(|| format!("cannot look at {}", above.display()))?
            .permissions()
            .mode();
        // In a sticky directory nobody can move what is not theirs.
        if mode & 0o002 != 0 && mode & 0o1000 == 0 {
            return Err(Error::refused(format!(
                "{} has mode {:o}: anybody could exchange {}",
                above.display(),
                mode & 0o7777,
                dir.path.display()
            ))
            .hint(format!("chmod o-w {}", above.display())));
        }
    }
    Ok(())
}

/// Creates `path` and what is missing above it, mode 0755 whatever the umask.
pub(crate) fn create_state(path: &Path) -> Result<()> {
    if std::fs::symlink_metadata(path).is_ok() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_state(parent)?;
    }
    let made = DirBuilder::new()
        .mode(0o755)
        .create(path)
        .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)));
    match made {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => {
            return Err(
                Error::failed(format!("cannot create the directory {}", path.display()))
                    .caused_by(error)
                    .hint("run as root (sudo relman …), or set state in node.toml"),
            );
        }
    }
    if let Some(parent) = path.parent().and_then(|p| Dir::open(p).ok().flatten()) {
        parent.sync()?;
    }
    Ok(())
}

/// The history, or the end of a very long one.
pub(crate) fn read_history(state: &Dir) -> Result<Vec<u8>> {
    let Some((mut file, stat)) = state.open_file(HISTORY)? else {
        return Ok(Vec::new());
    };
    let skip = u64::try_from(stat.st_size)
        .unwrap_or(0)
        .saturating_sub(limits::MAX_HISTORY_LEN);
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(skip))
        .and_then(|_| {
            file.take(limits::MAX_HISTORY_LEN * 2)
                .read_to_end(&mut bytes)
        })
        .or_failed(|| format!("cannot read {}", state.path.join(HISTORY).display()))?;
    if skip > 0 {
        // The first line is cut in two.
        let end = bytes.iter().position(|b| *b == b'\n').map_or(0, |i| i + 1);
        bytes.drain(..end);
    }
    Ok(bytes)
}

/// Appends a line, in place of a torn one: what a power cut left of it was never complete.
pub(crate) fn append_history(state: &Dir, line: &[u8]) -> Result<()> {
    let torn = read_history(state)?
        .rsplit(|b| *b == b'\n')
        .next()
        .map_or(0, <[u8]>::len);
    append(state, HISTORY, torn as u64, line)
}

/// Appends `bytes` to the file `name`, in place of its last `torn` bytes; synced.
pub(crate) fn append(dir: &Dir, name: &str, torn: u64, bytes: &[u8]) -> Result<()> {
    let path = dir.path.join(name);
    if dir.stat(name)?.is_none() {
        dir.create(name, b"", 0o644)?;
        dir.sync()?;
    }
    let fd = openat(
        &dir.fd,
        name,
        OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|e| cannot("open", &path, e))?;
    if torn > 0 {
        let stat = fstat(&fd).map_err(|e| cannot("look at", &path, e))?;
        let len = u64::try_from(stat.st_size).unwrap_or(0);
        ftruncate(&fd, len.saturating_sub(torn)).map_err(|e| cannot("write", &path, e))?;
    }
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .or_failed(|| format!("cannot write {}", path.display()))
}

/// Stores `files` as `evidence/<version>`, in place of what is there.
pub(crate) fn keep_evidence(
    staged: &Dir,
    evidence: &Dir,
    version: &str,
    files: &[(String, Vec<u8>)],
) -> Result<()> {
    let name = format!("evidence-{version}");
    staged.remove_tree(&name)?;
    let dir = staged.make_dir(&name, 0o755)?;
    if files.len() > limits::MAX_EVIDENCE_FILES {
        return Err(Error::refused(format!(
            "{version} has {} evidence files, at most {} are kept",
            files.len(),
            limits::MAX_EVIDENCE_FILES
        )));
    }
    for (file, bytes) in files {
        check_flat(file)?;
        if bytes.len() as u64 > limits::MAX_EVIDENCE_LEN {
            // It could not be read back for a rollback.
            return Err(Error::refused(format!(
                "the evidence file {file} has {} bytes, at most {} are kept",
                bytes.len(),
                limits::MAX_EVIDENCE_LEN
            )));
        }
        dir.create(file, bytes, 0o644)?;
    }
    dir.sync()?;
    let flags = if evidence.stat(version)?.is_some() {
        RenameFlags::EXCHANGE
    } else {
        RenameFlags::NOREPLACE
    };
    renameat_with(&staged.fd, name.as_str(), &evidence.fd, version, flags)
        .map_err(|e| cannot("move the evidence to", &evidence.path.join(version), e))?;
    evidence.sync()
}

/// Every file of an evidence directory.
pub(crate) fn read_evidence(dir: &Dir) -> Result<Vec<(String, Vec<u8>)>> {
    let names = dir.names()?;
    if names.len() > limits::MAX_EVIDENCE_FILES {
        return Err(Error::refused(format!(
            "{} has {} files, at most {} are read",
            dir.path.display(),
            names.len(),
            limits::MAX_EVIDENCE_FILES
        )));
    }
    let mut files = Vec::new();
    for name in names {
        if let Some(bytes) = dir.read(&name, limits::MAX_EVIDENCE_LEN)? {
            files.push((name, bytes));
        }
    }
    Ok(files)
}

fn check_flat(name: &str) -> Result<()> {
    let plain = !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('.')
        && !name.contains('/')
        && !name.chars().any(char::is_control);
    if plain {
        return Ok(());
    }
    Err(Error::refused(format!(
        "{name:?} is no flat name for an evidence file"
    )))
}

/// Directories that whoever runs this may not change: the state, or, before the first install, what
/// it will be made in; and those of the binaries' paths.
pub(crate) fn lacking_permissions(state: &Path, binaries: &[Binary]) -> Vec<String> {
    let existing = state.ancestors().find(|p| p.exists());
    let parents = binaries.iter().filter_map(|b| b.path.parent());
    let directories: BTreeSet<&Path> = existing.into_iter().chain(parents).collect();
    directories
        .into_iter()
        .filter_map(|dir| {
            access(dir, Access::WRITE_OK | Access::EXEC_OK)
                .err()
                .map(|e| format!("{} cannot be written: {e}", dir.display()))
        })
        .collect()
}
