//! The daemon of the host in memory.

use jiff::Timestamp;

use super::Fake;
use crate::error::{Error, Result};
use crate::node::host::{Service, ServiceState, Stop};
use crate::node::probe::LogSource;

impl Service for Fake {
    fn name(&self) -> String {
        "timed".into()
    }
    fn start(&self) -> Result<()> {
        self.mutate(|w| {
            let program = w.program();
            w.starts += 1;
            w.running = program.filter(|p| !w.crashing.contains(p));
            Ok(())
        })
    }
    fn start_later(&self) -> Result<()> {
        self.mutate(|w| {
            w.queued = true;
            Ok(())
        })
    }
    fn stop(&self, at_once: bool) -> Result<Stop> {
        self.mutate(|w| {
            w.stops_at_once += u64::from(at_once);
            if w.unstoppable && w.running.is_some() {
                return Err(Error::failed("the daemon does not end"));
            }
            let killed = w.hung && w.running.is_some();
            Ok(match w.running.take() {
                None => Stop::Idle,
                Some(_) if killed => Stop::Killed("it hung".into()),
                Some(_) => Stop::Graceful,
            })
        })
    }
    fn state(&self) -> Result<ServiceState> {
        {
            let mut world = self.0.borrow_mut();
            world.starts += u64::from(world.flapping);
        }
        self.read(|w| ServiceState {
            pid: w.running.as_ref().map(|_| 100 + w.starts as u32),
            stopped: w.running.is_none() && w.stopped,
            missing: w.no_unit,
            restarts: w.restarts,
            detail: "in memory".into(),
            ..ServiceState::default()
        })
    }
    fn last_lines(&self, _: usize) -> Vec<String> {
        vec!["cannot go on".into()]
    }
    fn log(&self, _: Timestamp) -> LogSource {
        LogSource::File {
            path: "/log".into(),
            from: Some(0),
        }
    }
}
