//! Room `io`: making a backup: beside the others under a name of its own, synced, and then renamed.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use rustix::fs::fstat;

use super::BackupFs;
use super::batch::Worker;
use super::copy::{Cloning, Wanted};
use super::store::{self, EntryWriter, PARTIAL};
use super::walk::{Sink, Walk};
use super::{meta, snapshot, survey};
use crate::error::{Error, Result};
use crate::io::node_dir::{Dir, cannot};
use crate::io::{clock, fault};
use crate::limits;
use crate::node::backup::host::Source;
use crate::node::backup::manifest::{
    BackupId, Begun, Entry, Kind, MANIFEST, Manifest, Part, Root, SnapshotRecord,
};
use crate::node::backup::text::{self, Patterns};
use crate::node::config::backup::Strategy;

/// Writes entries down and counts them.
struct Recorder<'a> {
    out: EntryWriter,
    manifest: &'a mut Manifest,
    root: String,
}

impl Sink for Recorder<'_> {
    fn entry(&mut self, entry: &Entry) -> Result<()> {
        if let (Kind::File, Some(len), Some(way)) = (entry.kind, entry.length, entry.way) {
            self.manifest.total.add(len);
            self.manifest.ways.entry(way).or_default().add(len);
        }
        self.out.add(entry)
    }

    fn skipped(&mut self, path: &str, why: &str) {
        let line = format!("{}: {why}", text::join(&self.root, path));
        note(&mut self.manifest.skipped, line);
    }

    fn unsteady(&mut self, path: &str) {
        let line = text::join(&self.root, path);
        note(&mut self.manifest.unsteady, line);
    }
}

fn note(notes: &mut Vec<String>, line: String) {
    match notes.len() {
        n if n < limits::MAX_BACKUP_NOTES => notes.push(line),
        n if n == limits::MAX_BACKUP_NOTES => notes.push("and more".into()),
        _ => {}
    }
}

