//! What has to be right on the host before anything is changed. Looks through the traits alone.

use super::Node;
use super::host::{Found, ServiceState};
use super::plan::Observed;
use super::record::FileRecord;
use crate::error::{Error, Result};

/// What was found before a change.
#[derive(Clone, Debug, Default)]
pub(super) struct Preflight {
    /// Whether the daemon is to run afterwards: not where the operator had stopped it.
    pub start: bool,
    /// Why the change cannot work.
    pub problems: Vec<String>,
    /// What is wrong and `--force` passes over.
    forcible: Vec<String>,
}

impl Preflight {
    /// Refuses unless nothing is wrong, or nothing but what `force` passes over.
    pub(super) fn require(&self, tag: &str, force: bool) -> Result<()> {
        let fatal = self.problems.iter();
        let sick = self.forcible.iter().filter(|_| !force);
        let found: Vec<&String> = fatal.chain(sick).collect();
        if found.is_empty() {
            return Ok(());
        }
        let error = Error::failed(format!(
            "{tag} was not begun: {} problem(s) on this host",
            found.len()
        ));
        let hint = match self.problems.is_empty() {
            true => "mend it first, or go on all the same: --force",
            false => "relman doctor looks further; nothing was changed",
        };
        Err(found
            .into_iter()
            .fold(error, |error, line| error.caused_by(line))
            .hint(hint))
    }

    /// Something that only `--force` passes over.
    pub(super) fn needs_force(&mut self, why: String) {
        self.forcible.push(why);
    }

    /// All that is wrong, for a plan.
    pub(super) fn all(&self) -> Vec<String> {
        self.problems
            .iter()
            .chain(&self.forcible)
            .cloned()
            .collect()
    }
}

impl Node<'_> {
    /// Looks at permissions, unit and daemon. `current` are the files of the current version, where
    /// the daemon's state matters; going back never waits for a healthy daemon.
    pub(super) fn preflight(
        &self,
        observed: &Observed,
        current: Option<&[FileRecord]>,
        start: bool,
    ) -> Preflight {
        let mut found = Preflight {
            start: true,
            problems: self.host.lacking_permissions(&self.config.binaries),
            forcible: Vec::new(),
        };
        let Some(service) = self.service else {
            return found;
        };
        let state = match service.state() {
            Ok(state) => state,
            Err(error) => {
                found.problems.push(format!(
                    "the state of {} is unknown: {error}",
                    service.name()
                ));
                return found;
            }
        };
        if state.missing {
            found.problems.push(format!(
                "{} does not exist: {}",
                service.name(),
                state.detail
            ));
        }
        // A host that never had the daemon is not one where somebody stopped it.
        let fresh =
            observed.current.is_none() && observed.found.iter().all(|(_, f)| *f == Found::Missing);
        found.start = start || fresh || !state.stopped;
        if let Some(files) = current {
            found.forcible.extend(self.sickness(&state, files));
        }
        found
    }

    /// Why the daemon is not as it should be before an upgrade: one look, no waiting.
    fn sickness(&self, state: &ServiceState, files: &[FileRecord]) -> Option<String> {
        let service = self.service?;
        let binary = self.config.service_binary()?;
        let name = service.name();
        let Some(pid) = state.pid else {
            return Some(format!("{name} does not run now: {}", state.detail));
        };
        let wanted = files.iter().find(|f| f.path == binary.name)?.sha256;
        match self.host.exe_digest(pid) {
            Ok(Some(found)) if found == wanted => None,
            Ok(Some(found)) => Some(format!(
                "process {pid} of {name} runs sha256 {found}, the current version has {wanted}"
            )),
            Ok(None) => Some(format!("process {pid} of {name} ended")),
            Err(error) => Some(error.to_string()),
        }
    }
}
