//! Whether `node.toml` fits the host: looks at everything and changes nothing.

use std::path::Path;

use serde::Serialize;

use super::Node;
use super::host::Found;
use super::units::recover_unit;
use crate::error::{Error, Result};

/// Something that is wrong, and one command that helps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// What was found and what was wanted.
    pub problem: String,
    /// One command to run, where there is one.
    pub hint: Option<String>,
}

impl Finding {
    pub(super) fn new(subject: &str, problem: impl Into<String>, hint: Option<String>) -> Self {
        Finding {
            subject: subject.into(),
            problem: problem.into(),
            hint,
        }
    }

    /// From an error, with its causes and hint.
    pub fn of(subject: &str, error: &Error) -> Self {
        let causes = error.causes().iter().map(|cause| format!("; {cause}"));
        let problem = format!("{}{}", error.message(), causes.collect::<String>());
        Finding::new(subject, problem, error.hint_text().map(str::to_owned))
    }
}

impl Node<'_> {
    /// Everything that would keep an install from working, or from being recovered.
    ///
    /// # Errors
    /// None now; each thing that cannot be found out is a finding.
    pub fn check(&self, file: &Path) -> Result<Vec<Finding>> {
        let mut found = Vec::new();
        for problem in self.host.lacking_permissions(&self.config.binaries) {
            let hint = Some("run as root: sudo relman node check".to_owned());
            found.push(Finding::new("permissions", problem, hint));
        }
        if let Err(error) = self.host.current() {
            found.push(Finding::of("state", &error));
        }
        match self.host.read_journal() {
            Ok(None) => {}
            Ok(Some(_)) => found.push(Finding::new(
                "state",
                "an earlier operation is unfinished",
                Some("relman recover".into()),
            )),
            Err(error) => found.push(Finding::of("state", &error)),
        }
        for binary in &self.config.binaries {
            let subject = format!("binary {}", binary.name);
            match self.host.inspect(binary) {
                Ok(Found::File { mode, .. }) if mode & 0o100 == 0 => {
                    let path = binary.path.display();
                    found.push(Finding::new(
                        &subject,
                        format!("{path} has mode {mode:o} and cannot be executed"),
                        Some(format!("chmod +x {path}")),
                    ));
                }
                Ok(_) => {}
                Err(error) => found.push(Finding::of(&subject, &error)),
            }
        }
        self.check_service(file, &mut found);
        if let Err(error) = self.releases.look() {
            found.push(Finding::of("store", &error));
        }
        Ok(found)
    }

    fn check_service(&self, file: &Path, found: &mut Vec<Finding>) {
        let Some(service) = self.service else {
            return;
        };
        match service.state() {
            Err(error) => return found.push(Finding::of("service", &error)),
            Ok(state) if state.missing => {
                let hint = Some("systemctl list-unit-files --type=service".into());
                return found.push(Finding::new(
                    "service",
                    format!("{} does not exist on this host", service.name()),
                    hint,
                ));
            }
            Ok(_) => {}
        }
        let facts = match service.facts() {
            Ok(Some(facts)) => facts,
            Ok(None) => return,
            Err(error) => return found.push(Finding::of("service", &error)),
        };
        if let Some(binary) = self.config.service_binary()
            && !facts.programs.is_empty()
            && !facts.programs.iter().any(|p| Path::new(p) == binary.path)
        {
            found.push(Finding::new(
                "service",
                format!(
                    "{} starts {}, wanted {}, which relman switches",
                    service.name(),
                    facts.programs.join(", "),
                    binary.path.display()
                ),
                Some(format!("systemctl cat {}", service.name())),
            ));
        }
        let recover = recover_unit(&self.config.name, file);
        if !facts.requires.contains(&recover) || !facts.after.contains(&recover) {
            found.push(Finding::new(
                "recovery",
                format!(
                    "{} does not wait for {recover}: after a power cut it could start between two states",
                    service.name()
                ),
                Some(format!("relman node units --write --config {}", file.display())),
            ));
        }
    }
}
