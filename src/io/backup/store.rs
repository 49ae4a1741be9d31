//! Room `io`: the directory of backups: what is in it, what a killed run left in it, and the lists of
//! entries, which are read line by line.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FileType, Mode, RenameFlags, fchmod, fstatvfs, renameat_with, syncfs};

use super::snapshot;
use crate::error::{Context, Error, Result};
use crate::hash::Hasher;
use crate::io::node_dir::{Dir, cannot};
use crate::io::node_state::{check_owner, create_state};
use crate::io::{fault, hashing};
use crate::limits;
use crate::node::backup::host::Listed;
use crate::node::backup::manifest::{
    BackupId, ENTRIES, EntriesRecord, Entry, MANIFEST, Manifest, SnapshotRecord,
};

/// A backup that is being made, or was when its maker died.
pub(super) const PARTIAL: &str = ".partial-";
/// A backup that is being removed.
const GONE: &str = ".gone-";
/// The snapshot that was about to be made for the backup that this is in.
pub(super) const SNAPSHOT: &str = "snapshot.json";

/// The directory of backups; none where there is none yet.
pub(super) fn open(path: &Path) -> Result<Option<Dir>> {
    let Some(dir) = Dir::open(path)? else {
        return Ok(None);
    };
    check_owner(&dir)?;
    Ok(Some(dir))
}

/// The directory of backups, made if it is not there; only its owner may enter it.
pub(super) fn create(path: &Path) -> Result<Dir> {
    create_state(path)?;
    let dir = open(path)?.ok_or_else(|| Error::failed(format!("{} went away", path.display())))?;
    fchmod(&dir.fd, Mode::from_raw_mode(0o700)).map_err(|e| cannot("set the mode of", path, e))?;
    Ok(dir)
}

