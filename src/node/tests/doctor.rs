//! What ails a node, on a host in memory.

use core::net::SocketAddr;
use std::path::Path;

use super::{ONE, install};
use crate::error::{Error, Result};
use crate::node::check::Finding;
use crate::node::config::NodeConfig;
use crate::node::doctor::{Examiner, Firewall};
use crate::node::fake::{CONFIG, Fake};

/// A host on which everything is as it should be, but for what a test changes.
struct Host {
    listening: Vec<SocketAddr>,
    free_percent: u64,
    synchronised: Option<bool>,
    missing: Vec<String>,
    rules: Option<Vec<String>>,
    syntax: std::result::Result<(), String>,
}

fn well() -> Host {
    Host {
        listening: vec![
            "0.0.0.0:24100".parse().unwrap(),
            "127.0.0.1:24101".parse().unwrap(),
        ],
        free_percent: 50,
        synchronised: Some(true),
        missing: Vec::new(),
        rules: Some(vec![
            "24100/tcp                  ALLOW       Anywhere".into(),
        ]),
        syntax: Ok(()),
    }
}

impl Examiner for Host {
    fn listening(&self) -> Result<Vec<SocketAddr>> {
        Ok(self.listening.clone())
    }
    fn space(&self, _: &Path) -> Result<(u64, u64)> {
        Ok((self.free_percent * 10, 1000))
    }
    fn clock_is_synchronised(&self) -> Result<bool> {
        self.synchronised
            .ok_or_else(|| Error::failed("nobody knows the time"))
    }
    fn missing_libraries(&self, _: &Path) -> Result<Vec<String>> {
        Ok(self.missing.clone())
    }
    fn firewall(&self) -> Result<Option<Firewall>> {
        Ok(self.rules.clone().map(|rules| Firewall {
            name: "ufw".into(),
            rules,
        }))
    }
    fn run(&self, _: &[String]) -> Result<std::result::Result<(), String>> {
        Ok(self.syntax.clone())
    }
}

fn config() -> NodeConfig {
    let text = format!(
        "{CONFIG}\n[doctor]\nlisten = [\"0.0.0.0:24100\", \"127.0.0.1:24101\"]\nconfig_check = [\"/bin/timed\", \"--check\"]\n"
    );
    NodeConfig::parse(&text, Path::new("/etc/relman")).unwrap()
}

fn findings(fake: &Fake, host: &Host) -> Vec<Finding> {
    let config = config();
    fake.with_config(&config, |n| {
        n.doctor(Path::new("/etc/relman/node.toml"), host)
    })
    .unwrap()
}

#[test]
fn a_node_that_is_well_has_no_findings() {
    let fake = Fake::new();
    install(&fake, ONE);
    assert_eq!(findings(&fake, &well()), []);
}

#[test]
fn each_ailment_has_a_finding_of_its_own_with_one_command_to_run() {
    let fake = Fake::new();
    install(&fake, ONE);
    let cases: [(&str, &str, Host); 7] = [
        (
            "ports",
            "ss",
            Host {
                listening: vec!["127.0.0.1:24100".parse().unwrap()],
                ..well()
            },
        ),
        (
            "disk",
            "df",
            Host {
                free_percent: 9,
                ..well()
            },
        ),
        (
            "clock",
            "timedatectl",
            Host {
                synchronised: Some(false),
                ..well()
            },
        ),
        (
            "clock",
            "",
            Host {
                synchronised: None,
                ..well()
            },
        ),
        (
            "binary timed",
            "ldd /bin/timed",
            Host {
                missing: vec!["libssl.so.3".into()],
                ..well()
            },
        ),
        (
            "firewall",
            "ufw allow 24100/tcp",
            Host {
                rules: Some(vec!["22/tcp ALLOW Anywhere".into()]),
                ..well()
            },
        ),
        (
            "configuration",
            "/bin/timed --check",
            Host {
                syntax: Err("line 3".into()),
                ..well()
            },
        ),
    ];
    for (subject, hint, host) in cases {
        let found = findings(&fake, &host);
        let one = found.iter().find(|f| f.subject == subject);
        let one = one.unwrap_or_else(|| panic!("no {subject} in {found:?}"));
        let said = one.hint.clone().unwrap_or_default();
        assert!(said.starts_with(hint), "{subject}: {said}");
    }
}

#[test]
fn a_firewall_that_is_off_or_a_port_that_nobody_outside_uses_is_no_finding() {
    let fake = Fake::new();
    install(&fake, ONE);
    let off = Host {
        rules: None,
        ..well()
    };
    assert_eq!(findings(&fake, &off), []);
}

#[test]
fn what_the_status_finds_is_found() {
    let fake = Fake::new();
    install(&fake, ONE);
    fake.0.borrow_mut().running = None;
    let found = findings(&fake, &well());
    assert!(
        found.iter().any(|f| f.problem.contains("does not run")),
        "{found:?}"
    );
}
