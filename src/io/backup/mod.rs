//! Room `io`: backups on a real system. What they are and when they are made is decided in
//! [`crate::node::backup`]; here are descriptors, copies and renames.

mod batch;
mod copy;
mod file_job;
mod make;
mod meta;
mod put_back;
mod snapshot;
mod stage;
mod store;
mod survey;
mod swap;
mod tree;
mod verify;
mod walk;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, fchmod, fstat};

pub use batch::Progress;
pub(super) use meta::raw_attributes;

use crate::error::{Error, Result};
use crate::io::durable;
use crate::io::node_dir::{Dir, cannot};
use crate::limits;
use crate::node::backup::host::{
    BackupHost, Identity, Listed, Protected, RestoreSurvey, Seen, Source, Survey, Swapped,
};
use crate::node::backup::journal::BackupJournal;
use crate::node::backup::manifest::{
    Amount, BackupId, Begun, ENTRIES, Kind, MANIFEST, Manifest, Part, Way,
};
use crate::node::backup::plan::{DataRestore, RestorePlan};
use crate::node::backup::text::Patterns;
use crate::node::config::NodeConfig;
use crate::node::config::backup::Strategy;
use batch::Worker;
use copy::{Cloning, Wanted};
use stage::{Copier, Look, Staging};
use store::Entries;
use survey::Surveyor;
use swap::Beside;

const JOURNAL: &str = "backup.json";

/// The backups of one node.
pub struct BackupFs<'a> {
    config: &'a NodeConfig,
    protect: Patterns,
    protect_absolute: Patterns,
    immutable: Patterns,
    progress: Progress<'a>,
    exchange: bool,
}

/// A backup that was found, with its list of entries.
struct Found {
    manifest: Manifest,
    entries: Entries,
    dir: Arc<Dir>,
}

impl<'a> BackupFs<'a> {
    /// The backups of the node of `config`. Nothing is opened or created yet. `progress` is told how
    /// many bytes of how many are done.
    pub fn new(config: &'a NodeConfig, progress: Progress<'a>) -> Self {
        let backup = &config.backup;
        let immutable = backup.data.as_ref().map_or(&[][..], |d| &d.immutable);
        BackupFs {
            config,
            protect: Patterns::relative(&backup.protect),
            protect_absolute: Patterns::absolute(&backup.protect),
            immutable: Patterns::relative(immutable),
            progress,
            exchange: true,
        }
    }

    /// As on a filesystem that cannot exchange two names.
    pub fn without_exchange(mut self) -> Self {
        self.exchange = false;
        self
    }

    fn state(&self) -> Result<Dir> {
        Dir::open(&self.config.state)?
            .ok_or_else(|| Error::failed(format!("{} does not exist", self.config.state.display())))
    }

    fn backups(&self) -> Result<Dir> {
        store::open(&self.config.backup.dir)?.ok_or_else(|| {
            Error::failed(format!(
                "{} does not exist: no backup was made yet",
                self.config.backup.dir.display()
            ))
            .hint("relman backup create")
        })
    }

    fn found(&self, id: &BackupId) -> Result<Found> {
        let dir = store::find(&self.backups()?, id)?;
        let manifest = store::read_manifest(&dir, id)?;
        Ok(Found {
            entries: Entries::open(&dir, id, &manifest)?,
            manifest,
            dir: Arc::new(dir),
        })
    }

    fn data_dir(&self) -> Result<&Path> {
        let data = self.config.backup.data.as_ref();
        data.map(|d| d.dir.as_path())
            .ok_or_else(|| Error::failed("node.toml has no [data] dir"))
    }

    fn survey_of(&self, sources: &[Source]) -> Result<Vec<Seen>> {
        // Before the first backup the nearest directory above tells what the filesystem can do.
        let backups = self.nearest(&self.config.backup.dir)?;
        let stat = fstat(&backups.fd).map_err(|e| cannot("look at", &backups.path, e))?;
        let surveyor = Surveyor {
            strategy: self.config.backup.strategy,
            immutable: &self.immutable,
            protect: &self.protect,
            backups: &backups,
            backups_dev: stat.st_dev,
        };
        sources.iter().map(|s| surveyor.look(s)).collect()
    }

    fn nearest(&self, path: &Path) -> Result<Dir> {
        for above in path.ancestors() {
            if let Some(dir) = Dir::open_through_links(above)? {
                return Ok(dir);
            }
        }
        Err(Error::failed(format!(
            "{} cannot be reached",
            path.display()
        )))
    }

