//! The health gate: the daemon runs the verified bytes and stays up, and every probe is healthy.
//!
//! Looks only through the traits. Unknown is not healthy: no answer is never a pass.

mod main_process;

use std::time::Duration;

use serde::Serialize;

use self::main_process::{MainProcess, Standing};
use super::Node;
use super::config::probe::ProbeConfig;
use super::host::{Found, Process, Service};
use super::probe::judge::State;
use super::probe::look::Subject;
use super::probe::rounds::{ProbeReport, Rounds};
use super::record::{FileRecord, Origin, rfc3339, version_of_tag};
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
    /// How each probe stood, the built-in ones first.
    pub probes: Vec<ProbeReport>,
}

/// One look of all probes.
#[derive(Clone, Debug, Serialize)]
pub struct HealthLook {
    /// The version that is current.
    pub tag: String,
    /// Every probe is healthy.
    pub healthy: bool,
    /// How each probe stands, the built-in ones first.
    pub probes: Vec<ProbeReport>,
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
        self.check_health_by(wanted, &self.config.probes)
    }

    /// [`Node::check_health`] with these probes beside the built-in ones.
    pub(super) fn check_health_by(
        &self,
        wanted: &Wanted,
        configured: &[ProbeConfig],
    ) -> Result<HealthReport> {
        let (Some(service), Some(binary)) = (self.service, self.config.service_binary()) else {
            return self.check_paths(wanted);
        };
        let digest = self.service_digest(wanted, &binary.name)?;
        let (process, mut probes) = self.wait_until_healthy(service, digest, configured)?;
        let stable = self.config.health.stable.as_secs();
        let mut checked = format!(
            "process {} runs {} and stayed up {stable} s",
            process.pid, binary.name
        );
        let mut built_in = self.process_reports(service, &process, &binary.name, digest);
        if wanted.origin == Origin::Verified
            && let Some(args) = &self.config.health.version
        {
            let answer = self.check_version(wanted.tag, &binary.name, args)?;
            checked.push_str(&format!(", version {answer}"));
            built_in.push(self.report("version", State::Healthy, answer, String::new()));
        }
        if !probes.is_empty() {
            checked.push_str(&format!(", {} probe(s) healthy", probes.len()));
        }
        built_in.append(&mut probes);
        Ok(HealthReport {
            pid: Some(process.pid),
            exe_sha256: Some(digest),
            checked,
            probes: built_in,
        })
    }

    /// Every probe once, and again only where one look cannot tell. Changes nothing.
    ///
    /// # Errors
    /// Kind failed: nothing is installed, or what is cannot be read.
    pub fn look_at_health(&self) -> Result<HealthLook> {
        let (tag, retained) = self.installed()?;
        let wanted = Wanted {
            tag: &tag,
            origin: retained.record.origin,
            files: &retained.files,
        };
        let (mut probes, process) = match (self.service, self.config.service_binary()) {
            (Some(service), Some(binary)) => {
                let digest = self.service_digest(&wanted, &binary.name)?;
                self.look_at_process(service, &wanted, &binary.name, digest)?
            }
            _ => {
                let (state, why) = match self.check_paths(&wanted) {
                    Ok(_) => (State::Healthy, String::new()),
                    Err(error) => (State::Unhealthy, error.to_string()),
                };
                (
                    vec![self.report("binary", state, "files at their paths".into(), why)],
                    None,
                )
            }
        };
        probes.extend(self.look_of_probes(process.as_ref())?);
        Ok(HealthLook {
            healthy: probes.iter().all(|probe| probe.state == State::Healthy),
            tag,
            probes,
        })
    }

    /// Digest that the service's main process has to run.
    pub(super) fn service_digest(&self, wanted: &Wanted, binary: &str) -> Result<Sha256> {
        let file = wanted.files.iter().find(|f| f.path == binary);
        file.map(|file| file.sha256).ok_or_else(|| {
            Error::failed(format!(
                "{} has no binary {binary}, which the service runs",
                wanted.tag
            ))
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
            probes: Vec::new(),
        })
    }

    /// The daemon, as probes see it.
    pub(super) fn subject(&self, process: Option<&Process>) -> Subject {
        Subject {
            started: process.map_or_else(|| self.host.now(), |process| process.started),
            log: match (self.service, process) {
                (Some(service), Some(process)) => Some(service.log(process.started)),
                _ => None,
            },
            dir: self.config.dir.clone(),
        }
    }

    fn wait_until_healthy(
        &self,
        service: &dyn Service,
        digest: Sha256,
        configured: &[ProbeConfig],
    ) -> Result<(Process, Vec<ProbeReport>)> {
        let health = &self.config.health;
        let begin = self.host.uptime();
        let began = self.host.now();
        let looks = self.host.looks();
        let mut main = MainProcess::new(service, self.host, digest, health.timeout);
        let mut rounds: Option<(Process, Rounds)> = None;
        let longest = configured.iter().map(|p| p.pace.deadline).max();
        // Probes that take turns in being healthy do not keep anybody waiting for ever.
        let limit = health.timeout + health.stable + longest.unwrap_or_default() * 2;
        let mut pause = PAUSES.0;
        loop {
            let now = self.host.uptime().saturating_sub(begin);
            match main.look(now)? {
                Standing::Up(process, since) => {
                    let subject = || self.subject(Some(&process));
                    match &mut rounds {
                        Some((before, _)) if *before == process => {}
                        Some((before, rounds)) => {
                            *before = process.clone();
                            rounds.restart(subject(), now);
                        }
                        none => {
                            let made = Rounds::new(configured, &*looks, subject(), now);
                            *none = Some((process.clone(), made));
                        }
                    }
                    let Some((_, rounds)) = &mut rounds else {
                        return Err(Error::bug("no probes for a process that is up"));
                    };
                    rounds.turn(now, self.say);
                    let healthy = rounds.are_healthy();
                    if healthy && now.saturating_sub(since) >= health.stable {
                        main.check_exe(&process)?;
                        return Ok((process, rounds.reports(began)));
                    }
                    if rounds.have_failed(now) || (!healthy && now >= limit) {
                        return Err(not_healthy(&service.name(), &rounds.reports(began)));
                    }
                }
                Standing::Waiting(what) if now >= health.timeout => {
                    return Err(Error::failed(format!(
                        "{} was not healthy within {} s",
                        service.name(),
                        health.timeout.as_secs()
                    ))
                    .caused_by(what));
                }
                Standing::Waiting(_) => {}
            }
            self.host.pause(pause.min(health.timeout));
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// The configured probes, until each could tell.
    fn look_of_probes(&self, process: Option<&Process>) -> Result<Vec<ProbeReport>> {
        let (begin, began) = (self.host.uptime(), self.host.now());
        let mut probes = self.config.probes.clone();
        for probe in &mut probes {
            (probe.pace.successes, probe.pace.samples) = (1, 1);
        }
        let looks = self.host.looks();
        let mut rounds = Rounds::new(&probes, &*looks, self.subject(process), Duration::ZERO);
        loop {
            let now = self.host.uptime().saturating_sub(begin);
            rounds.turn(now, self.say);
            if rounds.have_told(now) {
                return Ok(rounds.reports(began));
            }
            self.host.pause(PAUSES.0);
        }
    }

    fn look_at_process(
        &self,
        service: &dyn Service,
        wanted: &Wanted,
        binary: &str,
        digest: Sha256,
    ) -> Result<(Vec<ProbeReport>, Option<Process>)> {
        let mut main = MainProcess::new(service, self.host, digest, Duration::MAX);
        let (mut probes, process) = match main.look(Duration::ZERO) {
            Ok(Standing::Up(process, _)) => (
                self.process_reports(service, &process, binary, digest),
                Some(process),
            ),
            Ok(Standing::Waiting(why)) => self.look_at_other(service, why),
            Err(error) => self.look_at_other(service, error.to_string()),
        };
        if wanted.origin == Origin::Verified
            && let Some(args) = &self.config.health.version
        {
            let (state, value, why) = match self.check_version(wanted.tag, binary, args) {
                Ok(answer) => (State::Healthy, answer, String::new()),
                Err(error) => (State::Unhealthy, String::new(), error.to_string()),
            };
            probes.push(self.report("version", state, value, why));
        }
        Ok((probes, process))
    }

    /// A service whose process is gone, or runs other bytes, or nobody can tell.
    fn look_at_other(
        &self,
        service: &dyn Service,
        why: String,
    ) -> (Vec<ProbeReport>, Option<Process>) {
        let state = service.state();
        let found = state.as_ref().ok().and_then(|state| state.pid);
        let process = found.and_then(|pid| self.host.process(pid).ok().flatten());
        let name = service.name();
        let probes = match (&process, state) {
            (Some(process), _) => {
                let exe = self.host.exe_digest(process.pid);
                let known = if matches!(exe, Ok(Some(_))) {
                    State::Unhealthy
                } else {
                    State::Unknown
                };
                let value = format!("process {}", process.pid);
                vec![
                    self.report(
                        "systemd",
                        State::Healthy,
                        format!("{name}, {value}"),
                        String::new(),
                    ),
                    self.report("binary", known, value, why),
                ]
            }
            (None, Ok(_)) => vec![
                self.report("systemd", State::Unhealthy, name, why.clone()),
                self.report("binary", State::Unknown, String::new(), why),
            ],
            (None, Err(_)) => vec![
                self.report("systemd", State::Unknown, name, why.clone()),
                self.report("binary", State::Unknown, String::new(), why),
            ],
        };
        (probes, process)
    }

    fn process_reports(
        &self,
        service: &dyn Service,
        process: &Process,
        binary: &str,
        digest: Sha256,
    ) -> Vec<ProbeReport> {
        let up = format!(
            "{}, process {} since {}",
            service.name(),
            process.pid,
            rfc3339(process.started)
        );
        vec![
            self.report("systemd", State::Healthy, up, String::new()),
            self.report(
                "binary",
                State::Healthy,
                format!("{binary} {digest}"),
                String::new(),
            ),
        ]
    }

    fn report(&self, name: &'static str, state: State, value: String, why: String) -> ProbeReport {
        ProbeReport {
            name: name.into(),
            kind: name,
            state,
            value,
            samples: 1,
            since: rfc3339(self.host.now()),
            why,
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

fn not_healthy(service: &str, reports: &[ProbeReport]) -> Error {
    let others = reports
        .iter()
        .filter(|report| report.state != State::Healthy);
    let error = Error::failed(format!("{service} runs, and its probes are not healthy"));
    others.fold(error, |error, report| {
        error.caused_by(format!("probe {}", report.line()))
    })
}
