//! The status of a node for people. Text only.

use super::super::record::Origin;
use super::{Status, VersionStatus};

impl Status {
    /// The report for people.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("node      {} ({})", self.name, self.environment)];
        match &self.current {
            Some(v) => lines.push(format!("current   {}", v.line())),
            None => lines.push("current   none".into()),
        }
        if let Some(agreed) = &self.agreed {
            let verdict = match self.drift {
                Some(true) => "DRIFT",
                _ => "as it should be",
            };
            lines.push(format!("agreed    {agreed}, {verdict}"));
        }
        if let Some(minimum) = &self.minimum {
            lines.push(format!("floor     nothing before {minimum}"));
        }
        for binary in &self.binaries {
            let verdict = match (binary.sha256, binary.verified_sha256) {
                (Some(found), Some(wanted)) if found == wanted => "digest ok",
                (Some(_), Some(_)) => "WRONG DIGEST",
                (Some(_), None) => "digest unknown",
                (None, _) => "nothing there",
            };
            lines.push(format!(
                "binary    {} ({}), {verdict}",
                binary.path, binary.link
            ));
        }
        if let Some(service) = &self.service {
            lines.push(match service.pid {
                Some(pid) => format!(
                    "service   {}: process {pid} since {}, {}",
                    service.name,
                    service.started.as_deref().unwrap_or("unknown"),
                    match (service.exe_sha256, service.verified_sha256) {
                        (Some(found), Some(wanted)) if found == wanted => "runs the verified bytes",
                        (Some(_), Some(_)) => "RUNS OTHER BYTES",
                        _ => "what it runs is unknown",
                    }
                ),
                None => format!(
                    "service   {}: not running ({})",
                    service.name, service.detail
                ),
            });
        }
        for version in &self.retained {
            let mark = if self.rollback.as_ref() == Some(&version.tag) {
                "rollback "
            } else {
                "retained "
            };
            lines.push(format!("{mark} {}", version.line()));
        }
        if let (Some(newest), Some(made)) = (&self.backups.newest, &self.backups.made) {
            lines.push(format!(
                "backups   {}, the newest {newest} of {made}",
                self.backups.count
            ));
        }
        if self.rollback.is_none() && self.current.is_some() {
            lines.push("rollback  nothing to go back to by default".into());
        }
        if let Some(at) = &self.refreshed {
            let expires = self.metadata.iter().map(|term| term.expires).min();
            let until = expires.map_or(String::new(), |at| format!(", good until {at}"));
            lines.push(format!("metadata  last refreshed {at}{until}"));
        }
        lines.extend(self.receipts.lines());
        lines.extend(self.warnings.iter().map(|w| format!("warning   {w}")));
        lines.extend(self.problems.iter().map(|p| format!("problem   {p}")));
        lines
    }
}

impl VersionStatus {
    fn line(&self) -> String {
        let origin = match self.origin {
            Some(Origin::Verified) => "verified",
            Some(Origin::Adopted) => "adopted, no signature covers it",
            None => "not verified",
        };
        let files = if self.whole { "files ok" } else { "NOT WHOLE" };
        let at = match (&self.current_since, &self.installed_at) {
            (Some(since), _) => format!(", current since {since}"),
            (None, Some(at)) => format!(", installed {at}"),
            (None, None) => String::new(),
        };
        format!("{} ({origin}, {files}{at})", self.tag)
    }
}
