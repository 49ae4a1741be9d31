//! What runs on this node, whether it is what was verified, and what can be rolled back to.
//!
//! Looks through the traits and changes nothing. What cannot be found out is a problem.

mod prometheus;
mod words;

use serde::Serialize;

use super::Node;
use super::history::{Entry, History};
use super::host::{Found, Process, Service};
use super::journal::Journal;
use super::receipt::standing::ReceiptStatus;
use super::record::{FileRecord, Origin, differences};
use super::release::NodeKnows;
use crate::error::{Error, Result};
use crate::hash::Sha256;
use crate::release::halt::Halt;
use crate::release::standing::Term;

/// The node as it is.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Name of the node.
    pub name: String,
    /// Its environment.
    pub environment: String,
    /// Its state directory.
    pub state: String,
    /// The version that `current` points to.
    pub current: Option<VersionStatus>,
    /// The binaries at their paths.
    pub binaries: Vec<BinaryStatus>,
    /// The daemon; none where no service is configured.
    pub service: Option<ServiceStatus>,
    /// The other retained versions.
    pub retained: Vec<VersionStatus>,
    /// Where `relman rollback` goes.
    pub rollback: Option<String>,
    /// The release that the environment has agreed on, as far as this node knows.
    pub agreed: Option<String>,
    /// Whether what is current is another than what was agreed on; none where nobody agrees.
    pub drift: Option<bool>,
    /// The halt that stops installs in the environment, as far as this node knows.
    pub halted: Option<Halt>,
    /// The security floor.
    pub minimum: Option<String>,
    /// The newest whole backup, and how many there are.
    pub backups: BackupStatus,
    /// An operation that was interrupted.
    pub unfinished: Option<Journal>,
    /// The last operation.
    pub last: Option<Entry>,
    /// The newest receipts.
    pub receipts: ReceiptStatus,
    /// When the store was last asked and believed, RFC 3339.
    pub refreshed: Option<String>,
    /// The stored metadata and when it expires.
    pub metadata: Vec<Term>,
    /// What is no fault, but has to be said.
    pub warnings: Vec<String>,
    /// Everything that is wrong or cannot be found out.
    pub problems: Vec<String>,
}

/// One retained version.
#[derive(Clone, Debug, Serialize)]
pub struct VersionStatus {
    /// Its name.
    pub tag: String,
    /// Where it came from; none where its record cannot be read.
    pub origin: Option<Origin>,
    /// When it was put on this host, RFC 3339.
    pub installed_at: Option<String>,
    /// When it became current last, RFC 3339.
    pub current_since: Option<String>,
    /// Its evidence verifies and its files are the verified ones.
    pub whole: bool,
    /// Why it is not.
    pub why: Option<String>,
}

/// The backups of a node.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BackupStatus {
    /// Those that are whole as far as their manifests say; `backup verify` reads them.
    pub count: usize,
    /// Name of the newest.
    pub newest: Option<String>,
    /// When it was made, RFC 3339.
    pub made: Option<String>,
}

/// One binary at its path.
#[derive(Clone, Debug, Serialize)]
pub struct BinaryStatus {
    /// Its name in the release.
    pub name: String,
    /// Its path.
    pub path: String,
    /// `linked`, `missing`, `file` or `unknown`.
    pub link: &'static str,
    /// Digest of what is at the path now.
    pub sha256: Option<Sha256>,
    /// Digest that it has to have.
    pub verified_sha256: Option<Sha256>,
}

/// The daemon.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// The main process.
    pub pid: Option<u32>,
    /// When that started, RFC 3339.
    pub started: Option<String>,
    /// Digest of the file that it runs.
    pub exe_sha256: Option<Sha256>,
    /// Digest that it ought to run.
    pub verified_sha256: Option<Sha256>,
    /// The manager's words.
    pub detail: String,
}

