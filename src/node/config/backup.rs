//! What a node backs up and how: `configuration`, `[data]` and `[backup]` of `node.toml`. Pure.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Binary;
use super::check::check_argv;
use crate::limits;

/// When the daemon's files are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// While the daemon is stopped: a file that changes is an error.
    #[default]
    Cold,
    /// While it runs: a file that changes is read again, and told if it goes on changing.
    Hot,
    /// Never, but for `relman backup create`.
    None,
}

/// How contents get into a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// What works: reflink, else a hard link for immutable files, else a copy.
    #[default]
    Auto,
    /// Reflink or nothing.
    Reflink,
    /// Hard links for immutable files, copies of the others.
    Hardlink,
    /// Copies.
    Copy,
    /// A snapshot of the filesystem, made by a command.
    Snapshot,
}

/// The commands of a filesystem that can make snapshots. `{name}` stands for the snapshot's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotCommands {
    /// Makes it.
    pub create: Vec<String>,
    /// Removes it.
    pub delete: Vec<String>,
    /// Where the data directory's files are in it.
    pub path: String,
}

/// The `[data]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataConfig {
    /// The daemon's data directory, absolute.
    pub dir: PathBuf,
    /// Patterns below `dir` of files that never change once they are written.
    pub immutable: Vec<String>,
}

