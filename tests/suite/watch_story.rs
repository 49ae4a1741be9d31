//! A real Prometheus watches real nodes, a real Alertmanager says so, and relman rolls the fleet back by itself.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::common::fleet_machines::{Fleet, Setup, two_releases};
use crate::common::fleet_steps::rolling;
use crate::common::prometheus::{Prometheus, Settings};
use crate::common::relman::{SECOND, TAG};
use crate::common::{PATIENCE, wait_for};
use relman::watch::policy::template;

const COUNT: usize = 3;

/// The guide's matrix, but that a critical error goes back, and that nobody waits.
fn policy() -> String {
    let step = "# Page on call, prepare the way back.\nstep = [{ after_seconds = 0, action = \"prepare\" }]";
    let text = template();
    assert!(text.contains(step), "the matrix has changed");
    text.replace(step, &step.replace("\"prepare\"", "\"roll-back\""))
        .replace("\ninterval_seconds = 15", "\ninterval_seconds = 1")
        .replace("\nstale_seconds = 60", "\nstale_seconds = 20")
}

/// A running program; it stops when dropped.
struct Running(Child);

impl Running {
    /// How it ends; what `tells` says where it does not.
    fn ends(&mut self, tells: impl Fn() -> String) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().expect("a child can be asked") {
                return status;
            }
            assert!(Instant::now() < until, "it does not end: {}", tells());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn alertmanager(config: &str, dir: &Path, port: u16) -> Running {
    let log = fs::File::create(dir.join("alertmanager.log")).expect("a file");
    let child = Command::new("prometheus-alertmanager")
        .arg(format!("--config.file={config}"))
        .arg(format!(
            "--storage.path={}",
            dir.join("alertmanager").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    Running(child.expect("it starts (apt install prometheus-alertmanager)"))
}

/// Ports that nobody has, on the operator's side.
fn free_ports(fleet: &Fleet) -> [u16; 2] {
    fleet.inside(|| {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port is free"));
        listeners.map(|l| l.local_addr().expect("an address").port())
    })
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip, ssh, prometheus and prometheus-alertmanager"]
fn an_alert_of_a_real_prometheus_rolls_a_real_fleet_back() {
    let setup = Setup {
        count: COUNT,
        ..rolling("")
    };
    let fleet = Fleet::new(two_releases("story-watch"), &setup);
    fleet.install_everywhere(TAG);
    fleet.project.write("watch.toml", &policy());
    fleet
        .project
        .relman(&["root", "watch", "watch.toml", "--yes"])
        .exits(0);
    let token = fleet.operators("token");
    fs::write(&token, "a-token-of-32-characters-or-more\n").expect("a token");
    fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("a mode");
    fleet.edit(
        "[ssh]\n",
        &format!(
            "[watch]\nalertmanager_token_file = \"{}\"\n[ssh]\n",
            token.display()
        ),
    );
    a_vulnerability_ends_the_rollout_that_is_watched(&fleet);
    fleet.upgrade(SECOND).exits(0).says(&["phase2"]);
    fleet.tells_the_truth(Some(SECOND));

    // What the team's own Prometheus and Alertmanager get from the policy.
    let [webhook, manager] = free_ports(&fleet);
    let (rules, routes) = (
        fleet.operators("rules.yml"),
        fleet.operators("alertmanager.yml"),
    );
    let (rules, routes) = (rules.display().to_string(), routes.display().to_string());
    let export = ["monitor", "export"];
    fleet
        .relman(
            &[
                &export[..],
                &["prometheus", "--env", "local", "--out", &rules],
            ]
            .concat(),
        )
        .exits(0);
    let to = format!("http://127.0.0.1:{webhook}/");
    let credentials = token.display().to_string();
    fleet
        .relman(
            &[
                &export[..],
                &["alertmanager", "--env", "local", "--out", &routes],
                &["--webhook", &to, "--credentials", &credentials],
            ]
            .concat(),
        )
        .exits(0);
    let targets: Vec<String> = fleet
        .nodes()
        .iter()
        .map(|n| format!("{}:24101", n.address))
        .collect();
    let settings = Settings::scraping(&targets)
        .labels(&[("environment", "local")])
        .more(&format!(
            "rule_files: ['{rules}']\nalerting:\n  alertmanagers:\n    - static_configs:\n        - targets: ['127.0.0.1:{manager}']\n"
        ));
    let dir = fleet.operators("");
    let _manager = fleet.inside(|| alertmanager(&routes, &dir, manager));
    let prometheus = fleet.inside(|| Prometheus::start(&dir, settings));
    wait_for("a scrape of all nodes", || {
        let up = fleet.inside(|| prometheus.query("errors_total"));
        (up.len() >= 2 * COUNT).then_some(())
    });

    // Somebody watches, in real time, and may act.
    let mut command = fleet.command(&[
        "watch",
        "--env",
        "local",
        "--act",
        "--alertmanager",
        &format!("127.0.0.1:{webhook}"),
        "--json-lines",
    ]);
    let events = fleet.operators("events.jsonl");
    let errors = fleet.operators("watch.stderr");
    command
        .env_remove("RELMAN_INSECURE_NOW")
        .stdin(Stdio::null())
        .stdout(fs::File::create(&events).expect("a file"))
        .stderr(fs::File::create(&errors).expect("a file"));
    let mut watching = Running(command.spawn().expect("relman runs"));
    let told = || fs::read_to_string(&events).unwrap_or_default();
    wait_for("the first look", || {
        told().contains("\"verdict\"").then_some(())
    });
    assert!(!told().contains("roll-back\""), "{}", told());

    // The second node's daemon begins to log critical errors.
    let n2 = &fleet.node(2).machine;
    let config = n2.path("/etc/timed/n2.conf");
    let text = fs::read_to_string(&config).expect("a configuration");
    fs::write(&config, format!("{text}fail = error-lines=5\n")).expect("a configuration");
    n2.run(&["systemctl", "restart", "timed@n2.service"])
        .exits(0);
    let ended = watching.ends(|| {
        let alerts = fleet.inside(|| prometheus.query("ALERTS"));
        let log = fs::read_to_string(dir.join("alertmanager.log")).unwrap_or_default();
        let last: Vec<String> = told().lines().rev().take(2).map(str::to_owned).collect();
        format!(
            "{alerts:#?}
{log}
{last:#?}
{}",
            prometheus.log()
        )
    });
    let said = fs::read_to_string(&errors).unwrap_or_default();
    assert_eq!(ended.code(), Some(1), "{said}\n{}", told());
    assert!(told().contains("an alert fires: roll-back"), "{}", told());
    fleet.tells_the_truth(Some(TAG));

    // What it rests on is on the disk, and can be run again.
    let recordings = fleet.project.path(".relman/watch");
    let recording = fs::read_dir(&recordings)
        .expect("recordings")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .expect("a recording");
    fleet
        .relman(&["watch", "replay", &recording.display().to_string()])
        .exits(0)
        .says(&["it would have called for roll-back", "by critical-errors"]);
}

/// In the middle of a rollout somebody finds that the new code is vulnerable, and somebody who watches may act.
fn a_vulnerability_ends_the_rollout_that_is_watched(fleet: &Fleet) {
    fleet.hold(2);
    let mut driver = fleet.driver(&["fleet", "upgrade", SECOND, "--env", "local", "--yes"]);
    fleet.has_begun(2);
    let declare = ["watch", "declare", "vulnerability", "--env", "local"];
    fleet
        .relman(&[&declare[..], &["--why", "forged signatures pass"]].concat())
        .exits(0);
    // Without --act it says what to do, and does nothing.
    let during = ["watch", "--env", "local", "--during", "open", "--plain"];
    fleet
        .relman(&[&during[..], &["--looks", "1"]].concat())
        .exits(1)
        .says(&[
            "roll-back",
            "forged signatures pass",
            "run: relman fleet abort",
        ]);
    assert_eq!(fleet.state(), "running");
    fleet
        .relman(&[&during[..], &["--act"]].concat())
        .exits(1)
        .says(&["asked", "before the next step"]);
    // Whoever drives hears of it, also once nothing is declared any more.
    fleet
        .relman(&[&declare[..], &["--withdraw"]].concat())
        .exits(0);
    fleet.let_go(2);
    driver.wait().expect("a child");
    assert_eq!(fleet.state(), "rolled-back");
    fleet.tells_the_truth(Some(TAG));
}
