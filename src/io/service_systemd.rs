//! A service under systemd, by `systemctl` and `journalctl`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::node_run::{last_lines, run};
use crate::error::Result;
use crate::node::config::{HealthConfig, ServiceConfig};
use crate::node::host::{Service, ServiceFacts, ServiceState, Stop};
use crate::node::probe::{LogSource, UnitLog};

/// For questions to systemd, which it answers at once or not at all.
const ASK: Duration = Duration::from_secs(20);
/// How long a daemon that is stopped at once may take to end by itself.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(5);
const MAX_TAIL_LEN: u64 = 65_536;

/// One unit.
pub(crate) struct SystemdService {
    unit: String,
    log_file: Option<PathBuf>,
    /// A start, which has its own deadline in the unit.
    start_timeout: Duration,
    /// For a daemon that is asked to end.
    stop_timeout: Duration,
}

impl SystemdService {
    pub(crate) fn new(unit: &str, service: &ServiceConfig, health: &HealthConfig) -> Self {
        SystemdService {
            unit: unit.into(),
            log_file: service.log_file.clone(),
            start_timeout: health.timeout + ASK,
            stop_timeout: service.stop_timeout,
        }
    }

    fn systemctl(&self, words: &[&str], timeout: Duration) -> Result<()> {
        let argv: Vec<String> = ["systemctl", "--no-ask-password"]
            .iter()
            .chain(words)
            .chain(&["--", self.unit.as_str()])
            .map(|word| word.to_string())
            .collect();
        let (unit, verb) = (&self.unit, words.join(" "));
        run(&argv, None, timeout)?
            .ended_well(|status| format!("systemctl {verb} {unit} ended with {status}"))
            .map(|_| ())
            .map_err(|e| e.hint(format!("systemctl status {unit}")))
    }

    /// A unit that failed too often in a row is not started again without this.
    fn forget_failures(&self) {
        let _ = self.systemctl(&["reset-failed"], ASK);
    }

    fn show(&self) -> Result<String> {
        show(
            &self.unit,
            "LoadState,ActiveState,SubState,Result,MainPID,NRestarts,InvocationID",
        )
    }

    /// How a unit that was stopped came to its end.
    fn ended(&self) -> Result<Stop> {
        let state = parse_show(&self.show()?);
        Ok(match state.failed {
            // systemd killed it at the unit's own deadline.
            true if state.detail.contains("result timeout") => Stop::Killed(state.detail),
            _ => Stop::Graceful,
        })
    }
}

impl Service for SystemdService {
    fn name(&self) -> String {
        self.unit.clone()
    }

    fn start(&self) -> Result<()> {
        self.forget_failures();
        self.systemctl(&["start"], self.start_timeout)
    }

    fn start_later(&self) -> Result<()> {
        self.forget_failures();
        self.systemctl(&["start", "--no-block"], ASK)
    }

    fn stop(&self, at_once: bool) -> Result<Stop> {
        let state = self.state()?;
        if state.stopped {
            return Ok(Stop::Idle);
        }
        if state.failed && state.pid.is_none() {
            // Stopped from now on, and no longer one that crashed and is to be started again.
            self.forget_failures();
            return Ok(Stop::Idle);
        }
        let deadline = match at_once {
            true => AT_ONCE.min(self.stop_timeout),
            false => self.stop_timeout,
        };
        let asked = match self.systemctl(&["stop"], deadline) {
            Ok(()) => self.ended()?,
            Err(error) => {
                // The manager goes on with its own deadline, which may be minutes.
                self.systemctl(&["kill", "--signal=SIGKILL"], ASK)?;
                self.systemctl(&["stop"], ASK)
                    .map_err(|e| e.under(format!("{} still runs after SIGKILL", self.unit)))?;
                Stop::Killed(error.message().to_owned())
            }
        };
        self.forget_failures();
        Ok(asked)
    }

    fn state(&self) -> Result<ServiceState> {
        Ok(parse_show(&self.show()?))
    }

    fn facts(&self) -> Result<Option<ServiceFacts>> {
        facts(&self.unit).map(|facts| Some(facts.1))
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

/// Properties of a unit, one `name=value` a line.
fn show(unit: &str, properties: &str) -> Result<String> {
    let property = format!("--property={properties}");
    let argv = ["systemctl", "show", &property, "--", unit].map(String::from);
    let output = run(&argv, None, ASK)?;
    let output = output.ended_well(|_| format!("systemd says nothing about {unit}"))?;
    Ok(output.stdout)
}

/// Has systemd read its units again.
///
/// # Errors
/// Kind failed: there is no systemd, or it will not.
pub fn reload() -> Result<()> {
    let argv = ["systemctl", "--no-ask-password", "daemon-reload"].map(String::from);
    let output = run(&argv, None, ASK)?;
    output
        .ended_well(|_| "systemd did not read its units again".into())
        .map(|_| ())
}

/// Whether systemd knows the unit, and what it has written down about it.
///
/// # Errors
/// Kind failed: there is no systemd, or it says nothing.
pub fn facts(unit: &str) -> Result<(bool, ServiceFacts)> {
    let text = show(unit, "LoadState,ExecStart,Requires,After")?;
    let known = text.lines().any(|line| line == "LoadState=loaded");
    Ok((known, parse_facts(&text)))
}

fn parse_facts(text: &str) -> ServiceFacts {
    let values = |key: &'static str| {
        text.lines()
            .filter_map(move |l| l.strip_prefix(key)?.strip_prefix('='))
    };
    let words = |key| {
        let words = values(key).flat_map(str::split_whitespace);
        words.map(str::to_owned).collect()
    };
    let program = |value: &str| {
        let rest = value.split_once("path=")?.1;
        Some(
            rest.split_once(" ;")
                .map_or(rest, |(path, _)| path)
                .to_owned(),
        )
    };
    ServiceFacts {
        programs: values("ExecStart").filter_map(program).collect(),
        requires: words("Requires"),
        after: words("After"),
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
    let missing = value("LoadState") == "not-found";
    ServiceState {
        pid: pid.filter(|_| matches!(active, "active" | "activating" | "reloading")),
        failed: active == "failed" || missing,
        stopped: active == "inactive" && value("Result") == "success" && !missing,
        missing,
        restarts: value("NRestarts").parse().ok(),
        invocation: Some(value("InvocationID"))
            .filter(|id| id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()))
            .map(str::to_owned),
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
    fn what_a_unit_starts_and_needs_is_read() {
        let facts = parse_facts(
            "Requires=sysinit.target relman-recover.service\nAfter=basic.target relman-recover.service\n\
             ExecStart={ path=/usr/local/bin/timed ; argv[]=/usr/local/bin/timed --config /etc/t ; ignore_errors=no ; }\n",
        );
        assert_eq!(facts.programs, ["/usr/local/bin/timed"]);
        assert!(
            facts
                .requires
                .contains(&"relman-recover.service".to_owned())
        );
        assert_eq!(facts.after.len(), 2);
        assert_eq!(parse_facts("garbage"), ServiceFacts::default());
    }

    #[test]
    fn a_unit_that_somebody_stopped_is_told_from_one_that_failed() {
        let stopped =
            parse_show("MainPID=0\nResult=success\nLoadState=loaded\nActiveState=inactive\n");
        assert!(stopped.stopped && !stopped.failed && !stopped.missing);
        let missing =
            parse_show("MainPID=0\nResult=success\nLoadState=not-found\nActiveState=inactive\n");
        assert!(!missing.stopped && missing.failed && missing.missing);
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
