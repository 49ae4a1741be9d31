//! The first health check: the process is up, stays up, and runs the verified bytes.
//!
//! Looks only through the traits. Unknown is not healthy: no answer is never a pass.

use std::time::Duration;

use serde::Serialize;

use super::Node;
use super::host::{Found, Process, Service};
use super::record::{FileRecord, Origin, version_of_tag};
use crate::error::{Error, Result};
use crate::hash::Sha256;

/// Pauses between looks grow from the first to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(400));
/// How long a version command may take.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// What was seen of a healthy version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HealthReport {
    /// The main process, where a service is configured.
    pub pid: Option<u32>,
    /// Digest of what it runs (or, without a service, of nothing).
    pub exe_sha256: Option<Sha256>,
    /// What was checked, in words.
    pub checked: String,
}

/// The version whose health is asked for.
pub(super) struct Wanted<'a> {
    pub tag: &'a str,
    pub origin: Origin,
    pub files: &'a [FileRecord],
}

impl Node<'_> {
    /// Waits until the version is healthy or the deadline says that it is not.
    pub(super) fn check_health(&self, wanted: &Wanted) -> Result<HealthReport> {
        let (Some(service), Some(binary)) = (self.service, self.config.service_binary()) else {
            return self.check_paths(wanted);
        };
        let Some(file) = wanted.files.iter().find(|f| f.path == binary.name) else {
            return Err(Error::failed(format!(
                "{} has no binary {}, which the service runs",
                wanted.tag, binary.name
            )));
        };
        let process = self.wait_until_stable(service, file.sha256)?;
        let mut checked = format!(
            "process {} runs {} and stayed up {} s",
            process.pid,
            binary.name,
            self.config.health.stable.as_secs()
        );
        if wanted.origin == Origin::Verified
            && let Some(args) = &self.config.health.version
        {
            let answer = self.check_version(wanted.tag, &binary.name, args)?;
            checked.push_str(&format!(", version {answer}"));
        }
        Ok(HealthReport {
            pid: Some(process.pid),
            exe_sha256: Some(file.sha256),
            checked,
        })
    }

    /// Without a service there is nothing to watch but the files.
    pub(super) fn check_paths(&self, wanted: &Wanted) -> Result<HealthReport> {
        let current = self.host.current()?;
        if current.as_deref() != Some(wanted.tag) {
            return Err(Error::failed(format!(
                "current is {}, wanted {}",
                current.as_deref().unwrap_or("missing"),
                wanted.tag
            )));
        }
        for binary in &self.config.binaries {
            if self.host.inspect(binary)? != Found::Ours {
                return Err(Error::failed(format!(
                    "{} is no link to the current version",
                    binary.path.display()
                )));
            }
        }
        self.require_files(wanted.tag, wanted.files)?;
        Ok(HealthReport {
            pid: None,
            exe_sha256: None,
            checked: "files at their paths; no service is configured".into(),
        })
    }

    fn wait_until_stable(&self, service: &dyn Service, digest: Sha256) -> Result<Process> {
        let health = &self.config.health;
        let begin = self.host.uptime();
        let mut candidate: Option<(Process, Duration)> = None;
        let mut pause = PAUSES.0;
        loop {
            let now = self.host.uptime().saturating_sub(begin);
            let last = match self.look(service, digest, candidate.as_ref().map(|c| &c.0))? {
                Ok(process) => {
                    let since = match candidate.take() {
                        Some((before, since)) if before == process => since,
                        _ => now,
                    };
                    if now.saturating_sub(since) >= health.stable {
                        // A process may replace its own program and keep its id.
                        match self.exe(process.pid, digest) {
                            Ok(()) => return Ok(process),
                            Err(what) => what,
                        }
                    } else {
                        // One that appears after the deadline is too late, however often.
                        let late = since >= health.timeout;
                        let what = format!("process {} is new", process.pid);
                        candidate = (!late).then_some((process, since));
                        what
                    }
                }
                Err(what) => {
                    candidate = None;
                    what
                }
            };
            if candidate.is_none() && now >= health.timeout {
                return Err(Error::failed(format!(
                    "{} was not healthy within {} s",
                    service.name(),
                    health.timeout.as_secs()
                ))
                .caused_by(last));
            }
            self.host.pause(pause.min(health.timeout));
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// One look: the running process, or why it does not count. The outer error is final.
    fn look(
        &self,
        service: &dyn Service,
        digest: Sha256,
        known: Option<&Process>,
    ) -> Result<Result<Process, String>> {
        let state = match service.state() {
            Ok(state) => state,
            Err(error) => return Ok(Err(error.to_string())),
        };
        if state.failed {
            return Err(Error::failed(format!("{} did not stay up", service.name()))
                .caused_by(state.detail));
        }
        let Some(pid) = state.pid else {
            return Ok(Err(format!("no main process: {}", state.detail)));
        };
        let process = match self.host.process(pid) {
            Ok(Some(process)) => process,
            Ok(None) => return Ok(Err(format!("process {pid} ended"))),
            Err(error) => return Ok(Err(error.to_string())),
        };
        if known == Some(&process) {
            return Ok(Ok(process));
        }
        Ok(self.exe(pid, digest).map(|()| process))
    }

    fn exe(&self, pid: u32, wanted: Sha256) -> Result<(), String> {
        match self.host.exe_digest(pid) {
            Ok(Some(found)) if found == wanted => Ok(()),
            Ok(Some(found)) => Err(format!(
                "process {pid} runs a file with sha256 {found}, wanted {wanted}"
            )),
            Ok(None) => Err(format!("process {pid} ended")),
            Err(error) => Err(error.to_string()),
        }
    }

    fn check_version(&self, tag: &str, binary: &str, args: &[String]) -> Result<String> {
        let version = version_of_tag(tag).unwrap_or(tag);
        let wanted = self
            .config
            .health
            .version_contains
            .replace("{version}", version)
            .replace("{tag}", tag);
        let answer = self
            .host
            .run_version(tag, binary, args, VERSION_TIMEOUT)
            .map_err(|e| e.under(format!("{binary} {} gave no version", args.join(" "))))?;
        if answer.contains(&wanted) {
            return Ok(wanted);
        }
        let shown: String = answer.trim().chars().take(200).collect();
        Err(Error::failed(format!(
            "{binary} {} says {shown:?}, wanted {wanted:?} in it",
            args.join(" ")
        )))
    }
}