/// All that `node.toml` says of backups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupConfig {
    /// The daemon's configuration: files or directories, absolute.
    pub configuration: Vec<PathBuf>,
    /// The daemon's data.
    pub data: Option<DataConfig>,
    /// Patterns that no restore touches: below the data directory, or absolute in `configuration`.
    pub protect: Vec<String>,
    /// Where backups are, absolute.
    pub dir: PathBuf,
    /// When files are read.
    pub mode: Mode,
    /// How contents get there.
    pub strategy: Strategy,
    /// There with `strategy = "snapshot"`.
    pub snapshot: Option<SnapshotCommands>,
    /// Backups kept.
    pub keep: usize,
    /// Bytes that stay free on the filesystem of the backups.
    pub min_free: u64,
    /// Something of it is in the file.
    pub configured: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawData {
    dir: PathBuf,
    #[serde(default)]
    protect: Vec<String>,
    #[serde(default)]
    immutable: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawBackup {
    dir: Option<PathBuf>,
    mode: Mode,
    strategy: Strategy,
    snapshot: Option<RawSnapshot>,
    keep: usize,
    min_free_mib: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSnapshot {
    create: Vec<String>,
    delete: Vec<String>,
    path: String,
}

impl Default for RawBackup {
    fn default() -> Self {
        RawBackup {
            dir: None,
            mode: Mode::default(),
            strategy: Strategy::default(),
            snapshot: None,
            keep: 3,
            min_free_mib: 256,
        }
    }
}

/// Where a node's other files are.
pub(super) struct Places<'a> {
    pub(super) dir: &'a Path,
    pub(super) state: &'a Path,
    pub(super) binaries: &'a [Binary],
}

pub(super) fn check(
    configuration: Vec<PathBuf>,
    data: Option<RawData>,
    backup: Option<RawBackup>,
    places: &Places<'_>,
    problems: &mut Vec<String>,
) -> BackupConfig {
    let configured = !configuration.is_empty() || data.is_some() || backup.is_some();
    let raw = backup.unwrap_or_default();
    let backups = match raw.dir {
        Some(dir) => places.dir.join(dir),
        None => places.state.join("backups"),
    };
    let mut protect = Vec::new();
    let data = data.map(|data| {
        let dir = places.dir.join(data.dir);
        protect = patterns("data.protect", data.protect, problems);
        DataConfig {
            immutable: patterns("data.immutable", data.immutable, problems),
            dir,
        }
    });
    let configuration: Vec<PathBuf> = configuration.iter().map(|p| places.dir.join(p)).collect();
    if configured {
        check_apart(&configuration, data.as_ref(), &backups, places, problems);
    }
    if !(1..=limits::MAX_BACKUPS).contains(&raw.keep) {
        problems.push(format!(
            "backup.keep is {}, wanted 1 to {}",
            raw.keep,
            limits::MAX_BACKUPS
        ));
    }
    let snapshot = raw.snapshot.map(|raw| SnapshotCommands {
        create: check_argv("backup.snapshot.create", raw.create, places.dir, problems),
        delete: check_argv("backup.snapshot.delete", raw.delete, places.dir, problems),
        path: raw.path,
    });
    check_snapshot(raw.strategy, snapshot.as_ref(), data.is_some(), problems);
    BackupConfig {
        configuration,
        data,
        protect,
        dir: backups,
        mode: raw.mode,
        strategy: raw.strategy,
        snapshot,
        keep: raw.keep,
        min_free: raw.min_free_mib.saturating_mul(1 << 20),
        configured,
    }
}

fn patterns(key: &str, raw: Vec<String>, problems: &mut Vec<String>) -> Vec<String> {
    if raw.len() > limits::MAX_BACKUP_PATTERNS {
        problems.push(format!(
            "{key} has {} patterns, wanted at most {}",
            raw.len(),
            limits::MAX_BACKUP_PATTERNS
        ));
    }
    for pattern in &raw {
        let plain = pattern.trim_end_matches('/');
        let inner = plain.strip_prefix('/').unwrap_or(plain);
        let bad = |name: &str| matches!(name, "" | "." | "..");
        if plain.len() > limits::MAX_PATTERN_LEN || inner.split('/').any(bad) {
            problems.push(format!(
                "{key} has {pattern:?}, wanted a path such as keys/ or *.dat, without . and .."
            ));
        }
    }
    raw.iter()
        .map(|p| p.trim_end_matches('/').to_owned())
        .collect()
}

fn check_apart(
    configuration: &[PathBuf],
    data: Option<&DataConfig>,
    backups: &Path,
    places: &Places<'_>,
    problems: &mut Vec<String>,
) {
    let mut seen: Vec<(&str, &Path)> = vec![("state", places.state)];
    // The default is inside the state directory, and may be; nothing else may be inside another.
    if !backups.starts_with(places.state) {
        seen.push(("backup.dir", backups));
    } else if backups.parent() != Some(places.state) {
        problems.push(format!(
            "backup.dir is {}, wanted a directory right below {} or outside of it",
            backups.display(),
            places.state.display()
        ));
    }
    seen.extend(data.map(|d| ("data.dir", d.dir.as_path())));
    seen.extend(configuration.iter().map(|p| ("configuration", p.as_path())));
    seen.extend(places.binaries.iter().map(|b| ("binary", b.path.as_path())));
    for (at, (key, path)) in seen.iter().enumerate() {
        let odd = |c: Component| matches!(c, Component::ParentDir);
        if path.file_name().is_none() || path.components().any(odd) {
            problems.push(format!(
                "{key} is {}, wanted a path without .. that has a name",
                path.display()
            ));
        }
        for (other, beside) in seen.iter().take(at) {
            if path.starts_with(beside) || beside.starts_with(path) {
                problems.push(format!(
                    "{key} {} and {other} {} are inside one another: a backup would hold itself, or a restore move it",
                    path.display(),
                    beside.display()
                ));
            }
        }
    }
}

fn check_snapshot(
    strategy: Strategy,
    snapshot: Option<&SnapshotCommands>,
    data: bool,
    problems: &mut Vec<String>,
) {
    match (strategy, snapshot) {
        (Strategy::Snapshot, None) => problems.push(
            "backup.strategy is \"snapshot\", which needs backup.snapshot = { create, delete, path }"
                .into(),
        ),
        (Strategy::Snapshot, Some(commands)) => {
            let named = |argv: &[String]| argv.iter().any(|a| a.contains("{name}"));
            if !data {
                problems.push("backup.strategy is \"snapshot\", which needs [data] dir".into());
            }
            if !named(&commands.create) || !named(&commands.delete) {
                problems.push(
                    "backup.snapshot: create and delete have to name the snapshot by {name}".into(),
                );
            }
            if !commands.path.starts_with('/') || !commands.path.contains("{name}") {
                problems.push(format!(
                    "backup.snapshot.path is {:?}, wanted an absolute path with {{name}} in it",
                    commands.path
                ));
            }
        }
        (_, Some(_)) => problems
            .push("backup.snapshot goes with backup.strategy = \"snapshot\" and no other".into()),
        (_, None) => {}
    }
}
