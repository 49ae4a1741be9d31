//! What a backup or a restore is going to do, as values that can be printed and kept. Pure.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::host::{Identity, Seen, Source, Survey};
use super::manifest::{Amount, BackupId, Manifest, Part, Way};
use super::text;
use crate::error::{Error, Result};
use crate::node::config::backup::{BackupConfig, Mode};

/// What a directory entry, an inode and a line of the manifest take, about.
const BYTES_A_FILE: u64 = 1_024;

/// A source in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedSource {
    /// What it is.
    pub part: Part,
    /// Where it is, escaped.
    pub path: String,
    /// Files and bytes of it.
    pub total: Amount,
}

/// What a backup is going to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupPlan {
    /// When files are read. The daemon has to be stopped for `cold`.
    pub mode: Mode,
    /// What is backed up.
    pub sources: Vec<PlannedSource>,
    /// All files.
    pub total: Amount,
    /// Files that share their blocks with the backup.
    pub cloned: Amount,
    /// Immutable files that get a second name.
    pub linked: Amount,
    /// The data is in a snapshot of the filesystem.
    pub snapshot: bool,
    /// Bytes that are written.
    pub needed: u64,
    /// Free bytes now.
    pub free: u64,
    /// Bytes that have to stay free.
    pub min_free: u64,
    /// Where the backup is going to be, escaped.
    pub directory: String,
    /// Seconds that it takes, as fast as the newest backup of this node was; none without one.
    pub seconds: Option<u64>,
    /// What has to be said.
    pub warnings: Vec<String>,
}

impl BackupPlan {
    /// Plans a backup of `sources`, seen as `survey` has them. `last` is the newest backup.
    ///
    /// # Errors
    /// Kind failed: something cannot be backed up, or there is no room; all problems are named.
    pub fn new(
        config: &BackupConfig,
        mode: Mode,
        sources: &[Source],
        survey: &Survey,
        last: Option<&Manifest>,
    ) -> Result<BackupPlan> {
        let mut plan = BackupPlan {
            mode,
            sources: Vec::new(),
            total: Amount::default(),
            cloned: Amount::default(),
            linked: Amount::default(),
            snapshot: config.snapshot.is_some(),
            needed: 0,
            free: survey.free,
            min_free: config.min_free,
            directory: text::shown(&config.dir),
            seconds: None,
            warnings: Vec::new(),
        };
        let mut problems = Vec::new();
        for (source, seen) in sources.iter().zip(&survey.seen) {
            plan.add(source, seen);
            problems.extend(seen.problems.iter().cloned());
        }
        let wanted = plan.needed.saturating_add(plan.min_free);
        if wanted > plan.free {
            problems.push(format!(
                "{} bytes would be written to {}, {} are free and {} are to stay free (backup.min_free_mib)",
                plan.needed, plan.directory, plan.free, plan.min_free
            ));
        }
        plan.seconds = last.and_then(|last| plan.estimate(last));
        if problems.is_empty() {
            return Ok(plan);
        }
        let error = Error::failed("a backup cannot be made")
            .hint(format!("df {}; relman backup list", config.dir.display()));
        Err(problems.into_iter().fold(error, Error::caused_by))
    }

    fn add(&mut self, source: &Source, seen: &Seen) {
        let sum = |a: &mut Amount, b: &Amount| {
            a.files += b.files;
            a.bytes = a.bytes.saturating_add(b.bytes);
        };
        sum(&mut self.total, &seen.total);
        sum(&mut self.cloned, &seen.cloned);
        sum(&mut self.linked, &seen.linked);
        let small = seen.total.files.saturating_mul(BYTES_A_FILE);
        self.needed = self
            .needed
            .saturating_add(seen.copied_blocks)
            .saturating_add(small);
        self.warnings.extend(seen.warnings.iter().cloned());
        let path = text::shown(&source.known_as);
        if seen.missing {
            self.warnings
                .push(format!("{path} does not exist, so nothing of it is kept"));
            return;
        }
        self.sources.push(PlannedSource {
            part: source.part,
            path,
            total: seen.total,
        });
    }

    /// Whatever way contents go, every byte is read and hashed, so bytes decide.
    fn estimate(&self, last: &Manifest) -> Option<u64> {
        let (bytes, took) = (last.total.bytes, last.took_ms);
        let scaled = u128::from(took) * u128::from(self.total.bytes);
        let ms = scaled.checked_div(u128::from(bytes))?;
        u64::try_from(ms.div_ceil(1000)).ok()
    }

    /// The plan for people, one line a step.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for source in &self.sources {
            lines.push(format!(
                "back up {} {}: {} file(s), {} bytes",
                source.part.name(),
                source.path,
                source.total.files,
                source.total.bytes
            ));
        }
        let time = self
            .seconds
            .map_or(String::new(), |s| format!(", about {s} s"));
        lines.push(format!(
            "to {}: {} bytes are written ({} free), {} share their blocks, {} are linked{}{time}",
            self.directory,
            self.needed,
            self.free,
            self.cloned.bytes,
            self.linked.bytes,
            if self.snapshot {
                ", the data is in a snapshot"
            } else {
                ""
            }
        ));
        lines
    }
}

/// How the data directory changes in a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRestore {
    /// The data directory.
    pub dir: PathBuf,
    /// What is there when the restore begins; none where nothing is.
    pub present: Option<Identity>,
    /// Where that is kept.
    pub before: PathBuf,
    /// Files that are put back.
    pub total: Amount,
    /// Bytes that are written.
    pub needed: u64,
    /// Protected paths that stay as they are now, escaped.
    pub kept: Vec<String>,
    /// Of these, the ones that the backup has otherwise.
    pub differing: Vec<String>,
    /// Protected paths that only the backup has: they are not put back.
    pub withheld: Vec<String>,
}

/// What a restore is going to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestorePlan {
    /// The backup.
    pub id: BackupId,
    /// What happens to the data.
    pub data: Option<DataRestore>,
    /// Paths of the configuration that are put back, escaped.
    pub configuration: Vec<String>,
    /// What has to be said.
    pub warnings: Vec<String>,
}

impl RestorePlan {
    /// The plan for people, one line a step.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(data) = &self.data {
            let dir = text::shown(&data.dir);
            lines.push(format!(
                "make {dir} anew from backup {}: {} file(s), {} bytes, each digest checked",
                self.id, data.total.files, data.total.bytes
            ));
            for path in &data.kept {
                let differs = match data.differing.contains(path) {
                    true => " (the backup has another one)",
                    false => "",
                };
                lines.push(format!("keep the present {dir}/{path}{differs}"));
            }
            for path in &data.withheld {
                lines.push(format!(
                    "leave out {dir}/{path}: it is protected, and not there now"
                ));
            }
            match data.present {
                Some(_) => lines.push(format!(
                    "exchange the two, and keep the present one as {}",
                    text::shown(&data.before)
                )),
                None => lines.push(format!("put it at {dir}, where nothing is now")),
            }
        }
        for path in &self.configuration {
            lines.push(format!("put back {path}"));
        }
        lines
    }
}

/// The names of ways, for people.
pub fn way_name(way: Way) -> &'static str {
    match way {
        Way::Reflink => "shared blocks",
        Way::Hardlink => "linked",
        Way::Copy => "copied",
        Way::Snapshot => "in a snapshot",
    }
}