impl Node<'_> {
    /// Looks at everything. What is wrong is in `problems`.
    ///
    /// # Errors
    /// Kind failed: the state directory cannot be read at all.
    pub fn status(&self) -> Result<Status> {
        let history = self.history()?;
        let versions = self.host.versions()?;
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        let current = match self.host.current() {
            Ok(current) => current,
            Err(error) => {
                problems.push(error.to_string());
                None
            }
        };
        let unfinished = self.unfinished(&mut problems);
        let mut files = None;
        let current_status = current.as_ref().map(|tag| {
            let (status, wanted) = self.version_status(tag, &history, Some(&mut warnings));
            if let Some(why) = &status.why {
                problems.push(why.clone());
            }
            files = wanted;
            status
        });
        if current.is_none() {
            warnings.push("nothing is installed by relman".into());
        }
        let files = files.unwrap_or_default();
        let found = current
            .as_ref()
            .and_then(|tag| self.host.files(tag).ok().flatten())
            .unwrap_or_default();
        let binaries = self.binaries_status(current.is_some(), &files, &found, &mut problems);
        let service = self
            .service
            .map(|s| self.service_status(s, current.is_some(), &files, &mut problems));
        let retained: Vec<VersionStatus> = versions
            .iter()
            .filter(|v| Some(*v) != current.as_ref())
            .map(|v| self.version_status(v, &history, None).0)
            .collect();
        for version in &retained {
            if let Some(why) = &version.why {
                problems.push(format!("{} cannot be rolled back to: {why}", version.tag));
            }
        }
        let rollback = current
            .as_ref()
            .and_then(|c| history.rollback_target(c, &versions));
        let known = self.known(
            current.as_deref(),
            rollback.as_deref(),
            &retained,
            (&mut warnings, &mut problems),
        );
        let minimum = match self.floor() {
            Ok(floor) => floor.map(|tag| tag.to_string()),
            Err(error) => {
                problems.push(error.to_string());
                None
            }
        };
        let agreed = known.as_ref().and_then(|k| k.metadata.agreed.clone());
        let drift = agreed
            .as_ref()
            .map(|agreed| Some(agreed) != current.as_ref());
        if let (Some(true), Some(agreed)) = (drift, &agreed) {
            warnings.push(drift_words(agreed, current.as_deref(), &history));
        }
        let halted = known.as_ref().and_then(|known| {
            let halt = known.metadata.halt.as_ref();
            let halt = halt.map_err(|e| problems.push(e.to_string())).ok()?;
            warnings.extend(halt.as_ref().map(|halt| halt.line(&[])));
            halt.clone()
        });
        let backups = self.backup_status(&mut problems);
        if history.malformed > 0 {
            problems.push(format!(
                "{} line(s) of the history cannot be read",
                history.malformed
            ));
        }
        let receipts = self.receipt_status(&mut problems);
        Ok(Status {
            receipts,
            name: self.config.name.clone(),
            environment: self.config.environment.clone(),
            state: self.config.state.display().to_string(),
            rollback,
            backups,
            agreed,
            drift,
            halted,
            minimum,
            current: current_status,
            binaries,
            service,
            retained,
            unfinished,
            last: history.entries.last().cloned(),
            refreshed: known
                .as_ref()
                .and_then(|known| known.refreshed.map(|at| at.to_string())),
            metadata: known.map_or(Vec::new(), |known| known.metadata.terms),
            warnings,
            problems,
        })
    }

    /// What the stored metadata says of itself and of the versions here.
    fn known(
        &self,
        current: Option<&str>,
        rollback: Option<&str>,
        retained: &[VersionStatus],
        (warnings, problems): (&mut Vec<String>, &mut Vec<String>),
    ) -> Option<NodeKnows> {
        let now = self.host.now();
        let known = match self.releases.known(now) {
            Ok(known) => known?,
            Err(error) => {
                problems.push(error.to_string());
                return None;
            }
        };
        let terms = known.metadata.terms.iter();
        let late: Vec<String> = terms.filter_map(|term| term.warning(now)).collect();
        if !late.is_empty() {
            problems.push(format!(
                "this node's metadata: {} (a node learns what is new when it runs: relman install)",
                late.join(", ")
            ));
        }
        if let Some(tag) = current
            && let Some(yank) = known.metadata.yank(tag)
        {
            problems.push(format!("{tag} runs here and is {yank}"));
        }
        for version in retained {
            if let Some(yank) = known.metadata.yank(&version.tag) {
                let stuck = rollback == Some(&version.tag) && !yank.lets_rollback_pass();
                match stuck {
                    true => {
                        problems.push(format!("rollback has no way: {} is {yank}", version.tag))
                    }
                    false => warnings.push(format!("{} is {yank}", version.tag)),
                }
            }
        }
        Some(known)
    }

    fn backup_status(&self, problems: &mut Vec<String>) -> BackupStatus {
        let listed = match self.backups() {
            Ok(listed) => listed,
            Err(error) => {
                problems.push(error.to_string());
                return BackupStatus::default();
            }
        };
        let mut status = BackupStatus::default();
        for backup in listed {
            match backup.manifest {
                Ok(manifest) => {
                    status.count += 1;
                    status.newest = Some(backup.id.to_string());
                    status.made = Some(manifest.made);
                }
                Err(error) => problems.push(format!("backup {}: {error}", backup.id)),
            }
        }
        status
    }

    fn unfinished(&self, problems: &mut Vec<String>) -> Option<Journal> {
        let journal = match self.host.read_journal() {
            Ok(bytes) => bytes.map(|b| Journal::from_bytes(&b)).transpose(),
            Err(error) => Err(error),
        };
        match journal {
            Ok(journal) => {
                if let Some(journal) = &journal {
                    problems.push(format!(
                        "{} of {} (begun {}) is under way or was interrupted at step {}; the next relman install or rollback finishes or reverts it",
                        journal.operation.name(),
                        journal.tag,
                        journal.started,
                        journal.step.name()
                    ));
                }
                journal
            }
            Err(error) => {
                problems.push(error.to_string());
                None
            }
        }
    }

    fn version_status(
        &self,
        tag: &str,
        history: &History,
        warnings: Option<&mut Vec<String>>,
    ) -> (VersionStatus, Option<Vec<FileRecord>>) {
        let since = history.activation(tag).map(|e| e.at.clone());
        let mut status = VersionStatus {
            tag: tag.into(),
            origin: None,
            installed_at: None,
            current_since: since,
            whole: false,
            why: None,
        };
        let retained = match self.retained(tag) {
            Ok(retained) => retained,
            Err(error) => {
                status.why = Some(error.to_string());
                return (status, None);
            }
        };
        status.origin = Some(retained.record.origin);
        status.installed_at = Some(retained.record.installed_at.clone());
        if let Some(warnings) = warnings {
            warnings.extend(retained.warnings.iter().cloned());
        }
        match self.host.files(tag) {
            Ok(Some(found)) => {
                let lines = differences(&retained.files, &found);
                status.whole = lines.is_empty();
                if !status.whole {
                    status.why = Some(format!(
                        "{tag}: files are not the verified ones: {}",
                        lines.join("; ")
                    ));
                }
            }
            Ok(None) => status.why = Some(format!("{tag}: versions/{tag} is missing")),
            Err(error) => status.why = Some(error.to_string()),
        }
        (status, Some(retained.files))
    }

    fn binaries_status(
        &self,
        installed: bool,
        wanted: &[FileRecord],
        found: &[FileRecord],
        problems: &mut Vec<String>,
    ) -> Vec<BinaryStatus> {
        let digest = |files: &[FileRecord], name: &str| {
            files.iter().find(|f| f.path == name).map(|f| f.sha256)
        };
        let mut statuses = Vec::new();
        for binary in &self.config.binaries {
            let path = binary.path.display().to_string();
            let verified = digest(wanted, &binary.name);
            let (link, sha256) = match self.host.inspect(binary) {
                Ok(Found::Ours) => ("linked", digest(found, &binary.name)),
                Ok(Found::Missing) => ("missing", None),
                Ok(Found::File { sha256, .. }) => ("file", Some(sha256)),
                Err(error) => {
                    problems.push(error.to_string());
                    ("unknown", None)
                }
            };
            // A file with the right bytes is what an interrupted first install leaves.
            if installed && link != "unknown" && (sha256.is_none() || sha256 != verified) {
                problems.push(format!(
                    "{path}: found {}, wanted {}",
                    sha256.map_or("nothing".into(), |d| format!("sha256 {d}")),
                    verified.map_or("no known digest".into(), |d| d.to_string())
                ));
            }
            statuses.push(BinaryStatus {
                name: binary.name.clone(),
                path,
                link,
                sha256,
                verified_sha256: verified,
            });
        }
        statuses
    }

    fn service_status(
        &self,
        service: &dyn Service,
        installed: bool,
        wanted: &[FileRecord],
        problems: &mut Vec<String>,
    ) -> ServiceStatus {
        let verified = self
            .config
            .service_binary()
            .and_then(|b| wanted.iter().find(|f| f.path == b.name))
            .map(|f| f.sha256);
        let mut status = ServiceStatus {
            name: service.name(),
            pid: None,
            started: None,
            exe_sha256: None,
            verified_sha256: verified,
            detail: String::new(),
        };
        match self.running(service, &mut status) {
            Ok(Some(process)) => {
                status.started = Some(super::record::rfc3339(process.started));
                if installed && (status.exe_sha256.is_none() || status.exe_sha256 != verified) {
                    problems.push(format!(
                        "process {} runs {}, wanted {}",
                        process.pid,
                        status
                            .exe_sha256
                            .map_or("an unknown file".into(), |d| format!("sha256 {d}")),
                        verified.map_or("no known digest".into(), |d| d.to_string())
                    ));
                }
            }
            Ok(None) if installed => {
                problems.push(format!("{} does not run: {}", status.name, status.detail));
            }
            Ok(None) => {}
            Err(error) => problems.push(error.to_string()),
        }
        status
    }

    fn running(
        &self,
        service: &dyn Service,
        status: &mut ServiceStatus,
    ) -> Result<Option<Process>, Error> {
        let state = service.state()?;
        status.detail = state.detail;
        let Some(pid) = state.pid else {
            return Ok(None);
        };
        let process = self.host.process(pid)?;
        if process.is_some() {
            status.pid = Some(pid);
            status.exe_sha256 = self.host.exe_digest(pid)?;
        }
        Ok(process)
    }
}

fn drift_words(agreed: &str, current: Option<&str>, history: &History) -> String {
    let runs = current.unwrap_or("nothing");
    match history.rolled_back_from(agreed) {
        Some(left) => format!(
            "the environment has agreed on {agreed}, {runs} is current: this node was rolled back from it at {} ({})",
            left.at,
            left.reason.as_deref().unwrap_or("no reason was recorded")
        ),
        None => {
            format!("the environment has agreed on {agreed}, {runs} is current: relman install")
        }
    }
}
