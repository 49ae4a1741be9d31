//! The built-in probes: the main process is there, stays the same, runs the verified bytes. Looks only
//! through the traits.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::hash::Sha256;
use crate::node::host::{Host, Process, Service, ServiceState};

/// How long a process may be gone, or run other bytes before it runs the verified ones, as a shell that
/// is about to replace itself does.
const GRACE: Duration = Duration::from_secs(5);

/// The main process of a service, watched.
pub(super) struct MainProcess<'a> {
    pub service: &'a dyn Service,
    pub host: &'a dyn Host,
    pub digest: Sha256,
    /// How long it may take to appear.
    pub timeout: Duration,
    /// How often it had been started anew when it was first looked at.
    restarts: Option<u64>,
    /// Since when it runs the verified bytes.
    up: Option<(Process, Duration)>,
    gone_since: Option<Duration>,
    /// A process with other bytes, and since when.
    other: Option<(Process, Duration)>,
}

/// One look.
pub(super) enum Standing {
    /// It does not run the verified bytes, and may yet.
    Waiting(String),
    /// It runs them, the same process since then.
    Up(Process, Duration),
}

impl<'a> MainProcess<'a> {
    pub(super) fn new(
        service: &'a dyn Service,
        host: &'a dyn Host,
        digest: Sha256,
        timeout: Duration,
    ) -> Self {
        MainProcess {
            service,
            host,
            digest,
            timeout,
            restarts: None,
            up: None,
            gone_since: None,
            other: None,
        }
    }

    /// Looks at time `now` since the watch began. The error is final.
    pub(super) fn look(&mut self, now: Duration) -> Result<Standing> {
        match self.find(now)? {
            Ok(process) => {
                let since = match self.up.take() {
                    Some((before, since)) if before == process => since,
                    _ => now,
                };
                // One that appears after the deadline is too late, however often.
                if since >= self.timeout {
                    return Ok(Standing::Waiting(format!("process {} is new", process.pid)));
                }
                (self.gone_since, self.other) = (None, None);
                self.up = Some((process.clone(), since));
                Ok(Standing::Up(process, since))
            }
            Err(what) => {
                self.up = None;
                Ok(Standing::Waiting(what))
            }
        }
    }

    /// The running process, or why it does not count.
    fn find(&mut self, now: Duration) -> Result<Result<Process, String>> {
        let state = match self.service.state() {
            Ok(state) => state,
            Err(error) => return Ok(Err(error.to_string())),
        };
        self.check_restarts(&state)?;
        if state.failed {
            return Err(self.ended(&state.detail));
        }
        let process = match state.pid.map(|pid| self.host.process(pid)) {
            Some(Ok(Some(process))) => process,
            Some(Err(error)) => return Ok(Err(error.to_string())),
            gone => {
                let what = match (gone, state.pid) {
                    (Some(_), Some(pid)) => format!("process {pid} ended"),
                    _ => format!("no main process: {}", state.detail),
                };
                return self.gone(now, what).map(Err);
            }
        };
        if self.up.as_ref().is_some_and(|(up, _)| *up == process) {
            return Ok(Ok(process));
        }
        match self.exe(process.pid) {
            Exe::Verified => Ok(Ok(process)),
            Exe::Unknown(what) => Ok(Err(what)),
            Exe::Other(what) => self.other(now, process, what).map(Err),
        }
    }

    fn check_restarts(&mut self, state: &ServiceState) -> Result<()> {
        let Some(count) = state.restarts else {
            return Ok(());
        };
        let first = *self.restarts.get_or_insert(count);
        match count > first {
            true => Err(self.ended(&format!(
                "it ended and was started anew {} time(s): {}",
                count - first,
                state.detail
            ))),
            false => Ok(()),
        }
    }

    fn gone(&mut self, now: Duration, what: String) -> Result<String> {
        let was_up = self.up.is_some() || self.gone_since.is_some();
        let since = *self.gone_since.get_or_insert(now);
        match was_up && now.saturating_sub(since) >= GRACE.min(self.timeout) {
            true => Err(self.ended(&what)),
            false => {
                if !was_up {
                    self.gone_since = None;
                }
                Ok(what)
            }
        }
    }

    fn other(&mut self, now: Duration, process: Process, what: String) -> Result<String> {
        let since = match &self.other {
            Some((before, since)) if *before == process => *since,
            _ => now,
        };
        if now.saturating_sub(since) >= GRACE.min(self.timeout) {
            let name = self.service.name();
            return Err(Error::failed(format!("{name} runs other bytes")).caused_by(what));
        }
        self.other = Some((process, since));
        Ok(what)
    }

    fn ended(&self, why: &str) -> Error {
        Error::failed(format!("{} did not stay up", self.service.name())).caused_by(why)
    }

    /// What the process runs now: one may replace its own program and keep its id.
    pub(super) fn check_exe(&self, process: &Process) -> Result<()> {
        match self.exe(process.pid) {
            Exe::Verified => Ok(()),
            Exe::Other(what) | Exe::Unknown(what) => {
                let name = self.service.name();
                Err(
                    Error::failed(format!("{name} does not run the verified bytes any more"))
                        .caused_by(what),
                )
            }
        }
    }

    fn exe(&self, pid: u32) -> Exe {
        let wanted = self.digest;
        match self.host.exe_digest(pid) {
            Ok(Some(found)) if found == wanted => Exe::Verified,
            Ok(Some(found)) => Exe::Other(format!(
                "process {pid} runs a file with sha256 {found}, wanted {wanted}"
            )),
            Ok(None) => Exe::Unknown(format!("process {pid} ended")),
            Err(error) => Exe::Unknown(error.to_string()),
        }
    }
}

enum Exe {
    Verified,
    Other(String),
    Unknown(String),
}
