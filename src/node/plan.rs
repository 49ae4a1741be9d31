//! What an install or a rollback is going to do, as values that can be printed. Pure.

use serde::Serialize;

use super::backup::{BackupPlan, RestorePlan};
use super::config::backup::Mode;
use super::config::{Binary, Control, NodeConfig};
use super::host::Found;
use super::journal::Operation;
use super::kept_data::WayBack;
use super::record::{ADOPTED_PREFIX, AdoptedFrom, FileRecord};
use crate::error::{Error, Result};
use crate::hash::Sha256;

/// What was seen on the host before planning.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The version that `current` points to.
    pub current: Option<String>,
    /// Its files; none where there is no current version or it is not there.
    pub current_files: Option<Vec<FileRecord>>,
    /// What is at each binary's path.
    pub found: Vec<(Binary, Found)>,
    /// Free bytes on the state's filesystem.
    pub free: u64,
}

/// Files found on the host that become a version of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Adoption {
    /// `adopted-` and the first 16 hex digits of the digest.
    pub version: String,
    /// The files, by name of the binary.
    pub files: Vec<FileRecord>,
    /// Where they were.
    pub from: Vec<AdoptedFrom>,
}

/// A binary whose path becomes a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkPlan {
    /// Name of the binary.
    pub name: String,
    /// Its path.
    pub path: String,
}

/// Everything that is going to happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Install or rollback.
    pub operation: Operation,
    /// The version to become current.
    pub tag: String,
    /// The version to go back to if it fails.
    pub previous: Option<String>,
    /// The version has to be unpacked; false where it is retained already.
    pub unpack: bool,
    /// Files of the version.
    pub files: usize,
    /// Bytes that will be written, archive not counted.
    pub bytes: u64,
    /// Free bytes now.
    pub free: u64,
    /// What is found and kept.
    pub adopt: Option<Adoption>,
    /// Paths that become links.
    pub link: Vec<LinkPlan>,
    /// The service that is stopped and started.
    pub restart: Option<String>,
    /// What is looked at afterwards.
    pub health: String,
    /// Whether the daemon is started afterwards: not where the operator had stopped it.
    pub start: bool,
    /// Milliseconds without the daemon in the last operation; none where no one was measured.
    pub downtime_ms: Option<u64>,
    /// The backup that is made before.
    pub backup: Option<BackupPlan>,
    /// What a failed install would meet.
    #[serde(skip)]
    pub(super) way_back: WayBack,
    /// The data that are put back with the version.
    pub restore: Option<RestorePlan>,
    /// Why it would not be begun now.
    pub problems: Vec<String>,
}

impl Plan {
    /// Plans the change to the version `tag` with `files`.
    ///
    /// # Errors
    /// Kind failed: not enough free space.
    pub fn new(
        config: &NodeConfig,
        operation: Operation,
        tag: &str,
        files: &[FileRecord],
        unpack: bool,
        observed: &Observed,
    ) -> Result<Plan> {
        let adopt = adoption(observed);
        let total = |files: &[FileRecord]| files.iter().fold(0u64, |n, f| n.saturating_add(f.len));
        let unpacked = if unpack { total(files) } else { 0 };
        let bytes = unpacked.saturating_add(adopt.as_ref().map_or(0, |a| total(&a.files)));
        if bytes > observed.free {
            return Err(Error::failed(format!(
                "{tag} needs {bytes} bytes in {}, {} are free",
                config.state.display(),
                observed.free
            ))
            .hint(format!("df {}", config.state.display())));
        }
        let previous = match &adopt {
            Some(adoption) => Some(adoption.version.clone()),
            None => observed.current.clone(),
        };
        let link = observed
            .found
            .iter()
            .filter(|(_, found)| *found != Found::Ours)
            .map(|(binary, _)| LinkPlan {
                name: binary.name.clone(),
                path: binary.path.display().to_string(),
            })
            .collect();
        Ok(Plan {
            operation,
            tag: tag.into(),
            previous,
            unpack,
            files: files.len(),
            bytes,
            free: observed.free,
            adopt,
            link,
            restart: config.service.as_ref().map(|s| match &s.control {
                Control::Systemd { unit } => unit.clone(),
                Control::Command { start, .. } => start.join(" "),
            }),
            health: health_line(config),
            start: true,
            downtime_ms: None,
            backup: None,
            way_back: WayBack::default(),
            restore: None,
            problems: Vec::new(),
        })
    }

