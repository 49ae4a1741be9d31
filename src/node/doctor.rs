//! Why a node does not start, connect or make blocks: the deployment guide's section on
//! troubleshooting as checks. Looks through the traits and changes nothing.

use core::net::SocketAddr;
use std::path::Path;

use super::Node;
use super::check::Finding;
use super::config::doctor::DoctorConfig;
use super::probe::judge::State;
use crate::Result;

/// What the checks ask of the host. What cannot be found out is an error, and a finding.
pub trait Examiner {
    /// Addresses on which somebody listens for TCP connections.
    fn listening(&self) -> Result<Vec<SocketAddr>>;
    /// Free and all bytes of the filesystem that holds `path`.
    fn space(&self, path: &Path) -> Result<(u64, u64)>;
    /// Whether the machine's clock is synchronised.
    fn clock_is_synchronised(&self) -> Result<bool>;
    /// Shared libraries that the program at `path` needs and the host does not have.
    fn missing_libraries(&self, path: &Path) -> Result<Vec<String>>;
    /// The firewall's rules in its own words; none where no firewall is known or it is off.
    fn firewall(&self) -> Result<Option<Firewall>>;
    /// Runs a command with a deadline; the inner error is what it said.
    fn run(&self, argv: &[String]) -> Result<std::result::Result<(), String>>;
}

/// A firewall that is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firewall {
    /// What it is called.
    pub name: String,
    /// What it lets through, one rule a line.
    pub rules: Vec<String>,
}

impl Firewall {
    /// Whether a rule lets TCP connections to `port` through.
    fn lets_through(&self, port: u16) -> bool {
        let (plain, tcp) = (port.to_string(), format!("{port}/tcp"));
        self.rules.iter().any(|rule| {
            let mut words = rule.split_whitespace();
            let to = words.next().unwrap_or_default();
            (to == plain || to == tcp) && words.any(|word| word == "ALLOW" || word == "LIMIT")
        })
    }
}

impl Node<'_> {
    /// Everything that `node check` and `status` find, and what the host is like.
    ///
    /// # Errors
    /// Kind failed: the state directory cannot be read at all.
    pub fn doctor(&self, file: &Path, examiner: &dyn Examiner) -> Result<Vec<Finding>> {
        let mut found = self.check(file)?;
        let status = self.status()?;
        let known: Vec<String> = found.iter().map(|f| f.problem.clone()).collect();
        for problem in status.problems {
            if !known.iter().any(|k| k.contains(&problem)) {
                found.push(Finding::new(
                    "status",
                    problem,
                    Some("relman status".into()),
                ));
            }
        }
        // Only of verified bytes: asking for libraries runs a program's loader.
        if status.current.is_some_and(|current| current.whole) {
            self.examine_binaries(examiner, &mut found);
        }
        self.examine_probes(&mut found);
        let doctor = &self.config.doctor;
        ports(doctor, examiner, &mut found);
        self.examine_space(doctor, examiner, &mut found);
        match examiner.clock_is_synchronised() {
            Ok(true) => {}
            Ok(false) => found.push(Finding::new(
                "clock",
                "the clock is not synchronised: signatures and blocks are judged by it",
                Some("timedatectl set-ntp true".into()),
            )),
            Err(error) => found.push(Finding::of("clock", &error)),
        }
        if let Some(argv) = &doctor.config_check {
            match examiner.run(argv) {
                Ok(Ok(())) => {}
                Ok(Err(said)) => found.push(Finding::new(
                    "configuration",
                    format!("{} says: {said}", argv.join(" ")),
                    Some(argv.join(" ")),
                )),
                Err(error) => found.push(Finding::of("configuration", &error)),
            }
        }
        Ok(found)
    }

    /// Height, peers, log and whatever else `node.toml` has probes for.
    fn examine_probes(&self, found: &mut Vec<Finding>) {
        // What does not run, or is not installed, is said by the status.
        if self.config.probes.is_empty() || !matches!(self.host.current(), Ok(Some(_))) {
            return;
        }
        match self.look_at_health() {
            Ok(look) => found.extend(
                look.probes
                    .iter()
                    .filter(|probe| probe.state != State::Healthy)
                    .map(|probe| Finding::new("probe", probe.line(), Some("relman health".into()))),
            ),
            Err(error) => found.push(Finding::of("probe", &error)),
        }
    }

    fn examine_binaries(&self, examiner: &dyn Examiner, found: &mut Vec<Finding>) {
        for binary in &self.config.binaries {
            let subject = format!("binary {}", binary.name);
            match examiner.missing_libraries(&binary.path) {
                Ok(missing) if missing.is_empty() => {}
                Ok(missing) => found.push(Finding::new(
                    &subject,
                    format!(
                        "needs libraries that this host does not have: {}",
                        missing.join(", ")
                    ),
                    Some(format!("ldd {}", binary.path.display())),
                )),
                Err(error) => found.push(Finding::of(&subject, &error)),
            }
        }
    }

    fn examine_space(
        &self,
        doctor: &DoctorConfig,
        examiner: &dyn Examiner,
        found: &mut Vec<Finding>,
    ) {
        for path in std::iter::once(&self.config.state).chain(&doctor.paths) {
            match examiner.space(path) {
                Ok((free, all)) => {
                    let percent = free.saturating_mul(100) / all.max(1);
                    if percent < doctor.min_free_percent {
                        found.push(Finding::new(
                            "disk",
                            format!(
                                "{free} of {all} bytes are free for {}, {percent} %, wanted at least {} %",
                                path.display(),
                                doctor.min_free_percent
                            ),
                            Some(format!("df -h {}", path.display())),
                        ));
                    }
                }
                Err(error) => found.push(Finding::of("disk", &error)),
            }
        }
    }
}

fn ports(doctor: &DoctorConfig, examiner: &dyn Examiner, found: &mut Vec<Finding>) {
    if doctor.listen.is_empty() {
        return;
    }
    match examiner.listening() {
        Ok(open) => {
            for wanted in &doctor.listen {
                let covers = |have: &SocketAddr| {
                    have.port() == wanted.port()
                        && (have.ip() == wanted.ip()
                            || have.ip().is_unspecified()
                            || wanted.ip().is_unspecified())
                };
                if !open.iter().any(covers) {
                    found.push(Finding::new(
                        "ports",
                        format!("nobody listens on {wanted}"),
                        Some("ss -tlnp".into()),
                    ));
                }
            }
        }
        Err(error) => found.push(Finding::of("ports", &error)),
    }
    match examiner.firewall() {
        Ok(Some(firewall)) => {
            let outside = doctor.listen.iter().filter(|at| !at.ip().is_loopback());
            for wanted in outside.filter(|at| !firewall.lets_through(at.port())) {
                found.push(Finding::new(
                    "firewall",
                    format!(
                        "{} has no rule that lets port {} through",
                        firewall.name,
                        wanted.port()
                    ),
                    Some(format!("ufw allow {}/tcp", wanted.port())),
                ));
            }
        }
        Ok(None) => {}
        Err(error) => found.push(Finding::of("firewall", &error)),
    }
}
