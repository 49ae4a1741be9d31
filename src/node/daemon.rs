//! Stopping and starting the daemon on an operator's order, beside every install and rollback. Looks and acts through the
//! traits alone.

use std::any::Any;
use std::time::Duration;

use serde::Serialize;

use super::Node;
use super::health::{HealthReport, Wanted};
use super::host::{Service, Stop};
use super::recover::Recovery;
use crate::error::{Error, Result};
use crate::limits::MAX_STOP_WAIT_SECONDS;

/// From one look at a change that is under way to the next.
const PAUSE: Duration = Duration::from_millis(200);

/// How the daemon came to be stopped.
#[derive(Clone, Debug, Serialize)]
pub struct Stopped {
    /// The service.
    pub service: String,
    /// `idle`, `graceful` or `killed`.
    pub how: &'static str,
    /// Why it was killed.
    pub why: Option<String>,
    /// The main process that there was when it was asked to end.
    pub pid: Option<u32>,
    /// The change that was under way and was waited for.
    pub waited_for: Option<String>,
    /// What is no error, but has to be said.
    pub warnings: Vec<String>,
}

/// How the daemon came to run.
#[derive(Clone, Debug, Serialize)]
pub struct Started {
    /// The service.
    pub service: String,
    /// The version that is current.
    pub tag: String,
    /// Whether it was started now; otherwise it ran.
    pub started: bool,
    /// What was seen of it.
    pub health: HealthReport,
    /// What is no error, but has to be said.
    pub warnings: Vec<String>,
    /// What was unfinished before.
    pub recovered: Recovery,
}

impl Node<'_> {
    /// Stops the daemon at once, and so that nothing but an order starts it again. A change that is under way may start
    /// it: it is waited for, and whatever it starts is stopped as well.
    ///
    /// # Errors
    /// Kind usage: relman does not start this daemon. Failed: it still runs, or the change did not end in time.
    pub fn stop_for_good(&self) -> Result<Stopped> {
        let service = self.daemon()?;
        let name = service.name();
        let state = service.state();
        if let Ok(state) = &state
            && state.missing
        {
            return Err(missing(&name, &state.detail));
        }
        (self.say)(&format!("stopping {name}"));
        let mut stopped = Stopped {
            service: name,
            how: "idle",
            why: None,
            pid: state.ok().and_then(|state| state.pid),
            waited_for: None,
            warnings: Vec::new(),
        };
        let first = self.stop_now(service, &mut stopped);
        let alone = self.alone(service, &mut stopped);
        first.or_else(|_| self.stop_now(service, &mut stopped))?;
        let _lock = alone?;
        // Between the last stop and the lock a change may have ended with a start.
        self.stop_now(service, &mut stopped)?;
        Ok(stopped)
    }

    fn stop_now(&self, service: &dyn Service, stopped: &mut Stopped) -> Result<()> {
        let how = service
            .stop(self.at_once)
            .or_else(|_| service.stop(true))
            .map_err(|e| e.under(format!("{} could not be stopped", service.name())))?;
        match how {
            Stop::Idle => {}
            Stop::Graceful if stopped.how == "killed" => {}
            Stop::Graceful => stopped.how = "graceful",
            Stop::Killed(why) => (stopped.how, stopped.why) = ("killed", Some(why)),
        }
        Ok(())
    }

    /// The node's lock, once whoever holds it is done; what is started meanwhile is stopped. None where nobody can
    /// tell, which keeps no daemon running.
    fn alone(&self, service: &dyn Service, stopped: &mut Stopped) -> Result<Option<Box<dyn Any>>> {
        let begin = self.host.uptime();
        let limit = Duration::from_secs(MAX_STOP_WAIT_SECONDS);
        let mut failure = None;
        loop {
            let locked = self.host.prepare();
            let held = match locked.and_then(|()| self.host.try_lock("node stop")) {
                Ok(Ok(lock)) => return Ok(Some(lock)),
                Ok(Err(held)) => held,
                Err(error) => {
                    let warning = format!("whether a change is under way is unknown: {error}");
                    stopped.warnings.push(warning);
                    return Ok(None);
                }
            };
            if stopped.waited_for.is_none() {
                (self.say)(&format!(
                    "{}: waiting for its end, at most {MAX_STOP_WAIT_SECONDS} s",
                    held.message()
                ));
                stopped.waited_for = Some(held.message().to_owned());
            }
            if self.host.uptime().saturating_sub(begin) >= limit {
                let error = Error::failed(format!(
                    "{} was stopped, but a change is still under way and may start it again",
                    service.name()
                ))
                .caused_by(held);
                return Err(match failure {
                    Some(failure) => error.caused_by(failure),
                    None => error,
                }
                .hint("run it again once that has ended: relman node stop"));
            }
            self.host.pause(PAUSE);
            failure = self.stop_now(service, stopped).err();
        }
    }

    /// Starts the daemon if the current version is whole, once what is unfinished has been recovered, and waits until
    /// the built-in probes are healthy. The configured ones are not asked: they may want peers that nobody has started.
    ///
    /// # Errors
    /// Kind usage: relman does not start this daemon. Refused: the version is not whole. Failed: nothing is installed,
    /// a change is under way, the daemon does not come up; it is left as it is then.
    pub fn start_verified(&self) -> Result<Started> {
        let service = self.daemon()?;
        self.host.prepare()?;
        let _lock = self.host.lock("node start")?;
        let recovered = self.recover_locked()?;
        let (tag, retained) = self.installed()?;
        let wanted = Wanted {
            tag: &tag,
            origin: retained.record.origin,
            files: &retained.files,
        };
        self.check_paths(&wanted)?;
        let mut warnings = retained.warnings.clone();
        warnings.extend(recovered.problem().map(str::to_owned));
        let name = service.name();
        let state = service.state()?;
        if state.missing {
            return Err(missing(&name, &state.detail));
        }
        let started = state.pid.is_none();
        if started {
            (self.say)(&format!("starting {name}"));
            service.start().map_err(|e| {
                self.with_last_lines(e.under(format!("{name} could not be started")))
            })?;
        }
        (self.say)(&format!("checking the health of {tag}"));
        let health = self
            .check_health_by(&wanted, &[])
            .map_err(|e| self.with_last_lines(e))?;
        Ok(Started {
            service: name,
            tag,
            started,
            health,
            warnings,
            recovered,
        })
    }

    fn daemon(&self) -> Result<&dyn Service> {
        self.service.ok_or_else(|| {
            Error::usage(format!(
                "{} has no [service] in node.toml, so relman neither starts nor stops its daemon",
                self.config.name
            ))
            .hint("say how: [service] with unit or start")
        })
    }
}

fn missing(name: &str, detail: &str) -> Error {
    Error::failed(format!(
        "{name} does not exist, so nobody knows whether the daemon runs"
    ))
    .caused_by(detail)
    .hint("relman node check")
}
