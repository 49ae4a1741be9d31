//! Emergencies in which more goes wrong: machines that lose their power or their link in the middle, an operator who is
//! killed, two who give the same order at once, and data that goes back with the releases.

use std::fs;
use std::process::{Child, Stdio};

use crate::common::fleet_machines::{COUNT, Fleet, Setup, two_releases};
use crate::common::fleet_steps::rolling;
use crate::common::relman::{Run, SECOND, TAG};

const ROLLBACK: [&str; 4] = ["fleet", "rollback", "--env", "local"];
const BACKUP: &str = "[data]\ndir = \"/var/lib/timed\"\n[backup]\nmin_free_mib = 1\n";
/// A file among the daemon's data, by which old data is told from new.
const MARK: &str = "/var/lib/timed/mark";

fn mark(fleet: &Fleet, text: &str) {
    for node in fleet.nodes() {
        node.machine.write(MARK, text);
    }
}

fn marks(fleet: &Fleet) -> Vec<String> {
    let nodes = fleet.nodes().iter();
    nodes
        .map(|node| fs::read_to_string(node.machine.path(MARK)).expect("a mark"))
        .collect()
}

/// Another operator's desk: the same fleet and the same store, and nothing that anybody wrote on the first one's.
fn at_another_desk(fleet: &Fleet, arguments: &[&str]) -> Child {
    let desk = fleet.operators("desk");
    fs::create_dir_all(&desk).expect("a directory");
    fs::copy(fleet.project.path("fleet.toml"), desk.join("fleet.toml")).expect("a copy");
    let store = fleet.project.store().display().to_string();
    let mut command = fleet.project.command(arguments);
    command.args(["--store", &store]).current_dir(&desk);
    fleet
        .in_network(&mut command)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("relman runs")
}

fn ended(driver: Child) -> Run {
    Run::of(driver.wait_with_output().expect("it ends"))
}

fn upgrade_without_a_rollout(fleet: &Fleet) {
    std::thread::scope(|threads| {
        for node in fleet.nodes() {
            threads.spawn(|| node.relman(&["install", SECOND]).exits(0));
        }
    });
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn emergencies_come_through_power_cuts_lost_links_killed_operators_and_each_other() {
    let setup = Setup {
        node_toml: BACKUP.to_owned(),
        ..rolling("")
    };
    let mut fleet = Fleet::new(two_releases("story-emergencies"), &setup);
    fleet.edit("patience_seconds = 20", "patience_seconds = 6");
    fleet.install_everywhere(TAG);
    mark(&fleet, "old");
    upgrade_without_a_rollout(&fleet);
    mark(&fleet, "new");

    // Back with the data: n2 has no link, n3 loses its power in the middle, and then the operator is killed.
    fleet.cut_link(2);
    fleet.hold(3);
    let with_data = [&ROLLBACK[..], &["--with-data"]].concat();
    let mut first = fleet.driver(&with_data);
    fleet.has_begun(3);
    first.kill().expect("it can be killed");
    first.wait().expect("a child");
    fleet.cut_power(3);
    fleet.let_go(3);
    fleet.boot(3);
    fleet.takes_visitors(3);
    let other = at_another_desk(&fleet, &["fleet", "resume", "--take-over"]);
    ended(other).exits(4).says(&["n2 is silent"]);
    for i in [1, 3, 4, 5, 6] {
        assert_eq!(fleet.node(i).current().as_deref(), Some(TAG), "n{i}");
        assert!(fleet.node(i).runs(), "n{i} was to run again");
    }
    fleet.mend_link(2);
    fleet.relman(&["fleet", "resume"]).exits(0);
    fleet.tells_the_truth(Some(TAG));
    assert_eq!(marks(&fleet), ["old"; COUNT]);

    // A stop in which n5 loses its power; what comes up again by itself is stopped once somebody goes on.
    upgrade_without_a_rollout(&fleet);
    fleet.hold_daemon(5, "ExecStop");
    let stop = fleet.driver(&["fleet", "stop", "--env", "local"]);
    fleet.has_begun(5);
    fleet.cut_power(5);
    let code = ended(stop).code;
    assert_eq!(code, Some(4), "n5 is not known to be stopped");
    let stopped: Vec<bool> = (1..=COUNT)
        .filter(|i| *i != 5)
        .map(|i| fleet.node(i).runs())
        .collect();
    assert_eq!(stopped, [false; COUNT - 1]);
    fleet.let_go(5);
    fleet.boot(5);
    fleet.takes_visitors(5);
    assert!(fleet.node(5).runs(), "its host has started it");
    fleet
        .relman(&["fleet", "resume"])
        .exits(0)
        .says(&["every daemon is stopped"]);
    assert!(!fleet.node(5).runs());

    // Two operators who both give the same order now: one of them goes on, and the other says so.
    let one = at_another_desk(&fleet, &ROLLBACK);
    let other = fleet.relman(&ROLLBACK);
    let one = ended(one);
    let mut codes = [one.code, other.code];
    codes.sort_unstable();
    if codes != [Some(0), Some(4)] {
        // The second one may have begun once the first was done, and found nothing to do.
        assert_eq!(codes, [Some(0), Some(0)], "{one:#?} {other:#?}");
    }
    fleet.tells_the_truth(Some(TAG));
}
