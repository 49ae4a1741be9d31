//! A service under systemd, by `systemctl` and `journalctl`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::node_run::{last_lines, run};
use crate::error::{Error, Result};
use crate::node::config::{HealthConfig, ServiceConfig};
use crate::node::host::{Service, ServiceState};
use crate::node::probe::{LogSource, UnitLog};

/// For questions to systemd, which it answers at once or not at all.
const ASK: Duration = Duration::from_secs(20);
const MAX_TAIL_LEN: u64 = 65_536;

/// One unit.
pub(crate) struct SystemdService {
    unit: String,
    log_file: Option<PathBuf>,
    /// A stop and a start, each with its own deadline in the unit.
    restart_timeout: Duration,
}

impl SystemdService {
    pub(crate) fn new(unit: &str, service: &ServiceConfig, health: &HealthConfig) -> Self {
        SystemdService {
            unit: unit.into(),
            log_file: service.log_file.clone(),
            restart_timeout: service.stop_timeout + health.timeout + ASK,
        }
    }

    fn systemctl(&self, verb: &str, timeout: Duration) -> Result<()> {
        let argv = ["systemctl", "--no-ask-password", verb, "--", &self.unit].map(String::from);
        let output = run(&argv, None, timeout)?;
        if output.status.success() {
            return Ok(());
        }
        let error = Error::failed(format!(
            "systemctl {verb} {} ended with {}",
            self.unit, output.status
        ))
        .hint(format!("systemctl status {}", self.unit));
        Err(output.tail().into_iter().fold(error, Error::caused_by))
    }

    /// A unit that failed too often in a row is not started again without this.
    fn forget_failures(&self) {
        let _ = self.systemctl("reset-failed", ASK);
    }
}

impl Service for SystemdService {
    fn name(&self) -> String {
        self.unit.clone()
    }

    fn start(&self) -> Result<()> {
        self.forget_failures();
        self.systemctl("start", self.restart_timeout)
    }

    fn stop(&self) -> Result<()> {
        self.systemctl("stop", self.restart_timeout)
    }

    fn restart(&self) -> Result<()> {
        self.forget_failures();
        self.systemctl("restart", self.restart_timeout)
    }

    fn state(&self) -> Result<ServiceState> {
        let argv = [
            "systemctl",
            "show",
            "--property=LoadState,ActiveState,SubState,Result,MainPID,NRestarts,InvocationID",
            "--",
            &self.unit,
        ]
        .map(String::from);
        let output = run(&argv, None, ASK)?;
        if !output.status.success() {
            let error = Error::failed(format!("systemd says nothing about {}", self.unit));
            return Err(output.tail().into_iter().fold(error, Error::caused_by));
        }
        Ok(parse_show(&output.stdout))
    }

    fn last_lines(&self, count: usize) -> Vec<String> {
        if let Some(log) = &self.log_file {
            return tail_file(log, count, 0);
        }
        let argv = [
            "journalctl",
            "--no-pager",
            "--quiet",
            "--output=short-iso",
            &format!("--lines={count}"),
            &format!("--unit={}", self.unit),
        ]
        .map(String::from);
        run(&argv, None, ASK).map_or(Vec::new(), |o| last_lines(&o.stdout, count))
    }

    fn log(&self, started: jiff::Timestamp) -> LogSource {
        match &self.log_file {
            Some(path) => LogSource::File {
                path: path.clone(),
                from: None,
            },
            None => LogSource::Unit(UnitLog {
                unit: self.unit.clone(),
                invocation: self.state().ok().and_then(|state| state.invocation),
                since: started.as_second(),
            }),
        }
    }
}

/// Reads what `systemctl show` prints.
fn parse_show(text: &str) -> ServiceState {
    let value = |key: &str| {
        text.lines()
            .find_map(|l| l.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or("unknown")
    };
    let pid = value("MainPID").parse().ok().filter(|pid| *pid != 0);
    let active = value("ActiveState");
    ServiceState {
        pid: pid.filter(|_| matches!(active, "active" | "activating" | "reloading")),
        restarts: value("NRestarts").parse().ok(),
        invocation: Some(value("InvocationID"))
            .filter(|id| id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()))
            .map(str::to_owned),
        failed: active == "failed" || value("LoadState") == "not-found",
        detail: format!(
            "{active} ({}), result {}, unit {}",
            value("SubState"),
            value("Result"),
            value("LoadState")
        ),
    }
}

/// The last lines of a file, counted from byte `from`.
pub(crate) fn tail_file(path: &Path, count: usize, from: u64) -> Vec<String> {
    use std::io::{Read, Seek, SeekFrom};
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        let len = file.metadata()?.len();
        let start = len.saturating_sub(MAX_TAIL_LEN).max(from.min(len));
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(MAX_TAIL_LEN).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_or(Vec::new(), |bytes| {
        last_lines(&String::from_utf8_lossy(&bytes), count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_unit_has_its_main_process() {
        let state = parse_show(
            "MainPID=4711\nResult=success\nLoadState=loaded\nActiveState=active\nSubState=running\n",
        );
        assert_eq!(state.pid, Some(4711));
        assert!(!state.failed);
        assert_eq!((state.restarts, state.invocation), (None, None));
        let id = "0123456789abcdef0123456789abcdef";
        let state = parse_show(&format!("NRestarts=3\nInvocationID={id}\n"));
        assert_eq!(
            (state.restarts, state.invocation.as_deref()),
            (Some(3), Some(id))
        );
    }

    #[test]
    fn a_failed_or_unknown_unit_is_not_waited_for() {
        let state =
            parse_show("MainPID=0\nResult=exit-code\nLoadState=loaded\nActiveState=failed\n");
        assert!(state.failed && state.pid.is_none());
        assert!(state.detail.contains("exit-code"));
        let state = parse_show("MainPID=0\nLoadState=not-found\nActiveState=inactive\n");
        assert!(state.failed);
    }

    #[test]
    fn a_process_of_a_unit_that_is_stopping_does_not_count() {
        let state = parse_show("MainPID=4711\nLoadState=loaded\nActiveState=deactivating\n");
        assert_eq!((state.pid, state.failed), (None, false));
        assert_eq!(parse_show("").pid, None);
    }
}