    /// For each root the directory that holds it: the backup's, or that above a snapshot.
    fn tops(&self, found: &Found) -> Result<Vec<Arc<Dir>>> {
        let roots = found.manifest.roots.iter();
        roots.map(|root| self.top(found, root.part)).collect()
    }

    fn top(&self, found: &Found, part: Part) -> Result<Arc<Dir>> {
        match &found.manifest.snapshot {
            Some(record) if part == Part::Data => {
                let path = Path::new(&record.path);
                let above = path.parent().map(Dir::open_through_links).transpose()?;
                let above = above.flatten().ok_or_else(|| {
                    Error::failed(format!("the snapshot at {} is gone", record.path))
                })?;
                Ok(Arc::new(above))
            }
            _ => Ok(Arc::clone(&found.dir)),
        }
    }

    /// The manifest as it reads where the data is in a snapshot: the root's name is the snapshot's.
    fn as_stored(found: &Found) -> Manifest {
        let mut manifest = found.manifest.clone();
        if let Some(record) = &manifest.snapshot {
            let path = Path::new(&record.path);
            let name = path.file_name().unwrap_or_default();
            let name = name.to_string_lossy().into_owned();
            for root in &mut manifest.roots {
                if root.part == Part::Data {
                    root.at.clone_from(&name);
                }
            }
        }
        manifest
    }

    fn look_at(&self, limit: usize, dir: &Dir) -> Result<(Vec<Protected>, Vec<String>)> {
        let stat = fstat(&dir.fd).map_err(|e| cannot("look at", &dir.path, e))?;
        let mut look = Look::new(&self.protect, limit);
        look.below(dir, "", Some(stat.st_dev))?;
        Ok((look.found, look.odd))
    }

    fn data_of(plan: &RestorePlan) -> Result<&DataRestore> {
        let data = plan.data.as_ref();
        data.ok_or_else(|| Error::bug("a restore without data was to exchange the data"))
    }

    /// How contents come back: shared blocks, unless only copies are wanted.
    fn cloning_back(&self) -> Cloning {
        Cloning::new(match self.config.backup.strategy {
            Strategy::Copy => Wanted::Never,
            _ => Wanted::Maybe,
        })
    }

    fn stage_in(&self, beside: &Beside, found: &Found) -> Result<Identity> {
        let staged = beside.staged();
        beside.parent.remove_tree(&staged)?;
        let dir = Arc::new(walk::new_dir(&beside.parent, &staged)?);
        fchmod(&dir.fd, Mode::from_raw_mode(0o700))
            .map_err(|e| cannot("set the mode of", &dir.path, e))?;
        let cloning = self.cloning_back();
        let worker = Worker::new(found.manifest.total.bytes, self.progress);
        if let Some(data) = beside.parent.dir(&beside.data)? {
            let copier = Copier {
                cloning: &cloning,
                meter: &worker.meter,
            };
            stage::carry_over(&data, &dir, &self.protect, &copier)?;
        }
        crate::io::fault::point("restore-carried");
        let manifest = Self::as_stored(found);
        let Some((root, _)) = manifest.roots_of(Part::Data).next() else {
            return Err(Error::failed("the backup holds no data"));
        };
        let top = self.top(found, Part::Data)?;
        Staging {
            manifest: &manifest,
            root,
            protect: &self.protect,
            immutable: &self.immutable,
            cloning: &cloning,
            meter: &worker.meter,
        }
        .fill(&found.entries, &top, &dir, &worker)?;
        store::sync_all_of(&dir)?;
        beside.parent.sync()?;
        let stat = fstat(&dir.fd).map_err(|e| cannot("look at", &dir.path, e))?;
        Ok(meta::identity(&stat))
    }

    /// The protected paths of the staged directory are those of the present one.
    fn check_protected(&self, beside: &Beside) -> Result<()> {
        let of = |name: &std::ffi::OsStr| match beside.parent.dir(name)? {
            Some(dir) => self.look_at(usize::MAX, &dir).map(|(found, _)| found),
            None => Ok(Vec::new()),
        };
        if of(&beside.data)? == of(&beside.staged())? {
            return Ok(());
        }
        Err(Error::refused(format!(
            "what is protected in {} changed while the restore was made ready: something still writes there",
            beside.parent.path.join(&beside.data).display()
        ))
        .hint("stop the daemon, and run the same command again"))
    }
}