/// Bytes that an unprivileged writer has left on the filesystem of `dir`.
pub(super) fn free(dir: &Dir) -> Result<u64> {
    let stat = fstatvfs(&dir.fd).map_err(|e| cannot("look at", &dir.path, e))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Names of all backups, oldest first.
pub(super) fn ids(backups: &Dir) -> Result<Vec<BackupId>> {
    let names = backups.raw_names()?.into_iter();
    let mut ids: Vec<BackupId> = names
        .filter_map(|name| BackupId::parse(name.to_str()?))
        .collect();
    ids.sort_by_key(BackupId::number);
    Ok(ids)
}

/// All backups with what they say of themselves.
pub(super) fn list(backups: &Dir) -> Result<Vec<Listed>> {
    let ids = ids(backups)?.into_iter();
    Ok(ids
        .map(|id| Listed {
            manifest: find(backups, &id).and_then(|dir| read_manifest(&dir, &id)),
            id,
        })
        .collect())
}

/// The directory of one backup.
pub(super) fn find(backups: &Dir, id: &BackupId) -> Result<Dir> {
    backups
        .dir(id.as_str())?
        .ok_or_else(|| Error::failed(format!("there is no backup {id}")).hint("relman backup list"))
}

pub(super) fn read_manifest(dir: &Dir, id: &BackupId) -> Result<Manifest> {
    let bytes = dir
        .read(MANIFEST, limits::MAX_MANIFEST_LEN)?
        .ok_or_else(|| Error::failed(format!("backup {id} has no {MANIFEST}")))?;
    Manifest::from_bytes(&bytes, id)
}

/// The list of entries of a backup, held against what its manifest says of it.
pub(super) struct Entries {
    file: File,
    count: u64,
    roots: usize,
}

impl Entries {
    pub(super) fn open(dir: &Dir, id: &BackupId, manifest: &Manifest) -> Result<Entries> {
        let wanted = &manifest.entries;
        let Some((mut file, stat)) = dir.open_file(ENTRIES)? else {
            return Err(Error::failed(format!("backup {id} has no {ENTRIES}")));
        };
        let failed = || format!("cannot read {}", dir.path.join(ENTRIES).display());
        let len = u64::try_from(stat.st_size).unwrap_or(0);
        let found = match len == wanted.length {
            true => hashing::reader(&mut file).or_failed(failed)?,
            false => {
                return Err(Error::failed(format!(
                    "backup {id}: {ENTRIES} has {len} bytes, wanted {}",
                    wanted.length
                )));
            }
        };
        if found != wanted.sha256 {
            return Err(Error::failed(format!(
                "backup {id}: {ENTRIES} has sha256 {found}, wanted {}",
                wanted.sha256
            )));
        }
        Ok(Entries {
            file,
            count: wanted.count,
            roots: manifest.roots.len(),
        })
    }

    /// Calls `each` for every entry, in order.
    pub(super) fn each(&self, each: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()> {
        let failed = || format!("cannot read {ENTRIES}");
        let mut file = &self.file;
        file.rewind().or_failed(failed)?;
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        for _ in 0..self.count {
            line.clear();
            (&mut reader)
                .take(limits::MAX_BACKUP_LINE_LEN)
                .read_until(b'\n', &mut line)
                .or_failed(failed)?;
            let Some(text) = line.strip_suffix(b"\n") else {
                return Err(Error::failed(format!(
                    "{ENTRIES} has an overlong or no line"
                )));
            };
            each(Entry::from_line(text, self.roots)?)?;
        }
        Ok(())
    }
}

/// Writes a list of entries.
pub(super) struct EntryWriter {
    out: BufWriter<File>,
    hasher: Hasher,
    length: u64,
    count: u64,
}

impl EntryWriter {
    pub(super) fn create(dir: &Dir) -> Result<EntryWriter> {
        Ok(EntryWriter {
            out: BufWriter::new(dir.create_empty(ENTRIES)?),
            hasher: Hasher::new(),
            length: 0,
            count: 0,
        })
    }

    pub(super) fn add(&mut self, entry: &Entry) -> Result<()> {
        let line = entry.to_line()?;
        if self.count >= limits::MAX_BACKUP_ENTRIES {
            return Err(Error::failed(format!(
                "there are more than {} files",
                limits::MAX_BACKUP_ENTRIES
            )));
        }
        self.hasher.update(&line);
        self.length += line.len() as u64;
        self.count += 1;
        self.out
            .write_all(&line)
            .or_failed(|| format!("cannot write {ENTRIES}"))
    }

    pub(super) fn end(mut self) -> Result<EntriesRecord> {
        self.out
            .flush()
            .or_failed(|| format!("cannot write {ENTRIES}"))?;
        Ok(EntriesRecord {
            sha256: self.hasher.finish(),
            length: self.length,
            count: self.count,
        })
    }
}

/// Makes all that was written to the filesystem of `dir` since it was opened durable.
pub(super) fn sync_all_of(dir: &Dir) -> Result<()> {
    // One for all files: an fsync each would commit the filesystem's journal once a file.
    syncfs(&dir.fd).map_err(|e| cannot("sync the filesystem of", &dir.path, e))
}

/// Gives a partial backup its name. Before this there is no backup, afterwards there is a whole one.
pub(super) fn appear(backups: &Dir, partial: &str, id: &BackupId) -> Result<()> {
    fault::point("backup-synced");
    let flags = RenameFlags::NOREPLACE;
    renameat_with(&backups.fd, partial, &backups.fd, id.as_str(), flags)
        .map_err(|e| cannot("rename to", &backups.path.join(id.as_str()), e))?;
    fault::point("backup-renamed");
    backups.sync()
}

/// Notes a snapshot before it is made.
pub(super) fn note_snapshot(partial: &Dir, record: &SnapshotRecord) -> Result<()> {
    let bytes = serde_json::to_vec(record).or_failed(|| "a snapshot cannot be noted".into())?;
    partial.create(SNAPSHOT, &bytes, 0o600)?;
    partial.sync()
}

/// Removes a backup: its directory stops being one by a rename, then its snapshot goes, then the rest.
pub(super) fn remove(backups: &Dir, id: &BackupId, config_dir: &Path) -> Result<()> {
    let dir = find(backups, id)?;
    // Of a broken one only the files can go.
    if let Ok(manifest) = read_manifest(&dir, id)
        && let Some(record) = &manifest.snapshot
        && dir.stat(SNAPSHOT)?.is_none()
    {
        note_snapshot(&dir, record)?;
    }
    let gone = format!("{GONE}{id}");
    renameat_with(
        &backups.fd,
        id.as_str(),
        &backups.fd,
        gone.as_str(),
        RenameFlags::NOREPLACE,
    )
    .map_err(|e| cannot("rename", &backups.path.join(id.as_str()), e))?;
    backups.sync()?;
    fault::point("backup-gone");
    remove_rest(backups, &gone, config_dir)
}

/// Removes what killed runs left.
pub(super) fn clean(backups: &Dir, config_dir: &Path) -> Result<()> {
    for name in backups.raw_names()? {
        let Some(name) = name.to_str() else { continue };
        if name.starts_with(PARTIAL) || name.starts_with(GONE) {
            remove_rest(backups, name, config_dir)?;
        }
    }
    Ok(())
}

fn remove_rest(backups: &Dir, name: &str, config_dir: &Path) -> Result<()> {
    let is_dir =
        |stat: &rustix::fs::Stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    if backups.stat(name)?.is_some_and(|stat| is_dir(&stat))
        && let Some(dir) = backups.dir(name)?
        && let Some(bytes) = dir.read(SNAPSHOT, limits::MAX_MANIFEST_LEN)?
        // What is no record was torn while it was written, before any snapshot was made.
        && let Ok(record) = serde_json::from_slice::<SnapshotRecord>(&bytes)
    {
        snapshot::delete(&record, config_dir)?;
    }
    backups.remove_tree(name)
}