impl BackupFs<'_> {
    pub(super) fn make_in(
        &self,
        backups: &Dir,
        sources: &[Source],
        begun: &Begun<'_>,
    ) -> Result<BackupId> {
        let number = store::ids(backups)?.last().map_or(0, BackupId::number) + 1;
        let name = format!("{PARTIAL}{number}");
        backups.remove_tree(&name)?;
        let partial = super::walk::new_dir(backups, OsStr::new(&name))?;
        backups.sync()?;
        fault::point("backup-begun");
        let began = clock::elapsed();
        let mut manifest = Manifest::new(number, begun, Vec::new());
        self.fill(&partial, sources, &mut manifest)?;
        fault::point("backup-copied");
        let took = clock::elapsed().saturating_sub(began);
        manifest.took_ms = millis(took);
        let bytes = manifest.to_bytes()?;
        if bytes.len() as u64 > limits::MAX_MANIFEST_LEN {
            return Err(Error::failed(format!(
                "the backup's manifest would have {} bytes, at most {} are read",
                bytes.len(),
                limits::MAX_MANIFEST_LEN
            )));
        }
        partial.create(MANIFEST, &bytes, 0o600)?;
        fault::point("backup-manifest-written");
        store::sync_all_of(&partial)?;
        let id = BackupId::of(number, &manifest.made, &bytes);
        store::appear(backups, &name, &id)?;
        Ok(id)
    }

    fn fill(&self, partial: &Dir, sources: &[Source], manifest: &mut Manifest) -> Result<()> {
        let worker = Worker::new(self.expected(sources), self.progress);
        let mut recorder = Recorder {
            out: EntryWriter::create(partial)?,
            manifest,
            root: String::new(),
        };
        for source in sources {
            // Where it was not there when it was planned, that has been said.
            let Some((parent, name)) = there(&source.path)? else {
                continue;
            };
            recorder.root = text::shown(&source.known_as);
            let root = recorder.manifest.roots.len();
            recorder.manifest.roots.push(Root {
                part: source.part,
                path: recorder.root.clone(),
                at: source.at.clone(),
            });
            let snapshot = self.snapshot_of(source, partial, recorder.manifest)?;
            let (parent, name, kept) = match &snapshot {
                Some(record) => {
                    let at = Path::new(&record.path);
                    let (parent, name) = there(at)?.ok_or_else(|| {
                        Error::failed(format!(
                            "the snapshot was made, but there is nothing at {} (backup.snapshot.path)",
                            record.path
                        ))
                    })?;
                    (parent, name, true)
                }
                None => (parent, name, false),
            };
            let (cloning, immutable) = self.means(source, &parent, name.as_ref(), partial)?;
            let walk = Walk {
                root,
                mode: recorder.manifest.mode,
                immutable: &immutable,
                protect: &self.protect,
                cloning: &cloning,
                meter: &worker.meter,
            };
            let to = match kept {
                true => None,
                false => Some(reopened(partial)?),
            };
            walk.run(
                parent,
                name.as_ref(),
                to,
                &source.at,
                (&mut recorder, &worker),
            )?;
            fault::point("backup-source-done");
        }
        recorder.manifest.entries = recorder.out.end()?;
        Ok(())
    }

    /// Bytes of all sources, for progress alone.
    fn expected(&self, sources: &[Source]) -> u64 {
        let seen = self.survey_of(sources).unwrap_or_default();
        seen.iter().fold(0, |n, seen| n + seen.total.bytes)
    }

    fn snapshot_of(
        &self,
        source: &Source,
        partial: &Dir,
        manifest: &mut Manifest,
    ) -> Result<Option<SnapshotRecord>> {
        let Some(commands) = self.config.backup.snapshot.as_ref() else {
            return Ok(None);
        };
        if source.part != Part::Data {
            return Ok(None);
        }
        let time: String = manifest
            .made
            .chars()
            .filter(|c| !"-:".contains(*c))
            .collect();
        let name = format!("relman-{}-{:04}-{time}", self.config.name, manifest.number);
        let record = snapshot::record(commands, &name);
        store::note_snapshot(partial, &record)?;
        fault::point("backup-snapshot-noted");
        snapshot::create(commands, &name, &self.config.dir)?;
        fault::point("backup-snapshot-made");
        manifest.snapshot = Some(record.clone());
        Ok(Some(record))
    }

    /// Whether blocks are shared, and which files are linked.
    fn means(
        &self,
        source: &Source,
        parent: &Dir,
        name: &OsStr,
        partial: &Dir,
    ) -> Result<(Cloning, Patterns)> {
        let none = Patterns::default;
        if source.part != Part::Data {
            let wanted = match self.config.backup.strategy {
                Strategy::Copy => Wanted::Never,
                _ => Wanted::Maybe,
            };
            return Ok((Cloning::new(wanted), none()));
        }
        let immutable = || self.immutable.clone();
        Ok(match self.config.backup.strategy {
            Strategy::Reflink => (Cloning::new(Wanted::Always), none()),
            Strategy::Copy | Strategy::Snapshot => (Cloning::new(Wanted::Never), none()),
            Strategy::Hardlink => (Cloning::new(Wanted::Never), immutable()),
            Strategy::Auto => {
                let dir = parent.existing_dir(name)?;
                match survey::probe(&dir, partial)? {
                    Some(true) => (Cloning::new(Wanted::Maybe), none()),
                    _ => (Cloning::new(Wanted::Never), immutable()),
                }
            }
        })
    }
}

/// The directory that holds what is at `path`, and its name there; none where nothing is.
pub(super) fn there(path: &Path) -> Result<Option<(Dir, std::ffi::OsString)>> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(None);
    };
    let Some(dir) = Dir::open_through_links(above)? else {
        return Ok(None);
    };
    Ok(dir.stat(name)?.map(|_| (dir, name.into())))
}

/// The same directory under another descriptor.
pub(super) fn reopened(dir: &Dir) -> Result<Dir> {
    let again = Dir::open(&dir.path)?
        .ok_or_else(|| Error::failed(format!("{} went away", dir.path.display())))?;
    let same = |d: &Dir| {
        fstat(&d.fd)
            .map(|s| meta::identity(&s))
            .map_err(|e| cannot("look at", &d.path, e))
    };
    match same(&again)? == same(dir)? {
        true => Ok(again),
        false => Err(Error::refused(format!(
            "{} is another directory than it was",
            dir.path.display()
        ))),
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
