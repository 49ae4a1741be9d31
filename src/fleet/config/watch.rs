//! `[watch]`: what is looked at beside the nodes, and the addresses at which nodes are looked at from outside. Pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::NodeEntry;
use crate::limits::MAX_WATCH_SECONDS;
use crate::node::config::probe::{Auth, Endpoint, url_problems};

/// How long an alert counts that is not repeated, by default: five times what `relman monitor export` has it
/// repeated after.
const STALE_ALERTS: u64 = 300;
/// A label's value, in bytes.
const MAX_INSTANCE_LEN: usize = 255;

/// `[watch]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchConfig {
    /// A Prometheus server: its address, to which `/api/v1/query` is appended. None: nobody is asked.
    pub prometheus: Option<Endpoint>,
    /// Holds the token that an Alertmanager has to show.
    pub alertmanager_token: Option<PathBuf>,
    /// How long an alert counts that the Alertmanager does not repeat.
    pub alertmanager_stale: Duration,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWatch {
    prometheus: Option<String>,
    prometheus_user: Option<String>,
    prometheus_password_file: Option<PathBuf>,
    prometheus_token_file: Option<PathBuf>,
    prometheus_ca_file: Option<PathBuf>,
    alertmanager_token_file: Option<PathBuf>,
    alertmanager_stale_seconds: Option<u64>,
}

impl RawWatch {
    pub(super) fn check(self, dir: &Path, problems: &mut Vec<String>) -> WatchConfig {
        let stale = self.alertmanager_stale_seconds.unwrap_or(STALE_ALERTS);
        let mut wrong = |what: &str| problems.push(format!("watch: {what}"));
        if !(10..=MAX_WATCH_SECONDS).contains(&stale) {
            wrong(&format!(
                "alertmanager_stale_seconds is {stale}, wanted 10 to {MAX_WATCH_SECONDS}"
            ));
        }
        let auth = match (
            self.prometheus_user,
            self.prometheus_password_file,
            self.prometheus_token_file,
        ) {
            (None, None, None) => None,
            (Some(user), Some(file), None) => {
                if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
                    wrong("prometheus_user is empty or has a colon or a control character in it");
                }
                let file = dir.join(file);
                Some(Auth::Password { user, file })
            }
            (None, None, Some(file)) => Some(Auth::Token(dir.join(file))),
            _ => {
                wrong(
                    "wanted either prometheus_token_file, or prometheus_user and prometheus_password_file",
                );
                None
            }
        };
        let ca = self.prometheus_ca_file.map(|file| dir.join(file));
        let prometheus = match self.prometheus {
            None => {
                if auth.is_some() || ca.is_some() {
                    wrong("prometheus_… go with prometheus, which is missing");
                }
                None
            }
            Some(url) => {
                for problem in url_problems(&url, auth.is_some()) {
                    wrong(&format!("prometheus: {problem}"));
                }
                if url.contains('?') {
                    wrong("prometheus: url has a query, wanted where the server's pages begin");
                }
                if ca.is_some() && !url.starts_with("https://") {
                    wrong("prometheus_ca_file wants an https:// address");
                }
                Some(Endpoint {
                    url: url.trim_end_matches('/').into(),
                    auth,
                    ca,
                    pin: None,
                })
            }
        };
        WatchConfig {
            prometheus,
            alertmanager_token: self.alertmanager_token_file.map(|file| dir.join(file)),
            alertmanager_stale: Duration::from_secs(stale),
        }
    }
}

/// `host:port` of an address.
pub(super) fn authority(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    rest.split(['/', '?', '#']).next().filter(|a| !a.is_empty())
}

/// Checks where a node is looked at from outside.
pub(super) fn addresses(
    node: &str,
    urls: [(&str, &Option<String>); 2],
    instance: Option<&String>,
    problems: &mut Vec<String>,
) {
    for (key, url) in urls {
        let Some(url) = url else { continue };
        for problem in url_problems(url, false) {
            problems.push(format!("node {node}: {key}: {problem}"));
        }
    }
    if let Some(instance) = instance
        && (instance.is_empty()
            || instance.len() > MAX_INSTANCE_LEN
            || instance.chars().any(char::is_control))
    {
        problems.push(format!(
            "node {node}: instance is {instance:?}, wanted the value of a label"
        ));
    }
}