    /// The plan for people, one line a step.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.unpack {
            lines.push(format!(
                "unpack {} file(s), {} bytes ({} free), check each digest and keep as versions/{}",
                self.files, self.bytes, self.free, self.tag
            ));
        } else {
            lines.push(format!(
                "use the retained versions/{}, digests checked",
                self.tag
            ));
        }
        if let Some(adoption) = &self.adopt {
            for from in &adoption.from {
                lines.push(format!(
                    "keep what is at {} as versions/{}",
                    from.path, adoption.version
                ));
            }
        }
        for link in &self.link {
            lines.push(format!(
                "make {} a link to current/{}",
                link.path, link.name
            ));
        }
        let (hot, cold) = match &self.backup {
            Some(backup) if backup.mode == Mode::Hot => (Some(backup), None),
            backup => (None, backup.as_ref()),
        };
        lines.extend(hot.into_iter().flat_map(BackupPlan::lines));
        if let Some(unit) = &self.restart {
            lines.push(format!("stop {unit}"));
        }
        lines.extend(cold.into_iter().flat_map(BackupPlan::lines));
        lines.push(match &self.previous {
            Some(previous) => format!("switch current from {previous} to {}", self.tag),
            None => format!("point current at {}", self.tag),
        });
        lines.extend(self.restore.iter().flat_map(RestorePlan::lines));
        if let Some(unit) = &self.restart {
            lines.push(match (self.start, self.downtime_ms) {
                (false, _) => format!("leave {unit} stopped, as it was found (--start starts it)"),
                (true, Some(ms)) => format!(
                    "start {unit}; the last time it was away for {}.{:03} s",
                    ms / 1000,
                    ms % 1000
                ),
                (true, None) => {
                    format!("start {unit}; how long it is away was never measured here")
                }
            });
        }
        lines.push(match self.start {
            true => self.health.clone(),
            false => "check the files at their paths; there is no daemon to watch".into(),
        });
        lines.push(match (&self.previous, self.operation) {
            (Some(previous), Operation::Install) => match &self.way_back {
                WayBack { closed: Some(_), .. } => {
                    "on failure say so and leave it, once it has run: there is no way back".into()
                }
                WayBack { with_data: true, .. } => format!(
                    "on failure go back to {previous}, and once {} has run with the data of the backup",
                    self.tag
                ),
                _ => format!("on failure go back to {previous}"),
            },
            (None, Operation::Install) => {
                "on failure remove current: there is no previous version".into()
            }
            (_, Operation::Rollback) => {
                "on failure say so and leave it: there is no going on".into()
            }
        });
        lines.extend(
            self.problems
                .iter()
                .map(|problem| format!("would not be begun now: {problem}")),
        );
        lines
    }
}

fn health_line(config: &NodeConfig) -> String {
    match &config.service {
        None => "no service is configured: check the files at their paths".into(),
        Some(service) => format!(
            "wait up to {} s for {} with the verified digest, and {} s more for it to stay up",
            config.health.timeout.as_secs(),
            service.binary,
            config.health.stable.as_secs()
        ),
    }
}

/// What has to be kept of the files that are at the binaries' paths: nothing where each is our
/// link or has the bytes of the current version.
fn adoption(observed: &Observed) -> Option<Adoption> {
    let in_current = |name: &str| {
        let files = observed.current_files.as_ref()?;
        files.iter().find(|f| f.path == name).cloned()
    };
    let (mut files, mut from, mut needed) = (Vec::new(), Vec::new(), false);
    for (binary, found) in &observed.found {
        match found {
            Found::Missing => {}
            Found::Ours => files.extend(in_current(&binary.name)),
            Found::File {
                sha256,
                len,
                mode,
                uid,
                gid,
            } => {
                needed |= in_current(&binary.name).is_none_or(|f| f.sha256 != *sha256);
                files.push(FileRecord {
                    path: binary.name.clone(),
                    sha256: *sha256,
                    len: *len,
                    executable: mode & 0o100 != 0,
                });
                from.push(AdoptedFrom {
                    name: binary.name.clone(),
                    path: binary.path.display().to_string(),
                    mode: *mode,
                    uid: *uid,
                    gid: *gid,
                });
            }
        }
    }
    needed.then(|| Adoption {
        version: adopted_name(&files),
        files,
        from,
    })
}

/// One file names itself by its digest, a set by the digest of its `sha256sum` listing.
fn adopted_name(files: &[FileRecord]) -> String {
    let digest = match files {
        [one] => one.sha256,
        many => {
            let mut lines: Vec<String> = many
                .iter()
                .map(|f| format!("{}  {}\n", f.sha256, f.path))
                .collect();
            lines.sort();
            Sha256::of(lines.concat().as_bytes())
        }
    };
    format!(
        "{ADOPTED_PREFIX}{}",
        digest.hex().chars().take(16).collect::<String>()
    )
}
