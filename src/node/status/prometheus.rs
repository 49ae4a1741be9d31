//! The status of a node as Prometheus text, for node_exporter's textfile collector. Text only.
//!
//! Format: <https://prometheus.io/docs/instrumenting/exposition_formats/>, version 0.0.4.

use std::fmt::Write;

use jiff::Timestamp;

use super::super::history::Outcome;
use super::Status;

impl Status {
    /// All metrics, each with the node's name. What is not known has no sample, so that an alert on
    /// its absence fires.
    pub fn prometheus(&self, now: Timestamp) -> String {
        let mut page = Page {
            text: String::new(),
            node: escape(&self.name),
        };
        let current = self.current.as_ref().map_or("", |v| v.tag.as_str());
        page.about(
            "relman_node_info",
            "What the node is, and the release that is current.",
        );
        let labels = format!(
            ",environment=\"{}\",release=\"{}\",agreed=\"{}\"",
            escape(&self.environment),
            escape(current),
            escape(self.agreed.as_deref().unwrap_or_default())
        );
        page.sample("relman_node_info", &labels, 1);
        page.one(
            "relman_node_problems",
            "Problems that relman status finds.",
            self.problems.len() as i64,
        );
        page.one(
            "relman_node_unfinished",
            "1 while an operation is under way or was interrupted.",
            i64::from(self.unfinished.is_some()),
        );
        if let Some(current) = &self.current {
            page.one(
                "relman_node_release_whole",
                "1 if the current release's evidence verifies and its files are the verified ones.",
                i64::from(current.whole),
            );
        }
        if let Some(drift) = self.drift {
            page.one(
                "relman_node_drift",
                "1 if another release is current than the one that was agreed on.",
                i64::from(drift),
            );
        }
        if self.agreed.is_some() {
            page.one(
                "relman_node_halted",
                "1 if installs in the environment are stopped, as far as this node knows.",
                i64::from(self.halted.is_some()),
            );
        }
        if let Some(service) = &self.service {
            page.one(
                "relman_node_daemon_up",
                "1 if the daemon has a main process.",
                i64::from(service.pid.is_some()),
            );
            if let (Some(found), Some(wanted)) = (service.exe_sha256, service.verified_sha256) {
                page.one(
                    "relman_node_daemon_verified",
                    "1 if the running process executes the verified bytes.",
                    i64::from(found == wanted),
                );
            }
        }
        page.one(
            "relman_node_retained_releases",
            "Releases that can be gone back to.",
            self.retained.iter().filter(|v| v.whole).count() as i64,
        );
        page.one(
            "relman_node_rollback_ready",
            "1 if relman rollback has a release to go to.",
            i64::from(self.rollback.is_some()),
        );
        page.one(
            "relman_node_backups",
            "Backups whose manifests are whole.",
            self.backups.count as i64,
        );
        let made = self
            .backups
            .made
            .as_ref()
            .and_then(|at| at.parse::<Timestamp>().ok());
        if let Some(made) = made {
            page.one(
                "relman_node_newest_backup_timestamp_seconds",
                "When the newest of them was made.",
                made.as_second(),
            );
        }
        self.metadata_and_last(&mut page);
        page.one(
            "relman_node_status_timestamp_seconds",
            "When this was written.",
            now.as_second(),
        );
        page.text
    }

    fn metadata_and_last(&self, page: &mut Page) {
        let name = "relman_node_metadata_expiry_timestamp_seconds";
        page.about(name, "When the stored metadata of a role expires.");
        for term in &self.metadata {
            let labels = format!(",role=\"{}\"", escape(&term.role));
            page.sample(name, &labels, term.expires.as_second());
        }
        let Some(last) = &self.last else {
            return;
        };
        if let Ok(at) = last.at.parse::<Timestamp>() {
            let outcome = match last.outcome {
                Outcome::Committed => "committed",
                Outcome::Reverted => "reverted",
                Outcome::Unhealthy => "unhealthy",
            };
            let name = "relman_node_last_operation_timestamp_seconds";
            page.about(name, "When the last install or rollback ended.");
            let labels = format!(
                ",operation=\"{}\",outcome=\"{outcome}\",release=\"{}\"",
                last.operation.name(),
                escape(&last.tag)
            );
            page.sample(name, &labels, at.as_second());
        }
        if let Some(ms) = last.downtime_ms {
            page.one(
                "relman_node_last_downtime_milliseconds",
                "How long the daemon was away in it.",
                i64::try_from(ms).unwrap_or(i64::MAX),
            );
        }
    }
}

struct Page {
    text: String,
    node: String,
}

impl Page {
    fn about(&mut self, name: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    fn sample(&mut self, name: &str, labels: &str, value: i64) {
        let _ = writeln!(
            self.text,
            "{name}{{node=\"{}\"{labels}}} {value}",
            self.node
        );
    }

    fn one(&mut self, name: &str, help: &str, value: i64) {
        self.about(name, help);
        self.sample(name, "", value);
    }
}

/// A label's value.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