/// One instance is one node: else what Prometheus knows of one would be said of the other.
pub(super) fn unique_instances(nodes: &[NodeEntry], problems: &mut Vec<String>) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for node in nodes {
        if let Some(other) = seen.insert(node.instance(), &node.name)
            && other != node.name
        {
            problems.push(format!(
                "nodes {other} and {} have the same instance, {:?}",
                node.name,
                node.instance()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::FleetConfig;
    use super::*;

    const HEAD: &str = "[[environment]]\nname = \"local\"\n";

    fn fleet(watch: &str, nodes: &[&str]) -> Result<FleetConfig, Vec<String>> {
        let nodes: String = nodes
            .iter()
            .enumerate()
            .map(|(i, more)| {
                format!(
                    "[[node]]\nname = \"n{i}\"\nssh = \"n{i}\"\nenvironment = \"local\"\n{more}\n"
                )
            })
            .collect();
        FleetConfig::parse(&format!("{HEAD}{nodes}{watch}"), Path::new("/f"))
            .map_err(|e| e.causes().to_vec())
    }

    #[test]
    fn nothing_is_looked_at_beside_the_nodes_unless_it_is_named() {
        let config = fleet(
            "",
            &[
                "",
                "metrics = \"http://10.0.0.2:9100/metrics\"",
                "instance = \"b\"",
            ],
        );
        let config = config.unwrap();
        assert_eq!(config.watch.prometheus, None);
        assert_eq!(config.watch.alertmanager_stale, Duration::from_secs(300));
        let instances: Vec<&str> = config.nodes.iter().map(NodeEntry::instance).collect();
        assert_eq!(instances, ["n0", "10.0.0.2:9100", "b"]);
    }

    #[test]
    fn a_prometheus_may_want_a_password_or_a_token_and_never_in_the_file() {
        let watch = "[watch]\nprometheus = \"https://p.example.org/prom/\"\nprometheus_token_file = \"token\"\nprometheus_ca_file = \"ca.pem\"\n";
        let prometheus = fleet(watch, &[""]).unwrap().watch.prometheus.unwrap();
        assert_eq!(prometheus.url, "https://p.example.org/prom");
        assert_eq!(prometheus.auth, Some(Auth::Token("/f/token".into())));
        assert_eq!(prometheus.ca, Some("/f/ca.pem".into()));
        for (watch, wanted) in [
            ("prometheus = \"ftp://p\"", "no http:// or https://"),
            ("prometheus = \"http://me:secret@p\"", "credentials"),
            ("prometheus = \"http://p?a=b\"", "has a query"),
            (
                "prometheus = \"http://p.example.org\"\nprometheus_token_file = \"t\"",
                "could be read on the way",
            ),
            ("prometheus_user = \"me\"", "wanted either"),
            (
                "prometheus_token_file = \"t\"",
                "prometheus, which is missing",
            ),
            (
                "prometheus = \"http://127.0.0.1\"\nprometheus_ca_file = \"c\"",
                "wants an https://",
            ),
            ("alertmanager_stale_seconds = 1", "wanted 10 to"),
            ("prometheus_password = \"secret\"", ""),
        ] {
            let found = fleet(&format!("[watch]\n{watch}\n"), &[""]).unwrap_err();
            assert!(
                found.iter().any(|f| f.contains(wanted)),
                "{watch}: {found:?}"
            );
        }
    }

    #[test]
    fn two_nodes_cannot_be_one_instance_and_addresses_are_checked() {
        let found = fleet(
            "",
            &["instance = \"a:1\"", "metrics = \"http://a:1/metrics\""],
        );
        assert!(found.unwrap_err()[0].contains("same instance"));
        for more in [
            "metrics = \"a:1\"",
            "metrics = \"http://me:secret@a\"",
            "rpc = \"a\"",
            "instance = \"\"",
        ] {
            assert!(fleet("", &[more]).is_err(), "{more}");
        }
    }
}