impl BackupHost for BackupFs<'_> {
    fn read_journal(&self) -> Result<Option<BackupJournal>> {
        let Some(state) = Dir::open(&self.config.state)? else {
            return Ok(None);
        };
        let bytes = state.read(JOURNAL, limits::MAX_BACKUP_JOURNAL_LEN)?;
        bytes.map(|b| BackupJournal::from_bytes(&b)).transpose()
    }

    fn write_journal(&self, journal: &BackupJournal) -> Result<()> {
        self.state()?.replace(JOURNAL, &journal.to_bytes()?, 0o600)
    }

    fn remove_journal(&self) -> Result<()> {
        self.state()?.remove(JOURNAL)
    }

    fn survey(&self, sources: &[Source]) -> Result<Survey> {
        Ok(Survey {
            seen: self.survey_of(sources)?,
            free: store::free(&self.nearest(&self.config.backup.dir)?)?,
        })
    }

    fn make(&self, sources: &[Source], begun: &Begun<'_>) -> Result<BackupId> {
        let backups = store::create(&self.config.backup.dir)?;
        self.make_in(&backups, sources, begun).inspect_err(|_| {
            // What cannot be removed now is removed by the next command.
            let _ = store::clean(&backups, &self.config.dir);
        })
    }

    fn clean(&self) -> Result<()> {
        match store::open(&self.config.backup.dir)? {
            Some(backups) => store::clean(&backups, &self.config.dir),
            None => Ok(()),
        }
    }

    fn list(&self) -> Result<Vec<Listed>> {
        match store::open(&self.config.backup.dir)? {
            Some(backups) => store::list(&backups),
            None => Ok(Vec::new()),
        }
    }

    fn manifest(&self, id: &BackupId) -> Result<Manifest> {
        self.found(id).map(|found| found.manifest)
    }

    fn verify(&self, id: &BackupId) -> Result<Vec<String>> {
        let found = self.found(id)?;
        let worker = Worker::new(found.manifest.total.bytes, self.progress);
        let manifest = Self::as_stored(&found);
        let mut problems = verify::verify(&found.entries, &manifest, &self.tops(&found)?, &worker)?;
        let known = |name: &str| {
            let roots = found.manifest.roots.iter();
            let in_snapshot = |part| found.manifest.snapshot.is_some() && part == Part::Data;
            roots
                .filter(|root| !in_snapshot(root.part))
                .any(|root| root.at == name)
                || [MANIFEST, ENTRIES].contains(&name)
                || (name == store::SNAPSHOT && found.manifest.snapshot.is_some())
        };
        for name in found.dir.raw_names()? {
            if !name.to_str().is_some_and(known) {
                let path = found.dir.path.join(name);
                problems.push(format!(
                    "{}: found, but no part of the backup",
                    path.display()
                ));
            }
        }
        Ok(problems)
    }

    fn remove(&self, id: &BackupId) -> Result<()> {
        store::remove(&self.backups()?, id, &self.config.dir)
    }

    fn look(&self, id: &BackupId) -> Result<RestoreSurvey> {
        let found = self.found(id)?;
        let beside = Beside::open(self.data_dir()?)?;
        let mut survey = RestoreSurvey {
            present: beside.identity(&beside.data)?,
            before: beside.free_name(id.as_str())?,
            free: store::free(&beside.parent)?,
            ..RestoreSurvey::default()
        };
        let mut above = std::collections::BTreeSet::new();
        if let Some(data) = beside.parent.dir(&beside.data)? {
            let here = |d: &Dir| {
                let stat = fstat(&d.fd).map_err(|e| cannot("look at", &d.path, e))?;
                Ok::<u64, Error>(stat.st_dev)
            };
            if here(&data)? != here(&beside.parent)? {
                survey.conflicts.push(format!(
                    "{} is a mount point, which cannot be exchanged: keep the data in a directory below it",
                    data.path.display()
                ));
            }
            (survey.now, survey.conflicts) = {
                let (now, odd) = self.look_at(usize::MAX, &data)?;
                survey.conflicts.extend(odd);
                (now, survey.conflicts)
            };
            for path in &survey.now {
                let ends = path.path.match_indices('/').map(|(at, _)| at);
                above.extend(ends.filter_map(|end| path.path.get(..end).map(str::to_owned)));
            }
        }
        let data = found.manifest.roots_of(Part::Data).next().map(|(at, _)| at);
        let mut copied = Amount::default();
        found.entries.each(&mut |entry| {
            if Some(entry.root) != data {
                return Ok(());
            }
            let protected = self.protect.cover(&entry.path);
            if !protected && above.contains(&entry.path) && entry.kind != Kind::Directory {
                survey.conflicts.push(format!(
                    "the backup has {:?} as a {}, and the present data something protected below it",
                    entry.path,
                    if entry.kind == Kind::Symlink { "link" } else { "file" }
                ));
            }
            if protected {
                survey.then.push(Protected {
                    path: entry.path,
                    sha256: entry.sha256,
                });
                return Ok(());
            }
            if entry.kind == Kind::File {
                let len = entry.length.unwrap_or(0);
                survey.total.add(len);
                let linked = entry.way == Some(Way::Hardlink) && self.immutable.cover(&entry.path);
                if !linked {
                    copied.add(len);
                }
            }
            Ok(())
        })?;
        let manifest = Self::as_stored(&found);
        let top = self.top(&found, Part::Data)?;
        let root = manifest.roots_of(Part::Data).next();
        let shares = match root
            .map(|(_, root)| top.dir(&root.at))
            .transpose()?
            .flatten()
        {
            Some(dir) if self.config.backup.strategy != Strategy::Copy => {
                survey::probe(&dir, &beside.parent)? == Some(true)
            }
            _ => false,
        };
        survey.needed = match shares {
            true => 0,
            false => copied.bytes,
        };
        Ok(survey)
    }

    fn stage(&self, id: &BackupId) -> Result<Identity> {
        let found = self.found(id)?;
        let beside = Beside::open(self.data_dir()?)?;
        self.stage_in(&beside, &found).inspect_err(|_| {
            // What cannot be removed now is removed by the next command.
            let _ = beside.parent.remove_tree(beside.staged());
        })
    }

    fn unstage(&self) -> Result<()> {
        let beside = Beside::open(self.data_dir()?)?;
        beside.parent.remove_tree(beside.staged())
    }

    fn swap(&self, plan: &RestorePlan, staged: Identity) -> Result<()> {
        let beside = Beside::open(self.data_dir()?)?;
        self.check_protected(&beside)?;
        beside.swap(Self::data_of(plan)?, staged, self.exchange)
    }

    fn swapped(&self, plan: &RestorePlan, staged: Identity) -> Result<Swapped> {
        Beside::open(self.data_dir()?)?.swapped(Self::data_of(plan)?, staged)
    }

    fn finish_swap(&self, plan: &RestorePlan, staged: Identity) -> Result<()> {
        Beside::open(self.data_dir()?)?.finish(Self::data_of(plan)?, staged)
    }

    fn identity(&self, path: &Path) -> Result<Option<Identity>> {
        let beside = Beside::open(path)?;
        beside.identity(&beside.data)
    }

    fn restore_configuration(&self, id: &BackupId) -> Result<Vec<String>> {
        let found = self.found(id)?;
        put_back::configuration(
            &found.entries,
            &found.manifest,
            &found.dir,
            &self.protect_absolute,
        )
    }

    fn put_aside(&self) -> Result<Vec<PathBuf>> {
        let Ok(data) = self.data_dir() else {
            return Ok(Vec::new());
        };
        let beside = Beside::open(data)?;
        let mut prefix = beside.data.clone();
        prefix.push(".before-");
        let mut out = Vec::new();
        for name in beside.parent.raw_names()? {
            let rest = name
                .to_str()
                .zip(prefix.to_str())
                .and_then(|(n, p)| n.strip_prefix(p));
            // Only what a restore has named: a backup's name, perhaps with a number.
            let ours = rest
                .map(|rest| rest.split_once('.').map_or((rest, "2"), |parts| parts))
                .is_some_and(|(id, n)| BackupId::parse(id).is_some() && n.parse::<u32>().is_ok());
            if ours {
                out.push(beside.parent.path.join(name));
            }
        }
        Ok(out)
    }

    fn remove_aside(&self, path: &Path) -> Result<()> {
        let above = Dir::open(durable::parent(path))?;
        match (above, path.file_name()) {
            (Some(dir), Some(name)) => dir.remove_tree(name),
            _ => Ok(()),
        }
    }
}
